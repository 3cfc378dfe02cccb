"""A member that is served by Ollama, through its native API.

Native, because the OpenAI-compatible side of Ollama cannot set the context size. An own client, because a stream that
ends without `done: true` must be a failure, over-long prompts must be refused instead of silently cut (`truncate`,
`shift`), and ids of tool calls must survive.
"""

from __future__ import annotations

import asyncio
import logging
import math
import re
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from typing import Any

import msgspec

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
from committee.errors import BadAnswer, ContextTooLong, MemberError, ModelMissing, StreamCut, WrongModel
from committee.prompts import wire_name
from committee.schema import (
    DEFAULT_NUM_CTX,
    ChatRequest,
    Delta,
    Done,
    FinishReason,
    MemberConfig,
    MemberHealth,
    Message,
    Think,
    ToolCall,
)

log = logging.getLogger(__name__)

_CHECK_TIMEOUT_S = 1.0
_THINKING_ROOM = 256
_SIZE = re.compile(r"(\d+(?:\.\d+)?)(b|m)\b", re.IGNORECASE)


class _Function(msgspec.Struct):
    name: str = ""
    arguments: dict[str, Any] | str | None = None


class _Call(msgspec.Struct):
    function: _Function
    id: str | None = None


class _Reply(msgspec.Struct):
    content: str = ""
    thinking: str | None = None
    tool_calls: list[_Call] | None = None


class _Line(msgspec.Struct):
    model: str = ""
    message: _Reply | None = None
    done: bool = False
    done_reason: str | None = None
    prompt_eval_count: int = 0
    eval_count: int = 0
    error: str | None = None
    logprobs: list[Token] | None = None


_decode = msgspec.json.Decoder(_Line).decode


