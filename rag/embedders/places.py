"""A bounded number of places, and a bounded number of those who wait for one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from rag.errors import EmbedderBusy


class Places:
    """`at_once` may be inside at a time; when `waiting` wait already, the next one is sent away."""

    def __init__(self, *, at_once: int, waiting: int) -> None:
        self._free = asyncio.Semaphore(at_once)
        self._most = waiting
        self._waiting = 0

    @asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        """Hold a place. Raises EmbedderBusy."""
        if self._free.locked():
            if self._waiting >= self._most:
                raise EmbedderBusy(retry_after=2.0)
            self._waiting += 1
            try:
                await self._free.acquire()
            finally:
                self._waiting -= 1
        else:
            await self._free.acquire()
        try:
            yield
        finally:
            self._free.release()
