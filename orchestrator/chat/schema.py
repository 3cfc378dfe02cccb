"""OpenAI's chat completion request, decoded in one typed pass.

The outer decode leaves messages and tools as raw bytes, so a legal body of many megabytes holds the event loop for a
few milliseconds only; messages are then decoded one by one. Unknown fields are ignored, wrong types are a 400 that
names the field.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Raw, Struct

from committee.schema import Message, Role, Think, ToolCall, ToolSpec
from orchestrator.chat.decoding import NULL, decode
from orchestrator.chat.parts import Attached, Part, read_parts, text_of
from orchestrator.chat.structured import check_schema
from orchestrator.errors import BadRequest
from tools.registry import Attachment

MAX_MESSAGES = 2_000
MAX_TOOLS = 128
MAX_STOPS = 4
MAX_ANSWERS = 4
MAX_TOP_LOGPROBS = 20
MAX_ATTACHMENTS = 64
MAX_CONFIRMED = 64

_ROLES: dict[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
    "function": "tool",
}
_EFFORTS: dict[str, Think] = {
    "none": "off",
    "minimal": "low",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "high",
    "max": "high",
}
_MODE = re.compile(r"solo|auto|deep|solo:[^\x00-\x20]{1,200}")
_BREATHE_AFTER_BYTES = 1024 * 1024
# More than any member writes, and a number that every model server can hold.
_MOST_TOKENS = 2**31 - 1


# Before the name of a tool of this server, in the type of an entry of `tools`.
OWN_TOOL = "committee:"


class _StreamOptions(Struct):
    include_usage: bool | None = None


class _Reasoning(Struct):
    effort: str | None = None


class _CommitteeField(Struct):
    mode: str | None = None
    confirm: list[str] | None = None


class _Body(Struct):
    messages: list[Raw]
    model: str | None = None
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    stop: str | list[str] | None = None
    seed: int | None = None
    n: int | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    presence_penalty: Annotated[float, Meta(ge=-2, le=2)] | None = None
    frequency_penalty: Annotated[float, Meta(ge=-2, le=2)] | None = None
    response_format: Raw = NULL
    tools: list[Raw] | None = None
    tool_choice: Raw = NULL
    parallel_tool_calls: bool | None = None
    functions: list[Raw] | None = None
    function_call: Raw = NULL
    reasoning_effort: str | None = None
    reasoning: _Reasoning | None = None
    committee: _CommitteeField | None = None


class _Prompt(Struct):
    prompt: str


class _Function(Struct):
    name: Annotated[str, Meta(min_length=1, max_length=128)]
    description: str | None = None
    parameters: dict[str, Any] | None = None


class _Tool(Struct):
    type: str = "function"
    function: _Function | None = None


class _CalledFunction(Struct):
    name: str
    arguments: str | None = None


class _Call(Struct):
    function: _CalledFunction
    id: str = ""


class _Message(Struct):
    role: str
    content: str | list[dict[str, Any]] | None = None
    tool_calls: list[_Call] | None = None
    tool_call_id: str | None = None
    name: str | None = None
    function_call: _CalledFunction | None = None


class _JsonSchema(Struct):
    schema: dict[str, Any] | None = None


class _ResponseFormat(Struct):
    type: Literal["text", "json_object", "json_schema"]
    json_schema: _JsonSchema | None = None


class _NamedTool(Struct):
    type: str = "function"
    function: _CalledFunction | None = None
    name: str | None = None


class _AllowedTools(Struct):
    mode: str | None = None
    tools: list[_NamedTool] | None = None


class _NamedChoice(Struct):
    type: str = "function"
    function: _CalledFunction | None = None
    custom: _CalledFunction | None = None
    name: str | None = None
    mode: str | None = None
    tools: list[_NamedTool] | None = None
    allowed_tools: _AllowedTools | None = None


@dataclass(frozen=True, slots=True)
class CompletionRequest:
    """A valid request.

    `fingerprint` is the same for a request that is sent again. `parts` holds the content of the messages that carry
    more than text, by position; until `Attachments.settle` has taken those in, their `content` only names them, and
    `attachments` is empty. `mode`: "" (as the model id says), "auto", "deep", "solo" or "solo:<member>". `confirm`: ids
    of calls that waited for the user's word. `allowed_tools`: the only ones that may be used, None for all. `opted_in`:
    tools of this server that the client asks for by name. `response_schema`: what the answer must be, None for free
    text. `legacy_functions`: the client knows `function_call` and no `tool_calls`.
    """

    model: str
    messages: tuple[Message, ...]
    fingerprint: str
    stream: bool = False
    include_usage: bool = False
    client_tools: tuple[ToolSpec, ...] = ()
    tool_choice: str = "auto"
    parallel_tool_calls: bool = True
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    response_schema: dict[str, Any] | None = None
    effort: Think | None = None
    n: int = 1
    logprobs: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    mode: str = ""
    confirm: tuple[str, ...] = ()
    allowed_tools: frozenset[str] | None = None
    opted_in: frozenset[str] = frozenset()
    legacy_functions: bool = False
    parts: Mapping[int, tuple[Part, ...]] = field(default_factory=dict)
    attachments: tuple[Attachment, ...] = ()

    @property
    def user_text(self) -> str:
        """What the user said last."""
        return next((message.content for message in reversed(self.messages) if message.role == "user"), "")


async def parse_request(body: bytes, *, prompt: bool = False) -> CompletionRequest:
    """Decode and check a request body; `prompt`: it may also be `{"prompt": "..."}`. Raises BadRequest with `param`."""
    if not body:
        raise BadRequest("The request has no body.", param="messages")
    outer = _prompted(body) if prompt else decode(body, _Body)
    messages, parts = await _messages(outer.messages)
    choice, allowed = _tool_choice(outer)
    mode, confirm = _committee(outer.committee)
    return CompletionRequest(
        model=outer.model or "",
        messages=messages,
        fingerprint=await _fingerprint(outer, size=len(body)),
        stream=bool(outer.stream),
        include_usage=bool(outer.stream_options and outer.stream_options.include_usage),
        client_tools=_tools(outer, allowed),
        tool_choice=choice,
        parallel_tool_calls=outer.parallel_tool_calls is not False,
        temperature=outer.temperature,
        top_p=outer.top_p,
        max_tokens=_max_tokens(outer),
        stop=_stops(outer.stop),
        seed=outer.seed,
        response_schema=await _response_schema(outer),
        effort=_effort(outer),
        n=_answers(outer.n),
        logprobs=_logprobs(outer),
        presence_penalty=outer.presence_penalty,
        frequency_penalty=outer.frequency_penalty,
        mode=mode,
        confirm=confirm,
        allowed_tools=allowed,
        opted_in=_opted_in(outer),
        legacy_functions=bool(outer.functions) and not outer.tools,
        parts=parts,
    )


def _prompted(body: bytes) -> _Body:
    """A chat body, or one with a prompt in the place of messages and whatever else a chat body may have."""
    outer = decode(body, dict[str, Raw])
    if outer.get("messages", NULL) == NULL and "prompt" in outer:
        prompt = decode(body, _Prompt).prompt
        outer = {**outer, "messages": Raw(msgspec.json.encode([{"role": "user", "content": prompt}]))}
        return decode(msgspec.json.encode(outer), _Body)
    return decode(body, _Body)


def _answers(n: int | None) -> int:
    if n is None:
        return 1
    if not 1 <= n <= MAX_ANSWERS:
        raise BadRequest(f"n: must be 1 to {MAX_ANSWERS}.", param="n", code="unsupported_value")
    return n


def _logprobs(body: _Body) -> int | None:
    """How many alternatives per token are wanted besides the token's own probability; None for nothing at all."""
    if body.top_logprobs is not None and not 0 <= body.top_logprobs <= MAX_TOP_LOGPROBS:
        raise BadRequest(f"top_logprobs: must be 0 to {MAX_TOP_LOGPROBS}.", param="top_logprobs")
    if not body.logprobs:
        if body.top_logprobs:
            raise BadRequest("top_logprobs: needs logprobs to be true.", param="top_logprobs")
        return None
    return body.top_logprobs or 0


