"""OpenAI's Responses API as a dialect: the request translated, the answer as its object and its named events.

Nothing is stored: the client sends the whole conversation each time, and what refers to an earlier response is refused.
Tools that are not functions are for other servers and are ignored; a custom tool is offered as a function with the one
field `input`. Thoughts are shown only to who asks for a summary of them, until the answer begins.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Raw, Struct

from committee import Finished, TokenLogprob, ToolCall
from orchestrator.chat.decoding import NULL, decode, decode_each, needed
from orchestrator.chat.dialect import Answer, Asked, ToolResultViews
from orchestrator.chat.model_ids import COMMITTEE_MODEL
from orchestrator.chat.schema import MAX_MESSAGES, OWN_TOOL
from orchestrator.chat.translation import ChatForm
from orchestrator.chat.wire import KEEP_ALIVE, committee_of, logprobs_of, usage_of
from orchestrator.errors import BadRequest

_encode = msgspec.json.Encoder().encode

_FIELDS = {
    "max_tokens": "max_output_tokens",
    "response_format.json_schema": "text.format",
    "response_format": "text.format",
    "reasoning_effort": "reasoning.effort",
    "messages": "input",
}
_LOGPROBS = "message.output_text.logprobs"
_FREE_TEXT = {
    "type": "object",
    "properties": {"input": {"type": "string", "description": "The tool's whole input, as free text."}},
    "required": ["input"],
}
# Every third time of silence the stream says more than a comment: some clients count only events.
_COMMENTS_PER_EVENT = 2


class _Format(Struct):
    type: str = "text"
    name: str | None = None
    schema: Raw = NULL


class _Text(Struct):
    format: _Format | None = None


class _Reasoning(Struct):
    effort: str | None = None
    summary: str | None = None
    generate_summary: str | None = None


class _Body(Struct):
    input: str | list[Raw]
    model: str | None = None
    instructions: str | None = None
    stream: bool | None = None
    tools: list[Raw] | None = None
    tool_choice: Raw = NULL
    parallel_tool_calls: bool | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_output_tokens: int | None = None
    text: _Text | None = None
    reasoning: _Reasoning | None = None
    metadata: dict[str, str] | None = None
    user: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    previous_response_id: str | None = None
    conversation: Raw = NULL
    prompt: Raw = NULL
    background: bool | None = None
    include: list[str] | None = None
    top_logprobs: int | None = None
    committee: Raw = NULL


class _Item(Struct):
    type: str = "message"
    role: str | None = None
    content: Raw = NULL
    call_id: str | None = None
    name: str | None = None
    arguments: str | None = None
    input: str | None = None
    output: Raw = NULL


class _Tool(Struct):
    type: str
    name: Annotated[str, Meta(min_length=1, max_length=128)] | None = None
    description: str | None = None
    parameters: dict[str, Any] | None = None


class _Choice(Struct):
    type: str
    name: str | None = None


async def response(body: bytes) -> Asked:
    """Raises BadRequest, with `param`, for a body that is none, or that needs what an earlier request left behind."""
    if not body:
        raise BadRequest("The request has no body.", param="input")
    asked = decode(body, _Body)
    _check_stateless(asked)
    form = ChatForm(_FIELDS)
    if asked.instructions:
        form.say("system", asked.instructions, "instructions", field="")
    await _say_input(asked.input, form)
    custom = await _offer_tools(asked.tools or [], form)
    form.body |= {
        "model": asked.model,
        "stream": asked.stream,
        "tool_choice": _tool_choice(asked.tool_choice),
        "parallel_tool_calls": asked.parallel_tool_calls,
        "temperature": asked.temperature,
        "top_p": asked.top_p,
        "max_tokens": asked.max_output_tokens,
        "response_format": _response_format(asked.text),
        "reasoning_effort": asked.reasoning.effort if asked.reasoning else None,
        "logprobs": bool(asked.top_logprobs) or _LOGPROBS in (asked.include or ()),
        "top_logprobs": asked.top_logprobs,
        "committee": asked.committee,
    }
    request = await form.parse()
    summary = (asked.reasoning.summary or asked.reasoning.generate_summary) if asked.reasoning else None
    writer = ResponseWriter(_echo(asked), custom)
    shows = summary not in {None, "none"}
    return Asked(request, writer, writer.whole, shows_reasoning=shows, conversation="input")


def _check_stateless(asked: _Body) -> None:
    for param in ("previous_response_id", "conversation", "prompt"):
        if getattr(asked, param) not in (None, NULL):
            raise BadRequest(
                f"{param}: nothing is stored here; send the whole conversation as input.",
                code="unsupported_parameter",
                param=param,
            )
    if asked.background:
        raise BadRequest("background: answers are not made in the background here.", param="background")


async def _say_input(given: str | list[Raw], form: ChatForm) -> None:
    if isinstance(given, str):
        form.say("user", given, "input", field="")
        return
    if not given:
        raise BadRequest("input: at least one item is needed.", param="input")
    if len(given) > MAX_MESSAGES:
        raise BadRequest(f"input: at most {MAX_MESSAGES} items are accepted.", param="input")
    for position, item in enumerate(await decode_each(given, _Item, "input")):
        _say_item(item, f"input[{position}]", form)


def _say_item(item: _Item, where: str, form: ChatForm) -> None:
    """Put an item into chat's words; what other servers' tools did, and encrypted thoughts, say nothing to ours."""
    match item.type:
        case "message":
            form.say(needed(item.role, f"{where}.role"), item.content, where)
        case "function_call":
            call_id, name = needed(item.call_id, f"{where}.call_id"), needed(item.name, f"{where}.name")
            form.call(call_id, name, item.arguments or "{}", where)
        case "custom_tool_call":
            call_id, name = needed(item.call_id, f"{where}.call_id"), needed(item.name, f"{where}.name")
            form.call(call_id, name, _encode({"input": item.input or ""}).decode(), where)
        case "function_call_output" | "custom_tool_call_output":
            call_id = needed(item.call_id, f"{where}.call_id")
            form.say("tool", item.output, where, field="output", tool_call_id=call_id)
        case "item_reference" | "compaction":
            raise BadRequest(
                f"{where}: nothing is stored here; send the item itself instead of a reference to it.",
                code="unsupported_value",
                param=f"{where}.type",
            )


async def _offer_tools(given: list[Raw], form: ChatForm) -> frozenset[str]:
    """Offer the functions; the names of the custom tools among them come back."""
    offered: list[dict[str, Any]] = []
    custom: set[str] = set()
    for position, tool in enumerate(await decode_each(given, _Tool, "tools")):
        if tool.type.startswith(OWN_TOOL):
            offered.append({"type": tool.type})
        if tool.type not in {"function", "custom"}:
            continue
        name = needed(tool.name, f"tools[{position}].name")
        parameters = tool.parameters
        if tool.type == "custom":
            custom.add(name)
            parameters = _FREE_TEXT
        function = {"name": name, "description": tool.description, "parameters": parameters}
        offered.append({"type": "function", "function": function})
    form.body["tools"] = offered
    return frozenset(custom)


def _tool_choice(raw: Raw) -> Any:
    choice = decode(raw, str | _Choice | None, "tool_choice")  # type: ignore[arg-type]
    if not isinstance(choice, _Choice) or choice.type == "allowed_tools":
        return raw
    if choice.type not in {"function", "custom"}:
        raise BadRequest(
            f"tool_choice: tools of type {choice.type[:40]!r} are not run here.",
            code="unsupported_value",
            param="tool_choice.type",
        )
    return {"type": "function", "function": {"name": needed(choice.name, "tool_choice.name")}}


def _response_format(text: _Text | None) -> dict[str, Any] | None:
    if text is None or text.format is None:
        return None
    if text.format.type != "json_schema":
        return {"type": text.format.type}
    return {"type": "json_schema", "json_schema": {"name": text.format.name, "schema": text.format.schema}}


def _echo(asked: _Body) -> dict[str, Any]:
    """What the response object repeats of the request, by OpenAI's defaults where it said nothing."""
    reasoning, form = asked.reasoning, asked.text.format if asked.text else None
    return {
        "model": asked.model or COMMITTEE_MODEL,
        "instructions": asked.instructions,
        "max_output_tokens": asked.max_output_tokens,
        "max_tool_calls": None,
        "metadata": asked.metadata or {},
        "parallel_tool_calls": asked.parallel_tool_calls is not False,
        "previous_response_id": None,
        "prompt_cache_key": asked.prompt_cache_key,
        "reasoning": {
            "effort": reasoning.effort if reasoning else None,
            "summary": reasoning.summary if reasoning else None,
        },
        "safety_identifier": asked.safety_identifier,
        "service_tier": "default",
        "store": False,
        "background": False,
        "temperature": asked.temperature,
        "text": {"format": _echo_format(form), "verbosity": "medium"},
        "tool_choice": "auto" if asked.tool_choice == NULL else asked.tool_choice,
        "tools": asked.tools or [],
        "top_logprobs": asked.top_logprobs or 0,
        "top_p": asked.top_p,
        "truncation": "disabled",
        "user": asked.user,
    }


