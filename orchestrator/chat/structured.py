"""Answers that must be JSON: whether the schema is one, and whether the answer keeps to it.

Both the schema and the answer come from elsewhere, so looking at them is bounded: no reference leads out of the
schema, the number of checks is limited, and patterns are left to the model server's own grammar, because a regular
expression can be written that takes years.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from jsonschema import exceptions, validators
from jsonschema.protocols import Validator
from referencing import Registry
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012, specification_with

from orchestrator.errors import BadRequest

MAX_SCHEMA_BYTES = 256 * 1024
MAX_CHECKS = 200_000
_MOST_FOR_NOTHING = 20_000
_AT_ONCE_BYTES = 4 * 1024
_DRAFT = validators.Draft202012Validator
_REFERENCES = frozenset({"$ref", "$dynamicRef", "$recursiveRef"})
_PATTERNS = frozenset({"pattern", "patternProperties"})
_BESIDES_PATTERNS = frozenset({"additionalProperties", "unevaluatedProperties"})
_Keyword = Callable[[Validator, Any, Any, Mapping[str, Any]], Iterator[exceptions.ValidationError] | None]


class _TooMuch(Exception):
    """Checking would take longer than an answer is worth."""


async def check_schema(schema: dict[str, Any], *, size: int, param: str) -> None:
    """Raise BadRequest unless `schema` (of `size` bytes as JSON) is a JSON Schema that can be checked here."""
    if size > MAX_SCHEMA_BYTES:
        raise BadRequest(f"{param}: is larger than {MAX_SCHEMA_BYTES} bytes.", param=param)
    # Without references a small schema cannot take long.
    quick = size <= _AT_ONCE_BYTES and not any(key in _REFERENCES for key, _ in _entries(schema))
    if problem := _schema_problem(schema) if quick else await asyncio.to_thread(_schema_problem, schema):
        raise BadRequest(f"{param}: is not a valid JSON Schema: {problem}.", param=param, code="invalid_schema")


async def problem_with(answer: str, schema: dict[str, Any]) -> str:
    """What is wrong with an answer that must be JSON by `schema`; empty when nothing is."""
    if len(answer) <= _AT_ONCE_BYTES and len(schema) <= 1:
        return _answer_problem(answer, schema)
    return await asyncio.to_thread(_answer_problem, answer, schema)


def _schema_problem(schema: dict[str, Any]) -> str:
    try:
        _draft(schema).check_schema(schema)
        _follow_references(schema)
        _validator(schema, most=_MOST_FOR_NOTHING).is_valid(None)
    except exceptions.SchemaError as error:
        return _shorten(error)
    except Unresolvable as error:
        return f"the reference {str(getattr(error, 'ref', ''))[:100]!r} leads nowhere within it"
    except ValueError:
        return "it names a reference that is no address"
    except RecursionError:
        return "it refers to itself without end"
    except _TooMuch:
        return "it is too complex"
    return ""


def _answer_problem(answer: str, schema: dict[str, Any]) -> str:
    try:
        value = json.loads(answer, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        return f"it is not JSON: {error}"
    try:
        found = exceptions.best_match(_validator(schema).iter_errors(value))
    except (Unresolvable, RecursionError, _TooMuch):
        # The client checks its own schema once more; ours could not be followed to the end.
        return ""
    return _shorten(found) if found else ""


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def _draft(schema: Mapping[str, Any]) -> type[Validator]:
    """The draft that `$schema` names, the latest if it names none. Raises ValueError for what is no name."""
    if not isinstance(schema.get("$schema", ""), str):
        raise ValueError("$schema is no text")
    return validators.validator_for(schema, default=_DRAFT)


def _follow_references(schema: dict[str, Any]) -> None:
    """Raise Unresolvable when a reference anywhere in `schema` leads out of it or nowhere."""
    dialect = specification_with(str(schema.get("$schema", "")), default=DRAFT202012)
    resolver = Registry().with_resource("", dialect.create_resource(schema)).resolver()
    found = (value for key, value in _entries(schema) if key in _REFERENCES and isinstance(value, str))
    for reference in set(found):
        resolver.lookup(reference)


def _entries(value: Any) -> Iterator[tuple[str, Any]]:
    """Every key with its value, however deep (the gate limits the depth)."""
    if isinstance(value, dict):
        yield from value.items()
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _entries(inner)


def _validator(schema: dict[str, Any], *, most: int = MAX_CHECKS) -> Validator:
    """A validator for one look at one value, with a limit on how many keywords it may apply."""
    draft = _draft(schema)
    skipped = _PATTERNS
    if any(key == "patternProperties" for key, _ in _entries(schema)):
        # What is additional cannot be told without the patterns.
        skipped = skipped | _BESIDES_PATTERNS
    left = most

    def counted(check: _Keyword) -> _Keyword:
        def checked(
            validator: Validator, value: Any, instance: Any, schema: Mapping[str, Any]
        ) -> Iterator[exceptions.ValidationError] | None:
            nonlocal left
            left -= 1
            if left < 0:
                raise _TooMuch
            return check(validator, value, instance, schema)

        return checked

    known: Mapping[str, _Keyword] = draft.VALIDATORS
    keywords = {name: _unchecked if name in skipped else counted(check) for name, check in known.items()}
    bounded: type[Validator] = validators.extend(draft, keywords)  # type: ignore[no-untyped-call]
    return bounded(schema, registry=Registry())


def _unchecked(*_: Any) -> None:
    return None


def _shorten(error: exceptions.ValidationError | exceptions.SchemaError) -> str:
    where = error.json_path if error.path else ""
    return " ".join(f"{where} {error.message[:300]}".split())
