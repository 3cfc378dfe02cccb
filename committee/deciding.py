"""From proposals to one decision: compare, and where that is not enough evidence, a cross-check, verdicts, a third
sample, and at last the planner.

    compare ──agree──────────────────────────────────────────────────────────────► decision
       └─conflict─► evidence ─► cross-check (≤ debate_turns) ─► verdicts ─► sample ─► planner ("split")

Every step may settle it. A budget that is used up, or a step that is switched off, leads on to the next one.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace

from committee import agreement, crosscheck, evidence, plans, prompts, verdicts
from committee.agreement import Cluster, Comparison, Decision, compare
from committee.asking import Asking, Round, Show
from committee.budget import Budget
from committee.plans import PlannedCall
from committee.proposal import Proposal
from committee.requests import Requests, stage_seed
from committee.schema import Event, Position, ReasoningDelta, StageEvent, ToolCall
from committee.seats import CommitteeConfig, Seat

Sample = Callable[[Seat, Show], Awaitable[Proposal]]


@dataclass(frozen=True, slots=True)
class Bench:
    """Who decides: the members that are there, the planner, and the one that is stronger in this kind of question."""

    seats: tuple[Seat, ...]
    planner: str
    stronger: str


class Deciding:
    """Decides one turn. Iterate `run` to its end, then read `decision`."""

    def __init__(
        self, bench: Bench, asking: Asking, requests: Requests, *, config: CommitteeConfig, budget: Budget, seed: int,
        deep: bool, checks: Sequence[evidence.Check], sample: Sample,
    ) -> None:  # fmt: skip
        self.decision: Decision
        self._bench = bench
        self._asking = asking
        self._requests = requests
        self._config = config
        self._budget = budget
        self._seed = seed
        self._deep = deep
        self._checks = checks
        self._sample = sample
        self._proposals: dict[str, Proposal] = {}
        self._approved: frozenset[str] = frozenset()
        self._resolved: list[str] = []
        self._changed = False
        self._found: tuple[evidence.Evidence, ...] = ()

    async def run(self, proposals: Mapping[str, Proposal]) -> AsyncGenerator[Event, None]:
        """Settle what the members hold. `proposals` must not be empty."""
        self._proposals = dict(proposals)
        found = self._compare()
        yield StageEvent("compare", None, (found.conflict and "conflict") or found.agreement, found.kind)
        decided_by = "" if found.agreement == "single" else "agreement"
        if len(proposals) > 1 and (found.conflict or self._deep):
            async with aclosing(self._settle(found)) as events:
                async for event in events:
                    yield event
        else:
            self._conclude(found, decided_by="policy" if found.plan.concern and found.plan.held else decided_by)

    async def _settle(self, found: Comparison) -> AsyncGenerator[Event, None]:
        async with aclosing(self._gather_evidence(found)) as events:
            async for event in events:
                yield event
        if not self._deep and (winner := self._proven(found)) is not None:
            self._conclude(found, winner, decided_by="evidence")
            return
        rounds = 0
        while rounds < self._config.debate_turns and not self._budget.spent:
            rounds += 1
            async with aclosing(self._cross_check(found, rounds)) as events:
                async for event in events:
                    yield event
            found = self._compare()
            if not found.conflict:
                break
        if not found.conflict:
            self._conclude(found, decided_by="cross-check" if self._changed or self._approved else "agreement")
        elif found.conflict == "approval":
            self._conclude(self._compare(final=True), decided_by="planner")
        else:
            async with aclosing(self._arbitrate(found)) as events:
                async for event in events:
                    yield event

    async def _arbitrate(self, found: Comparison) -> AsyncGenerator[Event, None]:
        """Positions that differ still: somebody has to say which one it is."""
        winner = None
        decided_by = ""
        if self._changed:
            async with aclosing(self._gather_evidence(found)) as events:
                async for event in events:
                    yield event
            winner, decided_by = self._proven(found), "evidence"
        if winner is None and not self._budget.spent:
            ballots: dict[str, verdicts.Ballot] = {}
            async with aclosing(self._verdicts(found, ballots)) as events:
                async for event in events:
                    yield event
            winner, decided_by = self._elected(found, ballots), "verdicts"
            yield StageEvent("verdict", None, "decided" if winner else "tie")
        if winner is None and not self._budget.spent:
            samples: dict[str, Proposal] = {}
            async with aclosing(self._third_sample(samples)) as events:
                async for event in events:
                    yield event
            winner, decided_by = self._matching(found, samples), "third sample"
        if winner is None:
            winner, decided_by = self._planners(found), "planner"
        self._conclude(found, winner, decided_by=decided_by)

    # -- evidence ---------------------------------------------------------------------------------------------------

    async def _gather_evidence(self, found: Comparison) -> AsyncGenerator[Event, None]:
        positions = tuple(agreement.position(self._proposals[one.members[0]]) for one in found.clusters)
        question = evidence.Question(self._requests.user_text, positions, self._requests.tools)
        timeout_s = min(self._config.evidence_timeout_s, self._budget.left_s)
        self._found = await evidence.gather(question, self._checks, timeout_s=timeout_s)
        for one in self._found:
            yield StageEvent("evidence", None, "found", one.text)

    def _proven(self, found: Comparison) -> Cluster | None:
        """The only position that no evidence refutes, when it refutes all others."""
        if found.conflict != "position":
            return None
        refuted = evidence.refuted(self._found)
        left = [one for number, one in enumerate(found.clusters) if number not in refuted]
        return left[0] if len(left) == 1 and refuted else None

    # -- cross-check ------------------------------------------------------------------------------------------------

    async def _cross_check(self, found: Comparison, number: int) -> AsyncGenerator[Event, None]:
        """Every member looks for mistakes in its own and the others' positions; changes of mind are carried over."""
        reviews: dict[str, crosscheck.Review] = {}
        asked = tuple(call for call in found.plan.needs_approval if call.tool.effect != "client")
        texts = [one.text for one in self._found]

        async def review(seat: Seat, show: Show) -> crosscheck.Review:
            mine, others = self._views(seat.name)
            request = self._requests.cross_check(
                seat.name, mine, others, evidence=texts, approve=_as_calls(asked), round_number=number
            )
            heard = await self._asking.hear(seat, request)
            return crosscheck.parse(heard.text, self._requests.tools)

        question = Round(
            "cross-check", review, *self._patience(self._config.cross_check_timeout_s), describe=_review_in_words
        )
        async with aclosing(self._asking.everyone(self._judges(), question, reviews)) as events:
            async for event in events:
                yield event
        for name, one in reviews.items():
            if one.defect_in_mine:
                yield ReasoningDelta(name, f"- {one.defect_in_mine}\n")
        before = self._proposals
        revision = crosscheck.revise(before, reviews, self._requests.tools)
        self._proposals = revision.proposals
        self._changed = self._changed or bool(revision.changed)
        self._approved |= crosscheck.approved(self._proposals, reviews, asked, self._requests.tools)
        for name, defect in revision.changed.items():
            yield StageEvent("cross-check", name, "changed", agreement.in_words(self._proposals[name]))
            self._resolved.append(f"Not {agreement.in_words(before[name])}: {defect}")

    def _views(self, member: str) -> tuple[Position, tuple[Position, ...]]:
        """A member's own position, and the different ones of the others in an order that says nothing."""
        mine = agreement.position(self._proposals[member])
        others = (agreement.position(held) for name, held in self._proposals.items() if name != member)
        shown = {prompts.position(other): other for other in others}
        return mine, tuple(shown[text] for text in sorted(shown, key=lambda text: stage_seed(self._seed, text, member)))

    # -- verdicts and the third sample --------------------------------------------------------------------------------

    async def _verdicts(self, found: Comparison, ballots: dict[str, verdicts.Ballot]) -> AsyncGenerator[Event, None]:
        candidates = found.clusters[: verdicts.MOST_CANDIDATES]
        shown = [agreement.position(self._proposals[one.members[0]]) for one in candidates]

        async def judge(seat: Seat, show: Show) -> verdicts.Ballot:
            said = []
            both = verdicts.orders(len(shown), seed=stage_seed(self._seed, "labels", seat.name))
            for number, order in enumerate(both):
                request = self._requests.verdict(seat.name, [shown[place] for place in order], order=number)
                heard = await self._asking.hear(seat, request)
                said.append((order, verdicts.parse(heard.text, len(shown))))
            return verdicts.combine(said)

        judges = self._judges()
        stage_s, _, _ = self._patience(2 * self._config.verdict_timeout_s)
        question = Round("verdict", judge, stage_s, stage_s, stage_s, describe=_ballot_in_words)
        async with aclosing(self._asking.everyone(judges, question, ballots)) as events:
            async for event in events:
                yield event
                if verdicts.unassailable(ballots, len(shown), judges=len(judges)):
                    return

    def _elected(self, found: Comparison, ballots: Mapping[str, verdicts.Ballot]) -> Cluster | None:
        candidates = found.clusters[: verdicts.MOST_CANDIDATES]
        number = verdicts.winner(ballots, len(candidates), judges=len(self._judges()))
        return None if number is None else candidates[number]

    async def _third_sample(self, samples: dict[str, Proposal]) -> AsyncGenerator[Event, None]:
        """One more independent look, by the member that is better at such questions."""
        able = {seat.name: seat for seat in self._judges()}
        seat = able.get(self._bench.stronger) or able.get(self._bench.planner) or next(iter(able.values()), None)
        if seat is None:
            return
        stage_s, _, _ = self._patience(self._config.probe_timeout_s)
        question = Round("sample", self._sample, stage_s, 0.0, describe=agreement.in_words)
        async with aclosing(self._asking.everyone([seat], question, samples)) as events:
            async for event in events:
                yield event

    def _matching(self, found: Comparison, samples: Mapping[str, Proposal]) -> Cluster | None:
        """The position that the sample shares, if with its voice that has more than any other."""
        held = {agreement.stance(one, self._requests.tools) for one in samples.values()} - {agreement.OPEN}
        matching = next((one for one in found.clusters if one.stance in held), None)
        others = [len(one.members) for one in found.clusters if one is not matching]
        return matching if matching is not None and len(matching.members) + 1 > max(others, default=0) else None

    # -- the end ------------------------------------------------------------------------------------------------------

    def _compare(self, *, final: bool = False) -> Comparison:
        return compare(
            self._proposals,
            planner=self._bench.planner,
            tools=self._requests.tools,
            approved=self._approved,
            final=final,
        )

    def _planners(self, found: Comparison) -> Cluster:
        planner = self._bench.planner
        return next((one for one in found.clusters if planner in one.members), found.clusters[0])

    def _judges(self) -> list[Seat]:
        return [seat for seat in self._bench.seats if seat.name in self._proposals]

    def _patience(self, timeout_s: float) -> tuple[float, float, float]:
        """Stage, grace and patience of one stage: all of it, since by now each member's model is loaded."""
        limit = max(0.05, min(timeout_s, self._budget.left_s))
        return limit, min(self._config.grace_s, limit), limit

    def _conclude(self, found: Comparison, winner: Cluster | None = None, *, decided_by: str) -> None:
        """Write down the decision: `winner` when positions differed, else what the comparison says."""
        chosen = winner or found.winner
        kind, label, plan = found.kind, found.agreement, found.plan
        if winner is not None:
            kind = winner.stance[0]
            label = "split" if decided_by == "planner" else "decided"
            plan = self._plan_of(winner) if kind == "call" else plans.Plan(concern=plan.concern)
        notes = [*plan.notes, *agreement.advice(kind, self._proposals)]
        losers = [name for one in found.clusters if one != chosen for name in one.members]
        dissent = (
            {name: agreement.in_words(self._proposals[name]) for name in losers} if not plan.calls or winner else {}
        )
        if label == "split" and winner is not None and losers:
            notes.append(agreement.split_note(self._proposals[losers[0]]))
        if decided_by == "evidence":
            self._resolved += [one.text for one in self._found]
        self.decision = Decision(
            kind=kind,
            agreement=label,
            plan=plan,
            outline=agreement.outline(self._proposals, chosen, resolved=self._resolved, notes=notes),
            author=chosen.members[0],
            decided_by=decided_by,
            agreed=tuple(sorted(name for name in self._proposals if name not in dissent)),
            dissent=dissent,
            refusal=self._proposals[chosen.members[0]] if kind == "decline" else None,
        )

    def _plan_of(self, winner: Cluster) -> plans.Plan:
        """The calls of those who won; only calls that need no further approval can have been in dispute."""
        held = {name: self._proposals[name] for name in winner.members}
        plan = plans.merge(
            held, planner=winner.members[0], tools=self._requests.tools, alone=False, approved=self._approved
        )
        return replace(plan, needs_approval=(), held=())


def _as_calls(calls: Sequence[PlannedCall]) -> tuple[ToolCall, ...]:
    return tuple(ToolCall("", call.tool.name, call.args) for call in calls)


def _review_in_words(review: crosscheck.Review) -> str:
    return "finds a mistake of its own" if review.defect_in_mine else "keeps its view"


def _ballot_in_words(ballot: verdicts.Ballot) -> str:
    return f"picks {ballot[0] + 1}" if ballot else "abstains"
