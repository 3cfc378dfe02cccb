"""kill -9 in each of the eight stages: the film completes, no shot is drawn twice, no artifact is broken."""

from __future__ import annotations

import asyncio
import signal
import sys
from asyncio.subprocess import Process
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from orchestrator.db.pool import Database
from orchestrator.jobs.model import Job
from orchestrator.jobs.store import JobStore
from tests.e2e.serving import broken_artifacts
from tests.fakes.film_worker import film_kinds
from tools.film import FilmRequest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

ME = "me"
REQUEST = {
    "prompt": "a 3 second film about monarch butterflies at dusk, with subtitles",
    "resolution": "192x108",
    "fps": 12,
    "quality": "draft",
    "rules": {"avg_shot_len_s": 1.5},
}
# Each stage as its last checkpoint but one, so that something is finished and something is not.
MOMENTS = (
    "plan",
    "breakdown",
    "storyboard/S01_SH02",
    "animatic/S01_SH02",
    "final/S01_SH02",
    "post",
    "qc",
    "export",
)


@asynccontextmanager
async def film_worker(dsn: str, folder: Path, dies_at: str = "") -> AsyncIterator[Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.fakes.film_worker", dsn, str(folder), dies_at
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def ended(store: JobStore, job: Job, timeout_s: float = 90) -> Job:
    async with asyncio.timeout(timeout_s):
        while not (now := await store.get(job.id, owner=ME)).terminal:
            await asyncio.sleep(0.05)
        return now


@pytest.mark.parametrize("moment", MOMENTS)
async def test_a_film_survives_kill_9(moment: str, db: Database, tmp_path: Path) -> None:  # C085-C092
    store = JobStore(db, film_kinds(db, tmp_path))
    request = FilmRequest.model_validate(REQUEST)
    job = await store.submit("film.run", request.model_dump(mode="json"), owner=ME)
    async with film_worker(db.dsn, tmp_path, dies_at=moment) as doomed:
        async with asyncio.timeout(60):
            assert await doomed.wait() == -signal.SIGKILL
    await _wait_for_its_children(doomed.pid)
    before = {stage["stage"]: stage for stage in await store.stages(job.id)}
    assert moment not in before
    async with film_worker(db.dsn, tmp_path):
        final = await ended(store, job)
    assert final.status == "succeeded", final.error
    assert final.attempt == 2

    after = {stage["stage"]: stage for stage in await store.stages(job.id)}
    assert {name: after[name] for name in before} == before  # what was finished stayed as it was
    drawn = Counter((tmp_path / "diary").read_text().splitlines())
    assert drawn["segment S01_SH01.mp4"] == drawn["segment S01_SH02.mp4"] == 1
    assert drawn["panel S01_SH01.png"] == 1
    await _check_artifacts(db, tmp_path, final)
    assert list((tmp_path / "work").iterdir()) == []


async def _wait_for_its_children(pid: int) -> None:
    """The kernel ends the render processes of a killed worker; nothing else could."""
    async with asyncio.timeout(5):
        while any(
            command[1:] == ["-m", "orchestrator.films.process", str(pid)]
            for command in (process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"]))
        ):
            await asyncio.sleep(0.02)


async def _check_artifacts(db: Database, folder: Path, job: Job) -> None:
    assert await broken_artifacts(db, folder / "artifacts") == []
    assert job.result is not None
    assert await db.fetchval("SELECT count(*) FROM artifacts WHERE sha256 = $1", job.result["master"]["sha256"]) == 1
    assert _fingerprint(job.result) == _fingerprints.setdefault("first", _fingerprint(job.result))


# All eight films come from one request and one seed, so they are one film, byte for byte.
_fingerprints: dict[str, Any] = {}


def _fingerprint(result: dict[str, Any]) -> Any:
    files = [result[name]["sha256"] for name in ("master", "otio", "edl", "qc", "poster")]
    return files, [board["sha256"] for board in result["storyboard"]], result["seed"]
