"""Whatever a turn says, in whatever order, a response's events are ones that strict clients accept."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from committee import Finished, TokenLogprob, ToolCall
from orchestrator.chat.dialect import Answer, Choice
from orchestrator.chat.responses import ResponseWriter

TEXTS = {
    "message": ("response.content_part", "response.output_text", "content_index"),
    "reasoning": ("response.reasoning_summary_part", "response.reasoning_summary_text", "summary_index"),
}
CALLS = {
    "function_call": ("response.function_call_arguments", "arguments"),
    "custom_tool_call": ("response.custom_tool_call_input", "input"),
}
ENDS = {"response.completed", "response.incomplete", "response.failed"}


class Reader:
    """A client that takes nothing for granted: every event must follow from the ones before."""

    def __init__(self) -> None:
        self.item: dict[str, Any] | None = None
        self.part: dict[str, Any] | None = None
        self.text = ""
        self.done: list[dict[str, Any]] = []
        self.ended = False

    def take(self, event: dict[str, Any]) -> None:
        kind = event["type"]
        assert not self.ended, f"{kind} after the end"
        if kind in {"response.created", "response.in_progress"}:
            assert event["response"]["status"] == "in_progress"
        elif kind in ENDS:
            self._end(event)
        elif kind == "response.output_item.added":
            assert self.item is None, "two items are open"
            assert event["output_index"] == len(self.done)
            assert event["item"]["status"] == "in_progress"
            self.item, self.text = event["item"], ""
        else:
            self._inside(kind, event)

    def _inside(self, kind: str, event: dict[str, Any]) -> None:
        assert self.item is not None, f"{kind} outside of any item"
        assert event["output_index"] == len(self.done)
        if kind == "response.output_item.done":
            self._finish(event["item"])
            return
        assert event["item_id"] == self.item["id"]
        if self.item["type"] in TEXTS:
            self._text(kind, event, *TEXTS[self.item["type"]])
        else:
            self._arguments(kind, event, *CALLS[self.item["type"]])

    def _text(self, kind: str, event: dict[str, Any], part: str, text: str, index: str) -> None:
        assert event[index] == 0
        if kind == f"{part}.added":
            assert self.part is None
            assert event["part"]["text"] == ""
            self.part = event["part"]
        elif kind == f"{text}.delta":
            assert self.part is not None
            self.text += event["delta"]
        elif kind == f"{text}.done":
            assert event["text"] == self.text
        else:
            assert kind == f"{part}.done"
            assert event["part"]["text"] == self.text
            self.part = None

    def _arguments(self, kind: str, event: dict[str, Any], name: str, field: str) -> None:
        if kind == f"{name}.delta":
            self.text += event["delta"]
        else:
            assert kind == f"{name}.done"
            assert event[field] == self.text

    def _finish(self, item: dict[str, Any]) -> None:
        assert self.item is not None
        assert self.part is None, "the part is not done"
        assert (item["id"], item["type"], item["status"]) == (self.item["id"], self.item["type"], "completed")
        assert said_in(item) == self.text
        self.done.append(item)
        self.item = None

    def _end(self, event: dict[str, Any]) -> None:
        output = event["response"]["output"]
        if event["type"] == "response.failed":
            assert event["response"]["error"]["message"]
            assert output[: len(self.done)] == self.done
        else:
            assert self.item is None
            assert output == self.done
            assert event["response"]["usage"]["total_tokens"] >= 0
        assert event["response"]["status"] == event["type"].removeprefix("response.")
        self.ended = True


def said_in(item: dict[str, Any]) -> str:
    if item["type"] in CALLS:
        return str(item[CALLS[item["type"]][1]])
    return "".join(part["text"] for part in item["content" if item["type"] == "message" else "summary"])


def check_events(stream: bytes) -> list[dict[str, Any]]:
    """The events of a whole stream, each legal where it stands, and the last one an end."""
    assert stream.endswith(b"\n\n")
    events = []
    reader = Reader()
    for block in stream.decode().removesuffix("\n\n").split("\n\n"):
        if block.startswith(":"):
            continue
        name, data = block.split("\n")
        event = json.loads(data.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        assert event["sequence_number"] == len(events)
        reader.take(event)
        events.append(event)
    assert reader.ended
    assert [event["type"] for event in events[:2]] == ["response.created", "response.in_progress"]
    return events


calls = st.lists(
    st.builds(
        ToolCall,
        st.uuids().map(lambda one: f"call_{one.hex}"),
        st.sampled_from(["read_file", "apply_patch"]),
        st.dictionaries(st.sampled_from(["input", "path"]), st.text() | st.integers()),
    ),
    max_size=3,
)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("content"), st.text()),
        st.tuples(st.just("reasoning"), st.text()),
        st.tuples(st.just("stage"), st.text()),
        st.tuples(st.just("silence"), st.integers(1, 7)),
        st.tuples(st.just("calls"), calls),
    ),
    max_size=12,
)


def finished(reason: Any) -> Finished:
    return Finished(reason, {}, "agreed", "qwen3", False, {})


@given(steps, st.sampled_from(["stop", "length", "tool_calls", "error"]))
def test_any_turn_gives_a_legal_stream(said: list[tuple[str, Any]], end: str) -> None:
    writer = ResponseWriter({"model": "committee"}, frozenset({"apply_patch"}))
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
        stream += writer.error({"code": "member_stream_broken", "message": "It broke.", "param": None, "type": "x"})
    else:
        stream += writer.end(finished(end), [])
    stream += writer.last()
    events = check_events(stream)
    output = events[-1]["response"]["output"]
    spoken = "".join(said_in(item) for item in output if item["type"] == "message")
    assert spoken == "".join(value for kind, value in said if kind == "content")
    assert sum(item["type"] in CALLS for item in output) == sum(len(value) for kind, value in said if kind == "calls")


@given(st.lists(st.text()), st.lists(st.text()), calls)
def test_the_whole_object_is_what_the_stream_ends_with(
    reasoning: list[str], content: list[str], made: list[ToolCall]
) -> None:
    whole, streamed = ResponseWriter({}), ResponseWriter({})
    answer = Answer([Choice(content)], reasoning, calls=tuple(made), finished=finished("stop"))
    for text in reasoning:
        streamed.reasoning(text)
    for text in content:
        streamed.content(text)
    streamed.tool_calls(made)
    last = json.loads(streamed.end(finished("stop"), []).rpartition(b"data: ")[2])["response"]
    got = json.loads(whole.whole(answer, []))
    assert [said_in(item) for item in got["output"]] == [said_in(item) for item in last["output"]]
    assert {key: got[key] for key in ("status", "usage", "error")} == {
        key: last[key] for key in ("status", "usage", "error")
    }


def test_silence_is_broken_by_events_now_and_then() -> None:
    writer = ResponseWriter({})
    said = [writer.keep_alive() for _ in range(6)]
    assert [line.startswith(b":") for line in said] == [True, True, False, True, True, False]
    assert b'"sequence_number":1,' in said[5]


def test_probabilities_stand_with_the_words_they_belong_to() -> None:
    writer = ResponseWriter({})
    stream = writer.begin() + writer.content("a b", logprobs=[TokenLogprob("a", -0.5), TokenLogprob(" b", -1.0)])
    stream += writer.content(" c", logprobs=[TokenLogprob(" c", -2.0, ((" d", -3.0),))])
    events = check_events(stream + writer.end(finished("stop"), []))
    deltas = [event["logprobs"] for event in events if event["type"] == "response.output_text.delta"]
    assert [[one["token"] for one in delta] for delta in deltas] == [["a", " b"], [" c"]]
    assert deltas[1][0]["top_logprobs"][0]["token"] == " d"
    (message,) = events[-1]["response"]["output"]
    assert message["content"][0]["logprobs"] == deltas[0] + deltas[1]
