"""Anthropic's Messages API as a dialect: the request translated, the answer as its object and its named events.

Nothing is stored. Tools that Anthropic's own servers run or define are ignored, and so is what they once gave back.
What documents and search results say are words of others, as a file's are. Thoughts are shown only to who turned
thinking on, until the answer begins; nothing vouches for them, so their signature says "unsigned" and they are dropped
when the client sends them back.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Raw, Struct

from committee import Finished, ToolCall
from committee.context import tokens
from committee.schema import TokenLogprob
from orchestrator.chat.decoding import NULL, decode, decode_each, needed
from orchestrator.chat.dialect import Answer, Asked, ToolResultViews
from orchestrator.chat.model_ids import COMMITTEE_MODEL
from orchestrator.chat.schema import MAX_MESSAGES, OWN_TOOL, CompletionRequest
from orchestrator.chat.translation import ChatForm
from orchestrator.chat.wire import committee_of, usage_of
from orchestrator.errors import BadRequest

_encode = msgspec.json.Encoder().encode

_FIELDS = {
    "stop": "stop_sequences",
    "response_format.json_schema": "output_config.format",
    "response_format": "output_config.format",
    "reasoning_effort": "output_config.effort",
}
_STOP_REASONS = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use"}
# Claude Code puts a line of accounting before its instructions. It changes with every request, so a model server that
# remembers the beginning of a prompt would have to read the whole of it anew each time.
_ACCOUNTING = "x-anthropic-billing-header:"
# What may come back in a conversation and is nothing that our members could use: thoughts, names of tools that were
# found, and what the tools of other servers did.
_SILENT = frozenset({"thinking", "redacted_thinking", "tool_reference"})
_OF_OTHER_SERVERS = ("_tool_use", "_tool_result")
_ERROR_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
}


class _Source(Struct):
    type: str = ""
    data: str | None = None
    content: Raw = NULL


class _Block(Struct):
    type: str
    text: str | None = None
    id: str | None = None
    name: str | None = None
    input: Raw = NULL
    tool_use_id: str | None = None
    content: Raw = NULL
    is_error: bool | None = None
    source: Raw = NULL
    title: str | None = None


class _Message(Struct):
    role: Literal["user", "assistant", "system"]
    content: str | list[_Block]


class _Tool(Struct):
    name: Annotated[str, Meta(min_length=1, max_length=128)]
    type: str | None = None
    description: str | None = None
    input_schema: dict[str, Any] | None = None


class _Choice(Struct):
    type: Literal["auto", "any", "tool", "none"]
    name: str | None = None
    disable_parallel_tool_use: bool | None = None


class _Thinking(Struct):
    type: str
    budget_tokens: int | None = None
    display: str | None = None


class _Format(Struct):
    type: str
    schema: Raw = NULL


class _OutputConfig(Struct):
    effort: str | None = None
    format: _Format | None = None


class _Counted(Struct):
    """What counts towards the prompt; max_tokens is asked for only where something is to be written."""

    messages: list[Raw]
    model: str | None = None
    system: str | list[_Block] | None = None
    tools: list[Raw] | None = None
    tool_choice: _Choice | None = None
    thinking: _Thinking | None = None
    output_config: _OutputConfig | None = None
    output_format: _Format | None = None
    committee: Raw = NULL


class _Body(_Counted, kw_only=True):
    max_tokens: int
    stream: bool | None = None
    stop_sequences: list[str] | None = None
    temperature: float | None = None
    top_p: float | None = None


async def message(body: bytes) -> Asked:
    """Raises BadRequest, with `param`, for a body that is none."""
    asked = decode(body or b"{}", _Body)
    if asked.max_tokens < 1:
        raise BadRequest("max_tokens: must be at least 1.", param="max_tokens")
    form = await _form_of(asked)
    if form.last_role == "assistant":
        # Newer models of Anthropic's refuse it as well, so agents know what to do.
        where = f"messages[{len(asked.messages) - 1}]"
        raise BadRequest(
            f"{where}: no member goes on with an answer that the client has begun (prefill); "
            "the conversation must end with a user message.",
            code="prefill_not_supported",
            param=where,
        )
    form.body |= {
        "stream": asked.stream,
        "max_tokens": asked.max_tokens,
        "stop": asked.stop_sequences,
        "temperature": asked.temperature,
        "top_p": asked.top_p,
    }
    request = await form.parse()
    writer = MessageWriter(request.model or COMMITTEE_MODEL, prompt_tokens(request), stops=request.stop)
    return Asked(request, writer, writer.whole, shows_reasoning=_shows_thinking(asked.thinking))


async def counted(body: bytes) -> CompletionRequest:
    """The request whose tokens are to be counted. Raises BadRequest, with `param`, for a body that is none."""
    form = await _form_of(decode(body or b"{}", _Counted))
    return await form.parse()


def prompt_tokens(request: CompletionRequest) -> int:
    """About how many tokens a request is for one member; only its model server knows it exactly."""
    return tokens.of_messages(request.messages) + tokens.of_tools(request.client_tools)


def error_body(error: Mapping[str, Any], status: int = 500) -> dict[str, Any]:
    """Anthropic's error object, from OpenAI's inner one and the status that it goes, or would have gone, out with."""
    kind = _ERROR_TYPES.get(status) or ("api_error" if status >= 500 else "invalid_request_error")
    text = error["message"]
    if error["code"] == "context_length_exceeded":
        kind, text = "invalid_request_error", f"prompt is too long: {text}"  # agents look for these words
    return {"type": "error", "error": {"type": kind, "message": text, "code": error["code"], "param": error["param"]}}


# -- the request ------------------------------------------------------------------------------------------------------


async def _form_of(asked: _Counted) -> ChatForm:
    form = ChatForm(_FIELDS)
    if system := _system(asked.system):
        form.say("system", system, "system", field="")
    if len(asked.messages) > MAX_MESSAGES:
        raise BadRequest(f"messages: at most {MAX_MESSAGES} are accepted.", param="messages")
    if not asked.messages:
        raise BadRequest("messages: at least one message is needed.", param="messages")
    for position, said in enumerate(await decode_each(asked.messages, _Message, "messages")):
        _say(said, f"messages[{position}]", form)
    choice = asked.tool_choice
    form.body |= {
        "model": asked.model,
        "tools": await _functions(asked.tools or []),
        "tool_choice": _tool_choice(choice),
        "parallel_tool_calls": not (choice and choice.disable_parallel_tool_use),
        "response_format": _response_format(asked),
        "reasoning_effort": _effort(asked),
        "committee": asked.committee,
    }
    return form


def _system(system: str | list[_Block] | None) -> str:
    blocks = [system] if isinstance(system, str) else [block.text or "" for block in system or ()]
    return "\n".join(text for text in blocks if text and not text.startswith(_ACCOUNTING))


def _say(said: _Message, where: str, form: ChatForm) -> None:
    """One message; the results of tools, which stand inside the user's, become messages of their own."""
    if isinstance(said.content, str):
        form.say(said.role, said.content, where)
        return
    parts: list[Any] = []
    positions: list[int] = []
    calls: list[tuple[str, str, str]] = []
    for position, block in enumerate(said.content):
        here = f"{where}.content[{position}]"
        if block.type == "tool_result":
            _say_result(block, here, form)
        elif block.type == "tool_use":
            call_id, name = needed(block.id, f"{here}.id"), needed(block.name, f"{here}.name")
            calls.append((call_id, name, "{}" if block.input == NULL else bytes(block.input).decode()))
        else:
            found = _parts(block, here)
            parts += found
            positions += [position] * len(found)
    if parts or calls:
        form.say(said.role, parts, where, parts=positions)
    for call in calls:
        form.call(*call, where)


