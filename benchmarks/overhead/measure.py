"""The measurements. Targets take turns within each round, so that a busy moment of the machine meets all of them."""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.overhead.load import Answer, Client, Crowd, Request, request, running_streams
from benchmarks.overhead.targets import LITELLM_KEY, Target, litellm, python

CONCURRENCY = 16
STREAMS, CHUNKS, INTERVAL_S = 30, 100, 0.02
JSON_TOKENS = 8
CROWD, CROWD_INTERVAL_S = 200, 0.05
MODEL = "qwen3:32b"
COMMITTEE = "committee-qwen3-gpt-oss"
OPENAI_PATH = "/v1/chat/completions"


@dataclass(frozen=True)
class Plan:
    """What to run."""

    quick: bool = False
    soak_s: float = 0.0
    litellm: Path | None = None
    only: set[str] = field(default_factory=set)
    rounds: int = 3

    @property
    def loop_s(self) -> float:
        return 1.0 if self.quick else 3.0

    @property
    def pings(self) -> int:
        """How many single requests tell the latency, per round."""
        return 30 if self.quick else 100


@dataclass
class Row:
    """One target's figures; None where a measurement makes no sense there."""

    version: str = ""
    cpu_us_per_request: float | None = None
    requests_per_s: float | None = None
    cpu_us_per_paced_chunk: float | None = None
    json_ms_p50: float | None = None
    json_ms_p99: float | None = None
    added_json_ms_p50: float | None = None
    ttft_ms_p50: float | None = None
    ttft_ms_p99: float | None = None
    added_ttft_ms_p50: float | None = None
    added_ttft_ms_p99: float | None = None
    first_event_ms_p99: float | None = None
    base_mib: float | None = None
    crowd_kib_per_stream: float | None = None
    crowd_growth_percent: float | None = None
    soak_growth_mib: float | None = None
    soak_left_over_streams: float | None = None


@dataclass
class Contender:
    """A target and how to ask it; samples of all rounds."""

    name: str
    target: Target | None  # None: the mock itself, without anything between
    port: int
    path: str
    model: str
    key: str = ""
    row: Row = field(default_factory=Row)
    cpu_per_request: list[float] = field(default_factory=list)
    rate: list[float] = field(default_factory=list)
    cpu_per_chunk: list[float] = field(default_factory=list)
    json_s: list[float] = field(default_factory=list)
    streamed: list[Answer] = field(default_factory=list)

    def ask(self, tokens: int, interval_s: float = 0.0, *, stream: bool) -> Request:
        return request(self.path, self.model, tokens=tokens, interval_s=interval_s, stream=stream, key=self.key)


@contextmanager
def _contenders(plan: Plan) -> Iterator[list[Contender]]:
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    # With two cores or more the target has one to itself, and what loads it shares the others.
    theirs, ours = (cores[-1:], cores[:-1]) if len(cores) > 1 else ([], [])
    if ours:
        os.sched_setaffinity(0, ours)
    wanted = plan.only or {"direct", "relay", "ollama", "openai", "committee", "litellm"}
    with ExitStack() as stack:
        model = stack.enter_context(python("mock", cpus=ours))
        found = [Contender("direct", None, model.port, OPENAI_PATH, MODEL)]
        relay = stack.enter_context(python("relay", model.port, cpus=theirs))
        found.append(Contender("relay", relay, relay.port, OPENAI_PATH, MODEL))
        for wire in ("ollama", "openai"):
            if {wire, "committee"} & wanted if wire == "ollama" else wire in wanted:
                ours_ = stack.enter_context(python("application", model.port, wire, cpus=theirs))
                found.append(Contender(wire, ours_, ours_.port, OPENAI_PATH, MODEL))
                if wire == "ollama" and "committee" in wanted:
                    found.append(Contender("committee", ours_, ours_.port, OPENAI_PATH, COMMITTEE))
        if plan.litellm and "litellm" in wanted:
            theirs_ = stack.enter_context(litellm(plan.litellm, model.port, cpus=theirs))
            found.append(Contender("litellm", theirs_, theirs_.port, OPENAI_PATH, MODEL, key=LITELLM_KEY))
        yield [c for c in found if c.name in wanted | {"direct", "relay"}]


async def measure(plan: Plan) -> dict[str, Row]:
    """All figures, by target."""
    with _contenders(plan) as contenders:
        for contender in contenders:
            await _warm(contender)
        for number in range(plan.rounds):
            for contender in contenders:
                _say(f"round {number + 1} of {plan.rounds}: {contender.name}")
                await _round(contender, plan)
        for contender in contenders:
            _say(f"{CROWD} streams: {contender.name}")
            await _crowd(contender)
        if plan.soak_s:
            for contender in contenders:
                if contender.name == "ollama":
                    await _soak(contender, plan.soak_s, contenders[0].port)
        direct = contenders[0]
        for contender in contenders:
            _sum_up(contender, direct)
        return {contender.name: contender.row for contender in contenders}


def _say(what: str) -> None:
    print(f"... {what}", file=sys.stderr, flush=True)


