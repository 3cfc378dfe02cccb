"""What the members want to do: everybody's plan and the decision on them (S1 to S4), and the planner's next plan."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from committee import plans, proposal
from committee.acting import CHANGING
from committee.agreement import Decision
from committee.asking import Round, Show
from committee.deciding import Deciding, Sample
from committee.errors import BadAnswer
from committee.ledger import in_order
from committee.proposal import Proposal, WorkReader
from committee.schema import Delta, ReasoningDelta, ToolCall
from committee.seats import Seat
from committee.sitting import Sitting

T = TypeVar("T")


async def plan(at: Sitting) -> Decision:
    """All members' plans, and what the committee makes of them."""

    async def probe(seat: Seat, show: Show) -> Proposal:
        return await _propose(at, seat, show, "probe")

    async def sample(seat: Seat, show: Show) -> Proposal:
        return await _propose(at, seat, show, "sample")

    config = at.config
    # Each request bounds itself, with a cold load of its model; this is the net below them. By the time calls have
    # run the models are loaded, and the turn's own limit holds.
    net_s = config.cold_load_timeout_s + 2 * config.probe_timeout_s + 1
    question = Round(
        "probe",
        probe,
        stage_s=min(net_s, max(0.05, at.budget.left_s)) if at.acting.outcomes else net_s,
        grace_s=config.grace_s,
        patience_s=config.probe_timeout_s,
        patient=frozenset({at.planner, at.stronger}),
        describe=lambda one: one.action,
    )
    proposals = await at.asking.everyone(at.seats, question, at.emit)
    if not proposals:
        at.nobody_planned()
        return Decision("answer", "single")
    return await decide(at, proposals, sample)


async def decide(at: Sitting, proposals: Mapping[str, Proposal], sample: Sample) -> Decision:
    """What the committee makes of `proposals`, of which there is at least one; arguments in dispute are settled."""
    decision = await Deciding(at, sample).run(proposals)
    if decision.plan.choices and not at.budget.spent:
        return await _choose(at, decision)
    return decision


async def replan(at: Sitting, decision: Decision) -> Decision:
    """The planner looks at the results; only a plan that would change something is put to all members again."""

    async def look(seat: Seat, show: Show) -> Proposal:
        return await _propose(at, seat, show, "replan")

    answers = await _ask_planner(at, "replan", look, at.config.probe_timeout_s)
    decision = decision.with_plan(plans.Plan(held=decision.held))
    for planner, following in answers.items():
        fresh = plans.merge(answers, planner=planner, tools=at.tools, alone=True)
        changing = any(call.tool.effect in CHANGING and not at.acting.has_run(call) for call in fresh.calls)
        if changing and not at.acting.tainted and len(at.seats) > 1:
            return await plan(at)
        decision = decision.replanned(fresh, following)
    return decision


async def _propose(at: Sitting, seat: Seat, show: Show, stage: str) -> Proposal:
    reader = WorkReader()

    def on_delta(delta: Delta) -> None:
        for line in reader.feed(delta.text):
            show(ReasoningDelta(seat.name, line + "\n"))

    request = at.requests.probe(seat.name, at.acting.outcomes, stage=stage)
    heard = await at.asking.hear(seat, request, on_delta)
    found = proposal.parse(heard.text, at.tools)
    if request.context.must_call and found.action != "call":
        raise BadAnswer("The plan does not act, although it has to.")
    for point in found.points:
        show(ReasoningDelta(seat.name, f"- {point}\n"))
    return found


async def _choose(at: Sitting, decision: Decision) -> Decision:
    """The planner settles arguments that were read in two ways, among the values that were proposed."""
    disputed = decision.plan
    schema = plans.choices_schema(disputed)
    calls = [ToolCall("", call.tool.name, call.args) for call in disputed.calls]

    async def choose(seat: Seat, show: Show) -> dict[str, Any]:
        heard = await at.asking.hear(seat, at.requests.choose(seat.name, calls, schema))
        return proposal.decode(heard.text)[0]

    for answer in (await _ask_planner(at, "choose", choose, at.config.choose_timeout_s)).values():
        decision = decision.with_plan(plans.choose(disputed, answer))
    return decision


async def _ask_planner(
    at: Sitting, stage: str, ask: Callable[[Seat, Show], Awaitable[T]], timeout_s: float
) -> dict[str, T]:
    """One question to the planner, or to whoever stands in for it; at most one answer."""
    limit = max(0.05, min(timeout_s, at.budget.left_s))
    seat = in_order(at.seats, at.planner, at.ledger)[0]
    return await at.asking.everyone([seat], Round(stage, ask, limit, limit), at.emit)
