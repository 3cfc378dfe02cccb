"""The committee's own words: what goes in, what members exchange, what comes out.

Everything here is plain immutable data; what is made for every piece of an answer is a Struct, which costs a fraction.
Wire formats of model servers stay in `committee.backends`; what the members must answer in a probe is in
`committee.proposal`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeAlias

import msgspec

Role: TypeAlias = Literal["system", "user", "assistant", "tool"]
Effect: TypeAlias = Literal["read", "write", "job", "client"]
FinishReason: TypeAlias = Literal["stop", "length", "tool_calls"]
Think: TypeAlias = Literal["off", "low", "medium", "high"]
Agreement: TypeAlias = Literal["agreed", "compatible", "decided", "split", "single", "solo"]


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One call, proposed or decided. `name` is the ToolSpec's name; `id` is unique within the conversation."""

    id: str
    name: str
    arguments: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Message:
    """One message of the conversation; `images` are base64 without a data: prefix.

    tainted: the text comes from a web page, a file, retrieval or somebody else's server. It may inform an answer; by
    itself it cannot cause an effect.
    """

    role: Role
    content: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None
    name: str | None = None
    images: tuple[str, ...] = ()
    tainted: bool = False


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """What the members are told about a tool.

    effect: "read" is cheap and changes nothing, "write" changes something at once, "job" starts or changes durable
    work (for both of these all members must agree), "client" belongs to the caller and is handed back, never run here.
    forceable: a member that says it cannot do what this tool does may be overruled. taints: its results are text that
    others wrote.
    """

    name: str
    description: str
    parameters: Mapping[str, Any]
    effect: Effect = "read"
    forceable: bool = False
    taints: bool = False


@dataclass(frozen=True, slots=True)
class ToolOutcome:
    """What became of one executed call: `data`, or `error` in one sentence."""

    call: ToolCall
    data: dict[str, Any] | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Position:
    """What one member holds, without its name: what the others are shown and judge."""

    action: str
    work: str = ""
    key: str = ""
    calls: tuple[ToolCall, ...] = ()


@dataclass(frozen=True, slots=True)
class StageContext:
    """The same facts as the stage's prompt, as data: for members that are rules rather than language models.

    stage: "probe", "cross-check", "verdict", "choose", "replan", "speak" or "solo". positions: in a cross-check the
    member's own and then the others', in a verdict the two candidates in the order in which they are shown.
    """

    stage: str
    user_text: str = ""
    tools: tuple[ToolSpec, ...] = ()
    outcomes: tuple[ToolOutcome, ...] = ()
    must_call: bool = False
    positions: tuple[Position, ...] = ()


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """One question to one member.

    `tools` are offered natively (the member may answer with tool calls); `response_schema` binds the answer to a JSON
    schema. Deadlines in seconds: `total_s` counts from the first byte, `first_byte_s` holds for a loaded model (a cold
    load is told apart by the backend), `idle_s` between two reads. logprobs: how many alternatives per token (0: only
    the chosen one), None for none.
    """

    messages: tuple[Message, ...]
    context: StageContext
    tools: tuple[ToolSpec, ...] = ()
    response_schema: Mapping[str, Any] | None = None
    think: Think | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    logprobs: int | None = None
    total_s: float = 600.0
    first_byte_s: float = 20.0
    idle_s: float = 60.0


class Done(msgspec.Struct, frozen=True):
    """The end of a member's answer, with what it cost. `completion_tokens` includes `thinking_tokens`.

    stop_sequence: the one of the request's at which it ended, where the server tells; None else.
    """

    finish_reason: FinishReason
    prompt_tokens: int = 0
    completion_tokens: int = 0
    thinking_tokens: int = 0
    stop_sequence: str | None = None


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """One token of the answer with its log probability and the likeliest alternatives."""

    token: str
    logprob: float
    top: tuple[tuple[str, float], ...] = ()


class Delta(msgspec.Struct, frozen=True):
    """A piece of a member's answer; the last one, and only that, carries `done`."""

    text: str = ""
    thinking: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    done: Done | None = None
    logprobs: tuple[TokenLogprob, ...] = ()


