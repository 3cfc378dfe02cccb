"""One behavioural suite for every implementation of the `ChatBackend` port, and what is special to each server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest

from committee import ChatBackend, ChatRequest, Delta, MemberConfig, Message, StageContext, ToolCall, prompts, proposal
from committee.backends import ollama as ollama_module
from committee.backends import openai_compat as openai_module
from committee.backends.offline import OfflineMember
from committee.backends.ollama import OllamaMember
from committee.backends.openai_compat import OpenAIMember
from committee.backends.wire import error_from, error_message
from committee.errors import (
    AnswerTooLarge,
    BadAnswer,
    ContextTooLong,
    MemberBusy,
    MemberError,
    MemberFailed,
    MemberTimeout,
    MemberUnreachable,
    ModelMissing,
    RequestRejected,
    StreamCut,
    WrongModel,
)
from tests.contract.committee.conftest import FILM, READ_FILE, member
from tests.fakes.ollama import FakeOllama, Fault, Reply
from tests.fakes.openai import FakeOpenAI


def request(text: str = "Hello", **options: Any) -> ChatRequest:
    options.setdefault("messages", (Message("user", text),))
    options.setdefault("context", StageContext("speak", text))
    return ChatRequest(**{"total_s": 1.0, "first_byte_s": 0.4, "idle_s": 0.4, **options})


def probe_request(text: str) -> ChatRequest:
    messages = (Message("user", text), Message("user", prompts.probe([FILM], must_call=False)))
    context = StageContext("probe", text, (FILM,))
    return request(text, messages=messages, context=context, response_schema=proposal.schema([FILM]), think="off")


async def collect(backend: ChatBackend, asked: ChatRequest) -> list[Delta]:
    deltas = []
    async with aclosing(backend.stream(asked)) as stream:
        async for delta in stream:
            deltas.append(delta)
    return deltas


def text_of(deltas: list[Delta]) -> str:
    return "".join(delta.text for delta in deltas)


@pytest.fixture
async def ollama() -> AsyncIterator[FakeOllama]:
    async with FakeOllama("qwen3:32b") as fake:
        fake.loaded["qwen3:32b"] = 8192
        yield fake


@pytest.fixture
async def openai() -> AsyncIterator[FakeOpenAI]:
    async with FakeOpenAI("qwen3-32b") as fake:
        yield fake


@pytest.fixture(params=["ollama", "openai", "offline"])
async def backend(request: pytest.FixtureRequest, ollama: FakeOllama, openai: FakeOpenAI) -> AsyncIterator[ChatBackend]:
    made: ChatBackend
    if request.param == "ollama":
        made = member(ollama, "qwen3", "qwen3:32b")
    elif request.param == "openai":
        made = OpenAIMember(MemberConfig("qwen3", "qwen3-32b", openai.base_url))
    else:
        made = OfflineMember("qwen3")
    yield made
    await made.aclose()


class TestEveryBackend:
    async def test_the_last_delta_and_only_that_is_done(self, backend: ChatBackend) -> None:
        deltas = await collect(backend, request())
        assert text_of(deltas).strip()
        assert [delta.done is not None for delta in deltas] == [False] * (len(deltas) - 1) + [True]
        done = deltas[-1].done
        assert done is not None
        assert done.finish_reason == "stop"
        assert done.prompt_tokens > 0
        assert done.completion_tokens > 0

    async def test_a_probe_is_answered_in_its_form(self, backend: ChatBackend) -> None:
        found = proposal.parse(text_of(await collect(backend, probe_request("Hello"))), [FILM])
        assert found.action == "answer"
        assert not found.repaired

    async def test_health_names_the_member_and_its_model(self, backend: ChatBackend) -> None:
        health = await backend.health()
        assert health.name == backend.name == "qwen3"
        assert health.reachable is not backend.stand_in  # no server stands behind rules
        assert health.model == backend.model
        assert health.stand_in == backend.stand_in

    async def test_closing_early_is_allowed_and_twice(self, backend: ChatBackend) -> None:
        stream = backend.stream(request())
        await anext(stream)
        await stream.aclose()
        await stream.aclose()
        assert text_of(await collect(backend, request())).strip()

    async def test_many_at_once(self, backend: ChatBackend) -> None:
        answers = await asyncio.gather(*(collect(backend, request()) for _ in range(20)))
        assert len({text_of(deltas) for deltas in answers}) == 1


class TestOllama:
    @pytest.mark.parametrize(
        ("fault", "error"),
        [
            (Fault.STALL, MemberTimeout),
            (Fault.STALL_MIDWAY, MemberTimeout),
            (Fault.DRIP, MemberTimeout),
            (Fault.CUT, StreamCut),
            (Fault.NO_DONE, StreamCut),
            (Fault.ERROR_LINE, MemberFailed),
            (Fault.MALFORMED, BadAnswer),
            (Fault.NOT_UTF8, BadAnswer),
            (Fault.HTTP_500, MemberFailed),
            (Fault.HTTP_404, ModelMissing),
            (Fault.HTTP_503, MemberBusy),
            (Fault.WRONG_MODEL, WrongModel),
            (Fault.HUGE_LINE, AnswerTooLarge),
            (Fault.BROKEN_CALL, BadAnswer),
        ],
    )
    async def test_every_fault_has_its_error(self, ollama: FakeOllama, fault: Fault, error: type[MemberError]) -> None:
        ollama.fault = fault
        backend = member(ollama, "qwen3", "qwen3:32b")
        async with asyncio.timeout(2.5):
            with pytest.raises(error) as caught:
                await collect(backend, request())
        assert caught.value.message
        await ollama.until(lambda: ollama.open == 0)
        await backend.aclose()

    async def test_a_refused_connection_is_unreachable(self) -> None:
        backend = OllamaMember(MemberConfig("qwen3", "qwen3:32b", "http://127.0.0.1:9"))
        with pytest.raises(MemberUnreachable, match=r"http://127\.0\.0\.1:9 cannot be reached"):
            await collect(backend, request())
        health = await backend.health()
        assert not health.reachable
        await backend.aclose()

    async def test_thoughts_are_kept_apart(self, ollama: FakeOllama) -> None:
        ollama.thinking = "Let me see."
        backend = member(ollama, "qwen3", "qwen3:32b")
        await backend.resolve()
        deltas = await collect(backend, request(think="medium"))
        assert ollama.chats[0]["think"] is True
        assert "".join(delta.thinking for delta in deltas) == "Let me see."
        assert text_of(deltas) == "Hello from the model."
        done = deltas[-1].done
        assert done is not None
        assert done.thinking_tokens == 3
        assert done.completion_tokens == 7
        await backend.aclose()

    async def test_torn_characters_are_put_together(self, ollama: FakeOllama) -> None:
        ollama.text = "Grüße 🎬 из 東京"
        ollama.split_utf8 = True
        backend = member(ollama, "qwen3", "qwen3:32b")
        assert text_of(await collect(backend, request())) == ollama.text
        await backend.aclose()

    async def test_a_model_that_is_being_loaded_is_waited_for(self, ollama: FakeOllama) -> None:
        ollama.loaded.clear()
        ollama.load_s = 0.5  # longer than the first byte of a loaded model may take
        backend = member(ollama, "qwen3", "qwen3:32b", cold_load_s=5.0)
        assert text_of(await collect(backend, request())) == "Hello from the model."
        await backend.aclose()

    async def test_a_model_that_never_loads_is_given_up(self, ollama: FakeOllama) -> None:
        ollama.loaded.clear()
        ollama.load_s = 30
        backend = member(ollama, "qwen3", "qwen3:32b", cold_load_s=0.7)
        with pytest.raises(MemberTimeout, match="loading the model included"):
            await collect(backend, request())
        await backend.aclose()

    async def test_requests_that_are_stuck_do_not_wait_for_each_other(self, ollama: FakeOllama) -> None:  # R11
        ollama.fault = Fault.STALL
        backend = member(ollama, "qwen3", "qwen3:32b", cold_load_s=30.0)
        async with asyncio.timeout(5):
            answers = (collect(backend, request()) for _ in range(3))
            errors = await asyncio.gather(*answers, return_exceptions=True)
        assert [str(error) for error in errors] == ["No answer within 0.4 s."] * 3
        await backend.aclose()

    async def test_a_request_waits_for_the_one_in_front_of_it(self, ollama: FakeOllama) -> None:
        ollama.token_ms, ollama.text = 100, "word " * 15  # 1.5 s, several times what a first byte may take
        backend = member(ollama, "qwen3", "qwen3:32b", cold_load_s=30.0)
        in_front = asyncio.create_task(collect(backend, request(total_s=10.0)))
        await ollama.until(lambda: ollama.open == 1)
        ollama.fault = Fault.STALL
        with pytest.raises(MemberTimeout):
            await collect(backend, request())
        assert in_front.done()
        assert text_of(await in_front).strip() == ollama.text.strip()
        await backend.aclose()

    async def test_a_preloaded_model_has_the_context_of_all_requests(self, ollama: FakeOllama) -> None:
        ollama.loaded.clear()
        backend = member(ollama, "qwen3", "qwen3:32b", num_ctx=16384)
        assert (await backend.health()).loaded is False
        await backend.warm()
        health = await backend.health()
        assert health.loaded is True
        assert health.context_length == 16384
        assert health.size_vram == 20 << 30
        await collect(backend, request())
        assert {chat["options"]["num_ctx"] for chat in (*ollama.chats, *ollama.preloads)} == {16384}
        assert {chat["keep_alive"] for chat in (*ollama.chats, *ollama.preloads)} == {"24h"}
        await backend.aclose()

    async def test_a_smaller_context_than_configured_is_noted(self, ollama: FakeOllama) -> None:
        ollama.loaded["qwen3:32b"] = 4096
        backend = member(ollama, "qwen3", "qwen3:32b")
        health = await backend.health()
        assert health.context_length == 4096
        assert "context of 4096 tokens" in health.note
        await backend.aclose()

    async def test_a_missing_tag_is_replaced_within_its_family(self) -> None:
        async with FakeOllama("qwen3:8b", "qwen3:32b", "qwen3-coder:30b", "qwen3:0.6b") as fake:
            backend = member(fake, "qwen3", "qwen3:32b-instruct-q4_K_M")
            assert text_of(await collect(backend, request())) == "Hello from the model."
            assert backend.model == "qwen3:32b"
            health = await backend.health()
            assert "qwen3:32b-instruct-q4_K_M is not installed; qwen3:32b" in health.note
            await backend.aclose()

    async def test_a_missing_family_names_the_variable_and_the_command(self) -> None:
        async with FakeOllama("llama3:8b") as fake:
            backend = member(fake, "qwen3", "qwen3:32b", model_variable="QWEN_MODEL_ID")
            with pytest.raises(ModelMissing, match="Run `ollama pull qwen3:32b`, or set QWEN_MODEL_ID"):
                await collect(backend, request())
            health = await backend.health()
            assert health.reachable is not backend.stand_in  # no server stands behind rules
            assert health.model is None
            assert "ollama pull" in health.note
            await backend.aclose()

    async def test_any_installed_model_can_be_a_member(self) -> None:
        async with FakeOllama("llama3:8b") as fake:
            backend = member(fake, "qwen3", "llama3:8b")
            await backend.resolve()
            await collect(backend, request(think="off"))
            assert "think" not in fake.chats[0]
            await backend.aclose()

    @pytest.mark.parametrize(("think", "sent"), [("off", "low"), (None, "low"), ("low", "low"), ("high", "high")])
    async def test_gpt_oss_always_thinks(self, think: Any, sent: str) -> None:
        async with FakeOllama("gpt-oss:20b") as fake:
            backend = member(fake, "gptoss", "gpt-oss:20b")
            await collect(backend, request(think=think))
            assert fake.chats[0]["think"] == sent
            await backend.aclose()

    async def test_native_calls_and_their_ids_come_back(self, ollama: FakeOllama) -> None:
        wish = {"id": "call_7", "function": {"name": "read_file", "arguments": {"path": "a"}}}
        ollama.answer = lambda _: Reply(tool_calls=[wish])
        backend = member(ollama, "qwen3", "qwen3:32b")
        deltas = await collect(backend, request(tools=(READ_FILE,)))
        assert deltas[0].tool_calls == (ToolCall("call_7", "read_file", {"path": "a"}),)
        assert deltas[-1].done is not None
        assert deltas[-1].done.finish_reason == "tool_calls"
        await backend.aclose()

    async def test_pictures_go_to_those_who_see(self) -> None:
        asked = request(messages=(Message("user", "What is it?", images=("aGk=",)),))
        async with FakeOllama("qwen3:32b", "gemma3:27b") as fake:
            fake.installed["gemma3:27b"] = {"capabilities": ["completion", "vision"]}
            for model in fake.installed:
                backend = member(fake, "m", model)
                await backend.resolve()
                await collect(backend, asked)
                await backend.aclose()
            blind, seeing = (chat["messages"][0] for chat in fake.chats)
            assert "images" not in blind
            assert "which you cannot see" in blind["content"]
            assert seeing["images"] == ["aGk="]

    async def test_an_older_server_is_asked_for_the_models_card(self) -> None:
        async with FakeOllama("qwen3:32b") as fake:
            fake.old = True
            backend = member(fake, "qwen3", "qwen3:32b")
            await backend.resolve()
            assert "/api/show" in fake.paths
            await collect(backend, request(think="off"))
            assert fake.chats[0]["think"] is False
            await backend.aclose()

    async def test_one_connection_serves_turn_after_turn(self, ollama: FakeOllama) -> None:
        ollama.end_s = 0.01
        backend = member(ollama, "qwen3", "qwen3:32b")
        for _ in range(5):
            await collect(backend, request())
        connections = backend._server.connections
        assert (connections.in_use, connections.idle) == (0, 1)
        await backend.aclose()


class TestOpenAI:
    async def test_roles_alternate(self, openai: FakeOpenAI) -> None:
        backend = OpenAIMember(MemberConfig("qwen3", "qwen3-32b", openai.base_url))
        await collect(backend, probe_request("Hello"))
        roles = [message["role"] for message in openai.chats[0]["messages"]]
        assert roles == ["user"]
        assert openai.chats[0]["messages"][0]["content"].startswith("Hello\n\n[Planning step.")
        await backend.aclose()

    async def test_a_probe_is_bound_and_reasoning_is_off(self, openai: FakeOpenAI) -> None:
        backend = OpenAIMember(MemberConfig("qwen3", "qwen3-32b", openai.base_url + "/v1/"))
        await collect(backend, probe_request("Hello"))
        sent = openai.chats[0]
        assert sent["response_format"]["type"] == "json_schema"
        assert sent["chat_template_kwargs"] == {"enable_thinking": False}
        assert sent["stream_options"] == {"include_usage": True}
        await backend.aclose()

    async def test_what_is_refused_is_not_sent_again(self, openai: FakeOpenAI) -> None:
        openai.refuse = {"json_schema", "chat_template_kwargs"}
        backend = OpenAIMember(MemberConfig("qwen3", "qwen3-32b", openai.base_url))
        asked = probe_request("Hello")
        for _ in range(2):
            assert text_of(await collect(backend, asked)).startswith("{")
        assert len(openai.chats) == 4  # three to find out, one that knows
        assert openai.chats[-1]["response_format"] == {"type": "json_object"}
        openai.refuse = {"response_format"}
        await collect(backend, asked)
        assert "response_format" not in openai.chats[-1]
        openai.refuse = {"model"}
        with pytest.raises(RequestRejected):
            await collect(backend, asked)
        await backend.aclose()

    @pytest.mark.parametrize(
        ("fault", "error"),
        [
            (Fault.STALL, MemberTimeout),
            (Fault.STALL_MIDWAY, MemberTimeout),
            (Fault.CUT, StreamCut),
            (Fault.NO_DONE, StreamCut),
            (Fault.ERROR_LINE, MemberFailed),
            (Fault.MALFORMED, BadAnswer),
        ],
    )
    async def test_every_fault_has_its_error(self, openai: FakeOpenAI, fault: Fault, error: type[MemberError]) -> None:
        openai.fault = fault
        backend = OpenAIMember(MemberConfig("qwen3", "qwen3-32b", openai.base_url))
        with pytest.raises(error):
            await collect(backend, request())
        await backend.aclose()

    async def test_a_limit_beyond_the_window_is_left_to_the_server(self, openai: FakeOpenAI) -> None:
        openai.listed = {"max_model_len": 1000}
        backend = OpenAIMember(MemberConfig("qwen3", "qwen3-32b", openai.base_url))
        await backend.resolve()
        for limit, sent in ((100, 100), (900, 900), (990, None), (10**40, None)):
            assert text_of(await collect(backend, request("word " * 20, max_tokens=limit))) == "Hello from the model."
            assert openai.chats[-1].get("max_tokens") == sent
        await backend.aclose()

    async def test_the_end_is_where_the_server_says_so(self, openai: FakeOpenAI) -> None:
        openai.end_s = 60  # it keeps the connection open
        backend = OpenAIMember(MemberConfig("qwen3", "qwen3-32b", openai.base_url))
        async with asyncio.timeout(5):
            assert text_of(await collect(backend, request(idle_s=30))) == "Hello from the model."
        await backend.aclose()

    async def test_the_key_is_sent_and_a_wrong_one_is_named(self) -> None:
        async with FakeOpenAI("m", key="sk-right") as fake:
            right = OpenAIMember(MemberConfig("m", "m", fake.base_url, api_key="sk-right"))
            assert text_of(await collect(right, request())) == "Hello from the model."
            wrong = OpenAIMember(MemberConfig("m", "m", fake.base_url, api_key="sk-wrong"))
            with pytest.raises(RequestRejected, match="401"):
                await collect(wrong, request())
            await right.aclose()
            await wrong.aclose()

    async def test_thoughts_in_tags_are_kept_apart(self, openai: FakeOpenAI) -> None:
        openai.think_tags = True
        backend = OpenAIMember(MemberConfig("qwen3", "qwen3-32b", openai.base_url))
        deltas = await collect(backend, request())
        assert "".join(delta.thinking for delta in deltas) == "Hmm."
        assert text_of(deltas) == "Hello from the model."
        await backend.aclose()

    async def test_fragments_of_calls_are_put_together(self, openai: FakeOpenAI) -> None:
        wish = {"function": {"name": "read_file", "arguments": {"path": "ü"}}}
        openai.answer = lambda _: Reply(tool_calls=[wish, wish])
        backend = OpenAIMember(MemberConfig("qwen3", "qwen3-32b", openai.base_url))
        deltas = await collect(backend, request(tools=(READ_FILE,)))
        calls = [call for delta in deltas for call in delta.tool_calls]
        assert calls == [ToolCall(f"call_{n}", "read_file", {"path": "ü"}) for n in (0, 1)]
        await backend.aclose()

    async def test_the_only_model_there_is_answers(self, openai: FakeOpenAI) -> None:
        openai.models = ["mistral-small"]
        backend = OpenAIMember(MemberConfig("qwen3", "qwen3:32b", openai.base_url, model_variable="QWEN_MODEL_ID"))
        await backend.resolve()
        assert backend.model == "mistral-small"
        openai.models = ["mistral-small", "phi"]
        with pytest.raises(ModelMissing, match="Set QWEN_MODEL_ID"):
            await backend.resolve()
        await backend.aclose()


async def test_context_errors_are_told_apart(ollama: FakeOllama) -> None:
    backend = member(ollama, "qwen3", "qwen3:32b", num_ctx=1024)
    with pytest.raises(ContextTooLong):
        await collect(backend, request("word " * 4000))
    await backend.aclose()


async def test_a_server_that_cuts_silently_is_found_out(ollama: FakeOllama) -> None:
    ollama.old = True
    backend = member(ollama, "qwen3", "qwen3:32b", num_ctx=1024)
    with pytest.raises(ContextTooLong, match="was cut to 1024 tokens"):
        await collect(backend, request("word " * 4000))
    await backend.aclose()


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("the input length exceeds the context length", ContextTooLong),
        (
            '{"error":{"code":400,"message":"request (2622 tokens) exceeds the available context size (512 tokens)",'
            '"type":"exceed_context_size_error"}}',
            ContextTooLong,
        ),
        ({"message": "This model's maximum context length is 8192 tokens"}, ContextTooLong),
        ('{"error":{"code":400,"message":"model does not support multimodal requests"}}', RequestRejected),
        ("{not json", RequestRejected),
        ('"{}"', RequestRejected),
        (None, RequestRejected),
    ],
)
def test_refusals_are_read(body: Any, kind: type[MemberError]) -> None:
    error = error_from(400, error_message(body))
    assert type(error) is kind
    assert error.message.startswith("HTTP 400")


@pytest.mark.parametrize("text", ["{", "[]", "[" * 5_000, '{"a":' * 5_000])
def test_arguments_that_are_no_object_are_a_bad_answer(text: str) -> None:
    with pytest.raises(BadAnswer):
        ollama_module._tool_calls([ollama_module._Call(ollama_module._Function("f", text))])
    with pytest.raises(BadAnswer):
        openai_module._call(openai_module._Fragment(0, "c", openai_module._Function("f", text)))
