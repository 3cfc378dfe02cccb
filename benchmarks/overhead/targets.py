"""What is measured: a byte relay as the floor, our application, and LiteLLM's proxy; each a process of its own."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

import psutil

from benchmarks.overhead.mock import MODELS

LITELLM_KEY = "sk-overhead-benchmark"
_READY_S = 180.0


@dataclass
class Target:
    """A running process that listens on `port`."""

    port: int
    process: psutil.Process

    def cpu_s(self) -> float:
        """CPU seconds so far, of all threads and children."""
        return sum(map(_cpu_s, [self.process, *self.process.children(recursive=True)]))

    def memory_mib(self) -> float:
        """Resident memory that is the process's own (shared pages of libraries and executables left out)."""
        return sum(p.memory_full_info().uss for p in [self.process, *self.process.children(recursive=True)]) / 2**20


def _cpu_s(process: psutil.Process) -> float:
    """To the nanosecond where Linux tells; the usual clock ticks in steps of 10 ms."""
    try:
        tasks = Path(f"/proc/{process.pid}/task").iterdir()
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9
    except (OSError, ValueError):
        times = process.cpu_times()
        return float(times.user + times.system)


@contextmanager
def python(role: str, *arguments: object, cpus: Sequence[int] = ()) -> Iterator[Target]:
    """One of our own roles; it prints its port when it listens."""
    command = [sys.executable, "-m", "benchmarks.overhead", "--role", role, *map(str, arguments)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    with _stopped(process):
        assert process.stdout is not None
        port = int(process.stdout.readline())
        yield _pinned(Target(port, psutil.Process(process.pid)), cpus)


@contextmanager
def litellm(executable: Path, upstream: int, cpus: Sequence[int] = ()) -> Iterator[Target]:
    """LiteLLM's proxy with one worker and its quietest logging, in front of the mock's OpenAI side."""
    port = _free_port()
    config = {
        "model_list": [
            {"model_name": name, "litellm_params": {
                "model": f"openai/{name}", "api_base": f"http://127.0.0.1:{upstream}/v1", "api_key": "none"}}
            for name in MODELS
        ],
        "general_settings": {"master_key": LITELLM_KEY},
        "litellm_settings": {"set_verbose": False, "json_logs": False},
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "config.yaml"
        file.write_text(json.dumps(config))  # JSON is YAML, too
        command = [str(executable), "--config", str(file), "--host", "127.0.0.1", "--port", str(port)]
        environment = {"PATH": f"{executable.parent}:/usr/bin:/bin", "HOME": folder, "LITELLM_LOG": "ERROR",
                       "LITELLM_TELEMETRY": "False", "LITELLM_LOCAL_MODEL_COST_MAP": "True"}  # fmt: skip
        log = Path(folder) / "log"
        with log.open("w") as output:
            process = subprocess.Popen(
                [*command, "--num_workers", "1"], env=environment, stdout=output, stderr=output, cwd=folder
            )
        with _stopped(process):
            _wait_until_ready(port, process, log)
            yield _pinned(Target(port, psutil.Process(process.pid)), cpus)


@contextmanager
def _stopped(process: subprocess.Popen[str] | subprocess.Popen[bytes]) -> Iterator[None]:
    try:
        yield
    finally:
        children = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
        for child in children:
            child.kill()
        process.kill()
        process.wait()


def _pinned(target: Target, cpus: Sequence[int]) -> Target:
    """On one core, so that the load and the mock cannot slow it down."""
    if cpus and hasattr(target.process, "cpu_affinity"):
        for process in [target.process, *target.process.children(recursive=True)]:
            for thread in process.threads():
                psutil.Process(thread.id).cpu_affinity(list(cpus))
    return target


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_ready(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _READY_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/liveliness", timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
    raise RuntimeError(f"LiteLLM did not start: {log.read_text()[-2000:]}")


# --- the floor ------------------------------------------------------------------------------------------------------


class Relay(asyncio.Protocol):
    """Copies bytes both ways between a client's connection and one of its own to the model server."""

    def __init__(self, upstream_port: int) -> None:
        self._upstream_port = upstream_port
        self._early: list[bytes] = []
        self._other: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._connecting = asyncio.ensure_future(self._connect(cast(asyncio.Transport, transport)))

    async def _connect(self, client: asyncio.Transport) -> None:
        loop = asyncio.get_running_loop()
        self._other, _ = await loop.create_connection(lambda: _Back(client), "127.0.0.1", self._upstream_port)
        for data in self._early:
            self._other.write(data)

    def data_received(self, data: bytes) -> None:
        if self._other is None:
            self._early.append(data)
        else:
            self._other.write(data)

    def connection_lost(self, _: Exception | None) -> None:
        if self._other is not None:
            self._other.close()


class _Back(asyncio.Protocol):
    def __init__(self, client: asyncio.Transport) -> None:
        self._client = client

    def data_received(self, data: bytes) -> None:
        self._client.write(data)

    def connection_lost(self, _: Exception | None) -> None:
        self._client.close()


async def serve_relay(upstream_port: int) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Relay(upstream_port), "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


# --- our server -----------------------------------------------------------------------------------------------------


async def serve_application(upstream_port: int, wire: str) -> None:
    """The real application as `committee serve` runs it. No database listens: a chat that wrote a row would fail."""

    import uvicorn

    from committee import Committee, MemberConfig
    from committee.members import open_members
    from orchestrator.api.routes import create_api
    from orchestrator.artifacts import ArtifactStore
    from orchestrator.cli.serve import http_config, settle_memory
    from orchestrator.db.pool import Database
    from orchestrator.jobs.events import JobEvents
    from orchestrator.jobs.store import JobStore
    from orchestrator.settings import ServerSettings, Settings
    from tools.registry import ToolRegistry

    settings = Settings(server=ServerSettings(max_concurrent_turns=1000))
    base_url = f"http://127.0.0.1:{upstream_port}"
    api_kind: Literal["ollama", "openai"] = "ollama" if wire == "ollama" else "openai"
    members = await open_members(
        # The members themselves take all that comes: what waits for a model is not what is measured here.
        MemberConfig(name, model, base_url, api_kind, parallel=10_000)
        for name, model in zip(("qwen3", "gptoss"), MODELS, strict=True)
    )
    db = Database("postgresql://nobody@127.0.0.1:9/none")
    jobs = JobStore(db, {})
    api = create_api(
        settings=settings,
        db=db,
        jobs=jobs,
        events=JobEvents(db, jobs),
        kinds={},
        committee=Committee(members, planner="qwen3"),
        tools=ToolRegistry([]),
        artifacts=ArtifactStore(settings.server.data_dir, db),
    )
    listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
    server = uvicorn.Server(http_config(api.app))
    settle_memory()
    print(listener.getsockname()[1], flush=True)
    await server.serve(sockets=[listener])
