"""A picture from a job: the file, its size, its seed, and an honest account of what it shows."""

from __future__ import annotations

import asyncio
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image

from orchestrator.artifacts import ArtifactStore
from orchestrator.db.pool import Database
from orchestrator.images.still import image_kind
from orchestrator.jobs.model import Job
from orchestrator.jobs.store import JobStore
from orchestrator.jobs.worker import Worker


async def draw(db: Database, artifacts: ArtifactStore, **payload: Any) -> Job:
    """Submit a picture and let a worker draw it."""
    kinds = {"image.generate": image_kind(artifacts)}
    jobs = JobStore(db, kinds)
    job = await jobs.submit("image.generate", payload, owner="ann")
    worker = Worker(db, kinds, drain_s=0.2)
    working = asyncio.create_task(worker.run())
    try:
        async with asyncio.timeout(60):
            while not (job := await jobs.get(job.id, owner="ann")).terminal:
                await asyncio.sleep(0.02)
    finally:
        worker.stop()
        await working
    return job


async def test_a_picture_is_drawn_and_says_what_it_is(db: Database, tmp_path: Path) -> None:
    artifacts = ArtifactStore(tmp_path, db)
    prompt = "butterflies over a meadow beside a carburettor"
    job = await draw(db, artifacts, prompt=prompt, width=320, height=200, seed=5, negative_prompt="people")
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


async def test_the_same_request_gives_the_same_picture(db: Database, tmp_path: Path) -> None:
    artifacts = ArtifactStore(tmp_path, db)
    results = [(await draw(db, artifacts, prompt="a lighthouse", width=160, height=96)).result for _ in range(2)]
    assert results[0] is not None
    assert results[0] == results[1]
