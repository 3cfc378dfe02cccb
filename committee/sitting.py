"""What the stages of one turn share: who takes part, the books, what was done, and where the events go."""

from __future__ import annotations

from functools import cached_property

from committee import plans, prompts
from committee.acting import Acting
from committee.agreement import Decision
from committee.asking import Asking
from committee.budget import Budget
from committee.convening import House, Panel, category
from committee.errors import ContextTooLong, ToolChoiceUnsatisfied
from committee.ledger import Ledger
from committee.listening import Pace
from committee.requests import Requests, stage_seed
from committee.schema import (
    Account,
    ContextUse,
    Done,
    Emit,
    Finished,
    FinishReason,
    StageEvent,
    ToolCall,
    Turn,
)
from committee.seats import Seat
from committee.voices import Voices


class Sitting:
    """One turn at the table. The panel is settled before; everything that changes is in the books and the actions."""

    def __init__(self, house: House, turn: Turn, panel: Panel, emit: Emit) -> None:
        config = house.config
        self.house = house
        self.config = config
        self.turn = turn
        self.emit = emit
        self.route = panel.route
        self.seats = panel.seats
        self.planner = panel.planner
        self.tools = panel.tools
        self.must_call = panel.must_call
        self.budget = Budget(hidden_tokens=config.hidden_tokens, wall_s=config.turn_timeout_s)
        self.ledger = Ledger(self.budget)
        self.requests = Requests(
            turn, panel.messages, panel.tools, must_call=panel.must_call, config=config, budget=self.budget
        )
        self.asking = Asking(self.ledger, house.ratios, self._new_pace)
        self.voices = Voices(self.ledger, house.ratios, self._new_pace, emit)
        self.acting = Acting(turn, self.budget, emit)
        self.why_alone = panel.route.why
        self.why_spoken = ""
        self._context = panel.context
        self._for_one = panel.for_one
        self._told_held: set[str] = set()

    def _new_pace(self) -> Pace:
        return Pace(window_s=self.config.slow_window_s, slowest=self.config.slowest_tokens_per_s)

    @cached_property
    def stronger(self) -> str:
        """The member whose view is worth waiting for, by measurement; else the planner."""
        measured = self.house.table.stronger(category(self.turn, self.tools))
        return measured if measured is not None and self._takes_part(measured) else self.planner

    def _takes_part(self, member: str) -> bool:
        return any(seat.name == member for seat in self.seats)

    def seat(self, member: str) -> Seat:
        return next(seat for seat in self.seats if seat.name == member)

    def stumbles_over_tools(self, seat: Seat) -> bool:
        """Ollama fails when it cannot parse a model's own call; without tools the second attempt has words."""
        return "tool call" in str(self.ledger.failures.get(seat.name, ""))

    # -- calls that wait for the user ---------------------------------------------------------------------------------

    def held(self, decision: Decision) -> tuple[ToolCall, ...]:
        """What waits for the user: calls that not every member wants, and those that others' words may have caused."""
        disputed = plans.numbered(decision.held, stage_seed(self.turn.seed, "held", "")) if decision.held else ()
        return (*disputed, *self.acting.held.values())

    async def tell_held(self, decision: Decision) -> None:
        """Tell of held calls before the speaker begins, so that an answer that breaks off does not lose them."""
        fresh = tuple(call for call in self.held(decision) if call.id not in self._told_held)
        self._told_held |= {call.id for call in fresh}
        if fresh:
            names = ", ".join(prompts.wire_name(call.name) for call in fresh)
            await self.emit(StageEvent("act", None, "held", names, fresh))

    # -- the end ------------------------------------------------------------------------------------------------------

    def finished(self, decision: Decision, speaker: str | None, *endings: Done, calling: bool = False) -> Finished:
        """endings: of each answer in words. calling: the turn goes on with calls that the caller has to run."""
        failures, absent = self.ledger.failures, self._absent()
        models = {seat.name: seat.backend.model for seat in self.house.seats}
        reasons = [_reason(done) for done in endings]
        return Finished(
            finish_reason="tool_calls" if calling else next(iter(reasons), "stop"),
            usage=dict(self.ledger.usage),
            agreement=decision.agreement,
            speaker=speaker,
            degraded=bool(failures or absent) or decision.agreement == "single" or speaker is None,
            members={name: self.ledger.status(name) for name in models},
            model=models.get(speaker or "", ""),
            causes=absent | {name: error.message for name, error in failures.items()},
            account=self._account(decision),
            further_reasons=tuple(reasons[1:]),
            stop_sequence=endings[0].stop_sequence if reasons[:1] == ["stop"] and not calling else None,
        )

    def _account(self, decision: Decision) -> Account:
        return Account(
            mode=self.turn.mode.partition(":")[0],
            route=self.why_alone,
            decided_by=decision.decided_by,
            agreed=decision.agreed,
            dissent=decision.dissent,
            spoke_because=self.why_spoken,
            context=self._context_use(),
            held=self.held(decision),
        )

    def _absent(self) -> dict[str, str]:
        """Members that would have been asked if their servers were there, and that rules stand in for."""
        if self._for_one or all(seat.backend.stand_in for seat in self.house.seats):
            return {}
        absent = [seat.name for seat in self.house.seats if seat.backend.stand_in and not self._takes_part(seat.name)]
        return dict.fromkeys(absent, "No model server answers for it.")

    def speechless(self, decision: Decision) -> Finished:
        """Nobody could speak. Once tools have run this is no failed request: a retry would run them again."""
        if not self.acting.outcomes:
            raise self.ledger.unavailable()
        return self.finished(decision, None)

    def nobody_planned(self) -> None:
        """Raise unless somebody is there who may still find words."""
        if self.must_call and self.ledger.all_answered():
            # Members that are there and find no call will find none when asked again: no outage.
            raise ToolChoiceUnsatisfied
        if not self.acting.outcomes and (self.must_call or not self.ledger.anyone_there()):
            raise self.ledger.unavailable()

    def _context_use(self) -> ContextUse:
        """How the conversation met the windows, after what the servers themselves have refused."""
        tight = [name for name, error in self.ledger.failures.items() if isinstance(error, ContextTooLong)]
        if not tight or self._context.fit != "whole":
            return self._context
        return ContextUse("routed", f"Too long for {', '.join(tight)} by the server's own count; the others read it.")


def _reason(done: Done) -> FinishReason:
    """Why words ended; calls are ended by whoever carries them out."""
    return "length" if done.finish_reason == "length" else "stop"
