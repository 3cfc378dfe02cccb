"""Reading and changing job rows. The only writer of `jobs`, `job_stages` and `job_events`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from orchestrator.db.pool import Connection, Database, Record
from orchestrator.db.statements import named_statements
from orchestrator.errors import NotFound, QueueFull, Unprocessable
from orchestrator.jobs.model import Job, JobEvent, JobKind
from orchestrator.jobs.queue import JobQueue, PgQueue

_SQL = named_statements("orchestrator.jobs", "store.sql")
_EVENTS_AT_ONCE = 500
_MAX_RETRY_AFTER_S = 60.0


class JobStore:
    """The truth about jobs; a change, its event and its notification are one transaction.

    Methods that take `owner` see that owner's jobs only and raise NotFound for any other. Those that take `attempt`
    are fenced: they change nothing and return False when another attempt or a cancellation came in between.
    """

    def __init__(
        self, db: Database, kinds: Mapping[str, JobKind], *, queue_max: int = 1000, queue: JobQueue | None = None
    ) -> None:
        self._db = db
        self._kinds = kinds
        self._queue_max = queue_max
        self._queue = queue or PgQueue()

    # --- for clients -------------------------------------------------------------------------------------------

    async def submit(
        self,
        kind: str,
        payload: dict[str, Any],
        *,
        owner: str,
        priority: int = 0,
        execute_after: datetime | None = None,
        idempotency_key: str | None = None,
    ) -> Job:
        """Accept a job: when this returns, the job will be run.

        The same `idempotency_key` again returns the first job with `replayed` set. Raises Unprocessable when that
        job was asked for with other words, QueueFull (with `retry_after`) when too many jobs wait, LookupError for a
        kind that does not exist.
        """
        resource = self._kinds[kind].resource
        request_hash = canonical_hash([kind, payload, priority, execute_after and execute_after.isoformat()])
        if idempotency_key is not None and (known := await self._known(owner, idempotency_key, request_hash)):
            return known
        await self._check_room()
        async with self._db.transaction() as connection:
            row = await connection.fetchrow(
                _SQL["insert"], uuid7(), owner, kind, payload, priority, execute_after, idempotency_key, request_hash
            )
            if row is not None:
                queue_id = await self._queue.enqueue(
                    connection, row["id"], resource=resource, priority=priority, delay_s=max(0.0, row["delay_s"])
                )
                await connection.execute(_SQL["set_queue_id"], row["id"], queue_id)
                return Job.from_record(row)
        assert idempotency_key is not None
        known = await self._known(owner, idempotency_key, request_hash)  # a concurrent twin was faster
        assert known is not None
        return known

    async def get(self, job_id: UUID | str, *, owner: str) -> Job:
        job_id = _parse_id(job_id)
        row = await self._db.fetchrow(_SQL["get"], job_id, owner)
        if row is None:
            raise _no_such_job()
        return Job.from_record(row)

    async def with_key(self, idempotency_key: str, *, owner: str) -> Job | None:
        """The job that was accepted under this key, whatever was asked for; None when there is none."""
        row = await self._db.fetchrow(_SQL["by_idempotency_key"], owner, idempotency_key)
        return None if row is None else Job.from_record(row, replayed=True)

    async def list(
        self, *, owner: str, status: str | None = None, kind: str | None = None, limit: int = 50, offset: int = 0
    ) -> tuple[Sequence[Job], int]:
        """One page, latest change first and without results, and the number of all jobs that match."""
        rows = await self._db.fetch(_SQL["list"], owner, status, kind, limit, offset)
        total = await self._db.fetchval(_SQL["count"], owner, status, kind)
        return [Job.from_record(row) for row in rows], int(total)

    async def cancel(self, job_id: UUID | str, *, owner: str) -> Job:
        """Cancel a job that has not ended; one that has stays as it is. A running handler hears of it at once."""
        job_id = _parse_id(job_id)
        async with self._db.transaction() as connection:
            row = await connection.fetchrow(_SQL["cancel"], job_id, owner)
            if row is not None:
                if row["queue_id"] is not None:
                    await self._queue.cancel(connection, row["queue_id"])
                return Job.from_record(row)
        return await self.get(job_id, owner=owner)

    async def stages(self, job_id: UUID) -> Sequence[dict[str, Any]]:
        """The finished stages in their order, without their outputs."""
        rows = await self._db.fetch(_SQL["stages"], job_id)
        return [
            {
                "stage": row["stage"],
                "input_hash": row["input_hash"],
                "attempt": row["attempt"],
                "started_at": row["started_at"].isoformat(),
                "finished_at": row["finished_at"].isoformat(),
            }
            for row in rows
        ]

    async def checkpoints(self, job_id: UUID, *, limit: int = 10) -> Sequence[dict[str, Any]]:
        """The latest checkpoints, newest first."""
        rows = await self._db.fetch(_SQL["checkpoints"], job_id, limit)
        return [{"id": row["id"], "created_at": row["created_at"].isoformat(), "data": row["data"]} for row in rows]

    async def events_after(self, job_id: UUID, seq: int, *, limit: int = _EVENTS_AT_ONCE) -> Sequence[JobEvent]:
        """At most `limit` events that follow `seq`, in order and without gaps."""
        return [JobEvent.from_record(row) for row in await self._db.fetch(_SQL["events_after"], job_id, seq, limit)]

    # --- for workers and watchers ------------------------------------------------------------------------------

    async def find(self, job_id: UUID) -> Job | None:
        """A job of whatever owner."""
        row = await self._db.fetchrow(_SQL["get_any"], job_id)
        return None if row is None else Job.from_record(row)

    async def claim(self, job_id: UUID) -> Job | None:
        """Begin the next attempt, which fences all earlier ones; None when the job has ended."""
        row = await self._db.fetchrow(_SQL["claim"], job_id)
        return None if row is None else Job.from_record(row)

    async def is_current(self, claim: Claim) -> bool:
        """Whether no later attempt has begun and the job has not ended."""
        return bool(await self._db.fetchval(_SQL["is_current"], claim.job_id, claim.attempt))

    async def stage_output(self, job_id: UUID, stage: str, input_hash: str) -> dict[str, Any] | None:
        """What a stage gave when it finished with the same inputs."""
        output: dict[str, Any] | None = await self._db.fetchval(_SQL["stage_output"], job_id, stage, input_hash)
        return output

    async def finish_stage(self, claim: Claim, stage: FinishedStage) -> bool:
        return _changed(
            await self._db.fetchrow(
                _SQL["finish_stage"],
                claim.job_id,
                claim.attempt,
                stage.name,
                stage.input_hash,
                stage.output,
                stage.progress,
                stage.started_at,
            )
        )

    async def write_event(
        self,
        claim: Claim,
        type_: str,
        *,
        stage: str | None = None,
        progress: float = 0.0,
        eta_s: float | None = None,
        data: dict[str, Any] | None = None,
    ) -> bool:
        """Add an event; the job's progress never goes back."""
        return _changed(
            await self._db.fetchrow(
                _SQL["write_event"], claim.job_id, claim.attempt, type_, stage, progress, eta_s, data or {}
            )
        )

    async def succeed(self, claim: Claim, result: dict[str, Any]) -> bool:
        return _changed(await self._db.fetchrow(_SQL["finish"], claim.job_id, claim.attempt, "succeeded", result, None))

    async def fail(self, claim: Claim, code: str, message: str) -> bool:
        error = {"code": code, "message": message}
        return _changed(await self._db.fetchrow(_SQL["finish"], claim.job_id, claim.attempt, "failed", None, error))

    async def requeue(self, claim: Claim, *, delay_s: float, handed_back: bool, data: dict[str, Any]) -> bool:
        """Let the job wait again; a try that was handed back unharmed does not count."""
        return _changed(
            await self._db.fetchrow(_SQL["requeue"], claim.job_id, claim.attempt, delay_s, handed_back, data)
        )

    async def adopt_orphans(self, *, older_than_s: float) -> int:
        """Give a queue row to every unfinished job that has none, and return how many there were.

        Rows and jobs are created together, so this finds something only after a fault; but then a job would
        otherwise wait for ever.
        """
        async with self._db.transaction() as connection:
            rows = await connection.fetch(_SQL["without_queue_row"], older_than_s)
            for row in rows:
                await self._enqueue_again(connection, row)
        return len(rows)

    async def _enqueue_again(self, connection: Connection, row: Record) -> None:
        kind = self._kinds.get(row["kind"])
        queue_id = await self._queue.enqueue(
            connection,
            row["id"],
            resource=kind.resource if kind else JobKind.resource,
            priority=row["priority"],
            delay_s=row["delay_s"],
        )
        await connection.execute(_SQL["set_queue_id"], row["id"], queue_id)

    async def _known(self, owner: str, key: str, request_hash: str) -> Job | None:
        row = await self._db.fetchrow(_SQL["by_idempotency_key"], owner, key)
        if row is None:
            return None
        if row["request_hash"] != request_hash:
            raise Unprocessable(
                "This Idempotency-Key was used for another request.",
                code="idempotency_key_reused",
                param="Idempotency-Key",
            )
        return Job.from_record(row, replayed=True)

    async def _check_room(self) -> None:
        # Not exact while submits run side by side; it bounds the queue, which is what it is for.
        if await self._db.fetchval(_SQL["count_waiting"], self._queue_max) >= self._queue_max:
            pace_s = await self._db.fetchval(_SQL["seconds_per_job"])
            retry_after = min(_MAX_RETRY_AFTER_S, max(1.0, pace_s or 5.0))
            raise QueueFull(f"{self._queue_max} jobs are waiting; try again later.", retry_after=retry_after)


@dataclass(frozen=True)
class Claim:
    """One attempt at one job."""

    job_id: UUID
    attempt: int

    @classmethod
    def of(cls, job: Job) -> Claim:
        return cls(job.id, job.attempt)


@dataclass(frozen=True)
class FinishedStage:
    """A stage as it is stored; `progress` is the job's, 0 to 1."""

    name: str
    input_hash: str
    output: dict[str, Any]
    progress: float
    started_at: datetime


def canonical_hash(value: Any) -> str:
    """SHA-256 of the JSON of `value` with sorted keys. Raises TypeError or ValueError for what is not JSON."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _changed(row: Record | None) -> bool:
    return row is not None


def _parse_id(job_id: UUID | str) -> UUID:
    """What is no id names no job, which is all that a caller needs to know."""
    if isinstance(job_id, UUID):
        return job_id
    try:
        return UUID(job_id)
    except ValueError:
        raise _no_such_job() from None


def _no_such_job() -> NotFound:
    return NotFound("There is no job with this id.", code="job_not_found", param="id")
