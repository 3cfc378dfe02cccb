"""The deliberation as lines that a client is shown as reasoning."""

from __future__ import annotations

from committee import ReasoningDelta, StageEvent


class Narrator:
    """Turns the deliberation into the lines that a client is shown as reasoning.

    mode: "off", "status" (a line a stage) or "full" (the members' thoughts too).
    """

    def __init__(self, mode: str) -> None:
        self._mode = mode
        self._last_member: str | None = None

    def line(self, event: StageEvent | ReasoningDelta) -> str:
        """The text to show for an event; empty for none."""
        if isinstance(event, StageEvent):
            if self._mode == "off":
                return ""
            self._last_member = None
            who = f" {event.member}" if event.member else ""
            detail = f" ({event.detail})" if event.detail else ""
            return f"{event.stage}{who}: {event.event}{detail}\n"
        if self._mode != "full":
            return ""
        tag = f"[{event.member}] " if event.member != self._last_member else ""
        self._last_member = event.member
        return tag + event.text
