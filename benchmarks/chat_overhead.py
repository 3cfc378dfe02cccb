"""What our server adds to its members: CPU per streamed chunk, time to first token, first byte, memory of 200 streams.

Two cheap model servers speak Ollama's protocol, one token a millisecond, in a process of their own. The same load goes
once through a relay that only copies bytes (the floor: kernel and event loop) and once through the real application.
All figures come from the same run; run it on an idle machine.

    python -m benchmarks.chat_overhead [--json] [--check]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import asdict, dataclass
from typing import cast

import psutil

TOKEN_S = 0.001
STREAMS, TOKENS = 4, 1500
TTFT_ROUNDS = 60
CROWD, CROWD_TOKENS, CROWD_TOKEN_S = 200, 400, 0.05
PLAN = {
    "work": "A greeting.",
    "action": "answer",
    "decline_kind": "",
    "calls": [],
    "key": "",
    "points": ["greet back"],
    "risks": [],
    "confidence": 0.9,
}

CPU_BUDGET_US = 60.0
TTFT_BUDGET_MS = 3.0
FIRST_BYTE_BUDGET_MS = 50.0
MEMORY_BUDGET_PERCENT = 10.0


@dataclass
class Figures:
    relay_cpu_us_per_chunk: float = 0.0
    server_cpu_us_per_chunk: float = 0.0
    added_cpu_us_per_chunk: float = 0.0
    members_ttft_ms_p50: float = 0.0
    server_ttft_ms_p50: float = 0.0
    added_ttft_ms_p50: float = 0.0
    first_byte_ms_p50: float = 0.0
    first_byte_ms_p99: float = 0.0
    crowd_streams: int = CROWD
    crowd_rss_mib_quarter: float = 0.0
    crowd_rss_mib_end: float = 0.0
    crowd_rss_growth_percent: float = 0.0
    crowd_kib_per_stream: float = 0.0

    def misses(self) -> list[str]:
        budgets = {
            "added_cpu_us_per_chunk": CPU_BUDGET_US,
            "added_ttft_ms_p50": TTFT_BUDGET_MS,
            "first_byte_ms_p99": FIRST_BYTE_BUDGET_MS,
            "crowd_rss_growth_percent": MEMORY_BUDGET_PERCENT,
        }
        return [f"{name} = {getattr(self, name):.2f} > {most}" for name, most in budgets.items()
                if getattr(self, name) > most]  # fmt: skip


# --- the cheap model server -----------------------------------------------------------------------------------------


class ModelServer(asyncio.Protocol):
    """Just enough HTTP and Ollama: plans at once, texts paced. The number of tokens stands in the user's message."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._received = b""

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, separator, body = self._received.partition(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
        if not separator or len(body) < int(length[1] if length else 0):
            return
        self._received = b""
        path = head.split(b" ", 2)[1]
        if path == b"/api/chat":
            self._chat(json.loads(body))
        else:
            self._json(_METADATA.get(path.decode(), {"version": "0.32.6"}))

    def _json(self, value: object) -> None:
        body = json.dumps(value).encode()
        self._transport.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body
        )

    def _chat(self, request: dict[str, object]) -> None:
        self._transport.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        if request.get("format"):
            plan = json.dumps(PLAN)
            step = len(plan) // 20
            pieces: Iterator[str] = iter([plan[i : i + step] for i in range(0, len(plan), step)])
            self._next(pieces, str(request["model"]), TOKEN_S)
            return
        wanted = re.search(r"(\d+) tokens each ([\d.]+) s", json.dumps(request["messages"]))
        count, token_s = (int(wanted[1]), float(wanted[2])) if wanted else (10, TOKEN_S)
        self._next((" token" for _ in range(count)), str(request["model"]), token_s)

    def _next(self, pieces: Iterator[str], model: str, token_s: float, at: float | None = None) -> None:
        if self._transport.is_closing():
            return
        loop = asyncio.get_running_loop()
        piece = next(pieces, None)
        done = piece is None
        line: dict[str, object] = {
            "model": model,
            "created_at": "2026-01-01T00:00:00Z",
            "message": {"role": "assistant", "content": piece or ""},
            "done": done,
        }
        if done:
            line |= {"done_reason": "stop", "prompt_eval_count": 10, "eval_count": 10}
        data = json.dumps(line).encode() + b"\n"
        self._transport.write(b"%x\r\n%s\r\n" % (len(data), data) + (b"0\r\n\r\n" if done else b""))
        if not done:
            due = (at or loop.time()) + token_s
            loop.call_at(due, self._next, pieces, model, token_s, due)


