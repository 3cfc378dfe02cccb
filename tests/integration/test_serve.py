"""Who watches over the worker."""

from __future__ import annotations

import asyncio
from importlib import import_module

import pytest

serve = import_module("orchestrator.cli.serve")  # its package has a command of the same name


async def test_a_worker_that_cannot_be_started_at_once_is_started_later(monkeypatch: pytest.MonkeyPatch) -> None:
    starts = 0

    async def start() -> asyncio.subprocess.Process:
        nonlocal starts
        starts += 1
        if starts == 2:
            raise OSError("out of memory")
        return await asyncio.create_subprocess_exec(*(["true"] if starts == 1 else ["sleep", "60"]))

    monkeypatch.setattr(serve, "_start_worker", start)
    async with asyncio.timeout(20), serve._child_worker():
        while starts < 3:
            await asyncio.sleep(0.01)