async def _warm(contender: Contender) -> None:
    async with await Crowd.connect(contender.port, CONCURRENCY) as crowd:
        if contender.target is not None:
            contender.row.base_mib = contender.target.memory_mib()
        await crowd.closed_loop(contender.ask(JSON_TOKENS, stream=False), 1.0)
        await crowd.once(contender.ask(20, 0.01, stream=True))


async def _round(contender: Contender, plan: Plan) -> None:
    async with await Crowd.connect(contender.port, CONCURRENCY) as crowd:
        before = _cpu_s(contender)
        latencies, took_s = await crowd.closed_loop(contender.ask(JSON_TOKENS, stream=False), plan.loop_s)
        contender.cpu_per_request.append((_cpu_s(contender) - before) / len(latencies) * 1e6)
        contender.rate.append(len(latencies) / took_s)
    async with await Crowd.connect(contender.port, STREAMS) as crowd:
        before = _cpu_s(contender)
        await crowd.once(contender.ask(CHUNKS, INTERVAL_S, stream=True))
        contender.cpu_per_chunk.append((_cpu_s(contender) - before) / (STREAMS * CHUNKS) * 1e6)
    client = await Client.connect(contender.port)
    whole, streamed = contender.ask(JSON_TOKENS, stream=False), contender.ask(3, 0.005, stream=True)
    for _ in range(plan.pings):
        contender.json_s.append((await client.ask(whole)).end_s)
        contender.streamed.append(await client.ask(streamed))
    client.close()


async def _crowd(contender: Contender) -> None:
    """Many streams at once: what each costs in memory, and whether it grows while they run."""
    if contender.target is None:
        return
    async with await Crowd.connect(contender.port, CROWD) as crowd:
        # Once before, for what is allocated once and kept.
        await crowd.once(contender.ask(10, CROWD_INTERVAL_S, stream=True))
    await asyncio.sleep(0.5)
    before = contender.target.memory_mib()
    tokens = 160
    async with await Crowd.connect(contender.port, CROWD) as crowd:
        running = asyncio.create_task(crowd.once(contender.ask(tokens, CROWD_INTERVAL_S, stream=True)))
        await asyncio.sleep(tokens * CROWD_INTERVAL_S * 0.25)
        quarter = contender.target.memory_mib()
        await asyncio.sleep(tokens * CROWD_INTERVAL_S * 0.6)
        end = contender.target.memory_mib()
        await running
    contender.row.crowd_kib_per_stream = (end - before) * 1024 / CROWD
    contender.row.crowd_growth_percent = (end - quarter) / quarter * 100


async def _soak(contender: Contender, seconds: float, models: int) -> None:
    """Streams that come, end and break off for minutes: memory and connections must come back to where they were."""
    assert contender.target is not None
    _say(f"soak for {seconds:.0f} s: {contender.name}")
    began = asyncio.get_running_loop().time()
    memory: list[float] = []
    while (now := asyncio.get_running_loop().time()) < began + seconds:
        async with await Crowd.connect(contender.port, CROWD) as crowd:
            await crowd.once(contender.ask(20, 0.02, stream=True))
        async with await Crowd.connect(contender.port, CROWD) as crowd:
            # The clients go away in the middle of their answers.
            await crowd.until_begun(contender.ask(200, 0.05, stream=True))
        if now > began + seconds * 0.2:  # what is kept for good is there by now
            memory.append(contender.target.memory_mib())
    await asyncio.sleep(1.0)
    contender.row.soak_left_over_streams = float(await running_streams(models))
    contender.row.soak_growth_mib = statistics.median(memory[-5:]) - statistics.median(memory[:5])


def _cpu_s(contender: Contender) -> float:
    return contender.target.cpu_s() if contender.target is not None else 0.0


def _sum_up(contender: Contender, direct: Contender) -> None:
    row = contender.row
    if contender.target is not None:
        row.cpu_us_per_request = statistics.median(contender.cpu_per_request)
        row.cpu_us_per_paced_chunk = statistics.median(contender.cpu_per_chunk)
    row.requests_per_s = statistics.median(contender.rate)
    row.json_ms_p50, row.json_ms_p99 = _ms(contender.json_s)
    row.ttft_ms_p50, row.ttft_ms_p99 = _ms([answer.first_token_s for answer in contender.streamed])
    row.first_event_ms_p99 = _ms([answer.first_byte_s for answer in contender.streamed])[1]
    if contender is not direct:
        json_p50, _ = _ms(direct.json_s)
        ttft_p50, ttft_p99 = _ms([answer.first_token_s for answer in direct.streamed])
        row.added_json_ms_p50 = row.json_ms_p50 - json_p50
        row.added_ttft_ms_p50, row.added_ttft_ms_p99 = row.ttft_ms_p50 - ttft_p50, row.ttft_ms_p99 - ttft_p99


def _ms(seconds: list[float]) -> tuple[float, float]:
    """Median and 99th percentile in milliseconds."""
    ordered = sorted(seconds)
    return statistics.median(ordered) * 1000, ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))] * 1000
