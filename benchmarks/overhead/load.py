"""The load: keep-alive connections that read raw bytes, so that the client's own cost stays small and equal for all."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import cast

TOKEN = b" token"
TIMEOUT_S = 120.0


@dataclass(frozen=True)
class Request:
    """One prepared request; `tokens` is how many of them its answer has to contain."""

    raw: bytes
    tokens: int


def request(path: str, model: str, *, tokens: int, interval_s: float = 0.0, stream: bool, key: str = "") -> Request:
    """Ask for `tokens` tokens, `interval_s` apart."""
    messages = [
        {"role": "system", "content": "You are a helpful assistant that answers in few words."},
        {"role": "user", "content": f"Say {tokens} tokens each {interval_s} s, please."},
    ]
    body = json.dumps({"model": model, "messages": messages, "stream": stream, "temperature": 0.2}).encode()
    authorization = f"Authorization: Bearer {key}\r\n" if key else ""
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{authorization}Content-Type: application/json\r\n"
    return Request(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body, tokens)


@dataclass
class Answer:
    """When its first byte of a body, its first token and its end came (seconds after it was asked), and its tokens."""

    first_byte_s: float
    first_token_s: float
    end_s: float
    tokens: int


class Client(asyncio.Protocol):
    """One connection that asks one request at a time."""

    @classmethod
    async def connect(cls, port: int) -> Client:
        _, client = await asyncio.get_running_loop().create_connection(cls, "127.0.0.1", port)
        return client

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._answered: asyncio.Future[Answer] | None = None
        self._want = 0

    def ask(self, request: Request) -> Awaitable[Answer]:
        self._answered = asyncio.get_running_loop().create_future()
        self._seen = bytearray()
        self._size: int | None = None  # of head and body together; None: not known, or chunked
        self._head = 0
        self._want = request.tokens
        self._first_byte = self._first_token = 0.0
        self._tokens = 0
        self._asked = time.perf_counter()
        self._transport.write(request.raw)
        return self._answered

    @property
    def heard(self) -> bool:
        """Whether a token of the answer has come."""
        return self._first_token > 0

    def data_received(self, data: bytes) -> None:
        self._seen += data
        seen = self._seen
        if not self._head:
            self._head = seen.find(b"\r\n\r\n") + 4 if b"\r\n\r\n" in seen else 0
            if not self._head:
                return
            head = bytes(seen[: self._head]).lower()
            if not head.startswith(b"http/1.1 200"):
                self._fail(bytes(seen[:500]).decode("utf-8", "replace"))
                return
            _, found, length = head.partition(b"content-length: ")
            self._size = self._head + int(length.split(b"\r\n", 1)[0]) if found else None
        if not self._first_byte and len(seen) > self._head:
            self._first_byte = time.perf_counter() - self._asked
        if not self._first_token and TOKEN in data:
            self._first_token = time.perf_counter() - self._asked
        if (len(seen) >= self._size) if self._size is not None else seen.endswith(b"\r\n0\r\n\r\n"):
            self._end()

    def connection_lost(self, error: Exception | None) -> None:
        self._fail(f"the connection was closed ({error})")

    def close(self) -> None:
        self._answered = None
        self._transport.abort()

    def _end(self) -> None:
        tokens = self._seen.count(TOKEN)
        if self._answered is not None and self._answered.cancelled():
            self._answered = None
        elif tokens != self._want:
            self._fail(f"{tokens} tokens came instead of {self._want}: {bytes(self._seen[-600:])!r}")
        elif self._answered is not None:
            end = time.perf_counter() - self._asked
            self._answered.set_result(Answer(self._first_byte, self._first_token, end, tokens))
            self._answered = None

    def _fail(self, why: str) -> None:
        if self._answered is not None and not self._answered.done():
            self._answered.set_exception(RuntimeError(why))
        self._answered = None


class Crowd:
    """`size` connections that ask the same thing at the same time, again and again."""

    def __init__(self, clients: list[Client]) -> None:
        self._clients = clients

    @classmethod
    async def connect(cls, port: int, size: int) -> Crowd:
        return cls([await Client.connect(port) for _ in range(size)])

    async def __aenter__(self) -> Crowd:
        return self

    async def __aexit__(self, *_: object) -> None:
        for client in self._clients:
            client.close()

    async def once(self, request: Request) -> list[Answer]:
        """Everyone asks once."""
        async with asyncio.timeout(TIMEOUT_S):
            return list(await asyncio.gather(*(client.ask(request) for client in self._clients)))

    async def until_begun(self, request: Request) -> None:
        """Everyone asks once and hears the first token; nobody waits for the rest."""
        answers = [asyncio.ensure_future(client.ask(request)) for client in self._clients]
        async with asyncio.timeout(TIMEOUT_S):
            while not all(client.heard for client in self._clients):
                await asyncio.sleep(0.01)
        for answer in answers:
            answer.cancel()

    async def closed_loop(self, request: Request, seconds: float) -> tuple[list[float], float]:
        """Everyone asks again as soon as they are answered: the answers' latencies, and how long it took."""
        latencies: list[float] = []
        began = time.perf_counter()

        async def repeat(client: Client) -> None:
            while time.perf_counter() - began < seconds:
                latencies.append((await client.ask(request)).end_s)

        async with asyncio.timeout(seconds + TIMEOUT_S):
            await asyncio.gather(*map(repeat, self._clients))
        return latencies, time.perf_counter() - began


async def running_streams(port: int) -> int:
    """How many answers the mock model server is still writing."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /streams HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    answer = await reader.readuntil(b"}")
    writer.close()
    return int(json.loads(answer[answer.index(b"{") :])["streams"])
