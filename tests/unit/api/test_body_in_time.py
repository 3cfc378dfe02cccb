"""The gate waits for a body, but not for ever."""

from __future__ import annotations

import asyncio

import pytest
from starlette.types import Message, Receive

from orchestrator.api import gate
from orchestrator.api.errors import RequestTimeout


def half_a_body() -> Receive:
    pieces: list[Message] = [{"type": "http.request", "body": b"{", "more_body": True}]

    async def receive() -> Message:
        return pieces.pop() if pieces else await asyncio.get_running_loop().create_future()

    return receive


async def test_a_body_that_stops_coming_is_a_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "BODY_TIMEOUT_S", 0.02)
    with pytest.raises(RequestTimeout):
        await gate._body_in_time(half_a_body(), 100)
    task = asyncio.current_task()
    assert task is not None
    assert not task.cancelling()


async def test_whoever_cancels_the_request_is_not_answered_with_a_timeout() -> None:
    reading = asyncio.create_task(gate._body_in_time(half_a_body(), 100))
    await asyncio.sleep(0)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
