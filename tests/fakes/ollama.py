"""A small real Ollama: true NDJSON wire, scripted answers, and faults on demand.

    async with FakeOllama("qwen3:32b") as ollama:
        ollama.plan = {"action": "call", "calls": [{"tool": "film_run", "args": {...}}]}
        ollama.text = "Your film is on its way."
        ... MemberConfig("qwen3", "qwen3:32b", ollama.base_url) ...
        assert ollama.chats[0]["keep_alive"] == "24h"

`python -m tests.fakes.ollama 11434 qwen3:32b` serves one for a benchmark or a look by hand.
"""

from __future__ import annotations

import asyncio
import json
import math
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Self

from aiohttp import web

CREATED = "2026-01-01T00:00:00.000000Z"

PLAN: dict[str, Any] = {
    "work": "The user greets. Nothing has to be done.",
    "action": "answer",
    "decline_kind": "",
    "calls": [],
    "key": "",
    "points": ["greet back"],
    "risks": [],
    "confidence": 0.9,
}


class Fault(StrEnum):
    """What goes wrong with a chat."""

    STALL = "stall"  # accepted, then nothing, not even headers
    STALL_MIDWAY = "stall midway"  # some tokens, then nothing
    DRIP = "drip"  # a token every `drip_s`, for ever
    CUT = "cut"  # the connection breaks after some tokens
    NO_DONE = "no done"  # a clean end without done: true
    ERROR_LINE = "error line"  # {"error": …} after status 200
    MALFORMED = "malformed"  # half a JSON line
    NOT_UTF8 = "not utf-8"
    HTTP_500 = "500"
    HTTP_404 = "404"
    HTTP_503 = "503"
    EMPTY = "empty"  # done without a word
    THINK_ONLY = "think only"
    WRONG_MODEL = "wrong model"
    HUGE_LINE = "huge line"
    BROKEN_CALL = "broken call"  # a tool call whose arguments are not JSON
    SLOW_LOAD = "slow load"  # not a byte while the model is being loaded, which never ends
    REFUSAL = "refusal"  # a polite refusal in the place of whatever was asked for
    GARBAGE = "garbage"  # words and signs without any sense


@dataclass
class Reply:
    """One answer; `content` is sent word by word."""

    content: str = ""
    thinking: str = ""
    tool_calls: list[dict[str, Any]] = field(default_factory=list)
    done_reason: str = "stop"


Answer = Callable[[dict[str, Any]], Reply]

REFUSAL = "I'm sorry, but I can't help with that request."
GARBAGE = 'Zx}{]] \u0000\u202e "calls": [{"tool": <|im_end|> \ufffd 1e999 \\u00 {"action"'

# A member that keeps its view, approves nothing, and prefers nothing.
REVIEW: dict[str, Any] = {
    "defect_in_mine": "",
    "defect_in_other": "",
    "approve": [],
    "action": "answer",
    "calls": [],
    "key": "",
}
VERDICT: dict[str, Any] = {"reason": "Both look alike.", "pick": "tie"}


