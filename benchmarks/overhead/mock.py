"""A model server that costs next to nothing: answers from prepared bytes, in Ollama's and in OpenAI's protocol.

The work stands in the user's message: "8 tokens each 0.02 s"; with 0 s the whole answer is one write. A request that
asks for structured output is a probe and gets a plan.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Sequence
from functools import cache
from typing import cast

MODELS = ("qwen3:32b", "gpt-oss:20b")
PLAN = {
    "work": "A greeting.",
    "action": "answer",
    "decline_kind": "",
    "calls": [],
    "key": "",
    "points": ["greet back"],
    "risks": [],
    "confidence": 0.9,
}
_WORK = re.compile(rb"(\d+) tokens each ([\d.]+) s")
_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)
_MODEL = re.compile(rb'"model": ?"([^"]*)"')
_STREAMED = re.compile(rb'"stream": ?true')
_PROBE = re.compile(rb'"(?:format|response_format)": ?\{')


class ModelServer(asyncio.Protocol):
    """One connection, kept alive. A client that goes away stops its answer."""

    streams = 0  # answers being written, over all connections

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._received = b""

    def data_received(self, data: bytes) -> None:
        self._received += data
        while self._received:
            head, separator, rest = self._received.partition(b"\r\n\r\n")
            length = _LENGTH.search(head)
            size = int(length[1]) if length else 0
            if not separator or len(rest) < size:
                return
            body, self._received = rest[:size], rest[size:]
            self._answer(head.split(b" ", 2)[1].decode(), body)

    def _answer(self, path: str, body: bytes) -> None:
        if path in ("/api/chat", "/v1/chat/completions"):
            self._chat("ollama" if path == "/api/chat" else "openai", body)
        elif path == "/streams":
            self._transport.write(_whole({"streams": ModelServer.streams}))
        else:
            self._transport.write(_whole(_METADATA.get(path, {"version": "0.32.6"})))

    def _chat(self, wire: str, body: bytes) -> None:
        named, work = _MODEL.search(body), _WORK.search(body)
        model = named[1].decode() if named else ""
        count, interval_s = (int(work[1]), float(work[2])) if work else (10, 0.0)
        if _PROBE.search(body):
            self._transport.write(b"".join(_plan(wire, model)))
        elif not _STREAMED.search(body):
            self._transport.write(_completion(model, count))
        elif not interval_s:
            self._transport.write(b"".join(_stream(wire, model, count)))
        else:
            ModelServer.streams += 1
            self._pace(_stream(wire, model, count), 0, interval_s, asyncio.get_running_loop().time())

    def _pace(self, pieces: Sequence[bytes], at: int, interval_s: float, due: float) -> None:
        if at == len(pieces) or self._transport.is_closing():
            ModelServer.streams -= 1
            return
        self._transport.write(pieces[at])
        due += interval_s
        asyncio.get_running_loop().call_at(due, self._pace, pieces, at + 1, interval_s, due)


@cache
def _stream(wire: str, model: str, count: int) -> tuple[bytes, ...]:
    """A streamed answer, a piece per token; the head goes with the first one and the end with the last."""
    return _pieces(wire, model, _tokens(count))


def _tokens(count: int) -> list[str]:
    # Not all the same: some proxies take that for a model that has lost its way.
    return [f" token{number % 10}" for number in range(count)]


@cache
def _plan(wire: str, model: str) -> tuple[bytes, ...]:
    plan = json.dumps(PLAN)
    return _pieces(wire, model, [plan[i : i + 8] for i in range(0, len(plan), 8)])


def _pieces(wire: str, model: str, texts: Sequence[str]) -> tuple[bytes, ...]:
    lines, end = (_ollama if wire == "ollama" else _openai)(model, texts)
    kind = b"application/x-ndjson" if wire == "ollama" else b"text/event-stream"
    head = b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\nTransfer-Encoding: chunked\r\n\r\n" % kind
    pieces = [_chunk(line) for line in lines]
    pieces[0] = head + pieces[0]
    pieces[-1] += b"".join(_chunk(line) for line in end) + b"0\r\n\r\n"
    return tuple(pieces)


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def _ollama(model: str, texts: Sequence[str]) -> tuple[list[bytes], list[bytes]]:
    def line(text: str, **more: object) -> bytes:
        message = {"role": "assistant", "content": text}
        return _dump({"model": model, "created_at": "2026-01-01T00:00:00.000000Z", "message": message, **more}) + b"\n"

    counts = {"done_reason": "stop", "prompt_eval_count": 10, "eval_count": len(texts)}
    return [line(text, done=False) for text in texts], [line("", done=True, **counts)]


def _openai(model: str, texts: Sequence[str]) -> tuple[list[bytes], list[bytes]]:
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1767225600, "model": model}

    def event(delta: dict[str, str], reason: str | None = None) -> bytes:
        return b"data: %s\n\n" % _dump({**head, "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]})

    usage = {"prompt_tokens": 10, "completion_tokens": len(texts), "total_tokens": 10 + len(texts)}
    first = event({"role": "assistant", "content": texts[0]})
    last = b"data: %s\n\n" % _dump({**head, "choices": [], "usage": usage})
    return [first, *(event({"content": text}) for text in texts[1:])], [event({}, "stop"), last, b"data: [DONE]\n\n"]


@cache
def _completion(model: str, count: int) -> bytes:
    message = {"role": "assistant", "content": "".join(_tokens(count))}
    return _whole(
        {
            "id": "chatcmpl-1", "object": "chat.completion", "created": 1767225600, "model": model,
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 10, "completion_tokens": count, "total_tokens": 10 + count},
        }
    )  # fmt: skip


def _whole(value: object) -> bytes:
    body = _dump(value)
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


def _dump(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _installed() -> dict[str, object]:
    models = [
        {"name": n, "model": n, "size": 1, "details": {"family": n.partition(":")[0]}, "capabilities": ["completion"],
         "context_length": 8192, "size_vram": 1}
        for n in MODELS
    ]  # fmt: skip
    return {"models": models}


_METADATA: dict[str, object] = {
    "/api/tags": _installed(),
    "/api/ps": _installed(),
    "/api/show": {"capabilities": ["completion"], "details": {}, "model_info": {}},
    "/v1/models": {"object": "list", "data": [{"id": name, "object": "model"} for name in MODELS]},
}


async def serve() -> None:
    server = await asyncio.get_running_loop().create_server(ModelServer, "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()
