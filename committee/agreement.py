"""Compare what the members hold, in code: no model judges here.

Agreement is the same action and, where they exist, the same calls or the same short answer in canonical form. Two
open-ended answers cannot contradict each other in code; they are compatible, and their points are merged.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

from committee import arguments, keys, plans, prompts
from committee.plans import PlannedCall
from committee.prompts import Outline
from committee.proposal import Action, Proposal
from committee.schema import Agreement, Position, ToolCall, ToolSpec

_MOST_POINTS = 10
_MOST_RISKS = 3

Stance: TypeAlias = tuple[Action, object]
OPEN: Stance = ("answer", None)
"""An answer in words, without a short form that could be compared: it contradicts no other answer."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """Members that hold the same; the one whose words stand for all comes first."""

    stance: Stance
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """How the members' proposals relate.

    conflict: "" when they agree well enough to go on; "position" when they hold different things; "approval" when a
    call that changes something lacks the approval of a member. agreement: as it would be called now.
    """

    clusters: tuple[Cluster, ...]
    plan: plans.Plan
    kind: Action
    agreement: Agreement
    conflict: Literal["", "position", "approval"] = ""

    @property
    def winner(self) -> Cluster:
        return self.clusters[0]


@dataclass(frozen=True, slots=True)
class Decision:
    """What the committee does with the turn.

    calls: to run or to hand back, in order, with their dependencies. choices: arguments that the planner has still to
    settle. held: proposed and not agreed. author: whose answer won. decided_by, agreed, dissent: for the account.
    refusal: the proposal of a member that said it is not able to, when that is the decision.
    """

    kind: Action
    agreement: Agreement
    plan: plans.Plan = field(default_factory=plans.Plan)
    outline: Outline = field(default_factory=Outline)
    author: str = ""
    decided_by: str = ""
    agreed: tuple[str, ...] = ()
    dissent: Mapping[str, str] = field(default_factory=dict)

    refusal: Proposal | None = None

    @property
    def calls(self) -> tuple[PlannedCall, ...]:
        return self.plan.calls

    @property
    def concern(self) -> bool:
        """A member declined for policy."""
        return self.plan.concern

    def with_plan(self, plan: plans.Plan) -> Decision:
        """The same decision on other calls, of which the speaker has to know what the new plan notes."""
        notes = tuple(note for note in self.outline.notes if note not in self.plan.notes)
        return replace(self, plan=plan, outline=replace(self.outline, notes=(*notes, *plan.notes)))

    def replanned(self, plan: plans.Plan, proposal: Proposal) -> Decision:
        """After results are in: the planner's next calls, and its points, which know more than the first ones."""
        plan = replace(plan, held=(*self.held, *plan.held), needs_approval=())
        found = self.with_plan(plan)
        if not proposal.points:
            return found
        return replace(found, outline=replace(found.outline, consensus=(), unique=proposal.points))

    @property
    def held(self) -> tuple[PlannedCall, ...]:
        """Calls that the user may still confirm; after a policy concern there are none."""
        return () if self.plan.concern else (*self.plan.needs_approval, *self.plan.held)


def compare(
    proposals: Mapping[str, Proposal],
    *,
    planner: str,
    tools: Sequence[ToolSpec],
    approved: Collection[str] = (),
    final: bool = False,
) -> Comparison:
    """Compare one proposal per member that answered.

    approved: canonical forms of calls that everyone has approved. final: nobody can be asked any more, so what is not
    approved is held. Raises ValueError when there is no proposal.
    """
    if not proposals:
        raise ValueError("there is nothing to compare")
    plan = plans.merge(proposals, planner=planner, tools=tools, alone=len(proposals) == 1, approved=approved)
    clusters = cluster(proposals, planner=planner, tools=tools)
    lead = proposals[_in_order(proposals, planner)[0]]
    if len(proposals) == 1:
        return Comparison(clusters, plan, "call" if plan.calls else without_calls(lead), "single")
    if plan.concern and plan.held:
        return Comparison(_policy_first(clusters), plan, "decline", "split")
    return _of_several(proposals, clusters, plan, lead, final=final)


def _of_several(
    proposals: Mapping[str, Proposal],
    clusters: tuple[Cluster, ...],
    plan: plans.Plan,
    lead: Proposal,
    *,
    final: bool,
) -> Comparison:
    kind: Action = "call" if plan.calls else without_calls(lead)
    if any(call.tool.effect != "client" for call in plan.needs_approval):
        return Comparison(clusters, plan, kind, "split", "" if final else "approval")
    if plan.calls:
        return Comparison(clusters, plan, "call", "agreed" if plan.identical else "compatible")
    first = clusters[0]
    kind = without_calls(lead) if first.stance[0] == "call" else first.stance[0]
    if not _settled(clusters, proposals):
        return Comparison(clusters, plan, kind, "split", "position")
    explicit = [name for name in first.members if proposals[name].key]
    open_ended = kind == "answer" and len(explicit) < 2
    return Comparison(clusters, plan, kind, "compatible" if open_ended else "agreed")