DEFAULT_NUM_CTX = 8192


@dataclass(frozen=True, slots=True)
class MemberConfig:
    """Who a member is and where it lives.

    api: "auto" looks for Ollama, then for an OpenAI-compatible server, else stands in offline. `also_try` are further
    addresses for "auto" (one Ollama may host both members). The `…_variable`s are named in messages for humans.
    num_ctx: the context size that the user has set; None: what the server has loaded, else DEFAULT_NUM_CTX. It is one
    constant for every request: another value makes Ollama load the model anew.
    look_again_s: how often "auto" looks for a server while it stands in. parallel: requests that the server works on
    side by side (OLLAMA_NUM_PARALLEL); None asks for what is usual for its kind.
    """

    name: str
    model: str
    base_url: str
    api: Literal["auto", "ollama", "openai", "offline"] = "auto"
    api_key: str = field(default="", repr=False)
    also_try: tuple[str, ...] = ()
    num_ctx: int | None = None
    keep_alive: str = "24h"
    model_variable: str = ""
    url_variable: str = ""
    window_variable: str = ""
    connect_s: float = 2.0
    cold_load_s: float = 180.0
    look_again_s: float = 10.0
    parallel: int | None = None


@dataclass(frozen=True, slots=True)
class MemberHealth:
    """How a member is. `note` is for a human: what is unusual, and what to do about it.

    A stand-in answers, but the server it stands for is not `reachable`, and whether that has `loaded` is not known.
    `context_length`, `size` and `size_vram` are what the server really loaded (tokens, bytes), None when unknown; a
    model whose `size_vram` is less than its `size` runs partly on the CPU. `window`: as the backend's.
    """

    name: str
    kind: str
    base_url: str | None
    configured_model: str
    model: str | None
    reachable: bool
    loaded: bool | None = None
    context_length: int | None = None
    size_vram: int | None = None
    size: int | None = None
    window: int | None = None
    note: str = ""
    stand_in: bool = False


class ChatBackend(Protocol):
    """The port behind which every member stands."""

    @property
    def name(self) -> str:
        """The member's name in the committee, e.g. "qwen3"."""

    @property
    def model(self) -> str:
        """The model that answers (resolved where the configured one is missing)."""

    @property
    def stand_in(self) -> bool:
        """True when this is no language model; a stand-in keeps silent as soon as a real member is there."""

    @property
    def window(self) -> int | None:
        """Tokens that a request and its answer may have together; None when there is no limit to mind."""

    @property
    def parallel(self) -> int | None:
        """Requests that it answers side by side; more wait in a queue of ours. None when that does not matter."""

    def stream(self, request: ChatRequest) -> AsyncGenerator[Delta, None]:
        """Answer; the last delta has `done`. Raises MemberError. Closing the iterator stops the server's work."""

    async def health(self) -> MemberHealth:
        """Look at the server now (bounded to a few seconds); never raises."""

    async def warm(self) -> None:
        """Get ready ahead of the first request, where that means something; never raises."""

    async def aclose(self) -> None:
        """Release connections."""


Act: TypeAlias = Callable[[Sequence[ToolCall]], Awaitable[Sequence[ToolOutcome]]]


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of a conversation to deliberate on.

    mode: "auto", "deep" (always cross-check), or "solo:<member>" for one member alone. tool_choice: "auto", "none",
    "required" or a tool's name. n: how many answers are to be written from the one decision (1 to 4). confirmed: calls
    that an earlier turn held and that the user has now confirmed; they run first, exactly as they are. act: runs
    server tools; None hands every agreed call back to the caller. It must be safe to cancel (the caller shields what
    has to finish).
    """

    messages: Sequence[Message]
    tools: Sequence[ToolSpec] = ()
    seed: int = 0
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    mode: str = "auto"
    tool_choice: str = "auto"
    parallel_tool_calls: bool = True
    response_schema: Mapping[str, Any] | None = None
    effort: Think | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    logprobs: int | None = None
    n: int = 1
    confirmed: tuple[ToolCall, ...] = ()
    act: Act | None = None


@dataclass(frozen=True, slots=True)
class MemberUsage:
    """Tokens that one member read and wrote in this turn; `hidden_tokens` are the part never shown as content."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    hidden_tokens: int = 0
    calls: int = 0


