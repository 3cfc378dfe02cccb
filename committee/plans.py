"""One plan from everyone's proposed calls, merged in code: no model writes a value here, it may only choose among those
that were proposed.

Reading is cheap to be wrong about, so one voice is enough. Calls of the client are approved by the client, so the
planner's voice or a majority is enough. What changes something ("write", "job") takes every member's voice: its own
proposal of the call, or its approval of exactly this call, and no policy concern.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from committee import arguments, prompts
from committee.arguments import canonical
from committee.proposal import Proposal
from committee.schema import ToolCall, ToolSpec

ASK = "ask"
# Beyond this many characters a value is no option in a schema any more, and nobody could compare two of them there.
_LONGEST_OPTION = 300
_LONGEST_SHOWN = 80

__all__ = [
    "ASK",
    "Choice",
    "Plan",
    "PlannedCall",
    "canonical",
    "choices_schema",
    "choose",
    "merge",
    "numbered",
    "waves",
]


@dataclass(frozen=True, slots=True)
class PlannedCall:
    """A call as the members want it together; `depends_on` are positions in the same plan."""

    tool: ToolSpec
    args: dict[str, Any]
    depends_on: tuple[int, ...] = ()

    @property
    def canonical(self) -> str:
        """One text for all spellings of this call."""
        return canonical(self.tool, self.args)


@dataclass(frozen=True, slots=True)
class Choice:
    """A field of `Plan.calls[call]` that was proposed with different values, the planner's first."""

    call: int
    field: str
    options: tuple[Any, ...]

    @property
    def name(self) -> str:
        """The choice's name in `choices_schema`."""
        return f"{self.call}.{self.field}"


@dataclass(frozen=True, slots=True)
class Plan:
    """What the members want done.

    calls: agreed, in an order in which every call stands behind those it depends on; fields under `choices` have the
    planner's value until `choose` settles them. needs_approval: proposed by some, and run only if the others approve.
    held: not run without the user. concern: a member declined for policy, so nothing in `held` is to be offered again.
    notes: what the speaker has to know. identical: everybody proposed the same calls.
    """

    calls: tuple[PlannedCall, ...] = ()
    choices: tuple[Choice, ...] = ()
    needs_approval: tuple[PlannedCall, ...] = ()
    held: tuple[PlannedCall, ...] = ()
    notes: tuple[str, ...] = ()
    identical: bool = True
    concern: bool = False


@dataclass(frozen=True, slots=True)
class _Version:
    """One member's version of a call; `needs` are the versions of the same member that it depends on."""

    rank: int
    index: int
    tool: ToolSpec
    args: dict[str, Any]
    needs: tuple[int, ...] = ()

    @property
    def key(self) -> tuple[int, int]:
        return self.rank, self.index


@dataclass(slots=True)
class _Group:
    """Versions of one call, at most one a member, the planner's first where it has one."""

    versions: list[_Version]
    args: dict[str, Any] = field(default_factory=dict)
    differing: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    unsettled: tuple[str, ...] = ()

    @property
    def tool(self) -> ToolSpec:
        return self.versions[0].tool

    def settle(self) -> None:
        """Merge the versions field by field: equal ones are kept, different ones become options."""
        first = self.versions[0]
        self.args = dict(first.args)
        differing = {name: () for v in self.versions[1:] for name in _differing(first, v)}
        if self.tool.effect == "client" and len(differing) > 1:
            # Such fields belong together (what to look for, what to put there): a mixture fits neither.
            self.unsettled = tuple(sorted(differing))
            return
        for version in self.versions[1:]:
            self.args = {**version.args, **self.args}
        for name in sorted(differing):
            options = _options(self.tool, name, self.versions)
            if self.tool.effect != "write" and all(arguments.is_free_text(option) for option in options):
                continue
            if all(_is_short(option) for option in options):
                self.differing[name] = options
            else:
                self.unsettled += (name,)


