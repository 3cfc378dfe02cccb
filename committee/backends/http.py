"""A small HTTP/1.1 client for model servers: connections that are kept, and answers that are read as they come.

Own code, because it stands under every token: a request costs a quarter of aiohttp's, and a read no task and no timer.
There is only what model servers need: one request at a time on a connection, a body with a length, an answer of any
framing, no redirects, no cookies, no compression. Parsing is llhttp's (`httptools`).
"""

from __future__ import annotations

import asyncio
import base64
import socket
import ssl
from collections import deque
from collections.abc import Mapping
from typing import Protocol, cast
from urllib.parse import unquote, urlsplit

import aiohappyeyeballs
import httptools

from committee.errors import BadAnswer, MemberError, MemberUnreachable, StreamCut

MAX_HEAD_BYTES = 1 << 16
KEEP_IDLE_S = 60.0
# As much may lie unread before the server is made to wait.
_UNREAD_BYTES = 1 << 18


class _Parser(Protocol):
    def feed_data(self, data: bytes) -> None: ...
    def get_status_code(self) -> int: ...
    def should_keep_alive(self) -> bool: ...


class ClosedUnasked(StreamCut):
    """The server closed a kept connection just as it was used again; it has not seen the request."""


class Connection(asyncio.Protocol):
    """One connection, with at most one request on it.

    Deadlines are the loop's time. They are checked by one timer that is moved on lazily and outlives the request, so
    that reading costs none and a request in a row of many none either.
    """

    def __init__(self, pool: Connections) -> None:
        self._pool = pool
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._parser = cast(_Parser, httptools.HttpResponseParser(self))
        self._waiter: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._deadline = 0.0
        self._unread: list[bytes] = []
        self._unread_bytes = 0
        self._paused = False
        self._lost: MemberError | None = None
        self._complete = True  # no request is under way
        self._keep = False
        self._until_end = False
        self._head_bytes = 0
        self._reused = False
        self.status = 0
        self.idle_since = 0.0

    # -- asking -----------------------------------------------------------------------------------------------------

    def ask(self, request: bytes) -> None:
        """Write a whole request; there is none under way."""
        assert self._transport is not None
        self._complete = self._keep = False
        self._until_end = True
        self._head_bytes = self.status = 0
        self._transport.write(request)

    async def head(self, deadline: float) -> int:
        """The answer's status. Raises TimeoutError at `deadline` (and may then be asked again), ClosedUnasked,
        StreamCut or BadAnswer."""
        while not self.status:
            if self._lost is not None:
                raise self._lost
            await self._change(deadline)
        return self.status

    async def read(self, deadline: float) -> bytes:
        """All of the body that has come and was not read; nothing at its end. Raises as `head` does."""
        while not self._unread:
            if self._complete:
                return b""
            if self._lost is not None:
                raise self._lost
            await self._change(deadline)
        data = self._unread[0] if len(self._unread) == 1 else b"".join(self._unread)
        self._unread.clear()
        self._unread_bytes = 0
        if self._paused and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()
        return data

    @property
    def complete(self) -> bool:
        """Whether the answer has come in full, read or not."""
        return self._complete

    @property
    def usable(self) -> bool:
        return self._lost is None and self._transport is not None and not self._transport.is_closing()

    def release(self) -> None:
        """The answer is not needed any further. Unless it was complete, this closes the connection, which stops the
        server's work."""
        self._unread.clear()
        self._unread_bytes = 0
        if self._complete and self._keep and self.usable:
            self._reused = True
            self._pool.give_back(self)
        else:
            self._pool.forget(self)
            self.abort()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    # -- waiting ----------------------------------------------------------------------------------------------------

    def _change(self, deadline: float) -> asyncio.Future[None]:
        """Done when something has come or the connection is lost."""
        self._deadline = deadline
        if self._timer is None or self._timer.when() > deadline:
            self._arm()
        self._waiter = self._loop.create_future()
        return self._waiter

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(self._deadline, self._due)

    def _due(self) -> None:
        self._timer = None
        if self._waiter is None or self._waiter.done():
            return
        if self._loop.time() < self._deadline:
            self._arm()
        else:
            self._waiter.set_exception(TimeoutError())

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # -- what asyncio calls -----------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self._complete:  # nobody asked for this
            self.abort()
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(BadAnswer(f"The server does not answer in HTTP/1.1 ({type(error).__name__})."))
        self._wake()

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._pool.forget(self)
        if self._complete or self._lost is not None:
            self._lost = self._lost or StreamCut()
        elif self.status and self._until_end and error is None:
            self._complete = True
        elif self.status or self._head_bytes:
            self._lost = StreamCut("The connection broke in the middle of the answer.")
        else:
            self._lost = (ClosedUnasked if self._reused else StreamCut)(
                "The server closed the connection without an answer."
            )
        self._wake()

    def _fail(self, error: MemberError) -> None:
        if self._lost is None:
            self._lost = error
        self.abort()

    # -- what the parser calls --------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        if self._complete:  # a second answer to one request: the connection is not to be trusted
            self._keep = False

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head_bytes += len(name) + len(value) + 4
        if self._head_bytes > MAX_HEAD_BYTES:
            self._fail(BadAnswer("The head of the answer is far too long."))
        elif name.lower() in (b"content-length", b"transfer-encoding"):
            self._until_end = False

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status >= 200 and self._lost is None and not self._complete:  # what comes before 200 is not the answer yet
            self.status = status
            self._keep = self._parser.should_keep_alive()

    def on_body(self, data: bytes) -> None:
        if self._complete:
            return
        self._unread.append(data)
        self._unread_bytes += len(data)
        if self._unread_bytes > _UNREAD_BYTES and not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()

    def on_message_complete(self) -> None:
        if self.status:
            self._complete = True


