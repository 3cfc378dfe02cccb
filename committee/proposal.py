"""What a member answers in a probe, and the parser that trusts none of it.

A model's JSON is decoded strictly, else repaired within limits, and then checked field by field: a value of the wrong
type, an unknown tool or a broken call is left out or refuses the whole answer, and nothing is guessed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias, cast

import json_repair
import msgspec

from committee.errors import AnswerTooLarge, BadAnswer
from committee.prompts import wire_name
from committee.schema import ToolSpec

Action: TypeAlias = Literal["answer", "call", "clarify", "decline"]
DeclineKind: TypeAlias = Literal["policy", "capability", ""]

MAX_CHARS = 65_536
# Repair walks the text in Python and goes back over it, in square time at worst, so it gets far less than the decoder.
MAX_REPAIR_CHARS = 8_192
MAX_DEPTH = 16
MAX_CALLS = 5
MAX_POINTS = 7
MAX_RISKS = 3
_WORK_CHARS = 600
_LINE_CHARS = 300
_KEY_CHARS = 200

_ACTIONS = ("answer", "call", "clarify", "decline")
_FENCE = re.compile(r"```[a-zA-Z]*[^\S\n]*\n")
_THOUGHTS = re.compile(r"\A\s*<think>.*?</think>", re.DOTALL)


@dataclass(frozen=True, slots=True)
class ProposedCall:
    """A call as one member wants it; `tool` is the ToolSpec's name, `depends_on` are positions in the same list."""

    tool: str
    args: dict[str, Any]
    purpose: str = ""
    depends_on: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Proposal:
    """One member's independent view of the turn."""

    action: Action
    work: str = ""
    decline_kind: DeclineKind = ""
    calls: tuple[ProposedCall, ...] = ()
    key: str = ""
    points: tuple[str, ...] = ()
    risks: tuple[str, ...] = ()
    confidence: float | None = None
    repaired: bool = False
    refused: tuple[str, ...] = field(default=())


def schema(tools: Sequence[ToolSpec], *, must_call: bool = False) -> dict[str, Any]:
    """The JSON schema that binds a probe's answer. `work` stands first, to reason before the decision is written.

    Arguments stay a free object: clients declare schemas with references and patterns that grammars of model servers
    reject; `committee.arguments` checks them instead.
    """
    names = [wire_name(tool.name) for tool in tools]
    call = {
        "type": "object",
        "properties": {
            "tool": {"type": "string", "enum": names} if names else {"type": "string"},
            "args": {"type": "object"},
            "purpose": {"type": "string"},
            "depends_on": {"type": "array", "items": {"type": "integer"}, "maxItems": MAX_CALLS},
        },
        "required": ["tool", "args", "purpose"],
    }
    actions = ["call"] if must_call else [a for a in _ACTIONS if names or a != "call"]
    lines = {"type": "array", "items": {"type": "string"}}
    properties: dict[str, Any] = {
        "work": {"type": "string", "maxLength": _WORK_CHARS},
        "action": {"type": "string", "enum": actions},
        "decline_kind": {"type": "string", "enum": ["", "policy", "capability"]},
        "calls": {"type": "array", "items": call, "minItems": int(must_call), "maxItems": MAX_CALLS if names else 0},
        "key": {"type": "string"},
        "points": {**lines, "maxItems": MAX_POINTS},
        "risks": {**lines, "maxItems": MAX_RISKS},
        "confidence": {"type": "number"},
    }
    return {"type": "object", "properties": properties, "required": list(properties)}


def parse(text: str, tools: Sequence[ToolSpec]) -> Proposal:
    """Read a member's answer to a probe.

    Raises BadAnswer when it cannot be read safely, AnswerTooLarge above `MAX_CHARS`.
    """
    value, repaired, cut = decode(text)
    action = value.get("action")
    action = action.strip().lower() if isinstance(action, str) else None
    if action not in _ACTIONS:
        raise BadAnswer("The plan names no known action.")
    listed = value.get("calls")
    calls, refused = checked_calls(listed[:MAX_CALLS] if isinstance(listed, list) else [], tools)
    if action != "call":
        calls = ()
    elif cut:
        # The end of the text is missing, and with it perhaps half an argument: what is left must not be carried out.
        raise BadAnswer("The plan breaks off in the middle.")
    elif not calls:
        raise BadAnswer("The plan wants to act but has no usable call" + (f": {refused[0]}" if refused else "."))
    kind = value.get("decline_kind")
    return Proposal(
        action=cast(Action, action),
        work=line(value.get("work"), _WORK_CHARS),
        decline_kind=cast(DeclineKind, kind) if kind in ("policy", "capability") else "",
        calls=calls,
        key=line(value.get("key"), _KEY_CHARS),
        points=_lines(value.get("points"), MAX_POINTS),
        risks=_lines(value.get("risks"), MAX_RISKS),
        confidence=_confidence(value.get("confidence")),
        repaired=repaired,
        refused=refused,
    )