def merge(
    proposals: Mapping[str, Proposal],
    *,
    planner: str,
    tools: Sequence[ToolSpec],
    alone: bool,
    approved: Collection[str] = (),
) -> Plan:
    """One plan from one proposal per member.

    alone: there is no second member to ask, so a single proposal speaks for all. approved: canonical forms of calls
    that every other member has approved. The names of the members do not matter, except which one plans.
    """
    known = {tool.name: tool for tool in tools}
    lists = _by_rank(proposals, planner, known)
    concern = any(p.action == "decline" and p.decline_kind == "policy" for p in proposals.values())
    groups = _groups(lists)
    verdicts = [
        _verdict(group, len(lists), planned=group.versions[0].rank == 0 and planner in proposals, concern=concern,
                 alone=alone and len(lists) == 1, approved=approved)
        for group in groups
    ]  # fmt: skip
    needs = _dependencies(groups)
    _hold_back(groups, needs, verdicts)
    order = _topological(needs)
    position = {group: place for place, group in enumerate(i for i in order if verdicts[i] == "run")}
    calls = tuple(_planned(groups[i], needs[i], position) for i in position)
    choices = tuple(
        Choice(place, name, options) for i, place in position.items() for name, options in groups[i].differing.items()
    )
    approval = tuple(PlannedCall(groups[i].tool, groups[i].args) for i in order if verdicts[i] == "approve")
    held = tuple(PlannedCall(groups[i].tool, groups[i].args) for i in order if verdicts[i] == "hold")
    unsettled = [(groups[i], name) for i in position for name in groups[i].unsettled]
    identical = len(position) == len(groups) and all(
        len(g.versions) == len(lists) and not g.differing and not g.unsettled for g in groups
    )
    notes = (
        *(_note(g.tool, name, g.args[name]) for g, name in unsettled),
        *(_note(calls[c.call].tool, c.field, c.options[0]) for c in choices),
        *_held_notes((*approval, *held), concern=concern),
    )
    return Plan(calls, choices, approval, held, notes, identical, concern)


def choices_schema(plan: Plan, tools: Sequence[ToolSpec] = ()) -> dict[str, Any]:
    """The JSON schema of an answer that settles `plan.choices`: proposed values, or "ask", and nothing else."""
    properties: dict[str, Any] = {}
    for choice in plan.choices:
        call = plan.calls[choice.call]
        properties[choice.name] = {
            "enum": list(dict.fromkeys([*map(_hashable, choice.options), _hashable(ASK)])),
            "description": f"{prompts.wire_name(call.tool.name)}: {choice.field}",
        }
        properties[choice.name]["enum"] = [json.loads(text) for text in properties[choice.name]["enum"]]
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def choose(plan: Plan, answer: Mapping[str, Any]) -> Plan:
    """The plan with its choices settled.

    An answer that is no option leaves the planner's value; "ask" holds the call, and with it those that depend on it.
    """
    args = [dict(call.args) for call in plan.calls]
    asked: set[int] = set()
    settled: list[str] = []
    for choice in plan.choices:
        given = answer.get(choice.name)
        tool = plan.calls[choice.call].tool
        if given == ASK:
            asked.add(choice.call)
            continue
        value = next((o for o in choice.options if _same(given, o)), choice.options[0])
        args[choice.call][choice.field] = value
        settled.append(_note(tool, choice.field, value))
    for index, call in enumerate(plan.calls):
        if asked.intersection(call.depends_on):
            asked.add(index)
    calls = tuple(replace(call, args=args[index]) for index, call in enumerate(plan.calls))
    kept = {old: new for new, old in enumerate(i for i in range(len(calls)) if i not in asked)}
    stay = tuple(replace(calls[old], depends_on=tuple(kept[d] for d in calls[old].depends_on)) for old in kept)
    now_held = tuple(replace(calls[index], depends_on=()) for index in sorted(asked))
    provisional = {_note(plan.calls[c.call].tool, c.field, c.options[0]) for c in plan.choices}
    notes = tuple(dict.fromkeys([
        *(note for note in plan.notes if note not in provisional), *settled, *_held_notes(now_held, concern=False),
    ]))  # fmt: skip
    return replace(plan, calls=stay, choices=(), held=(*plan.held, *now_held), notes=notes)


