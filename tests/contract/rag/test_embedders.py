"""One suite for every embedder, and what can go wrong with those that have a server."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from rag import Embedder
from rag.embedders import EmbedderConfig, open_embedder
from rag.errors import BadEmbedding, EmbedderBusy, EmbedderUnavailable, EmbeddingError, EmbeddingRejected
from tests.fakes.ollama import FakeOllama, Fault
from tests.fakes.openai import FakeOpenAI

MODEL = "nomic-embed-text"


@pytest.fixture(params=["lexical", "ollama", "openai", "auto: ollama", "auto: openai"])
async def embedder(request: pytest.FixtureRequest) -> AsyncIterator[Embedder]:
    api, _, kind = request.param.partition(": ")
    async with AsyncExitStack() as stack:
        url = ""
        if (kind or api) == "ollama":
            url = (await stack.enter_async_context(FakeOllama(MODEL))).base_url
        elif (kind or api) == "openai":
            url = (await stack.enter_async_context(FakeOpenAI(MODEL, key="sk-1"))).base_url + "/v1"
        found = open_embedder(EmbedderConfig(MODEL, url, api=api, api_key="sk-1"))
        stack.push_async_callback(found.aclose)
        yield found


@pytest.fixture
async def ollama() -> AsyncIterator[FakeOllama]:
    async with FakeOllama(MODEL) as fake:
        yield fake


@pytest.fixture
async def remote(ollama: FakeOllama) -> AsyncIterator[Embedder]:
    found = open_embedder(EmbedderConfig(MODEL, ollama.base_url, api="ollama", timeout_s=0.5))
    yield found
    await found.aclose()


async def test_one_vector_a_text_in_order(embedder: Embedder) -> None:
    texts = [f"text {number} {'x' * (number % 7)}" for number in range(70)]  # more than one batch
    together = await embedder.embed(texts)
    assert len(together.vectors) == 70
    assert together.tokens > 0
    assert {len(vector) for vector in together.vectors} == {embedder.dimensions}
    for number in (0, 33, 69):
        assert (await embedder.embed([texts[number]])).vectors == [together.vectors[number]]
    assert all(math.isclose(sum(x * x for x in vector), 1.0, abs_tol=1e-4) for vector in together.vectors)


async def test_nothing_to_embed_is_nothing(embedder: Embedder) -> None:
    assert (await embedder.embed([])).vectors == []


async def test_ollama_is_asked_to_cut_nothing(remote: Embedder, ollama: FakeOllama) -> None:
    await remote.embed(["a text"], dimensions=4)
    assert ollama.embeds == [
        {"model": MODEL, "input": ["a text"], "truncate": False, "keep_alive": "24h", "dimensions": 4}
    ]
    with pytest.raises(EmbeddingRejected, match="exceeds the context length") as refused:
        await remote.embed(["word " * 1000])
    assert refused.value.param == "input"


async def test_dimensions_that_the_model_has_not_got(remote: Embedder) -> None:
    assert len((await remote.embed(["x"], dimensions=5)).vectors[0]) == 5
    with pytest.raises(EmbeddingRejected, match="cannot give 99 dimensions") as refused:
        await remote.embed(["x"], dimensions=99)
    assert refused.value.param == "dimensions"


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault.STALL, EmbedderUnavailable),
        (Fault.HTTP_500, EmbedderUnavailable),
        (Fault.HTTP_503, EmbedderBusy),
        (Fault.MALFORMED, BadEmbedding),
        (Fault.EMPTY, BadEmbedding),
        (Fault.CUT, BadEmbedding),
    ],
)
async def test_a_fault_of_the_server(
    remote: Embedder, ollama: FakeOllama, fault: Fault, error: type[EmbeddingError]
) -> None:
    ollama.embed_fault = fault
    with pytest.raises(error):
        await remote.embed(["one", "two"])
    ollama.embed_fault = None
    assert (await remote.embed(["one"])).vectors


async def test_a_missing_model_names_the_command(ollama: FakeOllama) -> None:
    missing = open_embedder(EmbedderConfig("bge-m3", ollama.base_url, api="ollama"))
    with pytest.raises(EmbedderUnavailable, match="ollama pull bge-m3"):
        await missing.embed(["x"])
    await missing.aclose()


async def test_a_wrong_key_names_its_variable() -> None:
    async with FakeOpenAI(MODEL, key="sk-right") as fake:
        wrong = open_embedder(EmbedderConfig(MODEL, fake.base_url, api="openai", api_key="sk-wrong"))
        with pytest.raises(EmbedderUnavailable, match="EMBED_API_KEY"):
            await wrong.embed(["x"])
        await wrong.aclose()


async def test_a_server_that_comes_later_is_found(ollama: FakeOllama) -> None:
    late = open_embedder(EmbedderConfig(MODEL, ollama.base_url))
    await ollama.stop()
    with pytest.raises(EmbedderUnavailable, match="cannot be reached"):
        await late.embed(["x"])
    async with ollama:
        assert (await late.embed(["x"])).vectors
    await late.aclose()


async def test_too_many_at_once_are_sent_away(ollama: FakeOllama) -> None:
    ollama.embed_fault = Fault.STALL
    embedder = open_embedder(EmbedderConfig(MODEL, ollama.base_url, api="ollama", timeout_s=30.0))
    asked = [asyncio.create_task(embedder.embed(["x"])) for _ in range(100)]
    done, waiting = await asyncio.wait(asked, timeout=0.5)
    assert len(done) == 100 - 4 - 64
    busy = next(iter(done)).exception()
    assert isinstance(busy, EmbedderBusy)
    assert busy.retry_after
    for task in waiting:
        task.cancel()
    await asyncio.gather(*asked, return_exceptions=True)
    ollama.embed_fault = None
    assert (await embedder.embed(["x"])).vectors  # those who gave up hold no place
    await embedder.aclose()
