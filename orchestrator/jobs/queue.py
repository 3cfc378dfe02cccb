"""Who runs which job, and until when: PGQueuer behind three methods (enqueue, cancel, run).

A queue row says no more than "please run job N". It is leased to one worker, which keeps the lease by heartbeats;
a row whose heartbeats stop is given to the next worker. Nothing else in the project knows this library.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol, TypeVar
from uuid import UUID

from pgqueuer.core.executors import DatabaseRetryEntrypointExecutor
from pgqueuer.core.tm import TaskManager
from pgqueuer.errors import RetryRequested
from pgqueuer.models import Job as QueueRow
from pgqueuer.models import TracebackRecord
from pgqueuer.ports.repository import EntrypointExecutionParameter
from pgqueuer.qm import QueueManager
from pgqueuer.queries import Queries
from pgqueuer.types import JOB_STATUS, JobId, QueueEntrypoint, QueueManagerId

from orchestrator.db.listener import Listener
from orchestrator.db.pool import Connection, Database
from orchestrator.errors import DatabaseUnavailable

log = logging.getLogger(__name__)

# Together these bound the time until another worker starts a killed worker's job: lease + poll < 10 s.
LEASE_S = 6.0
POLL_S = 2.0
_MAX_BATCH = 10
_RETRY_S = 0.3
# A worker whose event loop has not turned for this long is taken for dead although its process lives.
_STALLED_S = 60.0


class RunAgain(Exception):
    """The handler of a queue row asks to be called again after `delay_s`."""

    def __init__(self, delay_s: float = 0.0) -> None:
        super().__init__(f"again in {delay_s:g} s")
        self.delay_s = delay_s


T = TypeVar("T")
Handle = Callable[[UUID], Awaitable[None]]


class JobQueue(Protocol):
    """The port. Rows are enqueued and cancelled inside the caller's transaction."""

    async def enqueue(
        self, connection: Connection, job_id: UUID, *, resource: str, priority: int, delay_s: float
    ) -> int: ...

    async def cancel(self, connection: Connection, queue_id: int) -> None: ...

    async def run(self, handle: Handle, *, resources: Iterable[str], concurrency: int) -> None: ...


