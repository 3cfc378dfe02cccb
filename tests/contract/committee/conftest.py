"""Two fake Ollama servers, members on them, and short deadlines."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import pytest

from committee import (
    Committee,
    CommitteeConfig,
    ContentDelta,
    Event,
    Finished,
    MemberConfig,
    Message,
    ToolCall,
    ToolOutcome,
    ToolSpec,
    Turn,
)
from committee.backends.ollama import OllamaMember
from tests.fakes.ollama import FakeOllama

# Short enough to wait for in a test, long enough for a healthy fake on a busy machine.
QUICK = CommitteeConfig(
    probe_timeout_s=1.0,
    cross_check_timeout_s=1.0,
    verdict_timeout_s=1.0,
    choose_timeout_s=1.0,
    queue_timeout_s=1.0,
    grace_s=0.8,
    first_byte_timeout_s=0.5,
    speak_idle_timeout_s=0.5,
    speak_timeout_s=1.0,
    cold_load_timeout_s=0.8,
)

FILM = ToolSpec(
    "film.run",
    "Make a film.",
    {
        "type": "object",
        "properties": {
            "synopsis": {"type": "string"},
            "duration_s": {"type": "number", "default": 20},
            "fps": {"type": "integer"},
            "audio_enabled": {"type": "boolean", "default": True},
        },
        "required": ["synopsis"],
    },
    "job",
)
STATUS = ToolSpec(
    "job.status",
    "The state of a job.",
    {"type": "object", "properties": {"job_id": {"type": "string"}}, "required": ["job_id"]},
    "read",
)
READ_FILE = ToolSpec(
    "read_file",
    "Read a file of the workspace.",
    {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]},
    "client",
)


class Actor:
    """Runs server tools: remembers the calls and answers with an id."""

    def __init__(self) -> None:
        self.calls: list[ToolCall] = []

    async def __call__(self, calls: Sequence[ToolCall]) -> list[ToolOutcome]:
        self.calls += calls
        return [ToolOutcome(call, {"job_id": "0198-job", "film_id": "film-1"}) for call in calls]


@dataclass
class Told:
    """All events of one turn."""

    events: list[Event]

    @property
    def text(self) -> str:
        return "".join(event.text for event in self.events if isinstance(event, ContentDelta))

    @property
    def finished(self) -> Finished:
        last = self.events[-1]
        assert isinstance(last, Finished), last
        assert sum(isinstance(event, Finished) for event in self.events) == 1
        return last

    def of(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]


@dataclass
class Table:
    """A committee of two on two fake servers."""

    qwen: FakeOllama
    gptoss: FakeOllama
    committee: Committee
    act: Actor

    async def ask(self, text: str = "Hello", **options: Any) -> Told:
        options.setdefault("messages", [Message("user", text)])
        options.setdefault("act", self.act)
        return await listen(self.committee, Turn(**options))


async def listen(committee: Committee, turn: Turn) -> Told:
    told = Told([])
    async with aclosing(committee.deliberate(turn)) as events:
        async for event in events:
            told.events.append(event)
    return told


Seat = Callable[..., OllamaMember]


def member(fake: FakeOllama, name: str, model: str, **options: Any) -> OllamaMember:
    options.setdefault("cold_load_s", QUICK.cold_load_timeout_s)
    return OllamaMember(MemberConfig(name, model, fake.base_url, **options))


@pytest.fixture
async def table() -> AsyncIterator[Table]:
    async with FakeOllama("qwen3:32b") as qwen, FakeOllama("gpt-oss:20b") as gptoss:
        # Loaded, as after a preload: a cold load has tests of its own.
        qwen.loaded["qwen3:32b"] = gptoss.loaded["gpt-oss:20b"] = 8192
        members = [member(qwen, "qwen3", "qwen3:32b"), member(gptoss, "gptoss", "gpt-oss:20b")]
        committee = Committee(members, planner="qwen3", config=QUICK)
        yield Table(qwen, gptoss, committee, Actor())
        await committee.aclose()
