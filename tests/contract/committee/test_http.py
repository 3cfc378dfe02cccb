"""The HTTP client under every member, against a server that answers exact bytes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from committee.backends.http import MAX_HEAD_BYTES, ClosedUnasked, Connection, Connections
from committee.errors import BadAnswer, MemberUnreachable, StreamCut

OK = b"HTTP/1.1 200 OK\r\n"
PLAIN = OK + b"Content-Length: 5\r\n\r\nhello"


class Script:
    """A server: per request on a connection it writes the next answer; None closes the connection."""

    def __init__(self, *answers: bytes | None, then_close: bool = False) -> None:
        self.answers = list(answers)
        self.then_close = then_close
        self.requests: list[bytes] = []
        self.connections = self.open = 0
        self.gone = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open += 1
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
                self.requests.append(head + await reader.readexactly(int(length or 0)))
                answer = self.answers.pop(0) if self.answers else None
                if answer is None:
                    break
                writer.write(answer)
                if self.then_close:
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            self.gone.set()
        finally:
            writer.close()
            self.open -= 1


@asynccontextmanager
async def served(script: Script, **more: str) -> AsyncIterator[Connections]:
    server = await asyncio.start_server(script.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    connections = Connections(f"http://127.0.0.1:{port}/v1", headers=more, connect_s=2.0)
    try:
        yield connections
    finally:
        connections.close()
        server.close()
        await until(lambda: not script.open)


def soon(seconds: float = 5.0) -> float:
    return asyncio.get_running_loop().time() + seconds


async def whole(connection: Connection) -> bytes:
    body = b""
    while piece := await connection.read(soon()):
        body += piece
    return body


async def _head_and_body(connection: Connection) -> bytes:
    await connection.head(soon())
    return await whole(connection)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.005)


async def test_a_connection_is_kept_for_the_next_request() -> None:
    script = Script(PLAIN, PLAIN)
    async with served(script, Authorization="Bearer k\r\nX-Evil: 1") as connections:
        for _ in range(2):
            connection = await connections.ask("POST", "/chat", b"{}")
            assert await connection.head(soon()) == 200
            assert await whole(connection) == b"hello"
            connection.release()
            assert (connections.idle, connections.in_use) == (1, 0)
    assert script.connections == 1
    assert script.requests[0].startswith(b"POST /v1/chat HTTP/1.1\r\nHost: 127.0.0.1:")
    assert script.requests[0].endswith(b"Content-Length: 2\r\n\r\n{}")
    assert b"\r\nX-Evil" not in script.requests[0]


async def test_a_kept_connection_that_the_server_closed_is_told_apart() -> None:
    script = Script(PLAIN, None)
    async with served(script) as connections:
        connection = await connections.ask("GET", "/", None)
        await connection.head(soon())
        await whole(connection)
        connection.release()
        connection = await connections.ask("GET", "/", None)
        with pytest.raises(ClosedUnasked):
            await connection.head(soon())
        connection.release()
        assert connections.in_use == 0


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (OK + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", b"abcde"),
        (OK + b"\r\nto the end", b"to the end"),
        (b"HTTP/1.0 200 OK\r\n\r\nold", b"old"),
        (b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + PLAIN, b"hello"),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno", b"no"),
    ],
)
async def test_every_framing_is_read(answer: bytes, body: bytes) -> None:
    async with served(Script(answer, then_close=True)) as connections:
        connection = await connections.ask("GET", "/", None)
        await connection.head(soon())
        assert await whole(connection) == body
        connection.release()
        await until(lambda: connections.in_use == connections.idle == 0)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"", StreamCut),
        (b"HTTP/1.1 200", StreamCut),
        (OK + b"Content-Length: 50\r\n\r\ntoo little", StreamCut),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nab", StreamCut),
        (OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nab", BadAnswer),
        (b"SSH-2.0-OpenSSH_9.2\r\n", BadAnswer),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", (BadAnswer, StreamCut)),
        (OK + b"X: " + b"y" * (MAX_HEAD_BYTES + 1) + b"\r\n\r\n", BadAnswer),
    ],
)
async def test_what_is_no_whole_answer_is_an_error(answer: bytes, error: type[Exception]) -> None:
    async with served(Script(answer, then_close=True)) as connections:
        connection = await connections.ask("GET", "/", None)
        with pytest.raises(error):
            await _head_and_body(connection)
        connection.release()
        await until(lambda: connections.in_use == connections.idle == 0)


async def test_waiting_ends_at_the_deadline_and_can_go_on() -> None:
    script = Script(OK + b"Content-Length: 5\r\n\r\nhel")
    async with served(script) as connections:
        connection = await connections.ask("GET", "/", None)
        await connection.head(soon())
        assert await connection.read(soon()) == b"hel"
        for _ in range(2):
            with pytest.raises(TimeoutError):
                await connection.read(soon(0.02))
        connection.release()
        assert connections.in_use == 0
        async with asyncio.timeout(5):
            await script.gone.wait()  # letting go of half an answer closes the connection


async def test_a_request_keeps_its_own_deadline_on_a_kept_connection() -> None:
    script = Script(PLAIN, OK + b"Content-Length: 5\r\n\r\n")
    async with served(script) as connections:
        connection = await connections.ask("GET", "/", None)
        await connection.head(soon(30))  # leaves a timer behind
        await whole(connection)
        connection.release()
        assert await connections.ask("GET", "/", None) is connection
        await connection.head(soon())
        loop = asyncio.get_running_loop()
        for seconds in (0.02, 0.1):  # earlier than that timer, then later than its successor
            begun = loop.time()
            with pytest.raises(TimeoutError):
                await connection.read(begun + seconds)
            assert seconds * 0.9 <= loop.time() - begun < 10
        connection.release()


async def test_a_reader_that_is_slow_makes_the_server_wait() -> None:
    body = b"x" * (32 << 20)
    async with served(Script(OK + b"Content-Length: %d\r\n\r\n" % len(body) + body)) as connections:
        connection = await connections.ask("GET", "/", None)
        await connection.head(soon())
        await until(lambda: connection._paused)
        assert connection._unread_bytes < 4 << 20
        assert len(await whole(connection)) == len(body)
        connection.release()
        assert connections.idle == 1


async def test_bytes_that_nobody_asked_for_end_a_connection() -> None:
    async with served(Script(PLAIN + PLAIN)) as connections:
        connection = await connections.ask("GET", "/", None)
        await connection.head(soon())
        assert await connection.read(soon()) == b"hello"
        connection.release()
        await until(lambda: connections.idle == 0)


async def test_nobody_there_is_said() -> None:
    connections = Connections("http://127.0.0.1:9", headers={}, connect_s=1.0)
    with pytest.raises(MemberUnreachable, match=r"http://127\.0\.0\.1:9 cannot be reached"):
        await connections.ask("GET", "/", None)
