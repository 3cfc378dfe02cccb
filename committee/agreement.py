"""Compare what the members proposed, and decide, in code: no model judges here.

Agreement is the same action and, where they exist, the same calls or the same short answer in canonical form. Two
open-ended answers cannot contradict each other in code; they are "compatible" and their points are merged.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from committee import arguments, prompts
from committee.proposal import Action, Proposal, ProposedCall
from committee.schema import Agreement, ToolCall, ToolSpec

_MAX_OUTLINE = 10

_NUMBER = re.compile(r"[-+]?(?:\d{1,3}(?:[,' \u202f]\d{3})+|\d+)(?:\.\d+)?(?:e[-+]?\d+)?|[-+]?\.\d+")
_OPTION = re.compile(r"\A(?:option|answer|choice)?\s*[(\[]?([a-h])[)\].:]?\Z")
_YES = frozenset({"yes", "true", "correct", "right", "ja", "oui", "si", "sí"})
_NO = frozenset({"no", "false", "incorrect", "wrong", "nein", "non"})
_ARTICLE = re.compile(r"\A(?:the|a|an)\s+")
# Factor to a base unit per quantity; two keys are the same if quantity and value are.
_UNITS: dict[str, tuple[str, float]] = {
    "ms": ("s", 1e-3), "s": ("s", 1), "sec": ("s", 1), "second": ("s", 1), "min": ("s", 60), "minute": ("s", 60),
    "h": ("s", 3600), "hour": ("s", 3600), "day": ("s", 86400),
    "mm": ("m", 1e-3), "cm": ("m", 1e-2), "m": ("m", 1), "meter": ("m", 1), "metre": ("m", 1), "km": ("m", 1e3),
    "kilometer": ("m", 1e3), "kilometre": ("m", 1e3),
    "mg": ("g", 1e-3), "g": ("g", 1), "gram": ("g", 1), "kg": ("g", 1e3), "kilogram": ("g", 1e3),
    "b": ("byte", 1), "byte": ("byte", 1), "kb": ("byte", 1e3), "mb": ("byte", 1e6), "gb": ("byte", 1e9),
    "kib": ("byte", 2**10), "mib": ("byte", 2**20), "gib": ("byte", 2**30),
    "%": ("", 1e-2), "percent": ("", 1e-2),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Decision:
    """What the committee does with the turn.

    calls: to run or to hand back. notes: what the speaker has to be told. held: tools that were proposed and not
    agreed. `kind` is the action that won.
    """

    kind: Action
    agreement: Agreement
    calls: tuple[ToolCall, ...] = ()
    points: tuple[str, ...] = ()
    risks: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    held: tuple[str, ...] = ()


def decide(
    proposals: Mapping[str, Proposal], *, planner: str, tools: Sequence[ToolSpec], seed: int, alone: bool
) -> Decision:
    """Decide from one proposal per member that answered.

    alone: no second member could be asked, so the single proposal is all there is (the caller labels it degraded).
    Raises ValueError when there is no proposal.
    """
    if not proposals:
        raise ValueError("there is nothing to decide")
    order = sorted(proposals, key=lambda member: (member != planner, member))
    lead = proposals[order[0]]
    others = [proposals[member] for member in order[1:]]
    plan = _merge_calls([lead, *others], {tool.name: tool for tool in tools}, alone=alone and not others)
    kind, agreement = _kind(lead, others, plan)
    notes = list(plan.notes)
    if agreement == "split" and not plan.calls and not plan.held and others:
        notes.append(prompts.NOTE_SPLIT.format(other=_position(others[0])))
    if (advice := _advice(kind, [lead, *others])) is not None:
        notes.append(advice)
    together = (lead,) if agreement == "split" else (lead, *others)
    return Decision(
        kind=kind,
        agreement=agreement,
        calls=_numbered(plan.calls, seed),
        points=_union([proposal.points for proposal in together])[:_MAX_OUTLINE],
        risks=_union([proposal.risks for proposal in (lead, *others)])[:3],
        notes=tuple(notes),
        held=plan.held,
    )


def same_key(left: str, right: str) -> bool:
    """Whether two short answers mean the same: numbers with units, yes/no, option letters, names."""
    return _key(left) == _key(right)


_Call: TypeAlias = tuple[ToolSpec, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class _Plan:
    calls: tuple[_Call, ...]
    notes: tuple[str, ...]
    held: tuple[str, ...]
    identical: bool


def _merge_calls(proposals: Sequence[Proposal], tools: Mapping[str, ToolSpec], *, alone: bool) -> _Plan:
    """One plan from everyone's calls; the first proposal is the planner's.

    Reading is cheap to be wrong about, so one voice is enough. Calls of the client are approved by the client, so the
    planner's voice is enough. A job takes everyone's voice (or the only one there is), and no policy concern.
    """
    lists = [_usable(proposal.calls, tools) for proposal in proposals]
    concern = any(p.action == "decline" and p.decline_kind == "policy" for p in proposals)
    calls: list[_Call] = []
    notes: list[str] = []
    held: list[str] = []
    identical = True
    for position, wanted in enumerate(lists):
        while wanted:
            tool, args = wanted.pop(0)
            support = 1
            for other in lists[position + 1 :]:
                if (match := _take_match(other, tool, args)) is None:
                    continue
                support += 1
                args, differing = arguments.merge(tool, args, match)
                notes += [prompts.NOTE_ARGUMENTS.format(tool=tool.name, field=f, value=args[f]) for f in differing]
                identical = identical and not differing
            everyone = support == len(lists)
            identical = identical and everyone
            backed = everyone and (alone or support > 1)
            if _may_run(tool, backed=backed, planned=position == 0, concern=concern):
                calls.append((tool, args))
            elif tool.effect == "job" and not concern:
                held.append(tool.name)
    held = list(dict.fromkeys(held))
    notes += [prompts.NOTE_HELD.format(tool=name) for name in held]
    return _Plan(tuple(calls), tuple(notes), tuple(held), identical)


def _may_run(tool: ToolSpec, *, backed: bool, planned: bool, concern: bool) -> bool:
    if tool.effect == "read":
        return True
    if tool.effect == "client":
        return backed or planned
    return backed and not concern


def _usable(proposed: Sequence[ProposedCall], tools: Mapping[str, ToolSpec]) -> list[_Call]:
    """The calls whose arguments fit their tool, without repetitions."""
    usable: dict[str, _Call] = {}
    for call in proposed:
        tool = tools[call.tool]
        try:
            args = arguments.normalise(tool, call.args)
        except ValueError:
            continue
        usable.setdefault(arguments.canonical(tool, args), (tool, args))
    return list(usable.values())


def _take_match(calls: list[_Call], tool: ToolSpec, args: Mapping[str, Any]) -> dict[str, Any] | None:
    """Remove and return the arguments of the call that is most like this one: equal, else of the same tool."""
    same = [index for index, (other, _) in enumerate(calls) if other.name == tool.name]
    wanted = arguments.canonical(tool, args)
    same.sort(key=lambda index: arguments.canonical(tool, calls[index][1]) != wanted)
    return calls.pop(same[0])[1] if same else None


def _kind(lead: Proposal, others: Sequence[Proposal], plan: _Plan) -> tuple[Action, Agreement]:
    if not others:
        return ("call" if plan.calls else _without_calls(lead)), "single"
    if plan.calls:
        if plan.held:
            return "call", "split"
        return "call", "agreed" if plan.identical else "compatible"
    declined = [p for p in (lead, *others) if p.action == "decline" and p.decline_kind == "policy"]
    acting = any(p.action == "call" for p in (lead, *others))
    if declined and acting:
        return "decline", "split"
    kind = _without_calls(lead)
    if any(_without_calls(other) != kind for other in others) or acting:
        return kind, "split"
    if kind != "answer":
        return kind, "agreed"
    keys = [p.key for p in (lead, *others) if p.key]
    if len(keys) <= len(others):
        return kind, "compatible"
    return kind, "agreed" if all(same_key(keys[0], key) for key in keys[1:]) else "split"


def _without_calls(proposal: Proposal) -> Action:
    """What is left of a plan whose calls may not run: words."""
    return "answer" if proposal.action == "call" else proposal.action


def _advice(kind: Action, proposals: Sequence[Proposal]) -> str | None:
    if kind == "clarify":
        return prompts.NOTE_CLARIFY
    if kind != "decline":
        return None
    policy = any(p.action == "decline" and p.decline_kind == "policy" for p in proposals)
    return prompts.NOTE_POLICY if policy else prompts.NOTE_CAPABILITY


def _position(proposal: Proposal) -> str:
    if proposal.action == "answer" and proposal.key:
        return f'"{proposal.key}"'
    return {
        "answer": "to answer at once",
        "call": "to act first",
        "clarify": "to ask the user first",
        "decline": "to decline",
    }[proposal.action]


def _numbered(calls: Sequence[_Call], seed: int) -> tuple[ToolCall, ...]:
    """Ids that are the same whenever the same turn is decided the same way."""
    numbered = []
    for index, (tool, args) in enumerate(calls):
        digest = hashlib.sha256(f"{seed}|{index}|{arguments.canonical(tool, args)}".encode()).hexdigest()
        numbered.append(ToolCall(f"call_{digest[:24]}", tool.name, args))
    return tuple(numbered)


def _union(groups: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """All lines in order, without those that repeat an earlier one in other spelling."""
    seen: dict[str, str] = {}
    for line in (line for group in groups for line in group):
        seen.setdefault(re.sub(r"\W+", " ", line.casefold()).strip(), line)
    return tuple(seen.values())


def _key(text: str) -> tuple[str, object]:
    """A short answer in a comparable form: ("yes", True), ("option", "b"), ("s", 180.0) or ("text", …)."""
    text = unicodedata.normalize("NFKC", text).casefold().strip().strip("\"'`*").rstrip(".!").strip()
    text = text.replace("\u2212", "-")
    if text in _YES | _NO:
        return "yes", text in _YES
    if option := _OPTION.match(text):
        return "option", option[1]
    text = text.removeprefix("=").removeprefix("≈").strip()
    if number := _NUMBER.match(text):
        value = float(re.sub(r"[,' \u202f]", "", number[0]))
        unit = text[number.end() :].strip(" -")
        unit = unit if unit in _UNITS else unit.removesuffix("s")
        quantity, factor = _UNITS.get(unit, (unit, 1))
        # Nine digits: more than a model computes, less than binary fractions disturb.
        return quantity, float(f"{value * factor:.9g}")
    return "text", re.sub(r"[^\w+#]+", " ", _ARTICLE.sub("", text)).strip()