def _say_result(block: _Block, where: str, form: ChatForm) -> None:
    content = decode(block.content, str | list[_Block] | None, f"{where}.content")  # type: ignore[arg-type]
    blocks = [_Block("text", text=content)] if isinstance(content, str) else content or []
    read = [(n, part) for n, one in enumerate(blocks) for part in _parts(one, f"{where}.content[{n}]")]
    parts = [part for _, part in read]
    if block.is_error:
        parts.insert(0, {"type": "text", "text": "The tool failed:"})
    positions = [0] * (len(parts) - len(read)) + [n for n, _ in read]
    tool_call_id = needed(block.tool_use_id, f"{where}.tool_use_id")
    form.say("tool", parts, where, parts=positions, tool_call_id=tool_call_id)


def _parts(block: _Block, where: str) -> list[dict[str, Any]]:
    """A block as parts of a chat message; none for one that says nothing to our members.

    What a document or a search result says stays a document: nobody may take it for the user's own words.
    """
    if block.type == "text":
        return [{"type": "text", "text": block.text or ""}]
    if block.type == "search_result":
        return _quoted(block.title, block.content, f"{where}.content")
    if block.type in {"image", "document"}:
        source = decode(block.source, _Source, f"{where}.source")
        if source.type == "content" and block.type == "document":
            return _quoted(block.title, source.content, f"{where}.source.content")
        return [{"type": block.type, "source": block.source, "title": block.title}]
    if block.type in _SILENT or block.type.endswith(_OF_OTHER_SERVERS):
        return []
    raise _not_understood(block, where)