def _committee(asked: _CommitteeField | None) -> tuple[str, tuple[str, ...]]:
    """The mode and the confirmed calls that the extra field `committee` names."""
    return ("", ()) if asked is None else asked_of_committee(asked.mode, asked.confirm)


def asked_of_committee(mode: str | None, confirm: Sequence[str] | None) -> tuple[str, tuple[str, ...]]:
    """`mode` and `confirm` of a request's field `committee`, checked. Raises BadRequest."""
    mode = mode or ""
    if mode and not _MODE.fullmatch(mode):
        raise BadRequest("committee.mode: one of auto, deep, solo, solo:<member>.", param="committee.mode")
    confirm = tuple(confirm or ())
    if len(confirm) > MAX_CONFIRMED or any(not 0 < len(one) <= 200 for one in confirm):
        raise BadRequest(
            f"committee.confirm: at most {MAX_CONFIRMED} ids of held calls are accepted.", param="committee.confirm"
        )
    return mode, confirm


async def _messages(raw: list[Raw]) -> tuple[tuple[Message, ...], dict[int, tuple[Part, ...]]]:
    """The messages, and by position the content of those that carry more than text."""
    if not raw:
        raise BadRequest("messages: at least one message is needed.", param="messages")
    if len(raw) > MAX_MESSAGES:
        raise BadRequest(f"messages: at most {MAX_MESSAGES} are accepted.", param="messages")
    messages: list[Message] = []
    mixed: dict[int, tuple[Part, ...]] = {}
    budget = _BREATHE_AFTER_BYTES
    for position, item in enumerate(raw):
        where = f"messages[{position}]"
        message = decode(item, _Message, where)
        if isinstance(message.content, str):
            messages.append(_message(message, message.content, where))
        else:
            parts = read_parts(message.content, f"{where}.content")
            messages.append(_message(message, text_of(parts), where))
            if not all(isinstance(part, str) for part in parts):
                mixed[position] = parts
        if (budget := budget - len(memoryview(item))) < 0:
            await asyncio.sleep(0)
            budget = _BREATHE_AFTER_BYTES
    if mixed and sum(isinstance(part, Attached) for parts in mixed.values() for part in parts) > MAX_ATTACHMENTS:
        raise BadRequest(f"messages: at most {MAX_ATTACHMENTS} attachments are accepted.", param="messages")
    return tuple(messages), mixed


