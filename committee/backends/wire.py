"""What is asked of a model server, and its answer read line by line, every wait bounded.

Three waits are told apart: for the first byte (a server that is loading a model may take longer, if it says so),
between two reads, and in total.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from typing import Any, TypeVar

import msgspec

from committee.backends.http import ClosedUnasked, Connection, Connections
from committee.errors import (
    AnswerTooLarge,
    BadAnswer,
    ContextTooLong,
    MemberBusy,
    MemberError,
    MemberFailed,
    MemberTimeout,
    ModelMissing,
    RequestRejected,
)
from committee.prompts import wire_name
from committee.schema import ChatRequest, TokenLogprob, ToolSpec

MAX_LINE_BYTES = 1 << 20
MAX_ANSWER_BYTES = 16 << 20
_MAX_ERROR_BYTES = 1 << 16
_MAX_JSON_BYTES = 4 << 20
_MOST_TOKENS = (1 << 31) - 1  # servers read the limit into an int and refuse what does not fit
_ERROR_BODY_S = 0.5  # the status alone says enough to go on

T = TypeVar("T")
# Asked when the first byte is late: whether there is a reason to go on waiting.
StillBusy = Callable[[], Awaitable[bool]]


class ModelServer:
    """One model server's address and connections, which are opened when they are needed, in the running loop."""

    def __init__(self, base_url: str, *, headers: Mapping[str, str] | None = None, connect_s: float = 2.0) -> None:
        self.base_url = base_url.rstrip("/")
        self.connections = Connections(self.base_url, headers=headers or {}, connect_s=connect_s)

    async def get(self, path: str, *, timeout_s: float = 3.0) -> Any:
        """GET a JSON document. Raises MemberError."""
        return await self._document("GET", path, None, timeout_s)

    async def post(self, path: str, body: Mapping[str, Any], *, timeout_s: float = 5.0) -> Any:
        """POST a JSON document, read a JSON document. Raises MemberError."""
        return await self._document("POST", path, msgspec.json.encode(body), timeout_s)

    async def ask(
        self, path: str, body: Mapping[str, Any], request: ChatRequest, *, patience_s: float, still_busy: StillBusy
    ) -> Lines:
        """POST `body`; the answer, of which the first piece has come. It has to be closed.

        patience_s: how long the first byte may take while `still_busy` gives a reason. Raises MemberError.
        """
        started = asyncio.get_running_loop().time()

        async def patient(wait: Callable[[float], Awaitable[T]]) -> T:
            return await _patient(wait, started, request.first_byte_s, patience_s, still_busy)

        connection = await self.connections.ask("POST", path, data := msgspec.json.encode(body))
        try:
            try:
                status = await patient(connection.head)
            except ClosedUnasked:
                connection = await self.connections.ask("POST", path, data, fresh=True)
                status = await patient(connection.head)
            if status != 200:
                raise await _status_error(connection)
            return Lines(connection, await patient(connection.read), request)
        except BaseException:
            connection.release()
            raise

    async def lines(
        self, path: str, body: Mapping[str, Any], request: ChatRequest, *, patience_s: float, still_busy: StillBusy
    ) -> AsyncGenerator[list[bytes], None]:
        """As `ask`, with the answer read by iterating; closing the generator closes the connection at once."""
        answer = await self.ask(path, body, request, patience_s=patience_s, still_busy=still_busy)
        try:
            while read := await answer.read():
                yield read
        finally:
            answer.close()

    async def aclose(self) -> None:
        self.connections.close()

    async def _document(self, method: str, path: str, data: bytes | None, timeout_s: float) -> Any:
        deadline = asyncio.get_running_loop().time() + timeout_s
        try:
            try:
                body = await self._whole(method, path, data, deadline)
            except ClosedUnasked:
                body = await self._whole(method, path, data, deadline, fresh=True)
            return msgspec.json.decode(body)
        except TimeoutError as error:
            raise MemberTimeout(f"{self.base_url} did not answer within {timeout_s:g} s.") from error
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise BadAnswer(f"{self.base_url}{path} did not answer with JSON.") from error

    async def _whole(
        self, method: str, path: str, data: bytes | None, deadline: float, *, fresh: bool = False
    ) -> bytes:
        async with asyncio.timeout_at(deadline):
            connection = await self.connections.ask(method, path, data, fresh=fresh)
        try:
            if await connection.head(deadline) != 200:
                raise await _status_error(connection)
            return await _whole(connection, _MAX_JSON_BYTES, deadline)
        finally:
            connection.release()


