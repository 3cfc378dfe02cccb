"""The hand-written event stream: holding back, keeping alive, noticing who has gone."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from orchestrator.api.event_stream import ClientStalled, EventStream, unless_gone


class Wire:
    """Collects what was sent."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.changed = asyncio.Event()

    async def __call__(self, message: Any) -> None:
        self.messages.append(message)
        self.changed.set()

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.messages)

    async def until(self, wanted: bytes) -> None:
        async with asyncio.timeout(5):
            while wanted not in self.body:
                self.changed.clear()
                await self.changed.wait()


async def test_held_events_go_out_after_a_moment_in_their_order() -> None:
    wire = Wire()
    stream = EventStream(wire, hold_s=0.01)
    await stream.write(b"a", hold=True)
    await stream.write(b"b", hold=True)
    assert wire.messages == []
    await wire.until(b"ab")
    await stream.write(b"c", hold=True)
    await stream.close()
    assert wire.body == b"abc"
    assert wire.messages[0]["status"] == 200
    assert wire.messages[-1]["more_body"] is False


async def test_content_does_not_wait() -> None:
    wire = Wire()
    stream = EventStream(wire, hold_s=60)
    await stream.write(b"a", hold=True)
    await stream.write(b"b")
    assert wire.body == b"ab"
    stream.stop()


async def test_a_stream_that_failed_at_once_was_never_opened() -> None:
    wire = Wire()
    stream = EventStream(wire, hold_s=0.005)
    await stream.write(b"a", hold=True)
    stream.stop()
    await asyncio.sleep(0.02)  # longer than the stream would have held it
    assert wire.messages == []


async def test_silence_is_filled_with_comments() -> None:
    wire = Wire()
    stream = EventStream(wire, keep_alive_s=0.02, hold_s=0.001)
    await stream.write(b"data: 1\n\n")
    await wire.until(b": keep-alive\n\n: keep-alive\n\n")
    await stream.close()
    ended = len(wire.messages)
    await asyncio.sleep(0.05)  # longer than two silences
    assert len(wire.messages) == ended


async def test_a_dialect_says_itself_what_breaks_the_silence() -> None:
    wire = Wire()
    numbers = iter(range(100))
    stream = EventStream(wire, keep_alive=lambda: b"<%d>" % next(numbers), keep_alive_s=0.02, hold_s=0.001)
    await stream.write(b"a")
    await wire.until(b"<1>")
    await stream.close()
    assert wire.body.startswith(b"a<0><1>")


async def test_a_client_that_does_not_read_is_given_up() -> None:
    wire, reads = Wire(), asyncio.Event()
    reads.set()

    async def send(message: Any) -> None:
        await reads.wait()
        await wire(message)

    stream = EventStream(send, keep_alive_s=0.01, hold_s=0.001, unread_s=0.05)
    await stream.write(b"a")
    reads.clear()
    asyncio.get_running_loop().call_later(0.03, reads.set)
    await stream.write(b"b")  # slowly, but it reads
    reads.clear()
    with pytest.raises(ClientStalled):
        await stream.write(b"c")
    reads.set()
    await stream.write(b"d")
    await stream.close()
    task = asyncio.current_task()
    assert task is not None
    assert not task.cancelling()
    assert wire.body.replace(b": keep-alive\n\n", b"") == b"ab"


async def test_a_cancelled_write_stays_cancelled() -> None:
    reads = asyncio.Event()
    reads.set()
    stream = EventStream(lambda _: reads.wait(), hold_s=0.001)  # type: ignore[arg-type, return-value]

    async def write() -> None:
        await stream.write(b"a")
        reads.clear()
        await stream.write(b"b")

    writing = asyncio.create_task(write())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    stream.stop()


async def test_work_is_cancelled_when_the_client_goes() -> None:
    cancelled = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    async def receive() -> Any:
        await asyncio.sleep(0)
        return {"type": "http.disconnect"}

    assert await unless_gone(work(), receive) is False
    assert cancelled.is_set()


async def test_work_that_fails_raises_here() -> None:
    async def work() -> None:
        raise ValueError("no")

    async def receive() -> Any:
        await asyncio.Event().wait()

    with pytest.raises(ValueError, match="no"):
        await unless_gone(work(), receive)
