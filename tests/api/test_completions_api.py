"""`/v1/completions` and `/v1/fim/completions`: gaps as editors ask for them, and plain text completions."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI

from committee.infill import Infill, InfillConfig
from tests.api.conftest import Server, StartServer
from tests.fakes.ollama import FakeOllama, Fault
from tests.fakes.openai import FakeOpenAI

MODEL = "qwen2.5-coder:7b-base"
# What Void sends at every pause of the typist.
VOID = {
    "model": MODEL,
    "prompt": "def add(a, b):\n    ",
    "suffix": "\n\nprint(add(1, 2))",
    "stop": ["\n\n"],
    "max_tokens": 300,
}


@pytest.fixture
async def coder() -> AsyncIterator[FakeOllama]:
    async with FakeOllama(MODEL) as fake:
        fake.installed[MODEL] = {"capabilities": ["completion", "insert"]}
        yield fake


@pytest.fixture
async def fim(start_server: StartServer, coder: FakeOllama) -> AsyncIterator[Server]:
    infill = Infill(InfillConfig(MODEL, coder.base_url, num_ctx=1024, timeout_s=1.0))
    yield await start_server(infill=infill)
    await infill.aclose()


def client(server: Server) -> AsyncOpenAI:
    return AsyncOpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0)


async def events_of(server: Server, path: str, body: dict[str, Any]) -> list[Any]:
    async with server.http.post(server.url + path, json={**body, "stream": True}) as response:
        assert response.status == 200
        text = await response.text()
    lines = [line.removeprefix("data: ") for line in text.split("\n\n") if line]
    return [line if line == "[DONE]" else json.loads(line) for line in lines]


async def test_a_gap_as_void_asks(fim: Server, coder: FakeOllama) -> None:  # K008
    status, answer = await fim.post("/v1/completions", VOID)
    assert status == 200
    assert answer["object"] == "text_completion"
    assert answer["model"] == MODEL
    [choice] = answer["choices"]
    assert (choice["text"], choice["index"], choice["finish_reason"]) == ("return a + b", 0, "stop")
    assert answer["usage"]["completion_tokens"] == 4
    [sent] = coder.generates
    assert sent["prompt"] == VOID["prompt"]
    assert sent["suffix"] == VOID["suffix"]
    assert sent["truncate"] is False
    assert sent["options"] == {"num_ctx": 1024, "num_predict": 300, "stop": ["\n\n"]}


async def test_a_gap_with_the_official_client(fim: Server) -> None:  # K009
    async with client(fim) as sdk:
        whole = await sdk.completions.create(model=MODEL, prompt="a", suffix="b", max_tokens=2)
        stream = await sdk.completions.create(
            model=MODEL, prompt="a", suffix="b", stream=True, stream_options={"include_usage": True}
        )
        chunks = [chunk async for chunk in stream]
    assert (whole.choices[0].text, whole.choices[0].finish_reason) == ("return a", "length")
    assert "".join(chunk.choices[0].text for chunk in chunks if chunk.choices) == "return a + b"
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None


async def test_a_gap_in_mistrals_shape(fim: Server) -> None:
    """Continue streams from `fim/completions` and reads the chat shape."""
    events = await events_of(fim, "/v1/fim/completions", {"prompt": "a", "suffix": "b"})
    assert events[-1] == "[DONE]"
    choices = [event["choices"][0] for event in events[:-1]]
    assert "".join(choice["delta"]["content"] for choice in choices) == "return a + b"
    assert "".join(choice["text"] for choice in choices) == "return a + b"
    _, whole = await fim.post("/fim/completions", {"model": MODEL, "prompt": "a"})
    assert whole["choices"][0]["message"] == {"role": "assistant", "content": "return a + b"}


async def test_a_gap_behind_an_openai_server(start_server: StartServer) -> None:
    async with FakeOpenAI(MODEL, key="sk-1") as fake:
        infill = Infill(InfillConfig(MODEL, f"{fake.base_url}/v1", api_key="sk-1"))
        server = await start_server(infill=infill)
        _, answer = await server.post("/v1/completions", VOID)
        assert answer["choices"][0]["text"] == "return a + b"
        assert answer["usage"] == {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}
        assert fake.completions[0]["suffix"] == VOID["suffix"]
        fake.refuse = {"suffix"}
        status, answer = await server.post("/v1/completions", VOID)
        assert (status, answer["error"]["code"]) == (400, "fim_rejected")
        await infill.aclose()


async def test_without_a_model_the_answer_is_quick(server: Server, caplog: pytest.LogCaptureFixture) -> None:  # K008
    status, answer = await server.post("/v1/completions", VOID)
    assert (status, answer["error"]["code"]) == (400, "fim_not_configured")
    assert answer["error"]["param"] == "suffix"
    assert "FIM_MODEL_ID" in answer["error"]["message"]
    took = []
    for _ in range(20):
        began = time.perf_counter()
        assert (await server.post("/v1/completions", {**VOID, "stream": True}))[0] == 400
        took.append(time.perf_counter() - began)
    assert sorted(took)[2] < 0.005  # the machine may be busy, but not all the time
    assert not [record for record in caplog.records if record.name.startswith("orchestrator")]


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        (Fault.STALL, 503, "fim_unavailable"),
        (Fault.HTTP_500, 503, "fim_unavailable"),
        (Fault.HTTP_503, 429, "queue_full"),
        (Fault.HTTP_404, 503, "fim_unavailable"),
        (Fault.CUT, 503, "fim_unavailable"),
        (Fault.NO_DONE, 503, "fim_unavailable"),
        (Fault.ERROR_LINE, 503, "fim_unavailable"),
        (Fault.MALFORMED, 503, "fim_unavailable"),
        (Fault.STALL_MIDWAY, 503, "fim_unavailable"),
        (Fault.DRIP, 503, "fim_unavailable"),
        (Fault.NOT_UTF8, 503, "fim_unavailable"),
        (Fault.HUGE_LINE, 503, "fim_unavailable"),
    ],
)
async def test_a_fault_of_the_model_for_gaps(
    fim: Server, coder: FakeOllama, fault: Fault, status: int, code: str
) -> None:
    coder.fault = fault
    coder.token_ms = 50
    began = time.monotonic()
    answered, answer = await fim.post("/v1/completions", VOID)
    assert (answered, answer["error"]["code"]) == (status, code)
    assert time.monotonic() - began < 5
    if fault not in {Fault.STALL, Fault.HTTP_500, Fault.HTTP_503, Fault.HTTP_404}:
        events = await events_of(fim, "/v1/completions", VOID)
        assert events[-1]["error"]["code"] == code  # after a first piece it stands in the stream, and nothing follows


async def test_a_model_that_fills_no_gaps(fim: Server, coder: FakeOllama) -> None:
    coder.installed[MODEL] = {"capabilities": ["completion"]}
    status, answer = await fim.post("/v1/completions", VOID)
    assert (status, answer["error"]["code"]) == (400, "fim_rejected")
    assert "does not support insert" in answer["error"]["message"]


async def test_a_gap_in_a_text_that_is_too_long(fim: Server) -> None:
    status, answer = await fim.post("/v1/completions", {**VOID, "prompt": "x = 1\n" * 2000})
    assert (status, answer["error"]["code"], answer["error"]["param"]) == (400, "context_length_exceeded", "prompt")


async def test_a_typist_who_goes_on_stops_the_model(fim: Server, coder: FakeOllama) -> None:
    coder.infill = "word " * 1000
    coder.token_ms = 20
    async with fim.http.post(f"{fim.url}/v1/completions", json={**VOID, "stream": True}) as response:
        await response.content.readany()
        response.close()
    await coder.until(lambda: coder.open == 0 and coder.disconnected == 1, timeout_s=10)


async def test_text_without_a_gap_is_answered_by_one_member(
    model_server: Server, ollamas: tuple[FakeOllama, FakeOllama]
) -> None:  # K009
    qwen, gptoss = ollamas
    async with client(model_server) as sdk:
        whole = await sdk.completions.create(model="committee", prompt="Say hello.", max_tokens=50, seed=3)
        stream = await sdk.completions.create(model="committee", prompt="Say hello.", stream=True)
        chunks = [chunk async for chunk in stream]
    assert whole.choices[0].text == qwen.text
    assert whole.object == "text_completion"
    assert whole.usage is not None
    assert whole.usage.completion_tokens > 0
    assert "".join(chunk.choices[0].text for chunk in chunks) == qwen.text
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert len(qwen.chats) == 2
    assert not gptoss.chats
    assert qwen.chats[0]["messages"][-1]["content"].startswith("Say hello.")
    assert not qwen.probes
    assert "tools" not in qwen.chats[0]


async def test_several_prompts_and_an_echo(model_server: Server, ollamas: tuple[FakeOllama, FakeOllama]) -> None:
    async with client(model_server) as sdk:
        found = await sdk.completions.create(model="gptoss", prompt=["One: ", "Two: "], echo=True)
    assert [choice.text for choice in found.choices] == [f"One: {ollamas[1].text}", f"Two: {ollamas[1].text}"]
    assert [choice.index for choice in found.choices] == [0, 1]


@pytest.mark.parametrize(
    ("body", "status", "param", "code"),
    [
        ({"prompt": ""}, 400, "prompt", "invalid_request"),
        ({"prompt": []}, 400, "prompt", "invalid_request"),
        ({"prompt": ["x"] * 5}, 400, "prompt", "invalid_request"),
        ({"prompt": [1, 2]}, 400, "prompt[0]", "invalid_request"),
        ({"prompt": "x", "logprobs": 3}, 400, "logprobs", "unsupported_value"),
        ({"prompt": "x", "logprobs": 0}, 400, "logprobs", "unsupported_value"),
        ({"prompt": "x", "best_of": 3}, 400, "best_of", "unsupported_value"),
        ({"prompt": "x", "n": 9}, 400, "n", "invalid_request"),
        ({"prompt": "x", "max_tokens": 0}, 400, "max_tokens", "invalid_request"),
        ({"prompt": "x", "temperature": 3}, 400, "temperature", "invalid_request"),
        ({"prompt": "x", "stop": [1]}, 400, "stop[0]", "invalid_request"),
        ({"prompt": "x", "model": "davinci"}, 404, "model", "model_not_found"),
        ({"prompt": "x", "suffix": "y", "model": "davinci"}, 404, "model", "model_not_found"),
        ({"prompt": "x", "suffix": "y", "echo": True}, 400, "echo", "unsupported_value"),
        ({"prompt": ["x", "y"], "suffix": "y"}, 400, "prompt", "invalid_request"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
async def test_bad_input(fim: Server, body: dict[str, Any], status: int, param: str, code: str, stream: bool) -> None:
    answered, answer = await fim.post("/v1/completions", {**body, "stream": stream})
    assert (answered, answer["error"]["param"], answer["error"]["code"]) == (status, param, code)


async def test_the_model_for_gaps_is_listed(fim: Server) -> None:
    async with client(fim) as sdk:
        found = await sdk.models.retrieve(MODEL)
    assert found.model_extra == {"capabilities": ["completions", "infill"], "context_length": 1024}


async def test_the_official_client_sees_the_refusal(server: Server) -> None:
    async with client(server) as sdk:
        with pytest.raises(openai.BadRequestError) as refused:
            await sdk.completions.create(model="committee", prompt="a", suffix="b")
    assert refused.value.code == "fim_not_configured"