def _message(message: _Message, content: str, where: str) -> Message:
    role = _ROLES.get(message.role)
    if role is None:
        known = ", ".join(_ROLES)
        raise BadRequest(f"{where}.role: {message.role[:40]!r} is none of {known}.", param=f"{where}.role")
    if not (message.tool_calls or message.function_call or message.tool_call_id or message.name):
        return Message(role, content)
    calls = list(message.tool_calls or ())
    if message.function_call is not None:
        calls.append(_Call(function=message.function_call, id=f"call_{message.function_call.name}"))
    return Message(
        role=role,
        content=content,
        tool_calls=tuple(ToolCall(call.id, call.function.name, _arguments(call.function)) for call in calls),
        tool_call_id=message.tool_call_id or (f"call_{message.name}" if message.role == "function" else None),
        name=message.name,
    )


def _arguments(called: _CalledFunction) -> dict[str, Any]:
    try:
        arguments = msgspec.json.decode(called.arguments or "{}")
    except (msgspec.DecodeError, RecursionError):
        return {"raw": called.arguments}
    return arguments if isinstance(arguments, dict) else {"value": arguments}


def _tools(body: _Body, allowed: frozenset[str] | None) -> tuple[ToolSpec, ...]:
    """The client's own tools that may be used. Types other than functions are for other servers and are ignored."""
    declared = list(body.tools or ())
    if len(declared) + len(body.functions or ()) > MAX_TOOLS:
        raise BadRequest(f"tools: at most {MAX_TOOLS} are accepted.", param="tools")
    functions: list[_Function] = []
    for position, raw in enumerate(declared):
        tool = decode(raw, _Tool, f"tools[{position}]")
        if tool.type == "function":
            if tool.function is None:
                raise BadRequest("A function tool needs its function.", param=f"tools[{position}].function")
            functions.append(tool.function)
    functions += [decode(raw, _Function, f"functions[{n}]") for n, raw in enumerate(body.functions or ())]
    specs = {
        f.name: ToolSpec(f.name, f.description or "", f.parameters or {"type": "object", "properties": {}}, "client")
        for f in functions
        if allowed is None or f.name in allowed
    }
    return tuple(specs.values())


def _opted_in(body: _Body) -> frozenset[str]:
    """Tools of this server that the client asks for among its own, as {"type": "committee:<name>"}, in wire names."""
    if not body.tools:
        return frozenset()
    types = (decode(raw, _Tool, f"tools[{position}]").type for position, raw in enumerate(body.tools or ()))
    return frozenset(kind.removeprefix(OWN_TOOL).replace(".", "_") for kind in types if kind.startswith(OWN_TOOL))


