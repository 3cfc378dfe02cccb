"""What a handler is given: its job, its stages, its progress."""

from __future__ import annotations

import asyncio
import logging
import math
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, TypeVar

from orchestrator.errors import DatabaseUnavailable, OrchestratorError
from orchestrator.jobs.model import ENGINE_EVENTS, Job
from orchestrator.jobs.store import Claim, FinishedStage, JobStore, canonical_hash

log = logging.getLogger(__name__)
T = TypeVar("T")

_EVENT_TYPE = re.compile(r"[a-z][a-z0-9_.-]{0,63}")
_PROGRESS_EVERY_S = 0.2
# How long a result is kept in memory while the database is away, before the attempt is given up.
_PATIENCE_S = 120.0
_RETRY_S = 0.3


class LeaseLost(Exception):
    """Another attempt runs this job now, or it was cancelled: whatever this one writes is refused."""


class HandBack(Exception):
    """This worker is about to stop and the job goes to the next one."""


@dataclass(frozen=True)
class _Progress:
    fraction: float
    stage: str | None = None
    message: str | None = None
    eta_s: float | None = None


class JobContext:
    """A handler's view of its job. Cancelling a job cancels the task of its handler.

    Every write is fenced: it raises LeaseLost once another attempt has begun or the job has ended.
    """

    def __init__(self, job: Job, store: JobStore, *, draining: asyncio.Event | None = None) -> None:
        self.job = job
        self._store = store
        self._claim = Claim.of(job)
        self._draining = draining or asyncio.Event()
        self._fraction = job.progress
        self._pending: _Progress | None = None
        self._news = asyncio.Event()

    async def stage(self, name: str, inputs: Any, run: Callable[[], Awaitable[dict[str, Any]]]) -> dict[str, Any]:
        """The output of a stage: remembered when it finished before with the same `inputs`, else from `run`.

        `inputs` is anything that JSON can hold; names such as "final/S1_SH01" make checkpoints of parts. The output
        is stored together with its event before this returns.
        """
        input_hash = canonical_hash(inputs)
        known = await patiently(lambda: self._store.stage_output(self.job.id, name, input_hash))
        if known is not None:
            return known
        if self._draining.is_set():
            raise HandBack
        started_at = datetime.now(UTC)
        output = await run()
        finished = FinishedStage(name, input_hash, output, self._fraction, started_at)
        self._pending = None if self._pending is None else replace(self._pending, stage=None)
        if not await patiently(lambda: self._store.finish_stage(self._claim, finished)):
            raise LeaseLost
        return output

    async def progress(
        self,
        fraction: float,
        *,
        stage: str | None = None,
        message: str | None = None,
        eta_s: float | None = None,
    ) -> None:
        """Say how far the job is, 0 to 1; a smaller number than before is taken as the one before.

        Cheap to call for every frame: a few times a second the latest word is written.
        """
        if not math.isfinite(fraction):
            raise ValueError(f"progress must be a number, not {fraction}")
        self._fraction = max(self._fraction, min(1.0, fraction))
        self._pending = _Progress(self._fraction, stage, message, eta_s)
        self._news.set()

    async def event(self, type: str, data: dict[str, Any]) -> None:
        """Add an event of the handler's own to the job's stream; `type` is a lower-case word."""
        if type in ENGINE_EVENTS or not _EVENT_TYPE.fullmatch(type):
            raise ValueError(f"{type!r} is no name for an event of a handler's own")
        if not await patiently(lambda: self._store.write_event(self._claim, type, progress=self._fraction, data=data)):
            raise LeaseLost

    async def write_progress(self) -> None:
        """Write what `progress` was told, a few times a second; returns when another attempt has begun."""
        while True:
            await self._news.wait()
            self._news.clear()
            pending, self._pending = self._pending, None
            if pending is not None and not await self._write(pending):
                return
            await asyncio.sleep(_PROGRESS_EVERY_S)

    async def _write(self, latest: _Progress) -> bool:
        data = {} if latest.message is None else {"message": latest.message}
        try:
            return await self._store.write_event(
                self._claim, "progress", stage=latest.stage, progress=latest.fraction, eta_s=latest.eta_s, data=data
            )
        except OrchestratorError as error:
            log.warning("progress could not be written", extra={"code": error.code})
            return True  # the next word will do


async def patiently(call: Callable[[], Awaitable[T]]) -> T:
    """Wait out an outage of the database rather than lose a result that took minutes."""
    deadline = asyncio.get_running_loop().time() + _PATIENCE_S
    while True:
        try:
            return await call()
        except DatabaseUnavailable:
            if asyncio.get_running_loop().time() > deadline:
                raise
            await asyncio.sleep(_RETRY_S)
