"""Conversations longer than a window, as a client of the API sees them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from committee import CommitteeConfig
from tests.api.conftest import Server, StartServer
from tests.fakes.ollama import FakeOllama

Pair = tuple[FakeOllama, FakeOllama]
NARROW, WIDE = 4096, 8192


def body(tokens: int, **options: Any) -> dict[str, Any]:
    messages = [{"role": "system", "content": "Answer in one line."}]
    for number in range(max(1, tokens // 200)):
        messages.append({"role": "user", "content": f"Question {number}: " + "rose " * 80})
        messages.append({"role": "assistant", "content": "leaf " * 75})
    messages.append({"role": "user", "content": "And what was question 0?"})
    return {"model": "committee", "messages": messages, **options}


@pytest.fixture
async def halls(start_server: StartServer, ollamas: Pair) -> Server:
    """Members whose servers have loaded a narrow and a wide window."""
    ollamas[0].loaded["qwen3:32b"], ollamas[1].loaded["gpt-oss:20b"] = NARROW, WIDE
    return await start_server(ollamas=ollamas)


@pytest.mark.parametrize(("tokens", "fit"), [(400, "whole"), (3600, "routed"), (12_000, "packed")])
async def test_the_answer_says_how_the_conversation_fitted(halls: Server, ollamas: Pair, tokens: int, fit: str) -> None:
    status, answer = await halls.post("/v1/chat/completions", body(tokens))
    assert status == 200
    assert answer["committee"]["context"]["fit"] == fit
    assert bool(answer["committee"]["context"]["detail"]) is (fit != "whole")
    assert answer["choices"][0]["message"]["content"] == "Hello from the model."
    assert [ollama.too_long for ollama in ollamas] == [0, 0]
    assert {chat["options"]["num_ctx"] for chat in ollamas[0].chats} <= {NARROW}
    assert {chat["options"]["num_ctx"] for chat in ollamas[1].chats} <= {WIDE}


async def test_a_streamed_answer_says_so_too(halls: Server) -> None:
    async with halls.http.post(halls.url + "/v1/chat/completions", json=body(12_000, stream=True)) as response:
        assert response.status == 200
        text = await response.text()
    chunks = [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: {")]
    told = [chunk["committee"]["context"] for chunk in chunks if "context" in (chunk.get("committee") or {})]
    assert [context["fit"] for context in told] == ["packed"]
    assert text.rstrip().endswith("data: [DONE]")


async def test_without_packing_it_is_a_precise_400(start_server: StartServer, ollamas: Pair) -> None:
    ollamas[0].loaded["qwen3:32b"], ollamas[1].loaded["gpt-oss:20b"] = NARROW, WIDE
    server = await start_server(ollamas=ollamas, config=CommitteeConfig(pack_context=False))
    async with server.http.post(server.url + "/v1/chat/completions", json=body(12_000)) as response:
        assert response.status == 400
        assert "retry-after" not in response.headers
        error = (await response.json())["error"]
    assert (error["type"], error["code"]) == ("invalid_request_error", "context_length_exceeded")
    assert "4096" in error["message"]
    assert "8192" in error["message"]
    async with server.http.post(server.url + "/v1/chat/completions", json=body(12_000, stream=True)) as response:
        text = await response.text()
    assert "context_length_exceeded" in text
    assert response.status == 400 or text.rstrip().endswith("data: [DONE]")
    assert not ollamas[0].chats
    assert not ollamas[1].chats


async def test_members_windows_are_in_healthz(halls: Server) -> None:
    members = (await halls.get("/healthz"))[1]["members"]
    assert {member["name"]: member["window"] for member in members} == {"qwen3": NARROW, "gptoss": WIDE}
    assert all(member["size_vram"] <= member["size"] for member in members)


async def test_one_member_alone_reads_a_packed_conversation(halls: Server, ollamas: Pair) -> None:
    status, answer = await halls.post("/v1/chat/completions", {**body(6000), "model": "qwen3:32b"})
    assert status == 200
    assert answer["committee"]["context"]["fit"] == "packed"
    assert not ollamas[1].chats
    assert ollamas[0].too_long == 0
