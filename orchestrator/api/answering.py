"""Answering a turn over HTTP, streamed and not, in whatever dialect it was asked.

A plain ASGI callable that stands before FastAPI's router: no dependency injection, no response model, nothing per
chunk but the encoding and one `send`.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.types import Receive, Scope, Send

from committee import ClientToolCalls, CommitteeError, ContentDelta, Finished, ReasoningDelta, StageEvent
from orchestrator.api.auth import base_url_of, principal_of
from orchestrator.api.errors import reply_for
from orchestrator.api.event_stream import EventStream, unless_gone
from orchestrator.chat.dialect import Answer, AnswerWriter, Asked, Dialect
from orchestrator.chat.turn import Caller, Narrator, RunningTurn, Turns

log = logging.getLogger(__name__)


class JsonAnswerInvalid(CommitteeError):
    """The speaker's answer is not the JSON that response_format asks for."""

    code = "json_validation_failed"


@dataclass(frozen=True)
class Pacing:
    """How text that is already whole is streamed: pieces of `size` characters (0: whole), `interval_s` apart."""

    size: int = 0
    interval_s: float = 0.05

    async def write(self, text: str, write: Callable[[str], Awaitable[None]]) -> None:
        step = self.size or len(text)
        for start in range(0, len(text), step):
            if start:
                await asyncio.sleep(self.interval_s)
            await write(text[start : start + step])


class Answering:
    """A route that answers one dialect, as an ASGI application."""

    def __init__(self, dialect: Dialect, turns: Turns, *, show_reasoning: str, pacing: Pacing | None = None) -> None:
        self._dialect = dialect
        self._turns = turns
        self._show_reasoning = show_reasoning
        self._pacing = pacing or Pacing()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "POST":
            raise HTTPException(405, headers={"allow": "POST"})
        asked = await self._dialect(await body_of(receive))
        with self._turns.begin(asked.request, caller_of(HTTPConnection(scope))) as turn:
            narrator = Narrator(self._show_reasoning if asked.shows_reasoning else "off")
            if asked.request.stream:
                stream = EventStream(send, keep_alive=asked.writer.keep_alive)
                work = stream_turn(turn, asked.writer, narrator, stream, Answer(), self._pacing)
            else:
                work = _answer_whole(turn, asked, narrator, send)
            await unless_gone(work, receive)


async def body_of(receive: Receive) -> bytes:
    """The body that the gate has already read and checked."""
    message = await receive()
    return bytes(message.get("body", b""))


def caller_of(connection: HTTPConnection) -> Caller:
    principal = principal_of(connection)
    # The official SDKs count their own retries in a header.
    retries = connection.headers.get("x-stainless-retry-count", "0")
    return Caller(principal.owner, principal.scopes, base_url_of(connection), retry=retries not in {"", "0"})


async def stream_turn(
    turn: RunningTurn,
    writer: AnswerWriter,
    narrator: Narrator,
    stream: EventStream,
    answer: Answer,
    pacing: Pacing,
    *,
    before_end: Callable[[], Awaitable[None]] | None = None,
) -> None:
    """Stream a turn to its end, filling `answer` on the way; a failure after the first byte becomes the last event.

    `before_end` is awaited when the answer is whole and the client has not been told so yet.
    """
    try:
        await stream.write(writer.begin(), hold=True)
        await _stream_events(turn, writer, narrator, stream, answer, pacing)
        if before_end is not None:
            await before_end()
        if last := writer.last():
            await stream.write(last)
        await stream.close()
        turn.delivered = True
    except Exception as error:
        if not stream.open:
            raise
        answer.failed = True
        reply = reply_for(error)
        log.warning("a stream broke", extra={"code": reply.code}, exc_info=reply.code == "internal_error")
        await stream.write(writer.error(reply.object()))
        await stream.close()
    finally:
        stream.stop()


async def _stream_events(
    turn: RunningTurn,
    writer: AnswerWriter,
    narrator: Narrator,
    stream: EventStream,
    answer: Answer,
    pacing: Pacing,
) -> None:
    async def write_content(text: str) -> None:
        await stream.write(writer.content(text))

    sequence = 0
    async with aclosing(turn.events()) as events:
        async for event in events:
            match event:
                case ContentDelta():
                    answer.content.append(event.text)
                    await stream.write(writer.content(event.text))
                case ReasoningDelta():
                    if line := narrator.line(event):
                        answer.reasoning.append(line)
                        await stream.write(writer.reasoning(line))
                case StageEvent():
                    sequence += 1
                    line = narrator.line(event)
                    answer.reasoning.append(line)
                    await stream.write(writer.stage(_stage(sequence, event), line), hold=True)
                case ClientToolCalls():
                    answer.calls = event.calls
                    await stream.write(writer.tool_calls(event.calls))
                case Finished():
                    answer.finished = event
                    if section := turn.section(event, written=any(answer.content)):
                        answer.content.append(section)
                        await pacing.write(section, write_content)
                    await stream.write(writer.end(event, turn.tool_results()))


def _stage(sequence: int, event: StageEvent) -> dict[str, Any]:
    return {
        "seq": sequence,
        "stage": event.stage,
        "member": event.member,
        "event": event.event,
        "detail": event.detail,
    }


async def _answer_whole(turn: RunningTurn, asked: Asked, narrator: Narrator, send: Send) -> None:
    answer = await _collect(turn, narrator)
    assert answer.finished is not None
    if turn.request.response_schema is not None and answer.finished.finish_reason == "stop":
        _check_json_answer(answer.text)
    await send_json(send, asked.whole(answer, turn.tool_results()))
    turn.delivered = True


async def send_json(send: Send, body: bytes) -> None:
    """Answer a plain ASGI request with JSON that is already encoded."""
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _collect(turn: RunningTurn, narrator: Narrator) -> Answer:
    answer = Answer()
    async with aclosing(turn.events()) as events:
        async for event in events:
            match event:
                case ContentDelta():
                    answer.content.append(event.text)
                case ReasoningDelta() | StageEvent():
                    answer.reasoning.append(narrator.line(event))
                case ClientToolCalls():
                    answer.calls = event.calls
                case Finished():
                    answer.finished = event
                    answer.content.append(turn.section(event, written=any(answer.content)))
    return answer


def _check_json_answer(text: str) -> None:
    try:
        json.loads(text)
    except ValueError:
        raise JsonAnswerInvalid from None