class Lines:
    """The answer to one request, line by line, from its first byte on."""

    def __init__(self, connection: Connection, first: bytes, request: ChatRequest) -> None:
        self._connection = connection
        self._first: bytes | None = first
        self._total_s, self._idle_s = request.total_s, request.idle_s
        self._now = asyncio.get_running_loop().time
        self._end = self._now() + request.total_s
        self._rest = b""
        self._total = 0
        self._closed = False

    async def read(self) -> list[bytes]:
        """The lines that have come, at least one; a last line without an end of line is one, too. Empty at the end.

        Raises MemberTimeout, StreamCut or AnswerTooLarge.
        """
        while chunk := await self._next():
            self._total += len(chunk)
            if self._total > MAX_ANSWER_BYTES:
                raise AnswerTooLarge(f"The answer has more than {MAX_ANSWER_BYTES >> 20} MiB.")
            if not self._rest and _is_one_line(chunk):
                return [chunk]
            *lines, self._rest = (self._rest + chunk).split(b"\n")
            if len(self._rest) > MAX_LINE_BYTES or len(chunk) > MAX_LINE_BYTES < max(map(len, lines), default=0):
                raise AnswerTooLarge(f"A line of the answer has more than {MAX_LINE_BYTES >> 10} KiB.")
            if lines:
                return lines
        rest, self._rest = self._rest, b""
        return [rest] if rest.strip() else []

    @property
    def complete(self) -> bool:
        """Whether the body has come in full, read or not."""
        return self._connection.complete

    async def drain(self, seconds: float = 0.1) -> None:
        """Read the end of the body, which follows at once, so that the connection can be used again."""
        deadline = self._now() + seconds
        try:
            while not self._connection.complete and await self._connection.read(deadline):
                pass
        except (TimeoutError, MemberError):
            pass

    def close(self) -> None:
        """Leave the connection to others; unless the answer is complete, close it, which stops the server's work."""
        if not self._closed:  # somebody else may have the connection by now
            self._closed = True
            self._connection.release()

    async def _next(self) -> bytes:
        if self._first is not None:
            first, self._first = self._first, None
            return first
        idle_end = self._now() + self._idle_s
        try:
            chunk = await self._connection.read(idle_end if idle_end < self._end else self._end)
        except TimeoutError:
            if self._now() < self._end:
                raise MemberTimeout(f"Nothing came for {self._idle_s:g} s.") from None
            raise self._late() from None
        if self._now() >= self._end:
            raise self._late()
        return chunk

    def _late(self) -> MemberTimeout:
        return MemberTimeout(f"The answer was not complete after {self._total_s:g} s.")


def _is_one_line(chunk: bytes) -> bool:
    """Whether a read is one whole line, with perhaps an empty one after it. Nearly all are."""
    return chunk.endswith(b"\n") and len(chunk) - chunk.find(b"\n") <= 2 and len(chunk) <= MAX_LINE_BYTES


async def _patient(
    wait: Callable[[float], Awaitable[T]], started: float, first_byte_s: float, patience_s: float, still_busy: StillBusy
) -> T:
    """Wait for the first sign of an answer; when it is late, go on only while the server has a reason.

    wait: waits until a deadline, and may be called again after a TimeoutError.
    """
    now = asyncio.get_running_loop().time
    limit = started + max(patience_s, first_byte_s)
    until = started + first_byte_s if now() < started + first_byte_s else now() + first_byte_s
    was_busy = False
    while True:
        try:
            return await wait(min(until, limit))
        except TimeoutError:
            if now() >= limit:
                raise MemberTimeout(f"No answer within {patience_s:g} s, loading the model included.") from None
        busy = await still_busy()
        # A model that has just been loaded still has to read the prompt: one more slice.
        if not (busy or was_busy):
            raise MemberTimeout(f"No answer within {first_byte_s:g} s.")
        was_busy = busy
        until = now() + first_byte_s


