"""Whole small films through the real worker: files, manifests, edits, cancellation."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import UUID

import av
import opentimelineio as otio
import psutil
import pytest

from orchestrator.artifacts import ArtifactStore
from orchestrator.db.pool import Database
from orchestrator.errors import Conflict
from orchestrator.films.pipeline import STAGES
from orchestrator.films.store import FilmStore
from orchestrator.jobs.model import Job
from orchestrator.jobs.store import JobStore
from orchestrator.jobs.worker import Worker
from tests.fakes.film_worker import film_kinds
from tools.film import FilmRequest

pytestmark = pytest.mark.slow

ME = "me"
SMALL = {"resolution": "192x108", "fps": 12, "quality": "draft"}


@dataclass
class Studio:
    """A worker that makes films, and what one can ask it."""

    jobs: JobStore
    films: FilmStore
    artifacts: ArtifactStore
    folder: Path

    async def start(self, **fields: Any) -> Job:
        request = FilmRequest.model_validate(fields)
        return await self.jobs.submit("film.run", request.model_dump(mode="json"), owner=ME)

    async def make(self, **fields: Any) -> Job:
        return await self.until(await self.start(**fields), lambda job: job.terminal)

    async def until(self, job: Job, holds: Callable[[Job], bool], timeout_s: float = 60) -> Job:
        async with asyncio.timeout(timeout_s):
            while not holds(job):
                await asyncio.sleep(0.03)
                job = await self.jobs.get(job.id, owner=ME)
        return job

    def file(self, link: dict[str, Any]) -> Path:
        return self.artifacts.path(link["sha256"])


@pytest.fixture
async def studio(db: Database, tmp_path: Path) -> AsyncIterator[Studio]:
    kinds = film_kinds(db, tmp_path)
    worker = Worker(db, kinds, concurrency=1)
    running = asyncio.create_task(worker.run())
    try:
        yield Studio(JobStore(db, kinds), FilmStore(db), ArtifactStore(tmp_path / "artifacts", db), tmp_path)
    finally:
        worker.stop()
        await running


async def test_a_film_is_what_was_asked_for(studio: Studio) -> None:  # C045-C048 C053 C054 C085-C099 C101
    job = await studio.make(
        prompt="a film about monarch butterflies. Title: Butterflies.",
        duration=6,
        subtitles_enabled=True,
        resolution="192x108",
        fps=24,
        interpolation=True,
    )
    assert job.status == "succeeded", job.error
    result = job.result
    assert result is not None
    with av.open(str(studio.file(result["master"]))) as film:
        assert [stream.type for stream in film.streams] == ["video", "audio", "subtitle"]
        video, audio = film.streams.video[0], film.streams.audio[0]
        assert (video.width, video.height, video.average_rate) == (192, 108, 24)
        assert abs(audio.duration * audio.time_base - 6) <= 1 / 24
        assert sum(1 for _ in film.decode(video)) == 144
    assert result["film_id"] == str(job.id)
    assert result["title"] == "Butterflies"
    assert result["master"]["frames"] == 144
    assert (result["renderer"], result["fidelity"], result["planned_by"]) == ("procedural-preview", "preview", "rules")
    assert "butterflies" in result["depicted"]
    assert result["effective"]["interpolation"] == "native"
    assert result["qc_ok"]
    assert json.loads(studio.file(result["qc"]).read_text())["ok"]
    assert "-->" in studio.file(result["subtitles"]).read_text()
    timeline = otio.adapters.read_from_string(studio.file(result["otio"]).read_text(), "otio_json")
    assert [track.kind for track in timeline.tracks] == ["Video", "Audio"]
    assert timeline.duration().to_frames() == 144
    edl = otio.adapters.read_from_string(studio.file(result["edl"]).read_text(), "cmx_3600", rate=24)
    assert len(list(edl.find_clips())) == result["shots"]
    for picture in [*result["storyboard"], result["poster"], result["animatic"]]:
        assert studio.file(picture).stat().st_size == picture["bytes"]
    assert list((studio.folder / "work").iterdir()) == []
    shutil.rmtree(studio.folder / "artifacts")
    await _check_rows(studio, job)


async def _check_rows(studio: Studio, job: Job) -> None:  # C096 C098
    """The manifests are in the database, where the API reads them; no file is needed for that."""
    film = await studio.films.get(job.id, owner=ME)
    assert film["status"] == "succeeded"
    assert {"plan", "scenes", "characters", "shots", "edl", "qc", "export"} <= set(film["manifests"])
    for shot in film["shots"]:
        assert all(shot[part] for part in ("storyboard", "animatic", "final", "nodes", "dsl", "seed"))
    assert [scene["key"] for scene in await studio.films.scenes(job.id, owner=ME)] == ["S01", "S02"][
        : len(film["shots"])
    ]
    assert (await studio.films.characters(job.id, owner=ME))[0]["name"] == "Monarch Butterflies"
    stages = [stage["stage"] for stage in await studio.jobs.stages(job.id)]
    assert {stage.split("/")[0] for stage in stages} == set(STAGES)
    events = await studio.jobs.events_after(job.id, 0)
    progress = [event.progress for event in events]
    assert progress == sorted(progress)


async def test_preferences_change_the_film(studio: Studio) -> None:  # C052 C053 C055
    job = await studio.make(
        prompt="a detective enters a diner", duration=2, fps="29.97", resolution="108x192", audio_enabled=False,
        animation_enabled=False, quality="draft", style="noir",
    )  # fmt: skip
    assert job.status == "succeeded", job.error
    assert job.result is not None
    with av.open(str(studio.file(job.result["master"]))) as film:
        assert [stream.type for stream in film.streams] == ["video"]
        assert film.streams.video[0].average_rate.as_integer_ratio() == (30000, 1001)
        pictures = [frame.to_ndarray(format="gray") for frame in film.decode(video=0)]
    assert len(pictures) == 60
    middle = pictures[25:35]
    assert max(abs(a.astype(int) - b.astype(int)).mean() for a, b in pairwise(middle)) < 1
    assert job.result["effective"]["style"] == "noir"


async def test_the_same_request_is_the_same_film_and_nothing_is_drawn_twice(studio: Studio) -> None:  # C140 C141
    wish = {"prompt": "a film about whales", "duration": 3, "seed": 7, "rules": {"avg_shot_len_s": 1.5}, **SMALL}
    first, second = await studio.make(**wish), await studio.make(**wish)
    assert first.result is not None
    assert second.result is not None
    one, two = [await studio.films.get(job.id, owner=ME) for job in (first, second)]
    for kind in ("plan", "scenes", "shots"):
        assert one["manifests"][kind] == two["manifests"][kind]
    assert first.result["master"]["sha256"] == second.result["master"]["sha256"]
    assert [shot["final"]["cache"] for shot in one["shots"]] == [False, False]
    assert [shot["final"]["cache"] for shot in two["shots"]] == [True, True]


async def test_an_edited_scene_draws_only_its_own_shots_again(studio: Studio) -> None:
    first = await studio.make(prompt="A fox wakes up. A storm comes.", duration=8, rules={"avg_shot_len_s": 4}, **SMALL)
    assert first.status == "succeeded", first.error
    scenes = await studio.films.scenes(first.id, owner=ME)
    await studio.films.patch_scene(
        UUID(scenes[1]["id"]), owner=ME, prompt="A lighthouse at night.", plan={"tod": "night"}
    )
    again = await studio.make(film_id=str(first.id))
    assert again.status == "succeeded", again.error
    film = await studio.films.get(first.id, owner=ME)
    assert [(shot["scene_id"], shot["final"]["cache"]) for shot in film["shots"]] == [("S01", True), ("S02", False)]
    assert film["shots"][1]["caption"] == "A lighthouse at night."
    assert again.result is not None
    assert again.result["film_id"] == str(first.id)


async def test_another_length_is_cut_into_as_many_shots_as_it_needs(studio: Studio) -> None:
    first = await studio.make(prompt="A fox wakes up. A storm comes.", duration=8, rules={"avg_shot_len_s": 4}, **SMALL)
    assert first.status == "succeeded", first.error
    await studio.films.patch_film(first.id, {"duration_s": 16}, owner=ME)
    longer = await studio.make(film_id=str(first.id))
    assert longer.status == "succeeded", longer.error
    assert longer.result is not None
    assert (longer.result["shots"], longer.result["master"]["frames"]) == (4, 192)
    await studio.films.patch_film(first.id, {"duration_s": 1, "fps": 1}, owner=ME)
    shorter = await studio.make(film_id=str(first.id))
    assert shorter.error is not None
    assert shorter.error["code"] == "film_too_short"


async def test_a_cancelled_film_stops_drawing(studio: Studio) -> None:
    job = await studio.start(prompt="a film about whales", duration=600, resolution="720p", fps=60)
    await studio.until(job, lambda now: (now.stage or "").startswith("storyboard"))
    await studio.jobs.cancel(job.id, owner=ME)
    children = psutil.Process().children(recursive=True)
    async with asyncio.timeout(15):
        while any("orchestrator.films.process" in " ".join(_command(child)) for child in children):
            await asyncio.sleep(0.05)
    assert (await studio.jobs.get(job.id, owner=ME)).status == "cancelled"


async def test_one_job_at_a_time_works_on_a_film(studio: Studio, db: Database) -> None:
    first = await studio.start(prompt="a film about whales", duration=600, resolution="720p", fps=60)
    await studio.until(first, lambda now: (now.stage or "").startswith("storyboard"))
    other = Worker(db, film_kinds(db, studio.folder), concurrency=1)
    working = asyncio.create_task(other.run())
    try:
        second = await studio.make(film_id=str(first.id))
        assert second.error is not None
        assert second.error["code"] == "film_busy"
        assert str(first.id) in second.error["message"]
        assert (await studio.films.get(first.id, owner=ME))["job_id"] == str(first.id)
        await studio.jobs.cancel(first.id, owner=ME)
        third = await studio.start(film_id=str(first.id))
        await studio.until(third, lambda now: (now.stage or "").startswith("storyboard"))
        assert (await studio.films.get(first.id, owner=ME))["job_id"] == str(third.id)
        with pytest.raises(Conflict, match=str(third.id)):  # what the cancelled job may still want to write
            await studio.films.save_manifest(first.id, "qc", {}, owner=ME, job_id=first.id)
        await studio.jobs.cancel(third.id, owner=ME)
    finally:
        other.stop()
        await working


def _command(process: psutil.Process) -> list[str]:
    try:
        return [] if process.status() == psutil.STATUS_ZOMBIE else process.cmdline()
    except psutil.NoSuchProcess:
        return []


async def test_a_film_that_belongs_to_somebody_else_cannot_be_made_again(studio: Studio) -> None:
    job = await studio.make(film_id="0190f5fe-0000-7000-8000-000000000001")
    assert job.status == "failed"
    assert job.error is not None
    assert job.error["code"] == "not_found"