class OllamaMember:
    """Implements the `ChatBackend` port on one Ollama server."""

    stand_in = False

    def __init__(self, config: MemberConfig, *, server: ModelServer | None = None) -> None:
        self.name = config.name
        self.model = config.model
        self._config = config
        self._server = server or ModelServer(config.base_url, connect_s=config.connect_s)
        self._family = family(config.model)
        self._thinks: bool | None = None
        self._sees = True
        # One constant for all requests, settled once (`_fit`); the window is smaller where the server loaded less.
        self._num_ctx = self._window = config.num_ctx or DEFAULT_NUM_CTX
        self._fitted = False
        self._window_note = ""
        self._checked = False
        self._in_flight = 0
        self._heard = -math.inf  # when the last bytes of any answer came
        # A top-level field of every request; inside `options` Ollama ignores it.
        self._keep_alive = _duration(config.keep_alive)

    @property
    def window(self) -> int | None:
        return self._window

    @property
    def parallel(self) -> int | None:
        return self._config.parallel or 1  # what Ollama does unless it is told otherwise

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Delta, None]:
        if not self._fitted:
            # A server that hangs must not cost the request its time.
            await self._fit(timeout_s=min(_CHECK_TIMEOUT_S, request.first_byte_s))
        self._in_flight += 1
        try:
            lines = await self._ask(request)
            try:
                answer = _Answer(self.model, self._window)
                now = asyncio.get_running_loop().time
                while read := await lines.read():
                    self._heard = now()
                    delta, done = answer.read(read)
                    if delta is not None:
                        yield delta
                    if done is not None:
                        await self._ended(lines)
                        yield Delta(done=done)
                        return
            finally:
                lines.close()
            raise StreamCut("The answer ended without being finished.")
        finally:
            self._in_flight -= 1

    async def resolve(self) -> None:
        """Find the installed model to use: the configured tag, else the best one of its family.

        Raises ModelMissing, naming the variable and the command, when there is none; MemberError when nothing answers.
        """
        installed = await self._installed()
        chosen = choose_model(self._config.model, installed)
        if chosen is None:
            raise ModelMissing(self._missing())
        if chosen != self.model or not self._fitted:
            if not _same_tag(chosen, self._config.model):
                log.warning(
                    "the configured model is not installed; another one of its family answers",
                    extra={"member": self.name, "configured": self._config.model, "model": chosen},
                )
            self.model = chosen
            await self._learn(installed.get(chosen, {}))
            await self._fit()

    async def health(self) -> MemberHealth:
        try:
            installed, running = await asyncio.gather(self._installed(), self._running())
        except MemberError as error:
            return self._health(reachable=False, note=error.message)
        chosen = choose_model(self._config.model, installed)
        if chosen is None:
            return self._health(reachable=True, note=self._missing(), missing=True)
        loaded = next((entry for entry in running if _same_tag(str(entry.get("name")), chosen)), None)
        context = self._correct(loaded)
        notes = [self._window_note] if self._window_note else []
        if not _same_tag(chosen, self._config.model):
            notes.append(f"{self._config.model} is not installed; {chosen} of the same family answers.")
        if context is not None and context < self._num_ctx:
            notes.append(f"Loaded with a context of {context} tokens; {self._num_ctx} were asked for.")
        size, vram = (_count(loaded.get(key)) if loaded else None for key in ("size", "size_vram"))
        if size and vram is not None and vram < size:
            notes.append(self._spilled(vram, size))
        return self._health(
            reachable=True, model=chosen, loaded=loaded is not None, context=context,
            vram=vram, size=size, note=" ".join(notes),
        )  # fmt: skip

    async def warm(self) -> None:
        """Load the model, with the context size that all requests will use: another size would load it anew."""
        if not self._fitted:
            await self._fit()
        options = {"num_ctx": self._num_ctx}
        body = {"model": self.model, "messages": [], "stream": False, "keep_alive": self._keep_alive}
        try:
            await self._server.post("/api/chat", {**body, "options": options}, timeout_s=self._config.cold_load_s)
        except MemberError as error:
            log.warning("a model could not be loaded", extra={"member": self.name, "cause": error.message})
        else:
            await self._check_load()

    async def aclose(self) -> None:
        await self._server.aclose()

    # -- one request ------------------------------------------------------------------------------------------------

    async def _ask(self, request: ChatRequest) -> Lines:
        try:
            return await self._post(request)
        except ModelMissing as missing:
            # A missing model is the server's first word. Perhaps another tag is there.
            try:
                async with asyncio.timeout(request.first_byte_s):
                    await self.resolve()
            except TimeoutError:
                raise missing from None
            return await self._post(request)

    async def _post(self, request: ChatRequest) -> Lines:
        return await self._server.ask(
            "/api/chat",
            self._body(request),
            request,
            patience_s=self._config.cold_load_s,
            still_busy=lambda: self._still_busy(request.first_byte_s),
        )

    async def _ended(self, lines: Lines) -> None:
        if not lines.complete:
            await lines.drain()
        lines.close()
        if not self._checked:
            await self._check_load()

    def _body(self, request: ChatRequest) -> dict[str, Any]:
        options = {"num_ctx": self._num_ctx, **sampling(request, max_tokens="num_predict")}
        body: dict[str, Any] = {
            "model": self.model,
            "messages": [_message(message, self._sees) for message in request.messages],
            "stream": True,
            "truncate": False,
            "shift": False,
            "keep_alive": self._keep_alive,
            "options": options,
            **wanted_logprobs(request),
        }
        if (think := self._think(request.think)) is not None:
            body["think"] = think
        hidden = request.context.stage not in ("speak", "solo")  # what the client asked for is the client's to bound
        if hidden and think == "low" and request.max_tokens is not None:
            # It thinks even when it need not; without room for that a short answer ends before it begins.
            options["num_predict"] = request.max_tokens + _THINKING_ROOM
        if request.response_schema is not None:
            body["format"] = request.response_schema
        elif request.tools:
            body["tools"] = [tool_entry(tool) for tool in request.tools]
        return body

    def _think(self, wanted: Think | None) -> bool | str | None:
        """gpt-oss takes a level and never `false` (that would put grammar before its channel header); others a flag,
        and only if they can think at all."""
        if self._family == "gpt-oss":
            return "low" if wanted in (None, "off") else wanted
        if wanted is None or not (self._family == "qwen3" if self._thinks is None else self._thinks):
            return None
        return wanted != "off"

    async def _still_busy(self, silence_s: float) -> bool:
        """Why there may be no byte yet: the model is being loaded, or another request of ours is in front.

        That one must have been heard of late, or requests that are stuck together would wait for each other.
        """
        try:
            running = await self._running(timeout_s=min(_CHECK_TIMEOUT_S, silence_s))
        except MemberError:
            return False
        loaded = any(_same_tag(str(entry.get("name")), self.model) for entry in running)
        in_front = self._in_flight > 1 and asyncio.get_running_loop().time() - self._heard < silence_s
        return not loaded or in_front

    # -- the window -------------------------------------------------------------------------------------------------

    async def _fit(self, *, timeout_s: float = 3.0) -> None:
        """Settle on the context size: what the user has set, else what is loaded already, else the default.

        Never more than the model was made for. An outage changes nothing: the next request tries again.
        """
        try:
            running = await self._running(timeout_s=timeout_s)
        except MemberError as error:
            log.info("a window could not be fitted", extra={"member": self.name, "cause": error.message})
            return
        try:
            card = await self._server.post("/api/show", {"model": self.model}, timeout_s=timeout_s)
        except MemberError:
            card = None
        loaded = self._entry_of(running)
        self._settle(_positive(loaded.get("context_length")) if loaded else None, native_context(card))
        self._fitted = True

    def _settle(self, loaded: int | None, native: int | None) -> None:
        wanted = self._config.num_ctx or loaded or DEFAULT_NUM_CTX
        self._num_ctx = self._window = wanted if wanted == loaded else min(wanted, native or wanted)
        variable = self._config.window_variable or "its NUM_CTX variable"
        if self._num_ctx < wanted:
            self._window_note = f"The model was made for {native} tokens; {wanted} are configured."
        elif self._config.num_ctx is None and loaded is not None and loaded < DEFAULT_NUM_CTX:
            self._window_note = f"It was loaded with a context of only {loaded} tokens: set {variable} to change that."
        else:
            self._window_note = ""

    def _correct(self, loaded: Mapping[str, Any] | None) -> int | None:
        """The context really loaded. The window follows it downwards; what is sent stays the same."""
        context = _positive(loaded.get("context_length")) if loaded else None
        if context is not None:
            self._window = min(self._num_ctx, context)
        return context

    async def _check_load(self) -> None:
        """After a load: see how large a context there was room for. Once: no answer is to wait for this again."""
        self._checked = True
        try:
            running = await self._running(timeout_s=_CHECK_TIMEOUT_S)
        except MemberError:
            return
        self._correct(self._entry_of(running))

    def _spilled(self, vram: int, size: int) -> str:
        variable = self._config.window_variable or "its NUM_CTX variable"
        return (
            f"Only {100 * vram // size} % of it are in GPU memory (size_vram < size), so it answers slowly:"
            f" lower {variable} (now {self._num_ctx}) or take a smaller model."
        )

    # -- what the server has ----------------------------------------------------------------------------------------

    async def _installed(self) -> dict[str, Mapping[str, Any]]:
        return {str(entry.get("name")): entry for entry in _models(await self._server.get("/api/tags"))}

    async def _running(self, *, timeout_s: float = 3.0) -> list[Mapping[str, Any]]:
        return _models(await self._server.get("/api/ps", timeout_s=timeout_s))

    def _entry_of(self, running: Iterable[Mapping[str, Any]]) -> Mapping[str, Any] | None:
        return next((entry for entry in running if _same_tag(str(entry.get("name")), self.model)), None)

    async def _learn(self, entry: Mapping[str, Any]) -> None:
        """Family, and whether it can think and see, from the tag list or, on older servers, from the model's card."""
        details = entry.get("details")
        named = str(details.get("family") or "") if isinstance(details, Mapping) else ""
        self._family = "gpt-oss" if "gptoss" in named or "gpt-oss" in self.model else family(self.model)
        capabilities = entry.get("capabilities")
        if not isinstance(capabilities, list):
            try:
                card = await self._server.post("/api/show", {"model": self.model})
            except MemberError:
                return
            capabilities = card.get("capabilities") if isinstance(card, Mapping) else None
        if isinstance(capabilities, list):
            self._thinks = "thinking" in capabilities
            self._sees = "vision" in capabilities

    def _missing(self) -> str:
        config = self._config
        variable = f", or set {config.model_variable} to an installed model" if config.model_variable else ""
        return (
            f"{config.model} is not installed on {self._server.base_url}, nor another model of its family."
            f" Run `ollama pull {config.model}`{variable}."
        )

    def _health(
        self, *, reachable: bool, model: str | None = None, loaded: bool | None = None, context: int | None = None,
        vram: int | None = None, size: int | None = None, note: str = "", missing: bool = False,
    ) -> MemberHealth:  # fmt: skip
        return MemberHealth(
            name=self.name, kind="ollama", base_url=self._server.base_url, configured_model=self._config.model,
            model=None if missing else model or self.model, reachable=reachable, loaded=loaded,
            context_length=context, size_vram=vram, size=size, window=self._window, note=note,
        )  # fmt: skip


