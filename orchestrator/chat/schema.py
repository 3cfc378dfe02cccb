"""OpenAI's chat completion request, decoded in one typed pass.

The outer decode leaves messages and tools as raw bytes, so a legal body of many megabytes holds the event loop for a
few milliseconds only; messages are then decoded one by one. Unknown fields are ignored, wrong types are a 400 that
names the field.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta, Raw, Struct

from committee.schema import Message, Role, Think, ToolCall, ToolSpec
from orchestrator.errors import BadRequest

MAX_MESSAGES = 2_000
MAX_TOOLS = 128
MAX_STOPS = 4

T = TypeVar("T")

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
_AT = re.compile(r" - at `\$\.?(?P<path>[^`]*)`")
_BREATHE_AFTER_BYTES = 1024 * 1024


_NULL = Raw(b"null")


class _StreamOptions(Struct):
    include_usage: bool | None = None


class _Reasoning(Struct):
    effort: str | None = None


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
    response_format: Raw = _NULL
    tools: list[Raw] | None = None
    tool_choice: Raw = _NULL
    parallel_tool_calls: bool | None = None
    functions: list[Raw] | None = None
    function_call: Raw = _NULL
    reasoning_effort: str | None = None
    reasoning: _Reasoning | None = None


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


class _Part(Struct):
    type: str = "text"
    text: str | None = None
    refusal: str | None = None
    image_url: Any = None
    file: Any = None


class _Message(Struct):
    role: str
    content: str | list[_Part] | None = None
    tool_calls: list[_Call] | None = None
    tool_call_id: str | None = None
    name: str | None = None
    function_call: _CalledFunction | None = None


class _JsonSchema(Struct):
    schema: dict[str, Any] | None = None


class _ResponseFormat(Struct):
    type: Literal["text", "json_object", "json_schema"]
    json_schema: _JsonSchema | None = None


class _NamedChoice(Struct):
    type: str = "function"
    function: _CalledFunction | None = None
    name: str | None = None
    mode: str | None = None
    allowed_tools: Any = None


@dataclass(frozen=True, slots=True)
class CompletionRequest:
    """A valid request.

    `fingerprint` is the same for a request that is sent again.
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

    @property
    def user_text(self) -> str:
        """What the user said last."""
        return next((message.content for message in reversed(self.messages) if message.role == "user"), "")


async def parse_request(body: bytes) -> CompletionRequest:
    """Decode and check a request body. Raises BadRequest with `param`."""
    if not body:
        raise BadRequest("The request has no body.", param="messages")
    outer = _decode(body, _Body)
    return CompletionRequest(
        model=outer.model or "",
        messages=await _messages(outer.messages),
        fingerprint=await _fingerprint(outer, size=len(body)),
        stream=bool(outer.stream),
        include_usage=bool(outer.stream_options and outer.stream_options.include_usage),
        client_tools=_tools(outer),
        tool_choice=_tool_choice(outer),
        parallel_tool_calls=outer.parallel_tool_calls is not False,
        temperature=outer.temperature,
        top_p=outer.top_p,
        max_tokens=_max_tokens(outer),
        stop=_stops(outer.stop),
        seed=outer.seed,
        response_schema=_response_schema(outer),
        effort=_effort(outer),
    )


def check_supported(body: _Body) -> None:
    """Refuse what would be answered wrongly."""
    if body.n is not None and body.n != 1:
        raise BadRequest("n must be 1: one conversation gets one answer.", param="n", code="unsupported_value")


def _decode(raw: bytes | Raw, kind: type[T], where: str = "") -> T:
    try:
        decoded = msgspec.json.decode(raw, type=kind)
    except msgspec.ValidationError as error:
        text = str(error)
        found = _AT.search(text)
        path = found["path"] if found else ""
        param = f"{where}.{path}".strip(".").replace(".[", "[") or None
        message = _AT.sub("", text).replace("`", "'")
        if missing := re.search(r"missing required field '(\w+)'", message):
            param = f"{param}.{missing[1]}" if param else missing[1]
        raise BadRequest(f"{param}: {message}." if param else f"{message}.", param=param) from None
    except msgspec.DecodeError as error:
        raise BadRequest(f"The body is not valid JSON: {error}.", code="invalid_json") from None
    if isinstance(decoded, _Body):
        check_supported(decoded)
    return decoded


async def _messages(raw: list[Raw]) -> tuple[Message, ...]:
    if not raw:
        raise BadRequest("messages: at least one message is needed.", param="messages")
    if len(raw) > MAX_MESSAGES:
        raise BadRequest(f"messages: at most {MAX_MESSAGES} are accepted.", param="messages")
    messages: list[Message] = []
    budget = _BREATHE_AFTER_BYTES
    for position, item in enumerate(raw):
        where = f"messages[{position}]"
        messages.append(_message(_decode(item, _Message, where), where))
        if (budget := budget - len(memoryview(item))) < 0:
            await asyncio.sleep(0)
            budget = _BREATHE_AFTER_BYTES
    return tuple(messages)


