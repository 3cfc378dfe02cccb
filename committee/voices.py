"""One member's voice: its words as they come, its calls, and whether it came to a proper end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, field

from committee.context.tokens import Ratios
from committee.errors import EmptyAnswer, MemberError, MemberStreamBroken
from committee.ledger import Ledger
from committee.listening import Lines, Pace
from committee.schema import ChatRequest, ContentDelta, Delta, Done, Emit, ReasoningDelta, ToolCall
from committee.seats import Seat


@dataclass(frozen=True, slots=True)
class Spoken:
    """A whole answer. shown: its words have reached the client."""

    text: str
    calls: tuple[ToolCall, ...]
    done: Done
    shown: bool = True


class Voices:
    """Lets members speak on behalf of one turn."""

    def __init__(self, ledger: Ledger, ratios: Ratios, new_pace: Callable[[], Pace], emit: Emit) -> None:
        self._ledger = ledger
        self._ratios = ratios
        self._new_pace = new_pace
        self._emit = emit

    async def speak(self, seat: Seat, request: ChatRequest, *, index: int = 0, shown: bool = True) -> Spoken | None:
        """Show one member's answer as it comes (not `shown`: only its thoughts); None when the member failed before
        any of it was shown.

        Raises MemberStreamBroken when it fails after that.
        """
        voice = _Voice(seat.name, index, self._emit, shown)
        try:
            request, done = await self._listen(seat, request, voice)
            # A stop sequence at the very beginning leaves nothing to say, and asking again would not change it.
            if done is None or not (voice.text or voice.calls or request.stop):
                raise EmptyAnswer
        except MemberError as error:
            self._ledger.failed(seat, error)
            self._ratios.failed(seat.backend, request, error)
            if voice.text and shown:
                raise MemberStreamBroken(seat.name, error) from error
            return None
        self._ledger.succeeded(seat)
        self._ledger.count(seat.name, done, hidden=not (shown or voice.calls))
        self._ratios.counted(seat.name, request, done.prompt_tokens)
        return Spoken("".join(voice.text), tuple(voice.calls), done, shown)

    async def _listen(self, seat: Seat, request: ChatRequest, voice: _Voice) -> tuple[ChatRequest, Done | None]:
        """The request as it was sent, and how it ended. Waiting for a place takes its time from the answer's."""
        now = asyncio.get_running_loop().time
        pace = self._new_pace()
        done: Done | None = None
        async with (
            seat.admit(request, begun=self._ledger.begun) as request,
            aclosing(seat.backend.stream(request)) as deltas,
        ):
            async for delta in deltas:
                pace.feed(delta, now())
                await voice.say(delta)
                done = delta.done
        return request, done


@dataclass(slots=True)
class _Voice:
    """Shows one answer unless it is for us alone, and keeps it."""

    member: str
    index: int
    emit: Emit
    shown: bool = True
    text: list[str] = field(default_factory=list)
    calls: list[ToolCall] = field(default_factory=list)
    _blank: str = ""
    _thoughts: Lines = field(default_factory=Lines)

    async def say(self, delta: Delta) -> None:
        if text := delta.text:
            if not self._blank and (rest := self._thoughts.flush()):
                await self.emit(ReasoningDelta(self.member, rest))
            if not self.text:
                # Blank text may turn out to be all there is, and then another member has to speak.
                text = self._blank = self._blank + text
            if self.text or not text.isspace():
                self.text.append(text)
                if self.shown:
                    await self.emit(ContentDelta(text, self.index, delta.logprobs))
        if delta.thinking and (lines := self._thoughts.feed(delta.thinking)):
            await self.emit(ReasoningDelta(self.member, lines))
        if delta.tool_calls:
            self.calls += delta.tool_calls