def _installed(*names: str) -> dict[str, object]:
    models = [
        {"name": n, "model": n, "size": 1, "details": {"family": n.partition(":")[0]}, "capabilities": ["completion"],
         "context_length": 8192, "size_vram": 1}
        for n in names
    ]  # fmt: skip
    return {"models": models}


_METADATA: dict[str, object] = {
    "/api/tags": _installed("qwen3:32b", "gpt-oss:20b"),
    "/api/ps": _installed("qwen3:32b", "gpt-oss:20b"),
    "/api/show": {"capabilities": ["completion"], "details": {}, "model_info": {}},
}


async def serve_models() -> None:
    server = await asyncio.get_running_loop().create_server(ModelServer, "127.0.0.1", 0, backlog=2048)
    _announce(server.sockets[0].getsockname()[1])
    await server.serve_forever()


# --- the floor: a relay that copies bytes ---------------------------------------------------------------------------


class Relay(asyncio.Protocol):
    """Copies bytes both ways between a client and the model server."""

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
    server = await asyncio.get_running_loop().create_server(lambda: Relay(upstream_port), "127.0.0.1", 0, backlog=2048)
    _announce(server.sockets[0].getsockname()[1])
    await server.serve_forever()


# --- the server under test ------------------------------------------------------------------------------------------


async def serve_application(upstream_port: int) -> None:
    """The real application. Chat without tools never touches the database, so none is connected."""
    import uvicorn

    from committee import Committee, MemberConfig
    from committee.members import open_members
    from orchestrator.api.routes import create_api
    from orchestrator.artifacts import ArtifactStore
    from orchestrator.db.pool import Database
    from orchestrator.jobs.events import JobEvents
    from orchestrator.jobs.store import JobStore
    from orchestrator.settings import ServerSettings, Settings
    from tools.registry import ToolRegistry

    settings = Settings(server=ServerSettings(max_concurrent_turns=1000))
    base_url = f"http://127.0.0.1:{upstream_port}"
    members = await open_members(
        MemberConfig(name, model, base_url, "ollama") for name, model in
        (("qwen3", "qwen3:32b"), ("gptoss", "gpt-oss:20b"))
    )  # fmt: skip
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
    config = uvicorn.Config(api.app, port=0, log_config=None, lifespan="off", backlog=2048)
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    _announce(server.servers[0].sockets[0].getsockname()[1])
    await running


def _announce(port: int) -> None:
    print(port, flush=True)


# --- the load -------------------------------------------------------------------------------------------------------


@dataclass
class Spawned:
    port: int
    process: psutil.Process

    def cpu_s(self) -> float:
        times = self.process.cpu_times()
        return float(times.user + times.system)

    def rss_mib(self) -> float:
        return float(self.process.memory_info().rss) / 2**20