def waves(calls: Sequence[PlannedCall]) -> tuple[tuple[int, ...], ...]:
    """Groups of positions that may run side by side, one group after the other. Raises ValueError for a cycle."""
    left = {index: set(call.depends_on) & set(range(len(calls))) for index, call in enumerate(calls)}
    found: list[tuple[int, ...]] = []
    while left:
        wave = tuple(index for index, needs in left.items() if not needs & left.keys())
        if not wave:
            raise ValueError(f"the calls {sorted(left)} wait for each other")
        found.append(wave)
        for index in wave:
            del left[index]
    return tuple(found)


def numbered(calls: Sequence[PlannedCall], seed: int) -> tuple[ToolCall, ...]:
    """The calls with ids that are the same whenever the same turn is decided the same way."""
    ids = (hashlib.sha256(f"{seed}|{n}|{call.canonical}".encode()).hexdigest() for n, call in enumerate(calls))
    return tuple(ToolCall(f"call_{i[:24]}", call.tool.name, call.args) for i, call in zip(ids, calls, strict=True))


# -- grouping --------------------------------------------------------------------------------------------------------


def _by_rank(proposals: Mapping[str, Proposal], planner: str, tools: Mapping[str, ToolSpec]) -> list[list[_Version]]:
    """Every member's usable calls, the planner's list first, the others in an order that names do not decide."""
    lists = [(name != planner, _usable(proposal, tools)) for name, proposal in proposals.items()]
    lists.sort(key=lambda entry: (entry[0], [canonical(v.tool, v.args) for v in entry[1]]))
    return [[replace(version, rank=rank) for version in versions] for rank, (_, versions) in enumerate(lists)]


def _usable(proposal: Proposal, tools: Mapping[str, ToolSpec]) -> list[_Version]:
    """The calls whose arguments fit their tool, without repetitions."""
    found: dict[str, _Version] = {}
    place: dict[int, int] = {}
    for position, call in enumerate(proposal.calls):
        if (tool := tools.get(call.tool)) is None:
            continue
        try:
            args = arguments.normalise(tool, call.args)
        except ValueError:
            continue
        form = canonical(tool, args)
        found.setdefault(form, _Version(0, len(found), tool, args, tuple(call.depends_on)))
        place[position] = found[form].index
    return [
        replace(v, needs=tuple(sorted({place[d] for d in v.needs if d in place} - {v.index}))) for v in found.values()
    ]


def _groups(lists: Sequence[Sequence[_Version]]) -> list[_Group]:
    """Versions of the same call together: first those that are equal, then those of one tool that are most alike."""
    groups: list[_Group] = []
    for versions in lists:
        free = list(groups)
        left: list[_Version] = []
        for version in versions:
            equal = [g for g in free if canonical(g.tool, g.versions[0].args) == canonical(version.tool, version.args)]
            if equal:
                equal[0].versions.append(version)
                free.remove(equal[0])
            else:
                left.append(version)
        pairs = sorted(
            ((len(_differing(g.versions[0], v)), canonical(v.tool, v.args), n, m)
             for n, g in enumerate(free) for m, v in enumerate(left) if _alike(g.versions[0], v)),
        )  # fmt: skip
        joined: dict[int, int] = {}
        for _, _, n, m in pairs:
            if n not in joined.values() and m not in joined:
                joined[m] = n
        for m, version in enumerate(left):
            if m in joined:
                free[joined[m]].versions.append(version)
            else:
                groups.append(_Group([version]))
    for group in groups:
        group.settle()
    return groups


def _alike(one: _Version, other: _Version) -> bool:
    """Two views of one call, rather than two calls: the same tool, and not everything that both name is different."""
    if one.tool.name != other.tool.name:
        return False
    shared = arguments.comparable(one.tool, one.args).keys() & arguments.comparable(other.tool, other.args).keys()
    return len(shared) < 2 or len(_differing(one, other)) < len(shared)


def _differing(one: _Version, other: _Version) -> tuple[str, ...]:
    return arguments.differing(one.tool, one.args, other.args, wording=one.tool.effect in ("write", "client"))


