"""Follow an answer that is still arriving: whole lines of it, and whether it comes fast enough to be one."""

from __future__ import annotations

from collections import deque

from committee.errors import MemberTimeout
from committee.schema import Delta

_MOST_PIECES = 1000


class Lines:
    """Collects pieces of text into whole lines."""

    def __init__(self) -> None:
        self._rest: list[str] = []

    def feed(self, text: str) -> str:
        """All lines that are complete now, or nothing."""
        whole, newline, rest = text.rpartition("\n")
        if newline:
            whole = "".join([*self._rest, whole, newline])
            self._rest.clear()
        self._rest.append(rest)
        # Pieces are kept apart so that a line without an end costs no more than its length; it is cut at last.
        return whole if len(self._rest) < _MOST_PIECES else whole + self.flush()

    def flush(self) -> str:
        """What is left, as a line."""
        if not self._rest:
            return ""
        rest = "".join(self._rest)
        self._rest.clear()
        return rest + "\n" if rest.strip() else ""


class Pace:
    """Tells a speaker that writes slowly from one that only drips, by its tokens within a window of time."""

    def __init__(self, *, window_s: float, slowest: float) -> None:
        self._window_s = window_s
        self._least = window_s * slowest
        self._seen: deque[tuple[float, float]] = deque()
        self._count = 0.0
        self._since: float | None = None

    def feed(self, delta: Delta, now: float) -> None:
        """Note a piece of the answer. Raises MemberTimeout when the window before it was too empty."""
        if self._since is None:
            self._since = now
        # Reads bundle tokens; four characters make one, and a read is at least one.
        size = (len(delta.text) + len(delta.thinking)) / 4
        tokens = size if size > 1.0 else 1.0
        seen = self._seen
        seen.append((now, tokens))
        self._count += tokens
        begin = now - self._window_s
        while seen[0][0] < begin:
            self._count -= seen.popleft()[1]
        if now - self._since >= self._window_s and self._count < self._least:
            raise MemberTimeout(f"It wrote fewer than {self._least:g} tokens in {self._window_s:g} s.")
