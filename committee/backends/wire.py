"""HTTP towards a model server: one pool, every wait bounded, aiohttp's errors translated.

Three waits are told apart: for the first byte (a server that is loading a model may take longer, if it says so),
between two reads, and in total. Per read that costs one assignment: a single timer looks at the deadline when it fires.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from typing import Any, TypeVar

import aiohttp
import msgspec

from committee.errors import (
    AnswerTooLarge,
    BadAnswer,
    ContextTooLong,
    MemberBusy,
    MemberError,
    MemberFailed,
    MemberTimeout,
    MemberUnreachable,
    ModelMissing,
    RequestRejected,
    StreamCut,
)
from committee.prompts import wire_name
from committee.schema import ChatRequest, TokenLogprob, ToolSpec

MAX_LINE_BYTES = 1 << 20
MAX_ANSWER_BYTES = 16 << 20
_MAX_ERROR_BYTES = 1 << 16
_MAX_JSON_BYTES = 4 << 20

T = TypeVar("T")
# Asked when the first byte is late: whether there is a reason to go on waiting.
StillBusy = Callable[[], Awaitable[bool]]


class ModelServer:
    """One model server's address and connections. Opens its session at the first request, in the running loop."""

    def __init__(self, base_url: str, *, headers: Mapping[str, str] | None = None, connect_s: float = 2.0) -> None:
        self.base_url = base_url.rstrip("/")
        self._headers = {"Accept-Encoding": "identity", **(headers or {})}
        self._connect_s = connect_s
        self._session: aiohttp.ClientSession | None = None

    async def get(self, path: str, *, timeout_s: float = 3.0) -> Any:
        """GET a JSON document. Raises MemberError."""
        return await self._document("GET", path, None, timeout_s)

    async def post(self, path: str, body: Mapping[str, Any], *, timeout_s: float = 5.0) -> Any:
        """POST a JSON document, read a JSON document. Raises MemberError."""
        return await self._document("POST", path, msgspec.json.encode(body), timeout_s)

    async def lines(
        self, path: str, body: Mapping[str, Any], request: ChatRequest, *, patience_s: float, still_busy: StillBusy
    ) -> AsyncGenerator[list[bytes], None]:
        """POST `body` and yield the answer's lines, all that one read brought at a time; a last line without an end
        of line is yielded too.

        patience_s: how long the first byte may take while `still_busy` gives a reason. Raises MemberError.
        Closing the generator closes the connection at once, which stops the server's work.
        """
        started = asyncio.get_running_loop().time()

        async def patient(waiting: Awaitable[T]) -> T:
            return await _patient(waiting, started, request.first_byte_s, patience_s, still_busy)

        response = await patient(self._open(path, msgspec.json.encode(body)))
        try:
            if response.status != 200:
                raise await _status_error(response)
            content = response.content
            first = await patient(_read(content))
            guard = _Guard(content, request)
            try:
                async for lines in _split(content, first, guard):
                    yield lines
            finally:
                guard.stop()
        finally:
            # Closes the connection unless the body was read to its end.
            response.release()

    async def aclose(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _pool(self) -> aiohttp.ClientSession:
        if self._session is None or self._session.closed:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=60, ttl_dns_cache=300),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=self._connect_s, connect=None, sock_read=None),
                headers=self._headers,
                auto_decompress=False,
                read_bufsize=65536,
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session

    async def _open(self, path: str, data: bytes) -> aiohttp.ClientResponse:
        headers = {"Content-Type": "application/json"}
        for attempt in (1, 2):
            try:
                return await self._pool().post(self.base_url + path, data=data, headers=headers, allow_redirects=False)
            except aiohttp.ServerDisconnectedError as error:
                # An idle connection may have been closed just as we took it from the pool: a second one tells.
                if attempt == 2:
                    raise StreamCut("The server closed the connection without an answer.") from error
            except (aiohttp.ClientError, OSError) as error:
                raise self._unreachable(error) from error
        raise AssertionError("unreachable")

    async def _document(self, method: str, path: str, data: bytes | None, timeout_s: float) -> Any:
        headers = {"Content-Type": "application/json"} if data is not None else None
        try:
            async with asyncio.timeout(timeout_s):
                async with self._pool().request(
                    method, self.base_url + path, data=data, headers=headers, allow_redirects=False
                ) as response:
                    if response.status != 200:
                        raise await _status_error(response)
                    return msgspec.json.decode(await _whole(response, _MAX_JSON_BYTES))
        except TimeoutError as error:
            raise MemberTimeout(f"{self.base_url} did not answer within {timeout_s:g} s.") from error
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise BadAnswer(f"{self.base_url}{path} did not answer with JSON.") from error
        except (aiohttp.ClientError, OSError) as error:
            raise self._unreachable(error) from error

    def _unreachable(self, error: Exception) -> MemberError:
        return MemberUnreachable(f"{self.base_url} cannot be reached ({type(error).__name__}).")


