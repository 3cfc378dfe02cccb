"""The Responses API as real clients use it: the official SDK, and what Codex sends, against a real server."""

from __future__ import annotations

import json
from typing import Any

import openai
import pytest
from pydantic import BaseModel

from orchestrator.settings import CommitteeSettings
from tests.api.conftest import Server, StartServer
from tests.api.test_chat_api import FILM_PLAN, FILM_PROMPT, sdk
from tests.fakes.ollama import FakeOllama, Fault
from tests.unit.chat.test_responses import check_events

Pair = tuple[FakeOllama, FakeOllama]

READ_FILE: dict[str, Any] = {
    "type": "function",
    "name": "read_file",
    "description": "Read a file.",
    "parameters": {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]},
    "strict": False,
}
CALL = {"action": "call", "calls": [{"tool": "read_file", "args": {"path": "a.txt"}}]}


def codex_request(*more: dict[str, Any]) -> dict[str, Any]:
    """The twelve fields of Codex, two developer messages, and tools that are no functions."""
    developer = [
        {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": text}]}
        for text in ("<permissions instructions>sandbox</permissions instructions>", "# AGENTS.md\nBe brief.")
    ]
    user = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Read a.txt"}]}
    return {
        "client_metadata": {"x-codex-installation-id": "00000000-0000-4000-8000-000000000000"},
        "include": ["reasoning.encrypted_content"],
        "input": [*developer, user, *more],
        "instructions": "You are a coding agent running in a terminal.",
        "model": "committee-qwen3-gpt-oss",
        "parallel_tool_calls": False,
        "prompt_cache_key": "00000000-0000-7000-8000-000000000000",
        "reasoning": {"summary": "auto"},
        "store": False,
        "stream": True,
        "tool_choice": "auto",
        "tools": [
            READ_FILE,
            {"type": "namespace", "name": "multi_agent_v1", "description": "d", "tools": [READ_FILE]},
            {"type": "web_search", "external_web_access": False},
            {"type": "custom", "name": "apply_patch", "description": "Edit.", "format": {"type": "grammar"}},
        ],
    }


async def events_of(server: Server, body: dict[str, Any], path: str = "/v1/responses") -> list[dict[str, Any]]:
    """Every event of a streamed response, its name checked against its type; comments left out."""
    async with server.http.post(server.url + path, json={"stream": True, **body}) as response:
        assert response.status == 200, await response.text()
        assert response.headers["content-type"].startswith("text/event-stream")
        return check_events(await response.read())


@pytest.mark.parametrize("path", ["/v1", "", "/v1/"])
async def test_sdk_gets_a_whole_response(model_server: Server, path: str) -> None:  # C021 C024 K009
    async with sdk(model_server, path) as client:
        answer = await client.responses.create(model="committee", input="Hi", instructions="Be kind.")
    assert answer.id.startswith("resp_")
    assert (answer.object, answer.status, answer.error) == ("response", "completed", None)
    assert answer.output_text == "Hello from the model."
    assert [item.type for item in answer.output] == ["message"]
    assert answer.instructions == "Be kind."
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.input_tokens + answer.usage.output_tokens > 0
    assert answer.model_extra is not None
    assert answer.model_extra["store"] is False
    assert answer.model_extra["committee"]["agreement"] in {"agreed", "compatible"}


async def test_sdk_streams(model_server: Server) -> None:  # K009
    async with sdk(model_server) as client, client.responses.stream(model="committee", input="Hi") as stream:
        seen = [event async for event in stream]
        final = await stream.get_final_response()
    assert "".join(event.delta for event in seen if event.type == "response.output_text.delta") == final.output_text
    assert final.output_text == "Hello from the model."
    assert seen[0].type == "response.created"
    assert seen[-1].type == "response.completed"


async def test_sdk_parses(model_server: Server, ollamas: Pair) -> None:  # K009
    class Capital(BaseModel):
        city: str

    for ollama in ollamas:
        ollama.text = '{"city": "Paris"}'
    async with sdk(model_server) as client:
        answer = await client.responses.parse(model="committee", input="The capital of France?", text_format=Capital)
    assert answer.output_parsed == Capital(city="Paris")
    assert ollamas[0].speeches[-1]["format"]["properties"]["city"]["type"] == "string"


async def test_a_tool_round_trip(model_server: Server, ollamas: Pair) -> None:  # K009
    for ollama in ollamas:
        ollama.plan = CALL
    tools: Any = [READ_FILE]
    async with sdk(model_server) as client:
        first = await client.responses.create(model="committee", input="Read a.txt", tools=tools)
        (call,) = first.output
        assert call.type == "function_call"
        assert json.loads(call.arguments) == {"path": "a.txt"}
        for ollama in ollamas:
            ollama.plan = {}
        history: Any = [
            {"role": "user", "content": "Read a.txt"},
            *(item.model_dump() for item in first.output),
            {"type": "function_call_output", "call_id": call.call_id, "output": "the file's text"},
        ]
        second = await client.responses.create(model="committee", input=history, tools=tools)
    assert second.output_text == "Hello from the model."
    sent = ollamas[0].chats[-1]["messages"]
    assert any("the file's text" in (message.get("content") or "") for message in sent)


async def test_a_request_of_codex(model_server: Server, ollamas: Pair) -> None:  # K008
    events = await events_of(model_server, codex_request())
    kinds = [event["type"] for event in events]
    assert kinds[:2] == ["response.created", "response.in_progress"]
    assert "response.reasoning_summary_text.delta" in kinds
    assert kinds[-1] == "response.completed"
    message = events[-1]["response"]["output"][-1]
    assert message["content"][0]["text"] == "Hello from the model."
    sent = ollamas[0].chats[0]["messages"]
    system = "\n".join(message["content"] for message in sent if message["role"] == "system")
    for said in ("You are a coding agent", "<permissions instructions>", "# AGENTS.md"):
        assert said in system


async def test_codex_steps_on_with_what_its_tool_gave(model_server: Server, ollamas: Pair) -> None:  # K008
    for ollama in ollamas:
        ollama.plan = CALL
    events = await events_of(model_server, codex_request())
    (call,) = [item for item in events[-1]["response"]["output"] if item["type"] == "function_call"]
    assert call["name"] == "read_file"
    for ollama in ollamas:
        ollama.plan = {}
    output = [{"type": "input_text", "text": "one line"}]
    more = [
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": None},
        {k: call[k] for k in ("type", "call_id", "name", "arguments")},
        {"type": "function_call_output", "call_id": call["call_id"], "output": output},
    ]
    events = await events_of(model_server, codex_request(*more))
    assert events[-1]["type"] == "response.completed"
    sent = ollamas[0].chats[-1]["messages"]
    assert any("one line" in (message.get("content") or "") for message in sent)


async def test_a_custom_tool_is_called_with_free_text(model_server: Server, ollamas: Pair) -> None:
    patch = "*** Begin Patch\n*** End Patch"
    for ollama in ollamas:
        ollama.plan = {"action": "call", "calls": [{"tool": "apply_patch", "args": {"input": patch}}]}
    events = await events_of(model_server, codex_request())
    (call,) = [item for item in events[-1]["response"]["output"] if item["type"] == "custom_tool_call"]
    assert (call["name"], call["input"]) == ("apply_patch", patch)
    for ollama in ollamas:
        ollama.plan = {}
    done = {"type": "custom_tool_call_output", "call_id": call["call_id"], "output": "Done!"}
    events = await events_of(model_server, codex_request(call, done))
    assert events[-1]["type"] == "response.completed"


@pytest.mark.parametrize(("asked", "seen"), [(None, False), ("auto", True)])
async def test_thoughts_are_shown_to_who_asks(model_server: Server, asked: str | None, seen: bool) -> None:
    _, answer = await model_server.post("/v1/responses", {"input": "Hi", "reasoning": {"summary": asked}})
    assert ("reasoning" in [item["type"] for item in answer["output"]]) is seen


async def test_no_thoughts_where_the_server_shows_none(start_server: StartServer, ollamas: Pair) -> None:
    server = await start_server(ollamas=ollamas, committee=CommitteeSettings(committee_show_reasoning="off"))
    events = await events_of(server, codex_request())
    assert [item["type"] for item in events[-1]["response"]["output"]] == ["message"]


async def test_a_film_is_started_and_its_section_streamed(model_server: Server, ollamas: Pair) -> None:
    for ollama in ollamas:
        ollama.plan = FILM_PLAN
    events = await events_of(model_server, {"input": FILM_PROMPT})
    text = events[-1]["response"]["output"][-1]["content"][0]["text"]
    assert text.startswith("Hello from the model.\n\n### Tool Results\n")
    assert len(events[-1]["response"]["committee"]["tool_results"]) == 1
    assert await model_server.job_count() == 1


async def test_a_request_that_was_cut_off_is_taken_up(model_server: Server, ollamas: Pair) -> None:
    for ollama in ollamas:
        ollama.plan = FILM_PLAN
    ollamas[0].fault, ollamas[0].fault_stage = Fault.DRIP, "speak"
    body = {"stream": True, "input": [{"role": "user", "content": FILM_PROMPT}]}
    response = await model_server.http.post(model_server.url + "/v1/responses", json=body)
    await ollamas[0].until(lambda: len(ollamas[0].speeches) == 1)
    response.close()
    await ollamas[0].until(lambda: ollamas[0].open == 0)
    ollamas[0].fault = None
    await events_of(model_server, body)
    assert await model_server.job_count() == 1


async def test_too_few_tokens_leave_a_response_incomplete(model_server: Server, ollamas: Pair) -> None:
    from tests.fakes.ollama import Reply, is_probe

    plan = json.dumps({"work": "w", "action": "answer", "points": [], "confidence": 0.9})
    for ollama in ollamas:
        ollama.answer = lambda body: Reply(plan) if is_probe(body) else Reply("Hello", done_reason="length")
    events = await events_of(model_server, {"input": "Hi", "max_output_tokens": 16})
    assert events[-1]["type"] == "response.incomplete"
    assert events[-1]["response"]["incomplete_details"] == {"reason": "max_output_tokens"}
    _, whole = await model_server.post("/v1/responses", {"input": "Hi", "max_output_tokens": 16})
    assert whole["status"] == "incomplete"


async def test_a_member_lost_while_speaking_fails_the_response(model_server: Server, ollamas: Pair) -> None:
    for ollama in ollamas:
        ollama.text, ollama.token_ms = "one two three four five six", 5
        ollama.fault, ollama.fault_stage = Fault.ERROR_LINE, "speak"
    events = await events_of(model_server, {"input": "Hi"})
    assert events[-1]["type"] == "response.failed"
    failed = events[-1]["response"]
    assert (failed["status"], failed["error"]["code"]) == ("failed", "member_stream_broken")
    assert failed["output"][-1]["status"] == "incomplete"


async def test_the_mode_may_be_named_in_the_request(model_server: Server, ollamas: Pair) -> None:
    _, answer = await model_server.post("/v1/responses", {"input": "Hi", "committee": {"mode": "solo:gptoss"}})
    assert answer["status"] == "completed"
    assert ollamas[0].chats == []


async def test_what_fits_no_window_is_called_so(start_server: StartServer, ollamas: Pair) -> None:
    server = await start_server(ollamas=ollamas)
    for stream in (False, True):
        body = {"input": "word " * 40_000, "stream": stream}
        status, answer = await server.post("/v1/responses", body)
        assert (status, answer["error"]["code"]) == (400, "context_length_exceeded")
        assert answer["error"]["param"] == "input"


async def test_all_members_down_is_a_503(model_server: Server, ollamas: Pair) -> None:
    for ollama in ollamas:
        await ollama.stop()
    for stream in (False, True):
        status, answer = await model_server.post("/v1/responses", {"input": "Hi", "stream": stream})
        assert (status, answer["error"]["code"]) == (503, "committee_unavailable")


async def test_sdk_sees_our_errors(model_server: Server) -> None:
    async with sdk(model_server) as client:
        with pytest.raises(openai.NotFoundError) as unknown:
            await client.responses.create(model="gpt-17", input="Hi")
        with pytest.raises(openai.BadRequestError) as stateful:
            await client.responses.create(model="committee", input="Hi", previous_response_id="resp_1")
    assert unknown.value.code == "model_not_found"
    assert stateful.value.param == "previous_response_id"


BAD: list[tuple[str, dict[str, Any] | bytes, str]] = [
    ("empty", b"", "input"),
    ("no input", {"model": "committee"}, "input"),
    ("input a number", {"input": 7}, "input"),
    ("input empty", {"input": []}, "input"),
    ("an item that is a number", {"input": ["hi", 7]}, "input[0]"),
    (
        "an unknown role",
        {"input": [{"role": "user", "content": "a"}, {"role": "wizard", "content": "a"}]},
        "input[1].role",
    ),
    ("a message without role", {"input": [{"type": "message", "content": "a"}]}, "input[0].role"),
    ("content a number", {"instructions": "x", "input": [{"role": "user", "content": 7}]}, "input[0].content"),
    ("a call without id", {"input": [{"type": "function_call", "name": "f", "arguments": "{}"}]}, "input[0].call_id"),
    ("a call without name", {"input": [{"type": "function_call", "call_id": "a"}]}, "input[0].name"),
    ("an output without id", {"input": [{"type": "function_call_output", "output": "x"}]}, "input[0].call_id"),
    (
        "an output that is a number",
        {"input": [{"type": "function_call_output", "call_id": "a", "output": 7}]},
        "input[0].output",
    ),
    ("a reference", {"input": [{"type": "item_reference", "id": "msg_1"}]}, "input[0].type"),
    ("an earlier response", {"input": "a", "previous_response_id": "resp_1"}, "previous_response_id"),
    ("a conversation", {"input": "a", "conversation": {"id": "conv_1"}}, "conversation"),
    ("a stored prompt", {"input": "a", "prompt": {"id": "pmpt_1"}}, "prompt"),
    ("in the background", {"input": "a", "background": True}, "background"),
    ("instructions a number", {"input": "a", "instructions": 7}, "instructions"),
    ("temperature too high", {"input": "a", "temperature": 9}, "temperature"),
    ("no tokens", {"input": "a", "max_output_tokens": 0}, "max_output_tokens"),
    ("an unknown effort", {"input": "a", "reasoning": {"effort": "heroic"}}, "reasoning.effort"),
    ("an unknown format", {"input": "a", "text": {"format": {"type": "xml"}}}, "text.format.type"),
    ("a format without schema", {"input": "a", "text": {"format": {"type": "json_schema"}}}, "text.format.schema"),
    ("a function without name", {"input": "a", "tools": [{"type": "function"}]}, "tools[0].name"),
    ("parameters a string", {"input": "a", "tools": [{**READ_FILE, "parameters": "x"}]}, "tools[0].parameters"),
    ("a tool without type", {"input": "a", "tools": [{"name": "f"}]}, "tools[0].type"),
    ("too many tools", {"input": "a", "tools": [{**READ_FILE, "name": f"f{n}"} for n in range(129)]}, "tools"),
    ("an unknown choice", {"input": "a", "tool_choice": "sometimes"}, "tool_choice"),
    ("a choice of no tool", {"input": "a", "tool_choice": {"type": "function", "name": "x"}}, "tool_choice"),
    ("a choice without name", {"input": "a", "tool_choice": {"type": "function"}}, "tool_choice.name"),
    ("a hosted tool", {"input": "a", "tool_choice": {"type": "web_search"}}, "tool_choice.type"),
    ("too many alternatives", {"input": "a", "top_logprobs": 99}, "top_logprobs"),
    ("an unknown mode", {"input": "a", "committee": {"mode": "loud"}}, "committee.mode"),
    (
        "a picture that is none",
        {
            "input": [
                {
                    "role": "user",
                    "content": [
                        {"type": "input_text", "text": "a"},
                        {"type": "input_image", "image_url": "data:image/png;base64,%%%"},
                    ],
                }
            ]
        },
        "input[0].content[1]",
    ),
    ("stream a string", {"input": "a", "stream": "yes"}, "stream"),
]


async def test_bad_requests_name_the_field(server: Server) -> None:
    for name, body, param in BAD:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"content-type": "application/json"}
        async with server.http.post(server.url + "/v1/responses", data=data, headers=headers) as response:
            answer = await response.json()
        assert response.status == 400, (name, answer)
        error = answer["error"]
        assert set(error) == {"message", "type", "param", "code"}, name
        assert error["param"] == param, (name, error)
        assert "messages" not in error["message"], (name, error)
    assert await server.job_count() == 0


