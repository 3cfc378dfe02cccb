"""What the one connection that hears everything does about faults; notifications are tested on a real server."""

from __future__ import annotations

import asyncio

import pytest

from orchestrator.db import listener
from orchestrator.db.listener import Listener


@pytest.mark.parametrize("fault", [OSError("no route"), RuntimeError("nobody thought of this")])
async def test_any_fault_is_followed_by_another_attempt(monkeypatch: pytest.MonkeyPatch, fault: Exception) -> None:
    again = asyncio.Event()
    attempts = 0

    async def connect(_dsn: str) -> object:
        nonlocal attempts
        attempts += 1
        if attempts == 3:
            again.set()
        raise fault

    monkeypatch.setattr(listener, "connect", connect)
    listening = Listener("postgresql://nowhere", retry_s=0.001)
    listening.start()
    try:
        async with asyncio.timeout(5):
            await again.wait()
    finally:
        await listening.close()
