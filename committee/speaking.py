"""One member's voice: its words as they come, its calls, and whether it came to a proper end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field, replace

from committee.context.tokens import Ratios
from committee.errors import EmptyAnswer, MemberError, MemberStreamBroken
from committee.ledger import Ledger
from committee.listening import Lines, Pace
from committee.schema import ChatRequest, ContentDelta, Done, Event, ReasoningDelta, ToolCall
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
            async with seat.place(request.total_s) as waited:
                if waited:
                    request = replace(request, total_s=max(0.05, request.total_s - waited))
                async with aclosing(seat.backend.stream(request)) as deltas:
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
