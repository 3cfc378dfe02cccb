"""The members' places at the table, how long the table waits for them, and how many may talk to one at a time."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, replace

from committee.errors import MemberError, MemberQueueFull, MemberResting, MemberTimeout, MemberUnreachable
from committee.schema import ChatBackend, ChatRequest


@dataclass(frozen=True, slots=True)
class CommitteeConfig:
    """How the members deliberate; times in seconds.

    grace_s: how long to wait for a slower member once a proposal is in; the stronger one is waited for until its stage
    ends. turn_timeout_s: after this long (tools not counted) no further stage is begun but the speaking. hidden_tokens:
    as many may be written for the deliberation, then it is cut short the same way. debate_turns: rounds of
    cross-checking while members disagree, 2 at most, 0 for none. slowest_tokens_per_s over slow_window_s: a speaker
    below that is taken for lost. queue_per_member, queue_timeout_s: requests that may wait for one member, and how
    long. pack_context: whether a conversation that fits no window may be packed.
    """

    temperature: float = 0.3
    debate_turns: int = 1
    probe_timeout_s: float = 45.0
    cross_check_timeout_s: float = 30.0
    verdict_timeout_s: float = 15.0
    choose_timeout_s: float = 20.0
    evidence_timeout_s: float = 10.0
    grace_s: float = 12.0
    first_byte_timeout_s: float = 20.0
    speak_idle_timeout_s: float = 60.0
    speak_timeout_s: float = 600.0
    slow_window_s: float = 30.0
    slowest_tokens_per_s: float = 0.5
    cold_load_timeout_s: float = 180.0
    turn_timeout_s: float = 120.0
    hidden_tokens: int = 4000
    probe_max_tokens: int = 900
    cross_check_max_tokens: int = 500
    verdict_max_tokens: int = 64
    choose_max_tokens: int = 200
    answer_reserve_tokens: int = 2048
    max_tool_iterations: int = 6
    queue_per_member: int = 64
    queue_timeout_s: float = 60.0
    breaker_failures: int = 3
    breaker_open_s: float = 30.0
    pack_context: bool = True


class Seat:
    """A member at the table, with a bounded queue in front of it and a breaker behind it.

    The breaker opens after repeated transport failures, and the member is not asked for a while; then one request goes
    through as a trial, and only if that succeeds do the others follow.
    """

    def __init__(self, backend: ChatBackend, config: CommitteeConfig) -> None:
        self.backend = backend
        self.name = backend.name
        self._config = config
        self._failures = 0
        self._open_until = 0.0
        self._trial = False
        self._busy = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._begun: deque[asyncio.Future[None]] = deque()  # of turns that have begun; as many as there are turns

    def admit(self, request: ChatRequest, *, begun: bool = False) -> Admission:
        """A place for a request, by `async with`; gives the request with the time that the queue has left it, at least
        half.

        Raises as `place` does. An answer that would have been in time without the queue fails with MemberQueueFull.
        """
        return Admission(self.place(request.total_s / 2, begun=begun), request)

    def place(self, timeout_s: float, *, begun: bool = False) -> Place:
        """A place among the requests that the member works on, by `async with`; gives the seconds that had to be waited
        for it.

        begun: the turn has been worked on already. It goes before those that have not, and is never turned away: what
        was spent on it would be lost. Raises MemberResting while the breaker is open, MemberQueueFull when too many
        wait already or none of them was done within `timeout_s`.
        """
        return Place(self, timeout_s, begun=begun)

    async def take(self, timeout_s: float, *, begun: bool) -> tuple[float, bool]:
        """Take a place, which has to be given back: the seconds waited, and whether this is the breaker's trial."""
        if self._is_open() or self._trial:
            raise MemberResting
        trial = self._trial = self._failures >= self._config.breaker_failures
        try:
            return await self._enter(min(timeout_s, self._config.queue_timeout_s), begun), trial
        except BaseException:
            if trial:
                self._trial = False
            raise

    def give_back(self, *, trial: bool) -> None:
        self._leave()
        if trial:
            self._trial = False

    def succeeded(self) -> None:
        self._failures = 0

    def failed(self, error: MemberError) -> None:
        # Not having been asked is no new failure: it would keep the breaker open for ever.
        if isinstance(error, MemberUnreachable | MemberTimeout) and not isinstance(error, MemberResting):
            self._failures += 1
            self._open_until = _now() + self._config.breaker_open_s

    def _is_open(self) -> bool:
        return self._failures >= self._config.breaker_failures and _now() < self._open_until

    async def _enter(self, timeout_s: float, begun: bool) -> float:
        most = self.backend.parallel
        if most is None or (self._busy < most and not (self._begun or self._waiting)):
            self._busy += 1
            return 0.0
        if not begun and len(self._waiting) >= self._config.queue_per_member:
            raise MemberQueueFull(f"{len(self._waiting)} requests wait for it already.")
        return await self._queue(timeout_s, self._begun if begun else self._waiting)

    async def _queue(self, timeout_s: float, queue: deque[asyncio.Future[None]]) -> float:
        since = _now()
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        queue.append(turn)
        try:
            async with asyncio.timeout(timeout_s):
                await turn
        except (TimeoutError, asyncio.CancelledError) as error:
            if turn.done() and not turn.cancelled():
                self._leave()  # the place was given to us just as we gave up: pass it on
            elif turn in queue:
                queue.remove(turn)
            if isinstance(error, TimeoutError):
                raise MemberQueueFull(f"The queue in front of it did not move for {timeout_s:g} s.") from None
            raise
        return _now() - since

    def _leave(self) -> None:
        """Hand the place to the one who waits longest, or give it up."""
        while queue := self._begun or self._waiting:
            turn = queue.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._busy -= 1


class Place:
    """What `Seat.place` gives. A class, because it costs a third of a generator and stands before every request."""

    __slots__ = ("_begun", "_seat", "_timeout_s", "_trial")

    def __init__(self, seat: Seat, timeout_s: float, *, begun: bool) -> None:
        self._seat = seat
        self._timeout_s = timeout_s
        self._begun = begun
        self._trial = False

    async def __aenter__(self) -> float:
        waited, self._trial = await self._seat.take(self._timeout_s, begun=self._begun)
        return waited

    async def __aexit__(self, *_: object) -> None:
        self._seat.give_back(trial=self._trial)


class Admission:
    """What `Seat.admit` gives."""

    __slots__ = ("_left_s", "_place", "_request", "_since", "_waited")

    def __init__(self, place: Place, request: ChatRequest) -> None:
        self._place = place
        self._request = request
        self._waited = self._since = self._left_s = 0.0

    async def __aenter__(self) -> ChatRequest:
        self._waited = await self._place.__aenter__()
        if not self._waited:
            return self._request
        self._since, self._left_s = _now(), self._request.total_s - self._waited
        return replace(self._request, total_s=self._left_s)

    async def __aexit__(self, kind: object, error: BaseException | None, _: object) -> None:
        await self._place.__aexit__()
        if isinstance(error, MemberTimeout) and self._waited and self._left_s <= _now() - self._since:
            # That is our load, not an outage of the member.
            raise MemberQueueFull(f"Of {self._request.total_s:g} s the queue took {self._waited:.1f}.") from error


def _now() -> float:
    return asyncio.get_running_loop().time()
