"""A member behind any OpenAI-compatible server: vLLM, llama.cpp, LM Studio, a gateway.

Servers differ in what they refuse. What is refused once (a JSON schema, a switch for thinking) is not sent again: the
schema also stands in words in the prompt, and the answer is parsed without trust in any case.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Iterable, Mapping
from dataclasses import replace
from typing import Any

import msgspec

from committee.backends.ollama import family
from committee.backends.wire import (
    Lines,
    ModelServer,
    Token,
    error_from,
    error_message,
    sampling,
    token_logprobs,
    tool_entry,
    wanted_logprobs,
)
from committee.context import tokens
from committee.errors import BadAnswer, MemberError, ModelMissing, RequestRejected, StreamCut
from committee.prompts import wire_name
from committee.schema import (
    ChatRequest,
    Delta,
    Done,
    FinishReason,
    MemberConfig,
    MemberHealth,
    Message,
    ToolCall,
)

log = logging.getLogger(__name__)

_DENSE = 2.0  # characters a token, in a text that takes many
_OPEN, _CLOSE = "<think>", "</think>"


class _Function(msgspec.Struct):
    name: str | None = None
    arguments: str | None = None


class _Fragment(msgspec.Struct):
    index: int = 0
    id: str | None = None
    function: _Function | None = None


class _Delta(msgspec.Struct):
    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: list[_Fragment] | None = None


class _Logprobs(msgspec.Struct):
    content: list[Token] | None = None


class _Choice(msgspec.Struct):
    delta: _Delta | None = None
    logprobs: _Logprobs | None = None
    finish_reason: str | None = None
    # Where an answer with the reason "stop" stopped, as vLLM and SGLang say it: a sequence, or a token's number.
    stop_reason: int | str | None = None
    matched_stop: int | str | None = None


class _Details(msgspec.Struct):
    reasoning_tokens: int | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int = 0
    completion_tokens: int = 0
    completion_tokens_details: _Details | None = None


class _Chunk(msgspec.Struct):
    choices: list[_Choice] = []
    usage: _Usage | None = None
    error: Any = None


_decode = msgspec.json.Decoder(_Chunk).decode


# Servers of this kind batch; what they cannot take at once they queue themselves.
_PARALLEL = 16


class OpenAIMember:
    """Implements the `ChatBackend` port on one OpenAI-compatible server."""

    stand_in = False

    def __init__(self, config: MemberConfig) -> None:
        self.name = config.name
        self.model = config.model
        self._config = config
        base = config.base_url.rstrip("/")
        headers = {"Authorization": f"Bearer {config.api_key}"} if config.api_key else {}
        self._server = ModelServer(
            base if base.endswith("/v1") else f"{base}/v1", headers=headers, connect_s=config.connect_s
        )
        # How an answer is bound to a schema, and whether thinking can be switched; lowered when the server refuses.
        self._formats = ["json_schema", "json_object", "none"]
        self._extras = True
        # Whether it shows how likely its tokens are, and whether it takes pictures; until it refuses.
        self._tells_logprobs = True
        self._sees = True
        self._window = config.num_ctx

    @property
    def window(self) -> int | None:
        return self._window

    @property
    def parallel(self) -> int | None:
        return self._config.parallel or _PARALLEL

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Delta, None]:
        lines = await self._ask(request)
        try:
            answer = _Answer()
            while read := await lines.read():
                for raw in read:
                    answer.read(raw)
                if (delta := answer.take()) is not None:
                    yield delta
                if answer.over:
                    await lines.drain()
                    break
        finally:
            lines.close()
        done, calls = answer.finish()
        if calls:
            yield Delta(tool_calls=calls)
        yield Delta(done=done)

    async def resolve(self) -> None:
        """Find the model to use: the configured one, one of its family, or the only one there is.

        Raises ModelMissing when there is none of these; MemberError when nothing answers.
        """
        entries = await self._installed()
        self.model = self._choose(list(entries))
        self._fit(await self._told_window(entries[self.model]))

    async def health(self) -> MemberHealth:
        model, note, reachable = None, "", True
        try:
            entries = await self._installed()
            model = self._choose(list(entries))
            if self._window is None:
                self._fit(_window_in(entries[model]))
        except ModelMissing as error:
            note = error.message
        except MemberError as error:
            note, reachable = error.message, False
        if model is not None and model != self._config.model:
            note = f"{self._config.model} is not served; {model} answers."
        return MemberHealth(
            name=self.name, kind="openai", base_url=self._server.base_url, configured_model=self._config.model,
            model=model, reachable=reachable, window=self._window, note=note,
        )  # fmt: skip

    async def warm(self) -> None:
        """Such servers load their models when they start."""

    async def aclose(self) -> None:
        await self._server.aclose()

    # -- one request ------------------------------------------------------------------------------------------------

    async def _ask(self, request: ChatRequest) -> Lines:
        while True:
            body = self._body(request)
            try:
                return await self._server.ask(
                    "/chat/completions", body, request, patience_s=self._config.cold_load_s, still_busy=_never
                )
            except RequestRejected as error:
                if not self._give_in(body, str(error)):
                    raise
                log.info("a server refused a request; sending less", extra={"member": self.name, "cause": str(error)})

    def _body(self, request: ChatRequest) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": self.model,
            "messages": [_message(message, self._sees) for message in _alternating(request.messages)],
            "stream": True,
            "stream_options": {"include_usage": True},
            **sampling(
                request if self._has_room(request) else replace(request, max_tokens=None), max_tokens="max_tokens"
            ),
        }
        if request.response_schema is not None:
            if self._formats[0] == "json_schema":
                schema = {"name": "answer", "schema": request.response_schema}
                body["response_format"] = {"type": "json_schema", "json_schema": schema}
            elif self._formats[0] == "json_object":
                body["response_format"] = {"type": "json_object"}
        elif request.tools:
            body["tools"] = [tool_entry(tool) for tool in request.tools]
        if self._tells_logprobs:
            body |= wanted_logprobs(request)
        if self._extras and request.think is not None:
            if family(self.model).startswith("gpt-oss"):
                body["reasoning_effort"] = "low" if request.think == "off" else request.think
            elif "qwen3" in self.model.lower():
                body["chat_template_kwargs"] = {"enable_thinking": request.think != "off"}
        return body

    def _has_room(self, request: ChatRequest) -> bool:
        """Whether an answer as long as it may be fits behind the prompt. Such servers refuse a limit that does not,
        which agents often ask for; without one they stop at the window."""
        if self._window is None or request.max_tokens is None or 2 * request.max_tokens <= self._window:
            return True
        prompt = tokens.of_messages(request.messages, _DENSE) + tokens.of_tools(request.tools, _DENSE)
        return prompt + request.max_tokens <= self._window

    def _give_in(self, body: Mapping[str, Any], why: str) -> bool:
        """Send less from now on; False when nothing of what was sent can be left out."""
        if self._sees and "image" in why.lower() and _pictured(body):
            self._sees = False
        elif self._tells_logprobs and "logprobs" in body:
            self._tells_logprobs = False
        elif self._extras and ("reasoning_effort" in body or "chat_template_kwargs" in body):
            self._extras = False
        elif "response_format" in body:
            # Another request may have lowered it in the meantime.
            if body["response_format"]["type"] == self._formats[0]:
                self._formats.pop(0)
        else:
            return False
        return True

    # -- what the server has ----------------------------------------------------------------------------------------

    def _fit(self, told: int | None) -> None:
        """Take the window that the server tells; the user's own setting can only make it smaller."""
        sizes = [size for size in (self._config.num_ctx, told) if size is not None]
        self._window = min(sizes, default=None)

    async def _told_window(self, entry: Mapping[str, Any]) -> int | None:
        """The window by the list of models (vLLM, gateways), else by llama.cpp's own page; None where nobody tells."""
        if (told := _window_in(entry)) is not None or entry.get("owned_by") != "llamacpp":
            return told
        root = ModelServer(self._server.base_url.removesuffix("/v1"), connect_s=self._config.connect_s)
        try:
            page = await root.get("/props")
        except MemberError:
            return None
        finally:
            await root.aclose()
        settings = page.get("default_generation_settings") if isinstance(page, Mapping) else None
        return _window_in(settings) if isinstance(settings, Mapping) else None

    async def _installed(self) -> dict[str, Mapping[str, Any]]:
        document = await self._server.get("/models")
        entries = document.get("data") if isinstance(document, Mapping) else None
        if not isinstance(entries, list):
            raise BadAnswer("The server does not list its models as OpenAI does.")
        return {str(entry["id"]): entry for entry in entries if isinstance(entry, Mapping) and "id" in entry}

    def _choose(self, installed: list[str]) -> str:
        wanted = self._config.model
        if wanted in installed:
            return wanted
        relatives = [name for name in installed if family(name).startswith(family(wanted))]
        if relatives or len(installed) == 1:
            return (relatives or installed)[0]
        variable = f" Set {self._config.model_variable} to one of them." if self._config.model_variable else ""
        served = ", ".join(installed[:8]) or "nothing"
        raise ModelMissing(f"{self._server.base_url} does not serve {wanted}; it serves {served}.{variable}")


