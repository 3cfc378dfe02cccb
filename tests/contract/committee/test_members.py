"""How members find their servers, and what happens until they do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from committee import Committee, MemberConfig, Message, Turn
from committee.members import AutoMember, detect, open_member, open_members
from tests.contract.committee.conftest import QUICK, listen
from tests.fakes.ollama import FakeOllama
from tests.fakes.openai import FakeOpenAI

NOWHERE = "http://127.0.0.1:9"


def config(name: str, model: str, url: str, **options: Any) -> MemberConfig:
    options.setdefault("look_again_s", 0.02)
    return MemberConfig(name, model, url, **options)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(2):
        while not condition():
            await asyncio.sleep(0.01)


async def test_servers_are_told_apart() -> None:
    async with FakeOllama() as ollama, FakeOpenAI() as openai:
        assert await detect(ollama.base_url) == "ollama"
        assert await detect(openai.base_url) == "openai"
        assert await detect(openai.base_url + "/v1") == "openai"
        assert await detect(NOWHERE) is None


async def test_without_a_server_rules_stand_in_and_say_so() -> None:
    members = await open_members([config("qwen3", "qwen3:32b", NOWHERE), config("gptoss", "gpt-oss:20b", NOWHERE)])
    committee = Committee(members, planner="qwen3", config=QUICK)
    told = await listen(committee, Turn([Message("user", "Hello")]))
    assert "I am an offline stand-in, not a language model." in told.text
    assert "ollama pull qwen3:32b" in told.text
    assert not told.finished.degraded
    for health in await committee.health():
        assert health.stand_in
        assert health.kind == "offline"
        assert NOWHERE in health.note
    await committee.aclose()


async def test_a_server_that_starts_later_is_picked_up() -> None:
    async with FakeOllama("qwen3:32b") as ollama:
        await ollama.stop()
        member = await open_member(config("qwen3", "qwen3:32b", ollama.base_url))
        assert member.stand_in
        async with ollama:
            await until(lambda: not member.stand_in)
            assert member.model == "qwen3:32b"
            assert (await member.health()).kind == "ollama"
            assert not ollama.chats
        # Gone again: that is an outage now, and rules do not cover it up.
        assert not member.stand_in
        assert not (await member.health()).reachable
        await member.aclose()


async def test_a_wrong_key_is_named() -> None:
    async with FakeOpenAI("m", key="sk-right") as openai:
        member = await open_member(config("qwen3", "m", openai.base_url, api_key="sk-wrong"))
        assert member.stand_in
        assert "HTTP 401" in (await member.health()).note
        await member.aclose()


async def test_a_model_that_is_pulled_later_is_picked_up() -> None:
    async with FakeOllama("llama3:8b") as ollama:
        member = await open_member(config("qwen3", "qwen3:32b", ollama.base_url, model_variable="QWEN_MODEL_ID"))
        assert member.stand_in
        note = (await member.health()).note
        assert "ollama pull qwen3:32b" in note
        assert "QWEN_MODEL_ID" in note
        ollama.installed["qwen3:32b"] = {}
        await until(lambda: not member.stand_in)
        await member.aclose()


async def test_a_warm_member_loads_its_model_as_soon_as_it_can() -> None:
    async with FakeOllama("qwen3:32b") as ollama:
        await ollama.stop()
        member = await open_member(config("qwen3", "qwen3:32b", ollama.base_url, num_ctx=4096))
        await member.warm()
        async with ollama:
            await until(lambda: ollama.loaded == {"qwen3:32b": 4096})
            assert ollama.preloads[0]["keep_alive"] == "24h"
            assert not ollama.chats
        await member.aclose()


async def test_keys_do_not_show() -> None:
    assert "sk-secret" not in repr(MemberConfig("m", "m", NOWHERE, api_key="sk-secret"))


async def test_one_ollama_can_be_home_to_both() -> None:
    async with FakeOllama("qwen3:32b", "gpt-oss:20b") as ollama:
        members = await open_members(
            [
                config("qwen3", "qwen3:32b", ollama.base_url),
                config("gptoss", "gpt-oss:20b", NOWHERE, also_try=(ollama.base_url,)),
            ]
        )
        committee = Committee(members, planner="qwen3", config=QUICK)
        told = await listen(committee, Turn([Message("user", "Hello")]))
        assert told.finished.members == {"qwen3": "ok", "gptoss": "ok"}
        assert {chat["model"] for chat in ollama.probes} == {"qwen3:32b", "gpt-oss:20b"}
        await committee.aclose()


async def test_rules_keep_silent_beside_a_model() -> None:
    async with FakeOllama("gpt-oss:20b") as ollama:
        members = await open_members(
            [config("qwen3", "qwen3:32b", NOWHERE), config("gptoss", "gpt-oss:20b", ollama.base_url)]
        )
        committee = Committee(members, planner="qwen3", config=QUICK)
        told = await listen(committee, Turn([Message("user", "Hello")]))
        assert told.text == "Hello from the model."
        assert told.finished.speaker == "gptoss"
        assert told.finished.members == {"qwen3": "silent", "gptoss": "ok"}
        assert told.finished.degraded
        assert told.finished.agreement == "single"
        await committee.aclose()


async def test_an_openai_server_is_found_too() -> None:
    async with FakeOpenAI("mistral-small") as openai:
        member = await open_member(config("qwen3", "qwen3:32b", openai.base_url))
        assert member.model == "mistral-small"
        assert not member.stand_in
        await member.aclose()


@pytest.mark.parametrize("api", ["ollama", "openai"])
async def test_a_fixed_kind_is_never_replaced_by_rules(api: Any) -> None:
    member = await open_member(config("qwen3", "qwen3:32b", NOWHERE, api=api))
    assert not member.stand_in
    assert not (await member.health()).reachable
    await member.aclose()


async def test_offline_can_be_chosen() -> None:
    async with FakeOllama("qwen3:32b") as ollama:
        member = await open_member(config("qwen3", "qwen3:32b", ollama.base_url, api="offline"))
        assert member.stand_in
        assert not ollama.paths
        await member.aclose()


async def test_looking_ends_with_the_member() -> None:
    member = AutoMember(config("qwen3", "qwen3:32b", NOWHERE))
    await member.start()
    before = asyncio.all_tasks()
    assert any(task.get_name() == "look for qwen3" for task in before)
    await member.aclose()
    assert not any(task.get_name() == "look for qwen3" for task in asyncio.all_tasks())
