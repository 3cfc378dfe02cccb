"""A server-sent event response written by hand: no work per chunk but one `send`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from starlette.types import Receive, Send

from orchestrator.chat.wire import KEEP_ALIVE
from orchestrator.errors import OrchestratorError

KEEP_ALIVE_S = 10.0
HOLD_S = 0.02
# The buffers on the way are full for so long before a client counts as gone.
UNREAD_S = 20.0

_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
]


class ClientStalled(OrchestratorError):
    """The client does not read what it is sent."""

    code = "client_stalled"


class EventStream:
    """An SSE response that opens a moment late and speaks up when it has been silent.

    What is written with `hold` waits up to 20 ms before the response begins: a failure within that time can still
    become a proper status code. After ten seconds of silence what `keep_alive` gives, a comment by default, keeps
    proxies and clients from giving up. A client that does not read for twenty seconds is given up (ClientStalled):
    whoever writes for it holds a member's place.
    """

    def __init__(
        self,
        send: Send,
        *,
        keep_alive: Callable[[], bytes] = lambda: KEEP_ALIVE,
        keep_alive_s: float = KEEP_ALIVE_S,
        hold_s: float = HOLD_S,
        unread_s: float = UNREAD_S,
    ) -> None:
        self._send = send
        self._keep_alive = keep_alive
        self._keep_alive_s = keep_alive_s
        self._hold_s = hold_s
        self._unread_s = unread_s
        self._writer: asyncio.Task[Any] | None = None
        self._sending = False
        self._stalled = False
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
            if self._stalled:
                return
            self._last_write = self._loop.time()
            self._sending = True
            try:
                await self._send({"type": "http.response.body", "body": data, "more_body": True})
            except asyncio.CancelledError:
                self._raise_stalled()
                raise
            self._sending = False
            return
        self._writer = asyncio.current_task()
        self._held.append(data)
        if not hold:
            await self._begin()
        elif self._timer is None:
            self._timer = self._loop.call_later(self._hold_s, self._run, self._begin)

    async def close(self) -> None:
        """End the response properly."""
        self.stop()
        await self._begin()
        if not self._stalled:
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
        self._last_write = self._loop.time()
        # Asked for only now: such events may be numbered.
        await self._send({"type": "http.response.body", "body": self._keep_alive(), "more_body": True})

    def _run(self, action: Any) -> None:
        self._timed = self._loop.create_task(action())

    def _watch_silence(self, delay_s: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(delay_s, self._check_silence)

    def _check_silence(self) -> None:
        """One timer per stream, moved on lazily: nothing is done per chunk."""
        silent_s = self._loop.time() - self._last_write
        limit_s = self._unread_s if self._sending else self._keep_alive_s
        if silent_s < limit_s:
            self._watch_silence(min(limit_s - silent_s, self._keep_alive_s))
        elif self._sending:
            self._give_up()
        else:
            if self._timed is None or self._timed.done():
                self._run(self._speak_up)
            self._watch_silence(self._keep_alive_s)

    def _give_up(self) -> None:
        if self._writer is not None:
            self._stalled = True
            self._writer.cancel()

    def _raise_stalled(self) -> None:
        """Turn our own cancellation into an error; anybody else's stays one."""
        if self._stalled and self._writer is not None and not self._writer.uncancel():
            raise ClientStalled from None


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
