"""Tools have run, and then a member is lost: the other one tells what came of it, and no request fails."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from committee import Committee, Message, ToolCall
from tests.contract.committee.conftest import FILM, QUICK, READ_FILE, STATUS, Table
from tests.fakes.ollama import Fault, Reply, stage_of

FAULTS = [Fault.STALL, Fault.HTTP_500, Fault.EMPTY, Fault.BROKEN_CALL, Fault.WRONG_MODEL]
LOOK = {"function": {"name": "job_status", "arguments": {"job_id": "1"}}}
READ = ToolCall("c1", "read_file", {"path": "a"})
RESULT = Message("tool", "It says nothing.", tool_call_id="c1", name="read_file")


def results(body: dict[str, Any]) -> int:
    """How many results of calls a chat shows."""
    told = "have been carried out" in body["messages"][-1]["content"]
    return told + sum(message["role"] == "tool" for message in body["messages"])


def looks_first(text: str, before: int) -> Callable[[dict[str, Any]], Reply]:
    """A member that looks the job up, and then has words."""
    return lambda body: Reply(text) if results(body) > before or stage_of(body) == "speak" else Reply(tool_calls=[LOOK])


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("history", [(), (Message("assistant", "", tool_calls=(READ,)), RESULT)], ids=["both", "one"])
async def test_the_other_one_tells(table: Table, fault: Fault, history: tuple[Message, ...]) -> None:
    before = sum(message.role == "tool" for message in history)
    table.qwen.answer, table.gptoss.answer = looks_first("So it is.", before), looks_first("It is done.", before)
    table.qwen.fault_of = lambda body: fault if results(body) > before else None
    told = await table.ask(messages=[Message("user", "Look it up."), *history], tools=[READ_FILE, STATUS])
    assert [call.name for call in table.act.calls] == ["job.status"]
    assert told.text == "It is done."
    assert (told.finished.speaker, told.finished.finish_reason) == ("gptoss", "stop")
    assert told.finished.degraded
    assert told.finished.account.spoke_because.startswith("qwen3 had failed")


async def test_planning_again_takes_no_longer_than_the_turn_may(table: Table) -> None:
    config = replace(QUICK, probe_timeout_s=20, grace_s=20, cold_load_timeout_s=20, turn_timeout_s=0.6)
    table.committee = Committee(table.committee.members, planner="qwen3", config=config)
    film = {"action": "call", "calls": [{"tool": "film_run", "args": {"synopsis": "Bees"}, "purpose": ""}]}
    for fake in (table.qwen, table.gptoss):
        fake.plan = {"action": "call", "calls": [{"tool": "job_status", "args": {"job_id": "1"}, "purpose": ""}]}
        fake.replanned = film
    # The planner wants a film because of what it found, and then nobody comes to an end with the plan for it.
    table.gptoss.fault, table.gptoss.fault_stage = Fault.DRIP, "replan"
    table.qwen.fault_of = lambda body: Fault.DRIP if len(table.qwen.of("replan")) > 1 and "format" in body else None
    began = asyncio.get_running_loop().time()
    told = await table.ask("Look it up and make a film.", tools=[STATUS, FILM])
    assert asyncio.get_running_loop().time() - began < 5
    assert [call.name for call in table.act.calls] == ["job.status"]
    assert told.text == "Hello from the model."


async def test_who_was_asked_for_alone_is_not_replaced(table: Table) -> None:
    table.qwen.answer = looks_first("So it is.", 0)
    table.qwen.fault_of = lambda body: Fault.EMPTY if results(body) else None
    told = await table.ask("Look it up.", tools=[STATUS], mode="solo:qwen3")
    assert len(table.act.calls) == 1
    assert (told.text, told.finished.speaker) == ("", None)
    assert not table.gptoss.chats
