"""Running jobs: one attempt at a time per slot, each ending in exactly one written outcome."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from pydantic import ValidationError

from orchestrator import telemetry
from orchestrator.db.listener import Listener
from orchestrator.db.pool import Database
from orchestrator.errors import BadRequest, DatabaseUnavailable, StorageFull
from orchestrator.jobs.context import HandBack, JobContext, LeaseLost, patiently
from orchestrator.jobs.model import Job, JobFailed, JobKind
from orchestrator.jobs.queue import PgQueue, RunAgain
from orchestrator.jobs.store import Claim, JobStore

log = logging.getLogger(__name__)

_CHECK_LEASES_S = 2.0
_MAINTAIN_EVERY_S = 10.0
_ORPHAN_AGE_S = 30.0
_AFTER_LOSS_S = 1.0
_FIRST_RETRY_S = 1.0
_MAX_RETRY_S = 60.0


@dataclass(eq=False)
class _Attempt:
    job: Job
    task: asyncio.Task[dict[str, Any]]


class Worker:
    """Runs jobs of the given kinds, `concurrency` at a time, until `stop`.

    A worker that is killed loses its leases within seconds and another one resumes its jobs at their last finished
    stage. One that is stopped lets a job finish the stage it is in for `drain_s` seconds, then hands the rest back.
    """

    def __init__(
        self,
        db: Database,
        kinds: Mapping[str, JobKind],
        *,
        concurrency: int = 2,
        dsn: str | None = None,
        drain_s: float = 10.0,
    ) -> None:
        self._kinds = kinds
        self._concurrency = concurrency
        self._drain_s = drain_s
        self._store = JobStore(db, kinds)
        self._listener = Listener(dsn or db.dsn, timeout_s=db.timeout_s)
        self._queue = PgQueue(db, self._listener)
        self._draining = asyncio.Event()
        self._attempts: set[_Attempt] = set()

    async def run(self) -> None:
        """Work until `stop` is called; returns when every lease has been finished or handed back."""
        self._listener.subscribe("job_events", self._on_event)
        self._listener.start()
        resources = {kind.resource for kind in self._kinds.values()} | {JobKind.resource}
        companions = [
            asyncio.create_task(_every(_CHECK_LEASES_S, self._end_lost_attempts)),
            asyncio.create_task(_every(_MAINTAIN_EVERY_S, self._maintain)),
            asyncio.create_task(self._hand_back_when_stopped()),
        ]
        try:
            await self._queue.run(self._run_job, resources=resources, concurrency=self._concurrency)
        finally:
            for task in companions:
                task.cancel()
            await asyncio.wait(companions)
            await self._listener.close()

    def stop(self) -> None:
        """Take no further jobs and hand back the present ones; may be called from a signal handler of the loop."""
        self._draining.set()
        self._queue.stop()

    @property
    def running(self) -> frozenset[UUID]:
        """The jobs that this worker works on now."""
        return frozenset(attempt.job.id for attempt in self._attempts)

    async def _run_job(self, job_id: UUID) -> None:
        """One attempt, from its claim to its written outcome. Raises RunAgain where the queue row must stay."""
        job = await patiently(lambda: self._store.claim(job_id))
        if job is None:
            return
        token = telemetry.job_id.set(str(job.id))
        try:
            await self._attempt(job)
        finally:
            telemetry.job_id.reset(token)

    async def _attempt(self, job: Job) -> None:
        claim = Claim.of(job)
        kind = self._kinds.get(job.kind)
        if kind is None:
            await self._fail(claim, "unknown_kind", f"No worker knows jobs of kind {job.kind!r}.")
            return
        if job.tries > kind.max_attempts:
            await self._fail(
                claim, "attempts_exhausted", f"The job was interrupted {kind.max_attempts} times in the same stage."
            )
            return
        log.info("job started", extra={"kind": job.kind, "attempt": job.attempt})
        try:
            result = await self._call(kind, job)
        except LeaseLost:
            log.info("job taken over or cancelled", extra={"kind": job.kind, "attempt": job.attempt})
            # The successor's row is out of our reach; a row that is still ours belongs to a job that lost its claim,
            # which a server without synchronous commits can do when it crashes.
            raise RunAgain(_AFTER_LOSS_S) from None
        except HandBack:
            await self._again(claim, delay_s=0.0, handed_back=True, reason="handed_back")
        except Exception as error:
            await self._on_failure(kind, job, claim, error)
        else:
            await self._succeed(claim, result)

    async def _call(self, kind: JobKind, job: Job) -> dict[str, Any]:
        """Run the handler in a task of its own, which a cancellation, a lost lease or a shutdown ends."""
        context = JobContext(job, self._store, draining=self._draining)
        handler = asyncio.create_task(_as_coroutine(kind, context), name=f"job {job.id}")
        writer = asyncio.create_task(context.write_progress())
        writer.add_done_callback(lambda _: handler.cancel())
        attempt = _Attempt(job, handler)
        self._attempts.add(attempt)
        try:
            await asyncio.wait({handler})
        except asyncio.CancelledError:
            handler.cancel()
            await asyncio.wait({handler})
            raise
        finally:
            self._attempts.discard(attempt)
            writer.cancel()
            await asyncio.wait({writer})
        if not handler.cancelled():
            return handler.result()
        if self._draining.is_set():
            raise HandBack
        if await patiently(lambda: self._store.is_current(Claim.of(job))):
            raise JobFailed("internal_error", "The job was cancelled from inside its handler.", retryable=True)
        raise LeaseLost

    async def _succeed(self, claim: Claim, result: Any) -> None:
        try:
            if not isinstance(result, dict):
                raise TypeError("the handler returned no object")
            json.dumps(result, allow_nan=False)
            done = await patiently(lambda: self._store.succeed(claim, result))
        except (TypeError, ValueError, BadRequest):
            log.exception("the job's result cannot be stored")
            await self._fail(claim, "internal_error", "The job's result cannot be stored.")
            return
        log.info("job succeeded" if done else "job ended elsewhere")

    async def _fail(self, claim: Claim, code: str, message: str) -> None:
        await patiently(lambda: self._store.fail(claim, code, message))
        log.warning("job failed", extra={"code": code, "reason": message})

    async def _on_failure(self, kind: JobKind, job: Job, claim: Claim, error: Exception) -> None:
        code, message, retryable = _describe(error)
        log.error("job attempt failed", exc_info=error, extra={"kind": job.kind, "attempt": job.attempt, "code": code})
        if retryable and job.tries < kind.max_attempts:
            delay_s = min(_MAX_RETRY_S, _FIRST_RETRY_S * 2 ** (job.tries - 1))
            await self._again(claim, delay_s=delay_s, handed_back=False, reason=code)
        else:
            await self._fail(claim, code, message)

    async def _again(self, claim: Claim, *, delay_s: float, handed_back: bool, reason: str) -> None:
        data = {"reason": reason, "delay_s": delay_s}
        if await patiently(lambda: self._store.requeue(claim, delay_s=delay_s, handed_back=handed_back, data=data)):
            raise RunAgain(delay_s)

    def _on_event(self, payload: str | None) -> None:
        """A cancellation reaches its handler by notification; `_end_lost_attempts` makes up for lost ones."""
        if payload is None or not payload.endswith(" cancelled"):
            return
        cancelled = payload.split(" ", 1)[0]
        for attempt in self._attempts:
            if str(attempt.job.id) == cancelled:
                attempt.task.cancel()

    async def _end_lost_attempts(self) -> None:
        for attempt in tuple(self._attempts):
            if not await self._store.is_current(Claim.of(attempt.job)):
                attempt.task.cancel()

    async def _maintain(self) -> None:
        await self._queue.prune()
        if found := await self._store.adopt_orphans(older_than_s=_ORPHAN_AGE_S):
            log.warning("jobs without a queue row were queued again", extra={"jobs": found})

    async def _hand_back_when_stopped(self) -> None:
        await self._draining.wait()
        await asyncio.sleep(self._drain_s)
        while True:
            for attempt in tuple(self._attempts):
                attempt.task.cancel()
            await asyncio.sleep(0.5)


async def _every(seconds: float, action: Callable[[], Awaitable[None]]) -> None:
    """Repeat `action`; a failure is logged and must not end it."""
    while True:
        try:
            await action()
        except DatabaseUnavailable:
            pass  # others report the outage
        except Exception:
            log.exception("A worker's housekeeping failed")
        await asyncio.sleep(seconds)


async def _as_coroutine(kind: JobKind, context: JobContext) -> dict[str, Any]:
    return await kind.run(context)


def _describe(error: Exception) -> tuple[str, str, bool]:
    """Code and message for clients, and whether another attempt may help. Details stay in the log."""
    if isinstance(error, JobFailed):
        return error.code, error.message, error.retryable
    if isinstance(error, StorageFull):
        return error.code, error.message, False
    if isinstance(error, ValidationError):
        return "invalid_payload", "The job's payload is not valid for its kind.", False
    return "internal_error", f"The job failed inside the server ({type(error).__name__}).", True
