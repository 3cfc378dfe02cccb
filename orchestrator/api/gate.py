"""The gate that every HTTP request passes before any route sees it.

A plain ASGI layer, so that it adds next to nothing to each streamed chunk. In this order: request id, Host, Origin and
CORS, content encoding and type, who is calling and whether they may, size and strictness of the body. It also turns
every exception that no route handled into an error object, and stamps the headers that each response carries.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import os
import re
import time
from collections.abc import Awaitable, Iterable
from typing import NamedTuple
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from orchestrator import telemetry
from orchestrator.api.auth import LONGEST_KEPT, PUBLIC, Authenticator, authorise, local_path, required_scope
from orchestrator.api.errors import RequestTimeout, reply_for, send_error
from orchestrator.api.strict_json import check_json
from orchestrator.errors import BadRequest, Forbidden, OrchestratorError, PayloadTooLarge, UnsupportedMedia

log = logging.getLogger(__name__)

SMALL_BODY_BYTES = 1024 * 1024
BODY_TIMEOUT_S = 60.0
_MOST_KNOWN_HOSTS = 64

_SAFE_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_READ_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
# Strict, because links in answers repeat the header.
_HOST = re.compile(r"(?:\[(?P<address>[0-9A-Fa-f:.]+)\]|(?P<name>[A-Za-z0-9._-]+))(?::[0-9]{0,5})?")
# Desktop applications; no web site can have such an origin.
_DESKTOP_SCHEMES = frozenset({"app", "tauri", "vscode-file", "vscode-webview", "capacitor"})
_LARGE_BODIES = re.compile(
    r"/chat/completions|/run|/responses|/messages(?:/count_tokens)?|(?:/fim)?/completions|/embeddings|/conversations/[^/]+/messages"
)
UPLOAD_PATH = "/upload"
UPLOAD_TIMEOUT_S = 600.0
# Clients of these routes know only Anthropic's form of an error.
_ANTHROPIC = re.compile(r"/messages(?:/.*)?")
_FIXED_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-resource-policy", b"same-site"),
)
_DEFAULT_HEADERS = (
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cache-control", b"no-store"),
)


class _Path(NamedTuple):
    """What a path says before any route is looked for: `local` is without prefix."""

    local: str
    anthropic: bool
    large: bool


def _path(path: str) -> _Path:
    # Nobody may fill the memory with long paths.
    return (_looked_up if len(path) <= LONGEST_KEPT else _looked_up.__wrapped__)(path)


@functools.lru_cache(maxsize=512)
def _looked_up(path: str) -> _Path:
    local = local_path(path)
    return _Path(local, _ANTHROPIC.fullmatch(local) is not None, _LARGE_BODIES.fullmatch(local) is not None)


class Gate:
    """ASGI middleware; see the module's docstring."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        authenticator: Authenticator,
        allowed_hosts: Iterable[str],
        cors_origins: Iterable[str],
        max_body_bytes: int,
        max_upload_bytes: int,
        base_url: str,
        public_base_url: str = "",
    ) -> None:
        self._app = app
        self._base_url = base_url
        self._public_base_url = public_base_url.rstrip("/")
        self._authenticator = authenticator
        self._hosts = frozenset(allowed_hosts)
        self._known_hosts: set[str] = set()  # as they were sent, with their ports
        self._cors_origins = frozenset(origin.rstrip("/").lower() for origin in cors_origins)
        self._max_body_bytes = max_body_bytes
        self._max_upload_bytes = max_upload_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": "not served"})
        elif scope["type"] != "http":
            await self._app(scope, receive, send)
        else:
            await self._http(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = _headers_of(scope)
        request_id = _request_id(headers)
        token = telemetry.request_id.set(request_id)
        anthropic = _path(scope["path"]).anthropic
        response = _Response(send, request_id, anthropic=anthropic)
        try:
            self._check_host(scope, headers)
            if origin := headers.get("origin"):
                self._check_origin(scope["method"], origin, headers, response)
            if scope["method"] == "OPTIONS" and "access-control-request-method" in headers:
                await self._answer_preflight(headers, response)
                return
            scope.setdefault("state", {})["base_url"] = self._link_base(scope, headers)
            await self._authorise(scope, headers)
            await self._app(scope, await self._admit_body(scope, headers, receive), response)
        except Exception as error:
            if response.ended:
                return  # answered and logged further in
            if response.started:
                # Too late for a status: the server breaks the connection, so nobody takes this for a whole answer.
                raise
            reply = reply_for(error)
            if reply.code == "internal_error":
                log.exception("request failed", extra={"path": scope["path"]})
            await send_error(response, reply, anthropic_id=request_id if anthropic else None)
        finally:
            telemetry.request_id.reset(token)

    def _check_host(self, scope: Scope, headers: dict[str, str]) -> None:
        if [name for name, _ in scope["headers"]].count(b"host") > 1:
            # One of them would be checked here and another be used further in.
            raise BadRequest("A request has one Host.", param="Host")
        host = headers.get("host", "")
        if host in self._known_hosts:
            return
        if _host_name(host) not in self._hosts:
            raise Forbidden(
                f"The Host {host[:100]!r} is not one of this server's names; add it to ALLOWED_HOSTS.",
                code="host_not_allowed",
                param="Host",
            )
        if len(self._known_hosts) < _MOST_KNOWN_HOSTS:
            self._known_hosts.add(host)

    def _link_base(self, scope: Scope, headers: dict[str, str]) -> str:
        """The address that links in the answer start with: where the client reached us, if a browser can go there."""
        if self._public_base_url:
            return self._public_base_url
        host = headers["host"]
        if _host_name(host) == "host.docker.internal":
            return self._base_url
        return f"{scope.get('scheme', 'http')}://{host}"

    def _check_origin(self, method: str, origin: str, headers: dict[str, str], response: _Response) -> None:
        """Let a foreign web page neither read answers nor change anything."""
        try:
            parts = urlsplit(origin.lower())
        except ValueError:
            raise BadRequest("Origin is not an address.", param="Origin") from None
        if origin.lower() in self._cors_origins or parts.scheme in _DESKTOP_SCHEMES:
            response.allow_origin(origin)
        elif parts.netloc != headers.get("host", "").lower() and (
            method not in _READ_METHODS or "access-control-request-method" in headers
        ):
            raise Forbidden(
                "Pages of this origin may not call the server; add it to CORS_ALLOWED_ORIGINS.",
                code="origin_not_allowed",
                param="Origin",
            )

    async def _answer_preflight(self, headers: dict[str, str], response: _Response) -> None:
        wanted = re.sub(r"[^A-Za-z0-9,_ -]", "", headers.get("access-control-request-headers", ""))[:1000]
        await response(
            {
                "type": "http.response.start",
                "status": 204,
                "headers": [
                    (b"access-control-allow-methods", b"GET, HEAD, POST, PATCH, PUT, DELETE"),
                    (b"access-control-allow-headers", wanted.encode()),
                    (b"access-control-max-age", b"600"),
                ],
            }
        )
        await response({"type": "http.response.body", "body": b""})

    async def _authorise(self, scope: Scope, headers: dict[str, str]) -> None:
        if required_scope(scope["method"], scope["path"]) == PUBLIC:
            return
        principal = await self._authenticator.identify(headers)
        authorise(principal, scope["method"], scope["path"])
        scope.setdefault("state", {})["principal"] = principal

    async def _admit_body(self, scope: Scope, headers: dict[str, str], receive: Receive) -> Receive:
        """Read and check the body, if there is one; what comes back replays it to the route."""
        if scope["method"] in _READ_METHODS or not ("content-length" in headers or "transfer-encoding" in headers):
            return receive
        if headers.get("content-encoding", "identity").lower() != "identity":
            raise UnsupportedMedia("Compressed request bodies are not accepted.", code="content_encoding_not_supported")
        path = _path(scope["path"])
        if path.local == UPLOAD_PATH:
            return _admit_upload(headers, receive, self._max_upload_bytes)
        limit = self._max_body_bytes if path.large else min(self._max_body_bytes, SMALL_BODY_BYTES)
        _check_length(headers, limit)
        body = await _body_in_time(receive, limit)
        if body:
            _check_content_type(headers)
            await check_json(body)
        return _replay(body, receive)


class _Response:
    """Wraps `send`: stamps headers onto the response's start and remembers that it began."""

    def __init__(self, send: Send, request_id: str, *, anthropic: bool) -> None:
        self._send = send
        self._headers: list[tuple[bytes, bytes]] = [(b"x-request-id", request_id.encode()), *_FIXED_HEADERS]
        if anthropic:  # whose clients look for it under this name
            self._headers.append((b"request-id", request_id.encode()))
        self._began = time.perf_counter()
        self.started = False
        self.ended = False

    def allow_origin(self, origin: str) -> None:
        self._headers += [
            (b"access-control-allow-origin", origin.encode("latin-1", "replace")),
            (b"access-control-expose-headers", b"x-request-id, request-id, retry-after, openai-processing-ms"),
            (b"vary", b"origin"),
        ]

    def __call__(self, message: Message) -> Awaitable[None]:
        # No coroutine of its own: this is passed for every piece of an answer.
        if message["type"] == "http.response.start":
            self.started = True
            self._stamp(message)
        elif not message.get("more_body", False):
            self.ended = True
        return self._send(message)

    def _stamp(self, message: Message) -> None:
        headers = list(message.get("headers", ()))
        present = {name for name, _ in headers}
        elapsed_ms = b"%d" % round((time.perf_counter() - self._began) * 1000)
        headers += self._headers
        headers.append((b"openai-processing-ms", elapsed_ms))
        headers += [header for header in _DEFAULT_HEADERS if header[0] not in present]
        message["headers"] = headers


def _headers_of(scope: Scope) -> dict[str, str]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}