def _options(tool: ToolSpec, name: str, versions: Sequence[_Version]) -> tuple[Any, ...]:
    found: dict[str, Any] = {}
    for version in versions:
        if name in version.args:
            found.setdefault(canonical(tool, {name: version.args[name]}), version.args[name])
    return tuple(found.values())


# -- who may run -----------------------------------------------------------------------------------------------------


def _verdict(
    group: _Group, members: int, *, planned: bool, concern: bool, alone: bool, approved: Collection[str]
) -> str:
    """ "run", "approve" (run it if the others approve) or "hold"."""
    effect = group.tool.effect
    everyone = len(group.versions) == members and (alone or members > 1)
    if effect == "read":
        return "run"
    agreed = canonical(group.tool, group.args) in approved
    if effect == "client":
        return "run" if planned or agreed or len(group.versions) * 2 > members else "approve"
    if concern:
        return "hold"
    if effect == "write" and group.unsettled:
        # Two texts of which nobody can say in a schema which is meant: one of them has to be approved as it is.
        return "run" if agreed else "approve"
    return "run" if everyone or agreed else "approve"


def _dependencies(groups: Sequence[_Group]) -> list[set[int]]:
    """Per group the groups that it depends on, without cycles: an edge that would close one is dropped."""
    where = {version.key: index for index, group in enumerate(groups) for version in group.versions}
    needs: list[set[int]] = [set() for _ in groups]
    for index, group in enumerate(groups):
        for version in group.versions:
            for target in sorted(where[version.rank, need] for need in version.needs):
                if target != index and not _reaches(needs, target, index):
                    needs[index].add(target)
    return needs


def _reaches(needs: Sequence[set[int]], start: int, goal: int) -> bool:
    seen, queue = set[int](), [start]
    while queue:
        at = queue.pop()
        if at == goal:
            return True
        if at not in seen:
            seen.add(at)
            queue += needs[at]
    return False


def _hold_back(groups: Sequence[_Group], needs: Sequence[set[int]], verdicts: list[str]) -> None:
    """A call that builds on one that does not run does not run either."""
    for index in _topological(needs):
        if verdicts[index] != "run":
            continue
        waiting = {verdicts[target] for target in needs[index]} - {"run"}
        if waiting:
            verdicts[index] = "hold" if "hold" in waiting else "approve"


def _topological(needs: Sequence[set[int]]) -> list[int]:
    """All positions, each behind those it needs, otherwise in their own order. `needs` has no cycles."""
    order: list[int] = []
    done: set[int] = set()
    while len(order) < len(needs):
        following = next(i for i, wanted in enumerate(needs) if i not in done and wanted <= done)
        order.append(following)
        done.add(following)
    return order


def _planned(group: _Group, needs: set[int], position: Mapping[int, int]) -> PlannedCall:
    return PlannedCall(group.tool, group.args, tuple(sorted(position[n] for n in needs)))


# -- words and values ------------------------------------------------------------------------------------------------


def _note(tool: ToolSpec, name: str, value: Any) -> str:
    shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    if len(shown) > _LONGEST_SHOWN:
        shown = f"{shown[:_LONGEST_SHOWN]}…"
    return prompts.NOTE_ARGUMENTS.format(tool=tool.name, field=name, value=shown)


def _held_notes(calls: Iterable[PlannedCall], *, concern: bool) -> list[str]:
    if concern:
        return []
    return [prompts.NOTE_HELD.format(tool=name) for name in dict.fromkeys(call.tool.name for call in calls)]


def _is_short(value: Any) -> bool:
    return len(_hashable(value)) <= _LONGEST_OPTION


def _hashable(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def _same(given: Any, option: Any) -> bool:
    """Equality of JSON values, in which true is not 1 and the spelling of a word may differ."""
    if isinstance(given, bool) != isinstance(option, bool):
        return False
    if isinstance(given, str) and isinstance(option, str):
        return given.strip().casefold() == option.strip().casefold()
    return bool(given == option)
