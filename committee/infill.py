"""A model that fills the gap between two pieces of text, for editors that complete code while somebody types.

It takes no part in the committee: nothing is deliberated, one request is one call of one model.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import msgspec

from committee.backends.wire import ModelServer, error_from, error_message, sampling
from committee.errors import BadAnswer, MemberUnreachable, StreamCut
from committee.members import detect
from committee.schema import ChatRequest, Delta, Done, StageContext

Wire: TypeAlias = Literal["ollama", "openai"]


@dataclass(frozen=True, slots=True)
class InfillConfig:
    """The model and where it is served. timeout_s bounds the first byte, loading included, and then the rest."""

    model: str
    base_url: str
    api: Literal["auto", "ollama", "openai"] = "auto"
    api_key: str = field(default="", repr=False)
    num_ctx: int = 8192
    keep_alive: str = "24h"
    timeout_s: float = 30.0


@dataclass(frozen=True, slots=True)
class Gap:
    """What stands before and after the text that is wanted, and how to sample it."""

    prompt: str
    suffix: str = ""
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None


class _OllamaLine(msgspec.Struct):
    response: str = ""
    done: bool = False
    done_reason: str | None = None
    prompt_eval_count: int = 0
    eval_count: int = 0
    error: Any = None


class _Choice(msgspec.Struct):
    text: str = ""
    finish_reason: str | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int = 0
    completion_tokens: int = 0


class _OpenAIChunk(msgspec.Struct):
    choices: list[_Choice] = []
    usage: _Usage | None = None
    error: Any = None


_ollama_line = msgspec.json.Decoder(_OllamaLine).decode
_openai_chunk = msgspec.json.Decoder(_OpenAIChunk).decode


class Infill:
    """Fills gaps with one model of one server. Which wire the server speaks is found out at the first use."""

    def __init__(self, config: InfillConfig) -> None:
        self.model = config.model
        self.window = config.num_ctx
        self._config = config
        self._wire: Wire | None = None if config.api == "auto" else config.api
        headers = {"Authorization": f"Bearer {config.api_key}"} if config.api_key else {}
        self._server = ModelServer(config.base_url.rstrip("/").removesuffix("/v1"), headers=headers)

    async def fill(self, gap: Gap) -> AsyncGenerator[Delta, None]:
        """What fits into the gap, as it comes; the last delta has `done`.

        Raises MemberError. Closing the generator stops the server's work.
        """
        wire = self._wire or await self._find()
        answer = _Answer(wire)
        path, body = self._ollama(gap) if wire == "ollama" else self._openai(gap)
        reads = self._server.lines(
            path, body, self._request(gap), patience_s=self._config.timeout_s, still_busy=_always
        )
        async with aclosing(reads):
            async for lines in reads:
                if text := answer.read(lines):
                    yield Delta(text)
                if answer.ended and wire == "ollama":
                    break
        yield Delta(done=answer.end())

    async def aclose(self) -> None:
        await self._server.aclose()

    async def _find(self) -> Wire:
        kind = await detect(self._config.base_url, api_key=self._config.api_key)
        if kind is None:
            raise MemberUnreachable(f"No model server answers at {self._server.base_url}.")
        self._wire = "ollama" if kind == "ollama" else "openai"
        return self._wire

    def _request(self, gap: Gap) -> ChatRequest:
        limit_s = self._config.timeout_s
        return ChatRequest(
            messages=(),
            context=StageContext("infill"),
            temperature=gap.temperature,
            top_p=gap.top_p,
            max_tokens=gap.max_tokens,
            stop=gap.stop,
            seed=gap.seed,
            total_s=limit_s,
            first_byte_s=limit_s,
            idle_s=limit_s,
        )

    def _ollama(self, gap: Gap) -> tuple[str, dict[str, Any]]:
        options = {"num_ctx": self._config.num_ctx, **sampling(self._request(gap), max_tokens="num_predict")}
        return "/api/generate", {
            "model": self.model,
            "prompt": gap.prompt,
            "suffix": gap.suffix,
            "stream": True,
            "truncate": False,
            "shift": False,
            "keep_alive": self._config.keep_alive,
            "options": options,
        }

    def _openai(self, gap: Gap) -> tuple[str, dict[str, Any]]:
        return "/v1/completions", {
            "model": self.model,
            "prompt": gap.prompt,
            **({"suffix": gap.suffix} if gap.suffix else {}),
            "stream": True,
            "stream_options": {"include_usage": True},
            **sampling(self._request(gap), max_tokens="max_tokens"),
        }


class _Answer:
    """What came so far."""

    def __init__(self, wire: Wire) -> None:
        self._read = self._read_ollama if wire == "ollama" else self._read_openai
        self._reason: str | None = None
        self._prompt_tokens = self._tokens = self._pieces = 0

    @property
    def ended(self) -> bool:
        return self._reason is not None

    def read(self, lines: list[bytes]) -> str:
        """The text in the lines of one read."""
        try:
            return "".join([self._read(line) for line in lines if line and not line.isspace()])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise BadAnswer("A line of the answer is not what such servers send.") from error

    def end(self) -> Done:
        if self._reason is None:
            raise StreamCut("The answer ended without being finished.")
        reason: Literal["stop", "length"] = "length" if self._reason == "length" else "stop"
        return Done(reason, self._prompt_tokens, max(self._tokens, self._pieces))

    def _read_ollama(self, raw: bytes) -> str:
        line = _ollama_line(raw)
        if line.error is not None:
            raise error_from(200, error_message(line.error))
        if line.done:
            self._reason = line.done_reason or "stop"
            self._prompt_tokens, self._tokens = line.prompt_eval_count, line.eval_count
        self._pieces += bool(line.response)
        return line.response

    def _read_openai(self, raw: bytes) -> str:
        if not raw.startswith(b"data:") or (data := raw[5:].strip()) == b"[DONE]":
            return ""
        chunk = _openai_chunk(data)
        if chunk.error is not None:
            raise error_from(200, error_message(chunk.error))
        if chunk.usage is not None:
            self._prompt_tokens, self._tokens = chunk.usage.prompt_tokens, chunk.usage.completion_tokens
        if not chunk.choices:
            return ""
        self._reason = chunk.choices[0].finish_reason or self._reason
        self._pieces += bool(chunk.choices[0].text)
        return chunk.choices[0].text


async def _always() -> bool:
    """The first byte may take as long as everything: a model that is loaded for the first time takes its time."""
    return True
