"""The parser that reads what a model answers to a probe."""

from __future__ import annotations

import contextlib
import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from committee.errors import AnswerTooLarge, BadAnswer
from committee.proposal import MAX_CALLS, Proposal, WorkReader, parse, schema
from committee.schema import ToolSpec

FILM = ToolSpec(
    "film.run",
    "Make a film.",
    {"type": "object", "properties": {"synopsis": {"type": "string"}}, "required": ["synopsis"]},
    "job",
)
GOOD: dict[str, Any] = {
    "work": "They want a film.",
    "action": "call",
    "decline_kind": "",
    "calls": [{"tool": "film_run", "args": {"synopsis": "butterflies"}, "purpose": "asked for"}],
    "key": "",
    "points": ["say the id"],
    "risks": [],
    "confidence": 0.8,
}


def plan(**changes: Any) -> str:
    return json.dumps({**GOOD, **changes})


def test_a_plan_and_its_tool_calls_are_read() -> None:  # C032
    found = parse(plan(), [FILM])
    assert found.action == "call"
    assert found.calls[0].tool == "film.run"
    assert found.calls[0].args == {"synopsis": "butterflies"}
    assert found.points == ("say the id",)
    assert not found.repaired


@pytest.mark.parametrize(
    "text",
    [
        "```json\n" + plan() + "\n```",
        "\n ``` \n" + plan() + "```  \n",
        "<think>Let me see {not json}</think>\n" + plan(),
        "\ufeff" + plan(),
        "Here is the plan:\n" + plan() + "\nDone.",
        plan().replace('"work"', "work").replace('"action"', "'action'"),
        plan()[:-1] + ",}",
        plan().replace("[]", "[,]"),
        plan().replace("0.8", ".8"),
        plan().replace('"They want a film."', '"They want a "film"."'),
        plan().replace("They want", "They\nwant"),
    ],
)
def test_usual_mistakes_are_repaired(text: str) -> None:  # C137
    found = parse(text, [FILM])
    assert found.action == "call"
    assert found.calls[0].args == {"synopsis": "butterflies"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   \n",
        "I would make a film.",
        "null",
        "[]",
        '"call"',
        "{}",
        plan(action="execute"),
        plan(action=None),
        plan(action=["call"]),
        plan(calls=[]),
        plan(calls={"tool": "film_run"}),
        plan(calls=[{"tool": "rm_rf", "args": {}}]),
        plan(calls=[{"tool": "film_run", "args": "butterflies"}]),
        plan(calls=[{"tool": ["film_run"], "args": {}}]),
        plan(calls=["film_run"]),
        plan().replace("0.8", "1" * 400),
        "{" * 5000,
        '{"a":' * 5000,
        "[" * 100_000,
        '{"action":"answer","points":' + "[" * 40 + "]" * 40 + "}",
    ],
)
def test_what_cannot_be_trusted_is_refused(text: str) -> None:  # C137
    with pytest.raises((BadAnswer, AnswerTooLarge)):
        parse(text, [FILM])


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_no_number_is_other_than_json(number: str) -> None:
    text = plan(calls=[{"tool": "film_run", "args": {"synopsis": "x", "duration_s": 0.25}}]).replace("0.25", number)
    with contextlib.suppress(BadAnswer):
        json.dumps(parse(text, [FILM]).calls[0].args, allow_nan=False)


@pytest.mark.parametrize("end", range(20, len(plan()), 3))
def test_half_a_plan_never_acts(end: int) -> None:  # C137
    # Repair could close the brackets for it, and a job would be started with half of its arguments.
    with pytest.raises(BadAnswer):
        parse(plan()[:end], [FILM])


def test_half_an_answer_without_actions_may_be_used() -> None:
    text = json.dumps({"work": "Simple.", "action": "answer", "key": "42", "points": ["one", "two"]})
    assert parse(text[:-8], []).key == "42"


def test_unknown_tools_are_left_out_and_named() -> None:
    calls = [{"tool": "rm_rf", "args": {}}, *GOOD["calls"]]
    found = parse(plan(calls=calls), [FILM])
    assert [call.tool for call in found.calls] == ["film.run"]
    assert found.refused == ("unknown tool 'rm_rf'",)


def test_everything_is_bounded() -> None:
    found = parse(plan(work="x" * 5000, points=["p" * 900] * 50, calls=GOOD["calls"] * 50, confidence=7), [FILM])
    assert len(found.work) == 600
    assert len(found.points) == 7
    assert max(map(len, found.points)) == 300
    assert len(found.calls) == MAX_CALLS
    assert found.confidence == 1.0


