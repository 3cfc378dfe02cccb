"""The commands that look at model servers, run as a user runs them against fake ones."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

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


async def test_doctor_names_the_line_that_adopts_a_running_ollama(tmp_path: Path) -> None:
    async with FakeOllama("llama3.2:3b", "phi4:14b") as other:
        code, told = await committee(
            "doctor", cwd=tmp_path, QWEN_BASE_URL=other.base_url, GPTOSS_BASE_URL=other.base_url
        )
    assert code == 0, told
    assert "offline stand-in" in told
    assert (
        f"QWEN_BASE_URL={other.base_url} QWEN_MODEL_ID=llama3.2:3b"
        f" GPTOSS_BASE_URL={other.base_url} GPTOSS_MODEL_ID=phi4:14b make run"
    ) in told


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
