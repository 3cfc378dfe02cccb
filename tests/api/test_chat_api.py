"""The chat endpoint as real clients use it: the official SDK against a real server."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import openai
import pytest

from orchestrator.settings import CommitteeSettings, ServerSettings, ToolSettings
from tests.api.conftest import Server, StartServer
from tests.fakes.ollama import FakeOllama, Fault

Pair = tuple[FakeOllama, FakeOllama]

FILM_PROMPT = (
    "Make a 3-minute film about butterflies in 4K at 60fps with interpolation and motion smoothing. Title: Butterflies"
)
FILM_PLAN = {"action": "call", "calls": [{"tool": "film_run", "args": {"synopsis": "Butterflies over a meadow"}}]}


def sdk(server: Server, path: str = "/v1", **options: Any) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=server.url + path, api_key="sk-anything", **options)


def user(text: str) -> list[Any]:
    return [{"role": "user", "content": text}]


async def raw_stream(server: Server, body: dict[str, Any], path: str = "/v1/chat/completions") -> list[str]:
    """Every SSE event of a streamed answer, `data: ` taken off, comments kept."""
    async with server.http.post(server.url + path, json={"stream": True, **body}) as response:
        assert response.status == 200, await response.text()
        text = (await response.read()).decode()
    assert text.endswith("\n\n")
    return [event.removeprefix("data: ") for event in text.removesuffix("\n\n").split("\n\n")]


@pytest.mark.parametrize("path", ["/v1", "", "/v1/"])  # C025
async def test_sdk_gets_a_whole_answer(model_server: Server, path: str) -> None:  # C021 C024 K009
    async with sdk(model_server, path) as client:
        answer = await client.chat.completions.create(model="committee-qwen3-gpt-oss", messages=user("Hi"))
    assert answer.id.startswith("chatcmpl-")
    assert answer.object == "chat.completion"
    assert answer.created > 0
    assert answer.choices[0].message.content == "Hello from the model."
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens > 0


async def test_both_members_are_asked(model_server: Server, ollamas: Pair) -> None:  # C022
    await model_server.post("/v1/chat/completions", {"messages": user("Hi")})
    assert len(ollamas[0].probes) == 1
    assert len(ollamas[1].probes) == 1


@pytest.mark.parametrize("model", ["wrapper-film-orchestrator", "committee", "committee-qwen3-gpt-oss@deep"])  # C028
async def test_other_names_of_the_committee(model_server: Server, model: str) -> None:
    async with sdk(model_server) as client:
        answer = await client.chat.completions.create(model=model, messages=user("Hi"), tool_choice="auto", tools=[])
    assert answer.choices[0].message.content == "Hello from the model."  # C030


async def test_one_member_answers_alone_under_its_own_id(model_server: Server, ollamas: Pair) -> None:
    async with sdk(model_server) as client:
        await client.chat.completions.create(model="gpt-oss:20b", messages=user("Hi"))
    assert ollamas[0].chats == []
    assert len(ollamas[1].chats) == 1


async def test_unknown_model(model_server: Server) -> None:
    async with sdk(model_server) as client:
        with pytest.raises(openai.NotFoundError) as caught:
            await client.chat.completions.create(model="gpt-17", messages=user("Hi"))
    assert caught.value.code == "model_not_found"
    assert caught.value.param == "model"


async def test_sdk_streams(model_server: Server) -> None:  # C031 K009
    async with sdk(model_server) as client:
        stream = await client.chat.completions.create(
            model="committee", messages=user("Hi"), stream=True, stream_options={"include_usage": True}
        )
        chunks = [chunk async for chunk in stream]
    assert chunks[0].choices[0].delta.role == "assistant"
    assert len({(chunk.id, chunk.created, chunk.model) for chunk in chunks}) == 1
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == "Hello from the model."
    assert [c.choices[0].finish_reason for c in chunks if c.choices and c.choices[0].finish_reason] == ["stop"]
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.total_tokens > 0


async def test_stream_events_in_order(model_server: Server) -> None:
    events = await raw_stream(model_server, {"messages": user("Hi")})
    assert events[-1] == "[DONE]"
    chunks = [json.loads(event) for event in events[:-1]]
    assert all(isinstance(chunk["choices"], list) for chunk in chunks)
    assert chunks[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"
    assert chunks[-1]["committee"]["agreement"] in {"agreed", "compatible"}
    assert set(chunks[-1]["committee"]["members"]) == {"qwen3", "gptoss"}
    stages = [chunk["committee"]["stage"] for chunk in chunks if "seq" in chunk.get("committee", {})]
    assert "probe" in stages
    assert "speak" in stages
    assert all("usage" not in chunk for chunk in chunks)


@pytest.mark.parametrize(("mode", "seen"), [("off", 0), ("status", 1), ("full", 1)])
async def test_reasoning_under_both_names(start_server: StartServer, ollamas: Pair, mode: Any, seen: int) -> None:
    server = await start_server(ollamas=ollamas, committee=CommitteeSettings(committee_show_reasoning=mode))
    events = await raw_stream(server, {"messages": user("Hi")})
    deltas = [choice["delta"] for event in events[:-1] for choice in json.loads(event)["choices"]]
    thoughts = [delta for delta in deltas if "reasoning_content" in delta]
    assert bool(thoughts) == bool(seen)
    assert all(delta["reasoning"] == delta["reasoning_content"] for delta in thoughts)


async def test_tokens_arrive_before_the_end(model_server: Server, ollamas: Pair) -> None:  # K010
    ollamas[0].text = "one two three four five six"
    ollamas[0].fault, ollamas[0].fault_stage = Fault.STALL_MIDWAY, "speak"
    body = {"stream": True, "messages": user("Hi")}
    async with model_server.http.post(model_server.url + "/v1/chat/completions", json=body) as response:
        seen = b""
        async with asyncio.timeout(5):
            while b" two" not in seen:
                seen += await response.content.readany()


async def test_film_is_started_and_its_job_linked(model_server: Server, ollamas: Pair) -> None:  # C026 C029 C036
    for ollama in ollamas:
        ollama.plan = FILM_PLAN
        ollama.text = "Your film is on its way. I can't promise  two  spaces\n"
    status, answer = await model_server.post("/v1/chat/completions", {"messages": user(FILM_PROMPT)})
    assert status == 200
    content = answer["choices"][0]["message"]["content"]
    assert content.startswith(ollamas[0].text)
    section = content.removeprefix(ollamas[0].text)
    assert section.startswith("\n\n### Tool Results\n")
    (result,) = answer["committee"]["tool_results"]
    (job_id,) = result["job_ids"]
    assert f"{model_server.url}/#/jobs/{job_id}" in section
    assert f"{model_server.url}/jobs/{job_id}" in section
    status, job = await model_server.get(f"/jobs/{job_id}")
    assert status == 200
    wanted = {"title": "Butterflies", "duration_s": 180, "width": 3840, "height": 2160, "fps": 60, "interpolate": True}
    assert {key: job["payload"][key] for key in wanted} == wanted


async def test_tool_results_are_streamed_too(model_server: Server, ollamas: Pair) -> None:
    for ollama in ollamas:
        ollama.plan = FILM_PLAN
    events = await raw_stream(model_server, {"messages": user(FILM_PROMPT)})
    chunks = [json.loads(event) for event in events[:-1]]
    content = "".join(choice["delta"].get("content", "") for chunk in chunks for choice in chunk["choices"])
    assert content.startswith("Hello from the model.\n\n### Tool Results\n")
    assert await model_server.job_count() == 1


async def test_offline_members_start_the_film_as_well(server: Server) -> None:
    status, answer = await server.post("/v1/chat/completions", {"messages": user(FILM_PROMPT)})
    assert status == 200
    assert "### Tool Results" in answer["choices"][0]["message"]["content"]
    assert await server.job_count() == 1


async def test_tool_calls_are_handed_back_when_not_executed_here(start_server: StartServer, ollamas: Pair) -> None:
    server = await start_server(ollamas=ollamas, tools=ToolSettings(auto_execute_tools=False))  # C027
    for ollama in ollamas:
        ollama.plan = FILM_PLAN
    async with sdk(server) as client:
        answer = await client.chat.completions.create(model="committee", messages=user(FILM_PROMPT))
        (call,) = answer.choices[0].message.tool_calls or []
        assert answer.choices[0].finish_reason == "tool_calls"
        assert answer.choices[0].message.content is None
        assert call.type == "function"
        assert call.function.name == "film_run"
        assert isinstance(json.loads(call.function.arguments), dict)
        for ollama in ollamas:
            ollama.plan = {}
        result = {"role": "tool", "tool_call_id": call.id, "content": '{"ok": true}'}
        history: list[Any] = [*user(FILM_PROMPT), answer.choices[0].message.model_dump(exclude_none=True), result]
        second = await client.chat.completions.create(model="committee", messages=history)
    assert second.choices[0].finish_reason == "stop"
    assert await server.job_count() == 0


async def test_client_tools_come_back_in_sdk_fragments(model_server: Server, ollamas: Pair) -> None:
    for ollama in ollamas:
        ollama.plan = {"action": "call", "calls": [{"tool": "film_run", "args": {"path": "a.txt"}}]}
    parameters = {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]}
    tool: Any = {"type": "function", "function": {"name": "film_run", "parameters": parameters}}
    async with sdk(model_server) as client:
        stream = await client.chat.completions.create(
            model="committee", messages=user("Read a.txt"), tools=[tool], stream=True
        )
        fragments = []
        finish = None
        async for chunk in stream:
            fragments += chunk.choices[0].delta.tool_calls or []
            finish = chunk.choices[0].finish_reason or finish
    assert finish == "tool_calls"
    assert fragments[0].id
    assert fragments[0].function is not None
    assert fragments[0].function.name == "film_run"  # the client's, which wins over ours
    arguments = "".join(f.function.arguments or "" for f in fragments if f.function)
    assert json.loads(arguments) == {"path": "a.txt"}
    assert await model_server.job_count() == 0


async def test_no_tool_runs_with_tool_choice_none(model_server: Server, ollamas: Pair) -> None:
    for ollama in ollamas:
        ollama.plan = FILM_PLAN
    body = {"messages": user(FILM_PROMPT), "tool_choice": "none"}
    status, answer = await model_server.post("/v1/chat/completions", body)
    assert status == 200
    assert answer["choices"][0]["message"]["content"] == "Hello from the model."
    assert await model_server.job_count() == 0


async def test_nothing_is_appended_to_a_json_answer(model_server: Server, ollamas: Pair) -> None:
    for ollama in ollamas:
        ollama.plan = FILM_PLAN
        ollama.text = '{"a": 1}'
    body = {"messages": user(FILM_PROMPT), "response_format": {"type": "json_object"}}
    _, answer = await model_server.post("/v1/chat/completions", body)
    assert json.loads(answer["choices"][0]["message"]["content"]) == {"a": 1}
    assert len(answer["committee"]["tool_results"]) == 1


async def test_all_members_down_is_a_503_also_when_streaming(model_server: Server, ollamas: Pair) -> None:
    for ollama in ollamas:
        await ollama.stop()
    for stream in (False, True):
        body = {"messages": user("Hi"), "stream": stream}
        async with model_server.http.post(model_server.url + "/v1/chat/completions", json=body) as response:
            assert response.status == 503
            assert int(response.headers["retry-after"]) >= 1
            error = (await response.json())["error"]
        assert error["code"] == "committee_unavailable"
        assert error["type"] == "server_error"


READ_A_FILE = {"type": "function", "function": {"name": "read_file", "parameters": {"type": "object"}}}


@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "read_file"}}])
async def test_a_demanded_call_that_nobody_finds_is_a_400(server: Server, choice: Any) -> None:
    for stream in (False, True):
        body = {"messages": user("Hi"), "tools": [READ_A_FILE], "tool_choice": choice, "stream": stream}
        status, answer = await server.post("/v1/chat/completions", body)
        assert status == 400
        assert answer["error"]["code"] == "tool_choice_unsatisfied"
        assert answer["error"]["param"] == "tool_choice"
        assert answer["error"]["message"].startswith("tool_choice demands a tool call")
        assert "\n" not in answer["error"]["message"]


async def test_a_demanded_call_while_members_are_down_is_a_503(model_server: Server, ollamas: Pair) -> None:
    for ollama in ollamas:
        await ollama.stop()
    body = {"messages": user("Hi"), "tools": [READ_A_FILE], "tool_choice": "required"}
    status, answer = await model_server.post("/v1/chat/completions", body)
    assert (status, answer["error"]["code"]) == (503, "committee_unavailable")


async def test_one_member_down_is_said(model_server: Server, ollamas: Pair) -> None:
    await ollamas[1].stop()
    _, answer = await model_server.post("/v1/chat/completions", {"messages": user("Hi")})
    assert answer["choices"][0]["message"]["content"] == "Hello from the model."
    assert answer["committee"]["degraded"] is True
    assert answer["committee"]["members"]["gptoss"] != "ok"


async def test_a_broken_stream_ends_with_one_error(model_server: Server, ollamas: Pair) -> None:
    ollamas[0].text, ollamas[0].token_ms = "one two three four five six", 5
    ollamas[0].fault, ollamas[0].fault_stage = Fault.ERROR_LINE, "speak"
    events = await raw_stream(model_server, {"messages": user("Hi")})
    assert json.loads(events[-1])["error"]["code"] == "member_stream_broken"
    async with sdk(model_server, max_retries=0) as client:
        stream = await client.chat.completions.create(model="committee", messages=user("Hi"), stream=True)
        with pytest.raises(openai.APIError):
            async for _ in stream:
                pass


async def test_disconnect_stops_the_members(model_server: Server, ollamas: Pair) -> None:
    ollamas[0].fault, ollamas[0].fault_stage = Fault.DRIP, "speak"
    body = {"stream": True, "messages": user("Hi")}
    response = await model_server.http.post(model_server.url + "/v1/chat/completions", json=body)
    await ollamas[0].until(lambda: len(ollamas[0].speeches) == 1)
    response.close()
    await ollamas[0].until(lambda: ollamas[0].open == 0)
    assert ollamas[0].disconnected == 1


async def test_too_many_turns(start_server: StartServer, ollamas: Pair) -> None:
    server = await start_server(ollamas=ollamas, server=ServerSettings(max_concurrent_turns=1))
    ollamas[0].fault, ollamas[0].fault_stage = Fault.DRIP, "speak"
    body = {"stream": True, "messages": user("Hi")}
    async with server.http.post(server.url + "/v1/chat/completions", json=body) as first:
        await ollamas[0].until(lambda: len(ollamas[0].speeches) == 1)
        async with server.http.post(server.url + "/v1/chat/completions", json=body) as second:
            assert second.status == 429
            assert "retry-after" in second.headers
            assert (await second.json())["error"]["code"] == "too_many_turns"
        first.close()


async def test_a_request_that_was_cut_off_does_not_start_a_second_film(model_server: Server, ollamas: Pair) -> None:
    for ollama in ollamas:
        ollama.plan = FILM_PLAN
    ollamas[0].fault, ollamas[0].fault_stage = Fault.DRIP, "speak"
    body = {"stream": True, "messages": user(FILM_PROMPT)}
    response = await model_server.http.post(model_server.url + "/v1/chat/completions", json=body)
    await ollamas[0].until(lambda: len(ollamas[0].speeches) == 1)
    response.close()
    await ollamas[0].until(lambda: ollamas[0].open == 0)
    ollamas[0].fault = None
    for ollama in ollamas:  # the models word it differently this time
        ollama.plan = {"action": "call", "calls": [{"tool": "film_run", "args": {"synopsis": "Many butterflies"}}]}
    await raw_stream(model_server, body)
    assert await model_server.job_count() == 1
    await raw_stream(model_server, body)  # delivered in full: the same words are a new turn now
    assert await model_server.job_count() == 2


async def test_an_sdk_retry_of_a_delivered_answer_is_no_new_turn(model_server: Server, ollamas: Pair) -> None:
    for ollama in ollamas:
        ollama.plan = FILM_PLAN
    body = {"messages": user(FILM_PROMPT)}
    await model_server.post("/v1/chat/completions", body)
    await model_server.post("/v1/chat/completions", body, **{"x-stainless-retry-count": "1"})
    assert await model_server.job_count() == 1


@pytest.mark.parametrize(("headers", "films"), [({"x-stainless-retry-count": "1"}, 1), ({}, 2)])
async def test_a_retry_joins_the_run_that_still_goes_on(
    model_server: Server, ollamas: Pair, headers: dict[str, str], films: int
) -> None:
    for ollama in ollamas:
        ollama.plan = FILM_PLAN
    ollamas[0].fault, ollamas[0].fault_stage = Fault.DRIP, "speak"
    url, body = model_server.url + "/v1/chat/completions", {"stream": True, "messages": user(FILM_PROMPT)}
    async with model_server.http.post(url, json=body) as first:
        await ollamas[0].until(lambda: len(ollamas[0].speeches) == 1)
        async with model_server.http.post(url, json=body, headers=headers) as second:
            await ollamas[0].until(lambda: len(ollamas[0].speeches) == 2)
            assert await model_server.job_count() == films
            second.close()
        first.close()


async def test_seeds_follow_from_the_request(start_server: StartServer, ollamas: Pair) -> None:  # C140
    server = await start_server(ollamas=ollamas)
    for ollama in ollamas:
        ollama.plan = FILM_PLAN
    seeds = []
    for _ in range(2):
        _, answer = await server.post("/v1/chat/completions", {"messages": user(FILM_PROMPT)})
        (result,) = answer["committee"]["tool_results"]
        _, job = await server.get(f"/jobs/{result['job_ids'][0]}")
        seeds.append(job["payload"]["seed"])
    assert seeds[0] == seeds[1]
    assert isinstance(seeds[0], int)


async def test_an_answer_lost_on_the_way_starts_one_film(model_server: Server, ollamas: Pair) -> None:  # M10
    """The SDK behind a proxy that swallows the first answer: it asks again by itself."""
    for ollama in ollamas:
        ollama.plan = FILM_PLAN
    swallowed: list[bytes] = []

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        port = int(model_server.url.rpartition(":")[2])
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", port)
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(re.search(rb"content-length: (\d+)", head, re.IGNORECASE)[1])  # type: ignore[index]
        head = re.sub(rb"(?im)^connection:.*\r\n", b"", head)
        up_writer.write(head[:-2] + b"connection: close\r\n\r\n" + await reader.readexactly(length))
        answer = await up_reader.read()
        if swallowed:
            writer.write(answer)
        swallowed.append(answer)
        for one in (writer, up_writer):
            one.close()
            await one.wait_closed()

    proxy = await asyncio.start_server(forward, "127.0.0.1", 0)
    port = proxy.sockets[0].getsockname()[1]
    async with proxy, openai.AsyncOpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="x") as client:
        answer = await client.chat.completions.create(model="committee", messages=user(FILM_PROMPT))
    assert len(swallowed) == 2
    assert "### Tool Results" in (answer.choices[0].message.content or "")
    assert await model_server.job_count() == 1


async def test_appended_sections_are_streamed_in_pieces_when_asked(start_server: StartServer, ollamas: Pair) -> None:
    pacing = CommitteeSettings(stream_chunk_size_chars=20, stream_chunk_interval_ms=0)
    server = await start_server(ollamas=ollamas, committee=pacing)
    for ollama in ollamas:
        ollama.plan = FILM_PLAN
    events = await raw_stream(server, {"messages": user(FILM_PROMPT)})
    pieces = [choice["delta"].get("content", "") for event in events[:-1] for choice in json.loads(event)["choices"]]
    section = "".join(pieces).removeprefix("Hello from the model.")
    assert section.startswith("\n\n### Tool Results\n")
    assert all(len(piece) <= 21 for piece in pieces)


async def test_links_start_with_the_public_address(start_server: StartServer) -> None:
    server = await start_server(server=ServerSettings(public_base_url="https://films.example/"))
    _, answer = await server.post("/v1/chat/completions", {"messages": user(FILM_PROMPT)})
    assert "https://films.example/#/jobs/" in answer["choices"][0]["message"]["content"]
