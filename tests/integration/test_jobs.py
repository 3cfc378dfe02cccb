"""Jobs in one process: from acceptance to exactly one terminal state."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from orchestrator import telemetry
from orchestrator.db.pool import Database
from orchestrator.errors import BadRequest, NotFound, QueueFull, Unprocessable
from orchestrator.jobs.context import JobContext, LeaseLost
from orchestrator.jobs.model import Job, JobKind
from orchestrator.jobs.store import _SQL, Claim, FinishedStage, JobStore
from orchestrator.jobs.worker import Worker
from tests.fakes.job_kinds import KINDS, Nothing

ME = "me"


@pytest.fixture
def store(db: Database) -> JobStore:
    return JobStore(db, KINDS)


@pytest.fixture
async def worker(db: Database) -> AsyncIterator[Worker]:
    async for running in run_worker(db, KINDS):
        yield running


async def run_worker(db: Database, kinds: dict[str, JobKind], **options: Any) -> AsyncIterator[Worker]:
    worker = Worker(db, kinds, drain_s=0.2, **options)
    task = asyncio.create_task(worker.run())
    try:
        yield worker
    finally:
        worker.stop()
        await task


async def until(holds: Callable[[], Any], timeout_s: float = 20) -> None:
    async with asyncio.timeout(timeout_s):
        while not holds():
            await asyncio.sleep(0.01)


async def ended(store: JobStore, job: Job, timeout_s: float = 20) -> Job:
    async with asyncio.timeout(timeout_s):
        while not (now := await store.get(job.id, owner=ME)).terminal:
            await asyncio.sleep(0.02)
    return now


async def types(store: JobStore, job: Job) -> list[str]:
    events = await store.events_after(job.id, 0)
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    return [event.type for event in events]


# --- acceptance ------------------------------------------------------------------------------------------------


async def test_an_accepted_job_is_a_row_a_queue_row_and_an_event(store: JobStore, db: Database) -> None:  # C061 C082
    before = datetime.now(UTC) - timedelta(seconds=5)
    job = await store.submit("test.steps", {"steps": 1}, owner=ME, priority=3)
    assert job.id.version == 7
    assert (job.status, job.priority, job.attempt, job.progress) == ("queued", 3, 0, 0)
    assert job.created_at > before
    assert await types(store, job) == ["queued"]
    assert await db.fetchval("SELECT count(*) FROM pgqueuer JOIN jobs ON jobs.queue_id = pgqueuer.id") == 1


async def test_an_unknown_kind_is_refused_without_a_trace(store: JobStore, db: Database) -> None:
    with pytest.raises(LookupError):
        await store.submit("no.such", {}, owner=ME)
    assert await db.fetchval("SELECT count(*) FROM jobs") == 0


async def test_a_payload_that_cannot_be_stored_leaves_no_trace(store: JobStore, db: Database) -> None:
    with pytest.raises(BadRequest):
        await store.submit("test.steps", {"diary": "a\0b"}, owner=ME)
    assert await db.fetchval("SELECT count(*) FROM jobs") == 0
    assert await db.fetchval("SELECT count(*) FROM pgqueuer") == 0


async def test_fifty_equal_submits_are_one_job(store: JobStore, db: Database) -> None:
    jobs = await asyncio.gather(
        *(store.submit("test.steps", {"steps": 2}, owner=ME, idempotency_key="k") for _ in range(50))
    )
    assert len({job.id for job in jobs}) == 1
    assert [job.replayed for job in jobs].count(True) == 49
    assert await db.fetchval("SELECT count(*) FROM pgqueuer") == 1
    with pytest.raises(Unprocessable):
        await store.submit("test.steps", {"steps": 3}, owner=ME, idempotency_key="k")
    other = await store.submit("test.steps", {"steps": 3}, owner="another", idempotency_key="k")
    assert not other.replayed


async def test_a_full_queue_says_when_to_come_back(db: Database) -> None:
    store = JobStore(db, KINDS, queue_max=2)
    for _ in range(2):
        await store.submit("test.nothing", {}, owner=ME)
    with pytest.raises(QueueFull) as refusal:
        await store.submit("test.nothing", {}, owner=ME)
    assert 1 <= (refusal.value.retry_after or 0) <= 60


async def test_owners_see_their_own(store: JobStore) -> None:
    job = await store.submit("test.nothing", {}, owner="somebody")
    for look in (store.get, store.cancel):
        with pytest.raises(NotFound):
            await look(job.id, owner=ME)
    with pytest.raises(NotFound):
        await store.get("no uuid", owner=ME)
    assert await store.list(owner=ME) == ([], 0)


async def test_lists_are_filtered_and_paged(store: JobStore) -> None:  # C070 C071 C072 C073
    jobs = [await store.submit("test.nothing", {}, owner=ME) for _ in range(5)]
    await store.cancel(jobs[0].id, owner=ME)
    page, total = await store.list(owner=ME, limit=2, offset=1)
    assert total == 5
    assert [job.id for job in page] == [jobs[4].id, jobs[3].id]  # the cancelled one changed last
    cancelled, total = await store.list(owner=ME, status="cancelled")
    assert ([job.id for job in cancelled], total) == ([jobs[0].id], 1)


# --- running ---------------------------------------------------------------------------------------------------


async def test_a_job_runs_through_its_stages(store: JobStore, worker: Worker, db: Database) -> None:  # C063 C067 C083
    job = await ended(store, await store.submit("test.steps", {"steps": 3}, owner=ME))
    assert (job.status, job.progress, job.attempt, job.error) == ("succeeded", 1.0, 1, None)
    assert job.result == {"outputs": [{"number": 0}, {"number": 1}, {"number": 2}]}
    assert [stage["stage"] for stage in await store.stages(job.id)] == ["step-0", "step-1", "step-2"]
    newest = (await store.checkpoints(job.id))[0]
    assert newest["data"]["output"] == {"number": 2}  # C066
    assert await db.fetchval("SELECT count(*) FROM job_checkpoints WHERE job_id = $1", job.id) == 3
    happened = [name for name in await types(store, job) if name != "progress"]
    assert happened == ["queued", "running", "stage", "stage", "stage", "succeeded"]


async def test_the_queue_is_empty_afterwards(store: JobStore, worker: Worker, db: Database) -> None:
    for job in [await store.submit("test.nothing", {}, owner=ME) for _ in range(20)]:
        await ended(store, job)
    async with asyncio.timeout(5):
        while await db.fetchval("SELECT count(*) FROM pgqueuer"):
            await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    ("how", "code"),
    [
        ("failed", "no_paint"),
        ("no object", "internal_error"),
        ("not json", "internal_error"),
        ("bug", "internal_error"),
    ],
)
async def test_trouble_ends_in_a_failed_job(  # C064
    store: JobStore, worker: Worker, how: str, code: str, caplog: pytest.LogCaptureFixture
) -> None:
    job = await ended(store, await store.submit("test.trouble", {"how": how}, owner=ME))
    assert job.status == "failed"
    assert job.error is not None
    assert job.error["code"] == code
    assert "secret" not in job.error["message"]
    assert job.attempt == (2 if how == "bug" else 1)
    assert (await types(store, job))[-1] == "failed"


async def test_a_handler_that_cancels_itself_fails(store: JobStore, worker: Worker) -> None:
    job = await ended(store, await store.submit("test.trouble", {"how": "cancelled inside"}, owner=ME))
    assert (job.status, job.attempt) == ("failed", 2)


async def test_a_retryable_failure_is_tried_again_later(db: Database) -> None:
    kinds = {"test.trouble": JobKind("test.trouble", KINDS["test.trouble"].payload, KINDS["test.trouble"].run)}
    store = JobStore(db, kinds)
    async for _ in run_worker(db, kinds):
        began = time.monotonic()
        job = await ended(store, await store.submit("test.trouble", {"how": "retry"}, owner=ME))
        assert (job.status, job.result) == ("succeeded", {"attempt": 3})
        assert time.monotonic() - began > 2.5  # 1 s, then 2 s
        assert (await types(store, job)).count("queued") == 3


async def test_priority_decides_the_order(store: JobStore, db: Database, tmp_path: Path) -> None:
    diary = tmp_path / "diary"
    wishes = [await store.submit("test.steps", {"steps": 1}, owner=ME, priority=p) for p in (0, 5, -5, 5)]
    async for _ in run_worker(db, KINDS, concurrency=1):
        done = [await ended(store, job) for job in wishes]
    assert not diary.exists()
    order = sorted(done, key=lambda job: job.started_at or datetime.max.replace(tzinfo=UTC))
    assert [job.id for job in order] == [wishes[i].id for i in (1, 3, 0, 2)]


async def test_one_slot_runs_one_job_at_a_time(store: JobStore, db: Database, tmp_path: Path) -> None:
    diary = tmp_path / "diary"
    jobs = [await store.submit("test.steps", {"steps": 1, "diary": str(diary)}, owner=ME) for _ in range(6)]
    async for _ in run_worker(db, KINDS, concurrency=1):
        for job in jobs:
            await ended(store, job)
    lines = diary.read_text().splitlines()
    assert [line.split()[1] for line in lines] == ["begun", "ended"] * 6


async def test_a_job_waits_for_its_time(store: JobStore, worker: Worker) -> None:
    moment = datetime.now(UTC) + timedelta(seconds=1.5)
    job = await ended(store, await store.submit("test.nothing", {}, owner=ME, execute_after=moment))
    assert job.started_at is not None
    assert moment <= job.started_at < moment + timedelta(seconds=3)


async def test_progress_is_coalesced_and_monotone(store: JobStore, worker: Worker) -> None:
    job = await ended(store, await store.submit("test.chatter", {}, owner=ME))
    assert job.started_at
    assert job.finished_at
    seconds = (job.finished_at - job.started_at).total_seconds()
    events = [event for event in await store.events_after(job.id, 0) if event.type == "progress"]
    assert 1 <= len(events) <= 5 * seconds + 2
    fractions = [event.progress for event in events]
    assert fractions == sorted(fractions)


async def test_log_lines_of_a_handler_carry_the_job(db: Database) -> None:
    seen: list[str | None] = []

    async def look(context: JobContext) -> dict[str, Any]:
        seen.append(telemetry.job_id.get())
        return {}

    kinds = {"look": JobKind("look", Nothing, look)}
    store = JobStore(db, kinds)
    async for _ in run_worker(db, kinds):
        job = await ended(store, await store.submit("look", {}, owner=ME))
    assert seen == [str(job.id)]


async def test_a_job_whose_queue_row_was_lost_is_found(store: JobStore, db: Database) -> None:
    job = await store.submit("test.nothing", {}, owner=ME)
    await db.execute("DELETE FROM pgqueuer")
    await db.execute("UPDATE jobs SET updated_at = now() - interval '1 hour'")
    async for _ in run_worker(db, KINDS):
        assert (await ended(store, job)).status == "succeeded"


# --- cancelling ------------------------------------------------------------------------------------------------


async def test_a_waiting_job_is_cancelled(store: JobStore, db: Database) -> None:  # C065
    job = await store.submit("test.nothing", {}, owner=ME)
    assert (await store.cancel(job.id, owner=ME)).status == "cancelled"
    again = await store.cancel(job.id, owner=ME)
    assert again.status == "cancelled"
    assert await types(store, job) == ["queued", "cancelled"]
    assert await db.fetchval("SELECT count(*) FROM pgqueuer") == 0


async def test_a_cancel_reaches_the_running_handler(db: Database) -> None:  # C062
    running, stopped = asyncio.Event(), asyncio.Event()

    async def sleeper(context: JobContext) -> dict[str, Any]:
        running.set()
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.01)  # cleaning up may await
            stopped.set()
        return {}

    kinds = {"sleep": JobKind("sleep", Nothing, sleeper)}
    store = JobStore(db, kinds)
    async for worker in run_worker(db, kinds):
        job = await store.submit("sleep", {}, owner=ME)
        await running.wait()
        assert (await store.get(job.id, owner=ME)).status == "running"
        began = time.monotonic()
        await store.cancel(job.id, owner=ME)
        await stopped.wait()
        assert time.monotonic() - began < 1.0
        await until(partial(lambda worker: not worker.running, worker))
    assert (await store.get(job.id, owner=ME)).status == "cancelled"
    assert (await types(store, job))[-1] == "cancelled"


async def test_two_hundred_races_between_cancel_and_finish(store: JobStore, worker: Worker) -> None:
    async def race(number: int) -> str:
        job = await store.submit("test.nothing", {}, owner=ME)
        await asyncio.sleep(0.0004 * (number % 60))
        answered = await store.cancel(job.id, owner=ME)
        final = await ended(store, job)
        assert answered.status == final.status
        assert [name for name in await types(store, job) if name in {"succeeded", "cancelled", "failed"}] == [
            final.status
        ]
        return final.status

    outcomes: list[str] = []
    for start in range(0, 240, 8):
        outcomes += await asyncio.gather(*(race(start + i) for i in range(8)))
    assert set(outcomes) == {"succeeded", "cancelled"}, "the races were not close"


# --- fencing and resuming --------------------------------------------------------------------------------------


async def test_a_stale_attempt_writes_nothing(store: JobStore, db: Database) -> None:
    job = await store.submit("test.nothing", {}, owner=ME)
    old = await store.claim(job.id)
    new = await store.claim(job.id)
    assert old is not None
    assert new is not None
    stale, fresh = Claim.of(old), Claim.of(new)
    before = await types(store, job)
    stage = FinishedStage("s", "h", {"from": "stale"}, 0.5, datetime.now(UTC))
    assert not await store.finish_stage(stale, stage)
    assert not await store.write_event(stale, "progress", progress=0.9)
    assert not await store.succeed(stale, {"from": "stale"})
    assert not await store.fail(stale, "c", "m")
    assert not await store.requeue(stale, delay_s=0, handed_back=False, data={})
    with pytest.raises(LeaseLost):
        await JobContext(old, store).event("note", {})
    assert await types(store, job) == before
    assert await store.stages(job.id) == []
    assert await store.succeed(fresh, {"from": "fresh"})
    assert not await store.succeed(fresh, {"from": "fresh, again"})
    assert (await store.get(job.id, owner=ME)).result == {"from": "fresh"}


async def test_a_finished_stage_is_not_run_again_unless_its_inputs_changed(store: JobStore) -> None:
    job = await store.submit("test.nothing", {}, owner=ME)
    runs = []

    async def run() -> dict[str, Any]:
        runs.append(1)
        return {"run": len(runs)}

    for inputs, wanted in [({"a": 1, "b": 2}, 1), ({"b": 2, "a": 1}, 1), ({"a": 2}, 2), ({"a": 2}, 2)]:
        claimed = await store.claim(job.id)
        assert claimed is not None
        assert await JobContext(claimed, store).stage("plan", inputs, run) == {"run": wanted}
    assert len(await store.stages(job.id)) == 1


async def test_a_job_that_keeps_losing_its_worker_is_given_up(store: JobStore, worker: Worker, db: Database) -> None:
    job = await store.submit("test.steps", {}, owner=ME, execute_after=datetime.now(UTC) + timedelta(seconds=1))
    await db.execute("UPDATE jobs SET tries = 5")
    final = await ended(store, job)
    assert (final.status, final.error and final.error["code"]) == ("failed", "attempts_exhausted")


async def test_tries_begin_anew_with_each_finished_stage(store: JobStore) -> None:
    job = await store.submit("test.nothing", {}, owner=ME)
    for _ in range(3):
        claimed = await store.claim(job.id)
    assert claimed is not None
    assert claimed.tries == 3
    assert await store.finish_stage(Claim.of(claimed), FinishedStage("s", "h", {}, 0.1, datetime.now(UTC)))
    again = await store.claim(job.id)
    assert again is not None
    assert (again.attempt, again.tries) == (4, 1)


async def test_a_stopped_worker_hands_its_job_back(store: JobStore, db: Database, tmp_path: Path) -> None:
    hold, diary = tmp_path / "hold", tmp_path / "diary"
    hold.touch()
    wish = {"steps": 3, "diary": str(diary), "hold": str(hold), "hold_at": 1}
    job = await store.submit("test.steps", wish, owner=ME)
    async for _ in run_worker(db, KINDS):
        await until(lambda: diary.exists() and "1 begun" in diary.read_text())
    waiting = await store.get(job.id, owner=ME)
    assert (waiting.status, waiting.tries) == ("queued", 0)
    hold.unlink()
    began = time.monotonic()
    async for _ in run_worker(db, KINDS):
        assert (await ended(store, job)).status == "succeeded"
    assert time.monotonic() - began < 4  # no lease had to run out
    assert diary.read_text().splitlines() == [
        "0 begun in 1", "0 ended in 1", "1 begun in 1",
        "1 begun in 2", "1 ended in 2", "2 begun in 2", "2 ended in 2",
    ]  # fmt: skip


async def test_housekeeping_reads_unfinished_jobs_only(db: Database) -> None:
    """Thousands of jobs that have ended cost the search for orphans nothing."""
    await db.execute(
        """
        INSERT INTO jobs (id, owner, kind, payload, request_hash, status, updated_at)
        SELECT gen_random_uuid(), 'owner ' || n % 100, 'nothing', '{}', n::text,
               CASE WHEN n % 500 = 0 THEN 'queued' ELSE 'succeeded' END, now() - interval '1 hour'
        FROM generate_series(1, 5000) AS n
        """
    )
    await db.execute("ANALYZE jobs")
    lines = await db.fetch(f"EXPLAIN (ANALYZE) {_SQL['without_queue_row']}", 30.0)
    plan = "\n".join(line[0] for line in lines)
    assert "jobs_unfinished" in plan, plan
    assert "Rows Removed by Filter" not in plan, plan
