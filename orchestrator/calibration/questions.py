"""All questions of an examination: generated ones, and those in `items/*.jsonl`."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from importlib import resources
from random import Random
from typing import Any, Literal, TypeAlias

from committee.calibration import Category
from orchestrator.calibration import reasoning

SEED = 2026
PER_FAMILY = 60
ASKED: frozenset[Category] = frozenset({"reasoning", "code", "tools", "refusal"})

Decline: TypeAlias = Literal["capability", "policy"]


@dataclass(frozen=True, slots=True)
class Key:
    """One exact short answer."""

    key: str


@dataclass(frozen=True, slots=True)
class Code:
    """A function that passes these tests: arguments and the value that is wanted."""

    entry: str
    tests: tuple[tuple[list[Any], Any], ...]


@dataclass(frozen=True, slots=True)
class Calls:
    """Exactly these calls, in any order; none for a question that wants words. An argument is a value, or a pattern
    ({"re": …}) that the text has to match; what is not named may be anything."""

    calls: tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Declined:
    """Declined, and nothing called."""

    kind: Decline


Gold: TypeAlias = Key | Code | Calls | Declined


@dataclass(frozen=True, slots=True)
class Question:
    """One question. `text` is what the user says; tools are offered for "tools" and "refusal"."""

    id: str
    category: Category
    text: str
    gold: Gold

    @property
    def offers_tools(self) -> bool:
        return self.category in ("tools", "refusal")


def questions(tools: Collection[str], *, seed: int = SEED) -> list[Question]:
    """Every question that can be asked where these tools (dotted names) exist, categories taking turns.

    The order is the same every time, so that a run goes on where another one stopped.
    """
    by_category = [list(one) for one in (_plans(tools), _reasoning(seed), _refusals(tools), _code())]
    for number, listed in enumerate(by_category):
        Random(f"{seed}|{number}").shuffle(listed)
    ordered = []
    while any(by_category):
        ordered += [listed.pop() for listed in by_category if listed]
    return ordered


def _reasoning(seed: int) -> Iterator[Question]:
    for name, text, key in reasoning.questions(seed, PER_FAMILY):
        yield Question(name, "reasoning", f"{text} Reply with the answer only.", Key(key))


def _code() -> Iterator[Question]:
    for item in _items("code"):
        tests = tuple((args, expected) for args, expected in item["tests"])
        ask = f"Write a Python function `{item['entry']}`. {item['text']} Reply with the code only, in one block."
        yield Question(item["id"], "code", ask, Code(item["entry"], tests))


def _plans(tools: Collection[str]) -> Iterator[Question]:
    for item in _items("plans"):
        if all(call["tool"] in tools for call in item["calls"]):
            yield Question(item["id"], "tools", item["text"], Calls(tuple(item["calls"])))


def _refusals(tools: Collection[str]) -> Iterator[Question]:
    for item in _items("refusals"):
        right = item["right"]
        if isinstance(right, str):
            yield Question(
                item["id"], "refusal", item["text"], Declined("policy" if right == "policy" else "capability")
            )
        elif all(call["tool"] in tools for call in right):
            yield Question(item["id"], "refusal", item["text"], Calls(tuple(right)))


def _items(name: str) -> Iterator[dict[str, Any]]:
    text = (resources.files("orchestrator.calibration") / "items" / f"{name}.jsonl").read_text("utf-8")
    for line in text.splitlines():
        yield json.loads(line)
