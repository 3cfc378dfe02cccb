"""One LISTEN connection for a whole process, made again whenever it is lost."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable

import asyncpg

from orchestrator.db.pool import Connection, close, connect

log = logging.getLogger(__name__)

# Called with a notification's payload, or with None after a gap: anything may have been missed.
Callback = Callable[[str | None], None]


class Listener:
    """Delivers notifications to callbacks, which must be quick and must not raise.

    A server that is frozen keeps the connection open, so the connection is also asked for a sign of life.
    """

    def __init__(self, dsn: str, *, timeout_s: float = 5.0, ping_s: float = 10.0, retry_s: float = 0.2) -> None:
        self._dsn = dsn
        self._timeout_s = timeout_s
        self._ping_s = ping_s
        self._retry_s = retry_s
        self._callbacks: dict[str, list[Callback]] = {}
        self._task: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()
        self._listening = asyncio.Event()

    def start(self) -> None:
        """Begin to listen; works also while the server is down."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="listener")

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
            self._task = None

    async def listening(self) -> None:
        """Wait until every channel subscribed so far is being listened to."""
        await self._listening.wait()

    def subscribe(self, channel: str, callback: Callback) -> None:
        self._callbacks.setdefault(channel, []).append(callback)
        self._listening.clear()
        self._changed.set()

    def unsubscribe(self, channel: str, callback: Callback) -> None:
        """Stop delivering to `callback`; the channel itself stays open for the next one."""
        with contextlib.suppress(KeyError, ValueError):
            self._callbacks[channel].remove(callback)

    async def _run(self) -> None:
        while True:
            try:
                await self._listen_once()
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                log.warning("The LISTEN connection was lost and is made again", extra={"reason": repr(error)})
            except Exception:
                # Every watcher and every cancellation depends on this task, so it goes on whatever happens.
                log.exception("Listening failed unexpectedly and begins again")
            self._listening.clear()
            await asyncio.sleep(self._retry_s)

    async def _listen_once(self) -> None:
        async with asyncio.timeout(self._timeout_s):
            connection = await connect(self._dsn)
        try:
            # Wakes the loop below, which then finds the connection closed.
            connection.add_termination_listener(lambda _: self._changed.set())
            heard: set[str] = set()
            while not connection.is_closed():
                self._changed.clear()
                await self._check(connection, heard)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._ping_s):
                        await self._changed.wait()
        except asyncio.CancelledError:
            await close(connection)
            raise
        finally:
            connection.terminate()

    async def _check(self, connection: Connection, heard: set[str]) -> None:
        """LISTEN to new channels and prove that the server still answers."""
        async with asyncio.timeout(self._timeout_s):
            for channel in self._callbacks.keys() - heard:
                await connection.add_listener(channel, self._on_notification)
                heard.add(channel)
                self._deliver(channel, None)
            await connection.execute("SELECT 1")
        if not self._callbacks.keys() - heard:
            self._listening.set()

    def _on_notification(self, _connection: object, _pid: int, channel: str, payload: object) -> None:
        self._deliver(channel, str(payload))

    def _deliver(self, channel: str, payload: str | None) -> None:
        for callback in tuple(self._callbacks.get(channel, ())):
            callback(payload)
