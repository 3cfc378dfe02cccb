"""Workers and servers killed, stopped and frozen while a job runs."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from orchestrator.db.embedded import EmbeddedPostgres
from orchestrator.db.migrations import migrate
from orchestrator.db.pool import Database
from orchestrator.errors import DatabaseUnavailable
from orchestrator.jobs.model import Job
from orchestrator.jobs.store import JobStore
from tests.fakes.job_kinds import KINDS
from tests.integration.test_database import frozen

pytestmark = pytest.mark.slow

ME = "me"


@asynccontextmanager
async def worker_process(dsn: str) -> AsyncIterator[Process]:
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "tests.fakes.job_kinds", dsn)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


class Held:
    """A job that waits in its second stage until it is let go."""

    def __init__(self, folder: Path) -> None:
        self.diary = folder / "diary"
        self.hold = folder / "hold"
        self.hold.touch()

    @property
    def wish(self) -> dict[str, Any]:
        return {"steps": 3, "diary": str(self.diary), "hold": str(self.hold), "hold_at": 1}

    @property
    def lines(self) -> list[str]:
        return self.diary.read_text().splitlines() if self.diary.exists() else []

    def let_go(self) -> None:
        self.hold.unlink()


async def until(holds: Callable[[], Any], timeout_s: float = 30) -> None:
    async with asyncio.timeout(timeout_s):
        while not holds():
            await asyncio.sleep(0.02)


async def ended(store: JobStore, job: Job, timeout_s: float = 40) -> Job:
    async with asyncio.timeout(timeout_s):
        while True:
            try:
                if (now := await store.get(job.id, owner=ME)).terminal:
                    return now
            except DatabaseUnavailable:
                pass
            await asyncio.sleep(0.05)


async def test_a_killed_workers_job_resumes_at_its_last_finished_stage(  # C063 K007
    db: Database, tmp_path: Path
) -> None:
    store, held = JobStore(db, KINDS), Held(tmp_path)
    job = await store.submit("test.steps", held.wish, owner=ME)
    async with worker_process(db.dsn) as first, worker_process(db.dsn) as second:
        await until(lambda: "1 begun in 1" in held.lines)
        # Whichever of the two works on it dies; the other, or a third one, takes over.
        first.kill()
        second.kill()
        killed = time.monotonic()
        async with worker_process(db.dsn):
            await until(lambda: "1 begun in 2" in held.lines)
            pick_up_s = time.monotonic() - killed
            print(f"picked up after {pick_up_s:.1f} s")
            held.let_go()
            final = await ended(store, job)
    assert final.status == "succeeded"
    assert pick_up_s < 10
    assert held.lines == [
        "0 begun in 1", "0 ended in 1", "1 begun in 1",
        "1 begun in 2", "1 ended in 2", "2 begun in 2", "2 ended in 2",
    ]  # fmt: skip
    events = await store.events_after(job.id, 0)
    assert [event.seq for event in events] == list(range(1, len(events) + 1))


async def test_a_worker_that_was_stopped_for_long_is_fenced(db: Database, tmp_path: Path) -> None:
    store, held = JobStore(db, KINDS), Held(tmp_path)
    job = await store.submit("test.steps", held.wish, owner=ME)
    async with worker_process(db.dsn) as stale:
        await until(lambda: "1 begun in 1" in held.lines)
        stale.send_signal(signal.SIGSTOP)
        async with worker_process(db.dsn):
            await until(lambda: "1 begun in 2" in held.lines)
            stale.send_signal(signal.SIGCONT)
            # It finds its lease gone, drops the job and leaves the successor's queue row alone.
            leased = (
                "SELECT count(*) FROM pgqueuer WHERE status = 'picked' AND heartbeat > now() - interval '6 seconds'"
            )
            deadline = time.monotonic() + 5
            while time.monotonic() < deadline:
                assert await db.fetchval(leased) == 1
                await asyncio.sleep(0.1)
            held.let_go()
            final = await ended(store, job)
            await until(lambda: "2 ended in 2" in held.lines)
    assert final.status == "succeeded"
    assert not [line for line in held.lines if line.endswith("in 1")][3:]
    assert {stage["attempt"] for stage in (await store.stages(job.id))[1:]} == {2}
    assert await db.fetchval("SELECT count(*) FROM job_events WHERE type = 'succeeded'") == 1


async def test_a_handler_that_blocks_its_event_loop_keeps_the_lease(db: Database, tmp_path: Path) -> None:
    store, held = JobStore(db, KINDS), Held(tmp_path)
    held.let_go()
    job = await store.submit("test.steps", {**held.wish, "block_s": 10.0}, owner=ME)
    async with worker_process(db.dsn), worker_process(db.dsn):
        final = await ended(store, job)
    # Without heartbeats from a thread the lease would run out after 6 s, and the other worker would begin again.
    assert (final.status, final.attempt) == ("succeeded", 1)


async def test_sigterm_hands_the_lease_back(db: Database, tmp_path: Path) -> None:
    store, held = JobStore(db, KINDS), Held(tmp_path)
    job = await store.submit("test.steps", held.wish, owner=ME)
    async with worker_process(db.dsn) as worker:
        await until(lambda: "1 begun in 1" in held.lines)
        worker.terminate()
        async with asyncio.timeout(10):
            assert await worker.wait() == 0
    assert (await store.get(job.id, owner=ME)).status == "queued"
    held.let_go()
    began = time.monotonic()
    async with worker_process(db.dsn):
        assert (await ended(store, job)).status == "succeeded"
    assert time.monotonic() - began < 5  # a worker's start, no lease


async def test_jobs_outlive_a_frozen_postgres(postgres: EmbeddedPostgres, db: Database, tmp_path: Path) -> None:
    store, held = JobStore(db, KINDS), Held(tmp_path)
    job = await store.submit("test.steps", held.wish, owner=ME)
    async with worker_process(db.dsn):
        await until(lambda: "1 begun in 1" in held.lines)
        with frozen(postgres):
            held.let_go()
            await asyncio.sleep(8)  # longer than a lease and than every deadline
        final = await ended(store, job)
    assert final.status == "succeeded"
    assert held.lines.count("0 begun in 1") == 1


async def test_jobs_outlive_a_killed_postgres(data_dir: Path, tmp_path: Path) -> None:
    server = EmbeddedPostgres(data_dir)
    await server.start()
    try:
        await migrate(server.dsn)
        db = await Database.open(server.dsn)
        store, held = JobStore(db, KINDS), Held(tmp_path)
        job = await store.submit("test.steps", held.wish, owner=ME)
        later = await store.submit("test.nothing", {}, owner=ME, priority=-1)
        async with worker_process(server.dsn):
            await until(lambda: "1 begun in 1" in held.lines)
            killed = server.pid
            assert killed is not None
            os.kill(killed, signal.SIGKILL)
            began = time.monotonic()
            await until(lambda: server.pid != killed)
            held.let_go()
            final = await ended(store, job)
            assert time.monotonic() - began < 15
            assert (await ended(store, later)).status == "succeeded"
            fresh = await store.submit("test.nothing", {}, owner=ME)
            assert (await ended(store, fresh, timeout_s=10)).status == "succeeded"
        assert (final.status, final.attempt) == ("succeeded", 1)
        assert [line for line in held.lines if line.startswith("0 begun")] == ["0 begun in 1"]
        await db.close()
    finally:
        await server.stop()
