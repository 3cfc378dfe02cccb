"""Answering a turn over HTTP, streamed and not, in whatever dialect it was asked.

A plain ASGI callable that stands before FastAPI's router: no dependency injection, no response model, nothing per
chunk but the encoding and one `send`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import astuple, dataclass, replace
from functools import partial
from typing import Any

from starlette.requests import HTTPConnection
from starlette.types import Receive, Scope, Send

from committee import (
    ClientToolCalls,
    CommitteeError,
    ContentDelta,
    Emit,
    Event,
    Finished,
    MemberUsage,
    ReasoningDelta,
    StageEvent,
)
from committee.errors import ContextLengthExceeded
from orchestrator.api.auth import base_url_of, principal_of
from orchestrator.api.errors import reply_for
from orchestrator.api.event_stream import EventStream, unless_gone
from orchestrator.chat.attachments import Attachments
from orchestrator.chat.caller import Caller
from orchestrator.chat.dialect import Answer, AnswerWriter, Asked, Dialect
from orchestrator.chat.narrator import Narrator
from orchestrator.chat.schema import CompletionRequest
from orchestrator.chat.structured import problem_with
from orchestrator.chat.turn import RunningTurn, Turns
from orchestrator.chat.wire import reasons_of

log = logging.getLogger(__name__)


class JsonAnswerInvalid(CommitteeError):
    """The speaker's answer is not the JSON that response_format asks for."""

    code = "json_validation_failed"

    @classmethod
    def because(cls, problem: str) -> JsonAnswerInvalid:
        return cls(f"The answer is not what response_format asks for: {problem}.")


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

    def __init__(
        self,
        dialect: Dialect,
        turns: Turns,
        attachments: Attachments,
        *,
        show_reasoning: str,
        pacing: Pacing | None = None,
    ) -> None:
        self._dialect = dialect
        self._turns = turns
        self._attachments = attachments
        self._show_reasoning = show_reasoning
        self._pacing = pacing or Pacing()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = await self._dialect(await body_of(receive))
        caller = caller_of(HTTPConnection(scope))
        request = asked.request
        if request.parts:
            for_tools = self._turns.may_use_tools(request)
            request = await self._attachments.settle(request, caller, for_tools=for_tools)
        with self._turns.begin(request, caller) as turn:
            narrator = Narrator(self._show_reasoning if asked.shows_reasoning else "off")
            if asked.request.stream:
                stream = EventStream(send, keep_alive=asked.writer.keep_alive)
                work = stream_turn(turn, asked.writer, narrator, stream, Answer(), self._pacing)
            else:
                work = _answer_whole(turn, asked, narrator, send)
            try:
                await unless_gone(work, receive)
            except ContextLengthExceeded as error:
                error.param = asked.conversation
                raise


async def body_of(receive: Receive) -> bytes:
    """The body that the gate has already read and checked."""
    message = await receive()
    return bytes(message.get("body", b""))


def caller_of(connection: HTTPConnection) -> Caller:
    principal = principal_of(connection)
    # The official SDKs count their own retries in a header.
    given = (value for name, value in connection.scope["headers"] if name == b"x-stainless-retry-count")
    retries = next(given, b"0")
    return Caller(principal.owner, principal.scopes, base_url_of(connection), retry=retries not in {b"", b"0"})


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
        await break_off(stream, error, writer.error)
    finally:
        stream.stop()


async def break_off(stream: EventStream, error: Exception, encode: Callable[[Mapping[str, Any]], bytes]) -> None:
    """End a stream that has begun with an error, from OpenAI's inner error object."""
    reply = reply_for(error)
    log.warning("a stream broke", extra={"code": reply.code}, exc_info=reply.code == "internal_error")
    await stream.write(encode(reply.object()))
    await stream.close()


