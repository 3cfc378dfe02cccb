"""What a member says of its window is what its server really holds."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from committee import ChatBackend, MemberConfig
from committee.members import open_member
from tests.contract.committee.test_backends import collect, request
from tests.fakes.ollama import FakeOllama
from tests.fakes.openai import FakeOpenAI

MODEL = "qwen3:32b"


@asynccontextmanager
async def opened(server: FakeOllama | FakeOpenAI, **options: Any) -> AsyncIterator[ChatBackend]:
    model = MODEL if isinstance(server, FakeOllama) else server.models[0]
    member = await open_member(MemberConfig("qwen3", model, server.base_url, window_variable="QWEN_NUM_CTX", **options))
    try:
        yield member
    finally:
        await member.aclose()


async def test_without_a_setting_and_a_loaded_model_it_is_8192() -> None:  # C011
    async with FakeOllama(MODEL) as ollama, opened(ollama) as member:
        assert member.window == 8192
        await collect(member, request())
        assert [chat["options"]["num_ctx"] for chat in ollama.chats] == [8192]


async def test_a_loaded_model_keeps_its_context() -> None:
    async with FakeOllama(MODEL) as ollama:
        ollama.loaded[MODEL] = 32768
        async with opened(ollama) as member:
            assert member.window == 32768
            await collect(member, request())
            assert ollama.chats[0]["options"]["num_ctx"] == 32768  # another number would load it anew
            assert (await member.health()).window == 32768


async def test_a_small_context_taken_over_is_told() -> None:
    async with FakeOllama(MODEL) as ollama:
        ollama.loaded[MODEL] = 4096
        async with opened(ollama) as member:
            assert member.window == 4096
            assert "set QWEN_NUM_CTX" in (await member.health()).note


async def test_the_users_setting_wins_over_what_is_loaded() -> None:
    async with FakeOllama(MODEL) as ollama:
        ollama.loaded[MODEL] = 32768
        async with opened(ollama, num_ctx=16384) as member:
            assert member.window == 16384
            await member.warm()
            assert ollama.preloads[0]["options"]["num_ctx"] == 16384
            assert ollama.loaded[MODEL] == 16384


async def test_no_window_is_larger_than_the_model_was_made_for() -> None:
    async with FakeOllama(MODEL) as ollama:
        ollama.native = 40960
        async with opened(ollama, num_ctx=131072) as member:
            assert member.window == 40960
            assert "made for 40960 tokens; 131072 are configured" in (await member.health()).note
            await collect(member, request())
            assert ollama.chats[0]["options"]["num_ctx"] == 40960


@pytest.mark.parametrize("by_warming", [True, False])
async def test_a_load_with_less_memory_makes_the_window_smaller(by_warming: bool) -> None:
    async with FakeOllama(MODEL) as ollama:
        ollama.most_context = 12288
        async with opened(ollama, num_ctx=32768) as member:
            await (member.warm() if by_warming else collect(member, request()))
            assert member.window == 12288
            await collect(member, request())
            assert {chat["options"]["num_ctx"] for chat in ollama.chats} == {32768}  # still one constant


async def test_a_server_that_comes_later_is_fitted_at_the_first_request() -> None:
    ollama = FakeOllama(MODEL)
    async with ollama:
        pass
    async with opened(ollama, api="ollama") as member:
        assert member.window == 8192
        async with ollama:
            ollama.loaded[MODEL] = 16384
            await collect(member, request())
            assert member.window == 16384
            assert ollama.chats[0]["options"]["num_ctx"] == 16384


async def test_a_model_that_spills_into_main_memory_is_reported() -> None:
    async with FakeOllama(MODEL) as ollama:
        ollama.loaded[MODEL] = 8192
        ollama.size_vram = 15 << 30
        async with opened(ollama) as member:
            health = await member.health()
            assert (health.size_vram, health.size) == (15 << 30, 20 << 30)
            assert "75 % of it are in GPU memory" in health.note
            assert "QWEN_NUM_CTX (now 8192)" in health.note
            ollama.size_vram = 0
            assert "Only 0 %" in (await member.health()).note
            ollama.size_vram = 20 << 30
            assert (await member.health()).note == ""


@pytest.mark.parametrize(
    ("listed", "window"),
    [
        ({"max_model_len": 32768}, 32768),  # vLLM
        ({"meta": {"n_ctx_train": 131072, "n_ctx": 16384}}, 16384),
        ({"context_length": 65536}, 65536),
        ({"meta": {"n_ctx_train": 131072}}, None),
        ({"max_model_len": "many"}, None),
        ({}, None),
    ],
)
async def test_openai_compatible_servers_tell_their_windows_or_not(listed: dict[str, Any], window: int | None) -> None:
    async with FakeOpenAI() as server:
        server.listed = listed
        async with opened(server, api="openai") as member:
            assert member.window == window
            assert (await member.health()).window == window


async def test_llama_cpp_tells_its_window_on_a_page_of_its_own() -> None:
    async with FakeOpenAI() as server:
        server.listed = {"owned_by": "llamacpp", "meta": {"n_ctx_train": 131072}}
        server.props = {"default_generation_settings": {"n_ctx": 24576}}
        async with opened(server, api="openai") as member:
            assert member.window == 24576


async def test_the_users_setting_only_narrows_an_openai_window() -> None:
    async with FakeOpenAI() as server:
        server.listed = {"max_model_len": 32768}
        async with opened(server, api="openai", num_ctx=8192) as member:
            assert member.window == 8192
        async with opened(server, api="openai", num_ctx=65536) as member:
            assert member.window == 32768
