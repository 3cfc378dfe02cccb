"""The commands that look at model servers, run as a user runs them against fake ones."""

from __future__ import annotations

import asyncio
import itertools
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path

import pytest
from aiohttp import web

from committee import MemberHealth
from orchestrator.db.embedded import DSN_FILE
from tests.fakes.ollama import FakeOllama


async def committee(*arguments: str, cwd: Path, **variables: str) -> tuple[int, str]:
    """Run the command; the exit code and everything it printed, on one line."""
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ} | {"COLUMNS": "200"}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "orchestrator.cli",
        *arguments,
        cwd=cwd,
        env=environment | {"DATA_DIR": str(cwd), "PORT": "9"} | variables,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(60):
        output, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, " ".join(output.decode().split())


@asynccontextmanager
async def running_server(*, database_ok: bool = True) -> AsyncIterator[int]:
    """The port of a server that was started with other variables than ours."""
    real = MemberHealth("qwen3", "ollama", None, "mistral:7b", "mistral:7b", True, True, 8192)
    rules = MemberHealth("gptoss", "offline", None, "gpt-oss:20b", "offline-rules", True, True, stand_in=True)
    views = [{name: value for name, value in asdict(member).items() if name != "base_url"} for member in (real, rules)]
    looks = itertools.count()

    async def healthz(_: web.Request) -> web.Response:
        body = {
            "ok": database_ok,
            "openai_compat": True,
            "database": {"ok": database_ok, "kind": "embedded"},
            "members": views if next(looks) else [],  # the first look does not wait for the members
        }
        return web.json_response(body, status=200 if database_ok else 503)

    app = web.Application()
    app.router.add_get("/healthz", healthz)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()


async def test_doctor_shows_members_and_the_context_really_loaded(tmp_path: Path) -> None:
    async with FakeOllama("qwen3:32b") as qwen, FakeOllama("gpt-oss:20b") as gptoss:
        qwen.loaded["qwen3:32b"] = 4096
        code, told = await committee(
            "doctor", cwd=tmp_path, QWEN_BASE_URL=qwen.base_url, GPTOSS_BASE_URL=gptoss.base_url
        )
    assert code == 0, told
    assert f"qwen3:32b at {qwen.base_url} (ollama)" in told
    assert "context really loaded: 4096 tokens" in told
    assert f"gpt-oss:20b at {gptoss.base_url} (ollama); not loaded yet" in told
    # The specified tag is not installed; its nearest relative is used, and that is said.
    assert "qwen3:32b-instruct-q4_K_M" in told


async def test_doctor_names_the_lines_that_adopt_a_running_ollama(tmp_path: Path) -> None:
    async with FakeOllama("llama3.2:3b", "phi4:14b") as other:
        both = {"QWEN_BASE_URL": other.base_url, "GPTOSS_BASE_URL": other.base_url}
        code, told = await committee("doctor", cwd=tmp_path, **both)
        assert code == 0, told
        assert "offline stand-in" in told
        lines = (
            f"QWEN_BASE_URL={other.base_url}",
            "QWEN_MODEL_ID=llama3.2:3b",
            f"GPTOSS_BASE_URL={other.base_url}",
            "GPTOSS_MODEL_ID=phi4:14b",
        )
        assert (
            f"To use the Ollama at {other.base_url}, have these lines in .env: {' '.join(lines)} then: make run" in told
        )
        # Once they are there, every command agrees.
        (tmp_path / ".env").write_text("\n".join(lines))
        code, told = await committee("doctor", cwd=tmp_path)
    assert code == 0, told
    assert f"llama3.2:3b at {other.base_url} (ollama)" in told
    assert "offline stand-in" not in told


async def test_doctor_shows_what_the_running_server_sees(tmp_path: Path) -> None:
    async with FakeOllama("qwen3:32b") as ours, running_server() as port:
        code, told = await committee(
            "doctor",
            cwd=tmp_path,
            PORT=str(port),
            QWEN_BASE_URL=ours.base_url,
            DATABASE_URL="postgresql://me@127.0.0.1:9/x",
        )
    assert code == 0, told
    assert f"answers at http://127.0.0.1:{port}; database and members below are as the running server sees them" in told
    assert "as set here, where the server may have other settings: 127.0.0.1" in told
    assert "DATABASE_URL does not answer" not in told
    assert "Postgres 18 with pgvector" in told
    assert "mistral:7b (ollama); loaded; context really loaded: 8192 tokens" in told
    assert "offline stand-in: it follows rules" in told
    assert f"qwen3:32b at {ours.base_url} (ollama)" not in told