def _message(message: _Message, where: str) -> Message:
    role = _ROLES.get(message.role)
    if role is None:
        known = ", ".join(_ROLES)
        raise BadRequest(f"{where}.role: {message.role[:40]!r} is none of {known}.", param=f"{where}.role")
    calls = list(message.tool_calls or ())
    if message.function_call is not None:
        calls.append(_Call(function=message.function_call, id=f"call_{message.function_call.name}"))
    return Message(
        role=role,
        content=_text(message.content),
        tool_calls=tuple(ToolCall(call.id, call.function.name, _arguments(call.function)) for call in calls),
        tool_call_id=message.tool_call_id or (f"call_{message.name}" if message.role == "function" else None),
        name=message.name,
    )


def _text(content: str | list[_Part] | None) -> str:
    """The text of a message. What is not text is named, so that no member believes that nothing was attached."""
    if content is None or isinstance(content, str):
        return content or ""
    pieces: list[str] = []
    attachments = 0
    for part in content:
        text = part.text if part.text is not None else part.refusal
        if text is None:
            attachments += 1
            text = f"[attachment {attachments}: {_attachment_name(part)}]"
        pieces.append(text)
    return "\n".join(pieces)


def _attachment_name(part: _Part) -> str:
    kind = part.type.removeprefix("input_").removesuffix("_url")
    source = part.image_url or part.file
    if isinstance(source, dict):
        source = source.get("filename") or source.get("url")
    if not isinstance(source, str):
        return kind
    if source.startswith("data:"):
        return f"{kind}, {source[5:].partition(';')[0][:60]}, about {max(1, len(source) * 3 // 4096)} KiB"
    return f"{kind}, {source[:200]}"


def _arguments(called: _CalledFunction) -> dict[str, Any]:
    try:
        arguments = msgspec.json.decode(called.arguments or "{}")
    except (msgspec.DecodeError, RecursionError):
        return {"raw": called.arguments}
    return arguments if isinstance(arguments, dict) else {"value": arguments}


def _tools(body: _Body) -> tuple[ToolSpec, ...]:
    """The client's own tools. Types other than functions are for other servers and are ignored."""
    declared = list(body.tools or ())
    if len(declared) + len(body.functions or ()) > MAX_TOOLS:
        raise BadRequest(f"tools: at most {MAX_TOOLS} are accepted.", param="tools")
    functions: list[_Function] = []
    for position, raw in enumerate(declared):
        tool = _decode(raw, _Tool, f"tools[{position}]")
        if tool.type == "function":
            if tool.function is None:
                raise BadRequest("A function tool needs its function.", param=f"tools[{position}].function")
            functions.append(tool.function)
    functions += [_decode(raw, _Function, f"functions[{n}]") for n, raw in enumerate(body.functions or ())]
    specs = {
        f.name: ToolSpec(f.name, f.description or "", f.parameters or {"type": "object", "properties": {}}, "client")
        for f in functions
    }
    return tuple(specs.values())


def _tool_choice(body: _Body) -> str:
    """ "auto", "none", "required" or the name of the tool that must be called."""
    raw = body.function_call if body.tool_choice == _NULL else body.tool_choice
    choice = _decode(raw, str | _NamedChoice | None, "tool_choice")  # type: ignore[arg-type]
    if choice is None:
        return "auto"
    if isinstance(choice, str):
        if choice in {"auto", "none", "required"}:
            return choice
        if choice == "any":
            return "required"
        raise BadRequest("tool_choice: give auto, none, required or a function.", param="tool_choice")
    named: _NamedChoice = choice
    if named.type == "allowed_tools":
        return "required" if named.mode == "required" else "auto"
    name = named.function.name if named.function else named.name
    if not name:
        raise BadRequest("tool_choice: the function's name is missing.", param="tool_choice.function.name")
    return name


def _max_tokens(body: _Body) -> int | None:
    param = "max_tokens" if body.max_completion_tokens is None else "max_completion_tokens"
    limit = body.max_tokens if body.max_completion_tokens is None else body.max_completion_tokens
    if limit is None or limit == -1:  # some clients say "no limit" so
        return None
    if limit < 1:
        raise BadRequest(f"{param}: must be 1 or more.", param=param)
    return limit


def _stops(stop: str | list[str] | None) -> tuple[str, ...]:
    stops = (stop,) if isinstance(stop, str) else tuple(stop or ())
    if len(stops) > MAX_STOPS:
        raise BadRequest(f"stop: at most {MAX_STOPS} sequences are accepted.", param="stop")
    return tuple(filter(None, stops))


def _response_schema(body: _Body) -> dict[str, Any] | None:
    wanted = _decode(body.response_format, _ResponseFormat | None, "response_format")  # type: ignore[arg-type]
    if wanted is None or wanted.type == "text":
        return None
    if wanted.type == "json_object":
        return {"type": "object"}
    if wanted.json_schema is None or wanted.json_schema.schema is None:
        raise BadRequest("response_format: the schema is missing.", param="response_format.json_schema.schema")
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