def _tool_choice(body: _Body) -> tuple[str, frozenset[str] | None]:
    """ "auto", "none", "required" or the name of the tool that must be called; and the only tools that may be."""
    raw = body.function_call if body.tool_choice == NULL else body.tool_choice
    if raw == NULL:
        return "auto", None
    choice = decode(raw, str | _NamedChoice | None, "tool_choice")  # type: ignore[arg-type]
    if choice is None:
        return "auto", None
    if isinstance(choice, str):
        return _plain_choice(choice, "tool_choice"), None
    named: _NamedChoice = choice
    if named.type == "allowed_tools":
        return _allowed(named)
    if named.type in {"auto", "none", "required", "any"} and not named.name:
        return _plain_choice(named.type, "tool_choice.type"), None
    called = named.function or named.custom
    name = called.name if called else named.name
    if not name:
        raise BadRequest("tool_choice: the function's name is missing.", param="tool_choice.function.name")
    return name, None


def _plain_choice(choice: str, param: str) -> str:
    if choice in {"auto", "none", "required"}:
        return choice
    if choice == "any":
        return "required"
    raise BadRequest("tool_choice: give auto, none, required or a function.", param=param)


def _allowed(choice: _NamedChoice) -> tuple[str, frozenset[str]]:
    """A choice among some of the tools; its list stands in `allowed_tools` or, in the newer API, beside the type."""
    inner = choice.allowed_tools
    tools = (inner.tools if inner else None) or choice.tools or []
    named = {(tool.function.name if tool.function else tool.name) or "" for tool in tools} - {""}
    if not named:
        raise BadRequest("tool_choice: the list of allowed tools is empty.", param="tool_choice.allowed_tools.tools")
    mode = (inner.mode if inner else None) or choice.mode or "auto"
    return _plain_choice(mode, "tool_choice.allowed_tools.mode"), frozenset(named)


def _max_tokens(body: _Body) -> int | None:
    param = "max_tokens" if body.max_completion_tokens is None else "max_completion_tokens"
    limit = body.max_tokens if body.max_completion_tokens is None else body.max_completion_tokens
    if limit is None or limit == -1:  # some clients say "no limit" so
        return None
    if limit < 1:
        raise BadRequest(f"{param}: must be 1 or more.", param=param)
    return min(limit, _MOST_TOKENS)


def _stops(stop: str | list[str] | None) -> tuple[str, ...]:
    stops = (stop,) if isinstance(stop, str) else tuple(stop or ())
    if len(stops) > MAX_STOPS:
        raise BadRequest(f"stop: at most {MAX_STOPS} sequences are accepted.", param="stop")
    return tuple(filter(None, stops))


async def _response_schema(body: _Body) -> dict[str, Any] | None:
    if body.response_format == NULL:
        return None
    wanted = decode(body.response_format, _ResponseFormat | None, "response_format")  # type: ignore[arg-type]
    if wanted is None or wanted.type == "text":
        return None
    if wanted.type == "json_object":
        return {"type": "object"}
    if wanted.json_schema is None or wanted.json_schema.schema is None:
        raise BadRequest("response_format: the schema is missing.", param="response_format.json_schema.schema")
    size = len(memoryview(body.response_format))
    await check_schema(wanted.json_schema.schema, size=size, param="response_format.json_schema.schema")
    return wanted.json_schema.schema


def _effort(body: _Body) -> Think | None:
    effort = body.reasoning_effort or (body.reasoning.effort if body.reasoning else None)
    if effort is None:
        return None
    try:
        return _EFFORTS[effort]
    except KeyError:
        raise BadRequest(f"reasoning_effort: one of {', '.join(_EFFORTS)}.", param="reasoning_effort") from None


async def _fingerprint(body: _Body, *, size: int) -> str:
    # Hashing lets go of the GIL, so a thread does keep megabytes off the event loop here.
    return await asyncio.to_thread(_digest, body) if size > _BREATHE_AFTER_BYTES else _digest(body)


def _digest(body: _Body) -> str:
    digest = hashlib.sha256((body.model or "").encode())
    for raw in (*body.messages, b"|", *(body.tools or ()), *(body.functions or ())):
        digest.update(memoryview(raw))
        digest.update(b"\x1f")
    return digest.hexdigest()