def family(model: str) -> str:
    """ "qwen3" of "qwen3:32b-q4_K_M", also behind a registry's path."""
    return model.rpartition("/")[2].partition(":")[0].lower()


def choose_model(configured: str, installed: Mapping[str, Mapping[str, Any]]) -> str | None:
    """The installed tag to use for `configured`: itself, else of its family, the same size first, then the largest."""
    for name in installed:
        if _same_tag(name, configured):
            return name
    relatives = [name for name, entry in installed.items() if _related(configured, name, entry)]
    wanted = _size(configured, {})
    relatives.sort(key=lambda name: (_size(name, installed[name]) != wanted, -_size(name, installed[name]), name))
    return relatives[0] if relatives else None


def _related(configured: str, name: str, entry: Mapping[str, Any]) -> bool:
    capabilities = entry.get("capabilities")
    if isinstance(capabilities, list) and "completion" not in capabilities:
        return False
    return family(name) == family(configured)


def _size(name: str, entry: Mapping[str, Any]) -> float:
    """Billions of parameters: by the tag, else by the details; rounded, because "32b" is listed as 32.8B."""
    details = entry.get("details")
    listed = str(details.get("parameter_size") or "") if isinstance(details, Mapping) else ""
    found = _SIZE.search(name.partition(":")[2]) or _SIZE.search(listed)
    if found is None:
        return 0.0
    return float(int(float(found[1]) / (1000 if found[2].lower() == "m" else 1)))