async def _whole(connection: Connection, limit: int, deadline: float) -> bytes:
    body = bytearray()
    while chunk := await connection.read(deadline):
        body += chunk
        if len(body) > limit:
            raise AnswerTooLarge(f"The document has more than {limit >> 10} KiB.")
    return bytes(body)


async def _status_error(connection: Connection) -> MemberError:
    try:
        body = await _whole(connection, _MAX_ERROR_BYTES, asyncio.get_running_loop().time() + _ERROR_BODY_S)
    except (TimeoutError, MemberError):
        body = b""
    return error_from(connection.status, _error_text(body))


def _error_text(body: bytes) -> str:
    try:
        document = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return body[:300].decode("utf-8", "replace").strip()
    if isinstance(document, str):
        return document[:500]
    return error_message(document.get("error", document) if isinstance(document, dict) else document)


def error_message(error: object) -> str:
    """The sentence in the value of an `error` field: "…", {"message": "…"}, or either of them as JSON in a string."""
    if isinstance(error, str) and error.startswith("{"):
        # Newer versions of Ollama pass on the error document of the engine below them.
        return _error_text(error.encode())
    if isinstance(error, dict):
        error = error.get("message") or error.get("detail") or ""
    return str(error)[:500]


def error_from(status: int, text: str) -> MemberError:
    """Our error for a model server's status (200: an error inside the stream) and message."""
    lower = text.lower()
    says = f"HTTP {status}: {text}" if text else f"HTTP {status}"
    if "context length" in lower or "context window" in lower or "context size" in lower:
        return ContextTooLong(says)
    if status in (429, 503):
        return MemberBusy(says)
    if status == 404:
        return ModelMissing(says)
    if 300 <= status < 500:
        return RequestRejected(says)
    return MemberFailed(text or says)


def sampling(request: ChatRequest, *, max_tokens: str) -> dict[str, Any]:
    """What the request says of sampling, without what it leaves open; `max_tokens` is the limit's name there."""
    options = {
        "temperature": request.temperature,
        "top_p": request.top_p,
        "seed": request.seed,
        max_tokens: None if request.max_tokens is None else min(request.max_tokens, _MOST_TOKENS),
        "stop": list(request.stop) or None,
        "presence_penalty": request.presence_penalty,
        "frequency_penalty": request.frequency_penalty,
    }
    return {name: value for name, value in options.items() if value is not None}


class Alternative(msgspec.Struct):
    """A token that might have stood there."""

    token: str = ""
    logprob: float | None = None


class Token(msgspec.Struct):
    """A token with its log probability, as both wires send it."""

    token: str = ""
    logprob: float | None = None
    top_logprobs: list[Alternative] | None = None


def wanted_logprobs(request: ChatRequest) -> dict[str, Any]:
    """The fields that ask for log probabilities, which both wires call the same."""
    if request.logprobs is None:
        return {}
    return {"logprobs": True, **({"top_logprobs": request.logprobs} if request.logprobs else {})}


def token_logprobs(tokens: list[Token]) -> tuple[TokenLogprob, ...]:
    return tuple(
        TokenLogprob(
            one.token,
            one.logprob,
            tuple((other.token, other.logprob) for other in one.top_logprobs or () if other.logprob is not None),
        )
        for one in tokens
        if one.logprob is not None
    )


def tool_entry(tool: ToolSpec) -> dict[str, Any]:
    """A tool as both wires describe it."""
    function = {"name": wire_name(tool.name), "description": tool.description, "parameters": tool.parameters}
    return {"type": "function", "function": function}
