"""Requests as real editors and agents send them, recorded, replayed against the server."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.api.conftest import Server
from tests.api.test_chat_api import FILM_PROMPT, raw_stream
from tests.fakes.ollama import FakeOllama

Pair = tuple[FakeOllama, FakeOllama]

READ_FILE = {
    "type": "function",
    "function": {
        "name": "read_file",
        "description": "Returns full contents of a given file.",
        "parameters": {
            "type": "object",
            "properties": {"uri": {"type": "string", "description": "The FULL path to the file."}},
            "required": ["uri"],
        },
    },
}
VOID_HEADERS = {
    "authorization": "Bearer noop",
    "user-agent": "OpenAI/JS 4.96.0",
    "x-stainless-lang": "js",
    "x-stainless-retry-count": "0",
    "accept": "application/json",
}
XML_CALL = "I'll read it.\n<read_file>\n<uri>/repo/a.ts</uri>\n</read_file>"


def void_chat(text: str, **extra: Any) -> dict[str, Any]:
    """Void: a system message, always streamed, neither max_tokens nor stream_options."""
    system = "You are an expert coding agent whose job is to help the user develop, run, and make changes."
    messages = [{"role": "system", "content": system}, {"role": "user", "content": text}]
    return {"model": "committee-qwen3-gpt-oss", "messages": messages, "stream": True, **extra}


def deltas(events: list[str]) -> list[dict[str, Any]]:
    chunks = [json.loads(event) for event in events[:-1]]
    return [chunk["choices"][0]["delta"] for chunk in chunks if chunk["choices"]]


@pytest.mark.parametrize("base", ["", "/v1"])
async def test_void_chat(model_server: Server, ollamas: Pair, base: str) -> None:  # K008 C024 C025
    """As its OpenAI-compatible provider sends it: the base URL verbatim, reasoning read from `reasoning_content`."""
    path = f"{base}/chat/completions"
    body = void_chat("What does a.ts do?", reasoning_effort="low")
    async with model_server.http.post(model_server.url + path, json=body, headers=VOID_HEADERS) as response:
        assert response.status == 200
        events = (await response.text()).removesuffix("\n\n").split("\n\n")
    seen = deltas([event.removeprefix("data: ") for event in events])
    assert "".join(delta.get("content") or "" for delta in seen) == ollamas[0].text
    assert "".join(delta.get("reasoning_content") or "" for delta in seen)


async def test_void_xml_tool_call_stays_the_last_thing(model_server: Server, ollamas: Pair) -> None:
    ollamas[0].text = ollamas[1].text = XML_CALL
    events = await raw_stream(model_server, void_chat("Read a.ts"))
    assert "".join(delta.get("content") or "" for delta in deltas(events)) == XML_CALL


async def test_void_native_tool_step(model_server: Server, ollamas: Pair) -> None:
    """A call is put together from index 0 alone, then its result comes back with the whole history."""
    for ollama in ollamas:
        ollama.plan = {"action": "call", "calls": [{"tool": "read_file", "args": {"uri": "/repo/a.ts"}}]}
    events = await raw_stream(model_server, void_chat("Read a.ts", tools=[READ_FILE]))
    fragments = [call for delta in deltas(events) for call in delta.get("tool_calls", ()) if call["index"] == 0]
    call = {"id": fragments[0]["id"], "type": "function"}
    arguments = "".join(fragment["function"]["arguments"] for fragment in fragments)
    assert fragments[0]["function"]["name"] == "read_file"
    assert json.loads(arguments) == {"uri": "/repo/a.ts"}

    for ollama in ollamas:
        ollama.plan = {}
    body = void_chat("Read a.ts", tools=[READ_FILE])
    function = {"name": "read_file", "arguments": arguments}
    body["messages"] += [
        {"role": "assistant", "content": "", "tool_calls": [{**call, "function": function}]},
        {"role": "tool", "tool_call_id": call["id"], "content": "export const a = 1"},
    ]
    events = await raw_stream(model_server, body)
    assert "".join(delta.get("content") or "" for delta in deltas(events)) == ollamas[0].text


async def test_agents_own_write_tools_start_nothing_here(model_server: Server, ollamas: Pair) -> None:
    """Client tools are handed back although a server tool would fit as well."""
    for ollama in ollamas:
        ollama.plan = {"action": "call", "calls": [{"tool": "read_file", "args": {"uri": "/x"}}]}
    await raw_stream(model_server, void_chat(FILM_PROMPT, tools=[READ_FILE], tool_choice="required"))
    assert await model_server.job_count() == 0


@pytest.mark.parametrize(
    "extra",
    [
        {"max_tokens": 32000, "stream_options": {"include_usage": True}, "tool_choice": "auto"},  # opencode
        {"max_tokens": 8000, "stream_options": {"include_usage": True}},  # qwen-code
        {"max_completion_tokens": 4096, "store": False, "stream_options": {"include_usage": True}},  # pi
        {"parallel_tool_calls": True, "tools": [READ_FILE], "tool_choice": "auto"},  # Roo
        {"prompt_cache_key": "a", "max_completion_tokens": 100, "reasoning_effort": "high"},  # Zed
        {"ignore_eos": True, "max_tokens": 64},  # guidellm
        {"temperature": 0, "top_p": 1, "frequency_penalty": 0, "presence_penalty": 0, "user": "x"},
        {"metadata": {"a": "b"}, "service_tier": "auto", "logprobs": False, "modalities": ["text"]},
    ],
)
async def test_agents_extra_fields(model_server: Server, extra: dict[str, Any]) -> None:
    events = await raw_stream(model_server, void_chat("Hello", **extra))
    assert events[-1] == "[DONE]"
    last = json.loads(events[-2])
    if "stream_options" in extra:
        assert last["choices"] == []
        assert all(isinstance(last["usage"][k], int) for k in ("prompt_tokens", "completion_tokens", "total_tokens"))
    else:
        assert last["choices"][0]["finish_reason"] == "stop"


async def test_a_title_request_on_the_side(model_server: Server) -> None:
    """Open WebUI and opencode ask for titles in parallel; not streamed, one message, few tokens."""
    text = "### Task:\nGenerate a concise, 3-5 word title with an emoji summarizing the chat history."
    body = {"model": "committee", "stream": False, "max_tokens": 50, "messages": [{"role": "user", "content": text}]}
    status, answer = await model_server.post("/v1/chat/completions", body)
    assert status == 200
    assert answer["committee"]["agreement"] == "solo"
