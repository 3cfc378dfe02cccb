"""`/v1/embeddings` with the official client and with bad input."""

from __future__ import annotations

import base64
import struct
from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI

from rag import Embedder
from rag.embedders import EmbedderConfig, open_embedder
from tests.api.conftest import Server, StartServer
from tests.fakes.ollama import FakeOllama, Fault


@pytest.fixture
async def ollama() -> AsyncIterator[FakeOllama]:
    async with FakeOllama("nomic-embed-text:latest") as fake:
        yield fake


@pytest.fixture
async def embedder(ollama: FakeOllama) -> AsyncIterator[Embedder]:
    embedder = open_embedder(EmbedderConfig("nomic-embed-text:latest", ollama.base_url, timeout_s=2.0))
    yield embedder
    await embedder.aclose()


def client(server: Server) -> AsyncOpenAI:
    return AsyncOpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0)


async def test_the_official_client(server: Server) -> None:  # K009
    """It asks for base64 unless told otherwise, and decodes it by itself."""
    async with client(server) as sdk:
        packed = await sdk.embeddings.create(model="lexical", input=["a castle", "a hill"])
        plain = await sdk.embeddings.create(model="lexical", input=["a castle", "a hill"], encoding_format="float")
        short = await sdk.embeddings.create(model="lexical", input="a castle", dimensions=64)
    assert [item.index for item in packed.data] == [0, 1]
    assert packed.data[0].embedding == plain.data[0].embedding
    assert len(packed.data[0].embedding) == 1024
    assert len(short.data[0].embedding) == 64
    assert packed.model == "lexical"
    assert packed.usage.prompt_tokens == packed.usage.total_tokens == 4


async def test_base64_is_little_endian_float32(server: Server) -> None:
    body = {"model": "lexical", "input": "a castle", "encoding_format": "base64"}
    _, packed = await server.post("/v1/embeddings", body)
    _, plain = await server.post("/embeddings", {**body, "encoding_format": "float"})
    numbers = struct.unpack("<1024f", base64.b64decode(packed["data"][0]["embedding"]))
    assert list(numbers) == plain["data"][0]["embedding"]


async def test_a_model_of_a_server(start_server: StartServer, ollama: FakeOllama, embedder: Embedder) -> None:
    server = await start_server(embedder=embedder)
    async with client(server) as sdk:
        found = await sdk.embeddings.create(model="nomic-embed-text", input=[f"text {n}" for n in range(40)])
        listed = {model.id: model for model in (await sdk.models.list()).data}
        one = await sdk.models.retrieve("nomic-embed-text:latest")
    assert len(found.data) == 40
    assert found.model == "nomic-embed-text:latest"
    assert [len(body["input"]) for body in ollama.embeds] == [32, 8]
    assert listed["nomic-embed-text:latest"].model_extra == one.model_extra == {"capabilities": ["embeddings"]}


async def test_its_failures(start_server: StartServer, ollama: FakeOllama, embedder: Embedder) -> None:
    server = await start_server(embedder=embedder)
    async with client(server) as sdk:
        with pytest.raises(openai.BadRequestError, match="context length") as long:
            await sdk.embeddings.create(model="nomic-embed-text", input="word " * 1000)
        ollama.embed_fault = Fault.HTTP_503
        with pytest.raises(openai.RateLimitError) as busy:
            await sdk.embeddings.create(model="nomic-embed-text", input="x")
        ollama.embed_fault = Fault.MALFORMED
        with pytest.raises(openai.InternalServerError) as malformed:
            await sdk.embeddings.create(model="nomic-embed-text", input="x")
        await ollama.stop()
        with pytest.raises(openai.InternalServerError) as down:
            await sdk.embeddings.create(model="nomic-embed-text", input="x")
    assert (long.value.param, long.value.code) == ("input", "embedding_rejected")
    assert busy.value.response.headers["retry-after"]
    assert (malformed.value.status_code, malformed.value.code) == (502, "malformed_embedding")
    assert (down.value.status_code, down.value.code) == (503, "embedder_unavailable")


@pytest.mark.parametrize(
    ("body", "status", "param", "code"),
    [
        ({}, 400, "input", "invalid_request"),
        ({"input": ""}, 400, "input", "invalid_request"),
        ({"input": []}, 400, "input", "invalid_request"),
        ({"input": None}, 400, "input", "invalid_request"),
        ({"input": {"text": "x"}}, 400, "input", "invalid_request"),
        ({"input": ["x", ""]}, 400, "input", "invalid_request"),
        ({"input": ["x", None]}, 400, "input", "invalid_request"),
        ({"input": [1, 2, 3]}, 400, "input", "tokens_not_supported"),
        ({"input": [[1, 2], [3]]}, 400, "input", "tokens_not_supported"),
        ({"input": ["x"] * 2049}, 400, "input", "invalid_request"),
        ({"input": "x" * 200_001}, 400, "input", "invalid_request"),
        ({"input": "x", "dimensions": 0}, 400, "dimensions", "invalid_request"),
        ({"input": "x", "dimensions": 5000}, 400, "dimensions", "embedding_rejected"),
        ({"input": "x", "dimensions": "64"}, 400, "dimensions", "invalid_request"),
        ({"input": "x", "encoding_format": "int8"}, 400, "encoding_format", "invalid_request"),
        ({"input": "x", "model": "text-embedding-3-small"}, 404, "model", "model_not_found"),
    ],
)
async def test_bad_input(server: Server, body: dict[str, Any], status: int, param: str, code: str) -> None:
    answered, answer = await server.post("/v1/embeddings", body)
    assert (answered, answer["error"]["param"], answer["error"]["code"]) == (status, param, code)
    assert set(answer["error"]) == {"message", "type", "param", "code"}


async def test_only_post(server: Server) -> None:
    status, answer = await server.get("/v1/embeddings")
    assert (status, answer["error"]["code"]) == (405, "method_not_allowed")
