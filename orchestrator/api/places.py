"""How many requests a route takes in at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from orchestrator.errors import QueueFull


class Places:
    """At most `most` are inside; who comes then is sent away with `full` as the reason, to try again later."""

    def __init__(self, most: int, full: str) -> None:
        self._most = most
        self._full = full
        self._taken = 0

    @contextmanager
    def one(self) -> Iterator[None]:
        """Hold a place. Raises QueueFull."""
        if self._taken >= self._most:
            raise QueueFull(self._full, code="too_many_requests", retry_after=2.0)
        self._taken += 1
        try:
            yield
        finally:
            self._taken -= 1