class _Answer:
    """What came so far: pieces not yet taken, fragments of calls, and how it ended."""

    def __init__(self) -> None:
        self._text: list[str] = []
        self._thinking: list[str] = []
        self._tokens: list[Token] = []
        self._calls: dict[int, _Fragment] = {}
        self._reason: str | None = None
        self._stopped_at: str | None = None
        self._usage: _Usage | None = None
        self._counted = 0
        self._thought = 0
        self._tags = _ThinkTags()
        self.over = False  # the server has said that nothing follows

    def read(self, raw: bytes) -> None:
        """One line of the event stream. Raises BadAnswer, or the error that the server put into the stream."""
        if not raw.startswith(b"data:"):
            return
        data = raw[5:].strip()
        self.over = self.over or data == b"[DONE]"
        if not data or self.over:
            return
        try:
            chunk = _decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise BadAnswer("An event of the answer is not what OpenAI-compatible servers send.") from error
        if chunk.error is not None:
            raise error_from(200, error_message(chunk.error))
        self._usage = chunk.usage or self._usage
        if chunk.choices:
            self._take_choice(chunk.choices[0])

    def take(self) -> Delta | None:
        """What was read since the last call."""
        if not (self._text or self._thinking):
            return None
        tokens = token_logprobs(self._tokens) if self._tokens else ()
        delta = Delta("".join(self._text), "".join(self._thinking), logprobs=tokens)
        self._tokens.clear()
        self._text.clear()
        self._thinking.clear()
        return delta

    def finish(self) -> tuple[Done, tuple[ToolCall, ...]]:
        if self._reason is None:
            raise StreamCut("The answer ended without being finished.")
        calls = tuple(_call(fragment) for _, fragment in sorted(self._calls.items()))
        reason: FinishReason = "length" if self._reason == "length" else "tool_calls" if calls else "stop"
        usage = self._usage or _Usage(completion_tokens=self._counted + self._thought)
        details = usage.completion_tokens_details
        thinking = details.reasoning_tokens if details is not None else None
        thought = thinking or self._thought
        return Done(reason, usage.prompt_tokens, usage.completion_tokens, thought, self._stopped_at), calls

    def _take_choice(self, choice: _Choice) -> None:
        self._reason = choice.finish_reason or self._reason
        if isinstance(stopped_at := choice.stop_reason or choice.matched_stop, str):
            self._stopped_at = stopped_at
        delta = choice.delta
        if delta is None:
            return
        if thought := (delta.reasoning_content or delta.reasoning):
            self._thinking.append(thought)
            self._thought += 1
        if delta.content:
            if choice.logprobs is not None:
                self._tokens += choice.logprobs.content or ()
            thought, text = self._tags.split(delta.content)
            if thought:
                self._thinking.append(thought)
                self._thought += 1
            if text:
                self._text.append(text)
                self._counted += 1
        for fragment in delta.tool_calls or ():
            self._add(fragment)

    def _add(self, fragment: _Fragment) -> None:
        whole = self._calls.setdefault(fragment.index, _Fragment(fragment.index, fragment.id, _Function("", "")))
        whole.id = whole.id or fragment.id
        if fragment.function is not None and whole.function is not None:
            whole.function.name = whole.function.name or fragment.function.name
            whole.function.arguments = (whole.function.arguments or "") + (fragment.function.arguments or "")