@contextmanager
def spawned(role: str, *arguments: object) -> Iterator[Spawned]:
    command = [sys.executable, "-m", "benchmarks.chat_overhead", "--role", role, *map(str, arguments)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield Spawned(int(process.stdout.readline()), psutil.Process(process.pid))
    finally:
        process.kill()
        process.wait()


@asynccontextmanager
async def posted(port: int, path: str, body: dict[str, object]) -> AsyncIterator[asyncio.StreamReader]:
    data = json.dumps(body).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        writer.write(f"{head}Content-Length: {len(data)}\r\nConnection: close\r\n\r\n".encode() + data)
        yield reader
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


def chat_body(tokens: int, token_s: float) -> dict[str, object]:
    text = f"{tokens} tokens each {token_s} s"
    return {"model": "committee", "stream": True, "messages": [{"role": "user", "content": text}]}


def ollama_body(tokens: int, token_s: float, *, plan: bool = False) -> dict[str, object]:
    body = {**chat_body(tokens, token_s), "model": "qwen3:32b"}
    return body | {"format": {"type": "object"}} if plan else body


async def count(port: int, path: str, body: dict[str, object], mark: bytes, end: bytes) -> int:
    """Read an answer to its `end`; how often `mark` stood in it. Neighbouring tokens may share a chunk."""
    seen = bytearray()
    async with posted(port, path, body) as reader:
        while end not in seen[-256:] and (data := await reader.read(65536)):
            seen += data
    wanted = str(body["messages"])
    assert f"'{seen.count(b' token')} tokens" in wanted, f"{seen.count(b' token')} tokens came for {wanted}"
    return seen.count(mark)


async def first(port: int, path: str, body: dict[str, object], *marks: bytes) -> list[float]:
    """Milliseconds until each of `marks` has been seen."""
    began, seen, times = time.perf_counter(), b"", []
    async with posted(port, path, body) as reader:
        wanted = list(marks)
        while wanted and (data := await reader.read(65536)):
            seen += data
            while wanted and wanted[0] in seen:
                times.append((time.perf_counter() - began) * 1000)
                wanted.pop(0)
    return times


async def cpu_per_chunk(target: Spawned, path: str, body: dict[str, object], mark: bytes, end: bytes) -> float:
    before = target.cpu_s()
    counts = await asyncio.gather(*(count(target.port, path, body, mark, end) for _ in range(STREAMS)))
    return (target.cpu_s() - before) / sum(counts) * 1e6


async def ttft(models: Spawned, server: Spawned) -> tuple[float, float, list[float]]:
    """Median milliseconds of the members alone (a plan, then the first token) and through us; all first bytes."""
    alone, through, first_bytes = [], [], []
    for _ in range(TTFT_ROUNDS):
        (planned,) = await first(models.port, "/api/chat", ollama_body(1, TOKEN_S, plan=True), b'"done": true')
        (spoken,) = await first(models.port, "/api/chat", ollama_body(5, TOKEN_S), b" token")
        alone.append(planned + spoken)
        body = chat_body(5, TOKEN_S)
        head, content = await first(server.port, "/v1/chat/completions", body, b"assistant", b'"content":" token')
        first_bytes.append(head)
        through.append(content)
    return statistics.median(alone), statistics.median(through), sorted(first_bytes)


async def crowd(server: Spawned) -> tuple[float, float, float]:
    """Resident MiB before the crowd, a quarter into it and at its end."""
    before = server.rss_mib()
    body = chat_body(CROWD_TOKENS, CROWD_TOKEN_S)
    streams = [
        asyncio.create_task(count(server.port, "/v1/chat/completions", body, b"token", b"[DONE]")) for _ in range(CROWD)
    ]
    length_s = CROWD_TOKENS * CROWD_TOKEN_S
    await asyncio.sleep(length_s / 4)
    quarter = server.rss_mib()
    await asyncio.sleep(length_s * 0.65)
    end = server.rss_mib()
    await asyncio.gather(*streams)
    return before, quarter, end


async def measure() -> Figures:
    figures = Figures()
    content = b'"content":" token'
    with spawned("models") as models:
        with spawned("relay", models.port) as relay:
            body = ollama_body(TOKENS, TOKEN_S)
            await count(relay.port, "/api/chat", body, b" token", b'"done": true')
            figures.relay_cpu_us_per_chunk = await cpu_per_chunk(relay, "/api/chat", body, b" token", b'"done": true')
        with spawned("application", models.port) as server:
            path, body = "/v1/chat/completions", chat_body(TOKENS, TOKEN_S)
            await count(server.port, path, body, content, b"[DONE]")
            figures.server_cpu_us_per_chunk = await cpu_per_chunk(server, path, body, content, b"[DONE]")
            alone, through, first_bytes = await ttft(models, server)
            before, quarter, end = await crowd(server)
    figures.added_cpu_us_per_chunk = figures.server_cpu_us_per_chunk - figures.relay_cpu_us_per_chunk
    figures.members_ttft_ms_p50, figures.server_ttft_ms_p50 = alone, through
    figures.added_ttft_ms_p50 = through - alone
    figures.first_byte_ms_p50 = statistics.median(first_bytes)
    figures.first_byte_ms_p99 = first_bytes[int(len(first_bytes) * 0.99) - 1]
    figures.crowd_rss_mib_quarter, figures.crowd_rss_mib_end = quarter, end
    figures.crowd_rss_growth_percent = (end - quarter) / quarter * 100
    figures.crowd_kib_per_stream = (end - before) * 1024 / CROWD
    return figures


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--check", action="store_true", help="fail when a budget is missed")
    parser.add_argument("--role", choices=["models", "relay", "application"], help=argparse.SUPPRESS)
    parser.add_argument("upstream", nargs="?", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.role:
        import uvloop

        roles = {"models": serve_models, "relay": serve_relay, "application": serve_application}
        work = roles[options.role]
        uvloop.run(work(*([options.upstream] if options.upstream else [])))
        return 0
    figures = asyncio.run(measure())
    if options.json:
        print(json.dumps(asdict(figures)))
    else:
        for name, value in asdict(figures).items():
            print(f"{name:28} {value:10.2f}" if isinstance(value, float) else f"{name:28} {value:7}")
    misses = figures.misses()
    for miss in misses:
        print(f"over budget: {miss}", file=sys.stderr)
    return 1 if misses and options.check else 0


if __name__ == "__main__":
    sys.exit(main())
