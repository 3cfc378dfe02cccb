"""Who did what in one turn: tokens, failures, retries."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from committee.budget import Budget
from committee.errors import (
    BadAnswer,
    CommitteeBusy,
    CommitteeUnavailable,
    ContextLengthExceeded,
    ContextTooLong,
    EmptyAnswer,
    MemberBusy,
    MemberError,
    WrongModel,
)
from committee.schema import Done, MemberUsage
from committee.seats import Seat

log = logging.getLogger(__name__)


class Ledger:
    """The books of one turn."""

    def __init__(self, budget: Budget) -> None:
        self.usage: dict[str, MemberUsage] = {}
        self.failures: dict[str, MemberError] = {}
        self._budget = budget
        self._heard: set[str] = set()
        self._retried: set[str] = set()

    def count(self, member: str, done: Done, *, hidden: bool) -> None:
        """Note what an answer cost; `hidden` when its text is not (or not yet) the turn's answer."""
        old = self.usage.get(member, MemberUsage())
        unseen = done.completion_tokens if hidden else done.thinking_tokens
        if hidden:
            self._budget.spend(unseen)
        self.usage[member] = MemberUsage(
            prompt_tokens=old.prompt_tokens + done.prompt_tokens,
            completion_tokens=old.completion_tokens + done.completion_tokens,
            hidden_tokens=old.hidden_tokens + unseen,
            calls=old.calls + 1,
        )

    def reveal(self, member: str, done: Done) -> None:
        """What was counted as hidden has become the turn's answer after all."""
        old = self.usage.get(member, MemberUsage())
        shown = done.completion_tokens - done.thinking_tokens
        self.usage[member] = MemberUsage(
            old.prompt_tokens, old.completion_tokens, max(0, old.hidden_tokens - shown), old.calls
        )

    def succeeded(self, seat: Seat) -> None:
        self._heard.add(seat.name)
        self.failures.pop(seat.name, None)
        seat.succeeded()

    def failed(self, seat: Seat, error: MemberError, *, outage: bool = True) -> None:
        """outage: whether the breaker is to count it; being slower than the others is none."""
        self.failures[seat.name] = error
        if outage:
            seat.failed(error)
        log.warning("a member failed", extra={"member": seat.name, "code": error.code, "cause": error.message})

    @property
    def begun(self) -> bool:
        """Whether any member has answered in this turn, so that there is something to lose."""
        return bool(self._heard)

    def may_retry(self, seat: Seat) -> bool:
        """One retry per member and turn; the caller knows that nothing of the failed answer was shown."""
        error = self.failures.get(seat.name)
        if error is None or not error.retryable or seat.name in self._retried:
            return False
        self._retried.add(seat.name)
        return True

    def status(self, member: str) -> str:
        if error := self.failures.get(member):
            return error.code
        return "ok" if member in self._heard else "silent"

    def all_answered(self) -> bool:
        """Whether every failure is one of what was said, and not of saying it."""
        errors = self.failures.values()
        return all(isinstance(e, BadAnswer | EmptyAnswer) and not isinstance(e, WrongModel) for e in errors)

    def anyone_there(self) -> bool:
        """Whether a member failed only by what it said: one that writes bad plans may still write good prose."""
        return any(isinstance(e, BadAnswer | EmptyAnswer) for e in self.failures.values())

    def unavailable(self) -> CommitteeUnavailable:
        codes = {name: error.code for name, error in self.failures.items()}
        causes = {name: error.message for name, error in self.failures.items()}
        kinds = set(codes.values())
        if kinds == {ContextTooLong.code}:
            return ContextLengthExceeded(causes, codes=codes)
        return (CommitteeBusy if kinds == {MemberBusy.code} else CommitteeUnavailable)(causes, codes=codes)


def in_order(seats: Sequence[Seat], first: str, ledger: Ledger) -> list[Seat]:
    """Who may speak, best first: members that failed last, otherwise `first`, then by name."""
    return sorted(seats, key=lambda seat: (seat.name in ledger.failures, seat.name != first, seat.name))
