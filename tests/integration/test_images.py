"""A picture from a job: the file, its size, its seed, and an honest account of what it shows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any

import psutil
import pytest
from PIL import Image

from orchestrator.artifacts import ArtifactStore
from orchestrator.db.pool import Database
from orchestrator.images.still import image_kind
from orchestrator.jobs.model import Job
from orchestrator.jobs.store import JobStore
from orchestrator.jobs.worker import Worker


@pytest.fixture
async def jobs(db: Database, tmp_path: Path) -> AsyncIterator[JobStore]:
    """Where pictures are ordered; a worker draws them, one at a time."""
    kinds = {"image.generate": image_kind(ArtifactStore(tmp_path / "artifacts", db), tmp_path / "work")}
    worker = Worker(db, kinds, concurrency=1, drain_s=0.2)
    working = asyncio.create_task(worker.run())
    try:
        yield JobStore(db, kinds)
    finally:
        worker.stop()
        await working


async def draw(jobs: JobStore, **payload: Any) -> Job:
    """Order a picture and wait for it."""
    job = await jobs.submit("image.generate", payload, owner="ann")
    async with asyncio.timeout(60):
        while not (job := await jobs.get(job.id, owner="ann")).terminal:
            await asyncio.sleep(0.02)
    return job


async def test_a_picture_is_drawn_and_says_what_it_is(jobs: JobStore, db: Database, tmp_path: Path) -> None:
    artifacts = ArtifactStore(tmp_path / "artifacts", db)
    prompt = "butterflies over a meadow beside a carburettor"
    job = await draw(jobs, prompt=prompt, width=320, height=200, seed=5, negative_prompt="people")
    assert job.status == "succeeded", job.error
    result = job.result
    assert result is not None
    assert result["fidelity"] == "preview"
    assert any("butterfl" in thing for thing in result["depicted"])
    assert any("carburettor" in thing for thing in result["not_depicted"])
    assert result["not_honoured"] == ["negative_prompt"]
    _, path = await artifacts.find(result["image"]["sha256"], result["image"]["name"], owner="ann")
    data = await asyncio.to_thread(path.read_bytes)
    picture = Image.open(BytesIO(data))
    assert (picture.format, picture.size, picture.mode) == ("PNG", (320, 200), "RGB")
    colours = picture.resize((32, 20)).getcolors(32 * 20)
    assert colours is not None
    assert len(colours) > 20  # not an empty card


async def test_the_same_request_gives_the_same_picture(jobs: JobStore) -> None:
    results = [(await draw(jobs, prompt="a lighthouse", width=160, height=96)).result for _ in range(2)]
    assert results[0] is not None
    assert results[0] == results[1]


async def test_a_cancelled_picture_is_drawn_no_further(jobs: JobStore, tmp_path: Path) -> None:
    big = await jobs.submit("image.generate", {"prompt": "a lighthouse", "width": 4096, "height": 4096}, owner="ann")
    await until(lambda: len(drawing()) == 1)
    await jobs.cancel(big.id, owner="ann")
    await until(lambda: drawing() == [])
    assert (await jobs.get(big.id, owner="ann")).status == "cancelled"
    next_one = await draw(jobs, prompt="a lighthouse", width=160, height=96)
    assert next_one.status == "succeeded", next_one.error
    assert list((tmp_path / "work").iterdir()) == []


def drawing() -> list[int]:
    """Our child processes that draw pictures."""
    found = []
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if child.status() != psutil.STATUS_ZOMBIE and "orchestrator.images.process" in child.cmdline():
                found.append(child.pid)
    return found


async def until(holds: Callable[[], bool], timeout_s: float = 20) -> None:
    async with asyncio.timeout(timeout_s):
        while not holds():
            await asyncio.sleep(0.01)
