"""Whatever a turn says, in whatever order, a message's events are ones that strict clients accept."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given

from orchestrator.chat.dialect import Answer, Choice
from orchestrator.chat.messages import MessageWriter, error_body
from tests.unit.chat.test_responses import finished, steps

FIELDS = {"text_delta": "text", "thinking_delta": "thinking", "input_json_delta": "partial_json"}
DELTAS = {
    "text": {"text_delta"},
    "thinking": {"thinking_delta", "signature_delta"},
    "tool_use": {"input_json_delta"},
}


class Reader:
    """A client that takes nothing for granted: every event must follow from the ones before."""

    def __init__(self) -> None:
        self.started = False
        self.stop_reason: str | None = None
        self.over = False
        self.failed = False
        self.open: dict[str, Any] | None = None
        self.blocks: list[dict[str, Any]] = []

    def take(self, event: dict[str, Any]) -> None:
        kind = event["type"]
        assert not self.over, f"{kind} after the end"
        assert self.started or kind == "message_start"
        match kind:
            case "message_start":
                assert not self.started
                assert event["message"]["content"] == []
                assert event["message"]["stop_reason"] is None
                self.started = True
            case "content_block_start":
                assert self.open is None, "two blocks are open"
                assert self.stop_reason is None
                assert event["index"] == len(self.blocks)
                self.open = {**event["content_block"], "said": "", "signed": False}
            case "content_block_delta":
                self._delta(event)
            case "content_block_stop":
                assert self.open is not None
                assert event["index"] == len(self.blocks)
                assert self.open["signed"] == (self.open["type"] == "thinking")
                self.blocks.append(self.open)
                self.open = None
            case "message_delta":
                assert self.open is None
                assert self.stop_reason is None
                assert event["usage"]["output_tokens"] >= 0
                self.stop_reason = event["delta"]["stop_reason"]
            case "message_stop":
                assert self.stop_reason is not None
                self.over = True
            case "error":
                assert event["error"]["message"]
                self.over = self.failed = True
            case _:
                assert kind == "ping"

    def _delta(self, event: dict[str, Any]) -> None:
        assert self.open is not None, "a delta outside of any block"
        assert event["index"] == len(self.blocks)
        delta = event["delta"]
        assert delta["type"] in DELTAS[self.open["type"]]
        assert not self.open["signed"]
        if delta["type"] == "signature_delta":
            self.open["signed"] = True
        else:
            self.open["said"] += delta[FIELDS[delta["type"]]]


def read_events(stream: bytes) -> Reader:
    """Read a whole stream, every event legal where it stands, and the last one an end."""
    assert stream.endswith(b"\n\n")
    reader = Reader()
    for block in stream.decode().removesuffix("\n\n").split("\n\n"):
        name, data = block.split("\n")
        event = json.loads(data.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        reader.take(event)
    assert reader.over
    return reader


@given(steps)
def test_any_turn_gives_a_legal_stream(said: list[tuple[str, Any]]) -> None:
    for end in ("stop", "length", "tool_calls", "error"):
        _check_stream(said, end)


def _check_stream(said: list[tuple[str, Any]], end: str) -> None:
    writer = MessageWriter("committee")
    stream = writer.begin()
    for kind, value in said:
        match kind:
            case "content":
                stream += writer.content(value)
            case "reasoning":
                stream += writer.reasoning(value)
            case "stage":
                stream += writer.stage({"stage": "probe"}, value)
            case "silence":
                stream += b"".join(writer.keep_alive() for _ in range(value))
            case "calls":
                stream += writer.tool_calls(value)
    if end == "error":
        stream += writer.error({"code": "x", "message": "It broke.", "param": None, "type": "server_error"})
    else:
        stream += writer.end(finished(end), []) + writer.last()
    reader = read_events(stream)
    assert reader.failed == (end == "error")
    blocks = reader.blocks + ([reader.open] if reader.open else [])
    spoken = "".join(block["said"] for block in blocks if block["type"] == "text")
    assert spoken == "".join(value for kind, value in said if kind == "content")
    calls = [call for kind, value in said if kind == "calls" for call in value]
    used = [block for block in blocks if block["type"] == "tool_use"]
    assert [block["id"] for block in used] == [call.id for call in calls]
    assert [json.loads(block["said"]) for block in used] == [call.arguments for call in calls]


def test_the_whole_object() -> None:
    answer = Answer([Choice(["Hel", "lo"])], ["Hm.\n"], finished=finished("stop"))
    whole = json.loads(MessageWriter("committee", 7).whole(answer, []))
    assert whole["content"] == [
        {"type": "thinking", "thinking": "Hm.\n", "signature": "unsigned"},
        {"type": "text", "text": "Hello"},
    ]
    assert (whole["stop_reason"], whole["type"], whole["role"]) == ("end_turn", "message", "assistant")


def test_a_prompt_that_is_too_long_is_called_so() -> None:
    error = {"message": "It does not fit.", "type": "x", "param": None, "code": "context_length_exceeded"}
    body = error_body(error, 400)
    assert body["type"] == "error"
    assert body["error"]["type"] == "invalid_request_error"
    assert body["error"]["message"] == "prompt is too long: It does not fit."
