"""Ask members, one or all at once: queue, deadline, one retry, and what they say while they think."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Generic, TypeAlias, TypeVar

from committee.context import tokens
from committee.errors import BadAnswer, EmptyAnswer, MemberError, MemberTimeout
from committee.ledger import Ledger
from committee.listening import Lines, Pace
from committee.proposal import MAX_CHARS
from committee.schema import ChatRequest, Delta, Done, Event, ReasoningDelta, StageEvent, ToolCall
from committee.seats import Seat

log = logging.getLogger(__name__)

T = TypeVar("T")
Show: TypeAlias = Callable[[Event], None]
OnDelta: TypeAlias = Callable[[Delta], None]


@dataclass(frozen=True, slots=True)
class Heard:
    """One member's whole answer."""

    text: str
    calls: tuple[ToolCall, ...]
    done: Done


@dataclass(frozen=True, slots=True)
class Round(Generic[T]):
    """One question to several members at once.

    ask: gets one member's answer; it may show events on the way (then there is no retry). stage_s: how long all of
    them may take together. Once one has answered, the others are waited for another `grace_s`, or `patience_s` when
    one of the `patient` is among them.
    """

    stage: str
    ask: Callable[[Seat, Show], Awaitable[T]]
    stage_s: float
    grace_s: float
    patience_s: float = 0.0
    patient: frozenset[str] = frozenset()
    describe: Callable[[T], str] = field(default=lambda _: "")


@dataclass(frozen=True, slots=True)
class _Ended(Generic[T]):
    seat: Seat
    answer: T | None = None
    error: MemberError | None = None


class Asking:
    """Asks on behalf of one turn and keeps its books."""

    def __init__(self, ledger: Ledger, ratios: tokens.Ratios, new_pace: Callable[[], Pace]) -> None:
        self._ledger = ledger
        self._ratios = ratios
        self._new_pace = new_pace

    async def hear(self, seat: Seat, request: ChatRequest, on_delta: OnDelta | None = None) -> Heard:
        """One member's whole answer; what it costs is counted as hidden.

        Time in the queue counts. Raises MemberError; EmptyAnswer when neither text nor calls came.
        """
        try:
            return await self._hear(seat, request, on_delta)
        except MemberError as error:
            self._ratios.failed(seat.backend, request, error)
            raise

    async def _hear(self, seat: Seat, request: ChatRequest, on_delta: OnDelta | None) -> Heard:
        text: list[str] = []
        calls: list[ToolCall] = []
        done: Done | None = None
        size = 0
        pace, now = self._new_pace(), asyncio.get_running_loop().time
        async with (
            seat.admit(request, begun=self._ledger.begun) as request,
            aclosing(seat.backend.stream(request)) as deltas,
        ):
            async for delta in deltas:
                pace.feed(delta, now())
                if delta.text:
                    text.append(delta.text)
                    size += len(delta.text)
                    if size > MAX_CHARS and request.response_schema is not None:
                        raise BadAnswer("The answer is far too long.")
                calls += delta.tool_calls
                if on_delta is not None:
                    on_delta(delta)
                done = delta.done or done
        if done is not None:
            self._ledger.count(seat.name, done, hidden=True)
            self._ratios.counted(seat.name, request, done.prompt_tokens)
        answer = "".join(text)
        if done is None or not (calls or answer.strip()):
            raise EmptyAnswer
        return Heard(answer, tuple(calls), done)

    async def everyone(
        self, seats: Sequence[Seat], question: Round[T], answers: dict[str, T]
    ) -> AsyncGenerator[Event, None]:
        """Ask all `seats` at once; fills `answers` with what arrives in time. Never raises MemberError."""
        queue: asyncio.Queue[Event | _Ended[T]] = asyncio.Queue()
        tasks = [asyncio.create_task(self._one(seat, question, queue)) for seat in seats]
        deadline = _now() + question.stage_s
        waiting = {seat.name: seat for seat in seats}
        try:
            while waiting:
                try:
                    async with asyncio.timeout_at(deadline):
                        item = await queue.get()
                except TimeoutError:
                    break
                if not isinstance(item, _Ended):
                    yield item
                    continue
                del waiting[item.seat.name]
                if item.answer is not None:
                    answers[item.seat.name] = item.answer
                    patient = question.patient & waiting.keys()
                    deadline = min(deadline, _now() + (question.patience_s if patient else question.grace_s))
                yield self._ended(question, item)
        finally:
            await cancel(tasks)
        for seat in waiting.values():
            late = MemberTimeout("It was still thinking when the others were done.")
            self._ledger.failed(seat, late, outage=False)
            yield StageEvent(question.stage, seat.name, "failed", late.code)

    def _ended(self, question: Round[T], item: _Ended[T]) -> StageEvent:
        if item.answer is None:
            return StageEvent(question.stage, item.seat.name, "failed", item.error.code if item.error else "")
        return StageEvent(question.stage, item.seat.name, "answered", question.describe(item.answer))

    async def _one(self, seat: Seat, question: Round[T], queue: asyncio.Queue[Event | _Ended[T]]) -> None:
        """One member's answer, with one retry as long as nothing of it was shown."""
        queue.put_nowait(StageEvent(question.stage, seat.name, "started"))
        shown = False

        def show(event: Event) -> None:
            nonlocal shown
            shown = True
            queue.put_nowait(event)

        while True:
            try:
                answer = await question.ask(seat, show)
            except MemberError as error:
                self._ledger.failed(seat, error)
                if not shown and self._ledger.may_retry(seat):
                    continue
                queue.put_nowait(_Ended(seat, error=error))
            except Exception as error:
                log.exception("a member's backend failed unexpectedly", extra={"member": seat.name})
                failure = MemberError(f"unexpected {type(error).__name__}")
                self._ledger.failed(seat, failure)
                queue.put_nowait(_Ended(seat, error=failure))
            else:
                self._ledger.succeeded(seat)
                queue.put_nowait(_Ended(seat, answer=answer))
            return


def thoughts_to(show: Show, member: str) -> OnDelta:
    """Shows a member's thinking line by line."""
    lines = Lines()

    def on_delta(delta: Delta) -> None:
        text = lines.feed(delta.thinking) if delta.thinking else ""
        if delta.text or delta.done is not None:
            text += lines.flush()
        if text:
            show(ReasoningDelta(member, text))

    return on_delta


async def cancel(tasks: Iterable[asyncio.Task[None]]) -> None:
    tasks = list(tasks)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _now() -> float:
    return asyncio.get_running_loop().time()
