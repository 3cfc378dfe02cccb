"""Children that draw: what becomes of a task when its process dies, hangs, breaks or is no longer wanted."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from orchestrator.errors import StorageFull
from orchestrator.jobs.farm import Farm, TaskFailed

CHILD = "orchestrator.films.process"
ANSWER = 'print(\'{"done": {"ok": true}}\', flush=True)'
HANG = "time.sleep(600)"
DIE = "sys.exit(3)"


class ScriptedFarm(Farm):
    """Its first child does `first` with a task, every later one answers."""

    def __init__(self, first: str, **options: Any) -> None:
        super().__init__(CHILD, 1, **options)
        self._scripts = [first]
        self.pids: list[int] = []

    async def _start(self) -> asyncio.subprocess.Process:
        todo = self._scripts.pop(0) if self._scripts else ANSWER
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            f"import sys, time\nfor line in sys.stdin:\n    {todo}",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        self._all.add(child)
        self.pids.append(child.pid)
        return child


@pytest.mark.parametrize("first", [DIE, HANG])
async def test_a_child_that_dies_or_hangs_is_replaced_once(first: str) -> None:
    async with ScriptedFarm(first, silence_s=1.0) as farm:
        assert await farm.run("any", {}) == {"ok": True}
        assert len(farm.pids) == 2
        assert not psutil.pid_exists(farm.pids[0])


async def test_a_second_death_fails_the_task() -> None:
    async with ScriptedFarm(DIE) as farm:
        farm._scripts.append(DIE)
        with pytest.raises(TaskFailed, match="exit status 3"):
            await farm.run("any", {})


async def test_no_child_outlives_a_cancelled_task() -> None:
    async with ScriptedFarm(HANG) as farm:
        task = asyncio.create_task(farm.run("any", {}))
        async with asyncio.timeout(20):
            while not farm.pids:
                await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not psutil.pid_exists(farm.pids[0])
        assert await farm.run("any", {}) == {"ok": True}


async def test_a_task_that_breaks_says_why_and_costs_no_child(tmp_path: Path) -> None:
    async with Farm(CHILD, 1) as farm:
        for _ in range(2):
            with pytest.raises(TaskFailed, match=r"measure: .*nothing\.mp4"):
                await farm.run("measure", {"path": str(tmp_path / "nothing.mp4")})
        assert len(farm._all) == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
async def test_a_full_disk_is_told_from_a_broken_task(tmp_path: Path) -> None:  # R6
    silence = {"samples": 48_000, "lines": [], "music": False, "scratch": str(tmp_path / "mix")}
    async with Farm(CHILD, 1) as farm:
        with pytest.raises(StorageFull):
            await farm.run("soundtrack", {**silence, "path": "/dev/full"})