class _ThinkTags:
    """Some servers leave `<think>…</think>` at the start of the content; it is thought, not answer."""

    def __init__(self) -> None:
        self._state = "start"
        self._held = ""

    def split(self, text: str) -> tuple[str, str]:
        """`text` as (thought, answer); holds back what may be the beginning of a tag."""
        if self._state == "answer":
            return "", text
        if self._state == "gap":
            return "", self._begin(text)
        self._held += text
        if self._state == "start":
            head = self._held.lstrip()
            if not head or (_OPEN.startswith(head) and head != _OPEN):
                return "", ""
            if not head.startswith(_OPEN):
                self._state, text = "answer", self._held
                return "", text
            self._state, self._held = "thought", head[len(_OPEN) :]
        thought, close, answer = self._held.partition(_CLOSE)
        if close:
            return thought, self._begin(answer)
        keep = next((n for n in range(len(_CLOSE) - 1, 0, -1) if self._held.endswith(_CLOSE[:n])), 0)
        thought = self._held[: len(self._held) - keep]
        self._held = self._held[len(self._held) - keep :]
        return thought, ""

    def _begin(self, text: str) -> str:
        """The start of the answer, without the blank lines between the tag and it."""
        text = text.lstrip()
        self._state = "answer" if text else "gap"
        return text


