"""Agents with tools of their own: every member is probed with them natively, and what was agreed is handed back."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from committee import ClientToolCalls, ContentDelta, MemberStreamBroken, Message, StageEvent, ToolCall
from tests.contract.committee.conftest import FILM, READ_FILE, STATUS, Table
from tests.fakes.ollama import Fault, Reply

EDIT: dict[str, Any] = {"function": {"name": "read_file", "arguments": {"path": "a.py"}}}
OTHER: dict[str, Any] = {"function": {"name": "read_file", "arguments": {"path": "b.py"}}}


def says(fake: Any, *replies: Reply) -> None:
    """What a member answers natively, the last reply for ever; other stages as usual."""
    left = list(replies)

    def answer(body: dict[str, Any]) -> Reply:
        if body.get("format"):
            fields = body["format"]["properties"]
            if "defect_in_mine" in fields:
                return Reply(json.dumps({**fake.review, "action": "answer"}))
            return Reply(json.dumps(fake.verdict))
        return left.pop(0) if len(left) > 1 else left[0]

    fake.answer = answer


async def test_agreed_calls_come_after_one_probe(table: Table) -> None:  # C037
    says(table.qwen, Reply("I look at it. ", tool_calls=[EDIT]))
    says(table.gptoss, Reply(tool_calls=[EDIT]))
    told = await table.ask("Fix a.py", tools=[READ_FILE])
    assert len(table.qwen.chats) == len(table.gptoss.chats) == 1
    for fake in (table.qwen, table.gptoss):
        assert [tool["function"]["name"] for tool in fake.chats[0]["tools"]] == ["read_file"]
        assert fake.chats[0]["messages"][-1]["content"] == "Fix a.py"
    (handed,) = told.of(ClientToolCalls)
    assert [(call.name, call.arguments) for call in handed.calls] == [("read_file", {"path": "a.py"})]
    assert told.text == "I look at it. "
    assert told.finished.agreement == "agreed"
    assert told.finished.finish_reason == "tool_calls"
    assert told.finished.usage["qwen3"].hidden_tokens == 0


async def test_different_calls_of_the_planner_win(table: Table) -> None:
    says(table.qwen, Reply(tool_calls=[EDIT]))
    says(table.gptoss, Reply(tool_calls=[OTHER]))
    told = await table.ask("Fix it", tools=[READ_FILE])
    paths = [call.arguments["path"] for call in told.of(ClientToolCalls)[0].calls]
    assert paths[0] == "a.py"


async def test_words_are_the_planners_own_and_stream(table: Table) -> None:
    says(table.qwen, Reply("All of it is done now."))
    says(table.gptoss, Reply("Nothing to do."))
    table.qwen.token_ms = 20
    told = await table.ask("Fix a.py", tools=[READ_FILE])
    assert told.text == "All of it is done now."
    # The other member had ended long before: the words came one by one.
    assert len(told.of(ContentDelta)) > 2
    assert len(table.qwen.chats) == len(table.gptoss.chats) == 1
    assert told.finished.agreement == "compatible"
    assert told.finished.speaker == "qwen3"


async def test_words_wait_until_nobody_has_called(table: Table) -> None:
    says(table.qwen, Reply("I think it is done."))
    says(table.gptoss, Reply(tool_calls=[EDIT]))
    table.gptoss.token_ms = 30
    told = await table.ask("Fix a.py", tools=[READ_FILE])
    # They differ on whether to act: a conflict like any other, and until it is settled nothing is shown.
    order = [
        type(e).__name__ for e in told.events if isinstance(e, ContentDelta) or getattr(e, "stage", "") == "compare"
    ]
    assert order[0] == "StageEvent"
    assert ("compare", "conflict") in [(e.stage, e.event) for e in told.of(StageEvent)]
    assert table.qwen.stages.count("cross-check") == 1
    assert told.text == "I think it is done."
    assert not told.of(ClientToolCalls)


async def test_a_planner_that_finds_its_mistake_acts_as_the_other(table: Table) -> None:
    says(table.qwen, Reply("I think it is done."))
    says(table.gptoss, Reply(tool_calls=[EDIT]))

    def answer(body: dict[str, Any]) -> Reply:
        if body.get("format"):
            return Reply(
                json.dumps({"defect_in_mine": "I never read the file.", "action": "call", "calls": [], "key": ""})
            )
        return Reply("I think it is done.")

    table.qwen.answer = answer
    told = await table.ask("Fix a.py", tools=[READ_FILE])
    assert [call.arguments for call in told.of(ClientToolCalls)[0].calls] == [{"path": "a.py"}]
    assert told.text == ""


async def test_one_member_is_enough_for_an_agent(table: Table) -> None:
    await table.gptoss.stop()
    says(table.qwen, Reply(tool_calls=[EDIT]))
    told = await table.ask("Fix a.py", tools=[READ_FILE])
    assert told.of(ClientToolCalls)
    assert told.finished.agreement == "single"
    assert told.finished.degraded


async def test_the_others_words_stand_when_the_planner_fails(table: Table) -> None:
    table.qwen.fault = Fault.HTTP_503
    says(table.gptoss, Reply("It is done."))
    told = await table.ask("Fix a.py", tools=[READ_FILE])
    assert told.text == "It is done."
    assert told.finished.speaker == "gptoss"


async def test_a_voice_that_breaks_off_is_not_replaced(table: Table) -> None:
    says(table.qwen, Reply("one two three four five six seven eight"))
    says(table.gptoss, Reply("Nothing."))
    table.qwen.fault, table.qwen.token_ms = Fault.CUT, 20
    with pytest.raises(MemberStreamBroken):
        await table.ask("Fix a.py", tools=[READ_FILE])


async def test_our_own_tools_run_and_their_results_are_used(table: Table) -> None:
    look = {"function": {"name": "job_status", "arguments": {"job_id": "j"}}}
    says(table.qwen, Reply(tool_calls=[look]), Reply("It runs."))
    says(table.gptoss, Reply(tool_calls=[look]))
    told = await table.ask("How is it?", tools=[READ_FILE, STATUS])
    assert [call.name for call in table.act.calls] == ["job.status"]
    assert told.text == "It runs."
    assert not told.of(ClientToolCalls)
    assert table.qwen.chats[-1]["messages"][-1]["role"] == "tool"


async def test_a_film_of_one_member_needs_the_other_here_too(table: Table) -> None:
    film = {"function": {"name": "film_run", "arguments": {"synopsis": "bees"}}}
    says(table.qwen, Reply(tool_calls=[film]))
    says(table.gptoss, Reply("I would ask first."))
    told = await table.ask("film?", tools=[READ_FILE, FILM])
    assert table.act.calls == []
    assert [call.name for call in told.finished.account.held] == ["film.run"]


VOID = """You are an expert coding agent. You can use tools. Available tools:
1. read_file
  Description: Returns the contents of a file.
  Format:
  <read_file>
  <uri>The full path</uri>
  <start_line>Optional</start_line>
  </read_file>
