"""`POST /v1/completions` and `/v1/fim/completions`: text continued, or a gap in it filled.

With `suffix`, the text between `prompt` and `suffix` comes from the model that is configured for that; without such a
model the answer is an immediate 400 (`fim_not_configured`), since editors ask at every pause of the typist. Without
`suffix` one member answers alone. Nothing is ever deliberated here, and no tool runs.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct
from starlette.requests import HTTPConnection
from starlette.types import Receive, Scope, Send

from committee import ContentDelta, Finished, MemberError, Message, events_of
from committee.errors import ContextTooLong, MemberBusy, RequestRejected
from committee.infill import Gap, Infill
from orchestrator.api.answering import body_of, break_off, caller_of, send_json
from orchestrator.api.event_stream import EventStream, unless_gone
from orchestrator.api.places import Places
from orchestrator.chat.caller import Caller
from orchestrator.chat.decoding import decode
from orchestrator.chat.model_ids import COMMITTEE_MODEL
from orchestrator.chat.schema import CompletionRequest
from orchestrator.chat.turn import Turns
from orchestrator.chat.wire import DONE, Head, reasons_of, usage_of
from orchestrator.errors import BadRequest, NotFound, OrchestratorError, QueueFull, Unavailable

MAX_PROMPTS = 4
MAX_INFILL_TOKENS = 4096
_INFILL_TOKENS = 256
_MOST_INFILLS = 16


class _StreamOptions(Struct):
    include_usage: bool | None = None


class _Body(Struct):
    prompt: str | list[str] = ""
    model: str | None = None
    suffix: str | None = None
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    max_tokens: Annotated[int, Meta(ge=-1)] | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    stop: str | list[str] | None = None
    seed: int | None = None
    n: Annotated[int, Meta(ge=1, le=4)] | None = None
    presence_penalty: Annotated[float, Meta(ge=-2, le=2)] | None = None
    frequency_penalty: Annotated[float, Meta(ge=-2, le=2)] | None = None
    echo: bool | None = None
    best_of: int | None = None
    logprobs: int | bool | None = None

    @property
    def prompts(self) -> list[str]:
        return [self.prompt] if isinstance(self.prompt, str) else self.prompt

    @property
    def stops(self) -> tuple[str, ...]:
        return tuple(filter(None, [self.stop] if isinstance(self.stop, str) else self.stop or ()))

    @property
    def limit(self) -> int | None:
        """max_tokens; None for no limit, which some clients write as -1."""
        return self.max_tokens if self.max_tokens != -1 else None


@dataclass(frozen=True)
class _Piece:
    """A piece of choice `index`; the last one of a prompt has `ended` (why) and `usage`."""

    index: int
    text: str = ""
    ended: str | None = None
    usage: Mapping[str, Any] | None = None


class Completions:
    """Both routes as an ASGI application."""

    def __init__(self, turns: Turns, infill: Infill | None) -> None:
        self._turns = turns
        self._infill = infill
        self._places = Places(_MOST_INFILLS, "Too many gaps are being filled.")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = decode(await body_of(receive), _Body)
        in_gap = asked.suffix is not None or scope["path"].endswith("/fim/completions")
        _check(asked)
        pieces = self._pieces(asked, caller_of(HTTPConnection(scope)), in_gap)
        writer = _Writer(asked.model or (COMMITTEE_MODEL if self._infill is None else self._infill.model), in_gap)
        if asked.stream:
            usage = bool(asked.stream_options and asked.stream_options.include_usage)
            work = _stream(pieces, writer, EventStream(send), include_usage=usage)
        else:
            work = _whole(pieces, writer, send)
        await unless_gone(work, receive)

    def _pieces(self, asked: _Body, caller: Caller, in_gap: bool) -> AsyncGenerator[_Piece, None]:
        """Where the text comes from. Raises BadRequest and NotFound before anything is asked."""
        infill = self._infill
        if infill is not None and asked.model == infill.model:
            return self._filled(asked, infill)
        if not in_gap:
            return self._spoken(asked, caller)
        if infill is None:
            raise BadRequest(
                "No model fills gaps here: set FIM_MODEL_ID (and FIM_BASE_URL), or turn off autocompletion.",
                code="fim_not_configured",
                param="suffix",
            )
        if asked.model and asked.model not in self._turns.models.ids():
            raise NotFound(
                f"The model {asked.model[:100]!r} does not exist; gaps are filled by {infill.model!r}.",
                code="model_not_found",
                param="model",
            )
        return self._filled(asked, infill)

    async def _filled(self, asked: _Body, infill: Infill) -> AsyncGenerator[_Piece, None]:
        if len(asked.prompts) != 1 or (asked.n or 1) != 1:
            raise BadRequest("prompt: one at a time, with n 1, where a gap is filled.", param="prompt")
        gap = Gap(
            prompt=asked.prompts[0],
            suffix=asked.suffix or "",
            max_tokens=min(asked.limit or _INFILL_TOKENS, MAX_INFILL_TOKENS),
            temperature=asked.temperature,
            top_p=asked.top_p,
            stop=asked.stops,
            seed=asked.seed,
        )
        try:
            with self._places.one():
                async with aclosing(infill.fill(gap)) as deltas:
                    async for delta in deltas:
                        if delta.done is None:
                            yield _Piece(0, delta.text)
                        else:
                            read, written = delta.done.prompt_tokens, delta.done.completion_tokens
                            yield _Piece(0, "", delta.done.finish_reason, _usage(read, written))
        except MemberError as error:
            raise _translated(error) from error

    async def _spoken(self, asked: _Body, caller: Caller) -> AsyncGenerator[_Piece, None]:
        """Every prompt answered by one member alone, one after another."""
        answers = asked.n or 1
        for number, prompt in enumerate(asked.prompts):
            first = number * answers
            with self._turns.begin(_request(asked, prompt, number), caller) as turn:
                if asked.echo:
                    for index in range(first, first + answers):
                        yield _Piece(index, prompt)
                async with aclosing(events_of(turn.answer)) as events:
                    async for event in events:
                        if isinstance(event, ContentDelta):
                            yield _Piece(first + event.index, event.text)
                        elif isinstance(event, Finished):
                            usage = usage_of(event.usage)
                            for index, reason in enumerate(reasons_of(event), first):
                                yield _Piece(index, "", reason, usage if index == first else None)
                turn.delivered = True


class _Writer:
    """Writes the pieces as OpenAI does; for a gap also as Mistral does, whose shape some editors read."""

    def __init__(self, model: str, in_gap: bool) -> None:
        self._head = Head(model, id=f"cmpl-{secrets.token_hex(12)}").as_dict("text_completion")
        self._in_gap = in_gap

    def chunk(self, piece: _Piece) -> bytes:
        return self._event({**self._head, "choices": [self._choice("delta", piece.index, piece.text, piece.ended)]})

    def usage(self, usage: Mapping[str, Any]) -> bytes:
        return self._event({**self._head, "choices": [], "usage": usage})

    def error(self, error: Mapping[str, Any]) -> bytes:
        return self._event({"error": error})

    def whole(self, texts: Mapping[int, str], reasons: Mapping[int, str], usage: Mapping[str, Any]) -> bytes:
        choices = [self._choice("message", index, texts[index], reasons.get(index, "stop")) for index in sorted(texts)]
        return msgspec.json.encode({**self._head, "choices": choices, "usage": usage})

    def _choice(self, kind: str, index: int, text: str, reason: str | None) -> dict[str, Any]:
        choice: dict[str, Any] = {"text": text, "index": index, "logprobs": None, "finish_reason": reason}
        return {**choice, kind: {"role": "assistant", "content": text}} if self._in_gap else choice

    @staticmethod
    def _event(data: Mapping[str, Any]) -> bytes:
        return b"data: " + msgspec.json.encode(data) + b"\n\n"


async def _whole(pieces: AsyncGenerator[_Piece, None], writer: _Writer, send: Send) -> None:
    texts: dict[int, list[str]] = {}
    reasons: dict[int, str] = {}
    usage = _usage(0, 0)
    async with aclosing(pieces):
        async for piece in pieces:
            texts.setdefault(piece.index, []).append(piece.text)
            if piece.ended is not None:
                reasons[piece.index] = piece.ended
                usage = _together(usage, piece.usage)
    await send_json(send, writer.whole({at: "".join(text) for at, text in texts.items()}, reasons, usage))


async def _stream(
    pieces: AsyncGenerator[_Piece, None], writer: _Writer, stream: EventStream, *, include_usage: bool
) -> None:
    usage = _usage(0, 0)
    try:
        async with aclosing(pieces):
            async for piece in pieces:
                usage = _together(usage, piece.usage)
                await stream.write(writer.chunk(piece))
        await stream.write((writer.usage(usage) if include_usage else b"") + DONE)
        await stream.close()
    except Exception as error:
        if not stream.open:
            raise
        await break_off(stream, error, writer.error)
    finally:
        stream.stop()


def _check(asked: _Body) -> None:
    prompts = asked.prompts
    if not 1 <= len(prompts) <= MAX_PROMPTS:
        raise BadRequest(f"prompt: give a text, or a list of 1 to {MAX_PROMPTS}.", param="prompt")
    if asked.suffix is None and not all(prompts):
        raise BadRequest("prompt: must not be empty.", param="prompt")
    if asked.best_of not in (None, 1, asked.n or 1):
        raise BadRequest("best_of: answers are not ranked here.", param="best_of", code="unsupported_value")
    if asked.logprobs is not None and asked.logprobs is not False:  # 0 asks for the chosen tokens' own
        raise BadRequest("logprobs: only chat completions have them.", param="logprobs", code="unsupported_value")
    if asked.max_tokens == 0:
        raise BadRequest("max_tokens: must be 1 or more.", param="max_tokens")
    if asked.suffix is not None and asked.echo:
        raise BadRequest("echo: goes with a prompt without suffix.", param="echo", code="unsupported_value")
    if len(asked.stops) > 16:
        raise BadRequest("stop: at most 16 sequences are accepted.", param="stop")


def _request(asked: _Body, prompt: str, number: int) -> CompletionRequest:
    digest = hashlib.sha256(msgspec.json.encode([asked.model, asked.prompts, number])).hexdigest()
    return CompletionRequest(
        model=asked.model or "",
        messages=(Message("user", prompt),),
        fingerprint=f"completion/{digest}",
        mode="solo",
        tool_choice="none",
        allowed_tools=frozenset(),
        temperature=asked.temperature,
        top_p=asked.top_p,
        max_tokens=asked.limit,
        stop=asked.stops,
        seed=asked.seed,
        n=asked.n or 1,
        presence_penalty=asked.presence_penalty,
        frequency_penalty=asked.frequency_penalty,
    )


def _usage(read: int, written: int) -> dict[str, Any]:
    return {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}


def _together(usage: Mapping[str, Any], more: Mapping[str, Any] | None) -> dict[str, Any]:
    more = more or _usage(0, 0)
    return _usage(
        usage["prompt_tokens"] + more["prompt_tokens"], usage["completion_tokens"] + more["completion_tokens"]
    )


def _translated(error: MemberError) -> OrchestratorError:
    """What a client of this route can make of it: the model in question is no member of the committee."""
    if isinstance(error, ContextTooLong):
        return BadRequest(error.message, code="context_length_exceeded", param="prompt")
    if isinstance(error, RequestRejected):
        return BadRequest(f"The model for gaps refuses this: {error.message}", code="fim_rejected")
    if isinstance(error, MemberBusy):
        return QueueFull(f"The model for gaps is busy: {error.message}", retry_after=2.0)
    return Unavailable(f"The model for gaps cannot answer: {error.message}", code="fim_unavailable", retry_after=5.0)
