"""`committee serve` as its own process: started, followed, killed, started again on the same data."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import psutil

from orchestrator.db.embedded import DSN_FILE
from orchestrator.db.pool import Connection, Database

_READY = "Committee server on "


def environment(data_dir: Path) -> dict[str, str]:
    """What a server or a command gets to see: its data, a free port, and no member but the offline ones."""
    kept = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG", "LC_ALL", "TMPDIR"}}
    # Nothing listens on port 9: the members are the offline stand-ins, whatever runs on this machine.
    return kept | {
        "DATA_DIR": str(data_dir),
        "PORT": "0",
        "QWEN_BASE_URL": "http://127.0.0.1:9",
        "GPTOSS_BASE_URL": "http://127.0.0.1:9",
        "PYTHONUNBUFFERED": "1",
    }


def processes_of(data_dir: Path) -> list[psutil.Process]:
    """Everything that runs for this data: by its variables, or, as Postgres has none of them, by its arguments."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.AccessDenied, psutil.NoSuchProcess, psutil.ZombieProcess):
            if process.environ().get("DATA_DIR") == str(data_dir) or f"{data_dir}/" in " ".join(process.cmdline()):
                found.append(process)
    return found


class Served:
    """One `committee serve` after another on one data directory."""

    def __init__(self, data_dir: Path, **variables: str) -> None:
        self.data_dir = data_dir
        self.log = data_dir / "serve.log"
        self._environment = environment(data_dir) | variables
        self._process: subprocess.Popen[str] | None = None
        self.url = ""

    def start(self) -> None:
        """Returns when the server says where it listens."""
        with self.log.open("a") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "orchestrator.cli", "serve"],
                env=self._environment,
                cwd=self.data_dir,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith(_READY):
                self.url = line.removeprefix(_READY).strip()
                return
        raise AssertionError(f"the server ended before it listened: {self.log.read_text()[-2000:]}")

    def kill(self) -> list[psutil.Process]:
        """SIGKILL to the server alone; returns what ran below it, which now only the kernel can end."""
        family = self.family()
        assert self._process is not None
        self._process.kill()
        self.wait()
        return family

    def send(self, signum: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(signum)

    def wait(self, timeout_s: float = 30) -> int:
        """The exit status, once it has ended."""
        assert self._process is not None
        code = self._process.wait(timeout_s)
        if self._process.stdout is not None:
            self._process.stdout.close()
        return code

    def kill_postgres(self) -> set[psutil.Process]:
        """SIGKILL to the embedded Postgres, all of its processes; returns them."""
        postgres = self.children("postgres")
        for process in postgres:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        return postgres

    def children(self, word: str) -> set[psutil.Process]:
        """The processes below the server whose command line has this word in it."""
        found = set()
        for process in self.family():
            with suppress(psutil.NoSuchProcess):
                if word in " ".join(process.cmdline()):
                    found.add(process)
        return found

    def family(self) -> list[psutil.Process]:
        """Every process below the server."""
        assert self._process is not None
        return psutil.Process(self._process.pid).children(recursive=True)

    def close(self) -> None:
        """End it, whatever state it is in."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            self.wait()

    async def connect(self) -> Connection:
        """A connection to its embedded Postgres, as soon as that answers."""
        deadline = time.monotonic() + 20
        while True:
            with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                return await asyncpg.connect((self.data_dir / DSN_FILE).read_text(), timeout=2)
            assert time.monotonic() < deadline, "Postgres does not answer"


def none_left(processes: list[psutil.Process], data_dir: Path, *, within_s: float = 5) -> None:
    """Wait until the processes, and all others that work for this data, are gone."""
    deadline = time.monotonic() + within_s
    _, alive = psutil.wait_procs(processes, timeout=within_s)
    alive = [process for process in alive if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]
    assert not alive, alive
    while left := processes_of(data_dir):
        assert time.monotonic() < deadline, left
        time.sleep(0.05)


async def job_events(http: httpx.AsyncClient, job_id: str) -> AsyncIterator[dict[str, Any]]:
    """All events of a job up to its end, without the snapshot."""
    async with http.stream("GET", f"/jobs/{job_id}/stream", headers={"last-event-id": "0"}) as response:
        assert response.status_code == 200, response.status_code
        async for line in response.aiter_lines():
            if line.startswith("data: {") and (event := json.loads(line[6:]))["type"] != "snapshot":
                yield event


async def broken_artifacts(database: Connection | Database, folder: Path) -> list[str]:
    """Names of recorded artifacts whose file is missing, cut short or other than its digest says."""
    broken = []
    for row in await database.fetch("SELECT sha256, bytes, name FROM artifacts"):
        path = folder / row["sha256"][:2] / row["sha256"]
        data = path.read_bytes() if path.exists() else b""
        if (len(data), hashlib.sha256(data).hexdigest()) != (row["bytes"], row["sha256"]):
            broken.append(row["name"])
    return broken