2. edit_file
  Format:
  <edit_file>
  <uri>The full path</uri>
  <search_replace_blocks>...</search_replace_blocks>
  </edit_file>
Only use ONE tool call at a time."""


@pytest.mark.parametrize("role", ["system", "user"])
async def test_tools_described_in_the_prompt_take_one_voice(table: Table, role: Any) -> None:
    said = "I read it.\n<read_file>\n<uri>/a.py</uri>\n</read_file>"
    table.qwen.text = said
    messages = [Message(role, VOID), Message("user", "Fix a.py")]
    told = await table.ask(messages=messages, tools=[STATUS, FILM])
    assert told.text == said
    assert not table.gptoss.chats
    assert "tools" not in table.qwen.chats[0]
    assert told.finished.account.route == "tools described in the prompt"


@pytest.mark.parametrize(
    "prompt",
    [
        "You are a helpful tool expert. Answer in <b>bold</b> or <ul><li>lists</li></ul> <ol><li>x</li></ol>.",
        "<instructions><step>Think.</step></instructions> <examples><example>tool</example></examples>",
        "Use tools when you can.",
    ],
)
async def test_other_prompts_do_not_describe_tools(table: Table, prompt: str) -> None:
    await table.ask(messages=[Message("system", prompt), Message("user", "Hi")])
    assert table.gptoss.chats


async def test_deep_holds_words_back_until_they_are_checked(table: Table) -> None:
    says(table.qwen, Reply("Done."))
    says(table.gptoss, Reply("Done too."))
    told = await table.ask("Fix a.py", tools=[READ_FILE], mode="deep")
    assert told.text == "Done."
    assert len(table.gptoss.of("cross-check")) == 1


async def test_a_result_of_the_clients_tool_is_one_members_turn(table: Table) -> None:
    wish = ToolCall("c1", "read_file", {"path": "a.py"})
    messages = [
        Message("user", "Fix"),
        Message("assistant", tool_calls=(wish,)),
        Message("tool", "x", tool_call_id="c1"),
    ]
    says(table.qwen, Reply("Fixed."))
    async with asyncio.timeout(5):
        told = await table.ask(messages=messages, tools=[READ_FILE])
    assert told.finished.account.route == "tool result"
    assert not table.gptoss.chats
