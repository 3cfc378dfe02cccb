"""One member alone, with native tools: what a client asked for, and what needs no committee."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence

from committee import plans, proposal, speaking, together
from committee.acting import CHANGING, Batch
from committee.agreement import Decision
from committee.errors import MemberStreamBroken
from committee.plans import PlannedCall
from committee.proposal import Proposal
from committee.schema import ClientToolCalls, Done, Finished, Message, StageEvent, ToolSpec
from committee.seats import Seat
from committee.sitting import Sitting
from committee.voices import Spoken


async def answer(at: Sitting) -> Finished:
    """The first member that can speak answers; it may call tools and speak again."""
    return await go_on(at, at.seats, at.requests.prefix, Decision("answer", "solo"))


async def go_on(at: Sitting, speakers: Iterable[Seat], messages: tuple[Message, ...], decision: Decision) -> Finished:
    """Answer `messages` by the first of `speakers` that can; another one takes over only until tools have run. From
    then on the conversation is another one, and whoever is left tells what came of the calls."""
    waiting = deque(speakers)
    ran = len(at.acting.outcomes)
    while waiting and len(at.acting.outcomes) == ran:
        seat = waiting[0]
        if (finished := await _speak_and_act(at, seat, messages, decision)) is not None:
            return finished
        await at.emit(StageEvent("speak", seat.name, "failed", at.ledger.status(seat.name)))
        if not at.ledger.may_retry(seat):
            waiting.popleft()
    if not at.acting.outcomes or len(at.seats) == 1:
        return at.speechless(decision)
    return await speaking.speak(at, decision)


async def _speak_and_act(at: Sitting, seat: Seat, messages: tuple[Message, ...], decision: Decision) -> Finished | None:
    """Speak, run the member's own server calls, speak again; None when it failed before it said anything."""
    why = speaking.speaker_of(at, decision)[1]
    at.why_spoken = why if seat.name != at.planner else at.why_alone or why
    number = 0
    while True:
        await at.tell_held(decision)
        await at.emit(StageEvent("speak", seat.name, "started"))
        tools = _tools_for(at, seat, number)
        if (spoken := await _say(at, seat, messages, tools)) is None:
            return None
        if not spoken.calls and at.turn.n == 1:  # by far the most usual end, and the cheapest
            return at.finished(decision, seat.name, spoken.done)
        planned = _checked(at, spoken, tools)
        if _concerns_all(at, planned):
            return await together.answer(at)
        batch = at.acting.agreed(planned, number)
        await at.acting.run(batch)
        if batch.back or not batch.waves:
            return await _end(at, seat, messages, decision, spoken, batch)
        messages = (*messages, *at.acting.exchange(batch, spoken.text))
        number += 1


async def _say(at: Sitting, seat: Seat, messages: tuple[Message, ...], tools: tuple[ToolSpec, ...]) -> Spoken | None:
    """What it wants done, or its answer. Where the answer must be JSON, words beside the tools only tell that none is
    needed: the answer is spoken after them, bound and without tools."""
    free = not tools or at.turn.response_schema is None
    request = at.requests.native(seat.name, messages, tools, at.acting.outcomes)
    spoken = await at.voices.speak(seat, request, shown=free)
    if free or spoken is None or spoken.calls:
        return spoken
    return await at.voices.speak(seat, at.requests.native(seat.name, messages, (), at.acting.outcomes))


def _tools_for(at: Sitting, seat: Seat, number: int) -> tuple[ToolSpec, ...]:
    """What may be called in that round; the last one is for words alone, so there is an end to it."""
    last = number >= at.config.max_tool_iterations or at.budget.left_s <= 0
    return () if last or at.stumbles_over_tools(seat) else at.tools


def _checked(at: Sitting, spoken: Spoken, tools: Sequence[ToolSpec]) -> tuple[PlannedCall, ...]:
    """Native calls go through the same checks as proposed ones; unknown tools and wild arguments are left out."""
    entries = [{"tool": call.name, "args": call.arguments} for call in spoken.calls]
    proposed, _ = proposal.checked_calls(entries, tools)
    only = {at.planner: Proposal("call", calls=proposed)}
    return plans.merge(only, planner=at.planner, tools=tools, alone=True).calls


def _concerns_all(at: Sitting, planned: Sequence[PlannedCall]) -> bool:
    """What changes something takes the voices of all members, unless the client chose to hear one alone."""
    changing = any(one.tool.effect in CHANGING for one in planned)
    return changing and len(at.seats) > 1 and not at.route.asked_for


async def _end(
    at: Sitting, seat: Seat, messages: tuple[Message, ...], decision: Decision, spoken: Spoken, batch: Batch
) -> Finished:
    if spoken.calls and not (batch.back or (spoken.text and spoken.shown)):
        # It repeats itself, or wants what must wait: it gets told, and has to find words.
        return await speaking.speak(at, decision)
    if batch.back:
        await at.emit(ClientToolCalls(batch.back))
    further = [await _another(at, seat, messages, index) for index in range(1, at.turn.n)]
    return at.finished(decision, seat.name, spoken.done, *further, calling=bool(batch.back))


async def _another(at: Sitting, seat: Seat, messages: tuple[Message, ...], index: int) -> Done:
    """One more answer to the same conversation (`turn.n`), in words alone."""
    request = at.requests.native(seat.name, messages, (), at.acting.outcomes, index=index)
    spoken = await at.voices.speak(seat, request, index=index)
    if spoken is None:
        raise MemberStreamBroken(seat.name, at.ledger.failures[seat.name])
    return spoken.done