def _request_id(headers: dict[str, str]) -> str:
    given = headers.get("x-request-id", "")
    return given if _SAFE_REQUEST_ID.fullmatch(given) else f"req_{os.urandom(12).hex()}"


def _host_name(host: str) -> str:
    """The lower-case name in a Host header, without port and brackets; empty when it is none."""
    if (parts := _HOST.fullmatch(host)) is None:
        return ""
    return (parts["address"] or parts["name"]).lower().rstrip(".")


def _check_length(headers: dict[str, str], limit: int) -> None:
    text = headers.get("content-length")
    if text is None:
        return
    if not text.isascii() or not text.isdigit():
        raise BadRequest("Content-Length is not a number.", param="Content-Length")
    if len(text) > 18 or int(text) > limit:
        raise _too_large(limit)


def _too_large(limit: int) -> OrchestratorError:
    return PayloadTooLarge(f"The body is larger than {limit} bytes.")


async def _body_in_time(receive: Receive, limit: int) -> bytes:
    """The body. Raises RequestTimeout. By hand, because `asyncio.timeout` costs as much as half the gate."""
    reading = asyncio.current_task()
    assert reading is not None
    late = False

    def stop() -> None:
        nonlocal late
        late = True
        reading.cancel()

    timer = asyncio.get_running_loop().call_later(BODY_TIMEOUT_S, stop)
    try:
        return await _read_body(receive, limit)
    except asyncio.CancelledError:
        if not late or reading.uncancel():  # somebody else wants us to stop
            raise
        raise RequestTimeout from None
    finally:
        timer.cancel()


