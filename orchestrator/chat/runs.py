"""Which run a request belongs to, so that a request that is sent again does not act again.

Clients re-send whole requests when an answer did not reach them: editors after a few seconds, SDKs after a cut
connection. Such a repetition attaches to the earlier run, and its effects with it. A request whose answer was
delivered in full is over: the same words asked once more are a new turn, unless the client itself says that it is
retrying.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from orchestrator.jobs.model import Job

REMEMBER_S = 600.0
_MOST = 10_000


@dataclass(slots=True)
class Run:
    """One attempt at an answer and its repetitions.

    `effects` holds the jobs that it started, by kind and number: a repetition may word its calls differently and still
    must not start a second film.
    """

    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    effects: dict[tuple[str, int], asyncio.Task[Job]] = field(default_factory=dict)


@dataclass(slots=True)
class _Ended:
    run: Run
    delivered: bool
    at: float


class Runs:
    """Runs that ended within the last ten minutes, by the fingerprint of their request."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._ended: OrderedDict[str, _Ended] = OrderedDict()

    def begin(self, fingerprint: str, *, retry: bool = False) -> Run:
        """The run of a request. `retry`: the client says that it has sent this before."""
        self._forget_old()
        earlier = self._ended.get(fingerprint)
        if earlier is not None and (retry or not earlier.delivered):
            # Taken out, so that of two requests at once only one is the repetition.
            del self._ended[fingerprint]
            return earlier.run
        return Run()

    def end(self, fingerprint: str, run: Run, *, delivered: bool) -> None:
        """Note how a run ended."""
        self._ended[fingerprint] = _Ended(run, delivered, self._clock())
        self._ended.move_to_end(fingerprint)
        if len(self._ended) > _MOST:
            self._ended.popitem(last=False)

    def _forget_old(self) -> None:
        horizon = self._clock() - REMEMBER_S
        while self._ended and next(iter(self._ended.values())).at < horizon:
            self._ended.popitem(last=False)
