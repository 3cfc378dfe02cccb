"""Every word that members are told, as it is sent. A change here is a new `prompts.VERSION`.

`COMMITTEE_GOLDEN=write pytest tests/unit/committee/test_prompts.py` writes the files anew.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from committee import prompts
from committee.backends.ollama import OllamaMember
from committee.budget import Budget
from committee.prompts import Outline
from committee.requests import Requests
from committee.schema import ChatRequest, MemberConfig, Message, Position, ToolCall, ToolOutcome, ToolSpec, Turn
from committee.seats import CommitteeConfig

GOLDEN = Path(__file__).parent / "golden"
FILM = ToolSpec(
    "film.run", "Make a film.",
    {"type": "object", "properties": {"synopsis": {"type": "string"}, "fps": {"type": "integer"}}}, "job",
)  # fmt: skip
STATUS = ToolSpec("job.status", "Nobody wants to call this.", {"type": "object"})
CALL = ToolCall("", "film.run", {"synopsis": "bees", "fps": 24})
ANN = Position("answer", "The first edition names Ann.", "Ann")
BOB = Position("answer", "Bob signed it.", "Bob")
ACT = Position("call", "A film is wanted.", calls=(CALL,))
OUTCOME = ToolOutcome(ToolCall("c1", "film.run", {"synopsis": "bees"}), {"job_id": "0198-job"})
OUTLINE = Outline(("The answer is Ann.",), ('Not "Bob": he only signed it.',), ("first edition 1911",), ("a reprint",),
                  (prompts.NOTE_CLARIFY,))  # fmt: skip
FAMILIES = {"qwen3": "qwen3:32b", "gptoss": "gpt-oss:20b"}
STAGES = ("probe", "probe_tools", "replan", "cross_check", "verdict", "ranking", "choose", "speak", "speak_json")


def requests() -> Requests:
    messages = [Message("system", "You are brief."), Message("user", "Who wrote it?")]
    return Requests(Turn(messages, seed=7), messages, (FILM,), must_call=False, config=CommitteeConfig(),
                    budget=Budget(hidden_tokens=4000, wall_s=60))  # fmt: skip


def instruction(stage: str) -> str:
    schema = {"0.fps": {"enum": [24, 60, "ask"]}}
    return {
        "probe": lambda: prompts.probe((), must_call=False),
        "probe_tools": lambda: prompts.probe((FILM,), must_call=True),
        "replan": lambda: prompts.probe((FILM,), must_call=False, outcomes=(OUTCOME,)),
        "cross_check": lambda: prompts.cross_check(
            ANN, (BOB, ACT), tools=(STATUS, FILM), evidence=("1 + 1 = 2",), approve=(CALL,)
        ),
        "verdict": lambda: prompts.verdict((ANN, BOB)),
        "ranking": lambda: prompts.verdict((ANN, BOB, ACT)),
        "choose": lambda: prompts.choose((CALL,), schema),
        "speak": lambda: prompts.speak(OUTLINE, (OUTCOME,)),
        "speak_json": lambda: prompts.speak(OUTLINE, structured=True),
    }[stage]()


def check(name: str, text: str) -> None:
    path = GOLDEN / f"{name}.txt"
    if os.environ.get("COMMITTEE_GOLDEN") == "write":
        path.write_text(text + "\n")
    assert path.read_text() == text + "\n", f"{path.name} differs: a new wording is a new prompts.VERSION"


@pytest.mark.parametrize("stage", STAGES)
def test_instructions_are_what_they_were(stage: str) -> None:
    check(stage, instruction(stage))


def test_the_version_belongs_to_the_words() -> None:
    check("version", prompts.VERSION)


def test_the_preface_is_what_it_was() -> None:
    check("preface", prompts.PREFACE)


@pytest.mark.parametrize("family", FAMILIES)
async def test_each_family_is_asked_in_its_own_way(family: str) -> None:
    """What is sent to either model, in outline: the words, how it may think, how its answer is bound."""
    member = OllamaMember(MemberConfig(family, FAMILIES[family], "http://127.0.0.1:9", num_ctx=8192))
    member._thinks = True
    asked: dict[str, ChatRequest] = {
        "probe": requests().probe(family),
        "cross-check": requests().cross_check(family, ANN, (BOB,), evidence=(), approve=(), round_number=1),
        "verdict": requests().verdict(family, (ANN, BOB), order=0),
        "speak": requests().speak(family, OUTLINE, ()),
    }
    lines = []
    for stage, request in asked.items():
        body = member._body(request)
        fields = ", ".join(body["format"]["properties"]) if "format" in body else "none"
        lines.append(f"== {stage}: think={body.get('think')} format={fields} options={body['options']}")
        lines += [f"[{message['role']}] {message['content']}" for message in body["messages"][1:]]
    await member.aclose()
    check(family, "\n".join(lines))


async def test_all_stages_begin_with_the_same_bytes() -> None:
    one = requests()
    asked = [one.probe("a"), one.verdict("b", (ANN, BOB), order=1), one.speak("a", OUTLINE, ())]
    assert len({request.messages[:-1] for request in asked}) == 1


@pytest.mark.parametrize("stage", STAGES)
def test_instructions_are_short_and_name_nobody(stage: str) -> None:
    text = instruction(stage)
    assert len(text) < 2600
    assert not any(word in text.lower() for word in ("qwen", "gpt", "ollama", "committee", "vote"))
