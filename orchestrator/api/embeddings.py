"""`POST /v1/embeddings`: OpenAI's embeddings from the configured embedder.

The model's id in the answer says who made the vectors: an embedding model, or "lexical".
"""

from __future__ import annotations

import asyncio
import base64
from typing import Literal

import msgspec
import numpy as np
from msgspec import Raw, Struct

from orchestrator.api.unary import Reply
from orchestrator.chat.caller import Caller
from orchestrator.chat.decoding import decode
from orchestrator.errors import BadRequest, NotFound, TookTooLong
from rag import Embedder, Embeddings, Vector

MAX_INPUTS = 2048
MAX_INPUT_CHARS = 200_000
MAX_CHARS = 2_000_000
_TIMEOUT_S = 120.0
_NUMBERS_PER_STEP = 1 << 16


class _Body(Struct):
    input: Raw
    model: str | None = None
    dimensions: int | None = None
    encoding_format: Literal["float", "base64"] | None = None


class EmbeddingsRoute:
    """Handles the requests; `timeout_s` bounds each of them."""

    def __init__(self, embedder: Embedder, *, timeout_s: float = _TIMEOUT_S) -> None:
        self._embedder = embedder
        self._timeout_s = timeout_s

    async def __call__(self, body: bytes, _: Caller) -> Reply:
        asked = decode(body, _Body)
        self._check_model(asked.model or "")
        texts = _texts(asked.input)
        if asked.dimensions is not None and asked.dimensions < 1:
            raise BadRequest("dimensions: must be 1 or more.", param="dimensions")
        try:
            async with asyncio.timeout(self._timeout_s):
                found = await self._embedder.embed(texts, dimensions=asked.dimensions)
        except TimeoutError:
            raise TookTooLong(
                f"The embeddings were not ready within {self._timeout_s:g} s; send fewer texts."
            ) from None
        return Reply(await self._encoded(found, as_base64=asked.encoding_format == "base64"))

    def _check_model(self, model: str) -> None:
        name = self._embedder.name
        if model not in ("", name) and model.removesuffix(":latest") != name.removesuffix(":latest"):
            raise NotFound(
                f"The embedding model {model[:100]!r} does not exist; there is {name!r}.",
                code="model_not_found",
                param="model",
            )

    async def _encoded(self, found: Embeddings, *, as_base64: bool) -> bytes:
        """The answer as JSON. Millions of numbers take their time, so the event loop may breathe in between."""
        items: list[bytes] = []
        numbers = 0
        for index, vector in enumerate(found.vectors):
            value = _base64(vector) if as_base64 else vector
            items.append(msgspec.json.encode({"object": "embedding", "index": index, "embedding": value}))
            if (numbers := numbers + len(vector)) >= _NUMBERS_PER_STEP:
                numbers = 0
                await asyncio.sleep(0)
        usage = {"prompt_tokens": found.tokens, "total_tokens": found.tokens}
        rest = msgspec.json.encode({"model": self._embedder.name, "usage": usage})
        return b'{"object":"list","data":[' + b",".join(items) + b"]," + rest[1:]


def _base64(vector: Vector) -> str:
    return base64.b64encode(np.asarray(vector, dtype="<f4").tobytes()).decode("ascii")


def _texts(raw: Raw) -> list[str]:
    try:
        given = msgspec.json.decode(raw)
    except msgspec.DecodeError:
        given = None
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not texts:
        raise _wrong("must be a text or a list of texts, and not empty.")
    if len(texts) > MAX_INPUTS:
        raise _wrong(f"at most {MAX_INPUTS} texts are accepted, these are {len(texts)}.")
    if any(isinstance(text, int | list) for text in texts):
        raise BadRequest(
            "input: token ids are not accepted, because each model has its own; send text"
            " (LangChain: check_embedding_ctx_length=False).",
            code="tokens_not_supported",
            param="input",
        )
    for position, text in enumerate(texts):
        if not isinstance(text, str) or not text:
            raise _wrong(f"entry {position} must be a text with one or more characters.")
        if len(text) > MAX_INPUT_CHARS:
            raise _wrong(f"entry {position} has {len(text)} characters; at most {MAX_INPUT_CHARS} are accepted.")
    if sum(map(len, texts)) > MAX_CHARS:
        raise _wrong(f"at most {MAX_CHARS} characters are accepted together.")
    return texts


def _wrong(problem: str) -> BadRequest:
    return BadRequest(f"input: {problem}", param="input")