def _quoted(title: str | None, raw: Raw, where: str) -> list[dict[str, Any]]:
    """A document that is a text, or texts and pictures."""
    content = decode(raw, str | list[_Block] | None, where)  # type: ignore[arg-type]
    blocks = [_Block("text", text=content)] if isinstance(content, str) else content or []
    pictures: list[dict[str, Any]] = []
    for position, block in enumerate(blocks):
        if block.type == "image":
            pictures += _parts(block, f"{where}[{position}]")
        elif block.type != "text":
            raise _not_understood(block, f"{where}[{position}]")
    text = "\n".join(block.text or "" for block in blocks if block.type == "text")
    return [{"type": "document", "title": title, "source": {"type": "text", "data": text}}, *pictures]


def _not_understood(block: _Block, where: str) -> BadRequest:
    return BadRequest(
        f"{where}: blocks of type {block.type[:40]!r} are not understood here.",
        code="unsupported_content",
        param=f"{where}.type",
    )


async def _functions(given: list[Raw]) -> list[dict[str, Any]]:
    functions: list[dict[str, Any]] = []
    for tool in await decode_each(given, _Tool, "tools"):
        if tool.type in {None, "custom"}:
            function = {"name": tool.name, "description": tool.description, "parameters": tool.input_schema}
            functions.append({"type": "function", "function": function})
        elif tool.type is not None and tool.type.startswith(OWN_TOOL):
            functions.append({"type": tool.type})
    return functions


def _tool_choice(choice: _Choice | None) -> Any:
    if choice is None:
        return None
    if choice.type == "tool":
        return {"type": "function", "function": {"name": needed(choice.name, "tool_choice.name")}}
    return "required" if choice.type == "any" else choice.type


def _response_format(asked: _Counted) -> dict[str, Any] | None:
    wanted = (asked.output_config.format if asked.output_config else None) or asked.output_format
    if wanted is None:
        return None
    return {"type": wanted.type, "json_schema": {"schema": wanted.schema}}


def _effort(asked: _Counted) -> str | None:
    """How hard to think: in words, or by the number of tokens that may be spent on it."""
    thinking = asked.thinking
    if thinking is not None and thinking.type == "disabled":
        return "none"
    if asked.output_config and asked.output_config.effort:
        return asked.output_config.effort
    if thinking is None or thinking.budget_tokens is None:
        return None
    return "low" if thinking.budget_tokens < 4_096 else "medium" if thinking.budget_tokens < 16_384 else "high"


def _shows_thinking(thinking: _Thinking | None) -> bool:
    return thinking is not None and thinking.type != "disabled" and thinking.display != "omitted"


# -- the answer -------------------------------------------------------------------------------------------------------


def message_usage(finished: Finished) -> dict[str, int]:
    """The same figures as chat's usage, under this API's names."""
    usage = usage_of(finished.usage)
    return _usage(usage["prompt_tokens"], usage["completion_tokens"])


def _usage(read: int, written: int) -> dict[str, int]:
    return {
        "input_tokens": read,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "output_tokens": written,
    }


