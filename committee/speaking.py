"""One member's voice: its words as they come, its calls, and whether it came to a proper end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Collection, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

from committee.context.tokens import Ratios
from committee.errors import EmptyAnswer, MemberError, MemberStreamBroken
from committee.ledger import Ledger
from committee.listening import Lines, Pace
from committee.schema import ChatRequest, ContentDelta, Done, Event, ReasoningDelta, StageEvent, ToolCall
from committee.seats import Seat


@dataclass(slots=True)
class Spoken:
    """What a member has said so far; `done` is set when it came to a proper end."""

    text: list[str] = field(default_factory=list)
    calls: list[ToolCall] = field(default_factory=list)
    done: Done | None = None


class Voices:
    """Lets members speak on behalf of one turn."""

    def __init__(self, ledger: Ledger, ratios: Ratios, new_pace: Callable[[], Pace]) -> None:
        self._ledger = ledger
        self._ratios = ratios
        self._new_pace = new_pace

    async def speak(
        self, seat: Seat, request: ChatRequest, spoken: Spoken, *, index: int = 0
    ) -> AsyncGenerator[Event, None]:
        """Stream one member's answer and note it in `spoken`, whose `done` stays None when the member failed before it
        said anything. Raises MemberStreamBroken when it fails after that."""
        thoughts = Lines()
        blank = ""
        done: Done | None = None
        now = asyncio.get_running_loop().time
        pace = self._new_pace()
        try:
            async with (
                seat.admit(request, begun=self._ledger.begun) as request,
                aclosing(seat.backend.stream(request)) as deltas,
            ):
                async for delta in deltas:
                    pace.feed(delta, now())
                    if text := delta.text:
                        if not blank and (rest := thoughts.flush()):
                            yield ReasoningDelta(seat.name, rest)
                        if not spoken.text:
                            # Blank text may turn out to be all there is, and then another member has to speak.
                            text = blank = blank + text
                        if spoken.text or not text.isspace():
                            spoken.text.append(text)
                            yield ContentDelta(text, index, delta.logprobs)
                    if delta.thinking and (lines := thoughts.feed(delta.thinking)):
                        yield ReasoningDelta(seat.name, lines)
                    if delta.tool_calls:
                        spoken.calls += delta.tool_calls
                    done = delta.done
            # A stop sequence at the very beginning leaves nothing to say, and asking again would not change it.
            if done is None or not (spoken.text or spoken.calls or request.stop):
                raise EmptyAnswer
        except MemberError as error:
            self._ledger.failed(seat, error)
            self._ratios.failed(seat.backend, request, error)
            if spoken.text:
                raise MemberStreamBroken(seat.name, error) from error
            return
        self._ledger.succeeded(seat)
        self._ledger.count(seat.name, done, hidden=False)
        self._ratios.counted(seat.name, request, done.prompt_tokens)
        spoken.done = done


class Gate:
    """Holds back the planner's words until it is certain that they are the answer: every other member has ended
    without a call. From then on they pass as they come."""

    def __init__(self, planner: str, members: Sequence[str], *, enabled: bool) -> None:
        self.opened = False
        self._planner = planner
        self._waiting = set(members) - {planner}
        self._closed_for_good = not enabled
        self._held: list[ContentDelta] = []

    def let_through(self, event: Event, calling: Collection[str]) -> list[Event]:
        """What may pass now that this event has come; `calling` are the members that answered with calls."""
        if isinstance(event, ContentDelta):
            self._held.append(event)
            return self._release()
        if isinstance(event, StageEvent) and event.member in self._waiting and event.event != "started":
            self._waiting.discard(event.member)
            self._closed_for_good = self._closed_for_good or event.member in calling
        return [event, *self._release()]

    def _release(self) -> list[Event]:
        if self._waiting or self._closed_for_good or not any(piece.text.strip() for piece in self._held):
            return []
        self.opened = True
        passed, self._held = self._held, []
        return list(passed)