class PgQueue:
    """The port on PGQueuer. One object may enqueue for ever or run one worker, which `stop` ends."""

    def __init__(self, db: Database | None = None, listener: Listener | None = None) -> None:
        self._db = db
        self._listener = listener
        self._manager: QueueManager | None = None
        self._stopping = asyncio.Event()

    async def enqueue(
        self, connection: Connection, job_id: UUID, *, resource: str, priority: int, delay_s: float
    ) -> int:
        """Add a row inside the transaction of `connection` and return its id."""
        [queue_id] = await Queries.from_asyncpg_connection(connection).enqueue(
            resource, str(job_id).encode(), priority, timedelta(seconds=delay_s)
        )
        return int(queue_id)

    async def cancel(self, connection: Connection, queue_id: int) -> None:
        """Remove a row, leased or not."""
        await Queries.from_asyncpg_connection(connection).mark_job_as_cancelled([JobId(queue_id)])

    async def prune(self) -> None:
        """Forget the library's own record of rows that left the queue; `job_events` tells their story."""
        if self._db is not None:
            await self._db.execute("DELETE FROM pgqueuer_log WHERE created < now() - interval '1 day'")

    async def run(self, handle: Handle, *, resources: Iterable[str], concurrency: int) -> None:
        """Call `handle` for each row leased, at most `concurrency` at a time, until `stop`; then wait for them.

        An outage of the database is waited out. The lease is kept from a thread of its own, so that a handler that
        blocks the event loop for a while does not lose it.
        """
        if self._db is None or self._listener is None:
            raise RuntimeError("this queue only enqueues")
        held: dict[int, UUID] = {}
        async with _LeaseKeeper(self._db.dsn, held):
            while not self._stopping.is_set():
                manager = self._manager = self._new_manager(handle, resources, concurrency, held)
                try:
                    batch = min(_MAX_BATCH, max(1, concurrency // 2))
                    await manager.run(
                        dequeue_timeout=timedelta(seconds=POLL_S),
                        heartbeat_timeout=timedelta(seconds=LEASE_S),
                        batch_size=batch,
                        max_concurrent_tasks=max(concurrency, 2 * batch),
                        log_aggregation_interval=timedelta(0),
                    )
                except Exception:
                    log.exception("The queue's loop ended unexpectedly and is started again")
                    await asyncio.sleep(_RETRY_S)

    def stop(self) -> None:
        """Take no further rows; `run` returns when the present handlers have."""
        self._stopping.set()
        if self._manager is not None:
            self._manager.shutdown.set()

    def _new_manager(
        self, handle: Handle, resources: Iterable[str], concurrency: int, held: dict[int, UUID]
    ) -> QueueManager:
        assert self._db is not None
        assert self._listener is not None
        driver = _Driver(self._db, self._listener, self._stopping)
        manager = QueueManager(_OwnedQueries(driver, concurrency=concurrency))

        async def run_row(row: QueueRow) -> None:
            assert row.payload is not None
            job_id = UUID(row.payload.decode())
            held[row.id] = job_id
            try:
                await handle(job_id)
            except RunAgain as again:
                raise RetryRequested(timedelta(seconds=again.delay_s)) from again
            finally:
                held.pop(row.id, None)

        for resource in sorted(set(resources)):
            # What reaches the executor as another exception is a fault around the handler, such as an outage that
            # outlasted its patience; the row must survive that.
            manager.entrypoint(
                resource,
                executor_factory=lambda parameters: DatabaseRetryEntrypointExecutor(
                    parameters, max_attempts=1_000_000, max_delay=timedelta(seconds=10)
                ),
            )(run_row)
        if self._stopping.is_set():
            manager.shutdown.set()
        return manager


@dataclass
class _OwnedQueries(Queries):
    """Touches only rows that this worker still holds, and never more of them than it has room for.

    The library's statements go by row id alone: a worker that was stopped for a while and lost its lease would
    delete the row of its successor.
    """

    concurrency: int = field(default=1, kw_only=True)
    owner: QueueManagerId | None = field(default=None, init=False)

    async def dequeue(
        self,
        batch_size: int,
        entrypoints: dict[QueueEntrypoint, EntrypointExecutionParameter],
        queue_manager_id: QueueManagerId,
        global_concurrency_limit: int | None,
        heartbeat_timeout: timedelta,
    ) -> list[QueueRow]:
        self.owner = queue_manager_id
        # The library wants a limit of at least two batches; one job at a time must be possible.
        return await super().dequeue(batch_size, entrypoints, queue_manager_id, self.concurrency, heartbeat_timeout)

    async def log_jobs(self, job_status: list[tuple[QueueRow, JOB_STATUS, TracebackRecord | None]]) -> None:
        mine = await self._mine([row.id for row, _, _ in job_status])
        if kept := [entry for entry in job_status if entry[0].id in mine]:
            await super().log_jobs(kept)

    async def retry_job(self, job: QueueRow, delay: timedelta, traceback_record: TracebackRecord | None) -> None:
        if job.id in await self._mine([job.id]):
            await super().retry_job(job, delay, traceback_record)

    async def _mine(self, ids: list[JobId]) -> set[object]:
        sql = "SELECT id FROM pgqueuer WHERE id = ANY($1::bigint[]) AND queue_manager_id = $2"
        return {row["id"] for row in await self.driver.fetch(sql, ids, self.owner)}


class _Driver:
    """The library's driver port on our bounded pool and our one listener; waits while the database is away."""

    def __init__(self, db: Database, listener: Listener, stopping: asyncio.Event) -> None:
        self._db = db
        self._listener = listener
        self._stopping = stopping
        self._relays: list[tuple[str, Callable[[str | None], None]]] = []
        self.shutdown = asyncio.Event()
        self.tm = TaskManager()

    async def fetch(self, query: str, *args: object) -> list[dict[str, object]]:
        return [dict(row) for row in await self._patiently(lambda: self._db.fetch(query, *args))]

    async def execute(self, query: str, *args: object) -> str:
        return await self._patiently(lambda: self._db.execute(query, *args))

    async def notify(self, channel: str, payload: str) -> None:
        await self.execute("SELECT pg_notify($1, $2)", channel, payload)

    async def add_listener(self, channel: str, callback: Callable[[str | bytes | bytearray], None]) -> None:
        def relay(payload: str | None) -> None:
            if payload is not None:
                callback(payload)

        self._relays.append((channel, relay))
        self._listener.subscribe(channel, relay)

    async def __aenter__(self) -> _Driver:
        return self

    async def __aexit__(self, *_: object) -> None:
        for channel, relay in self._relays:
            self._listener.unsubscribe(channel, relay)
        self._relays.clear()

    async def _patiently(self, call: Callable[[], Awaitable[T]]) -> T:
        while True:
            try:
                return await call()
            except DatabaseUnavailable:
                if self._stopping.is_set():
                    raise  # the leases run out by themselves
                await asyncio.sleep(_RETRY_S)


class _LeaseKeeper:
    """Heartbeats for the rows in `held`, from a thread with its own connection.

    It stops while the main event loop is stuck for longer than a handler may ever block it, since a lease without
    progress helps nobody.
    """

    _BEAT = "UPDATE pgqueuer SET heartbeat = now() WHERE id = ANY($1::bigint[]) AND status = 'picked'"

    def __init__(self, dsn: str, held: dict[int, UUID]) -> None:
        self._dsn = dsn
        self._held = held
        self._turned = time.monotonic()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._beat()), name="lease keeper", daemon=True)
        self._ticker: asyncio.Task[None] | None = None

    async def __aenter__(self) -> _LeaseKeeper:
        self._ticker = asyncio.create_task(self._tick())
        self._thread.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._ticker is not None
        self._ticker.cancel()
        self._ended.set()
        await asyncio.to_thread(self._thread.join)

    async def _tick(self) -> None:
        while True:
            self._turned = time.monotonic()
            await asyncio.sleep(1)

    async def _beat(self) -> None:
        db = Database(self._dsn, timeout_s=LEASE_S / 2, size=1)
        beaten = 0.0
        while not self._ended.is_set():
            if (now := time.monotonic()) - beaten > LEASE_S / 4:
                beaten = now
                await self._beat_once(db)
            await asyncio.sleep(0.1)
        await db.close()

    async def _beat_once(self, db: Database) -> None:
        ids = list(self._held)
        if not ids or time.monotonic() - self._turned > _STALLED_S:
            return
        try:
            await db.execute(self._BEAT, ids)
        except DatabaseUnavailable:
            pass  # the next beat is near
        except Exception:
            log.exception("A heartbeat failed")
