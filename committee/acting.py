"""Carrying out what was agreed: in waves, no call twice, and nothing that others' words have asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from committee import plans, prompts
from committee.budget import Budget
from committee.plans import PlannedCall
from committee.requests import stage_seed, tool_messages
from committee.schema import Emit, Message, StageEvent, ToolCall, ToolOutcome, ToolResults, ToolSpec, Turn

CHANGING = ("write", "job")
"""Effects that need everyone's approval, and the user's when others' words have entered the turn."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Calls to run here in waves, and calls to hand back. needs: per call id those that must have succeeded."""

    waves: tuple[tuple[ToolCall, ...], ...] = ()
    tools: tuple[ToolSpec, ...] = ()
    back: tuple[ToolCall, ...] = ()
    needs: Mapping[str, frozenset[str]] = field(default_factory=dict)

    @property
    def has_results(self) -> bool:
        """Whether there may be something to do with the results. A started job has none yet."""
        return any(tool.effect != "job" for tool in self.tools)


class Acting:
    """What one turn has done: `outcomes` of calls, `held` for the user by canonical form, `notes` for the speaker, and
    whether others' words are in the turn (`tainted`)."""

    def __init__(self, turn: Turn, budget: Budget, emit: Emit) -> None:
        self.outcomes: tuple[ToolOutcome, ...] = ()
        self.held: dict[str, ToolCall] = {}
        self.notes: list[str] = []
        self.tainted = any(message.tainted for message in turn.messages)
        self._turn = turn
        self._budget = budget
        self._emit = emit
        self._ran: set[str] = set()

    def sort(self, planned: Sequence[PlannedCall], calls: Sequence[ToolCall]) -> Batch:
        """What of a plan to run now and what to hand back; what must not run is held. `calls`: the plan's, with ids."""
        here = self._runnable(planned, calls)
        back = [call for one, call in zip(planned, calls, strict=True) if self._goes_back(one)]
        waves = [[calls[index] for index in wave if index in here] for wave in plans.waves(planned)]
        self._ran |= {planned[index].canonical for index in here}
        return Batch(
            waves=tuple(tuple(wave) for wave in waves if wave),
            tools=tuple(planned[index].tool for index in sorted(here)),
            back=tuple(back if self._turn.parallel_tool_calls else back[:1]),
            needs={calls[i].id: frozenset(calls[d].id for d in planned[i].depends_on) for i in here},
        )

    def agreed(self, planned: Sequence[PlannedCall], number: int) -> Batch:
        """The batch of what was agreed in round `number` of the turn: each round has ids of its own."""
        seed = self._turn.seed if number == 0 else stage_seed(self._turn.seed, "calls", str(number))
        return self.sort(planned, plans.numbered(planned, seed))

    def confirmed(self) -> Batch:
        """The batch of what the user has confirmed, exactly as it is: nothing of it is held."""
        known = {tool.name: tool for tool in self._turn.tools}
        calls = tuple(call for call in self._turn.confirmed if call.name in known)
        tools = tuple(known[call.name] for call in calls)
        self._ran |= {plans.canonical(known[call.name], call.arguments) for call in calls}
        return Batch(waves=(calls,) if calls else (), tools=tools)

    def has_run(self, call: PlannedCall) -> bool:
        return call.canonical in self._ran

    async def run(self, batch: Batch) -> None:
        """Run the waves one after the other; what depends on a call that failed is not run."""
        failed: set[str] = set()
        for wave in batch.waves:
            outcomes = await self._run_wave(wave, batch.needs, failed)
            failed |= {outcome.call.id for outcome in outcomes if outcome.error is not None}
            self.outcomes += outcomes
            await self._emit(ToolResults(outcomes))
        tainting = {tool.name for tool in batch.tools if tool.taints}
        self.tainted = self.tainted or any(outcome.call.name in tainting for outcome in self.outcomes)

    def exchange(self, batch: Batch, said: str) -> tuple[Message, ...]:
        """What a member said with its calls, and their results, as messages."""
        ran = tuple(call for wave in batch.waves for call in wave)
        results = tuple(outcome for outcome in self.outcomes if outcome.call in ran)
        return Message("assistant", said, tool_calls=ran), *tool_messages(results)

    async def _run_wave(
        self, wave: Sequence[ToolCall], needs: Mapping[str, frozenset[str]], failed: set[str]
    ) -> tuple[ToolOutcome, ...]:
        act = self._turn.act
        assert act is not None
        in_vain = [call for call in wave if needs.get(call.id, frozenset()) & failed]
        outcomes = [ToolOutcome(call, error="Not run, because a call that it needs has failed.") for call in in_vain]
        if ready := [call for call in wave if call not in in_vain]:
            names = ", ".join(prompts.wire_name(call.name) for call in ready)
            await self._emit(StageEvent("act", None, "started", names))
            with self._budget.paused():
                outcomes += await act(ready)
        return tuple(outcomes)

    def _goes_back(self, one: PlannedCall) -> bool:
        return self._turn.act is None or one.tool.effect == "client"

    def _runnable(self, planned: Sequence[PlannedCall], calls: Sequence[ToolCall]) -> set[int]:
        here: set[int] = set()
        for index, (one, call) in enumerate(zip(planned, calls, strict=True)):
            if self._goes_back(one) or self._hold(one, call) or self.has_run(one):
                continue
            # What depends on a call of the client, or on one that is held, waits for another turn.
            if all(needed in here or self.has_run(planned[needed]) for needed in one.depends_on):
                here.add(index)
        return here

    def _hold(self, one: PlannedCall, call: ToolCall) -> bool:
        """Whether a call has to wait for the user: it would change something, and others' words may have caused it."""
        if not self.tainted or one.tool.effect not in CHANGING:
            return False
        self.held.setdefault(one.canonical, call)
        self.notes.append(prompts.NOTE_TAINTED.format(tool=one.tool.name))
        return True
