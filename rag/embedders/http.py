"""Embedders behind HTTP: Ollama's native route and OpenAI's.

Requests are small (a few dozen texts each), one after another, every one with a deadline: a model server embeds one
batch at a time anyway, and an answer of a few hundred kilobytes is decoded before the event loop is missed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any, Protocol, TypeVar

import httpx
import msgspec

from rag.embedder import Embeddings, Vector
from rag.embedders.places import Places
from rag.errors import BadEmbedding, EmbedderBusy, EmbedderUnavailable, EmbeddingError, EmbeddingRejected

_BATCH_TEXTS = 32
_BATCH_CHARS = 64_000
_MAX_DIMENSIONS = 16_384
_MAX_ANSWER_BYTES = 32 << 20
_LOOK_TIMEOUT_S = 3.0

T = TypeVar("T")


class _Wire(Protocol):
    """How one kind of server is asked, and what it answers."""

    path: str

    def body(self, model: str, texts: Sequence[str], dimensions: int | None) -> dict[str, Any]: ...

    def read(self, answer: bytes) -> Embeddings: ...


class _OllamaAnswer(msgspec.Struct):
    embeddings: list[Vector]
    prompt_eval_count: int = 0


class _OllamaWire:
    path = "/api/embed"

    def __init__(self, keep_alive: str) -> None:
        self._keep_alive = keep_alive

    def body(self, model: str, texts: Sequence[str], dimensions: int | None) -> dict[str, Any]:
        # By default Ollama cuts what is too long without a word.
        body = {"model": model, "input": list(texts), "truncate": False, "keep_alive": self._keep_alive}
        return body if dimensions is None else {**body, "dimensions": dimensions}

    def read(self, answer: bytes) -> Embeddings:
        decoded = _decoded(answer, _OllamaAnswer)
        return Embeddings(decoded.embeddings, decoded.prompt_eval_count)


class _Item(msgspec.Struct):
    embedding: Vector
    index: int = 0


class _Usage(msgspec.Struct):
    prompt_tokens: int = 0


class _OpenAIAnswer(msgspec.Struct):
    data: list[_Item]
    usage: _Usage | None = None


class _OpenAIWire:
    path = "/v1/embeddings"

    def body(self, model: str, texts: Sequence[str], dimensions: int | None) -> dict[str, Any]:
        body = {"model": model, "input": list(texts), "encoding_format": "float"}
        return body if dimensions is None else {**body, "dimensions": dimensions}

    def read(self, answer: bytes) -> Embeddings:
        decoded = _decoded(answer, _OpenAIAnswer)
        items = sorted(decoded.data, key=lambda item: item.index)
        return Embeddings([item.embedding for item in items], decoded.usage.prompt_tokens if decoded.usage else 0)


class HttpEmbedder:
    """Implements the `Embedder` port on one model of one server.

    api: "ollama", "openai", or "auto", which looks at the first use and again until a server answers. timeout_s
    bounds every request, the loading of the model included.
    """

    def __init__(
        self,
        model: str,
        base_url: str,
        *,
        api: str = "auto",
        api_key: str = "",
        keep_alive: str = "24h",
        timeout_s: float = 60.0,
    ) -> None:
        self.name = model
        self.dimensions: int | None = None
        self._base_url = base_url.rstrip("/").removesuffix("/v1")
        self._timeout_s = timeout_s
        self._wires: dict[str, _Wire] = {"ollama": _OllamaWire(keep_alive), "openai": _OpenAIWire()}
        self._wire = self._wires.get(api)
        self._places = Places(at_once=4, waiting=64)
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._http = httpx.AsyncClient(timeout=timeout_s, headers=headers, trust_env=False, follow_redirects=False)

    async def embed(self, texts: Sequence[str], *, dimensions: int | None = None) -> Embeddings:
        """See `Embedder.embed`. Raises EmbeddingError."""
        vectors: list[Vector] = []
        tokens = 0
        async with self._places.one():
            wire = self._wire or await self._find()
            for batch in _batches(texts):
                answer = await self._post(wire.path, wire.body(self.name, batch, dimensions))
                found = wire.read(answer)
                self._check(found.vectors, len(batch), dimensions)
                vectors += found.vectors
                tokens += found.tokens
        return Embeddings(vectors, tokens)

    async def aclose(self) -> None:
        await self._http.aclose()

    async def _find(self) -> _Wire:
        """Whether this is Ollama; any other server is taken for an OpenAI-compatible one once it answers at all."""
        status, answer = await self._ask("GET", "/api/version", None, _LOOK_TIMEOUT_S)
        if status >= 500:
            raise self._error(status, answer)
        self._wire = self._wires["ollama" if status == 200 and b'"version"' in answer else "openai"]
        return self._wire

    async def _post(self, path: str, body: dict[str, Any]) -> bytes:
        status, answer = await self._ask("POST", path, msgspec.json.encode(body), self._timeout_s)
        if status != 200:
            raise self._error(status, answer)
        return answer

    async def _ask(self, method: str, path: str, content: bytes | None, timeout_s: float) -> tuple[int, bytes]:
        headers = {"Content-Type": "application/json"} if content is not None else {}
        url = self._base_url + path
        try:
            async with (
                asyncio.timeout(timeout_s),
                self._http.stream(method, url, content=content, headers=headers) as response,
            ):
                return response.status_code, await _whole(response)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise EmbedderUnavailable(
                f"The embedding server at {self._base_url} cannot be reached ({type(error).__name__}).", retry_after=10
            ) from error
        except TimeoutError as error:
            raise EmbedderUnavailable(
                f"The embedding server at {self._base_url} did not answer within {timeout_s:g} s.", retry_after=10
            ) from error

    def _error(self, status: int, answer: bytes) -> EmbeddingError:
        says = _says(answer) or f"HTTP {status}"
        if status in (429, 503):
            return EmbedderBusy(f"The embedding server is busy: {says}", retry_after=5)
        if status == 404:
            return EmbedderUnavailable(
                f"{self._base_url} does not serve {self.name}: {says}. With Ollama, run `ollama pull {self.name}`."
            )
        if status == 401 or status == 403:
            return EmbedderUnavailable("The embedding server does not accept the configured key (EMBED_API_KEY).")
        if 400 <= status < 500:
            # Which of the texts it was is not in the answer.
            return EmbeddingRejected(f"{self.name}: {says}", param="input")
        return EmbedderUnavailable(f"The embedding server failed: {says}", retry_after=10)

    def _check(self, vectors: list[Vector], expected: int, dimensions: int | None) -> None:
        lengths = {len(vector) for vector in vectors}
        if len(vectors) != expected or len(lengths) != 1 or not 0 < max(lengths) <= _MAX_DIMENSIONS:
            raise BadEmbedding(f"{self.name} gave {len(vectors)} embeddings of lengths {sorted(lengths)[:5]}.")
        length = lengths.pop()
        if dimensions is not None:
            if length != dimensions:
                raise EmbeddingRejected(f"{self.name} cannot give {dimensions} dimensions.", param="dimensions")
        elif self.dimensions not in (None, length):
            raise BadEmbedding(f"{self.name} gave {length} dimensions instead of {self.dimensions}.")
        else:
            self.dimensions = length


def _batches(texts: Sequence[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    chars = 0
    for text in texts:
        if batch and (len(batch) == _BATCH_TEXTS or chars + len(text) > _BATCH_CHARS):
            yield batch
            batch, chars = [], 0
        batch.append(text)
        chars += len(text)
    if batch:
        yield batch


async def _whole(response: httpx.Response) -> bytes:
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > _MAX_ANSWER_BYTES:
            raise BadEmbedding(f"The embedding server's answer has more than {_MAX_ANSWER_BYTES >> 20} MiB.")
    return bytes(body)


def _decoded(answer: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(answer, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadEmbedding from error


def _says(answer: bytes) -> str:
    """The sentence in an error's body, whichever server wrote it."""
    try:
        error = msgspec.json.decode(answer)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return answer[:200].decode("utf-8", "replace").strip()
    for _ in range(2):
        if isinstance(error, dict):
            error = error.get("error") or error.get("message") or error.get("detail") or ""
    return str(error)[:300]