async def _read_body(receive: Receive, limit: int) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise BadRequest("The client went away before its request was complete.", code="client_disconnected")
        body += message.get("body", b"")
        if len(body) > limit:
            raise _too_large(limit)
        if not message.get("more_body", False):
            return bytes(body)


def _check_content_type(headers: dict[str, str]) -> None:
    """JSON, or nothing said: some clients leave it out, while a form of a foreign page cannot."""
    media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type and media_type != "application/json" and not media_type.endswith("+json"):
        raise UnsupportedMedia(f"Send JSON with 'Content-Type: application/json', not {media_type[:60]!r}.")


def _admit_upload(headers: dict[str, str], receive: Receive, limit: int) -> Receive:
    """A form whose file the route writes to disk as it comes: counted and timed on the way, never held here whole."""
    if headers.get("content-type", "").partition(";")[0].strip().lower() != "multipart/form-data":
        raise UnsupportedMedia("Send the file as a form: 'Content-Type: multipart/form-data', field 'file'.")
    # The form's own lines come on top of the file.
    limit += 64 * 1024
    _check_length(headers, limit)
    counted, deadline = 0, time.monotonic() + UPLOAD_TIMEOUT_S

    async def counting() -> Message:
        nonlocal counted
        try:
            async with asyncio.timeout(min(BODY_TIMEOUT_S, max(0.0, deadline - time.monotonic()))):
                message = await receive()
        except TimeoutError:
            raise RequestTimeout from None
        counted += len(message.get("body", b""))
        if counted > limit:
            raise _too_large(limit)
        return message

    return counting


def _replay(body: bytes, receive: Receive) -> Receive:
    pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replayed() -> Message:
        return pending.pop() if pending else await receive()

    return replayed
