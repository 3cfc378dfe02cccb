"""An editor that sends its request again and again while the server is killed under it: one film, not four."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.conftest import open_directory
from tests.e2e.serving import Served, none_left
from tests.fakes.ollama import FakeOllama, Fault

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

# Every attempt finds other words, as models do.
WORDINGS = ("Butterflies over a meadow", "A meadow full of butterflies", "Many butterflies", "Butterflies, a meadow")


@pytest.fixture
async def ollama() -> AsyncIterator[FakeOllama]:
    async with FakeOllama("qwen3:32b", "gpt-oss:20b") as fake:
        yield fake


async def test_re_sends_and_a_kill_start_one_film(ollama: FakeOllama) -> None:
    with open_directory() as data_dir:
        served = Served(
            data_dir, QWEN_BASE_URL=ollama.base_url, GPTOSS_BASE_URL=ollama.base_url,
            QWEN_MODEL_ID="qwen3:32b", GPTOSS_MODEL_ID="gpt-oss:20b",
        )  # fmt: skip
        await asyncio.to_thread(served.start)
        try:
            await _story(served, ollama)
            none_left(served.kill(), data_dir, within_s=20)
        finally:
            served.close()


async def _story(served: Served, ollama: FakeOllama) -> None:
    ollama.fault, ollama.fault_stage = Fault.DRIP, "speak"
    for attempt, wording in enumerate(WORDINGS[:3]):
        ollama.plan = _film(wording)
        spoken = len(ollama.speeches)
        sending = asyncio.create_task(_send(served.url))
        await ollama.until(lambda spoken=spoken: len(ollama.speeches) > spoken, timeout_s=30)
        if attempt == 1:  # in the middle of the answer to the first repetition
            await asyncio.to_thread(served.kill)
        else:
            sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        await ollama.until(lambda: ollama.open == 0, timeout_s=10)  # the server has noticed as well
        if attempt == 1:
            await asyncio.to_thread(served.start)
    ollama.fault = None
    ollama.plan = _film(WORDINGS[3])
    answer = await _send(served.url)
    assert answer["choices"][0]["finish_reason"] == "stop"
    assert len(await _films(served.url)) == 1
    await _send(served.url)  # delivered: the same words are a new turn
    assert len(await _films(served.url)) == 2


def _film(synopsis: str) -> dict[str, Any]:
    args = {"synopsis": synopsis, "duration_s": 1, "resolution": "64x64", "fps": 1}
    return {"action": "call", "calls": [{"tool": "film_run", "args": args}]}


async def _send(url: str) -> Any:
    async with httpx.AsyncClient(timeout=60) as client:
        body = {"messages": [{"role": "user", "content": "Make a short film about butterflies."}]}
        return (await client.post(f"{url}/v1/chat/completions", json=body)).json()


async def _films(url: str) -> list[Any]:
    async with httpx.AsyncClient(timeout=30) as client:
        jobs = (await client.get(f"{url}/jobs")).json()
    return [job for job in jobs["data"] if job["kind"] == "film.run"]