UNUSUAL_BUT_LEGAL: list[dict[str, Any]] = [
    {"input": "Hi", "tools": None, "tool_choice": None, "text": None, "reasoning": None, "stream": None},
    {"input": "Hi", "include": ["file_search_call.results"], "truncation": "auto", "top_logprobs": 0, "store": True},
    {"input": "Hi", "text": {"verbosity": "low", "format": {"type": "text"}}, "stream_options": {}, "metadata": {}},
    {
        "input": [
            {"role": "user", "content": [{"type": "input_image", "image_url": "data:image/png;base64,iVBORw0KGgo="}]}
        ]
    },
    {
        "input": [
            {"type": "web_search_call", "id": "ws_1", "status": "completed"},
            {"role": "user", "content": "a"},
            {
                "type": "message",
                "role": "assistant",
                "id": "msg_1",
                "status": "completed",
                "content": [{"type": "output_text", "text": "b", "annotations": [], "logprobs": []}],
            },
            {"role": "user", "content": "c"},
        ]
    },
    {
        "input": "Hi",
        "tools": [READ_FILE, {"type": "web_search"}, {"type": "mcp", "server_label": "x"}],
        "tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "read_file"}]},
    },
]


async def test_unusual_but_legal_requests(server: Server) -> None:
    for body in UNUSUAL_BUT_LEGAL:
        status, answer = await server.post("/v1/responses", body)
        assert status == 200, (body, answer)
        assert answer["output"], body


async def test_there_is_no_stored_response(server: Server) -> None:
    async with sdk(server) as client:
        for ask in (client.responses.retrieve, client.responses.delete, client.responses.cancel):
            with pytest.raises(openai.NotFoundError) as missing:
                await ask("resp_1")
            assert missing.value.code == "response_not_found"
        with pytest.raises(openai.NotFoundError):
            await client.responses.input_items.list("resp_1")