def decode(text: str) -> tuple[dict[str, Any], bool, bool]:
    """The JSON object in a model's `text`, whether it had to be repaired, and whether its end is missing.

    Raises BadAnswer when there is none that can be read safely, AnswerTooLarge above `MAX_CHARS`.
    """
    if len(text) > MAX_CHARS:
        raise AnswerTooLarge(f"The plan has {len(text)} characters; {MAX_CHARS} are allowed.")
    text = _unfenced(_THOUGHTS.sub("", text.lstrip("\ufeff")))
    if not text.strip():
        raise BadAnswer("The plan is empty.")
    try:
        value = msgspec.json.decode(text.encode("utf-8", "surrogatepass"))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        value, cut, repaired = *_repair(text), True
    else:
        cut = repaired = False
    if not isinstance(value, dict) or not _plain(value):
        raise BadAnswer("The plan is not a JSON object.")
    return value, repaired, cut


def _unfenced(text: str) -> str:
    """What stands inside a Markdown fence that encloses all of `text`.

    Not one pattern: a model that gets lost writes thousands of newlines, over which a lazy match goes back and forth.
    """
    inner = text.strip()
    opening = _FENCE.match(inner)
    if opening is None or not inner.endswith("```", opening.end()):
        return text
    return inner[opening.end() : -3]


def _repair(text: str) -> tuple[Any, bool]:
    start = text.find("{")
    if start < 0:
        raise BadAnswer("The plan has no JSON object.")
    text = text[start : start + MAX_REPAIR_CHARS + 1]
    if len(text) > MAX_REPAIR_CHARS:
        raise BadAnswer("The plan is broken, and too large to repair.")
    depth, deepest = _depth(text)
    if deepest > MAX_DEPTH:
        raise BadAnswer("The plan is broken, and nested too deeply to repair.")
    try:
        value = json_repair.loads(text, skip_json_loads=True)
    except Exception as error:  # the library promises to raise nothing; a model's text must not prove it wrong
        raise BadAnswer("The plan is broken beyond repair.") from error
    return value, depth > 0


def _depth(text: str) -> tuple[int, int]:
    """Open brackets at the end (an open string counts as one), and the deepest nesting."""
    depth = deepest = 0
    in_string = escaped = False
    for char in text:
        if in_string:
            if escaped:
                escaped = False
            elif char == "\\":
                escaped = True
            elif char == '"':
                in_string = False
        elif char == '"':
            in_string = True
        elif char in "{[":
            depth += 1
            deepest = max(deepest, depth)
        elif char in "}]":
            depth -= 1
    return max(depth, 0) + in_string, deepest


def _plain(value: Any, depth: int = 0) -> bool:
    """Whether this is bounded, ordinary JSON: no NaN, no infinity, no monster."""
    if depth > MAX_DEPTH:
        return False
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, int):
        return value.bit_length() <= 64
    if isinstance(value, dict):
        return all(isinstance(k, str) and _plain(v, depth + 1) for k, v in value.items())
    if isinstance(value, list):
        return all(_plain(item, depth + 1) for item in value)
    return value is None or isinstance(value, str)


