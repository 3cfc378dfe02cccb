"""Which run a request belongs to, so that a request that is sent again does not act again.

Clients re-send whole requests when an answer did not reach them: editors after a few seconds, SDKs after a cut
connection. Such a repetition attaches to the earlier run, and its effects with it. A request whose answer was
delivered in full is over: the same words asked once more are a new turn, unless the client itself says that it is
retrying. Such a client shares even a run that still goes on; equal requests that merely arrive side by side do not.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from tools.registry import ToolResult

REMEMBER_S = 600.0
_MOST = 10_000
_MOST_RESULT_BYTES = 64 << 20
SHORTENED = {"shortened": True}


@dataclass(slots=True)
class Effect:
    """One call that a run has made, or is making; a repetition may word it differently.

    arguments: as canonical JSON. result: None as long as it is not known. left_open: another process began this call
    and left nothing about its end. size: of the result's data as JSON, in bytes.
    """

    number: int
    tool: str
    arguments: str
    result: ToolResult | None = None
    work: asyncio.Task[ToolResult] | None = None
    left_open: bool = False
    size: int = 0

    def shorten(self) -> None:
        """Let go of the data; which jobs there are and whether it failed stays known, so nothing is done again."""
        if self.result is not None:
            self.result = replace(self.result, data=dict(SHORTENED))
        self.size = 0


@dataclass(slots=True)
class Run:
    """One attempt at an answer and its repetitions, with the calls that they made.

    opening: the run is being noted, or was noted, where a restart does not lose it.
    """

    id: str = field(default_factory=lambda: os.urandom(16).hex())
    effects: list[Effect] = field(default_factory=list)
    opening: asyncio.Task[None] | None = None

    @property
    def size(self) -> int:
        """Of all results, in bytes."""
        return sum(one.size for one in self.effects) if self.effects else 0


@dataclass(slots=True)
class _Ended:
    run: Run
    delivered: bool
    at: float
    size: int


class Runs:
    """Runs that go on or that ended within the last ten minutes, by the fingerprint of their request.

    most_bytes: what the results of ended runs may hold together; beyond that the oldest ones are shortened.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, *, most_bytes: int = _MOST_RESULT_BYTES) -> None:
        self._clock = clock
        self._most_bytes = most_bytes
        self._bytes = 0
        self._ended: OrderedDict[str, _Ended] = OrderedDict()
        self._running: dict[str, list[Run]] = {}  # a run stands here once for every request that takes part in it

    def begin(self, fingerprint: str, *, retry: bool = False) -> Run:
        """The run of a request. `retry`: the client says that it has sent this before."""
        self._forget_old()
        run = self._earlier(fingerprint, retry) or Run()
        self._running.setdefault(fingerprint, []).append(run)
        return run

    def before_acting(self, fingerprint: str, run: Run) -> Run:
        """The run to act in: `run`, or that of an equal request which was cut off only after this one had begun.

        A client that sends again at once is here before its broken connection is noticed; by the time that the members
        have planned, it has been.
        """
        ended = self._ended.get(fingerprint)
        if run.effects or run.opening is not None or ended is None or ended.delivered or ended.run is run:
            return run
        running = self._running[fingerprint]
        running[running.index(run)] = self._take(fingerprint).run
        return ended.run

    def end(self, fingerprint: str, run: Run, *, delivered: bool) -> None:
        """Note how a request's part in a run ended; what one of its requests was given is delivered."""
        running = self._running[fingerprint]
        running.remove(run)
        if not running:
            del self._running[fingerprint]
        twin = self._ended.get(fingerprint)
        delivered = delivered or (twin is not None and twin.run is run and twin.delivered)
        if twin is not None:
            self._take(fingerprint)
        ended = self._ended[fingerprint] = _Ended(run, delivered, self._clock(), run.size)
        self._bytes += ended.size
        if len(self._ended) > _MOST:
            self._take(next(iter(self._ended)))
        self._shorten_old()

    def _earlier(self, fingerprint: str, retry: bool) -> Run | None:
        """The run that a request repeats: one that was cut off; for a retry also one that goes on or was delivered."""
        ended = self._ended.get(fingerprint)
        cut_off = ended is not None and not ended.delivered
        if retry and not cut_off and (running := self._running.get(fingerprint)):
            return running[-1]
        if ended is None or not (cut_off or retry):
            return None
        # Taken out, so that of two requests at once only one is the repetition.
        return self._take(fingerprint).run

    def _take(self, fingerprint: str) -> _Ended:
        ended = self._ended.pop(fingerprint)
        self._bytes -= ended.size
        return ended

    def _shorten_old(self) -> None:
        for ended in self._ended.values():
            if self._bytes <= self._most_bytes:
                return
            for effect in ended.run.effects:
                effect.shorten()
            self._bytes -= ended.size
            ended.size = 0

    def _forget_old(self) -> None:
        horizon = self._clock() - REMEMBER_S
        while self._ended and next(iter(self._ended.values())).at < horizon:
            self._take(next(iter(self._ended)))
