"""What a chat completion request may say besides its messages, and how the answer says it back."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import Any, cast

import openai
import pytest
from pydantic import BaseModel

from committee import ClientToolCalls, ToolCall
from orchestrator.settings import CommitteeSettings
from tests.api.conftest import Server, StartServer
from tests.api.test_chat_api import FILM_PLAN, FILM_PROMPT, raw_stream, sdk, user
from tests.fakes.committee import Script, ScriptedCommittee, finished, said
from tests.fakes.ollama import PLAN as ANSWER
from tests.fakes.ollama import FakeOllama, Reply, is_probe

Pair = tuple[FakeOllama, FakeOllama]
CHAT = "/v1/chat/completions"


def scripted(server: Server, script: Script) -> ScriptedCommittee:
    """Have the server's committee say what `script` gives for each turn."""
    made = ScriptedCommittee(server.api.turns.committee, script)
    server.api.turns.committee = made
    return made


# -- several answers ---------------------------------------------------------------------------------------------------


def three_answers(_: Any) -> list[Any]:
    pieces = [said("a0"), said("b0", 1), said("a1"), said("c0", 2), said("b1", 1)]
    return [*pieces, finished()]


async def test_several_answers_are_told_apart_by_index(server: Server) -> None:
    committee = scripted(server, three_answers)
    async with sdk(server) as client:
        answer = await client.chat.completions.create(model="committee", messages=user("Hi"), n=3)
    assert [(choice.index, choice.message.content) for choice in answer.choices] == [
        (0, "a0a1"),
        (1, "b0b1"),
        (2, "c0"),
    ]
    assert {choice.finish_reason for choice in answer.choices} == {"stop"}
    assert committee.turns[0].n == 3


async def test_several_answers_are_streamed_side_by_side(server: Server) -> None:
    scripted(server, three_answers)
    texts: dict[int, str] = {}
    begun: list[int] = []
    ended: list[int] = []
    async with sdk(server) as client:
        stream = await client.chat.completions.create(model="committee", messages=user("Hi"), n=3, stream=True)
        async for chunk in stream:
            (choice,) = chunk.choices
            if choice.delta.role:
                assert choice.index not in texts
                begun.append(choice.index)
            texts[choice.index] = texts.get(choice.index, "") + (choice.delta.content or "")
            if choice.finish_reason:
                ended.append(choice.index)
    assert texts == {0: "a0a1", 1: "b0b1", 2: "c0"}
    assert begun == ended == [0, 1, 2]


async def test_the_speaker_answers_several_times(model_server: Server, ollamas: Pair) -> None:
    async with sdk(model_server) as client:
        answer = await client.chat.completions.create(
            model="committee", messages=user("Hi"), n=3, logprobs=True, top_logprobs=1
        )
    assert [choice.message.content for choice in answer.choices] == ["Hello from the model."] * 3
    speeches = [speech for ollama in ollamas for speech in ollama.speeches]
    assert len({speech["options"]["seed"] for speech in speeches}) == len(speeches) == 3
    for choice in answer.choices:
        assert choice.logprobs is not None
        assert choice.logprobs.content is not None
        assert "".join(token.token for token in choice.logprobs.content) == choice.message.content
        assert all(len(token.top_logprobs) == 1 for token in choice.logprobs.content)


async def test_every_answer_says_how_it_ended(model_server: Server, ollamas: Pair) -> None:
    def answer_to(body: dict[str, Any]) -> Reply:
        if is_probe(body):
            return Reply(json.dumps(ANSWER))
        spoken = sum(len(ollama.speeches) for ollama in ollamas)
        return Reply("Hello.", done_reason="length" if spoken == 2 else "stop")

    for ollama in ollamas:
        ollama.answer = answer_to
    body = {"model": "committee", "messages": user("Hi"), "n": 3}
    _, answer = await model_server.post(CHAT, body)
    assert [choice["finish_reason"] for choice in answer["choices"]] == ["stop", "length", "stop"]


async def test_a_limit_beyond_all_bounds_is_one_that_servers_can_hold(model_server: Server, ollamas: Pair) -> None:
    status, _ = await model_server.post(CHAT, {"messages": user("Hi"), "max_tokens": 2**70})
    assert status == 200
    assert [one["options"]["num_predict"] for ollama in ollamas for one in ollama.speeches] == [2**31 - 1]


