"""Recorded answers: a JSONL file from which every policy can be evaluated without asking a model again.

The first line is a `Header`, every further line an `Item`:

    {"type": "header", "models": {"qwen3": "qwen3:32b", "gptoss": "gpt-oss:20b"}, "planner": "qwen3", "prompts": "…"}
    {"type": "item", "id": "sum-17", "category": "reasoning", "gold": "42", "members": {
        "qwen3": {
            "samples": [{"label": "42", "right": true, "tokens": 96, "seconds": 3.1}, …],
            "cross_check": {"label": "42", "right": true, "defect": "", "tokens": 40, "seconds": 1.4},
            "verdicts": [{"shown": ["42", "41"], "pick": 1, "tokens": 20, "seconds": 0.7},
                         {"shown": ["41", "42"], "pick": 2, "tokens": 20, "seconds": 0.7}]},
        "gptoss": {…}}, "committee": {"label": "42", "right": true, "agreement": "agreed", …}}

A label is an answer in canonical form: two answers are the same if and only if their labels are. The first sample is
the independent answer, further ones are fresh. Cross-check and verdicts exist where the members disagreed and were
asked. A file may end in half a line, where a run was stopped; what stands before it counts.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

import msgspec

from committee.calibration import Category
from committee.errors import CalibrationInvalid

Count: TypeAlias = Annotated[int, msgspec.Meta(ge=0)]
Seconds: TypeAlias = Annotated[float, msgspec.Meta(ge=0)]
_MAX_LINE = 1 << 20


class Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    """One answer of one member. right: graded when it was recorded. plan: it is a plan of tool calls."""

    label: str
    right: bool
    tokens: Count = 0
    seconds: Seconds = 0.0
    plan: bool = False
    said: str = ""


class CrossCheck(msgspec.Struct, frozen=True, omit_defaults=True):
    """An answer after seeing the others'. It counts as a change only if the member named its own defect."""

    label: str
    right: bool
    defect: str = ""
    tokens: Count = 0
    seconds: Seconds = 0.0


class Verdict(msgspec.Struct, frozen=True, omit_defaults=True):
    """Two labels as they were shown, and which one was picked: 1, 2, or 0 for a tie."""

    shown: tuple[str, str]
    pick: Literal[0, 1, 2]
    tokens: Count = 0
    seconds: Seconds = 0.0

    @property
    def picked(self) -> str | None:
        return self.shown[self.pick - 1] if self.pick else None


class MemberRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """All that one member said about one item. No samples: it failed; `failure` says how."""

    samples: tuple[Answer, ...] = ()
    cross_check: CrossCheck | None = None
    verdicts: tuple[Verdict, ...] = ()
    failure: str = ""


class CommitteeRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the real committee made of the item. Tokens are those written; `hidden` were never shown."""

    label: str
    right: bool
    agreement: str = ""
    decided_by: str = ""
    speaker: str | None = None
    degraded: bool = False
    shown: Count = 0
    hidden: Count = 0
    first_content_s: Seconds = 0.0
    seconds: Seconds = 0.0
    failure: str = ""


class Item(msgspec.Struct, frozen=True, tag="item", tag_field="type", omit_defaults=True):
    """One question with its gold answer and all that was said about it. synth: an answer mixed from all drafts."""

    id: str
    category: Category
    members: dict[str, MemberRecord]
    gold: str = ""
    committee: CommitteeRecord | None = None
    synth: Answer | None = None


class Header(msgspec.Struct, frozen=True, tag="header", tag_field="type", omit_defaults=True):
    """Who was asked, and with which prompts. planner: whose answer counts when nothing else decides."""

    models: dict[str, str]
    planner: str
    prompts: str = ""
    stand_ins: bool = False
    version: Literal[1] = 1


class Records(msgspec.Struct, frozen=True):
    header: Header
    items: tuple[Item, ...]


_decoder = msgspec.json.Decoder(Header | Item)
_encoder = msgspec.json.Encoder()


def encode(line: Header | Item) -> bytes:
    return _encoder.encode(line) + b"\n"


def read(path: Path) -> Records:
    """Read a file. Raises CalibrationInvalid, which names the line that is wrong."""
    try:
        with path.open("rb") as file:
            header, items = _read(_lines(iter(lambda: file.readline(_MAX_LINE + 1), b""), path), path)
    except OSError as error:
        raise CalibrationInvalid(f"{path}: {error.strerror or error}") from error
    names = set(header.models)
    if header.planner not in names:
        raise CalibrationInvalid(f"{path}: the planner {header.planner!r} is none of the members {sorted(names)}.")
    for item in items:
        if set(item.members) != names:
            raise CalibrationInvalid(f"{path}: item {item.id!r} has other members than the header.")
    return Records(header, tuple(items))


def _read(lines: Iterator[Header | Item], path: Path) -> tuple[Header, list[Item]]:
    header = next(lines, None)
    if not isinstance(header, Header):
        raise CalibrationInvalid(f"{path}: the first line is no header.")
    items: dict[str, Item] = {}
    for item in lines:
        if isinstance(item, Header):
            raise CalibrationInvalid(f"{path}: there is a second header.")
        if item.id in items:
            raise CalibrationInvalid(f"{path}: item {item.id!r} stands twice.")
        items[item.id] = item
    return header, list(items.values())


def _lines(raw: Iterator[bytes], path: Path) -> Iterator[Header | Item]:
    for number, line in enumerate(raw, start=1):
        if not line.endswith(b"\n"):
            if len(line) > _MAX_LINE:
                raise CalibrationInvalid(f"{path}, line {number}: longer than {_MAX_LINE} bytes.")
            return  # the run was stopped while it wrote this line
        if not line.strip():
            continue
        try:
            yield _decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise CalibrationInvalid(f"{path}, line {number}: {error}") from error
