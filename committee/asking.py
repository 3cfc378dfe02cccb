"""Ask members, one or all at once: queue, deadline, one retry, and what they say while they think."""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Generic, TypeAlias, TypeVar

from committee.context import tokens
from committee.errors import BadAnswer, EmptyAnswer, MemberError, MemberTimeout
from committee.ledger import Ledger
from committee.listening import Lines, Pace
from committee.proposal import MAX_CHARS
from committee.schema import ChatRequest, Delta, Done, Emit, Event, ReasoningDelta, StageEvent, ToolCall
from committee.seats import Seat

log = logging.getLogger(__name__)

T = TypeVar("T")
Show: TypeAlias = Callable[[Event], None]
OnDelta: TypeAlias = Callable[[Delta], None]

# So many events may wait for a client that reads slowly; beyond that, thoughts are passed over.
_MOST_WAITING = 1000


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
    one of the `patient` is among them; nobody is, when the answers are `enough`.
    """

    stage: str
    ask: Callable[[Seat, Show], Awaitable[T]]
    stage_s: float
    grace_s: float
    patience_s: float = 0.0
    patient: frozenset[str] = frozenset()
    describe: Callable[[T], str] = field(default=lambda _: "")
    enough: Callable[[Mapping[str, T]], bool] = field(default=lambda _: False)


@dataclass(frozen=True, slots=True)
class _Ended(Generic[T]):
    seat: Seat
    answer: T | None = None
    error: MemberError | None = None


_Queue: TypeAlias = "asyncio.Queue[Event | _Ended[T] | None]"


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

    async def everyone(self, seats: Sequence[Seat], question: Round[T], emit: Emit) -> dict[str, T]:
        """Ask all `seats` at once: what arrives in time, by member. Never raises MemberError.

        Events reach `emit` one at a time, however many members talk.
        """
        answers: dict[str, T] = {}
        queue: _Queue[T] = asyncio.Queue()
        tasks = [asyncio.create_task(self._one(seat, question, queue)) for seat in seats]
        waiting = {seat.name: seat for seat in seats}
        deadline = _Deadline(question.stage_s, queue)
        try:
            while waiting and (item := await queue.get()) is not None:
                if not isinstance(item, _Ended):
                    await emit(item)
                    continue
                del waiting[item.seat.name]
                if item.answer is not None:
                    answers[item.seat.name] = item.answer
                    patient = question.patient & waiting.keys()
                    deadline.no_later_than(question.patience_s if patient else question.grace_s)
                await emit(_ending(question, item))
                if question.enough(answers):
                    return answers
        finally:
            deadline.cancel()
            await cancel(tasks)
        for seat in waiting.values():
            late = MemberTimeout("It was still thinking when the others were done.")
            self._ledger.failed(seat, late, outage=False)
            await emit(StageEvent(question.stage, seat.name, "failed", late.code))
        return answers

    async def _one(self, seat: Seat, question: Round[T], queue: _Queue[T]) -> None:
        """One member's answer, with one retry as long as nothing of it was shown."""
        queue.put_nowait(StageEvent(question.stage, seat.name, "started"))
        shown = False

        def show(event: Event) -> None:
            nonlocal shown
            shown = True
            if not isinstance(event, ReasoningDelta) or queue.qsize() < _MOST_WAITING:
                queue.put_nowait(event)

        while True:
            ended = await self._attempt(seat, question, show)
            if ended.error is None or shown or not self._ledger.may_retry(seat):
                queue.put_nowait(ended)
                return

    async def _attempt(self, seat: Seat, question: Round[T], show: Show) -> _Ended[T]:
        try:
            answer = await question.ask(seat, show)
        except MemberError as error:
            self._ledger.failed(seat, error)
            return _Ended(seat, error=error)
        except Exception as error:
            log.exception("a member's backend failed unexpectedly", extra={"member": seat.name})
            failure = MemberError(f"unexpected {type(error).__name__}")
            self._ledger.failed(seat, failure)
            return _Ended(seat, error=failure)
        self._ledger.succeeded(seat)
        return _Ended(seat, answer=answer)


class _Deadline:
    """Puts None into the queue when the time is up. It may be brought forward."""

    def __init__(self, after_s: float, queue: _Queue[T]) -> None:
        self._loop = asyncio.get_running_loop()
        self._ring = functools.partial(queue.put_nowait, None)
        self._timer = self._loop.call_later(after_s, self._ring)

    def no_later_than(self, after_s: float) -> None:
        if self._loop.time() + after_s < self._timer.when():
            self._timer.cancel()
            self._timer = self._loop.call_later(after_s, self._ring)

    def cancel(self) -> None:
        self._timer.cancel()


def _ending(question: Round[T], item: _Ended[T]) -> StageEvent:
    if item.answer is None:
        return StageEvent(question.stage, item.seat.name, "failed", item.error.code if item.error else "")
    return StageEvent(question.stage, item.seat.name, "answered", question.describe(item.answer))


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


async def cancel(tasks: Collection[asyncio.Task[Any]]) -> None:
    """Cancel tasks and wait until they have ended."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
