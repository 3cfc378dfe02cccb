"""Answers that must be JSON, and schemas that would rather be something else."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.chat.structured import check_schema, problem_with
from orchestrator.errors import BadRequest

PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name"],
    "additionalProperties": False,
}


async def accepted(schema: dict[str, Any]) -> bool:
    try:
        await check_schema(schema, size=len(json.dumps(schema)), param="schema")
    except BadRequest:
        return False
    return True


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ('{"name": "Ada", "age": 36}', ""),
        ('{"name": "Ada"', "not JSON"),
        ("```json\n{}\n```", "not JSON"),
        ('{"age": 36}', "'name' is a required property"),
        ('{"name": "Ada", "age": "36"}', "$.age '36' is not of type 'integer'"),
        ('{"name": "Ada", "x": 1}', "'x' was unexpected"),
        ('{"name": NaN}', "NaN"),
        ("", "not JSON"),
        ("[" * 50_000, "not JSON"),
    ],
)
async def test_what_is_wrong_is_said(answer: str, says: str) -> None:
    problem = await problem_with(answer, PERSON)
    assert says in problem
    assert bool(problem) == bool(says)


@pytest.mark.parametrize(
    ("schema", "fine"),
    [
        ({}, True),
        (PERSON, True),
        ({"$schema": "http://json-schema.org/draft-07/schema#", "definitions": {"a": {"type": "null"}}}, True),
        ({"$ref": "#/$defs/a", "$defs": {"a": {"type": "string"}}}, True),
        ({"type": "object", "properties": {"child": {"$ref": "#"}}}, True),
        ({"type": "what"}, False),
        ({"$ref": "#"}, False),
        ({"$ref": "#/$defs/a"}, False),
        ({"$ref": "https://example.org/schema"}, False),
        ({"$ref": "http://[x"}, False),
        ({"allOf": [{"$ref": "file:///etc/passwd"}]}, False),
        ({"properties": {"a": {"items": {"minimum": "low"}}}}, False),
    ],
)
async def test_schemas(schema: dict[str, Any], fine: bool) -> None:
    assert await accepted(schema) == fine


async def test_a_pattern_that_takes_years_is_not_looked_at() -> None:
    schemas: list[dict[str, Any]] = [
        {"pattern": "(a+)+$"},
        {"patternProperties": {"(a+)+$": {"type": "string"}}, "additionalProperties": False},
        {"patternProperties": {"(a+)+$": {}}, "unevaluatedProperties": False},
        {"propertyNames": {"pattern": "(a+)+$"}},
    ]
    began = time.perf_counter()
    for schema in schemas:
        assert await accepted(schema)
        for answer in ("a" * 40 + "!", {"a" * 40 + "!": 1}):
            assert await problem_with(json.dumps(answer), schema) == ""
    assert time.perf_counter() - began < 5


async def test_a_check_that_does_not_end_is_given_up() -> None:
    deep = {f"n{n}": {"anyOf": [{"$ref": f"#/$defs/n{n + 1}"}] * 2} for n in range(60)}
    schema = {"$ref": "#/$defs/n0", "$defs": {**deep, "n60": {"type": "string"}}}
    began = time.perf_counter()
    assert not await accepted(schema)
    assert await problem_with("1", schema) == ""
    assert time.perf_counter() - began < 20


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=10,
)
words = st.sampled_from(
    ["type", "properties", "items", "$ref", "$defs", "anyOf", "enum", "required", "minimum", "$id", "$schema", "not"]
)
schemas = st.recursive(
    st.sampled_from(["object", "string", "#", "#/$defs/a", "http://x", "", "::", 3, True, None]),
    lambda inner: st.dictionaries(words, inner, max_size=4) | st.lists(inner, max_size=2),
    max_leaves=14,
)


@given(st.dictionaries(words, schemas, max_size=4), values)
async def test_any_schema_is_taken_or_refused(schema: dict[str, Any], value: Any) -> None:
    if await accepted(schema):
        assert isinstance(await problem_with(json.dumps(value), schema), str)