def _same_tag(left: str, right: str) -> bool:
    return _full(left) == _full(right)


def _full(name: str) -> str:
    name = name.lower()
    return name if ":" in name.rpartition("/")[2] else f"{name}:latest"


def _models(document: Any) -> list[Mapping[str, Any]]:
    models = document.get("models") if isinstance(document, Mapping) else None
    if not isinstance(models, list):
        raise BadAnswer("The server does not list its models as Ollama does.")
    return [entry for entry in models if isinstance(entry, Mapping)]


def _positive(value: Any) -> int | None:
    return value if isinstance(value, int) and value > 0 else None


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and value >= 0 else None


def native_context(card: Any) -> int | None:
    """Tokens that a model was made for, by its card (`/api/show`)."""
    facts = card.get("model_info") if isinstance(card, Mapping) else None
    if not isinstance(facts, Mapping):
        return None
    return _positive(facts.get(f"{facts.get('general.architecture')}.context_length"))


def _duration(text: str) -> str | int:
    """Ollama takes "24h", or seconds as a number, of which negative ones mean "for ever"."""
    try:
        return int(text)
    except ValueError:
        return text


class _Answer:
    """What came so far: checks who answers and counts tokens (Ollama sends one a line)."""

    def __init__(self, model: str, num_ctx: int) -> None:
        self._asked: str | None = model
        self._num_ctx = num_ctx
        self._thinking = 0
        self._words = 0
        self._called = False

    def read(self, lines: Sequence[bytes]) -> tuple[Delta | None, Done | None]:
        """The lines of one read as one delta, and the end if it is among them."""
        if len(lines) == 1 and (word := self._word(lines[0])) is not None:
            return word, None
        text: list[str] = []
        thinking: list[str] = []
        calls: list[_Call] = []
        tokens: list[Token] = []
        done = None
        for raw in lines:
            if not raw or raw.isspace():
                continue
            line = self._parse(raw)
            if (reply := line.message) is not None:
                if reply.content:
                    text.append(reply.content)
                    tokens += line.logprobs or ()
                if reply.thinking:
                    thinking.append(reply.thinking)
                if reply.tool_calls:
                    calls += reply.tool_calls
            if line.done:
                self._called = self._called or bool(calls)
                done = self._end(line, len(thinking), len(text))
                break
        self._thinking += len(thinking)
        self._words += len(text)
        self._called = self._called or bool(calls)
        if not (text or thinking or calls):
            return None, done
        made = _tool_calls(calls) if calls else ()
        return Delta("".join(text), "".join(thinking), made, logprobs=token_logprobs(tokens) if tokens else ()), done

    def _word(self, raw: bytes) -> Delta | None:
        """A read that brings one word and nothing else, as nearly all do; None for every other one."""
        if self._asked is not None:
            return None
        line = self._parse(raw) if raw and not raw.isspace() else _Line()
        reply = line.message
        if reply is None or line.done or reply.thinking or reply.tool_calls or line.logprobs or not reply.content:
            return None
        self._words += 1
        return Delta(reply.content)

    def _parse(self, raw: bytes) -> _Line:
        try:
            line = _decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise BadAnswer("A line of the answer is not what Ollama sends.") from error
        if line.error is not None:
            raise error_from(200, error_message(line.error))
        if self._asked is not None and line.model:
            if not _same_tag(line.model, self._asked):
                raise WrongModel(f"{line.model} answered; {self._asked} was asked.")
            self._asked = None
        return line

    def _end(self, line: _Line, thinking: int, words: int) -> Done:
        thinking += self._thinking
        if line.prompt_eval_count >= self._num_ctx:
            # Versions before 0.12.6 do not know `truncate` and cut the conversation silently; the count gives it away.
            raise ContextTooLong(f"The conversation was cut to {self._num_ctx} tokens; a newer Ollama refuses instead.")
        reason: FinishReason = "length" if line.done_reason == "length" else "tool_calls" if self._called else "stop"
        # With a schema and thinking the server runs twice and reports the second run only, so what we saw counts too.
        return Done(reason, line.prompt_eval_count, max(line.eval_count, thinking + words + self._words), thinking)


def _tool_calls(calls: Sequence[_Call]) -> tuple[ToolCall, ...]:
    found = []
    for call in calls:
        arguments = call.function.arguments
        if isinstance(arguments, str):
            try:
                arguments = msgspec.json.decode(arguments or "{}", type=dict[str, Any])
            except (msgspec.DecodeError, RecursionError) as error:
                raise BadAnswer("The arguments of a tool call are not JSON.") from error
        found.append(ToolCall(call.id or "", call.function.name, arguments or {}))
    return tuple(found)


def _message(message: Message, sees: bool) -> dict[str, Any]:
    entry: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.images and sees:
        entry["images"] = list(message.images)
    elif message.images:
        entry["content"] += f"\n[{len(message.images)} picture(s) attached, which you cannot see]"
    if message.tool_calls:
        entry["tool_calls"] = [
            {"id": call.id, "function": {"index": index, "name": wire_name(call.name), "arguments": call.arguments}}
            for index, call in enumerate(message.tool_calls)
        ]
    if message.role == "tool":
        if message.name:
            entry["tool_name"] = wire_name(message.name)
        if message.tool_call_id:
            entry["tool_call_id"] = message.tool_call_id
    return entry
