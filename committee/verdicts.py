"""Blind verdicts: which of the positions is right, asked in both orders, counted in code.

Every judge sees the candidates without names and does not know which is its own. What it says in one order must hold in
the other one; a judge that follows the order has no opinion, and abstains.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from committee import proposal
from committee.errors import BadAnswer

Ballot: TypeAlias = tuple[int, ...]
"""Candidates, the best first; empty for an abstention."""

MOST_CANDIDATES = 5


def schema(candidates: int) -> dict[str, Any]:
    """The JSON schema of a verdict on two candidates (a pick) or more (a ranking)."""
    properties: dict[str, Any] = {"reason": {"type": "string", "maxLength": 160}}
    if candidates == 2:
        properties["pick"] = {"type": "string", "enum": ["1", "2", "tie"]}
    else:
        numbers = list(range(1, candidates + 1))
        item = {"type": "integer", "enum": numbers}
        properties["ranking"] = {"type": "array", "items": item, "minItems": candidates, "maxItems": candidates}
    return {"type": "object", "properties": properties, "required": list(properties)}


def parse(text: str, candidates: int) -> Ballot:
    """Read a verdict: positions in the shown order, from 0. Raises BadAnswer when there is none."""
    value, _, _ = proposal.decode(text)
    if candidates == 2:
        pick = str(value.get("pick", "")).strip().lower()
        if pick not in ("1", "2", "tie"):
            raise BadAnswer("The verdict picks nothing.")
        return () if pick == "tie" else ((0, 1) if pick == "1" else (1, 0))
    listed = value.get("ranking")
    ranking = tuple(n - 1 for n in listed if type(n) is int) if isinstance(listed, list) else ()
    if sorted(ranking) != list(range(candidates)):
        raise BadAnswer("The verdict ranks something else.")
    return ranking


def orders(candidates: int, *, seed: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """In which order to show the candidates, and its reverse: every candidate stands as often before another as
    behind it."""
    order = list(range(candidates))
    random.Random(seed).shuffle(order)
    return tuple(order), tuple(reversed(order))


def combine(shown: Sequence[tuple[Sequence[int], Ballot]]) -> Ballot:
    """One judge's ballot from what it said in each order: (order shown, positions ranked). An abstention unless it
    said the same each time."""
    meant = {tuple(order[place] for place in ranked) for order, ranked in shown}
    return meant.pop() if len(meant) == 1 else ()


def winner(ballots: Mapping[str, Ballot], candidates: int, *, judges: int) -> int | None:
    """Who has won, or None.

    With two judges those that do not abstain must be unanimous. With more, points are counted (Borda): a candidate
    wins with more points than any other.
    """
    valid = [ballot for ballot in ballots.values() if ballot]
    if not valid:
        return None
    if judges <= 2:
        firsts = {ballot[0] for ballot in valid}
        return firsts.pop() if len(firsts) == 1 else None
    points = _points(valid, candidates)
    best = max(points)
    return points.index(best) if points.count(best) == 1 else None


def unassailable(ballots: Mapping[str, Ballot], candidates: int, *, judges: int) -> bool:
    """Whether the judges still out cannot change who wins."""
    out = judges - len(ballots)
    if out == 0:
        return True
    if judges <= 2:
        return False
    first, second = sorted(_points([b for b in ballots.values() if b], candidates), reverse=True)[:2]
    return first - second > out * (candidates - 1)


def _points(ballots: Sequence[Ballot], candidates: int) -> list[int]:
    points = [0] * candidates
    for ballot in ballots:
        for rank, candidate in enumerate(ballot):
            points[candidate] += candidates - 1 - rank
    return points
