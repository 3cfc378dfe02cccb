"""Log probabilities, penalties and pictures on both wires: asked for, read back, left out where they are refused."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from committee import MemberConfig, Message, StageContext, TokenLogprob
from committee.backends.ollama import OllamaMember
from committee.backends.openai_compat import OpenAIMember
from tests.contract.committee.test_backends import collect, request, text_of
from tests.fakes.ollama import FakeOllama
from tests.fakes.openai import FakeOpenAI

PICTURE = "iVBORw0KGgo="


@pytest.fixture
async def ollama() -> AsyncIterator[FakeOllama]:
    async with FakeOllama("qwen3:32b") as fake:
        fake.loaded["qwen3:32b"] = 8192
        yield fake


@pytest.fixture
async def openai() -> AsyncIterator[FakeOpenAI]:
    async with FakeOpenAI("qwen3-32b") as fake:
        yield fake


@pytest.fixture(params=["ollama", "openai"])
async def served(
    request: pytest.FixtureRequest, ollama: FakeOllama, openai: FakeOpenAI
) -> AsyncIterator[tuple[OllamaMember | OpenAIMember, FakeOllama | FakeOpenAI]]:
    fake: FakeOllama | FakeOpenAI = ollama if request.param == "ollama" else openai
    member: OllamaMember | OpenAIMember
    if isinstance(fake, FakeOllama):
        member = OllamaMember(MemberConfig("qwen3", "qwen3:32b", fake.base_url))
    else:
        member = OpenAIMember(MemberConfig("qwen3", "qwen3-32b", fake.base_url))
    yield member, fake
    await member.aclose()


async def test_every_token_comes_with_its_log_probability(served: Any) -> None:
    member, fake = served
    fake.text = "one two"
    deltas = await collect(member, request(logprobs=2))
    tokens = [token for delta in deltas for token in delta.logprobs]
    assert "".join(token.token for token in tokens) == "one two"
    assert tokens[0] == TokenLogprob("one", -0.25, (("one", -0.25), ("one1", -1.25)))
    assert (fake.chats[-1]["logprobs"], fake.chats[-1]["top_logprobs"]) == (True, 2)


async def test_nothing_is_asked_for_that_nobody_wants(served: Any) -> None:
    member, fake = served
    deltas = await collect(member, request())
    assert not any(delta.logprobs for delta in deltas)
    assert not {"logprobs", "top_logprobs"} & set(fake.chats[-1])


async def test_penalties_are_passed_on(served: Any) -> None:
    member, fake = served
    await collect(member, request(presence_penalty=0.5, frequency_penalty=-0.5))
    sent = fake.chats[-1].get("options", fake.chats[-1])
    assert (sent["presence_penalty"], sent["frequency_penalty"]) == (0.5, -0.5)


async def test_a_server_without_log_probabilities_answers_all_the_same(openai: FakeOpenAI) -> None:
    openai.refuse = {"logprobs"}
    member = OpenAIMember(MemberConfig("qwen3", "qwen3-32b", openai.base_url))
    deltas = await collect(member, request(logprobs=0))
    assert text_of(deltas) == openai.text
    assert not any(delta.logprobs for delta in deltas)
    await member.aclose()


def pictured() -> dict[str, Any]:
    messages = (Message("user", "What is this?", images=(PICTURE, "/9j/4AAQ")),)
    return {"messages": messages, "context": StageContext("speak", "What is this?")}


async def test_a_server_that_sees_gets_the_pictures(openai: FakeOpenAI) -> None:
    member = OpenAIMember(MemberConfig("qwen3", "qwen3-32b", openai.base_url))
    await collect(member, request(**pictured()))
    kinds = [part.get("image_url", {}).get("url", "")[:16] for part in openai.chats[-1]["messages"][-1]["content"]]
    assert kinds == ["", "data:image/png;b", "data:image/jpeg;"]
    await member.aclose()


async def test_a_server_that_cannot_see_is_told_of_the_pictures(openai: FakeOpenAI) -> None:
    openai.refuse = {"image_url"}
    member = OpenAIMember(MemberConfig("qwen3", "qwen3-32b", openai.base_url))
    deltas = await collect(member, request(**pictured()))
    assert text_of(deltas) == openai.text
    assert "2 picture(s) attached, which you cannot see" in openai.chats[-1]["messages"][-1]["content"]
    await member.aclose()
