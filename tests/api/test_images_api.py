"""`/v1/images/generations` with the official client: real jobs, drawn by a real worker."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI
from PIL import Image

from orchestrator.images.still import image_kind
from orchestrator.jobs.model import JobFailed, JobKind
from orchestrator.jobs.worker import Worker
from orchestrator.settings import JobSettings
from tests.api.conftest import Server, StartServer
from tests.fakes.ollama import FakeOllama

Run = Callable[[Any], Coroutine[Any, Any, dict[str, Any]]]


@asynccontextmanager
async def working(server: Server, tmp_path: Path, run: Run | None = None) -> AsyncIterator[None]:
    """A worker that draws, or does what `run` says instead."""
    kind = image_kind(server.artifacts, tmp_path / "work")
    if run is not None:
        kind = JobKind(kind.name, kind.payload, run, max_attempts=1)
    worker = Worker(server.db, {kind.name: kind}, concurrency=2, drain_s=0.2)
    task = asyncio.create_task(worker.run())
    try:
        yield
    finally:
        worker.stop()
        await task


def client(server: Server) -> AsyncOpenAI:
    return AsyncOpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0)


async def until_jobs(server: Server, count: int) -> None:
    async with asyncio.timeout(10):
        while await server.job_count() < count:
            await asyncio.sleep(0.01)


async def test_pictures_as_base64(server: Server, tmp_path: Path) -> None:  # K009
    async with working(server, tmp_path), client(server) as sdk:
        found = await sdk.images.generate(
            model="image.generate", prompt="a red house", n=2, size="160x96", response_format="b64_json", user="ann"
        )
    assert found.data is not None
    pictures = [Image.open(BytesIO(base64.b64decode(item.b64_json or ""))) for item in found.data]
    assert [(picture.format, picture.size) for picture in pictures] == [("PNG", (160, 96))] * 2
    assert pictures[0].tobytes() != pictures[1].tobytes()
    assert found.model_extra is not None
    assert found.model_extra["fidelity"] == "preview"
    assert found.data[0].model_extra is not None
    assert found.data[0].model_extra["fidelity"] == "preview"


async def test_a_picture_by_its_address(server: Server, tmp_path: Path) -> None:
    async with working(server, tmp_path), client(server) as sdk:
        found = await sdk.images.generate(prompt="a red house", size="128x128", extra_body={"seed": 7})
        again = await sdk.images.generate(prompt="a red house", size="128x128", extra_body={"seed": 7})
    assert found.data is not None
    assert again.data is not None
    url = found.data[0].url
    assert url is not None
    assert url.startswith(f"{server.url}/artifacts/")
    async with server.http.get(url) as response:
        assert response.headers["content-type"] == "image/png"
        assert Image.open(BytesIO(await response.read())).size == (128, 128)
    assert again.data[0].url == url  # the same words and seed give the same picture
    assert await server.job_count() == 2  # and an answered request is over: asking again is a new job


async def test_a_picture_that_takes_too_long_names_its_job(start_server: StartServer) -> None:
    server = await start_server(jobs_settings=JobSettings(image_wait_s=0.2))
    async with client(server) as sdk:
        with pytest.raises(openai.InternalServerError) as late:
            await sdk.images.generate(prompt="a red house")
        assert (late.value.status_code, late.value.code) == (504, "timeout")
        error = late.value.body
        assert isinstance(error, dict)
        assert error["job_ids"] == [error["job_id"]]
        status, job = await server.get(error["urls"][0]["self"])
        assert (status, job["status"]) == (200, "queued")
        # What was not delivered is waited for again, not begun anew.
        with pytest.raises(openai.InternalServerError) as again:
            await sdk.images.generate(prompt="a red house")
        assert isinstance(again.value.body, dict)
        assert again.value.body["job_id"] == error["job_id"]
    assert await server.job_count() == 1


async def test_a_client_that_goes_away_cancels_nothing(server: Server, tmp_path: Path) -> None:
    asked = asyncio.create_task(server.post("/v1/images/generations", {"prompt": "a red house", "size": "96x96"}))
    await until_jobs(server, 1)
    asked.cancel()
    await asyncio.gather(asked, return_exceptions=True)
    async with working(server, tmp_path):
        status, answer = await server.post("/v1/images/generations", {"prompt": "a red house", "size": "96x96"})
    assert status == 200
    assert await server.job_count() == 1
    assert (await server.jobs.get(answer["data"][0]["job_id"], owner="local")).status == "succeeded"


async def test_a_picture_that_fails_says_why(server: Server, tmp_path: Path) -> None:
    async def fail(_: Any) -> dict[str, Any]:
        raise JobFailed("render_failed", "no paint left")

    async with working(server, tmp_path, fail):
        for _ in range(2):
            status, answer = await server.post("/v1/images/generations", {"prompt": "a red house"})
            assert (status, answer["error"]["code"]) == (500, "render_failed")
            assert "no paint left" in answer["error"]["message"]
            assert answer["error"]["job_id"]
    assert await server.job_count() == 2  # a failure is an answer; to ask again is to try again


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        ({}, 400, "prompt"),
        ({"prompt": "  "}, 400, "prompt"),
        ({"prompt": 5}, 400, "prompt"),
        ({"prompt": "x" * 8001}, 400, "prompt"),
        ({"prompt": "x", "n": 0}, 400, "n"),
        ({"prompt": "x", "n": 11}, 400, "n"),
        ({"prompt": "x", "size": "huge"}, 400, "size"),
        ({"prompt": "x", "size": "5000x100"}, 400, "size"),
        ({"prompt": "x", "size": "10x10"}, 400, "size"),
        ({"prompt": "x", "seed": -1}, 400, "seed"),
        ({"prompt": "x", "response_format": "gif"}, 400, "response_format"),
        ({"prompt": "x", "output_format": "webp"}, 400, "output_format"),
        ({"prompt": "x", "stream": True}, 400, "stream"),
        ({"prompt": "x", "model": "sdxl"}, 404, "model"),
    ],
)
async def test_bad_input(server: Server, body: dict[str, Any], status: int, param: str) -> None:
    answered, answer = await server.post("/v1/images/generations", body)
    assert (answered, answer["error"]["param"]) == (status, param)
    assert await server.job_count() == 0


async def test_a_picture_asked_for_in_a_chat(
    model_server: Server, ollamas: tuple[FakeOllama, FakeOllama], tmp_path: Path
) -> None:  # K004
    """Both members propose the call; the server starts the job, and the job draws the picture."""
    for ollama in ollamas:
        call = {"tool": "image_generate", "args": {"prompt": "a red house", "width": 96, "height": 64}}
        ollama.plan = {"action": "call", "calls": [call]}
    async with client(model_server) as sdk, working(model_server, tmp_path):
        answer = await sdk.chat.completions.create(
            model="committee", messages=[{"role": "user", "content": "Draw me a red house."}]
        )
        assert answer.model_extra is not None
        [result] = answer.model_extra["committee"]["tool_results"]
        assert result["name"] == "image_generate"
        async with asyncio.timeout(60):
            while not (job := await model_server.jobs.get(result["job_ids"][0], owner="local")).terminal:
                await asyncio.sleep(0.02)
    assert (job.kind, job.status) == ("image.generate", "succeeded")
    assert job.result is not None
    assert job.result["image"]["width"] == 96