class MessageWriter:
    """Writes one message. At most one block is open at a time.

    input_tokens: what the message's beginning says of the prompt's size; its end says what a member really read.
    stops: the request's stop sequences; the one that was met can only be named where the member's server tells it.
    """

    def __init__(self, model: str, input_tokens: int = 0, *, stops: Sequence[str] = ()) -> None:
        self._stops = stops
        self._content: list[dict[str, Any]] = []
        self._open: str | None = None
        self._spoken = False
        self._message: dict[str, Any] = {
            "id": f"msg_{secrets.token_hex(12)}",
            "type": "message",
            "role": "assistant",
            "model": model,
            "content": self._content,
            "stop_reason": None,
            "stop_sequence": None,
            "usage": _usage(input_tokens, 0),
        }

    # -- the stream ---------------------------------------------------------------------------------------------------

    def begin(self) -> bytes:
        return _event("message_start", message=self._message)

    def content(self, text: str, index: int = 0, logprobs: Sequence[TokenLogprob] = ()) -> bytes:
        self._spoken = self._spoken or bool(text)
        return self._say("text", "text", text) if text else b""

    def reasoning(self, text: str) -> bytes:
        """Thoughts come before the answer; those that come later would cut it in two."""
        return self._say("thinking", "thinking", text) if text and not self._spoken else b""

    def stage(self, committee: Mapping[str, Any], reasoning: str = "") -> bytes:
        return self.reasoning(reasoning)

    def tool_calls(self, calls: Sequence[ToolCall]) -> bytes:
        self._spoken = self._spoken or bool(calls)
        return b"".join(self._call(call) for call in calls)

    def end(self, finished: Finished, tool_results: ToolResultViews) -> bytes:
        committee = committee_of(finished, tool_results)
        delta = self._stop(finished)
        usage = message_usage(finished)
        return self._close() + _event("message_delta", delta=delta, usage=usage, committee=committee)

    def last(self) -> bytes:
        return _event("message_stop")

    def error(self, error: Mapping[str, Any]) -> bytes:
        status = {"rate_limit_error": 429, "invalid_request_error": 400}.get(error["type"], 500)
        return b"event: error\ndata: " + _encode(error_body(error, status)) + b"\n\n"

    def keep_alive(self) -> bytes:
        return _event("ping")

    # -- the whole object ---------------------------------------------------------------------------------------------

    def whole(self, answer: Answer, tool_results: ToolResultViews) -> bytes:
        """The message of a request that does not stream."""
        finished = answer.finished
        assert finished is not None
        self._content += _blocks(answer)
        self._message |= self._stop(finished) | {
            "usage": message_usage(finished),
            "committee": committee_of(finished, tool_results),
        }
        return _encode(self._message)

    def _stop(self, finished: Finished) -> dict[str, Any]:
        if finished.finish_reason == "stop" and finished.stop_sequence in self._stops:
            return {"stop_reason": "stop_sequence", "stop_sequence": finished.stop_sequence}
        return {"stop_reason": _STOP_REASONS[finished.finish_reason], "stop_sequence": None}

    # -- blocks -------------------------------------------------------------------------------------------------------

    def _say(self, kind: str, field: str, text: str) -> bytes:
        events = b""
        if self._open != kind:
            block = {"type": kind, field: ""} | ({"signature": ""} if kind == "thinking" else {})
            events = self._close() + self._start(block)
        return events + self._delta({"type": f"{kind}_delta", field: text})

    def _call(self, call: ToolCall) -> bytes:
        events = self._close() + self._start({"type": "tool_use", "id": call.id, "name": call.name, "input": {}})
        arguments = _encode(call.arguments).decode()
        return events + self._delta({"type": "input_json_delta", "partial_json": arguments}) + self._close()

    def _start(self, block: dict[str, Any]) -> bytes:
        self._content.append(block)
        self._open = block["type"]
        return _event("content_block_start", index=len(self._content) - 1, content_block=block)

    def _delta(self, delta: dict[str, Any]) -> bytes:
        return _event("content_block_delta", index=len(self._content) - 1, delta=delta)

    def _close(self) -> bytes:
        """Finish the open block, if there is one."""
        if self._open is None:
            return b""
        signed = b""
        if self._open == "thinking":
            signed = self._delta({"type": "signature_delta", "signature": _UNSIGNED})
        self._open = None
        return signed + _event("content_block_stop", index=len(self._content) - 1)


_UNSIGNED = "unsigned"


def _blocks(answer: Answer) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    if thoughts := "".join(answer.reasoning):
        blocks.append({"type": "thinking", "thinking": thoughts, "signature": _UNSIGNED})
    if answer.text:
        blocks.append({"type": "text", "text": answer.text})
    return blocks + [
        {"type": "tool_use", "id": call.id, "name": call.name, "input": call.arguments} for call in answer.calls
    ]


def _event(kind: str, **fields: Any) -> bytes:
    return b"event: " + kind.encode() + b"\ndata: " + _encode({"type": kind, **fields}) + b"\n\n"
