"""Child processes that do what takes a CPU for long, so that the event loop never does.

One line of JSON goes in (a task), lines of JSON come out (progress, then the result). A child is replaced when it dies
or is killed; killing is how a task is cancelled, since a task writes only to its own temporary file.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import shutil
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from orchestrator.errors import StorageFull
from orchestrator.jobs.model import Job

log = logging.getLogger(__name__)

Progress = Callable[[dict[str, Any]], Awaitable[None]]
_LINE_LIMIT = 1 << 24
# A child that just exited must not fail a film by itself: the machine may have been short of memory for a moment.
_TRIES = 2
# No task is this long without a word; a child that hangs would hold its job, and the job its worker, for ever.
_SILENCE_S = 1800.0


class TaskFailed(Exception):
    """A task failed in its child process; the message says what and why."""


class _ChildDied(Exception):
    pass


class Farm:
    """At most `processes` children at a time, started when first needed, stopped at the end of the `async with`.

    `module` is what a child runs; its `main` calls `orchestrator.jobs.child.serve`. A child that says nothing for
    `silence_s` seconds is taken for dead.
    """

    def __init__(self, module: str, processes: int | None = None, *, silence_s: float = _SILENCE_S) -> None:
        self._module = module
        self._silence_s = silence_s
        self.processes = processes or min(os.cpu_count() or 1, 4)
        self._slots = asyncio.Semaphore(self.processes)
        self._idle: list[asyncio.subprocess.Process] = []
        self._all: set[asyncio.subprocess.Process] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        await asyncio.gather(*(self._stop(child) for child in list(self._all)))

    async def run(
        self,
        task: str,
        arguments: dict[str, Any],
        *,
        on_progress: Progress | None = None,
        timeout_s: float | None = None,
    ) -> dict[str, Any]:
        """Run one task in a child; on cancellation or timeout the child is killed.

        Raises TaskFailed, or StorageFull when the child's disk is full.
        """
        async with self._slots:
            for attempt in range(1, _TRIES + 1):
                child = self._idle.pop() if self._idle else await self._start()
                try:
                    async with asyncio.timeout(timeout_s):
                        result = await self._converse(child, task, arguments, on_progress)
                except TimeoutError:
                    await self._stop(child)
                    raise TaskFailed(f"{task} took longer than {timeout_s:g} s") from None
                except _ChildDied as death:
                    await self._stop(child)
                    if attempt == _TRIES:
                        raise TaskFailed(f"the process for {task} ended: {death}") from None
                    log.warning("child process ended, trying again", extra={"task": task, "reason": str(death)})
                except BaseException:
                    await self._stop(child)
                    raise
                else:
                    self._idle.append(child)
                    if result.get("storage_full"):
                        raise StorageFull("The disk of the work folder is full.")
                    if "error" in result:
                        raise TaskFailed(f"{task}: {result['error']}")
                    return dict(result["done"])
        raise AssertionError("unreachable")

    async def _start(self) -> asyncio.subprocess.Process:
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            self._module,
            str(os.getpid()),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=_LINE_LIMIT,
        )
        self._all.add(child)
        return child

    async def _converse(
        self, child: asyncio.subprocess.Process, task: str, arguments: dict[str, Any], on_progress: Progress | None
    ) -> dict[str, Any]:
        assert child.stdin is not None
        assert child.stdout is not None
        try:
            child.stdin.write(json.dumps({"task": task, "arguments": arguments}).encode() + b"\n")
            await child.stdin.drain()
        except OSError as error:
            raise _ChildDied(str(error)) from None
        while line := await self._next_line(child.stdout):
            message: dict[str, Any] = json.loads(line)
            if "progress" not in message:
                return message
            if on_progress is not None:
                await on_progress(message["progress"])
        raise _ChildDied(f"exit status {await child.wait()}")

    async def _next_line(self, output: asyncio.StreamReader) -> bytes:
        silence = asyncio.timeout(self._silence_s)
        try:
            async with silence:
                return await output.readline()
        except TimeoutError:
            if not silence.expired():
                raise
            raise _ChildDied(f"nothing came for {self._silence_s:g} s") from None

    async def _stop(self, child: asyncio.subprocess.Process) -> None:
        self._all.discard(child)
        with suppress(ProcessLookupError):
            child.kill()
        # communicate() also closes both pipes; wait() alone would leave their transports to the garbage collector.
        with suppress(OSError):
            await asyncio.shield(child.communicate())


@asynccontextmanager
async def scratch_folder(work_dir: Path, job: Job) -> AsyncIterator[Path]:
    """An empty folder of this attempt, gone at the end; what earlier attempts left when they were killed goes too."""
    work = work_dir / f"{job.id}-{job.attempt}"
    await asyncio.to_thread(_make_fresh, work, str(job.id))
    try:
        yield work
    finally:
        await asyncio.to_thread(shutil.rmtree, work, True)


def _make_fresh(work: Path, job_id: str) -> None:
    for old in work.parent.glob(f"{job_id}-*"):
        shutil.rmtree(old, ignore_errors=True)
    work.mkdir(parents=True)