def _window_in(entry: Mapping[str, Any]) -> int | None:
    """The window under one of the names that servers have for it. What a model was trained with is not among them:
    llama.cpp and LM Studio often serve less."""
    meta = entry.get("meta")
    nested = meta.get("n_ctx") if isinstance(meta, Mapping) else None
    for value in (entry.get("max_model_len"), entry.get("loaded_context_length"), entry.get("n_ctx"), nested):
        if isinstance(value, int) and value > 0:
            return value
    value = entry.get("context_length")
    return value if isinstance(value, int) and value > 0 else None


async def _never() -> bool:
    """There is no standard way to ask such a server whether it is loading."""
    return False


def _call(fragment: _Fragment) -> ToolCall:
    function = fragment.function or _Function()
    try:
        arguments = msgspec.json.decode(function.arguments or "{}", type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError) as error:
        raise BadAnswer("The arguments of a tool call are not JSON.") from error
    return ToolCall(fragment.id or "", function.name or "", arguments)


def _alternating(messages: Iterable[Message]) -> list[Message]:
    """The stage's instruction joined to the user's last message: many chat templates refuse the same role twice."""
    joined: list[Message] = []
    for message in messages:
        if joined and message.role == joined[-1].role == "user":
            last = joined[-1]
            joined[-1] = replace(
                last, content=f"{last.content}\n\n{message.content}", images=(*last.images, *message.images)
            )
        else:
            joined.append(message)
    return joined


def _pictured(body: Mapping[str, Any]) -> bool:
    return any(isinstance(message["content"], list) for message in body["messages"])


def _picture(encoded: str) -> dict[str, Any]:
    kinds = {"/9j/": "jpeg", "UklG": "webp"}  # how JPEG and WebP begin in base64
    return {"type": "image_url", "image_url": {"url": f"data:image/{kinds.get(encoded[:4], 'png')};base64,{encoded}"}}


def _message(message: Message, sees: bool) -> dict[str, Any]:
    entry: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.images and not sees:
        entry["content"] += f"\n[{len(message.images)} picture(s) attached, which you cannot see]"
    elif message.images:
        pictures = [_picture(encoded) for encoded in message.images]
        entry["content"] = [{"type": "text", "text": message.content}, *pictures]
    if message.tool_calls:
        entry["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": wire_name(call.name), "arguments": msgspec.json.encode(call.arguments).decode()},
            }
            for call in message.tool_calls
        ]
    if message.role == "tool":
        entry["tool_call_id"] = message.tool_call_id or ""
    return entry
