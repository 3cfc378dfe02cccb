"""A client that loses its answer and sends the whole request again, three times: how many jobs does it get?

The turns are the server's own, with simulated members and a job store in memory. Every attempt but the last is broken
off at a random moment, before, while or after the tool runs; and the members word their call anew each time.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Any

from benchmarks.committee.virtual_time import run
from benchmarks.committee.world import uniform
from committee import ChatRequest, Committee, CommitteeConfig, Delta, Done, Event, MemberHealth, Message
from orchestrator.chat.model_ids import COMMITTEE_MODEL
from orchestrator.chat.schema import CompletionRequest
from orchestrator.chat.turn import Caller, Turns
from orchestrator.settings import DEFAULT_KEY_SCOPES
from tools.image import image_tool
from tools.registry import ToolRegistry

RESENDS = 3
_CALLER = Caller("somebody", DEFAULT_KEY_SCOPES, "http://127.0.0.1:8000")


@dataclass
class _Job:
    kind: str
    id: uuid.UUID = field(default_factory=uuid.uuid4)
    status: str = "queued"
    progress: float = 0.0
    stage: str | None = None
    eta_s: float | None = None
    result: dict[str, Any] | None = None
    error: dict[str, Any] | None = None


class CountedJobs:
    """A job store in memory: what is submitted under the same key is one job. Answers after some milliseconds."""

    def __init__(self) -> None:
        self.jobs: dict[str, _Job] = {}

    async def with_key(self, key: str, *, owner: str) -> _Job | None:
        await asyncio.sleep(0.005)
        return self.jobs.get(f"{owner}/{key}")

    async def submit(
        self, kind: str, payload: dict[str, Any], *, owner: str, idempotency_key: str | None = None, priority: int = 0
    ) -> _Job:
        await asyncio.sleep(0.01)
        return self.jobs.setdefault(f"{owner}/{idempotency_key or uuid.uuid4()}", _Job(kind))

    async def get(self, job_id: uuid.UUID, *, owner: str) -> _Job:
        await asyncio.sleep(0.005)
        for key, job in self.jobs.items():
            if str(job.id) == str(job_id) and key.startswith(f"{owner}/"):
                return job
        raise LookupError(job_id)


class Painter:
    """A member that wants every request painted, in other words every time."""

    stand_in = False
    window: int | None = None
    parallel: int | None = None

    def __init__(self, name: str) -> None:
        self.name = name
        self.model = f"simulated-{name}"
        self._asked = 0

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Delta, None]:
        self._asked += 1
        await asyncio.sleep(0.2)
        if request.response_schema is None:
            for word in ["Your", "picture", "is", "on", "its", "way", "."]:
                await asyncio.sleep(0.05)
                yield Delta(text=f"{word} ")
            yield Delta(done=Done("stop", 100, 6))
            return
        call = {"tool": "image_generate", "args": {"prompt": f"picture number {self._asked} of a fox"}, "purpose": ""}
        plan = {"work": "", "action": "call", "decline_kind": "", "calls": [call], "key": "", "points": [], "risks": [],
                "confidence": 1.0, "defect_in_mine": "", "defect_in_other": "", "approve": [1]}  # fmt: skip
        yield Delta(text=json.dumps(plan), done=Done("stop", 100, 50))

    async def health(self) -> MemberHealth:
        return MemberHealth(self.name, "simulated", None, self.model, self.model, True)

    async def warm(self) -> None:
        return None

    async def aclose(self) -> None:
        return None


async def _nobody_watches(_: Event) -> None:
    return None


async def _jobs_of(turns: Turns, jobs: CountedJobs, item: int, *, resent: bool) -> int:
    """The jobs that one request and its re-sends have made; not `resent`: every attempt is a turn of its own."""
    before = len(jobs.jobs)
    words = Message("user", f"Draw a picture of a fox, please. ({item})")
    request = CompletionRequest(COMMITTEE_MODEL, (words,), fingerprint=f"request {item}")
    for attempt in range(RESENDS + 1):
        last = attempt == RESENDS
        # A whole turn takes about 0.8 s; some attempts end before the tool is reached, some after.
        patience_s = None if last else uniform("patience", item, attempt)
        with turns.begin(request, _CALLER) as turn:
            try:
                async with asyncio.timeout(patience_s):
                    await turn.answer(_nobody_watches)
            except TimeoutError:
                pass
            else:
                turn.delivered = last
            turn.delivered = turn.delivered or not resent
        await asyncio.sleep(2.5)
    await asyncio.sleep(1.0)
    return len(jobs.jobs) - before


async def _count(items: int, resent: bool) -> dict[int, int]:
    jobs = CountedJobs()
    committee = Committee([Painter("a"), Painter("b")], planner="a", config=CommitteeConfig())
    turns = Turns(committee, ToolRegistry([image_tool()]), jobs)  # type: ignore[arg-type]
    found: dict[int, int] = {}
    for item in range(items):
        made = await _jobs_of(turns, jobs, item, resent=resent)
        found[made] = found.get(made, 0) + 1
    await turns.aclose()
    return found


def count_jobs(items: int, *, resent: bool = True) -> dict[int, int]:
    """How many requests (values) made how many jobs (keys), each sent once and re-sent three times.

    With resent=False all of them are new turns, as a user makes them who asks again: the check that this can see more
    than one job.
    """
    return run(_count(items, resent))
