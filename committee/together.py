"""The committee's way: everybody plans, what is agreed is done, and one member speaks."""

from __future__ import annotations

from dataclasses import replace

from committee import planning, speaking
from committee.agreement import Decision
from committee.schema import ClientToolCalls, Finished
from committee.sitting import Sitting


async def answer(at: Sitting) -> Finished:
    """Plan, act and plan again as long as that brings something new, and let one member speak."""
    decision = await planning.plan(at)
    if at.route.way == "solo" and at.must_call:
        decision = replace(decision, agreement="solo")
    return await _carry_out(at, decision)


async def confirmed(at: Sitting) -> Finished:
    """Run what an earlier turn held and the user has now confirmed, and tell what came of it."""
    at.why_alone = at.why_alone or "confirmed by the user"
    batch = at.acting.confirmed()
    await at.acting.run(batch)
    decision = Decision("call", "solo")
    if batch.has_results and not at.budget.spent:
        return await _carry_out(at, await planning.replan(at, decision))
    return await speaking.speak(at, decision)


async def _carry_out(at: Sitting, decision: Decision) -> Finished:
    """Run what was agreed, plan again on the results, and speak; or hand the caller's calls back."""
    most = at.config.max_tool_iterations
    for number in range(most):
        batch = at.acting.agreed(decision.calls, number)
        await at.acting.run(batch)
        if batch.back:
            await at.emit(ClientToolCalls(batch.back))
            at.why_spoken = speaking.speaker_of(at, decision)[1]
            return at.finished(decision, decision.author or at.planner, calling=True)
        if number + 1 == most or at.budget.spent or not batch.has_results:
            break
        decision = await planning.replan(at, decision)
    return await speaking.speak(at, decision)
