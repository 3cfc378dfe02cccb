"""A small real OpenAI-compatible chat server: true SSE wire, scripted answers, and what such servers refuse."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Callable, Sequence
from typing import Any, Self

from aiohttp import web

from tests.fakes.ollama import PLAN, Fault, Reply, _words, embedding, logprobs, spoilt

_CHUNK = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_767_225_600}


class FakeOpenAI:
    """One server with its models. Everything may be changed between requests.

    `refuse`: names of request fields that are answered with 400. `key`: the bearer token that is asked for.
    """

    def __init__(self, *models: str, token_ms: float = 0.0, key: str | None = None) -> None:
        self.models = list(models or ("qwen3-32b",))
        self.token_ms = token_ms
        self.key = key
        self.plan: dict[str, Any] | str = PLAN
        self.text = "Hello from the model."
        self.answer: Callable[[dict[str, Any]], Reply] | None = None
        self.refuse: set[str] = set()
        self.fault: Fault | None = None
        self.fault_of: Callable[[dict[str, Any]], Fault | None] | None = None  # in the place of `fault`, chat by chat
        self.open = 0
        self.end_s = 0.0  # between [DONE] and the end of the body
        self.think_tags = False
        self.listed: dict[str, Any] = {}  # more about every model in the list, as vLLM and others tell it
        self.props: dict[str, Any] | None = None  # llama.cpp's own page
        self.chats: list[dict[str, Any]] = []
        self.embeds: list[dict[str, Any]] = []
        self.completions: list[dict[str, Any]] = []
        self.infill = "return a + b"
        self.embed_dimensions = 8
        self.base_url = ""
        self._runner: web.AppRunner | None = None
        self._stopping = asyncio.Event()

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=64 << 20)
        app.router.add_post("/v1/chat/completions", self._chat)
        app.router.add_post("/v1/embeddings", self._embeddings)
        app.router.add_post("/v1/completions", self._completions)
        app.router.add_get("/v1/models", self._models)
        app.router.add_get("/props", self._props)
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.5, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.base_url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._stopping.set()
        assert self._runner is not None
        await self._runner.cleanup()

    async def _models(self, request: web.Request) -> web.Response:
        if refusal := self._check_key(request):
            return refusal
        data = [
            {"id": name, "object": "model", "created": 1, "owned_by": "fake", **self.listed} for name in self.models
        ]
        return web.json_response({"object": "list", "data": data})

    async def _props(self, _: web.Request) -> web.Response:
        return _error(404, "Not Found") if self.props is None else web.json_response(self.props)

    async def _completions(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.completions.append(body)
        if refusal := self._check_key(request):
            return refusal
        if "suffix" in self.refuse and "suffix" in body:
            return _error(400, "suffix is not currently supported")
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        head = {"id": "cmpl-1", "object": "text_completion", "created": 1, "model": body["model"]}
        words = _words(self.infill)
        for number, word in enumerate(words):
            reason = "stop" if number + 1 == len(words) else None
            choice = {"index": 0, "text": word, "logprobs": None, "finish_reason": reason}
            await _event(response, {**head, "choices": [choice], "usage": None})
        usage = {"prompt_tokens": 9, "completion_tokens": len(words), "total_tokens": 9 + len(words)}
        await _event(response, {**head, "choices": [], "usage": usage})
        await response.write(b"data: [DONE]\n\n")
        return response

    async def _embeddings(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.embeds.append(body)
        if refusal := self._check_key(request):
            return refusal
        if body["model"] not in self.models:
            return _error(404, f"The model `{body['model']}` does not exist.")
        if body.get("dimensions"):
            return _error(400, "Model does not support matryoshka representation.")
        vectors = [embedding(text, self.embed_dimensions) for text in body["input"]]
        data = [{"object": "embedding", "index": at, "embedding": vector} for at, vector in enumerate(vectors)]
        tokens = sum(len(text) // 4 + 1 for text in body["input"])
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        # The order is not promised; the index is.
        return web.json_response({"object": "list", "data": data[::-1], "model": body["model"], "usage": usage})

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.chats.append(body)
        self.open += 1
        try:
            return await self._answer(request, body, self.fault_of(body) if self.fault_of else self.fault)
        finally:
            self.open -= 1

    async def _answer(self, request: web.Request, body: dict[str, Any], fault: Fault | None) -> web.StreamResponse:
        if refusal := self._refuse(request, body, fault):
            return refusal
        if fault in (Fault.STALL, Fault.SLOW_LOAD):
            await self._stopping.wait()
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await self._stream(request, response, body, spoilt(self._reply(body), fault), fault)
        return response

    def _refuse(self, request: web.Request, body: dict[str, Any], fault: Fault | None) -> web.Response | None:
        if refusal := self._check_key(request):
            return refusal
        for name in self.refuse:
            if name in body or name == body.get("response_format", {}).get("type"):
                return _error(400, f"Unsupported parameter: {name}")
        if "image_url" in self.refuse and any(isinstance(m["content"], list) for m in body["messages"]):
            return _error(400, "This model does not support image inputs.")
        if body["model"] not in self.models or fault is Fault.HTTP_404:
            return _error(404, f"The model `{body['model']}` does not exist.")
        prompt = sum(len(str(message["content"])) // 4 for message in body["messages"])
        if prompt + body.get("max_tokens", 0) > self.listed.get("max_model_len", math.inf):
            return _error(400, f"This model's maximum context length is {self.listed['max_model_len']} tokens.")
        if fault is Fault.HTTP_500:
            return _error(500, "EngineCore encountered an issue. See stack trace (above) for the root cause.")
        return None

    async def _stream(
        self, request: web.Request, response: web.StreamResponse, body: dict[str, Any], reply: Reply,
        fault: Fault | None,
    ) -> None:  # fmt: skip
        await self._send(response, body, {"role": "assistant", "content": ""})
        content, stopped_at = _until_stop(reply.content, body.get("stop") or ())
        words = _words(content)
        if self.think_tags:
            words = ["<th", "ink>", "Hmm.", "</thi", "nk>", "\n\n", *words]
        for number, word in enumerate(words):
            if self.token_ms:
                await asyncio.sleep(self.token_ms / 1000)
            if fault is not None and number == max(1, len(words) // 2) and await self._break(request, response, fault):
                return
            await self._send(response, body, {"content": word})
        if reply.thinking:
            await self._send(response, body, {"reasoning_content": reply.thinking})
        for index, call in enumerate(reply.tool_calls):
            function = {"name": call["function"]["name"], "arguments": ""}
            head = {"index": index, "id": f"call_{index}", "type": "function", "function": function}
            await self._send(response, body, {"tool_calls": [head]})
            text = json.dumps(call["function"]["arguments"])
            if fault is Fault.BROKEN_CALL:
                text = text[:-2]
            for piece in (text[: len(text) // 2], text[len(text) // 2 :]):
                await self._send(response, body, {"tool_calls": [{"index": index, "function": {"arguments": piece}}]})
        await self._send(response, body, {}, "tool_calls" if reply.tool_calls else reply.done_reason, stopped_at)
        usage = {"prompt_tokens": 11, "completion_tokens": len(words), "total_tokens": 11 + len(words)}
        await _event(response, {**_CHUNK, "model": body["model"], "choices": [], "usage": usage})
        await response.write(b"data: [DONE]\n\n")
        await asyncio.sleep(self.end_s)

    async def _break(self, request: web.Request, response: web.StreamResponse, fault: Fault) -> bool:
        """Do in the middle of a stream what the fault says; True ends the answer there."""
        if fault is Fault.STALL_MIDWAY:
            await self._stopping.wait()
        elif fault is Fault.DRIP:
            while not self._stopping.is_set():
                await self._send(response, {"model": ""}, {"content": " x"})
                await asyncio.sleep(0.05)
        elif fault is Fault.CUT:
            assert request.transport is not None
            request.transport.abort()
        elif fault is Fault.ERROR_LINE:
            await _event(response, {"error": {"message": "CUDA error", "type": "server_error"}})
        elif fault is Fault.MALFORMED:
            await response.write(b'data: {"choices": [\n\n')
        else:
            return fault is Fault.NO_DONE
        return True

    async def _send(
        self,
        response: web.StreamResponse,
        body: dict[str, Any],
        delta: dict[str, Any],
        reason: str | None = None,
        stopped_at: str | None = None,
    ) -> None:
        # stop_reason is vLLM's own.
        choice = {"index": 0, "delta": delta, "finish_reason": reason, "logprobs": None, "stop_reason": stopped_at}
        if found := logprobs(body, delta.get("content", "")):
            choice["logprobs"] = {"content": found["logprobs"]}
        await response.write(b": ping\n\n")
        await _event(response, {**_CHUNK, "model": body["model"], "choices": [choice], "usage": None})

    def _reply(self, body: dict[str, Any]) -> Reply:
        if self.answer is not None:
            return self.answer(body)
        if "[Planning step." in body["messages"][-1]["content"]:
            return Reply(self.plan if isinstance(self.plan, str) else json.dumps({**PLAN, **self.plan}))
        return Reply(self.text)

    def _check_key(self, request: web.Request) -> web.Response | None:
        if self.key is not None and request.headers.get("Authorization") != f"Bearer {self.key}":
            return _error(401, "Incorrect API key provided.")
        return None


async def _event(response: web.StreamResponse, value: dict[str, Any]) -> None:
    await response.write(b"data: " + json.dumps(value).encode() + b"\n\n")


def _error(status: int, message: str) -> web.Response:
    return web.json_response({"error": {"message": message, "type": "invalid_request_error"}}, status=status)


def _until_stop(text: str, stops: Sequence[str]) -> tuple[str, str | None]:
    """`text` up to the first of the stop sequences in it, and which one that is."""
    found = [(text.index(stop), stop) for stop in stops if stop in text]
    return (text[: min(found)[0]], min(found)[1]) if found else (text, None)
