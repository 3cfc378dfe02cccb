"""The straight way of a turn that asked for one member: one request, whose words pass on as they come.

It is the beginning of the solo way of `Deliberation`, without what only other turns need. A member that wants tools,
or that fails, is handed over to it, with all that has been said and noted so far.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from committee.budget import Budget
from committee.context import tokens
from committee.ledger import Ledger
from committee.listening import Pace
from committee.requests import Requests
from committee.routing import tools_in_text
from committee.schema import Account, Event, Finished, StageEvent, ToolSpec, Turn
from committee.seats import CommitteeConfig, Seat
from committee.speaking import Spoken, Voices

ASKED_FOR = "asked for"


@dataclass(frozen=True, slots=True)
class Begun:
    """What has happened in a turn before it is handed over."""

    budget: Budget
    ledger: Ledger
    spoken: Spoken


def seat_of(turn: Turn, seats: Sequence[Seat]) -> Seat | None:
    """The member that can answer `turn` on the straight way; None when it is not that simple."""
    mode, _, name = turn.mode.partition(":")
    if mode != "solo" or turn.n != 1 or turn.confirmed or turn.tool_choice not in ("auto", "none"):
        return None
    seat = next((seat for seat in seats if seat.name == name), None)
    if seat is None or tools_in_text(turn.messages):
        return None
    window = seat.backend.window
    if window is not None:
        tools = _tools(turn)
        weight = tokens.of_messages(turn.messages, 1.0) + (tokens.of_tools(tools, 1.0) if tools else 0)
        if weight * 8 >= window:  # whether it fits is a question of its own
            return None
    return seat


async def answer(
    turn: Turn,
    seat: Seat,
    seats: Sequence[Seat],
    config: CommitteeConfig,
    ratios: tokens.Ratios,
    otherwise: Callable[[Begun], AsyncGenerator[Event, None]],
) -> AsyncGenerator[Event, None]:
    """Let `seat` answer. otherwise: goes on with a turn that turns out not to be as simple as it looked."""
    yield StageEvent("route", seat.name, "solo", ASKED_FOR)
    yield StageEvent("speak", seat.name, "started")
    budget = Budget(hidden_tokens=config.hidden_tokens, wall_s=config.turn_timeout_s)
    begun = Begun(budget, Ledger(budget), Spoken())
    voices = Voices(
        begun.ledger, ratios, lambda: Pace(window_s=config.slow_window_s, slowest=config.slowest_tokens_per_s)
    )
    tools = _tools(turn)
    requests = Requests(turn, turn.messages, tools, must_call=False, config=config, budget=budget)
    request = requests.native(seat.name, requests.prefix, tools)
    async with aclosing(voices.speak(seat, request, begun.spoken)) as words:
        async for event in words:
            yield event
    done = begun.spoken.done
    if done is not None and not begun.spoken.calls:
        yield Finished(
            finish_reason="stop" if done.finish_reason == "tool_calls" else done.finish_reason,
            usage=begun.ledger.usage,
            agreement="solo",
            speaker=seat.name,
            degraded=False,
            members={other.name: begun.ledger.status(other.name) for other in seats},
            model=seat.backend.model,
            account=Account(mode="solo", route=ASKED_FOR, spoke_because=ASKED_FOR),
            stop_sequence=done.stop_sequence,
        )
        return
    async with aclosing(otherwise(begun)) as events:
        async for event in events:
            yield event


def _tools(turn: Turn) -> tuple[ToolSpec, ...]:
    return () if turn.tool_choice == "none" else tuple(turn.tools)
