"""The README says only what is true: its examples are taken from it and run."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from pathlib import Path
from typing import Any

from tests.api.conftest import Server

README = (Path(__file__).resolve().parents[2] / "README.md").read_text()


def _bodies(route: str) -> list[Any]:
    """The JSON bodies of the README's curl commands for `route`."""
    found = re.findall(rf"curl[^\n]*{route} (?:[^\n]*\\\n)?[^\n]*?-d '(\{{.*?\}})'", README, re.DOTALL)
    assert found
    return [json.loads(body) for body in found]


async def test_the_single_sentence_becomes_the_film_that_it_asks_for(server: Server) -> None:  # C028 C029
    (body,) = _bodies("/v1/chat/completions")
    status, answer = await server.post("/v1/chat/completions", body)
    assert status == 200
    told = answer["choices"][0]["message"]["content"]
    (job_id,) = re.findall(r"\*\*jobs\*\*: `([0-9a-f-]{36})`", told)
    _, job = await server.get(f"/jobs/{job_id}")
    payload = job["payload"]
    assert payload["title"] == "Butterflies"
    assert (payload["duration_s"], payload["fps"]) == (180, 60)
    assert (payload["width"], payload["height"]) == (3840, 2160)
    assert payload["interpolate"] is True
    assert payload["motion_smoothing"] is True
    # What the README shows as the answer is this answer, but for ids, address and this machine's speed.
    (shown,) = re.findall(r"```markdown\n(.*?)```", README, re.DOTALL)
    assert _without_ids(shown) == _without_ids(told)


async def test_the_job_example_is_accepted(server: Server) -> None:  # C061
    (body,) = _bodies("localhost:8000/jobs")
    status, job = await server.post("/jobs", body)
    assert (status, job["status"]) == (202, "queued")


async def test_the_sdk_example_prints_an_answer(server: Server) -> None:  # K009, C024
    (example,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    code = example.replace("http://localhost:8000", server.url)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(30):
        output, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    assert "offline stand-in" in output.decode()


def _without_ids(text: str) -> str:
    text = re.sub(r"about \d+ minutes", "about N minutes", text)  # it depends on the cores
    text = re.sub(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", "ID", text)
    return " ".join(re.sub(r"http://[^/]+/", "http://HOST/", text).split())
