"""What can go wrong between the committee and its members.

CommitteeError
├── CommitteeUnavailable     no member could answer; `causes` says why, per member
│   ├── CommitteeBusy            every member's queue is full
│   └── ContextLengthExceeded    every member says that the conversation does not fit its window
├── ToolChoiceUnsatisfied    the members answered, and none found a call where the request demands one
├── InvalidPack              a request to the context packer that cannot be meant
├── NothingViable            no candidate can be packed; `gaps` says what is missing
├── CitationMismatch         a text cites what its evidence does not list, or the other way round
├── CalibrationInvalid       a calibration table cannot be read
├── StaleCursor              a cursor belongs to another text
├── MemberStreamBroken       the speaker was lost after its first word was shown; two voices are never spliced
└── MemberError              one member could not do one thing; the committee goes on without it
    ├── MemberUnreachable    nothing answers at its address
    │   └── MemberResting        it failed repeatedly and is not asked for a while
    ├── MemberTimeout        it answered too late, or not at all
    ├── MemberBusy           its server is busy
    │   └── MemberQueueFull      our own queue in front of it is full, or did not move in time
    ├── ModelMissing         the server runs, but has not got the model
    ├── ContextTooLong       the conversation does not fit its window
    ├── RequestRejected      the server refused the request (4xx)
    ├── MemberFailed         the server failed (5xx, or an error inside the stream)
    ├── StreamCut            the stream ended before it said that it was done
    ├── BadAnswer            the answer is not what was asked for
    │   └── WrongModel           another model answered than the one that was asked
    ├── EmptyAnswer          the answer has no text
    └── AnswerTooLarge       the answer is larger than any honest one

`code` is stable and goes to clients; `retryable` says whether asking the same member once more makes sense.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence


class CommitteeError(Exception):
    """The committee could not finish the turn."""

    code = "committee_error"

    def __init__(self, message: str | None = None, *, retry_after: float | None = None) -> None:
        super().__init__(message or (type(self).__doc__ or "").strip())
        self.retry_after = retry_after

    @property
    def message(self) -> str:
        return str(self.args[0])


class CommitteeUnavailable(CommitteeError):
    """No member of the committee could answer."""

    code = "committee_unavailable"

    def __init__(self, causes: Mapping[str, str], *, codes: Mapping[str, str] | None = None) -> None:
        self.causes = dict(causes)
        self.codes = dict(codes or {})
        details = "; ".join(f"{member}: {cause}" for member, cause in self.causes.items())
        busy = bool(self.codes) and set(self.codes.values()) == {MemberBusy.code}
        super().__init__(f"{type(self).__doc__} {details}".strip(), retry_after=5.0 if busy else 10.0)


class CommitteeBusy(CommitteeUnavailable):
    """Every member of the committee is busy; try again in a moment."""

    code = "committee_busy"


class ContextLengthExceeded(CommitteeUnavailable):
    """The conversation is longer than the context window of every member."""

    code = "context_length_exceeded"
    param = "messages"

    def __init__(self, causes: Mapping[str, str], *, codes: Mapping[str, str] | None = None) -> None:
        super().__init__(causes, codes=codes)
        self.retry_after = None  # it will be as long the next time


class InvalidPack(CommitteeError):
    """The request cannot be packed."""

    code = "invalid_request"

    def __init__(self, message: str, *, param: str) -> None:
        super().__init__(message)
        self.param = param


class NothingViable(CommitteeError):
    """None of the candidates can be packed."""

    code = "nothing_viable"

    def __init__(self, gaps: Sequence[str]) -> None:
        self.gaps = tuple(gaps)
        super().__init__(" ".join((type(self).__doc__ or "", *gaps)))


class CitationMismatch(CommitteeError):
    """Citations and evidence do not match."""

    code = "citation_mismatch"

    def __init__(self, *, unknown: Sequence[str] = (), missing: Sequence[str] = ()) -> None:
        parts = [f"not in the evidence: {', '.join(unknown[:8])}"] if unknown else []
        parts += [f"never cited: {', '.join(missing[:8])}"] if missing else []
        super().__init__(f"{type(self).__doc__} {'; '.join(parts)}".strip())


class StaleCursor(CommitteeError):
    """The cursor belongs to another text, segment size or seed; begin again without one."""

    code = "stale_cursor"
    param = "cursor"


class ToolChoiceUnsatisfied(CommitteeError):
    """tool_choice demands a tool call, but the members found none that fits the last message. Say which tool to use \
and for what, or set tool_choice to "auto"."""

    code = "tool_choice_unsatisfied"
    param = "tool_choice"


class CalibrationInvalid(CommitteeError):
    """The calibration table cannot be used."""

    code = "calibration_invalid"


class MemberError(CommitteeError):
    """A member of the committee could not answer."""

    code = "member_error"
    retryable = False


class MemberUnreachable(MemberError):
    """Nothing answers at the member's address."""

    code = "unreachable"


class MemberResting(MemberUnreachable):
    """It failed repeatedly and is being left alone for a moment."""


class MemberTimeout(MemberError):
    """The member did not answer in time."""

    code = "timeout"


class MemberBusy(MemberError):
    """The member's server is busy."""

    code = "busy"
    retryable = True


class MemberQueueFull(MemberBusy):
    """Too many requests wait for the member."""

    retryable = False  # asking again at once meets the same queue


class ModelMissing(MemberError):
    """The model is not installed."""

    code = "model_missing"


class ContextTooLong(MemberError):
    """The conversation does not fit the member's context window."""

    code = "context_length_exceeded"


class RequestRejected(MemberError):
    """The member's server refused the request."""

    code = "rejected"


class MemberFailed(MemberError):
    """The member's server reported an error."""

    code = "failed"
    retryable = True


class StreamCut(MemberError):
    """The member's answer broke off."""

    code = "cut"
    retryable = True


class BadAnswer(MemberError):
    """The member's answer was not in the form that was asked for."""

    code = "malformed"
    retryable = True


class WrongModel(BadAnswer):
    """Another model answered than the one that was asked."""

    code = "wrong_model"
    retryable = False


class EmptyAnswer(MemberError):
    """The member's answer was empty."""

    code = "empty"
    retryable = True


class AnswerTooLarge(MemberError):
    """The member's answer was larger than the limit."""

    code = "too_large"


class MemberStreamBroken(CommitteeError):
    """The member that was speaking broke off."""

    code = "member_stream_broken"

    def __init__(self, member: str, cause: MemberError) -> None:
        self.member = member
        self.cause = cause
        super().__init__(f"{member} broke off while speaking: {cause.message}")
