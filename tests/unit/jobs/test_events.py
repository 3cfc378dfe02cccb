"""A watcher's events never run ahead of the job that they come with."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import cast
from uuid import UUID

from orchestrator.jobs.events import _Feed
from orchestrator.jobs.model import Job, JobEvent
from orchestrator.jobs.store import JobStore

NOW = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
RUNNING = Job(
    UUID(int=1), "me", "k", "running", 0, 1, 0.5, None, None, {}, None, None, NOW, NOW, NOW, False, last_seq=1
)
DONE = replace(RUNNING, status="succeeded", result={"outputs": ["a"]}, last_seq=2)


class Table:
    """A job that ends right after its row was read for the first time."""

    def __init__(self) -> None:
        self._rows = [RUNNING]

    async def find(self, _: UUID) -> Job:
        return self._rows.pop() if self._rows else DONE

    async def events_after(self, _: UUID, seq: int) -> Sequence[JobEvent]:
        events = [JobEvent(1, "running", None, 0.5, {}, NOW), JobEvent(2, "succeeded", None, 1.0, {}, NOW)]
        return [event for event in events if event.seq > seq]


async def test_the_last_event_comes_with_the_finished_job() -> None:
    feed = _Feed(RUNNING.id, cast(JobStore, Table()))
    seen: list[tuple[str, str]] = []
    async with asyncio.timeout(5):
        seq = 0
        while events := await feed.after(seq):
            seen += [(event.type, feed.job.status) for event in events]
            seq = events[-1].seq
            feed.stale.set()
    feed.close()
    assert seen == [("running", "running"), ("succeeded", "succeeded")]
    assert feed.job.result == {"outputs": ["a"]}