# -- log probabilities -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [False, True])
async def test_log_probabilities_are_those_of_the_speaker(server: Server, stream: bool) -> None:
    committee = scripted(server, lambda _: [said("Hé", logprobs=True), said("llo"), finished()])
    async with sdk(server) as client:
        asked: dict[str, Any] = {"model": "committee", "messages": user("Hi"), "logprobs": True, "top_logprobs": 2}
        if stream:
            chunks = [chunk async for chunk in await client.chat.completions.create(**asked, stream=True)]
            found = [c.choices[0].logprobs for c in chunks if c.choices[0].logprobs]
        else:
            found = [(await client.chat.completions.create(**asked)).choices[0].logprobs]
    (token,) = [one for part in found if part for one in part.content or ()]
    assert (token.token, token.logprob, token.bytes) == ("Hé", -0.5, [72, 195, 169])
    assert [(other.token, other.logprob) for other in token.top_logprobs] == [("Hé", -0.5), ("é", -2.0)]
    assert committee.turns[0].logprobs == 2


async def test_without_log_probabilities_there_is_null(server: Server) -> None:
    scripted(server, lambda _: [said("Hello"), finished()])
    _, answer = await server.post(CHAT, {"messages": user("Hi"), "logprobs": True})
    assert answer["choices"][0]["logprobs"] is None


# -- tools in all their forms ------------------------------------------------------------------------------------------


def tool(name: str) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "parameters": {"type": "object"}}}


ALLOWED = {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [tool("b"), tool("image.generate")]}}
ALLOWED_FLAT = {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "b"}]}


@pytest.mark.parametrize(
    ("choice", "wanted", "offered"),
    [
        ("auto", "auto", {"a", "b", "film_run", "image_generate", "job_status", "job_cancel"}),
        ("required", "required", {"a", "b", "film_run", "image_generate", "job_status", "job_cancel"}),
        ({"type": "function", "function": {"name": "b"}}, "b", None),
        ({"type": "function", "name": "a"}, "a", None),
        ({"type": "tool", "name": "a"}, "a", None),
        ({"type": "any"}, "required", None),
        (ALLOWED, "required", {"b", "image_generate"}),
        (ALLOWED_FLAT, "auto", {"b"}),
    ],
)
async def test_every_form_of_tool_choice(
    server: Server, choice: Any, wanted: str, offered: set[str] | None
) -> None:  # C030 C037
    committee = scripted(server, lambda _: [said("Hello"), finished()])
    body = {"messages": user("Hi"), "tools": [tool("a"), tool("b")], "tool_choice": choice}
    status, answer = await server.post(CHAT, body)
    assert status == 200, answer
    (turn,) = committee.turns
    assert turn.tool_choice == wanted
    if offered is not None:
        assert offered <= {spec.name for spec in turn.tools}
        assert len(turn.tools) == len(offered) or choice in ("auto", "required")


async def test_the_members_are_shown_what_the_client_declares(model_server: Server, ollamas: Pair) -> None:  # C037
    parameters = {"type": "object", "properties": {"pitch": {"type": "number", "description": "in cents"}}}
    declared = {"name": "tune", "description": "Tunes a violin.", "parameters": parameters}
    await model_server.post(CHAT, {"messages": user("Tune it"), "tools": [{"type": "function", "function": declared}]})
    for ollama in ollamas:
        sent = json.dumps(ollama.chats[0])
        assert all(word in sent for word in ("tune", "Tunes a violin.", "pitch", "in cents"))


CALL = ToolCall("call_1", "look", {"where": "here"})


@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_of_the_first_function_api_is_answered_in_it(server: Server, stream: bool) -> None:
    scripted(server, lambda _: [ClientToolCalls((CALL,)), finished("tool_calls")])
    body = {
        "messages": user("Hi"),
        "functions": [{"name": "look", "parameters": {"type": "object"}}],
        "function_call": {"name": "look"},
    }
    if stream:
        events = await raw_stream(server, body)
        choices = [choice for event in events[:-1] for choice in json.loads(event)["choices"]]
        (said_,) = [choice["delta"] for choice in choices if "function_call" in choice["delta"]]
        assert choices[-1]["finish_reason"] == "function_call"
    else:
        _, answer = await server.post(CHAT, body)
        said_ = answer["choices"][0]["message"]
        assert answer["choices"][0]["finish_reason"] == "function_call"
        assert said_["content"] is None
    assert "tool_calls" not in said_
    assert said_["function_call"] == {"name": "look", "arguments": '{"where":"here"}'}