def cluster(proposals: Mapping[str, Proposal], *, planner: str, tools: Sequence[ToolSpec]) -> tuple[Cluster, ...]:
    """Members by what they hold: the most supported first, then the planner's, then by name.

    Open answers contradict no answer, so they stand with the most supported one.
    """
    order = _in_order(proposals, planner)
    stances = {name: stance(proposals[name], tools) for name in order}
    groups: dict[Stance, list[str]] = {}
    for name in order:
        groups.setdefault(stances[name], []).append(name)
    ranked = sorted(groups, key=lambda held: (-len(groups[held]), order.index(groups[held][0])))
    answers = [held for held in ranked if held[0] == "answer" and held != OPEN]
    if OPEN in groups and answers:
        groups[answers[0]] += groups.pop(OPEN)
        ranked = sorted(groups, key=lambda held: (-len(groups[held]), order.index(groups[held][0])))
    return tuple(Cluster(held, tuple(groups[held])) for held in ranked)


def stance(proposal: Proposal, tools: Sequence[ToolSpec]) -> Stance:
    """What a proposal comes down to, in a form that can be compared."""
    if proposal.action == "call":
        forms = _canonical_calls(proposal, tools)
        return ("call", frozenset(forms)) if forms else OPEN
    if proposal.action == "decline":
        return "decline", proposal.decline_kind or "capability"
    if proposal.action == "answer" and proposal.key:
        return "answer", keys.normal(proposal.key)
    return proposal.action, None


def _canonical_calls(proposal: Proposal, tools: Sequence[ToolSpec]) -> list[str]:
    known = {tool.name: tool for tool in tools}
    forms = []
    for call in proposal.calls:
        if (tool := known.get(call.tool)) is None:
            continue
        try:
            forms.append(plans.canonical(tool, arguments.normalise(tool, call.args)))
        except ValueError:
            continue
    return forms


def _settled(clusters: Sequence[Cluster], proposals: Mapping[str, Proposal]) -> bool:
    """Whether a majority holds the first; those who said nothing definite count only where nobody is as strong."""
    majority = len(proposals) // 2 + 1
    if len(clusters[0].members) < majority:
        return False
    definite = Counter(
        {
            one.stance: sum(one.stance == OPEN or proposals[m].action != "answer" or bool(proposals[m].key)
                            for m in one.members)
            for one in clusters
        }
    )  # fmt: skip
    return all(definite[clusters[0].stance] > definite[other.stance] for other in clusters[1:])


def _policy_first(clusters: Sequence[Cluster]) -> tuple[Cluster, ...]:
    return tuple(sorted(clusters, key=lambda one: one.stance != ("decline", "policy")))


def _in_order(proposals: Mapping[str, Proposal], planner: str) -> list[str]:
    return sorted(proposals, key=lambda member: (member != planner, member))


def without_calls(proposal: Proposal) -> Action:
    """What is left of a plan whose calls may not run: words."""
    return "answer" if proposal.action == "call" else proposal.action


def position(proposal: Proposal) -> Position:
    """A proposal as others are shown it: without name, confidence or votes."""
    calls = tuple(ToolCall("", call.tool, call.args) for call in proposal.calls)
    work = proposal.work or "; ".join(proposal.points)
    return Position(proposal.action, work, proposal.key, calls)


def in_words(proposal: Proposal) -> str:
    """A proposal in a few words, for a human."""
    if proposal.action == "answer" and proposal.key:
        return f'"{proposal.key}"'
    if proposal.action == "call" and proposal.calls:
        return "to call " + ", ".join(dict.fromkeys(prompts.wire_name(call.tool) for call in proposal.calls))
    return {
        "answer": "to answer at once",
        "call": "to act first",
        "clarify": "to ask the user first",
        "decline": "to decline",
    }[proposal.action]


def outline(
    proposals: Mapping[str, Proposal],
    winner: Cluster,
    *,
    resolved: Sequence[str] = (),
    notes: Sequence[str] = (),
) -> Outline:
    """What the speaker writes from: the points of those who hold the decision, and everybody's doubts."""
    support: Counter[str] = Counter()
    wording: dict[str, str] = {}
    for name in winner.members:
        own = {_spelling(point): point for point in proposals[name].points}
        support.update(own.keys())
        for form, point in own.items():
            wording.setdefault(form, point)
    shared = [wording[form] for form, count in support.items() if count > 1]
    unique = [wording[form] for form, count in support.items() if count == 1]
    keyed = [proposals[name].key for name in winner.members if proposals[name].key]
    if winner.stance[0] == "answer" and len(keyed) > 1:
        shared.insert(0, f"The answer is {keyed[0]}.")
    risks = {_spelling(risk): risk for proposal in proposals.values() for risk in reversed(proposal.risks)}
    return Outline(
        consensus=tuple(shared[:_MOST_POINTS]),
        resolved=tuple(resolved),
        unique=tuple(unique[: max(0, _MOST_POINTS - len(shared))]),
        risks=tuple(risks.values())[:_MOST_RISKS],
        notes=tuple(notes),
    )


def advice(kind: Action, proposals: Mapping[str, Proposal]) -> tuple[str, ...]:
    """What the speaker has to mind when the decision is not simply to answer."""
    if kind == "clarify":
        return (prompts.NOTE_CLARIFY,)
    if kind != "decline":
        return ()
    policy = any(p.action == "decline" and p.decline_kind == "policy" for p in proposals.values())
    return (prompts.NOTE_POLICY if policy else prompts.NOTE_CAPABILITY,)


def split_note(other: Proposal) -> str:
    """What the speaker is told of the view that was not taken."""
    return prompts.NOTE_SPLIT.format(other=in_words(other))


def _spelling(line: str) -> str:
    return re.sub(r"\W+", " ", line.casefold()).strip()