async def test_doctor_believes_a_server_that_has_lost_its_database(tmp_path: Path) -> None:
    async with running_server(database_ok=False) as port:
        code, told = await committee("doctor", cwd=tmp_path, PORT=str(port))
    assert code == 1
    assert "the running server's database does not answer" in told


async def test_doctor_without_anything_says_what_to_install(tmp_path: Path) -> None:
    code, told = await committee(
        "doctor", cwd=tmp_path, QWEN_BASE_URL="http://127.0.0.1:9", GPTOSS_BASE_URL="http://127.0.0.1:9"
    )
    assert code == 0, told
    assert "ollama serve" in told
    assert "make run" in told


async def test_doctor_finds_a_database_that_does_not_answer(tmp_path: Path) -> None:
    code, told = await committee("doctor", cwd=tmp_path, DATABASE_URL="postgresql://me:hidden-word@127.0.0.1:9/x")
    assert code == 1
    assert "DATABASE_URL does not answer" in told
    assert "hidden-word" not in told


async def test_pull_falls_back_within_the_family(tmp_path: Path) -> None:
    async with FakeOllama("x") as qwen, FakeOllama("x") as gptoss:
        qwen.refuse_pull = {"qwen3:32b-instruct-q4_K_M"}
        code, told = await committee("pull", cwd=tmp_path, QWEN_BASE_URL=qwen.base_url, GPTOSS_BASE_URL=gptoss.base_url)
        assert code == 0, told
        assert "qwen3:32b-q4_K_M" in qwen.installed
        assert "gpt-oss:20b" in gptoss.installed
    assert "set QWEN_MODEL_ID=qwen3:32b-q4_K_M" in told
    assert "━" not in told  # a bar is for terminals
    assert "gpt-oss:20b pulling abc 60 %" in told


async def test_pull_says_which_server_is_missing(tmp_path: Path) -> None:
    code, told = await committee(
        "pull", cwd=tmp_path, QWEN_BASE_URL="http://127.0.0.1:9", GPTOSS_BASE_URL="http://127.0.0.1:9"
    )
    assert code == 1
    assert "No Ollama answers at http://127.0.0.1:9" in told
    assert "Traceback" not in told


async def test_a_command_without_its_server_is_one_clear_line(tmp_path: Path) -> None:
    code, told = await committee("jobs", "list", cwd=tmp_path)
    assert code == 2
    assert told.startswith("committee: The server at http://127.0.0.1:9")


async def test_a_film_about_nothing_is_one_clear_line(tmp_path: Path) -> None:
    for nothing in ("", "  "):
        code, told = await committee("film", nothing, cwd=tmp_path)
        assert code == 2
        assert told == 'committee: Say what the film is about, for example: committee film "a lighthouse in a storm"'


@pytest.mark.parametrize("embedded", [False, True])
async def test_a_worker_says_that_it_works_and_on_which_database(pg_dsn: str, tmp_path: Path, embedded: bool) -> None:
    variables = {"DATA_DIR": str(tmp_path)}
    if embedded:
        (tmp_path / DSN_FILE).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / DSN_FILE).write_text(pg_dsn)
    else:
        variables["DATABASE_URL"] = pg_dsn
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "orchestrator.cli",
        "worker",
        env={"PATH": os.environ["PATH"], **variables},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(30):
            line = (await process.stdout.readline()).decode()
    finally:
        process.terminate()
        await process.communicate()
    kind = f"the embedded database in {tmp_path}" if embedded else "your Postgres (DATABASE_URL)"
    assert line == f"Committee worker: runs up to 2 jobs at a time from {kind}\n"
    assert process.returncode == 0


async def test_pull_goes_where_the_server_would_find_the_member(tmp_path: Path) -> None:
    async with FakeOllama("x") as only:
        code, told = await committee(
            "pull", cwd=tmp_path, QWEN_BASE_URL=only.base_url, GPTOSS_BASE_URL="http://127.0.0.1:9"
        )
        assert code == 0, told
        assert {"qwen3:32b-instruct-q4_K_M", "gpt-oss:20b"} <= set(only.installed)
    assert f"Nothing answers at http://127.0.0.1:9 (GPTOSS_BASE_URL); {only.base_url} serves this member too" in told


async def test_pull_insists_on_an_address_that_is_fixed_to_ollama(tmp_path: Path) -> None:
    async with FakeOllama("x") as only:
        code, told = await committee(
            "pull", cwd=tmp_path, QWEN_BASE_URL=only.base_url, GPTOSS_BASE_URL="http://127.0.0.1:9", GPTOSS_API="ollama"
        )
        assert "gpt-oss:20b" not in only.installed
    assert code == 1
    assert "No Ollama answers at http://127.0.0.1:9" in told
