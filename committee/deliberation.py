"""One turn of deliberation. Read this first.

    S0 ─┬─► together: S1 plans as JSON ─► S2-S4 ─► S5 act ⇄ plan again ─► S6 one member speaks, streamed
        ├─► native: S1 answers with the client's tools ─► S2-S4 ─► its calls handed back, or one's words stand
        └─► solo: one member with native tools; asked for, or not worth a committee

    S0      who takes part, and how   convening, routing
    S1      every member plans        planning, native; asking
    S2-S4   one decision              deciding; agreement, evidence, crosscheck, verdicts
    S5      calls are run             acting; plans, arguments
    S6      one member speaks         speaking; voices, refusals

Stages are coroutines: they emit what there is to see and return what they found. Everything a turn starts is awaited
within it, so that cancelling the turn stops every upstream request.
"""

from __future__ import annotations

from committee import native, solo, together
from committee.convening import House, convene
from committee.errors import ContextLengthExceeded
from committee.schema import Emit, Finished, StageEvent, Turn
from committee.sitting import Sitting


async def deliberate(house: House, turn: Turn, emit: Emit) -> Finished:
    """Answer `turn`; a conversation that proves to be longer than estimated gets a second, tighter attempt."""
    known = dict(house.ratios.known)
    try:
        return await _attempt(house, turn, emit)
    except ContextLengthExceeded:
        # Nothing was shown yet. Only what the refusals taught can make the second attempt another one.
        if known == house.ratios.known:
            raise
    await emit(StageEvent("route", None, "again", "the conversation has more tokens than estimated"))
    return await _attempt(house, turn, emit)


async def _attempt(house: House, turn: Turn, emit: Emit) -> Finished:
    panel = await convene(house, turn)
    if panel.route.why:
        await emit(StageEvent("route", panel.planner, "solo", panel.route.why))
    return await _answer(Sitting(house, turn, panel, emit))


async def _answer(at: Sitting) -> Finished:
    if at.turn.confirmed and at.turn.act is not None:
        return await together.confirmed(at)
    if at.route.way == "native":
        return await native.answer(at)
    if at.route.way == "solo" and not at.must_call:
        return await solo.answer(at)
    return await together.answer(at)
