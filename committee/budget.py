"""What a turn may cost before it has to come to its end: hidden tokens and wall-clock time."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


class Budget:
    """Counts from its creation. Time in `paused` (tools that run) is not the deliberation's."""

    def __init__(self, *, hidden_tokens: int, wall_s: float) -> None:
        self._tokens_left = hidden_tokens
        self._deadline = _now() + wall_s

    @property
    def left_s(self) -> float:
        return max(0.0, self._deadline - _now())

    @property
    def spent(self) -> str:
        """What is used up, in words; empty while nothing is."""
        if self._tokens_left <= 0:
            return "hidden tokens"
        return "" if self.left_s > 0 else "time"

    def spend(self, hidden_tokens: int) -> None:
        self._tokens_left -= hidden_tokens

    def tokens(self, wanted: int) -> int:
        """So many of the `wanted` hidden tokens are left; at least one, because zero means "no limit" to servers."""
        return max(1, min(wanted, self._tokens_left))

    @contextmanager
    def paused(self) -> Iterator[None]:
        since = _now()
        try:
            yield
        finally:
            self._deadline += _now() - since


def _now() -> float:
    return asyncio.get_running_loop().time()
