"""Tools of the client and a JSON schema for the answer in one request: calls first, and JSON in the end."""

from __future__ import annotations

import json
from typing import Any

import pytest

from committee import ClientToolCalls
from tests.contract.committee.conftest import READ_FILE, Table
from tests.fakes.ollama import Reply

SCHEMA: dict[str, Any] = {"type": "object", "properties": {"lines": {"type": "integer"}}, "required": ["lines"]}
CALL: dict[str, Any] = {"function": {"name": "read_file", "arguments": {"path": "a.py"}}}
UNKNOWN: dict[str, Any] = {"function": {"name": "no_such_tool", "arguments": {}}}
ANSWER = json.dumps({"lines": 3})

ways = pytest.mark.parametrize("mode", ["auto", "solo:qwen3"])


def says(table: Table, free: Reply) -> None:
    """What every member answers as long as no schema binds it; then it is the JSON that was asked for."""

    def answer(body: dict[str, Any]) -> Reply:
        return Reply(ANSWER) if body.get("format") == SCHEMA else free

    table.qwen.answer = table.gptoss.answer = answer


def chats(table: Table) -> list[dict[str, Any]]:
    return [*table.qwen.chats, *table.gptoss.chats]


@ways
async def test_calls_come_first(table: Table, mode: str) -> None:
    says(table, Reply("I look at it. ", tool_calls=[CALL]))
    told = await table.ask("Count the lines", tools=[READ_FILE], response_schema=SCHEMA, mode=mode)
    assert all(body["tools"] and "format" not in body for body in chats(table))
    (handed,) = told.of(ClientToolCalls)
    assert [call.arguments for call in handed.calls] == [{"path": "a.py"}]
    assert told.finished.finish_reason == "tool_calls"
    assert told.text == ""


@ways
async def test_the_answer_in_words_is_json(table: Table, mode: str) -> None:
    says(table, Reply("It has three lines."))
    told = await table.ask("Count the lines", tools=[READ_FILE], response_schema=SCHEMA, mode=mode)
    assert told.text == ANSWER
    assert told.finished.finish_reason == "stop"
    assert not told.of(ClientToolCalls)
    bound = [body for body in chats(table) if "format" in body]
    assert len(bound) == 1
    assert "tools" not in bound[0]
    assert all("tools" in body for body in chats(table) if body is not bound[0])


async def test_calls_that_cannot_be_used_end_in_json_too(table: Table) -> None:
    says(table, Reply("I look at it. ", tool_calls=[UNKNOWN]))
    told = await table.ask("Count the lines", tools=[READ_FILE], response_schema=SCHEMA, mode="solo:qwen3")
    assert told.text == ANSWER
    assert not told.of(ClientToolCalls)
