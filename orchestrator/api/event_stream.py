"""A server-sent event response written by hand: no work per chunk but one `send`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from starlette.types import Receive, Send

from orchestrator.chat.wire import KEEP_ALIVE

KEEP_ALIVE_S = 10.0
HOLD_S = 0.02

_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
]


class EventStream:
    """An SSE response that opens a moment late and speaks up when it has been silent.

    What is written with `hold` waits up to 20 ms before the response begins: a failure within that time can still
    become a proper status code. After ten seconds of silence what `keep_alive` gives, a comment by default, keeps
    proxies and clients from giving up.
    """

    def __init__(
        self,
        send: Send,
        *,
        keep_alive: Callable[[], bytes] = lambda: KEEP_ALIVE,
        keep_alive_s: float = KEEP_ALIVE_S,
        hold_s: float = HOLD_S,
    ) -> None:
        self._send = send
        self._keep_alive = keep_alive
        self._keep_alive_s = keep_alive_s
        self._hold_s = hold_s
        self._held: list[bytes] = []
        self._opening = asyncio.Lock()
        self._loop = asyncio.get_running_loop()
        self._last_write = self._loop.time()
        self._timer: asyncio.TimerHandle | None = None
        self._timed: asyncio.Task[None] | None = None
        self.open = False

    async def write(self, data: bytes, *, hold: bool = False) -> None:
        """Send whole events now, or hold them for a moment when the response has not begun."""
        if self.open:
            self._last_write = self._loop.time()
            await self._send({"type": "http.response.body", "body": data, "more_body": True})
            return
        self._held.append(data)
        if not hold:
            await self._begin()
        elif self._timer is None:
            self._timer = self._loop.call_later(self._hold_s, self._run, self._begin)

    async def close(self) -> None:
        """End the response properly."""
        self.stop()
        await self._begin()
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    def stop(self) -> None:
        """No timer of this stream fires any more."""
        if self._timer is not None:
            self._timer.cancel()
        if self._timed is not None and not self._opening.locked():
            self._timed.cancel()

    async def _begin(self) -> None:
        async with self._opening:
            if self.open:
                return
            await self._send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
            while self._held:
                data = b"".join(self._held)
                self._held.clear()
                await self._send({"type": "http.response.body", "body": data, "more_body": True})
            self.open = True
            self._last_write = self._loop.time()
            self._watch_silence(self._keep_alive_s)

    async def _speak_up(self) -> None:
        await self.write(self._keep_alive())  # asked for only now: such events may be numbered

    def _run(self, action: Any) -> None:
        self._timed = self._loop.create_task(action())

    def _watch_silence(self, delay_s: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(delay_s, self._check_silence)

    def _check_silence(self) -> None:
        """One timer per stream, moved on lazily: nothing is done per chunk."""
        silent_s = self._loop.time() - self._last_write
        if silent_s >= self._keep_alive_s:
            self._run(self._speak_up)
            silent_s = 0.0
        self._watch_silence(self._keep_alive_s - silent_s)


async def unless_gone(work: Coroutine[Any, Any, None], receive: Receive) -> bool:
    """Run `work`; when the client goes away first, cancel it within one turn of the loop. True when it finished."""
    working = asyncio.current_task()
    assert working is not None
    gone = False

    async def watch() -> None:
        nonlocal gone
        while (await receive())["type"] != "http.disconnect":
            pass
        gone = True
        working.cancel()

    watching = asyncio.create_task(watch())
    try:
        await work
    except asyncio.CancelledError:
        if not gone or working.uncancel():  # somebody else wants us to stop
            raise
    else:
        if gone:
            working.uncancel()
            return False
    finally:
        watching.cancel()
    return not gone
