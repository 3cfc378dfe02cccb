"""Conversations of the chat page: streamed, kept, and kept also when the reader goes away."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.api.conftest import Server
from tests.api.test_chat_api import FILM_PLAN, FILM_PROMPT
from tests.fakes.ollama import FakeOllama, Fault

Pair = tuple[FakeOllama, FakeOllama]


async def new_conversation(server: Server) -> str:
    status, made = await server.post("/api/conversations", {})
    assert status == 201
    return str(made["id"])


async def say(server: Server, conversation: str, text: str) -> list[Any]:
    """Send a message; the chunks of the answer."""
    url = f"{server.url}/api/conversations/{conversation}/messages"
    async with server.http.post(url, json={"content": text}) as response:
        assert response.status == 200, await response.text()
        assert response.headers["content-type"].startswith("text/event-stream")
        lines = (await response.text()).split("\n\n")
    assert lines[-2:] == ["data: [DONE]", ""]
    return [json.loads(line.removeprefix("data: ")) for line in lines[:-2]]


async def messages(server: Server, conversation: str) -> list[dict[str, Any]]:
    status, body = await server.get(f"/api/conversations/{conversation}/messages")
    assert status == 200
    found: list[dict[str, Any]] = body["data"]
    return found


async def test_a_conversation_is_kept_and_remembered(model_server: Server, ollamas: Pair) -> None:
    conversation = await new_conversation(model_server)
    chunks = await say(model_server, conversation, "My name is Ann.")
    text = "".join(c["choices"][0]["delta"].get("content", "") for c in chunks if c["choices"])
    assert text == "Hello from the model."
    assert chunks[-1]["usage"]["total_tokens"] > 0
    await say(model_server, conversation, "What is my name?")
    asked = [message["content"] for message in ollamas[0].speeches[-1]["messages"]]
    assert "My name is Ann." in asked
    kept = await messages(model_server, conversation)
    assert [message["role"] for message in kept] == ["user", "assistant", "user", "assistant"]
    assert kept[1]["content"] == "Hello from the model."
    assert kept[1]["finish_reason"] == "stop"
    assert kept[1]["committee"]["agreement"] in {"agreed", "compatible"}
    assert "probe" in kept[1]["reasoning"]
    _, listed = await model_server.get("/api/conversations")
    assert [row["title"] for row in listed["data"]] == ["My name is Ann."]
    async with model_server.http.delete(f"{model_server.url}/api/conversations/{conversation}") as response:
        assert response.status == 204
    assert (await model_server.get(f"/api/conversations/{conversation}/messages"))[0] == 404


async def test_started_jobs_are_kept_with_the_answer(model_server: Server, ollamas: Pair) -> None:
    for ollama in ollamas:
        ollama.plan = FILM_PLAN
    conversation = await new_conversation(model_server)
    await say(model_server, conversation, FILM_PROMPT)
    answer = (await messages(model_server, conversation))[1]
    (job_id,) = answer["job_ids"]
    assert job_id in answer["content"]
    assert (await model_server.get(f"/api/jobs/{job_id}"))[0] == 200


async def test_what_was_said_is_kept_when_the_reader_goes_away(model_server: Server, ollamas: Pair) -> None:
    for ollama in ollamas:
        ollama.plan = FILM_PLAN
    ollamas[0].text, ollamas[0].token_ms = "one two three four five six seven eight", 5
    ollamas[0].fault, ollamas[0].fault_stage = Fault.STALL_MIDWAY, "speak"
    conversation = await new_conversation(model_server)
    url = f"{model_server.url}/api/conversations/{conversation}/messages"
    response = await model_server.http.post(url, json={"content": FILM_PROMPT})
    seen = b""
    async with asyncio.timeout(5):
        while b" three" not in seen:
            seen += await response.content.readany()
    response.close()
    async with asyncio.timeout(5):
        while len(kept := await messages(model_server, conversation)) < 2:
            await asyncio.sleep(0.01)
    assert kept[1]["content"].startswith("one two three")
    assert kept[1]["finish_reason"] == "cancelled"
    assert len(kept[1]["job_ids"]) == 1
    await ollamas[0].until(lambda: ollamas[0].open == 0)
    assert await model_server.job_count() == 1


async def test_a_job_is_kept_though_the_reader_left_while_it_was_started(
    model_server: Server, ollamas: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    for ollama in ollamas:
        ollama.plan = FILM_PLAN
    asked, go_on = asyncio.Event(), asyncio.Event()
    submit = model_server.jobs.submit

    async def slow_submit(*args: Any, **options: Any) -> Any:
        asked.set()
        await go_on.wait()
        return await submit(*args, **options)

    monkeypatch.setattr(model_server.jobs, "submit", slow_submit)
    conversation = await new_conversation(model_server)
    url = f"{model_server.url}/api/conversations/{conversation}/messages"
    response = await model_server.http.post(url, json={"content": FILM_PROMPT})
    await asyncio.wait_for(asked.wait(), 5)
    response.close()
    await ollamas[0].until(lambda: ollamas[0].open == 0)
    go_on.set()
    async with asyncio.timeout(5):
        while len(kept := await messages(model_server, conversation)) < 2:
            await asyncio.sleep(0.01)
    assert len(kept[1]["job_ids"]) == 1
    assert await model_server.job_count() == 1


async def test_asking_again_after_a_cut_finds_the_same_film(model_server: Server, ollamas: Pair) -> None:
    for ollama in ollamas:
        ollama.plan = FILM_PLAN
    body = {"messages": [{"role": "user", "content": FILM_PROMPT}], "stream": True}
    ollamas[0].fault, ollamas[0].fault_stage = Fault.DRIP, "speak"
    response = await model_server.http.post(model_server.url + "/v1/chat/completions", json=body)
    await ollamas[0].until(lambda: len(ollamas[0].speeches) == 1)
    response.close()
    await ollamas[0].until(lambda: ollamas[0].open == 0)
    (job_id,) = [str(row["id"]) for row in await model_server.db.fetch("select id from jobs")]
    await model_server.post(f"/jobs/{job_id}/cancel", {})
    ollamas[0].fault = None
    status, _ = await model_server.post("/v1/chat/completions", body | {"stream": False})
    assert status == 200
    assert await model_server.job_count() == 2  # the first one was cancelled, so it is no answer to the question


async def test_nothing_is_created_by_bad_requests(model_server: Server) -> None:
    conversation = await new_conversation(model_server)
    for body in ({}, {"content": ""}, {"content": 7}, {"content": "hi", "model": "gpt-17"}):
        status, answer = await model_server.post(f"/api/conversations/{conversation}/messages", body)
        assert status in {400, 404}
        assert answer["error"]["param"] in {"content", "model"}
    assert await messages(model_server, conversation) == []


async def test_members_down_is_a_503_here_too(model_server: Server, ollamas: Pair) -> None:
    for ollama in ollamas:
        await ollama.stop()
    conversation = await new_conversation(model_server)
    status, answer = await model_server.post(f"/api/conversations/{conversation}/messages", {"content": "hi"})
    assert status == 503
    assert answer["error"]["code"] == "committee_unavailable"
    assert [message["role"] for message in await messages(model_server, conversation)] == ["user"]
