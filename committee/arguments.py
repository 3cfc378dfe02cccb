"""Arguments of tool calls: defaults, harmless conversions, one canonical form, and how two versions differ.

Only the parts of JSON Schema that tools use are read (type, properties, required, enum, default, minimum, maximum,
items, anyOf of types, local references). What is not understood is left to the tool's own validation.
"""

from __future__ import annotations

import json
import math
import unicodedata
from collections.abc import Mapping
from typing import Any

from committee.schema import ToolSpec

_TRUE = frozenset({"true", "yes", "on"})
_FALSE = frozenset({"false", "no", "off"})


def normalise(tool: ToolSpec, args: Mapping[str, Any]) -> dict[str, Any]:
    """`args` in the schema's types where that loses nothing ("30" for a number, "true" for a flag).

    Nulls for optional fields are left out. Raises ValueError, in words that a model can use, when a required argument
    is missing or a value cannot be right.
    """
    schema = tool.parameters
    properties: Mapping[str, Any] = schema.get("properties") or {}
    required = set(schema.get("required") or ())
    result: dict[str, Any] = {}
    for name, value in args.items():
        rule = _resolve(properties.get(name), schema)
        if rule is None:
            if schema.get("additionalProperties") is False:
                continue
            result[name] = value
        elif value is not None or _allows(rule, "null", schema):
            result[name] = _convert(name, value, rule, schema)
    if missing := sorted(required - result.keys()):
        raise ValueError(f"{tool.name} needs {', '.join(missing)}")
    return result


def canonical(tool: ToolSpec, args: Mapping[str, Any]) -> str:
    """One text for all spellings of the same call: keys sorted, defaults removed, numbers and strings normalised."""
    return json.dumps([tool.name, comparable(tool, args)], sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def comparable(tool: ToolSpec, args: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments that differ from the defaults, normalised for comparison."""
    properties: Mapping[str, Any] = tool.parameters.get("properties") or {}
    plain = {}
    for name, value in args.items():
        rule = _resolve(properties.get(name), tool.parameters) or {}
        normal = _normal(value)
        if normal is None or ("default" in rule and normal == _normal(rule["default"])):
            continue
        plain[name] = normal
    return plain


def differing(
    tool: ToolSpec, first: Mapping[str, Any], second: Mapping[str, Any], *, wording: bool = False
) -> tuple[str, ...]:
    """The fields that both versions of a call name, with different values, sorted.

    Free text that differs only in wording is no difference worth naming, because both restate the same request;
    `wording` names it all the same (a command or a file's content means every letter).
    """
    left, right = comparable(tool, first), comparable(tool, second)
    return tuple(
        sorted(
            name
            for name in left.keys() & right.keys()
            if left[name] != right[name] and (wording or not (is_free_text(left[name]) and is_free_text(right[name])))
        )
    )


def is_free_text(value: Any) -> bool:
    """Whether this is a phrase rather than a name, a number or a word."""
    return isinstance(value, str) and value.count(" ") >= 2


def _normal(value: Any) -> Any:
    if isinstance(value, str):
        return " ".join(unicodedata.normalize("NFKC", value).casefold().split())
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, Mapping):
        return {k: _normal(v) for k, v in sorted(value.items()) if v is not None}
    if isinstance(value, list | tuple):
        return [_normal(item) for item in value]
    return value


def _resolve(rule: Any, root: Mapping[str, Any]) -> Mapping[str, Any] | None:
    for _ in range(8):
        if not isinstance(rule, Mapping):
            return None
        reference = rule.get("$ref")
        if not isinstance(reference, str) or not reference.startswith("#/"):
            return rule
        target: Any = root
        for part in reference[2:].split("/"):
            target = target.get(part) if isinstance(target, Mapping) else None
        rule = target
    return None


def _types(rule: Mapping[str, Any], root: Mapping[str, Any]) -> set[str]:
    kind = rule.get("type")
    if isinstance(kind, str):
        return {kind}
    if isinstance(kind, list):
        return {k for k in kind if isinstance(k, str)}
    options = rule.get("anyOf") or rule.get("oneOf") or ()
    return {k for option in options if (r := _resolve(option, root)) for k in _types(r, root)}


def _allows(rule: Mapping[str, Any], kind: str, root: Mapping[str, Any]) -> bool:
    types = _types(rule, root)
    return not types or kind in types


def _convert(name: str, value: Any, rule: Mapping[str, Any], root: Mapping[str, Any]) -> Any:
    types = _types(rule, root)
    if types:
        value = _to_type(name, value, types)
    if isinstance(enum := rule.get("enum"), list) and value not in enum:
        match = [option for option in enum if _normal(option) == _normal(value)]
        if not match:
            raise ValueError(f"{name} must be one of {', '.join(map(str, enum))}")
        value = match[0]
    if isinstance(value, int | float) and not isinstance(value, bool):
        _check_range(name, value, rule)
    return value


def _to_type(name: str, value: Any, types: set[str]) -> Any:
    if _is_of(value, types):
        return int(value) if isinstance(value, float) and "number" not in types else value
    if types == {"array"} and isinstance(value, str | int | float):
        return [value]
    if isinstance(value, str):
        word = value.strip().casefold()
        if "boolean" in types and word in _TRUE | _FALSE:
            return word in _TRUE
        if types & {"integer", "number"} and (number := _number(word)) is not None and _is_of(number, types):
            return int(number) if number.is_integer() else number
    elif "string" in types and isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    raise ValueError(f"{name} must be {' or '.join(sorted(types))}")


def _is_of(value: Any, types: set[str]) -> bool:
    if value is None:
        return "null" in types
    if isinstance(value, bool):
        return "boolean" in types
    if isinstance(value, int | float):
        return "number" in types or ("integer" in types and float(value).is_integer())
    if isinstance(value, str):
        return "string" in types
    return ("array" if isinstance(value, list) else "object") in types


def _number(word: str) -> float | None:
    try:
        number = float(word)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _check_range(name: str, value: float, rule: Mapping[str, Any]) -> None:
    low, high = rule.get("minimum"), rule.get("maximum")
    if isinstance(low, int | float) and value < low:
        raise ValueError(f"{name} must be at least {low}")
    if isinstance(high, int | float) and value > high:
        raise ValueError(f"{name} must be at most {high}")
