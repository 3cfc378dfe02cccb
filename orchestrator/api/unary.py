"""Routes that answer one POST with one body, and stop working when their client goes away."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from starlette.requests import HTTPConnection
from starlette.types import Receive, Scope, Send

from orchestrator.api.answering import body_of, caller_of
from orchestrator.api.event_stream import unless_gone
from orchestrator.chat.caller import Caller


@dataclass(frozen=True)
class Reply:
    """A whole answer."""

    body: bytes
    media_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


Handler: TypeAlias = Callable[[bytes, Caller], Awaitable[Reply]]


class Unary:
    """`handle` as an ASGI application. It is cancelled when the client goes away; what it raises, the gate answers."""

    def __init__(self, handle: Handler) -> None:
        self._handle = handle

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await body_of(receive)
        await unless_gone(self._answer(body, caller_of(HTTPConnection(scope)), send), receive)

    async def _answer(self, body: bytes, caller: Caller, send: Send) -> None:
        reply = await self._handle(body, caller)
        headers = {"content-type": reply.media_type, "content-length": str(len(reply.body)), **reply.headers}
        pairs = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": 200, "headers": pairs})
        await send({"type": "http.response.body", "body": reply.body})