async def _stream_events(
    turn: RunningTurn,
    writer: AnswerWriter,
    narrator: Narrator,
    stream: EventStream,
    answer: Answer,
    pacing: Pacing,
) -> None:
    sequence = 0

    async def write_content(text: str) -> None:
        await stream.write(writer.content(text))

    async def write(event: Event) -> None:
        nonlocal sequence
        match event:
            case ContentDelta():
                answer.add(event)
                await stream.write(writer.content(event.text, event.index, event.logprobs))
            case ReasoningDelta():
                if line := narrator.line(event):
                    answer.reasoning.append(line)
                    await stream.write(writer.reasoning(line))
            case StageEvent():
                sequence += 1
                line, step = narrator.line(event), _step(event)
                answer.reasoning.append(line)
                answer.steps.append(step)
                await stream.write(writer.stage({"seq": sequence, **step}, line), hold=True)
            case ClientToolCalls():
                answer.calls = event.calls
                await stream.write(writer.tool_calls(event.calls))

    finished = answer.finished = await turn.answer(write)
    if section := turn.section(finished, written=answer.written):
        answer.append(section)
        await pacing.write(section, write_content)
    if not turn.acted and (problem := await _json_problem(turn.request, answer)):
        raise JsonAnswerInvalid.because(problem)
    await stream.write(writer.end(finished, turn.tool_results()))


def _step(event: StageEvent) -> dict[str, Any]:
    return {"stage": event.stage, "member": event.member, "event": event.event, "detail": event.detail}


async def _answer_whole(turn: RunningTurn, asked: Asked, narrator: Narrator, send: Send) -> None:
    answer = await _collect(turn, turn.answer, narrator)
    if turn.request.response_schema is not None and await _json_problem(turn.request, answer):
        try:
            await _repair(turn, answer, narrator)
        except CommitteeError as error:
            if not turn.acted:
                raise
            # A failed request would be sent again, for effects that are there already.
            log.warning("an answer with effects is not the JSON that was asked for", extra={"code": error.code})
    await send_json(send, asked.whole(answer, turn.tool_results()))
    turn.delivered = True


async def send_json(send: Send, body: bytes) -> None:
    """Answer a plain ASGI request with JSON that is already encoded."""
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _collect(turn: RunningTurn, run: Callable[[Emit], Awaitable[Finished]], narrator: Narrator) -> Answer:
    answer = Answer()

    async def keep(event: Event) -> None:
        match event:
            case ContentDelta():
                answer.add(event)
            case ReasoningDelta() | StageEvent():
                answer.reasoning.append(narrator.line(event))
            case ClientToolCalls():
                answer.calls = event.calls

    answer.finished = await run(keep)
    answer.append(turn.section(answer.finished, written=answer.written))
    return answer


async def _json_problem(request: CompletionRequest, answer: Answer) -> str:
    """What is wrong with an answer that must be JSON. One that was cut off at max_tokens says so by itself."""
    for index in range(len(answer.choices)):
        if problem := await _choice_problem(request, answer, index):
            return problem
    return ""


async def _choice_problem(request: CompletionRequest, answer: Answer, index: int) -> str:
    finished, schema = answer.finished, request.response_schema
    if schema is None or finished is None or reasons_of(finished)[index : index + 1] != ("stop",):
        return ""
    return await problem_with(answer.choices[index].text, schema)


async def _repair(turn: RunningTurn, answer: Answer, narrator: Narrator) -> None:
    """Ask once more for every choice that is not the JSON that was asked for.

    Raises JsonAnswerInvalid when that is no better.
    """
    for position, choice in enumerate(answer.choices):
        first = answer.finished
        if first is None or not (problem := await _choice_problem(turn.request, answer, position)):
            continue
        second = await _collect(turn, partial(turn.repair, choice.text, problem, first), narrator)
        if second.finished is None or (problem := await _json_problem(turn.request, second)):
            raise JsonAnswerInvalid.because(problem)
        answer.choices[position] = second.choices[0]
        answer.reasoning += second.reasoning
        answer.finished = replace(first, **_second_voice(first, second.finished, position))


def _second_voice(first: Finished, second: Finished, position: int) -> dict[str, Any]:
    """What changes in the account of a turn when a second attempt is the one that is heard as that choice."""
    reasons = list(reasons_of(first))
    reasons[position] = second.finish_reason
    members = {**first.usage, **second.usage}
    usage = {
        name: _sum(first.usage.get(name, MemberUsage()), second.usage.get(name, MemberUsage())) for name in members
    }
    return {
        "usage": usage,
        "speaker": second.speaker,
        "model": second.model,
        "finish_reason": reasons[0],
        "further_reasons": tuple(reasons[1:]),
        "account": replace(first.account, spoke_because="the first attempt was not the JSON that was asked for"),
    }


def _sum(one: MemberUsage, other: MemberUsage) -> MemberUsage:
    pairs = zip(astuple(one), astuple(other), strict=True)
    return MemberUsage(*(mine + theirs for mine, theirs in pairs))
