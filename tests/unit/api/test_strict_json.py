"""The JSON door against a slow and obvious model of it."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from orchestrator.api.strict_json import check_json, look_closely
from orchestrator.errors import BadRequest


def door(body: bytes) -> bool:
    opened = passes(check_json, body)
    # A glance never lets in what a close look would not.
    assert opened == passes(look_closely, body)
    return opened


def passes(check: Callable[[bytes], Coroutine[Any, Any, None]], body: bytes) -> bool:
    try:
        asyncio.run(check(body))
    except BadRequest:
        return False
    return True


def model(body: bytes) -> bool:
    """What the standard library says, with every strictness added by hand."""

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({key for key, _ in items}) != len(items):
            raise ValueError
        return dict(items)

    def refuse(_: str) -> Any:
        raise ValueError

    try:
        text = body.decode("utf-8")
        value = json.loads(text, object_pairs_hook=pairs, parse_constant=refuse)
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except (ValueError, UnicodeError, RecursionError):
        return False
    return not _has_bad_leaf(value)


def _has_bad_leaf(value: Any) -> bool:
    if isinstance(value, dict):
        return any(_has_bad_leaf(inner) for pair in value.items() for inner in pair)
    if isinstance(value, list):
        return any(map(_has_bad_leaf, value))
    if isinstance(value, str):
        return "\0" in value
    return isinstance(value, float) and math.isinf(value)


escapes = st.sampled_from(
    [r"\u0000", r"\ud83d", r"\ude00", r"\uD83D\uDE00", "\\\\", r"\"", "\\", '"', "a", "é", "{", "}", "[", "]", ",", ":",
     "1e400", "1e4", "NaN", "-", "0", " ", "true", r"\u0061", r'"a":', '"k"', "null"]
)  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(st.lists(escapes, max_size=14).map("".join))
@example(r'{"a":"\\ud83d\ude00"}')
@example(r'{"a":1,"\u0061":2}')
@example(r'["\\\u0000"]')
@example(r'["\\u0000"]')
@example("[1e400]")
@example('{"a":1,"a" :2}')
@example('{"a":":","a":2}')
@example('{"a":":","b":{"a:":[":"]}}')
def test_fragments(text: str) -> None:
    body = text.encode()
    assert door(body) == model(body)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=5), inner, max_size=5),
    max_leaves=30,
)


@settings(max_examples=200, deadline=None)
@given(values, st.booleans(), st.booleans())
def test_whatever_json_writes(value: Any, ascii_only: bool, spaced: bool) -> None:
    body = json.dumps(value, ensure_ascii=ascii_only, indent=1 if spaced else None).encode("utf-8", "replace")
    assert door(body) == model(body)


@pytest.mark.parametrize("offset", range(-8, 3))
def test_escapes_that_straddle_two_windows(offset: int) -> None:
    padding = "x" * (64 * 1024 - 2 + offset)
    assert door(rf'["{padding}\ud83d\ude00"]'.encode())
    assert not door(rf'["{padding}\ud83d"]'.encode())
    assert not door(rf'["{padding}\u0000"]'.encode())
    assert door(rf'["{padding}\\u0000"]'.encode())
