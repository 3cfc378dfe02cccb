"""The members' places at the table, and how long the table waits for them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from committee.errors import MemberError, MemberTimeout, MemberUnreachable
from committee.schema import ChatBackend


@dataclass(frozen=True, slots=True)
class CommitteeConfig:
    """How the members deliberate; times in seconds.

    grace_s: how long to wait for a slower member once a proposal is in; the planner is waited for until its stage ends.
    turn_timeout_s: after this long no further tools are offered, so that the turn comes to an end.
    """

    temperature: float = 0.3
    probe_timeout_s: float = 45.0
    grace_s: float = 12.0
    first_byte_timeout_s: float = 20.0
    speak_idle_timeout_s: float = 60.0
    speak_timeout_s: float = 600.0
    cold_load_timeout_s: float = 180.0
    turn_timeout_s: float = 120.0
    probe_max_tokens: int = 900
    max_tool_iterations: int = 6
    breaker_failures: int = 3
    breaker_open_s: float = 30.0


class Seat:
    """A member at the table, with a breaker: after repeated transport failures it is not asked for a while."""

    def __init__(self, backend: ChatBackend, config: CommitteeConfig) -> None:
        self.backend = backend
        self._config = config
        self._failures = 0
        self._open_until = 0.0

    @property
    def name(self) -> str:
        return self.backend.name

    def check(self) -> None:
        """Raise MemberUnreachable while the breaker is open; the first request after that is the trial."""
        if self._is_open():
            raise MemberUnreachable("It failed repeatedly and is being left alone for a moment.")

    def succeeded(self) -> None:
        self._failures = 0

    def failed(self, error: MemberError) -> None:
        # What `check` raised is no new failure: it would keep the breaker open for ever.
        if isinstance(error, MemberUnreachable | MemberTimeout) and not self._is_open():
            self._failures += 1
            self._open_until = asyncio.get_running_loop().time() + self._config.breaker_open_s

    def _is_open(self) -> bool:
        now = asyncio.get_running_loop().time()
        return self._failures >= self._config.breaker_failures and now < self._open_until
