"""Following jobs: one LISTEN connection and one reader per watched job, however many watch.

A watcher keeps no queue. It remembers the last number it has seen and takes what follows from a short common memory,
or from the table when it has fallen behind; so a slow one costs nothing and misses nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import contextmanager
from uuid import UUID

from orchestrator.db.listener import Listener
from orchestrator.db.pool import Database
from orchestrator.errors import DatabaseUnavailable
from orchestrator.jobs.model import Job, JobEvent
from orchestrator.jobs.store import JobStore

log = logging.getLogger(__name__)

_CHANNEL = "job_events"
_REMEMBERED = 256
_RETRY_S = 0.3
# Notifications are not lost while the connection holds, so this is a second line of defence only.
_REREAD_S = 15.0


class JobEvents:
    """The process's hub. `start` before the first watcher, `close` at the end."""

    def __init__(self, db: Database, store: JobStore, *, dsn: str | None = None) -> None:
        self._store = store
        self._listener = Listener(dsn or db.dsn, timeout_s=db.timeout_s)
        self._feeds: dict[UUID, _Feed] = {}
        self._closed = False

    def start(self) -> None:
        """Begin to listen; works also while the database is down."""
        self._listener.subscribe(_CHANNEL, self._on_notification)
        self._listener.start()

    async def close(self) -> None:
        """Stop listening and end every watch, finished or not."""
        self._closed = True
        await self._listener.close()
        for feed in tuple(self._feeds.values()):
            feed.close()

    async def watch(self, job_id: UUID, after_seq: int) -> AsyncGenerator[tuple[JobEvent, Job], None]:
        """Every event that follows `after_seq`, in order, without gap or repeat; ends after the terminal one.

        Each comes with the job as it was at that event or later. An outage of the database delays events and loses
        none. It also ends, without a terminal event, when there is none after `after_seq` or when the hub closes.
        """
        with self._joined(job_id) as feed:
            seq = after_seq
            while events := await feed.after(seq):
                for event in events:
                    yield event, feed.job
                    seq = event.seq
                    if event.terminal:
                        return

    @contextmanager
    def _joined(self, job_id: UUID) -> Iterator[_Feed]:
        feed = self._feeds.get(job_id)
        if feed is None:
            feed = self._feeds[job_id] = _Feed(job_id, self._store)
            if self._closed:
                feed.close()
        feed.watchers += 1
        try:
            yield feed
        finally:
            feed.watchers -= 1
            if feed.watchers == 0:
                feed.close()
                del self._feeds[job_id]

    def _on_notification(self, payload: str | None) -> None:
        if payload is None:  # the connection is new: anything may have happened
            for feed in self._feeds.values():
                feed.stale.set()
            return
        with contextlib.suppress(ValueError):
            watched = self._feeds.get(UUID(payload.split(" ", 1)[0]))
            if watched is not None:
                watched.stale.set()


class _Feed:
    """The latest events of one job, read once for all its watchers."""

    def __init__(self, job_id: UUID, store: JobStore) -> None:
        self.watchers = 0
        self.stale = asyncio.Event()
        self.stale.set()
        self._job_id = job_id
        self._store = store
        self._job: Job | None = None
        self._memory: deque[JobEvent] = deque(maxlen=_REMEMBERED)  # without gaps, up to _read_to
        self._read_to = 0
        self._ended = False
        self._arrived: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._reader = asyncio.create_task(self._read(), name=f"feed {job_id}")

    @property
    def job(self) -> Job:
        """The job's row, at least as new as the events that `after` gave."""
        assert self._job is not None
        return self._job

    def close(self) -> None:
        """Let the watchers go."""
        self._reader.cancel()
        self._end()

    async def after(self, seq: int) -> Sequence[JobEvent]:
        """The next events after `seq`, once there are any; empty when there will be none."""
        while True:
            arrived = self._arrived
            if self._job is not None and seq < (read_to := self._read_to):
                if self._memory and self._memory[0].seq <= seq + 1:
                    return [event for event in self._memory if event.seq > seq]
                # The table may be ahead of the job that we hold; what is newer comes once the job has been read again.
                return [event for event in await self._from_table(seq) if event.seq <= read_to]
            if self._ended:
                return []
            await asyncio.shield(arrived)

    async def _from_table(self, seq: int) -> Sequence[JobEvent]:
        while True:
            try:
                return await self._store.events_after(self._job_id, seq)
            except DatabaseUnavailable:
                await asyncio.sleep(_RETRY_S)

    async def _read(self) -> None:
        while not self._ended:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_REREAD_S):
                    await self.stale.wait()
            self.stale.clear()
            try:
                await self._read_news()
            except Exception as error:
                # Watchers depend on this task, so it goes on whatever happens.
                if not isinstance(error, DatabaseUnavailable):
                    log.exception("The events of a job could not be read; next attempt soon")
                self.stale.set()
                await asyncio.sleep(_RETRY_S)

    async def _read_news(self) -> None:
        if self._job is None:
            # What lies before this moment is read from the table by those who ask for it.
            self._job = await self._store.find(self._job_id)
            self._read_to = self._job.last_seq if self._job else 0
        else:
            events = await self._store.events_after(self._job_id, self._read_to)
            self._job = await self._store.find(self._job_id) or self._job
            self._memory.extend(events)
            self._read_to = events[-1].seq if events else self._read_to
            if self._job.last_seq > self._read_to:
                self.stale.set()
        if self._job is None or (self._job.terminal and self._read_to >= self._job.last_seq):
            self._end()
        else:
            self._announce()

    def _end(self) -> None:
        self._ended = True
        self._announce()

    def _announce(self) -> None:
        """Wake everybody who waits in `after`."""
        arrived, self._arrived = self._arrived, asyncio.get_running_loop().create_future()
        arrived.set_result(None)
