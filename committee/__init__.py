"""Where the models plan, compare and agree.

Offers `Committee` and the narrow port `ChatBackend` that every member speaks through; `committee.members` opens members
from their configuration. Imports nothing of ours: tools and jobs reach it as values and callbacks.
"""

from committee.committee import Committee
from committee.errors import (
    CommitteeError,
    CommitteeUnavailable,
    ContextLengthExceeded,
    MemberError,
    MemberStreamBroken,
    ToolChoiceUnsatisfied,
)
from committee.prompts import wire_name
from committee.schema import (
    ChatBackend,
    ChatRequest,
    ClientToolCalls,
    ContentDelta,
    Delta,
    Done,
    Event,
    Finished,
    MemberConfig,
    MemberHealth,
    MemberUsage,
    Message,
    ReasoningDelta,
    StageContext,
    StageEvent,
    ToolCall,
    ToolOutcome,
    ToolResults,
    ToolSpec,
    Turn,
)
from committee.seats import CommitteeConfig

__all__ = [
    "ChatBackend",
    "ChatRequest",
    "ClientToolCalls",
    "Committee",
    "CommitteeConfig",
    "CommitteeError",
    "CommitteeUnavailable",
    "ContentDelta",
    "ContextLengthExceeded",
    "Delta",
    "Done",
    "Event",
    "Finished",
    "MemberConfig",
    "MemberError",
    "MemberHealth",
    "MemberStreamBroken",
    "MemberUsage",
    "Message",
    "ReasoningDelta",
    "StageContext",
    "StageEvent",
    "ToolCall",
    "ToolChoiceUnsatisfied",
    "ToolOutcome",
    "ToolResults",
    "ToolSpec",
    "Turn",
    "wire_name",
]