class Connections:
    """The connections to one server, idle ones kept for a minute."""

    def __init__(self, base_url: str, *, headers: Mapping[str, str], connect_s: float) -> None:
        parts = urlsplit(base_url if "://" in base_url else f"http://{base_url}")
        secure = parts.scheme == "https"
        self._base_url = base_url
        self._host = parts.hostname or ""
        self._port = parts.port or (443 if secure else 80)
        self._path = parts.path.rstrip("/")
        self._ssl = ssl.create_default_context() if secure else None
        self._connect_s = connect_s
        authority = parts.netloc.rpartition("@")[2]
        lines = {"Host": authority, "Accept": "*/*", "User-Agent": "committee-server", **headers}
        if parts.username is not None:
            user = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            lines.setdefault("Authorization", f"Basic {base64.b64encode(user.encode()).decode()}")
        # A line break in a key would begin a header of its own.
        self._headers = "".join(f"{name}: {''.join(value.splitlines())}\r\n" for name, value in lines.items())
        self._heads: dict[tuple[str, str], bytes] = {}
        self._idle: deque[Connection] = deque()
        self._all: set[Connection] = set()
        self._sweeping: asyncio.TimerHandle | None = None

    async def ask(self, method: str, path: str, body: bytes | None, *, fresh: bool = False) -> Connection:
        """Send a request with a JSON body. The answer is to be released by the caller. Raises MemberUnreachable."""
        connection = None if fresh else self._kept()
        if connection is None:
            connection = await self._connect()
        head = self._heads.get((method, path)) or self._head(method, path)
        connection.ask(head + b"\r\n" if body is None else b"%sContent-Length: %d\r\n\r\n%s" % (head, len(body), body))
        return connection

    def close(self) -> None:
        """Close every connection, those in use, too."""
        if self._sweeping is not None:
            self._sweeping.cancel()
            self._sweeping = None
        for connection in list(self._all):
            connection.abort()

    @property
    def idle(self) -> int:
        return len(self._idle)

    @property
    def in_use(self) -> int:
        return len(self._all) - len(self._idle)

    # -- for connections --------------------------------------------------------------------------------------------

    def give_back(self, connection: Connection) -> None:
        loop = asyncio.get_running_loop()
        connection.idle_since = loop.time()
        self._idle.append(connection)
        if self._sweeping is None:
            self._sweeping = loop.call_later(KEEP_IDLE_S, self._sweep)

    def forget(self, connection: Connection) -> None:
        self._all.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)

    # -- inside -----------------------------------------------------------------------------------------------------

    def _head(self, method: str, path: str) -> bytes:
        content = "Content-Type: application/json\r\n" if method == "POST" else ""
        head = f"{method} {self._path}{path} HTTP/1.1\r\n{self._headers}{content}".encode()
        self._heads[method, path] = head
        return head

    def _kept(self) -> Connection | None:
        """The connection that was used last, so that the others can age."""
        while self._idle:
            if (connection := self._idle.pop()).usable:
                return connection
        return None

    def _sweep(self) -> None:
        now = asyncio.get_running_loop().time()
        while self._idle and now - self._idle[0].idle_since >= KEEP_IDLE_S:
            self._idle.popleft().abort()
        left = KEEP_IDLE_S - (now - self._idle[0].idle_since) if self._idle else 0.0
        self._sweeping = asyncio.get_running_loop().call_later(left, self._sweep) if self._idle else None

    async def _connect(self) -> Connection:
        loop = asyncio.get_running_loop()
        name = self._host if self._ssl is not None else None
        try:
            async with asyncio.timeout(self._connect_s):
                found = await loop.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
                sock = await aiohappyeyeballs.start_connection(
                    found, happy_eyeballs_delay=0.25, interleave=1, loop=loop
                )
                try:
                    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    _, connection = await loop.create_connection(
                        lambda: Connection(self), sock=sock, ssl=self._ssl, server_hostname=name
                    )
                except BaseException:
                    sock.close()
                    raise
        except (OSError, UnicodeError) as error:  # TimeoutError and SSLError are among them
            raise MemberUnreachable(f"{self._base_url} cannot be reached ({type(error).__name__}).") from error
        self._all.add(connection)
        return connection
