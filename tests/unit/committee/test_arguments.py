"""Arguments: harmless conversions, canonical form, merge."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from committee import arguments
from committee.schema import ToolSpec

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "synopsis": {"type": "string"},
        "duration_s": {"anyOf": [{"type": "number", "minimum": 1}, {"type": "null"}], "default": None},
        "fps": {"type": "integer", "minimum": 1, "maximum": 120, "default": 24},
        "audio_enabled": {"type": "boolean", "default": True},
        "quality": {"$ref": "#/$defs/Quality", "default": "standard"},
        "tags": {"type": "array", "items": {"type": "string"}},
    },
    "$defs": {"Quality": {"type": "string", "enum": ["draft", "standard", "high"]}},
    "required": ["synopsis"],
}
FILM = ToolSpec("film.run", "", SCHEMA, "job")


@pytest.mark.parametrize(
    ("given_value", "expected"),
    [
        ({"fps": "30"}, {"fps": 30}),
        ({"fps": 30.0}, {"fps": 30}),
        ({"duration_s": "12.5"}, {"duration_s": 12.5}),
        ({"duration_s": None}, {"duration_s": None}),
        ({"fps": None}, {}),
        ({"audio_enabled": "Off"}, {"audio_enabled": False}),
        ({"quality": "HIGH"}, {"quality": "high"}),
        ({"tags": "nature"}, {"tags": ["nature"]}),
        ({"extra": 1}, {"extra": 1}),
    ],
)
def test_harmless_conversions(given_value: dict[str, Any], expected: dict[str, Any]) -> None:
    assert arguments.normalise(FILM, {"synopsis": "x", **given_value}) == {"synopsis": "x", **expected}


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({}, "needs synopsis"),
        ({"synopsis": ["x"]}, "synopsis must be string"),
        ({"synopsis": "x", "fps": "many"}, "fps must be integer"),
        ({"synopsis": "x", "fps": 29.97}, "fps must be integer"),
        ({"synopsis": "x", "fps": True}, "fps must be integer"),
        ({"synopsis": "x", "fps": 0}, "fps must be at least 1"),
        ({"synopsis": "x", "fps": "nan"}, "fps must be integer"),
        ({"synopsis": "x", "quality": "best"}, "quality must be one of draft, standard, high"),
    ],
)
def test_what_cannot_be_right_is_named(bad: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        arguments.normalise(FILM, bad)


def test_unknown_arguments_go_where_the_schema_forbids_them() -> None:
    strict = ToolSpec("t", "", {**SCHEMA, "additionalProperties": False})
    assert arguments.normalise(strict, {"synopsis": "x", "extra": 1}) == {"synopsis": "x"}


def test_spellings_of_one_call_have_one_canonical_form() -> None:
    one = {"synopsis": "A film", "fps": 24, "audio_enabled": True}
    two = {"audio_enabled": True, "synopsis": "  a  FILM ", "duration_s": None}
    assert arguments.canonical(FILM, one) == arguments.canonical(FILM, two)
    assert arguments.canonical(FILM, one) != arguments.canonical(FILM, {**one, "fps": 25})


def test_differences_are_named() -> None:
    one = {"synopsis": "a film about busy bees", "fps": 24, "quality": "high"}
    two = {"synopsis": "bees at work in spring", "fps": 60, "duration_s": 30, "quality": "draft"}
    # 24 is the default: naming it is no different from leaving it out. Prose in other words is no difference either,
    # unless the words themselves matter.
    assert arguments.differing(FILM, one, two) == ("quality",)
    assert arguments.differing(FILM, one, two, wording=True) == ("quality", "synopsis")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
some_arguments = st.dictionaries(st.sampled_from([*SCHEMA["properties"], "extra"]), json_values)


@given(some_arguments)
def test_normalising_twice_changes_nothing(args: dict[str, Any]) -> None:
    try:
        once = arguments.normalise(FILM, args)
    except ValueError:
        return
    assert arguments.normalise(FILM, once) == once
    assert arguments.canonical(FILM, once) == arguments.canonical(FILM, dict(reversed(once.items())))


@given(json_values, some_arguments)
def test_any_schema_of_a_client_is_survived(schema: Any, args: dict[str, Any]) -> None:
    tool = ToolSpec("t", "", {"properties": {name: schema for name in args}})  # noqa: C420 - one schema for all
    with contextlib.suppress(ValueError):
        arguments.canonical(tool, arguments.normalise(tool, args))
