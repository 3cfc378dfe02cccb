"""Chunks are spliced, not built; they must be the same JSON all the same."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from committee import MemberUsage, ToolCall
from orchestrator.chat.wire import ChunkWriter, Head, usage_of

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


def test_usage_counts_the_prompt_once_and_everything_written() -> None:
    members = {"a": MemberUsage(1000, 5, 3, 2), "b": MemberUsage(601, 2, 2, 1), "silent": MemberUsage()}
    usage = usage_of(members)
    assert (usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"]) == (601, 7, 608)
    assert usage["completion_tokens_details"] == {"reasoning_tokens": 5}
    assert usage_of({})["total_tokens"] == 0