def _echo_format(form: _Format | None) -> dict[str, Any]:
    if form is None or form.type != "json_schema":
        return {"type": form.type if form else "text"}
    return {"type": "json_schema", "name": form.name, "schema": form.schema, "strict": True}


def response_usage(finished: Finished) -> dict[str, Any]:
    """The same figures as chat's usage, under this API's names."""
    usage = usage_of(finished.usage)
    return {
        "input_tokens": usage["prompt_tokens"],
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": usage["completion_tokens"],
        "output_tokens_details": usage["completion_tokens_details"],
        "total_tokens": usage["total_tokens"],
    }


class ResponseWriter:
    """Writes one response. At most one item is open at a time; each is announced before anything is said in it.

    custom: names of the tools whose calls are handed back as free text.
    """

    def __init__(self, echo: Mapping[str, Any], custom: frozenset[str] = frozenset()) -> None:
        self._custom = custom
        self._sequence = 0
        self._silences = 0
        self._spoken = False
        self._output: list[dict[str, Any]] = []
        self._pieces: list[str] = []  # of the open item
        self._logprobs: list[Any] = []  # likewise
        self._open: dict[str, Any] | None = None
        self._response: dict[str, Any] = {
            "id": f"resp_{secrets.token_hex(24)}",
            "object": "response",
            "created_at": int(time.time()),
            "completed_at": None,
            "status": "in_progress",
            "error": None,
            "incomplete_details": None,
            **echo,
            "output": self._output,
            "usage": None,
        }

    # -- the stream ---------------------------------------------------------------------------------------------------

    def begin(self) -> bytes:
        return self._progress("response.created") + self._progress("response.in_progress")

    def content(self, text: str, index: int = 0, logprobs: Sequence[TokenLogprob] = ()) -> bytes:
        if not text:
            return b""
        self._spoken = True
        events = self._ensure_open("message")
        self._pieces.append(text)
        tokens = _logprobs(logprobs)
        self._logprobs += tokens
        return events + self._inside("response.output_text.delta", content_index=0, delta=text, logprobs=tokens)

    def reasoning(self, text: str) -> bytes:
        """Thoughts come before the answer; those that come later would cut it in two."""
        if self._spoken or not text:
            return b""
        events = self._ensure_open("reasoning")
        self._pieces.append(text)
        return events + self._inside("response.reasoning_summary_text.delta", summary_index=0, delta=text)

    def stage(self, committee: Mapping[str, Any], reasoning: str = "") -> bytes:
        return self.reasoning(reasoning)

    def tool_calls(self, calls: Sequence[ToolCall]) -> bytes:
        self._spoken = self._spoken or bool(calls)
        return self._close() + b"".join(self._call(call) for call in calls)

    def end(self, finished: Finished, tool_results: ToolResultViews) -> bytes:
        events = self._close()
        cut = finished.finish_reason == "length"
        self._response |= {
            "status": "incomplete" if cut else "completed",
            "completed_at": None if cut else int(time.time()),
            "incomplete_details": {"reason": "max_output_tokens"} if cut else None,
            "usage": response_usage(finished),
            "committee": committee_of(finished, tool_results),
        }
        return events + self._progress("response.incomplete" if cut else "response.completed")

    def last(self) -> bytes:
        return b""

    def error(self, error: Mapping[str, Any]) -> bytes:
        """An item that was being written stays unfinished in the output."""
        if self._open is not None:
            self._fill(self._open, "incomplete")
        self._response |= {"status": "failed", "error": {"code": error["code"], "message": error["message"]}}
        return self._progress("response.failed")

    def keep_alive(self) -> bytes:
        self._silences += 1
        if self._silences % (_COMMENTS_PER_EVENT + 1):
            return KEEP_ALIVE
        return self._progress("response.in_progress")

    # -- the whole object ---------------------------------------------------------------------------------------------

    def whole(self, answer: Answer, tool_results: ToolResultViews) -> bytes:
        """The response object of a request that does not stream: what the stream's last event would hold."""
        assert answer.finished is not None
        self.reasoning("".join(answer.reasoning))
        self.content(answer.text, logprobs=answer.choices[0].logprobs)
        self.tool_calls(answer.calls)
        self.end(answer.finished, tool_results)
        return _encode(self._response)

    # -- items --------------------------------------------------------------------------------------------------------

    def _ensure_open(self, kind: str) -> bytes:
        if self._open is not None and self._open["type"] == kind:
            return b""
        events = self._close()
        if kind == "message":
            item = _item("msg", "message", role="assistant", content=[])
            part = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
            added = ("response.content_part.added", {"content_index": 0, "part": part})
        else:
            item = _item("rs", "reasoning", summary=[])
            part = {"type": "summary_text", "text": ""}
            added = ("response.reasoning_summary_part.added", {"summary_index": 0, "part": part})
        events += self._add(item)
        return events + self._inside(added[0], **added[1])

    def _add(self, item: dict[str, Any]) -> bytes:
        self._output.append(item)
        self._open, self._pieces, self._logprobs = item, [], []
        return self._event("response.output_item.added", output_index=len(self._output) - 1, item=item)

    def _close(self) -> bytes:
        """Finish the open item, if there is one."""
        if (item := self._open) is None:
            return b""
        text = self._fill(item, "completed")
        if item["type"] == "message":
            spoken = {"content_index": 0, "text": text, "logprobs": self._logprobs}
            events = self._inside("response.output_text.done", **spoken)
            events += self._inside("response.content_part.done", content_index=0, part=item["content"][0])
        else:
            events = self._inside("response.reasoning_summary_text.done", summary_index=0, text=text)
            events += self._inside("response.reasoning_summary_part.done", summary_index=0, part=item["summary"][0])
        return events + self._finish_item()

    def _fill(self, item: dict[str, Any], status: str) -> str:
        """Put the text that was said into a message or a summary."""
        text = "".join(self._pieces)
        item["status"] = status
        if item["type"] == "message":
            part = {"type": "output_text", "text": text, "annotations": [], "logprobs": self._logprobs}
            item["content"] = [part]
        else:
            item["summary"] = [{"type": "summary_text", "text": text}]
        return text

    def _finish_item(self) -> bytes:
        item, self._open = self._open, None
        return self._event("response.output_item.done", output_index=len(self._output) - 1, item=item)

    def _call(self, call: ToolCall) -> bytes:
        if call.name in self._custom:
            given = call.arguments.get("input")
            text = given if isinstance(given, str) else _encode(call.arguments).decode()
            item = _item("ctc", "custom_tool_call", call_id=call.id, name=call.name, input="")
            event, field = "response.custom_tool_call_input", "input"
        else:
            text = _encode(call.arguments).decode()
            item = _item("fc", "function_call", call_id=call.id, name=call.name, arguments="")
            event, field = "response.function_call_arguments", "arguments"
        events = self._add(item)
        events += self._inside(f"{event}.delta", delta=text)
        events += self._inside(f"{event}.done", **{field: text})
        item |= {"status": "completed", field: text}
        return events + self._finish_item()

    # -- events -------------------------------------------------------------------------------------------------------

    def _progress(self, kind: str) -> bytes:
        return self._event(kind, response=self._response)

    def _inside(self, kind: str, **fields: Any) -> bytes:
        """An event about the open item."""
        assert self._open is not None
        return self._event(kind, item_id=self._open["id"], output_index=len(self._output) - 1, **fields)

    def _event(self, kind: str, **fields: Any) -> bytes:
        data = _encode({"type": kind, "sequence_number": self._sequence, **fields})
        self._sequence += 1
        return b"event: " + kind.encode() + b"\ndata: " + data + b"\n\n"


def _logprobs(tokens: Sequence[TokenLogprob]) -> list[Any]:
    found = logprobs_of(tokens)
    return found["content"] if found else []


def _item(prefix: str, kind: str, **fields: Any) -> dict[str, Any]:
    return {"id": f"{prefix}_{secrets.token_hex(24)}", "type": kind, "status": "in_progress", **fields}
