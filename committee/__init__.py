"""Where the models plan, compare and agree.

Offers `Committee` and the narrow port `ChatBackend` that every member speaks through; `committee.members` opens members
from their configuration. Imports nothing of ours: tools and jobs reach it as values and callbacks.
"""

from committee.committee import Committee
from committee.errors import (
    CalibrationInvalid,
    CommitteeBusy,
    CommitteeError,
    CommitteeUnavailable,
    ContextLengthExceeded,
    MemberError,
    MemberStreamBroken,
    ToolChoiceUnsatisfied,
)
from committee.iterating import events_of
from committee.prompts import wire_name
from committee.schema import (
    Account,
    ChatBackend,
    ChatRequest,
    ClientToolCalls,
    ContentDelta,
    ContextUse,
    Delta,
    Done,
    Emit,
    Event,
    Finished,
    MemberConfig,
    MemberHealth,
    MemberUsage,
    Message,
    Position,
    ReasoningDelta,
    StageContext,
    StageEvent,
    TokenLogprob,
    ToolCall,
    ToolOutcome,
    ToolResults,
    ToolSpec,
    Turn,
)
from committee.seats import CommitteeConfig

__all__ = [
    "Account",
    "CalibrationInvalid",
    "ChatBackend",
    "ChatRequest",
    "ClientToolCalls",
    "Committee",
    "CommitteeBusy",
    "CommitteeConfig",
    "CommitteeError",
    "CommitteeUnavailable",
    "ContentDelta",
    "ContextLengthExceeded",
    "ContextUse",
    "Delta",
    "Done",
    "Emit",
    "Event",
    "Finished",
    "MemberConfig",
    "MemberError",
    "MemberHealth",
    "MemberStreamBroken",
    "MemberUsage",
    "Message",
    "Position",
    "ReasoningDelta",
    "StageContext",
    "StageEvent",
    "TokenLogprob",
    "ToolCall",
    "ToolChoiceUnsatisfied",
    "ToolOutcome",
    "ToolResults",
    "ToolSpec",
    "Turn",
    "events_of",
    "wire_name",
]
