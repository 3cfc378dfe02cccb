"""Job kinds whose doings a test can see and hold up; as a script, a worker process that runs them.

python -m tests.fakes.job_kinds DSN [CONCURRENCY]
"""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel

from orchestrator.db.pool import Database
from orchestrator.jobs.context import JobContext
from orchestrator.jobs.model import JobFailed, JobKind
from orchestrator.jobs.worker import Worker


class Steps(BaseModel):
    """`steps` stages that each note themselves in the file `diary`; stage `hold_at` waits while `hold` exists."""

    steps: int = 3
    diary: str = ""
    hold: str = ""
    hold_at: int = -1
    block_s: float = 0.0


async def run_steps(context: JobContext) -> dict[str, Any]:
    wish = Steps.model_validate(context.job.payload)
    outputs = []
    for number in range(wish.steps):

        async def step(number: int = number) -> dict[str, Any]:
            write_diary(wish.diary, f"{number} begun in {context.job.attempt}")
            if number == wish.hold_at:
                time.sleep(wish.block_s)
                while Path(wish.hold).exists():
                    await asyncio.sleep(0.01)
            write_diary(wish.diary, f"{number} ended in {context.job.attempt}")
            return {"number": number}

        outputs.append(await context.stage(f"step-{number}", {"number": number}, step))
        await context.progress((number + 1) / wish.steps, message=f"step {number} of {wish.steps}")
    return {"outputs": outputs}


def write_diary(path: str, line: str) -> None:
    if path:
        with Path(path).open("a") as diary:
            diary.write(line + "\n")


class Trouble(BaseModel):
    how: Literal["failed", "retry", "bug", "no object", "not json", "swallow", "cancelled inside"]


async def run_trouble(context: JobContext) -> dict[str, Any]:
    match Trouble.model_validate(context.job.payload).how:
        case "failed":
            raise JobFailed("no_paint", "There is no paint left.")
        case "retry" if context.job.attempt < 3:
            raise JobFailed("busy", "Not now.", retryable=True)
        case "bug":
            raise ZeroDivisionError("a secret detail")
        case "no object":
            return None  # type: ignore[return-value]
        case "not json":
            return {"value": object()}
        case "cancelled inside":
            raise asyncio.CancelledError
    return {"attempt": context.job.attempt}


class Nothing(BaseModel):
    pass


async def run_nothing(context: JobContext) -> dict[str, Any]:
    return {}


async def run_chatter(context: JobContext) -> dict[str, Any]:
    """Reports progress far too often."""
    for number in range(1000):
        await context.progress(number / 1000)
        if number % 10 == 0:
            await asyncio.sleep(0.005)
    return {}


KINDS = {
    kind.name: kind
    for kind in (
        JobKind("test.steps", Steps, run_steps),
        JobKind("test.trouble", Trouble, run_trouble, max_attempts=2),
        JobKind("test.nothing", Nothing, run_nothing),
        JobKind("test.chatter", Nothing, run_chatter),
    )
}


async def work(dsn: str, concurrency: int) -> None:
    db = await Database.open(dsn)
    worker = Worker(db, KINDS, concurrency=concurrency, dsn=dsn, drain_s=0.5)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, worker.stop)
    await worker.run()
    await db.close()


if __name__ == "__main__":
    asyncio.run(work(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 2))
