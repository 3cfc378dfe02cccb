"""From proposals to one decision: compare, and where that is not enough evidence, a cross-check, verdicts, a third
sample, and at last the planner.

    compare ──agree──────────────────────────────────────────────────────────────► decision
       └─conflict─► evidence ─► cross-check (≤ debate_turns) ─► verdicts ─► sample ─► planner ("split")

Every step may settle it. A budget that is used up, or a step that is switched off, leads on to the next one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

from committee import agreement, crosscheck, evidence, plans, prompts, verdicts
from committee.agreement import Cluster, Comparison, Decision, compare
from committee.asking import Round, Show
from committee.plans import PlannedCall
from committee.proposal import Proposal
from committee.requests import stage_seed
from committee.schema import Position, ReasoningDelta, StageEvent, ToolCall
from committee.seats import Seat
from committee.sitting import Sitting

Sample: TypeAlias = Callable[[Seat, Show], Awaitable[Proposal]]


class Deciding:
    """One decision. sample: gets one more independent proposal of a member."""

    def __init__(self, at: Sitting, sample: Sample) -> None:
        self._at = at
        self._sample = sample
        self._deep = at.turn.mode == "deep"
        self._proposals: dict[str, Proposal] = {}
        self._approved: frozenset[str] = frozenset()
        self._resolved: list[str] = []
        self._changed = False
        self._found: tuple[evidence.Evidence, ...] = ()

    async def run(self, proposals: Mapping[str, Proposal]) -> Decision:
        """Settle what the members hold. `proposals` must not be empty."""
        self._proposals = dict(proposals)
        found = self._compare()
        await self._tell("compare", (found.conflict and "conflict") or found.agreement, found.kind)
        if len(proposals) > 1 and (found.conflict or self._deep):
            return await self._settle(found)
        if found.plan.concern and found.plan.held:
            return self._decision(found, decided_by="policy")
        return self._decision(found, decided_by="" if found.agreement == "single" else "agreement")

    async def _settle(self, found: Comparison) -> Decision:
        await self._gather_evidence(found)
        if not self._deep and (winner := self._proven(found)) is not None:
            return self._decision(found, winner, decided_by="evidence")
        for number in range(1, self._at.config.debate_turns + 1):
            if self._at.budget.spent:
                break
            await self._cross_check(found, number)
            found = self._compare()
            if not found.conflict:
                break
        if not found.conflict:
            return self._decision(found, decided_by="cross-check" if self._changed or self._approved else "agreement")
        if found.conflict == "approval":
            return self._decision(self._compare(final=True), decided_by="planner")
        return await self._arbitrate(found)

    async def _arbitrate(self, found: Comparison) -> Decision:
        """Positions that differ still: somebody has to say which one it is."""
        budget = self._at.budget
        if self._changed:
            await self._gather_evidence(found)
            if winner := self._proven(found):
                return self._decision(found, winner, decided_by="evidence")
        if not budget.spent and (winner := await self._elect(found)):
            return self._decision(found, winner, decided_by="verdicts")
        if not budget.spent and (winner := await self._third_sample(found)):
            return self._decision(found, winner, decided_by="third sample")
        return self._decision(found, self._planners(found), decided_by="planner")

    async def _tell(self, stage: str, event: str, detail: str = "") -> None:
        await self._at.emit(StageEvent(stage, None, event, detail))

    # -- evidence ---------------------------------------------------------------------------------------------------

    async def _gather_evidence(self, found: Comparison) -> None:
        at = self._at
        positions = tuple(agreement.position(self._proposals[one.members[0]]) for one in found.clusters)
        question = evidence.Question(at.requests.user_text, positions, at.tools)
        timeout_s = min(at.config.evidence_timeout_s, at.budget.left_s)
        self._found = await evidence.gather(question, at.house.checks, timeout_s=timeout_s)
        for one in self._found:
            await self._tell("evidence", "found", one.text)

    def _proven(self, found: Comparison) -> Cluster | None:
        """The only position that no evidence refutes, when it refutes all others."""
        if found.conflict != "position":
            return None
        refuted = evidence.refuted(self._found)
        left = [one for number, one in enumerate(found.clusters) if number not in refuted]
        return left[0] if len(left) == 1 and refuted else None

    # -- cross-check ------------------------------------------------------------------------------------------------

    async def _cross_check(self, found: Comparison, number: int) -> None:
        """Every member looks for mistakes in its own and the others' positions; changes of mind are carried over."""
        asked = tuple(call for call in found.plan.needs_approval if call.tool.effect != "client")
        reviews = await self._reviews(asked, number)
        before = self._proposals
        revision = crosscheck.revise(before, reviews, self._at.tools)
        self._proposals = revision.proposals
        self._changed = self._changed or bool(revision.changed)
        self._approved |= crosscheck.approved(self._proposals, reviews, asked, self._at.tools)
        for name, defect in revision.changed.items():
            now = agreement.in_words(self._proposals[name])
            await self._at.emit(StageEvent("cross-check", name, "changed", now))
            self._resolved.append(f"Not {agreement.in_words(before[name])}: {defect}")

    async def _reviews(self, asked: Sequence[PlannedCall], number: int) -> dict[str, crosscheck.Review]:
        at = self._at
        texts = [one.text for one in self._found]

        async def review(seat: Seat, show: Show) -> crosscheck.Review:
            mine, others = self._views(seat.name)
            request = at.requests.cross_check(
                seat.name, mine, others, evidence=texts, approve=_as_calls(asked), round_number=number
            )
            heard = await at.asking.hear(seat, request)
            return crosscheck.parse(heard.text, at.tools)

        question = Round(
            "cross-check", review, *self._patience(at.config.cross_check_timeout_s), describe=_review_in_words
        )
        reviews = await at.asking.everyone(self._judges(), question, at.emit)
        for name, one in reviews.items():
            if one.defect_in_mine:
                await at.emit(ReasoningDelta(name, f"- {one.defect_in_mine}\n"))
        return reviews

    def _views(self, member: str) -> tuple[Position, tuple[Position, ...]]:
        """A member's own position, and the different ones of the others in an order that says nothing."""
        mine = agreement.position(self._proposals[member])
        others = (agreement.position(held) for name, held in self._proposals.items() if name != member)
        shown = {prompts.position(other): other for other in others}
        return mine, tuple(
            shown[text] for text in sorted(shown, key=lambda text: stage_seed(self._at.turn.seed, text, member))
        )

    # -- verdicts and the third sample --------------------------------------------------------------------------------

    async def _elect(self, found: Comparison) -> Cluster | None:
        """The position that blind judges, each asked in both orders, hold to be right."""
        candidates = found.clusters[: verdicts.MOST_CANDIDATES]
        ballots = await self._ballots([agreement.position(self._proposals[one.members[0]]) for one in candidates])
        number = verdicts.winner(ballots, len(candidates), judges=len(self._judges()))
        await self._tell("verdict", "tie" if number is None else "decided")
        return None if number is None else candidates[number]

    async def _ballots(self, shown: Sequence[Position]) -> dict[str, verdicts.Ballot]:
        at, judges = self._at, self._judges()

        async def judge(seat: Seat, show: Show) -> verdicts.Ballot:
            said = []
            both = verdicts.orders(len(shown), seed=stage_seed(at.turn.seed, "labels", seat.name))
            for number, order in enumerate(both):
                request = at.requests.verdict(seat.name, [shown[place] for place in order], order=number)
                heard = await at.asking.hear(seat, request)
                said.append((order, verdicts.parse(heard.text, len(shown))))
            return verdicts.combine(said)

        stage_s, _, _ = self._patience(2 * at.config.verdict_timeout_s)
        question = Round(
            "verdict", judge, stage_s, stage_s, stage_s,
            describe=_ballot_in_words,
            enough=lambda ballots: verdicts.unassailable(ballots, len(shown), judges=len(judges)),
        )  # fmt: skip
        return await at.asking.everyone(judges, question, at.emit)

    async def _third_sample(self, found: Comparison) -> Cluster | None:
        """The position that one more independent look comes to, if with its voice that has more than any other.

        It is taken by the member that is better at such questions.
        """
        at = self._at
        able = {seat.name: seat for seat in self._judges()}
        seat = able.get(at.stronger) or able.get(at.planner) or next(iter(able.values()), None)
        if seat is None:
            return None
        stage_s, _, _ = self._patience(at.config.probe_timeout_s)
        question = Round("sample", self._sample, stage_s, 0.0, describe=agreement.in_words)
        samples = await at.asking.everyone([seat], question, at.emit)
        held = {agreement.stance(one, at.tools) for one in samples.values()} - {agreement.OPEN}
        matching = next((one for one in found.clusters if one.stance in held), None)
        others = [len(one.members) for one in found.clusters if one is not matching]
        return matching if matching is not None and len(matching.members) + 1 > max(others, default=0) else None

    # -- the end ------------------------------------------------------------------------------------------------------

    def _compare(self, *, final: bool = False) -> Comparison:
        return compare(
            self._proposals,
            planner=self._at.planner,
            tools=self._at.tools,
            approved=self._approved,
            final=final,
        )

    def _planners(self, found: Comparison) -> Cluster:
        planner = self._at.planner
        return next((one for one in found.clusters if planner in one.members), found.clusters[0])

    def _judges(self) -> list[Seat]:
        return [seat for seat in self._at.seats if seat.name in self._proposals]

    def _patience(self, timeout_s: float) -> tuple[float, float, float]:
        """Stage, grace and patience of one stage: all of it, since by now each member's model is loaded."""
        limit = max(0.05, min(timeout_s, self._at.budget.left_s))
        return limit, min(self._at.config.grace_s, limit), limit

    def _decision(self, found: Comparison, winner: Cluster | None = None, *, decided_by: str) -> Decision:
        """The decision on `winner` when positions differed, else on what the comparison says."""
        if decided_by == "evidence":
            self._resolved += [one.text for one in self._found]
        chosen = winner or found.winner
        kind, label, plan = found.kind, found.agreement, found.plan
        if winner is not None:
            kind = winner.stance[0]
            label = "split" if decided_by == "planner" else "decided"
            plan = self._plan_of(winner) if kind == "call" else plans.Plan(concern=plan.concern)
        losers = [name for one in found.clusters if one != chosen for name in one.members]
        dissenting = losers if winner or not plan.calls else []
        notes = [*plan.notes, *agreement.advice(kind, self._proposals)]
        if label == "split" and winner is not None and losers:
            notes.append(agreement.split_note(self._proposals[losers[0]]))
        return Decision(
            kind=kind,
            agreement=label,
            plan=plan,
            outline=agreement.outline(self._proposals, chosen, resolved=self._resolved, notes=notes),
            author=chosen.members[0],
            decided_by=decided_by,
            agreed=tuple(sorted(self._proposals.keys() - set(dissenting))),
            dissent={name: agreement.in_words(self._proposals[name]) for name in dissenting},
            refusal=self._proposals[chosen.members[0]] if kind == "decline" else None,
        )

    def _plan_of(self, winner: Cluster) -> plans.Plan:
        """The calls of those who won; only calls that need no further approval can have been in dispute."""
        held = {name: self._proposals[name] for name in winner.members}
        plan = plans.merge(held, planner=winner.members[0], tools=self._at.tools, alone=False, approved=self._approved)
        return replace(plan, needs_approval=(), held=())


def _as_calls(calls: Sequence[PlannedCall]) -> tuple[ToolCall, ...]:
    return tuple(ToolCall("", call.tool.name, call.args) for call in calls)


def _review_in_words(review: crosscheck.Review) -> str:
    return "finds a mistake of its own" if review.defect_in_mine else "keeps its view"


def _ballot_in_words(ballot: verdicts.Ballot) -> str:
    return f"picks {ballot[0] + 1}" if ballot else "abstains"
