"""`committee calibrate` end to end: two model servers, the real command, the files it leaves."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from committee.calibration import Gate, Table
from committee.measurement import records
from committee.measurement.report import report
from orchestrator.calibration.questions import Calls, Code, Declined, Question, questions
from orchestrator.services import open_tools
from orchestrator.settings import Settings
from tests.fakes.ollama import FakeOllama, Reply

MODELS = {"qwen3": "qwen3:32b", "gptoss": "gpt-oss:20b"}


class Examinee:
    """A model that knows the gold answers, but not all of them: `known` of 100 questions."""

    def __init__(self, name: str, known: int, asked: list[Question]) -> None:
        self._name = name
        self._known = known
        self._asked = {question.text: question for question in asked}

    def __call__(self, body: dict[str, Any]) -> Reply:
        question = next(q for m in body["messages"] for text, q in self._asked.items() if m["content"] == text)
        knows = hashlib.sha256(f"{self._name}{question.id}".encode()).digest()[0] % 100 < self._known
        fields = (body.get("format") or {}).get("properties", {})
        if "pick" in fields:
            return Reply(json.dumps({"reason": "", "pick": "1"}))
        if "defect_in_mine" in fields:
            return Reply(
                json.dumps({"defect_in_mine": "", "defect_in_other": "", "approve": [], **self._plan(question, knows)})
            )
        if "action" in fields:
            return Reply(
                json.dumps(
                    {
                        "work": "",
                        "points": [],
                        "risks": [],
                        "confidence": 1,
                        "decline_kind": "",
                        **self._plan(question, knows),
                    }
                )
            )
        return Reply(self._text(question, knows))

    def _plan(self, question: Question, knows: bool) -> dict[str, Any]:
        gold, plan = question.gold, {"action": "answer", "key": "", "calls": []}
        if isinstance(gold, Calls) and gold.calls and knows:
            calls = [
                {"tool": c["tool"].replace(".", "_"), "args": self._args(c, question), "purpose": ""}
                for c in gold.calls
            ]
            return {**plan, "action": "call", "calls": calls}
        if isinstance(gold, Declined) and knows:
            return {**plan, "action": "decline", "decline_kind": gold.kind}
        return {**plan, "key": self._text(question, knows)}

    def _args(self, call: dict[str, Any], question: Question) -> dict[str, Any]:
        fields = {"duration_s": "duration_seconds"}
        args = {fields.get(k, k): v for k, v in call["args"].items() if not isinstance(v, dict)}
        if "width" in args and call["tool"] == "film.run":
            args["resolution"] = f"{args.pop('width')}x{args.pop('height')}"
        text = {"film.run": "synopsis", "image.generate": "prompt"}.get(call["tool"])
        return {**args, **({text: question.text} if text else {})}

    def _text(self, question: Question, knows: bool) -> str:
        gold = question.gold
        if isinstance(gold, Code):
            return f"```python\ndef {gold.entry}(*args):\n    return {len(self._name)}\n```"
        return str(getattr(gold, "key", "words")) if knows else f"{len(question.id)}.5"


async def start_command(data: Path, *options: str, **variables: str) -> asyncio.subprocess.Process:
    command = [sys.executable, "-m", "orchestrator.cli", "calibrate", *options]
    environment = {**os.environ, "DATA_DIR": str(data), "COLUMNS": "200", **variables}
    return await asyncio.create_subprocess_exec(
        *command, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )


async def run_command(data: Path, *options: str, **variables: str) -> tuple[int, str]:
    process = await start_command(data, *options, **variables)
    async with asyncio.timeout(90):
        out, _ = await process.communicate()
    return process.returncode or 0, out.decode()


async def test_ten_minutes_in_a_few_seconds(tmp_path: Path) -> None:
    asked = questions(open_tools(Settings()).names())
    async with FakeOllama(MODELS["qwen3"]) as one, FakeOllama(MODELS["gptoss"]) as two:
        one.answer, two.answer = Examinee("qwen3", 60, asked), Examinee("gptoss", 90, asked)
        where = {
            "QWEN_BASE_URL": one.base_url, "QWEN_MODEL_ID": MODELS["qwen3"], "QWEN_API": "ollama",
            "GPTOSS_BASE_URL": two.base_url, "GPTOSS_MODEL_ID": MODELS["gptoss"], "GPTOSS_API": "ollama",
        }  # fmt: skip
        code, told = await run_command(tmp_path, "--minutes", "0.1", **where)
        assert code == 0, told
        first = records.read(tmp_path / "calibration.jsonl")
        # Half a line, as a run leaves it that was killed: the next one goes on behind the last whole one.
        with (tmp_path / "calibration.jsonl").open("ab") as file:
            file.write(b'{"type":"item","id":"half')
        code, again = await run_command(tmp_path, "--minutes", "0.05", **where)
        assert code == 0, again
    second = records.read(tmp_path / "calibration.jsonl")
    assert second.items[: len(first.items)] == first.items
    assert len(second.items) > len(first.items) >= 8
    assert first.header.models == MODELS
    categories = {item.category for item in second.items}
    assert categories == {"reasoning", "code", "tools", "refusal"}
    for item in second.items:
        assert all(len(member.samples) == 3 for member in item.members.values()), item
        assert item.committee is not None
        assert not item.committee.failure
    split = [item for item in second.items if any(member.verdicts for member in item.members.values())]
    assert split, "no question on which they disagree"
    assert all(len(member.verdicts) == 2 for item in split for member in item.members.values())
    plans = next(one for one in report(second) if one.name == "tools")
    assert plans.policy("gptoss alone").share > plans.policy("qwen3 alone").share
    everything = report(second)[-1]
    assert everything.members["qwen3"].order_flips == 1.0  # it always picks the first
    assert "committee − gptoss alone" in again
    assert "5 points need" in again
    table = Table.load(tmp_path / "calibration.json")
    assert table.models == MODELS
    assert not table.unfit(MODELS)
    assert {name: row.items for name, row in table.rows.items()} == {
        name: sum(item.category == name for item in second.items) for name in categories
    }


async def test_stand_ins_are_not_measured_unless_asked_and_then_change_nothing(tmp_path: Path) -> None:
    nowhere = {"QWEN_API": "offline", "GPTOSS_API": "offline"}
    code, told = await run_command(tmp_path, "--minutes", "0.05", **nowhere)
    assert code == 2
    assert "committee doctor" in told
    assert not (tmp_path / "calibration.jsonl").exists()
    code, told = await run_command(tmp_path, "--minutes", "0.1", "--allow-stand-ins", "--category", "tools", **nowhere)
    assert code == 0, told
    table = Table.load(tmp_path / "calibration.json")
    assert table.stand_ins
    assert table.rows.keys() == {"tools"}
    assert Gate(table).table(table.models) == Table.empty()


async def test_a_member_that_is_not_there_is_named(tmp_path: Path) -> None:
    async with FakeOllama(MODELS["qwen3"]) as one:
        code, told = await run_command(
            tmp_path, "--minutes", "0.05", QWEN_BASE_URL=one.base_url, QWEN_MODEL_ID=MODELS["qwen3"], QWEN_API="ollama",
            GPTOSS_API="ollama", GPTOSS_BASE_URL="http://127.0.0.1:9",
        )  # fmt: skip
    assert code == 2
    assert "gptoss cannot answer" in told


@pytest.mark.parametrize("option", [("--minutes", "0"), ("--samples", "0"), ("--category", "poetry")])
async def test_senseless_options_are_refused(tmp_path: Path, option: tuple[str, str]) -> None:
    code, _ = await run_command(tmp_path, *option)
    assert code == 2


async def test_an_interrupted_run_reports_what_it_has(tmp_path: Path) -> None:
    asked = questions(open_tools(Settings()).names())
    async with FakeOllama(MODELS["qwen3"], MODELS["gptoss"]) as both:
        both.answer = Examinee("both", 80, asked)
        where = {
            "QWEN_BASE_URL": both.base_url, "QWEN_MODEL_ID": MODELS["qwen3"], "QWEN_API": "ollama",
            "GPTOSS_BASE_URL": both.base_url, "GPTOSS_MODEL_ID": MODELS["gptoss"], "GPTOSS_API": "ollama",
        }  # fmt: skip
        process = await start_command(tmp_path, "--minutes", "10", **where)
        assert process.stdout is not None
        async with asyncio.timeout(60):
            while b"committee" not in (line := await process.stdout.readline()) or b"minutes" in line:
                assert line, "it ended by itself"
            process.send_signal(signal.SIGINT)
            told, _ = await process.communicate()
    assert process.returncode == 0
    assert b"Stopped" in told
    assert b"Written" in told
    assert (tmp_path / "calibration.json").exists()