# -- the committee's own field -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "asked", "mode"),
    [
        ("committee", None, "auto"),
        ("committee", {"mode": "auto"}, "auto"),
        ("committee@deep", None, "deep"),
        ("committee", {"mode": "deep"}, "deep"),
        ("committee@deep", {"mode": "auto"}, "auto"),
        ("committee@solo", None, "solo:qwen3"),
        ("committee", {"mode": "solo"}, "solo:qwen3"),
        ("committee", {"mode": "solo:gptoss"}, "solo:gptoss"),
        ("committee", {"mode": "solo:gpt-oss:20b"}, "solo:gptoss"),
        ("gpt-oss:20b", {"mode": "deep"}, "solo:gptoss"),
    ],
)
async def test_modes(model_server: Server, model: str, asked: Any, mode: str) -> None:
    committee = scripted(model_server, lambda _: [said("Hello"), finished()])
    status, answer = await model_server.post(CHAT, {"model": model, "messages": user("Hi"), "committee": asked})
    assert status == 200, answer
    assert committee.turns[0].mode == mode


async def test_the_answer_says_how_it_came_about(server: Server) -> None:
    account = {
        "mode": "deep",
        "decided_by": "verdicts",
        "agreed": ("qwen3",),
        "dissent": {"gptoss": "41"},
        "spoke_because": "its position won",
        "held": (CALL,),
    }
    scripted(server, lambda _: [said("42"), finished(**account)])
    _, answer = await server.post(CHAT, {"messages": user("Hi")})
    events = await raw_stream(server, {"messages": user("Hi")})
    for committee in (answer["committee"], json.loads(events[-2])["committee"]):
        assert committee["decided_by"] == "verdicts"
        assert committee["agreed"] == ["qwen3"]
        assert committee["dissent"] == {"gptoss": "41"}
        assert committee["spoke_because"] == "its position won"
        assert committee["held"] == [{"id": "call_1", "name": "look", "arguments": {"where": "here"}}]
        assert committee["usage"]["gptoss"]["hidden_tokens"] == 3
    assert answer["usage"]["completion_tokens"] == 8
    assert answer["usage"]["completion_tokens_details"]["reasoning_tokens"] == 5


# -- JSON by a schema --------------------------------------------------------------------------------------------------


class Person(BaseModel):
    name: str
    age: int


SCHEMA = {
    "type": "json_schema",
    "json_schema": {"name": "Person", "strict": True, "schema": Person.model_json_schema()},
}
GOOD = '{"name": "Ada", "age": 36}'


async def test_the_sdk_parses_a_structured_answer(model_server: Server, ollamas: Pair) -> None:
    ollamas[0].text = GOOD
    async with sdk(model_server) as client:
        answer = await client.chat.completions.parse(model="committee", messages=user("Who?"), response_format=Person)
        assert answer.choices[0].message.parsed == Person(name="Ada", age=36)
        async with client.chat.completions.stream(
            model="committee", messages=user("Who?"), response_format=Person
        ) as stream:
            final = await stream.get_final_completion()
    assert final.choices[0].message.parsed == Person(name="Ada", age=36)
    assert ollamas[0].speeches[-1]["format"]["required"] == ["name", "age"]


async def test_an_invalid_answer_is_repaired_by_the_other_member(model_server: Server, ollamas: Pair) -> None:
    ollamas[0].text, ollamas[1].text = '{"name": "Ada"}', GOOD
    status, answer = await model_server.post(CHAT, {"messages": user("Who?"), "response_format": SCHEMA})
    assert status == 200, answer
    assert answer["choices"][0]["message"]["content"] == GOOD
    assert answer["committee"]["speaker"] == "gptoss"
    assert "'age' is a required property" in ollamas[1].speeches[-1]["messages"][-1]["content"]
    assert answer["committee"]["usage"]["qwen3"]["calls"] >= 2


async def test_one_repair_is_all(model_server: Server, ollamas: Pair) -> None:
    ollamas[0].text = ollamas[1].text = '{"name": 1}'
    status, answer = await model_server.post(CHAT, {"messages": user("Who?"), "response_format": SCHEMA})
    assert (status, answer["error"]["code"]) == (502, "json_validation_failed")
    assert sum(len(ollama.speeches) for ollama in ollamas) == 2
    async with sdk(model_server) as client:
        with pytest.raises(openai.InternalServerError):
            await client.chat.completions.create(
                model="committee", messages=user("Who is it?"), response_format=cast(Any, SCHEMA)
            )
    assert sum(len(ollama.speeches) for ollama in ollamas) == 4  # the SDK did not try again


