"""Carrying out what was agreed: in waves, no call twice, and nothing that others' words have asked for."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field

from committee import plans, prompts
from committee.budget import Budget
from committee.plans import PlannedCall
from committee.requests import tool_messages
from committee.schema import Event, Message, StageEvent, ToolCall, ToolOutcome, ToolResults, ToolSpec, Turn

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
        """Whether there may be something to do with the outcomes. A started job has none yet."""
        return any(tool.effect != "job" for tool in self.tools)


class Acting:
    """What one turn has done: `outcomes` of calls, `ran` in canonical form, `held` for the user by the same, `notes`
    for the speaker, and whether others' words are in the turn (`tainted`)."""

    def __init__(self, turn: Turn, budget: Budget) -> None:
        self.outcomes: tuple[ToolOutcome, ...] = ()
        self.ran: set[str] = set()
        self.held: dict[str, ToolCall] = {}
        self.notes: list[str] = []
        self.tainted = any(message.tainted for message in turn.messages)
        self._turn = turn
        self._act = turn.act
        self._budget = budget

    def sort(self, planned: Sequence[PlannedCall], calls: Sequence[ToolCall]) -> Batch:
        """What of a plan to run here, wave by wave, and what to hand back; what must not run is held, and what has run
        is left out. `calls` are the same as `planned`, with ids."""
        here: set[int] = set()
        back: list[ToolCall] = []
        for index, (one, call) in enumerate(zip(planned, calls, strict=True)):
            if self._act is None or one.tool.effect == "client":
                back.append(call)
            elif self._hold(one, call) or one.canonical in self.ran:
                continue
            elif all(needed in here or planned[needed].canonical in self.ran for needed in one.depends_on):
                # What depends on a call of the client, or on one that is held, waits for another turn.
                here.add(index)
        waves = [[calls[index] for index in wave if index in here] for wave in plans.waves(planned)]
        self.ran |= {planned[index].canonical for index in here}
        if not self._turn.parallel_tool_calls:
            back = back[:1]
        return Batch(
            waves=tuple(tuple(wave) for wave in waves if wave),
            tools=tuple(planned[index].tool for index in sorted(here)),
            back=tuple(back),
            needs={calls[i].id: frozenset(calls[d].id for d in planned[i].depends_on) for i in here},
        )

    def _hold(self, one: PlannedCall, call: ToolCall) -> bool:
        """Whether a call has to wait for the user: others' words have entered the turn, and it would change something.

        Calls that the user has confirmed do not come this way.
        """
        if not self.tainted or one.tool.effect not in CHANGING:
            return False
        self.held.setdefault(one.canonical, call)
        self.notes.append(prompts.NOTE_TAINTED.format(tool=one.tool.name))
        return True

    async def run(self, batch: Batch) -> AsyncGenerator[Event, None]:
        """Run the waves one after the other; what depends on a call that failed is not run."""
        assert self._act is not None or not batch.waves
        failed: set[str] = set()
        for wave in batch.waves:
            ready = [call for call in wave if not batch.needs.get(call.id, frozenset()) & failed]
            failed |= {call.id for call in wave if call not in ready}
            outcomes = [
                ToolOutcome(call, error="Not run, because a call that it needs has failed.")
                for call in wave
                if call not in ready
            ]
            if ready:
                yield StageEvent("act", None, "started", ", ".join(prompts.wire_name(call.name) for call in ready))
                with self._budget.paused():
                    outcomes += await self._act(ready)  # type: ignore[misc]
            failed |= {outcome.call.id for outcome in outcomes if outcome.error is not None}
            self.outcomes += tuple(outcomes)
            yield ToolResults(tuple(outcomes))
        tainting = {tool.name for tool in batch.tools if tool.taints}
        self.tainted = self.tainted or any(outcome.call.name in tainting for outcome in self.outcomes)

    def exchange(self, batch: Batch, said: str) -> tuple[Message, ...]:
        """What a member said with its calls, and their results, as messages."""
        ran = tuple(call for wave in batch.waves for call in wave)
        results = tuple(outcome for outcome in self.outcomes if outcome.call in ran)
        return Message("assistant", said, tool_calls=ran), *tool_messages(results)