def test_nul_and_lone_surrogates_do_not_pass() -> None:
    found = parse('{"action":"answer","points":["a\\u0000b","\\ud800x"]}', [])
    assert found.points == ("ab", "?x")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def assert_sound(found: Proposal) -> None:
    assert found.action in ("answer", "call", "clarify", "decline")
    assert bool(found.calls) == (found.action == "call")
    assert all(call.tool == "film.run" and isinstance(call.args, dict) for call in found.calls)
    json.dumps([call.args for call in found.calls], allow_nan=False).encode()
    assert "\x00" not in json.dumps([found.points, found.work, found.key])


@settings(max_examples=300, deadline=1000)
@given(st.text(max_size=400))
def test_any_text_is_refused_or_sound(text: str) -> None:  # C137
    with contextlib.suppress(BadAnswer, AnswerTooLarge):
        assert_sound(parse(text, [FILM]))


@settings(max_examples=300, deadline=1000)
@given(st.fixed_dictionaries({}, optional=dict.fromkeys(GOOD, json_values)))
def test_any_object_is_refused_or_sound(value: dict[str, Any]) -> None:  # C137
    with contextlib.suppress(BadAnswer, AnswerTooLarge):
        assert_sound(parse(json.dumps(value), [FILM]))


@settings(max_examples=300, deadline=1000)
@given(st.data())
def test_a_damaged_plan_is_refused_or_sound(data: st.DataObject) -> None:  # C137
    text = plan()
    for _ in range(data.draw(st.integers(1, 6))):
        start = data.draw(st.integers(0, len(text)))
        end = min(len(text), start + data.draw(st.integers(0, 12)))
        text = text[:start] + data.draw(st.text(alphabet='{}[]",:\\abc0\n', max_size=6)) + text[end:]
    with contextlib.suppress(BadAnswer, AnswerTooLarge):
        assert_sound(parse(text, [FILM]))


@pytest.mark.parametrize("piece", ['{"a":', '"', "\\", "[1,", "{", ",", "'", "\n", 'a "b" ', "//", "/*"])
def test_no_text_keeps_the_parser_busy(piece: str) -> None:
    # It runs on the event loop, so the worst text of a member must not stall the other streams.
    text = '{"action":"answer",' + piece * (16_000 // len(piece))
    started = time.perf_counter()
    with contextlib.suppress(BadAnswer, AnswerTooLarge):
        parse(text, [FILM])
    assert time.perf_counter() - started < 0.5


@pytest.mark.parametrize("text", ["```\n" + "\n" * 3_000, "```json" + " \n" * 1_500 + "{", "<think>" * 9_000])
def test_a_model_that_gets_lost_does_not_stop_the_server(text: str) -> None:
    started = time.perf_counter()
    with pytest.raises(BadAnswer):
        parse(text, [FILM])
    assert time.perf_counter() - started < 0.5


def test_the_schema_offers_only_known_tools() -> None:
    bound = schema([FILM])
    assert next(iter(bound["properties"])) == "work"
    assert bound["properties"]["calls"]["items"]["properties"]["tool"]["enum"] == ["film_run"]
    assert "call" not in schema([])["properties"]["action"]["enum"]
    assert schema([FILM], must_call=True)["properties"]["action"]["enum"] == ["call"]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_work_is_read_while_it_arrives(size: int) -> None:
    work = 'First "point". Then\nthe sec\\ond… ü 🎬 done'
    text = json.dumps({"work": work, "action": "answer"}, ensure_ascii=size > 2)
    reader = WorkReader()
    lines = [line for start in range(0, len(text), size) for line in reader.feed(text[start : start + size])]
    assert lines == ['First "point".', "Then", "the sec\\ond… ü 🎬 done"]


def test_work_is_not_searched_for_elsewhere() -> None:
    reader = WorkReader()
    assert reader.feed("I think that " * 30) == []
    assert reader.feed('{"work": "late."}') == []


def test_work_without_a_break_is_shown_in_pieces() -> None:
    reader = WorkReader()
    shown = [line for piece in ['{"work":"', *["abcd"] * 5000, '"'] for line in reader.feed(piece)]
    assert "".join(shown) == "abcd" * 5000
    assert max(map(len, shown)) <= 400


def test_a_character_of_two_halves_is_not_cut() -> None:
    reader = WorkReader()
    shown = [line for piece in ['{"work":"', *["\\ud83d", "\\ude00"] * 400, '"'] for line in reader.feed(piece)]
    assert "".join(shown) == "\U0001f600" * 400