async def test_an_invalid_stream_ends_with_an_error_and_no_stop(model_server: Server, ollamas: Pair) -> None:
    ollamas[0].text = '{"name": "Ada",'
    events = await raw_stream(model_server, {"messages": user("Who?"), "response_format": SCHEMA})
    assert json.loads(events[-1])["error"]["code"] == "json_validation_failed"
    assert not any(choice["finish_reason"] for event in events[:-1] for choice in json.loads(event)["choices"])


async def test_an_answer_cut_off_at_its_length_says_so(model_server: Server, ollamas: Pair) -> None:
    def answer(body: dict[str, Any]) -> Reply:
        return Reply(json.dumps(PLAN)) if is_probe(body) else Reply('{"name": "A', done_reason="length")

    for ollama in ollamas:
        ollama.answer = answer
    status, body = await model_server.post(CHAT, {"messages": user("Who?"), "response_format": SCHEMA})
    assert status == 200
    assert body["choices"][0]["finish_reason"] == "length"


PLAN = {
    "work": "",
    "action": "answer",
    "decline_kind": "",
    "calls": [],
    "key": "",
    "points": [],
    "risks": [],
    "confidence": 1,
}


# -- prompts, pacing, plain clients ------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/run", "/v1/run"])
async def test_run_takes_a_prompt_or_a_chat(model_server: Server, ollamas: Pair, path: str) -> None:
    for body in ({"prompt": "Say hello"}, {"messages": user("Say hello")}, {"prompt": "Say hello", "seed": 4}):
        status, answer = await model_server.post(path, body)
        assert status == 200, answer
        assert answer["object"] == "chat.completion"
        assert answer["choices"][0]["message"]["content"] == "Hello from the model."
        assert any("Say hello" in message["content"] for message in ollamas[0].speeches[-1]["messages"])
    assert (await raw_stream(model_server, {"prompt": "Say hello"}, path))[-1] == "[DONE]"
    for wrong in ({"prompt": 7}, {"prompt": None}, {}, {"messages": []}):
        status, answer = await model_server.post(path, wrong)
        assert (status, answer["error"]["type"]) == (400, "invalid_request_error")
    status, _ = await model_server.post(CHAT, {"prompt": "Say hello"})
    assert status == 400


async def _section_chunks(server: Server, ollamas: Pair) -> list[tuple[float, str]]:
    """When the pieces of the appended section came, in seconds, and what they were."""
    for ollama in ollamas:
        ollama.plan = FILM_PLAN
        ollama.text = "Done."
    pieces: list[tuple[float, str]] = []
    async with sdk(server) as client:
        stream = await client.chat.completions.create(model="committee", messages=user(FILM_PROMPT), stream=True)
        async for chunk in stream:
            if text := chunk.choices[0].delta.content:
                pieces.append((asyncio.get_running_loop().time(), text))
    return pieces[1:]


async def test_whole_text_is_one_chunk_by_default(model_server: Server, ollamas: Pair) -> None:  # C114
    ((_, section),) = await _section_chunks(model_server, ollamas)
    assert section.startswith("\n\n### Tool Results\n")


async def test_chunks_of_whole_text_are_spaced(start_server: StartServer, ollamas: Pair) -> None:  # C115
    assert CommitteeSettings().stream_chunk_size_chars == 0
    assert CommitteeSettings().stream_chunk_interval_ms == 50
    server = await start_server(ollamas=ollamas, committee=CommitteeSettings(stream_chunk_size_chars=40))
    pieces = await _section_chunks(server, ollamas)
    assert len(pieces) >= 3
    assert all(len(text) <= 40 for _, text in pieces)
    # The network may bring pieces together, so only the whole is timed.
    assert pieces[-1][0] - pieces[0][0] >= 0.05 * (len(pieces) - 2)


async def test_the_plain_sdk_without_asyncio(model_server: Server) -> None:  # C021 C024 K009
    def talk() -> tuple[str, str, int]:
        with openai.OpenAI(base_url=f"{model_server.url}/v1", api_key="x") as client:
            names = [model.id for model in client.models.list()]
            whole = client.chat.completions.create(model=names[0], messages=user("Hi"))
            streamed = client.chat.completions.create(
                model=names[0], messages=user("Hi"), stream=True, stream_options={"include_usage": True}
            )
            chunks = list(streamed)
            usage = chunks[-1].usage
            text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
            return whole.choices[0].message.content or "", text, usage.total_tokens if usage else 0

    result: list[Any] = []
    thread = threading.Thread(target=lambda: result.append(talk()))
    thread.start()
    while thread.is_alive():
        await asyncio.sleep(0.01)
    ((whole, streamed, tokens),) = result
    assert whole == streamed == "Hello from the model."
    assert tokens > 0
