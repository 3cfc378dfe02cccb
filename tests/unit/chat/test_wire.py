"""Chunks are spliced, not built; they must be the same JSON all the same."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from committee import MemberUsage, ToolCall
from orchestrator.chat.wire import ChunkWriter, Head, prompt_tokens_of_one, usage_of

HEAD = Head('mo"del', id="chatcmpl-1", created=7)


def parsed(event: bytes) -> dict[str, object]:
    assert event.startswith(b"data: ")
    assert event.endswith(b"\n\n")
    assert b"\n" not in event[:-2]
    found: dict[str, object] = json.loads(event[6:])
    return found


@given(st.text())
def test_content_and_reasoning(text: str) -> None:
    writer = ChunkWriter(HEAD)
    choice = {"index": 0, "logprobs": None, "finish_reason": None}
    frame = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 7, "model": 'mo"del'}
    frame["system_fingerprint"] = None  # type: ignore[assignment]
    assert parsed(writer.content(text)) == {**frame, "choices": [{**choice, "delta": {"content": text}}]}
    thoughts = {"reasoning_content": text, "reasoning": text}
    assert parsed(writer.reasoning(text)) == {**frame, "choices": [{**choice, "delta": thoughts}]}


def test_tool_calls_in_two_fragments_each() -> None:
    events = ChunkWriter(HEAD).tool_calls([ToolCall("a", "f", {}), ToolCall("b", "g", {"x": "é"})])
    deltas = [parsed(event + b"\n\n")["choices"][0]["delta"]["tool_calls"][0] for event in events.split(b"\n\n")[:-1]]  # type: ignore[index]
    assert deltas[0] == {"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": ""}}
    assert deltas[1] == {"index": 0, "function": {"arguments": "{}"}}
    assert [delta["index"] for delta in deltas] == [0, 0, 1, 1]
    assert json.loads(deltas[3]["function"]["arguments"]) == {"x": "é"}


def test_usage_adds_all_members_up() -> None:
    usage = usage_of({"a": MemberUsage(10, 5, 3, 1), "b": MemberUsage(1, 2, 2, 1)})
    assert (usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"]) == (11, 7, 18)
    assert usage["completion_tokens_details"] == {"reasoning_tokens": 5}


def test_the_prompt_of_one_member_is_no_sum() -> None:
    usage = {"a": MemberUsage(1000, 5, 3, 2), "b": MemberUsage(601, 2, 2, 1), "silent": MemberUsage()}
    assert prompt_tokens_of_one(usage) == 601
    assert prompt_tokens_of_one({}) == 0
