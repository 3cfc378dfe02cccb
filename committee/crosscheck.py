"""The cross-check: every member sees what the others hold, without names, and looks for mistakes.

A member changes its mind only by naming the mistake that it made; without one it keeps what it had, whatever it
writes. Two that convince each other of the opposite have settled nothing and keep what they had, too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from committee import proposal
from committee.agreement import Stance, stance
from committee.errors import BadAnswer
from committee.plans import PlannedCall
from committee.prompts import wire_name
from committee.proposal import Action, DeclineKind, Proposal, ProposedCall
from committee.schema import ToolSpec

_SENTENCE_CHARS = 300
_KEY_CHARS = 200
_MOST_APPROVED = 16
_ACTIONS = ("answer", "call", "clarify", "decline")
# What models write into a field that they have nothing for.
_NOTHING = re.compile(
    r"\A(?:none|null|nil|n/?a|no|nothing|empty|-+|no (?:mistakes?|defects?|errors?)(?: (?:found|in mine))?)[.!]?\Z",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Review:
    """What one member makes of its own and the others' analysis. `approve`: numbers, from 1, of listed calls."""

    defect_in_mine: str = ""
    defect_in_other: str = ""
    approve: tuple[int, ...] = ()
    action: Action = "answer"
    calls: tuple[ProposedCall, ...] = ()
    key: str = ""


@dataclass(frozen=True, slots=True)
class Revision:
    """The proposals after the reviews; `changed` says per member which own mistake it named."""

    proposals: dict[str, Proposal]
    changed: dict[str, str] = field(default_factory=dict)


def schema(tools: Sequence[ToolSpec]) -> dict[str, Any]:
    """The JSON schema of a review: what is wrong comes first, what follows from it after that."""
    names = [wire_name(tool.name) for tool in tools]
    call = {
        "type": "object",
        "properties": {"tool": {"type": "string", "enum": names} if names else {"type": "string"},
                       "args": {"type": "object"}},
        "required": ["tool", "args"],
    }  # fmt: skip
    sentence = {"type": "string", "maxLength": _SENTENCE_CHARS}
    most = proposal.MAX_CALLS if names else 0
    properties: dict[str, Any] = {
        "defect_in_mine": sentence,
        "defect_in_other": sentence,
        "approve": {"type": "array", "items": {"type": "integer"}, "maxItems": _MOST_APPROVED},
        "action": {"type": "string", "enum": [action for action in _ACTIONS if names or action != "call"]},
        "calls": {"type": "array", "items": call, "maxItems": most},
        "key": {"type": "string"},
    }
    return {"type": "object", "properties": properties, "required": list(properties)}


def parse(text: str, tools: Sequence[ToolSpec]) -> Review:
    """Read a review. Raises BadAnswer when it cannot be read safely."""
    value, _, cut = proposal.decode(text)
    action = value.get("action")
    action = action.strip().lower() if isinstance(action, str) else None
    if action not in _ACTIONS:
        raise BadAnswer("The review names no known action.")
    listed = value.get("calls")
    calls, _ = proposal.checked_calls(listed[: proposal.MAX_CALLS] if isinstance(listed, list) else [], tools)
    if cut and calls:
        raise BadAnswer("The review breaks off in the middle.")
    return Review(
        defect_in_mine=_sentence(value.get("defect_in_mine")),
        defect_in_other=_sentence(value.get("defect_in_other")),
        approve=_numbers(value.get("approve")),
        action=cast(Action, action),
        calls=calls if action == "call" else (),
        key=proposal.line(value.get("key"), _KEY_CHARS),
    )


def revise(proposals: Mapping[str, Proposal], reviews: Mapping[str, Review], tools: Sequence[ToolSpec]) -> Revision:
    """The proposals with every change of mind that counts."""
    before = {name: stance(held, tools) for name, held in proposals.items()}
    revised = dict(proposals)
    changed: dict[str, str] = {}
    for name, review in reviews.items():
        if name not in proposals or not review.defect_in_mine:
            continue
        new = _changed(name, review, proposals, tools)
        if new is not None and stance(new, tools) != before[name]:
            revised[name] = new
            changed[name] = review.defect_in_mine
    for name in _swapped(before, {name: stance(revised[name], tools) for name in changed}):
        revised[name] = proposals[name]
        changed.pop(name, None)
    return Revision(revised, changed)


def approved(
    proposals: Mapping[str, Proposal],
    reviews: Mapping[str, Review],
    calls: Sequence[PlannedCall],
    tools: Sequence[ToolSpec],
) -> frozenset[str]:
    """The canonical forms of those `calls` (in the order in which they were listed) that every member wants: it
    proposed exactly that, or approved it."""
    found = set()
    for number, call in enumerate(calls, 1):
        wanted = all(
            _proposes(held, call, tools) or (name in reviews and number in reviews[name].approve)
            for name, held in proposals.items()
            if held.action != "decline" or held.decline_kind != "policy"
        )
        if wanted:
            found.add(call.canonical)
    return frozenset(found)


def _proposes(held: Proposal, call: PlannedCall, tools: Sequence[ToolSpec]) -> bool:
    action, calls = stance(held, tools)
    return action == "call" and isinstance(calls, frozenset) and call.canonical in calls


def _changed(
    name: str, review: Review, proposals: Mapping[str, Proposal], tools: Sequence[ToolSpec]
) -> Proposal | None:
    """What the member holds now; None when it wants to act and does not say how."""
    calls = review.calls
    if review.action == "call" and not calls:
        # Nobody likes to copy long arguments: "call" alone means the other's calls, if there is only one other view.
        others = {stance(held, tools): held.calls for other, held in proposals.items() if other != name and held.calls}
        if len(others) != 1:
            return None
        calls = next(iter(others.values()))
    kinds: set[DeclineKind] = {held.decline_kind for held in proposals.values() if held.action == "decline"}
    return Proposal(
        review.action,
        work=review.defect_in_mine,
        decline_kind=(kinds.pop() if len(kinds) == 1 else "capability") if review.action == "decline" else "",
        calls=calls,
        key=review.key if review.action == "answer" else "",
    )


def _swapped(before: Mapping[str, Stance], after: Mapping[str, Stance]) -> set[str]:
    """Members that have taken each other's place."""
    return {
        name
        for one in after
        for other in after
        if one < other and after[one] == before[other] and after[other] == before[one]
        for name in (one, other)
    }


def _sentence(value: Any) -> str:
    text = proposal.line(value, _SENTENCE_CHARS)
    return "" if _NOTHING.match(text) else text


def _numbers(value: Any) -> tuple[int, ...]:
    listed = value[:_MOST_APPROVED] if isinstance(value, list) else []
    return tuple(n for n in listed if isinstance(n, int) and not isinstance(n, bool))