class StageEvent(msgspec.Struct, frozen=True):
    """The deliberation moved on; `event` says how.

    stage: "route", "probe", "compare", "evidence", "cross-check", "verdict", "sample", "choose", "act", "replan" or
    "speak". calls: with the event "held", those that wait for the user; the account names them again at the end, which
    a turn that breaks does not reach.
    """

    stage: str
    member: str | None
    event: str
    detail: str = ""
    calls: tuple[ToolCall, ...] = ()


class ReasoningDelta(msgspec.Struct, frozen=True):
    """Whole lines of a member's thoughts, for whoever wants to watch."""

    member: str
    text: str


class ContentDelta(msgspec.Struct, frozen=True):
    """A piece of the answer, as it comes from the speaker. `index` tells several answers apart (Turn.n)."""

    text: str
    index: int = 0
    logprobs: tuple[TokenLogprob, ...] = ()


@dataclass(frozen=True, slots=True)
class ToolResults:
    """Server tools have run."""

    outcomes: tuple[ToolOutcome, ...]


@dataclass(frozen=True, slots=True)
class ClientToolCalls:
    """Calls for the caller to run; the turn ends with finish_reason "tool_calls"."""

    calls: tuple[ToolCall, ...]


@dataclass(frozen=True, slots=True)
class ContextUse:
    """How the conversation met the members' windows.

    fit: "whole" (every member read all of it), "routed" (only members that can read all of it were asked) or "packed"
    (members read a packed version). detail: in words, for a human; empty for "whole".
    """

    fit: Literal["whole", "routed", "packed"] = "whole"
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Account:
    """How the answer came about: who agreed, who dissented, what decided, who spoke and why.

    mode: "auto", "deep" or "solo". route: why one member answered alone, empty for a committee. decided_by:
    "agreement", "evidence", "cross-check", "verdicts", "third sample", "planner", "policy" or "" when there was nothing
    to decide. dissent: what each member held that the decision does not, in a few words. held: calls that wait for the
    user's confirmation.
    """

    mode: str = "auto"
    route: str = ""
    decided_by: str = ""
    agreed: tuple[str, ...] = ()
    dissent: Mapping[str, str] = field(default_factory=dict)
    spoke_because: str = ""
    context: ContextUse = ContextUse()
    held: tuple[ToolCall, ...] = ()


@dataclass(frozen=True, slots=True)
class Finished:
    """The last event of every turn that did not raise.

    agreement: "agreed" (the same short answer or the same calls), "compatible" (nothing contradicts), "decided" (they
    differed, and evidence, a named defect, verdicts or another sample settled it), "split" (the planner's view was
    taken and the answer says so), "single" (only one member answered) or "solo" (only one was asked).
    speaker None: no member could speak after tools had run; the caller still has the results to show.
    members: "ok", "silent" (stand-in beside a real member, or not asked) or the error code, per member.
    finish_reason and stop_sequence are those of the first answer; `further_reasons` has the others' (Turn.n).
    """

    finish_reason: FinishReason
    usage: dict[str, MemberUsage]
    agreement: Agreement
    speaker: str | None
    degraded: bool
    members: dict[str, str]
    model: str = ""
    causes: dict[str, str] = field(default_factory=dict)
    account: Account = Account()
    further_reasons: tuple[FinishReason, ...] = ()
    stop_sequence: str | None = None


Event: TypeAlias = StageEvent | ReasoningDelta | ContentDelta | ToolResults | ClientToolCalls | Finished

Emit: TypeAlias = Callable[[Event], Awaitable[None]]
"""Where the events of a turn go, one after the other; what it raises ends the turn."""