class _Guard:
    """Wakes a pending read with MemberTimeout when its deadline has passed.

    `heard` moves the deadline; the timer is only re-armed when it fires too early, so hearing costs no timer.
    """

    def __init__(self, content: aiohttp.StreamReader, request: ChatRequest) -> None:
        self._loop = asyncio.get_running_loop()
        self._content = content
        self._idle_s = request.idle_s
        self._end = self._loop.time() + request.total_s
        self._total_s = request.total_s
        self._deadline = min(self._end, self._loop.time() + request.idle_s)
        self._timer = self._loop.call_at(self._deadline, self._fire)

    def heard(self) -> None:
        now = self._loop.time()
        if now >= self._end:
            raise self._late(now)
        self._deadline = min(self._end, now + self._idle_s)

    def stop(self) -> None:
        self._timer.cancel()

    def _fire(self) -> None:
        now = self._loop.time()
        if now < self._deadline:
            self._timer = self._loop.call_at(self._deadline, self._fire)
        else:
            self._content.set_exception(self._late(now))

    def _late(self, now: float) -> MemberTimeout:
        if now >= self._end:
            return MemberTimeout(f"The answer was not complete after {self._total_s:g} s.")
        return MemberTimeout(f"Nothing came for {self._idle_s:g} s.")


async def _patient(
    waiting: Awaitable[T], started: float, first_byte_s: float, patience_s: float, still_busy: StillBusy
) -> T:
    """Await the first sign of an answer; when it is late, go on only while the server has a reason."""
    loop = asyncio.get_running_loop()
    task = asyncio.ensure_future(waiting)
    limit = started + max(patience_s, first_byte_s)
    was_busy = False
    try:
        while True:
            now = loop.time()
            slice_s = max(0.0, started + first_byte_s - now) if now < started + first_byte_s else first_byte_s
            done, _ = await asyncio.wait({task}, timeout=min(slice_s, max(0.0, limit - now)))
            if done:
                return task.result()
            if loop.time() >= limit:
                raise MemberTimeout(f"No answer within {patience_s:g} s, loading the model included.")
            busy = await still_busy()
            # A model that has just been loaded still has to read the prompt: one more slice.
            if not (busy or was_busy):
                raise MemberTimeout(f"No answer within {first_byte_s:g} s.")
            was_busy = busy
    except BaseException:
        # Whatever the task may still bring is nobody's now; an open response would keep the server working.
        task.add_done_callback(_discard)
        task.cancel()
        raise


def _discard(task: asyncio.Future[Any]) -> None:
    if (
        not task.cancelled()
        and task.exception() is None
        and isinstance(result := task.result(), aiohttp.ClientResponse)
    ):
        result.close()


async def _read(content: aiohttp.StreamReader) -> bytes:
    try:
        return await content.readany()
    except (aiohttp.ClientError, OSError) as error:
        raise StreamCut("The connection broke in the middle of the answer.") from error


async def _split(content: aiohttp.StreamReader, chunk: bytes, guard: _Guard) -> AsyncGenerator[list[bytes], None]:
    rest = b""
    total = 0
    while chunk:
        total += len(chunk)
        if total > MAX_ANSWER_BYTES:
            raise AnswerTooLarge(f"The answer has more than {MAX_ANSWER_BYTES >> 20} MiB.")
        *lines, rest = (rest + chunk).split(b"\n")
        if len(rest) > MAX_LINE_BYTES or any(len(line) > MAX_LINE_BYTES for line in lines):
            raise AnswerTooLarge(f"A line of the answer has more than {MAX_LINE_BYTES >> 10} KiB.")
        if lines:
            yield lines
        chunk = await _read(content)
        guard.heard()
    if rest.strip():
        yield [rest]


async def _whole(response: aiohttp.ClientResponse, limit: int) -> bytes:
    body = bytearray()
    while chunk := await response.content.readany():
        body += chunk
        if len(body) > limit:
            raise AnswerTooLarge(f"The document has more than {limit >> 10} KiB.")
    return bytes(body)


async def _status_error(response: aiohttp.ClientResponse) -> MemberError:
    try:
        async with asyncio.timeout(5):
            body = await _whole(response, _MAX_ERROR_BYTES)
    except (TimeoutError, aiohttp.ClientError, OSError, AnswerTooLarge):
        body = b""
    return error_from(response.status, _error_text(body))


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
        max_tokens: request.max_tokens,
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