class FakeOllama:
    """One server with its installed models. Everything may be changed between requests."""

    def __init__(self, *models: str, token_ms: float = 0.0, port: int = 0) -> None:
        self.installed: dict[str, dict[str, Any]] = {name: {} for name in models or ("qwen3:32b",)}
        self.loaded: dict[str, int] = {}
        self.token_ms = token_ms
        self.load_s = 0.0
        self.plan: dict[str, Any] | str = PLAN
        self.sample: dict[str, Any] | None = None  # what a second look at the same messages finds, if something else
        self.replanned: dict[str, Any] = {}  # what follows from results; nothing unless it says otherwise
        self.review: dict[str, Any] | str = REVIEW
        self.verdict: dict[str, Any] | str | Callable[[dict[str, Any]], dict[str, Any]] = VERDICT
        self.choice: dict[str, Any] = {}
        self.text = "Hello from the model."
        self.thinking = ""
        self.answer: Answer | None = None
        self.fault: Fault | None = None
        self.fault_of: Callable[[dict[str, Any]], Fault | None] | None = None  # in the place of `fault`, chat by chat
        # None: every chat; else those of one stage, as `stage_of` tells them apart.
        self.fault_stage: str | None = None
        self.fault_count: int | None = None
        self.hangs = False  # takes every request, whatever its path, and answers none
        self.hangs_at: set[str] = set()  # the same for some paths
        self.drip_s = 0.05
        self.end_s = 0.0  # between the last line and the end of the body
        self.split_utf8 = False
        self.old = False  # an older server: no capabilities in its list of tags, over-long prompts cut silently
        self.refuse_pull: set[str] = set()
        self.native: int | None = None  # tokens that the models were made for
        self.most_context: int | None = None  # what there is memory for: larger contexts are loaded this large
        self.size_vram = 20 << 30  # of 20 GiB
        self.chars_per_token = 4.0
        self.too_long = 0  # chats refused because they exceed the context
        self.chats: list[dict[str, Any]] = []
        self.preloads: list[dict[str, Any]] = []  # chats without messages
        self.paths: list[str] = []
        self.embeds: list[dict[str, Any]] = []
        self.generates: list[dict[str, Any]] = []
        self.infill = "return a + b"
        self.embed_dimensions = 8
        self.embed_window = 512  # tokens that a text to embed may have
        self.embed_fault: Fault | None = None
        self.open = 0
        self.disconnected = 0
        self._changed = asyncio.Condition()
        self._port = port
        self._runner: web.AppRunner | None = None
        self._stopping = asyncio.Event()
        self.base_url = ""

    # -- life -------------------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=64 << 20, middlewares=[self._record])
        app.router.add_post("/api/chat", self._chat)
        app.router.add_post("/api/embed", self._embed)
        app.router.add_post("/api/generate", self._generate)
        app.router.add_get("/api/tags", self._tags)
        app.router.add_get("/api/ps", self._ps)
        app.router.add_post("/api/show", self._show)
        app.router.add_get("/api/version", self._version)
        app.router.add_post("/api/pull", self._pull)
        # Without cancellation a handler would not notice that its client has gone.
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.5, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port)
        await site.start()
        self.base_url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        self._port = int(self._runner.addresses[0][1])
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.stop()

    async def stop(self) -> None:
        """Close the port and every connection; `start` again with `async with`, on the same port."""
        self._stopping.set()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        self._stopping = asyncio.Event()

    async def until(self, condition: Callable[[], bool], timeout_s: float = 2.0) -> None:
        """Wait until `condition` holds; it is looked at whenever a chat starts, ends or loses its client."""
        async with asyncio.timeout(timeout_s), self._changed:
            await self._changed.wait_for(condition)

    def of(self, stage: str) -> list[dict[str, Any]]:
        """The chats of one stage, in the words of `stage_of`."""
        return [chat for chat in self.chats if stage_of(chat) == stage]

    @property
    def probes(self) -> list[dict[str, Any]]:
        return self.of("probe")

    @property
    def speeches(self) -> list[dict[str, Any]]:
        return self.of("speak")

    @property
    def stages(self) -> list[str]:
        """The stages of all chats, in the order in which they came."""
        return [stage_of(chat) for chat in self.chats]

    # -- routes -----------------------------------------------------------------------------------------------------

    @web.middleware
    async def _record(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.paths.append(request.path)
        if self.hangs or request.path in self.hangs_at:
            await self._stopping.wait()
        response: web.StreamResponse = await handler(request)
        return response

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        (self.chats if body["messages"] else self.preloads).append(body)
        async with self._counted():
            fault = self._take_fault(body)
            if refusal := await self._refuse(body, fault):
                return refusal
            await self._load(body, fault)
            if not body["messages"]:
                return web.json_response(self._last(body, Reply(done_reason="load")))
            reply = self._reply(body)
            if body.get("stream") is False:
                return web.json_response(self._last(body, reply))
            return await self._stream(request, body, reply, fault)

    async def _generate(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.generates.append(body)
        async with self._counted():
            fault = self._take_fault(body)
            if refusal := await self._refuse(
                {**body, "messages": [{"content": body["prompt"] + body["suffix"]}]}, fault
            ):
                return refusal
            if "insert" not in self._capabilities(body["model"]) and body["suffix"]:
                return _error(400, f"registry.ollama.ai/library/{body['model']} does not support insert")
            return await self._stream_infill(request, body, fault)

    async def _stream_infill(
        self, request: web.Request, body: dict[str, Any], fault: Fault | None
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
        await response.prepare(request)
        words = _words(self.infill)[: body["options"].get("num_predict", 1000)]
        head = {"model": body["model"], "created_at": CREATED}
        for number, word in enumerate(words):
            await asyncio.sleep(self.token_ms / 1000)
            if fault is not None and number == 1 and await self._break(request, response, body, fault):
                return response
            await response.write(_line({**head, "response": word, "done": False}))
        reason = "length" if len(words) < len(_words(self.infill)) else "stop"
        counts = {"prompt_eval_count": len(body["prompt"] + body["suffix"]) // 4, "eval_count": len(words)}
        await response.write(_line({**head, "response": "", "done": True, "done_reason": reason, **counts}))
        return response

    async def _embed(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.embeds.append(body)
        fault = self.embed_fault
        if refusal := await self._refuse_embed(body, fault):
            return refusal
        texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
        size = body.get("dimensions") or self.embed_dimensions
        vectors = [embedding(text, min(size, self.embed_dimensions)) for text in texts]
        if fault is Fault.CUT:
            vectors.pop()
        if fault is Fault.EMPTY:
            vectors = [[] for _ in vectors]
        if fault is Fault.MALFORMED:
            return web.Response(text='{"model": "x", "embeddings": [[0.1, ', content_type="application/json")
        tokens = sum(len(text) // 4 + 1 for text in texts)
        return web.json_response({"model": body["model"], "embeddings": vectors, "prompt_eval_count": tokens})

    async def _refuse_embed(self, body: dict[str, Any], fault: Fault | None) -> web.StreamResponse | None:
        if fault is Fault.STALL:
            await self._stopping.wait()
        if fault is Fault.HTTP_500:
            return _error(500, "llama runner process has terminated: exit status 2")
        if fault is Fault.HTTP_503:
            return _error(503, "server busy, please try again.  maximum pending requests exceeded")
        if body["model"] not in self.installed:
            return _error(404, f"model '{body['model']}' not found")
        if body.get("truncate") is False and any(len(text) // 4 > self.embed_window for text in body["input"]):
            return _error(400, "the input length exceeds the context length")
        return None

    async def _tags(self, _: web.Request) -> web.Response:
        return web.json_response({"models": [self._entry(name) for name in self.installed]})

    async def _ps(self, _: web.Request) -> web.Response:
        running = [
            {**self._entry(name), "context_length": context, "size_vram": self.size_vram, "expires_at": CREATED}
            for name, context in self.loaded.items()
        ]
        return web.json_response({"models": running})

    async def _show(self, request: web.Request) -> web.Response:
        body = await request.json()
        name = body.get("model", "")
        if name not in self.installed:
            return _error(404, f"model '{name}' not found")
        arch = name.partition(":")[0].replace("-", "")
        info = {"general.architecture": arch, f"{arch}.context_length": self.native} if self.native else {}
        return web.json_response({"capabilities": self._capabilities(name), "details": {}, "model_info": info})

    async def _version(self, _: web.Request) -> web.Response:
        return web.json_response({"version": "0.32.6"})

    async def _pull(self, request: web.Request) -> web.StreamResponse:
        name = (await request.json()).get("model", "")
        response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
        await response.prepare(request)
        lines: list[dict[str, Any]] = [{"status": "pulling manifest"}]
        if name in self.refuse_pull:
            lines.append({"error": "pull model manifest: file does not exist"})
        else:
            lines += [
                {"status": "pulling abc", "digest": "sha256:abc", "total": 100, "completed": n} for n in (0, 60, 100)
            ]
            lines.append({"status": "success"})
            self.installed[name] = {}
        for line in lines:
            await response.write(_line(line))
        return response

    # -- one chat ---------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def _counted(self) -> AsyncIterator[None]:
        await self._count(+1)
        try:
            yield
        except (asyncio.CancelledError, ConnectionError):
            self.disconnected += 1
            raise
        finally:
            await asyncio.shield(self._count(-1))

    async def _count(self, change: int) -> None:
        async with self._changed:
            self.open += change
            self._changed.notify_all()

    def _take_fault(self, body: dict[str, Any]) -> Fault | None:
        if self.fault_of is not None:
            return self.fault_of(body)
        if self.fault is None or self.fault_stage not in (None, stage_of(body)):
            return None
        if self.fault_count is not None:
            if self.fault_count <= 0:
                return None
            self.fault_count -= 1
        return self.fault

    async def _refuse(self, body: dict[str, Any], fault: Fault | None) -> web.StreamResponse | None:
        name = body["model"]
        if fault is Fault.STALL:
            await self._stopping.wait()
        if fault is Fault.HTTP_500:
            return _error(500, "error parsing tool call: raw='{\"a\"', err=unexpected end of JSON input")
        if fault is Fault.HTTP_503:
            return _error(503, "server busy, please try again.  maximum pending requests exceeded")
        if fault is Fault.HTTP_404 or (name not in self.installed and f"{name}:latest" not in self.installed):
            return _error(404, f"model '{name}' not found")
        if body.get("think") is True and "thinking" not in self._capabilities(name):
            return _error(400, f'"{name}" does not support thinking')
        if not self.old and body.get("truncate") is False and self.prompt_tokens(body) > self._context(body):
            self.too_long += 1
            return _error(400, "the input length exceeds the context length")
        return None

    async def _load(self, body: dict[str, Any], fault: Fault | None = None) -> None:
        name, context = body["model"], self._context(body)
        if fault is Fault.SLOW_LOAD:
            self.loaded.pop(name, None)
            await self._stopping.wait()
        if self.loaded.get(name) != context:
            if self.load_s:
                await asyncio.sleep(self.load_s)
            self.loaded[name] = context

    def prompt_tokens(self, body: dict[str, Any]) -> int:
        """What the prompt of a chat takes, declared tools included, by this server's own count."""
        texts = [message.get("content") or "" for message in body["messages"]]
        texts += [json.dumps(message["tool_calls"]) for message in body["messages"] if message.get("tool_calls")]
        texts += [json.dumps(tool) for tool in body.get("tools") or ()]
        return int(sum(len(text) for text in texts) / self.chars_per_token)

    def _context(self, body: dict[str, Any]) -> int:
        asked = int(body.get("options", {}).get("num_ctx", 4096))
        return min(asked, self.native or asked, self.most_context or asked)

    def _reply(self, body: dict[str, Any]) -> Reply:
        if self.answer is not None:
            return self.answer(body)
        match stage_of(body):
            case "native" if body["messages"][-1]["role"] != "tool" and (calls := _native_calls(self.plan)):
                return Reply(tool_calls=calls)
            case "probe":
                again = sum(chat["messages"] == body["messages"] for chat in self.chats) % 2 == 0
                return Reply(_document(PLAN, self.sample if again and self.sample is not None else self.plan))
            case "replan":
                return Reply(_document(PLAN, self.replanned))
            case "cross-check":
                return Reply(_document(REVIEW, self.review))
            case "verdict":
                verdict = self.verdict
                return Reply(_document({}, verdict if isinstance(verdict, dict | str) else verdict(body)))
            case "choose":
                return Reply(json.dumps(self.choice))
        return Reply(self.text, thinking=self.thinking if body.get("think") is not False else "")

    async def _stream(
        self, request: web.Request, body: dict[str, Any], reply: Reply, fault: Fault | None
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
        await response.prepare(request)
        reply = spoilt(reply, fault)
        messages = _messages(reply)
        half = max(1, len(messages) // 2)
        for number, message in enumerate(messages):
            if fault is not None and number == half and await self._break(request, response, body, fault):
                return response
            if self.token_ms:
                await asyncio.sleep(self.token_ms / 1000)
            model = "tinyllama:1b" if fault is Fault.WRONG_MODEL else body["model"]
            line = {"model": model, "created_at": CREATED, "message": message, "done": False}
            await self._write(response, {**line, **logprobs(body, message["content"])})
        if fault is not None and len(messages) <= half and await self._break(request, response, body, fault):
            return response
        await response.write(_line(self._last(body, reply, streamed=True)))
        await asyncio.sleep(self.end_s)
        return response

    async def _break(
        self, request: web.Request, response: web.StreamResponse, body: dict[str, Any], fault: Fault
    ) -> bool:
        """Do in the middle of a stream what the fault says; True ends the answer there."""
        piece = {"model": body["model"], "created_at": CREATED, "message": {"role": "assistant", "content": " x"}}
        if fault is Fault.STALL_MIDWAY:
            await self._stopping.wait()
        elif fault is Fault.DRIP:
            while not self._stopping.is_set():
                await response.write(_line({**piece, "done": False}))
                await asyncio.sleep(self.drip_s)
        elif fault is Fault.CUT:
            assert request.transport is not None
            request.transport.abort()
        elif fault is Fault.ERROR_LINE:
            await response.write(_line({"error": "an error was encountered while running the model: CUDA error"}))
        elif fault is Fault.MALFORMED:
            await response.write(b'{"model": "qwen3", "message": {"role": "assis\n')
        elif fault is Fault.NOT_UTF8:
            await response.write(b'{"model":"x","message":{"role":"assistant","content":"\xff\xfe"},"done":false}\n')
        elif fault is Fault.HUGE_LINE:
            await response.write(b'{"message":{"content":"' + b"x" * (3 << 20))
        elif fault is Fault.BROKEN_CALL:
            call = {"function": {"name": "film_run", "arguments": '{"synopsis": "'}}
            message = {"role": "assistant", "content": "", "tool_calls": [call]}
            await response.write(_line({**piece, "message": message, "done": False}))
        else:
            return fault is Fault.NO_DONE
        return True

    async def _write(self, response: web.StreamResponse, line: dict[str, Any]) -> None:
        data = _line(line)
        if not self.split_utf8:
            await response.write(data)
            return
        for start in range(len(data)):  # one byte a write: every character of several bytes is torn
            await response.write(data[start : start + 1])

    def _last(self, body: dict[str, Any], reply: Reply, *, streamed: bool = False) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": "" if streamed else reply.content}
        return {
            "model": body["model"],
            "created_at": CREATED,
            "message": message,
            "done": True,
            "done_reason": reply.done_reason,
            "total_duration": 1_000_000,
            "load_duration": 1_000,
            "prompt_eval_count": min(self.prompt_tokens(body), self._context(body)),
            "prompt_eval_duration": 1_000,
            "eval_count": len(_messages(reply)),
            "eval_duration": 1_000,
        }

    def _entry(self, name: str) -> dict[str, Any]:
        size = re.search(r":(\d+)b", name)
        details = {
            "family": name.partition(":")[0].replace("-", ""),
            "parameter_size": f"{size[1]}.8B" if size else "8.0B",
        }
        entry = {"name": name, "model": name, "size": 20 << 30, "digest": "abc", "details": details}
        if not self.old:
            entry["capabilities"] = self._capabilities(name)
        return {**entry, **self.installed.get(name, {})}

    def _capabilities(self, name: str) -> list[str]:
        given: list[str] | None = self.installed.get(name, {}).get("capabilities")
        if given is not None:
            return given
        thinks = name.startswith(("qwen3", "gpt-oss", "deepseek-r1")) and "instruct" not in name
        return ["completion", "tools", *(["thinking"] if thinks else [])]


def embedding(text: str, size: int) -> list[float]:
    """A vector of unit length that depends on the text's letters."""
    counts = [1.0 + sum(ord(letter) % size == place for letter in text) for place in range(size)]
    length = math.sqrt(sum(count * count for count in counts))
    return [count / length for count in counts]


def logprobs(body: dict[str, Any], token: str) -> dict[str, Any]:
    """The log probability of a piece of an answer, where it was asked for: the same for every piece."""
    if not body.get("logprobs") or not token:
        return {}
    top = [{"token": f"{token}{n or ''}", "logprob": -0.25 - n} for n in range(body.get("top_logprobs", 0))]
    return {"logprobs": [{"token": token, "logprob": -0.25, **({"top_logprobs": top} if top else {})}]}


def is_probe(body: dict[str, Any]) -> bool:
    """Whether a chat asks for a plan."""
    return stage_of(body) in ("probe", "replan")


def stage_of(body: dict[str, Any]) -> str:
    """What the committee asks for in a chat, by the schema that binds the answer: "probe", "replan" (the same after
    tools have run), "cross-check", "verdict", "choose", "native" (with tools), or "speak" for everything else."""
    schema = body.get("format")
    fields = schema.get("properties", {}) if isinstance(schema, dict) else {}
    if "defect_in_mine" in fields:
        return "cross-check"
    if "pick" in fields or "ranking" in fields:
        return "verdict"
    if "action" in fields:
        return "replan" if "have been carried out" in body["messages"][-1]["content"] else "probe"
    if any(re.match(r"\d+\.", name) for name in fields):
        return "choose"
    return "native" if body.get("tools") else "speak"


def spoilt(reply: Reply, fault: Fault | None) -> Reply:
    """The answer with what is wrong about its words; breaks of the stream are another matter."""
    match fault:
        case Fault.EMPTY:
            return Reply()
        case Fault.THINK_ONLY:
            return Reply(thinking="Let me see.")
        case Fault.REFUSAL:
            return Reply(REFUSAL)
        case Fault.GARBAGE:
            return Reply(GARBAGE)
    return reply


def _native_calls(plan: dict[str, Any] | str) -> list[dict[str, Any]]:
    """The calls of a plan, as a model makes them that was offered tools."""
    if isinstance(plan, str) or plan.get("action") != "call":
        return []
    return [{"function": {"name": call["tool"], "arguments": call["args"]}} for call in plan["calls"]]


def _document(default: dict[str, Any], given: dict[str, Any] | str) -> str:
    return given if isinstance(given, str) else json.dumps({**default, **given})


def _messages(reply: Reply) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {"role": "assistant", "content": "", "thinking": word} for word in _words(reply.thinking)
    ]
    found += [{"role": "assistant", "content": word} for word in _words(reply.content)]
    if reply.tool_calls:
        found.append({"role": "assistant", "content": "", "tool_calls": reply.tool_calls})
    return found


def _words(text: str) -> list[str]:
    return re.findall(r"\s*\S+|\s+$", text)


def _line(value: dict[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _error(status: int, message: str) -> web.Response:
    return web.json_response({"error": message}, status=status)


async def _serve(port: int, models: list[str]) -> None:
    async with FakeOllama(*models, port=port, token_ms=20) as fake:
        print(f"fake Ollama with {', '.join(fake.installed)} on {fake.base_url}")
        await asyncio.Event().wait()


if __name__ == "__main__":
    import sys

    asyncio.run(_serve(int(sys.argv[1]), sys.argv[2:]))