def checked_calls(
    entries: Sequence[Any], tools: Sequence[ToolSpec]
) -> tuple[tuple[ProposedCall, ...], tuple[str, ...]]:
    """The calls of known tools with plain arguments among `entries`, and why the others are not among them.

    An entry is {"tool", "args", "purpose", "depends_on"}, of which the last two may be missing.
    """
    known = {alias: tool for tool in tools for alias in (wire_name(tool.name), tool.name)}
    calls: list[ProposedCall] = []
    refused: list[str] = []
    kept: dict[int, int] = {}  # what is refused shifts the positions of the rest
    for position, entry in enumerate(entries):
        name = entry.get("tool") if isinstance(entry, dict) else None
        tool = known.get(name) if isinstance(name, str) else None
        args = entry.get("args", {}) if isinstance(entry, dict) else None
        if tool is None:
            refused.append(f"unknown tool {str(name)[:60]!r}")
        elif not isinstance(args, dict) or not _plain(args):
            refused.append(f"arguments of {tool.name} are not a plain object")
        else:
            kept[position] = len(calls)
            purpose = line(entry.get("purpose"), _LINE_CHARS)
            calls.append(ProposedCall(tool.name, _clean(args), purpose, _positions(entry.get("depends_on"))))
    moved = (
        replace(call, depends_on=tuple(sorted({kept[n] for n in call.depends_on if n in kept} - {index})))
        for index, call in enumerate(calls)
    )
    return tuple(moved), tuple(refused)


def _positions(value: Any) -> tuple[int, ...]:
    listed = value[:MAX_CALLS] if isinstance(value, list) else []
    return tuple(number for number in listed if isinstance(number, int) and not isinstance(number, bool))


def _clean(value: Any) -> Any:
    """Postgres text cannot hold NUL and UTF-8 cannot hold a lone surrogate, so neither leaves this file."""
    if isinstance(value, str):
        return value.replace("\x00", "").encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {_clean(k): _clean(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_clean(item) for item in value]
    return value


def line(value: Any, limit: int) -> str:
    """`value` as one clean text of at most `limit` characters; empty when it is no text."""
    return _clean(value).strip()[:limit] if isinstance(value, str) else ""


def _lines(value: Any, count: int) -> tuple[str, ...]:
    items = value if isinstance(value, list) else []
    return tuple(text for item in items if (text := line(item, _LINE_CHARS)))[:count]


def _confidence(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return min(1.0, max(0.0, float(value)))


class WorkReader:
    """Finds the finished lines of the `work` field in a JSON text that is still arriving.

    `feed` returns whole lines (or sentences, so that a long paragraph shows before its end), decoded.
    """

    _START = re.compile(r'\A\s*(?:```\w*\s*)?\{\s*"work"\s*:\s*"')
    _BREAK = re.compile(r"\n|(?<=[.!?;]) ")
    _ESCAPES = {"n": "\n", "t": "\t", "r": "", "b": "", "f": "", '"': '"', "\\": "\\", "/": "/"}  # noqa: RUF012

    def __init__(self) -> None:
        self._raw = ""
        self._line = ""
        self._inside = False
        self._closed = False

    def feed(self, text: str) -> list[str]:
        if self._closed:
            return []
        self._raw += text
        if not self._inside:
            start = self._START.match(self._raw)
            if start is None:
                self._closed = len(self._raw) > 200
                return []
            self._inside = True
            self._raw = self._raw[start.end() :]
        ended = self._take()
        *lines, self._line = self._BREAK.split(self._line)
        if len(self._line) > _LINE_CHARS and not "\ud800" <= self._line[-1] <= "\udbff":
            # Text without a break must not be searched again with every piece that comes.
            lines.append(self._line)
            self._line = ""
        if ended:
            self._closed = True
            lines.append(self._line)
            self._line = ""
        return [_whole_characters(line) for line in lines if line.strip()]

    def _take(self) -> bool:
        """Move decoded characters from the raw text into the line, except half an escape; whether the string ended."""
        raw, i, out, ended = self._raw, 0, [], False
        while i < len(raw):
            char = raw[i]
            if char == '"':
                ended = True
                i = len(raw)
            elif char != "\\":
                out.append(char)
                i += 1
            elif raw[i + 1 : i + 2] == "u":
                if len(raw) < i + 6:
                    break
                out.append(_unescape(raw[i + 2 : i + 6]))
                i += 6
            elif i + 1 < len(raw):
                out.append(self._ESCAPES.get(raw[i + 1], ""))
                i += 2
            else:
                break
        self._raw = raw[i:]
        self._line += "".join(out)
        return ended


def _unescape(digits: str) -> str:
    try:
        return chr(int(digits, 16)).replace("\x00", "")
    except ValueError:
        return ""


def _whole_characters(text: str) -> str:
    """Joins the two halves in which JSON escapes a character beyond the first plane; a half alone becomes "�"."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
