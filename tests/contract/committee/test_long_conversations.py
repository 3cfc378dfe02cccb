"""A conversation in windows of different sizes: whole, routed, packed or refused, and no server ever gets too much."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from committee import Committee, ContextLengthExceeded, Message, ToolCall, ToolSpec, Turn
from tests.contract.committee.conftest import QUICK, Told, listen, member
from tests.fakes.ollama import FakeOllama

NARROW, WIDE = 4096, 8192
READ = ToolSpec("read_file", "Read a file. " + "It is a very good tool. " * 20, {"type": "object"}, "client")


class Hall:
    """A committee with a narrow and a wide window."""

    def __init__(self, qwen: FakeOllama, gptoss: FakeOllama, *, pack: bool) -> None:
        self.qwen, self.gptoss = qwen, gptoss
        members = [
            member(qwen, "qwen3", "qwen3:32b", num_ctx=NARROW), member(gptoss, "gptoss", "gpt-oss:20b", num_ctx=WIDE)
        ]  # fmt: skip
        self.committee = Committee(
            members, planner="qwen3", config=replace(QUICK, pack_context=pack),
            variables={"qwen3": "QWEN_NUM_CTX", "gptoss": "GPTOSS_NUM_CTX"},
        )  # fmt: skip

    async def ask(self, messages: list[Message], **options: Any) -> Told:
        return await listen(self.committee, Turn(messages, **options))


@asynccontextmanager
async def hall(*, pack: bool = True) -> AsyncIterator[Hall]:
    async with FakeOllama("qwen3:32b") as qwen, FakeOllama("gpt-oss:20b") as gptoss:
        qwen.loaded["qwen3:32b"], gptoss.loaded["gpt-oss:20b"] = NARROW, WIDE
        found = Hall(qwen, gptoss, pack=pack)
        try:
            yield found
        finally:
            await found.committee.aclose()


def talk(tokens: int) -> list[Message]:
    """A conversation of about so many tokens."""
    turns = max(1, tokens // 200)
    messages = [Message("system", "Answer in one line.")]
    for number in range(turns):
        messages += [Message("user", f"Question {number}: " + "rose " * 80), Message("assistant", "leaf " * 75)]
    return [*messages, Message("user", "And what was question 0?")]


def read(chats: list[dict[str, Any]]) -> str:
    return "\n".join(message["content"] for chat in chats for message in chat["messages"])


async def test_a_short_conversation_is_read_whole_by_both() -> None:
    async with hall() as h:
        told = await h.ask(talk(400))
        assert told.finished.account.context.fit == "whole"
        assert h.qwen.chats
        assert h.gptoss.chats
        assert told.finished.members == {"qwen3": "ok", "gptoss": "ok"}


async def test_longer_than_the_narrow_window_goes_to_the_wide_one() -> None:
    async with hall() as h:
        told = await h.ask(talk(3600))
        assert told.finished.account.context.fit == "routed"
        assert "qwen3 (4096)" in told.finished.account.context.detail
        assert told.finished.speaker == "gptoss"
        assert not told.finished.degraded  # it was routed on purpose, nobody failed
        assert not h.qwen.chats
        assert h.gptoss.too_long == 0
        assert "Question 7" in read(h.gptoss.chats)


@pytest.mark.parametrize("size", [7_000, 12_000, 60_000])
async def test_longer_than_both_is_packed_and_fits_both(size: int) -> None:
    async with hall() as h:
        told = await h.ask(talk(size))
        context = told.finished.account.context
        assert context.fit == "packed"
        assert "do not fit any window" in context.detail
        assert told.text == "Hello from the model."
        assert h.qwen.too_long == h.gptoss.too_long == 0
        for chats in (h.qwen.chats, h.gptoss.chats):
            text = read(chats)
            assert "Answer in one line." in text
            assert "[Note: this conversation is longer than the context window." in text
            assert "And what was question 0?" in text
            assert "Question 0:" in text  # it is what the last message asks about


async def test_without_packing_it_is_refused_by_name() -> None:  # C145
    async with hall(pack=False) as h:
        with pytest.raises(ContextLengthExceeded) as caught:
            await h.ask(talk(12_000))
        for fact in ("4096", "8192", "QWEN_NUM_CTX", "GPTOSS_NUM_CTX"):
            assert fact in caught.value.message
        assert not h.qwen.chats
        assert not h.gptoss.chats


async def test_a_message_that_nothing_can_shorten_is_refused() -> None:
    async with hall() as h:
        with pytest.raises(ContextLengthExceeded):
            await h.ask([*talk(500), Message("user", "x" * 50_000)])
        assert not h.qwen.chats


async def test_an_agents_tool_loop_is_packed_with_its_calls() -> None:
    messages = [Message("system", "You edit code."), Message("user", "Fix the bug.")]
    for number in range(60):
        messages.append(Message("assistant", "", tool_calls=(ToolCall(f"c{number}", "read_file", {"n": number}),)))
        messages.append(
            Message("tool", f"line {number} of the file\n" * 40, tool_call_id=f"c{number}", name="read_file")
        )
    async with hall() as h:
        told = await h.ask(messages, tools=(READ,))
        assert told.finished.account.context.fit == "packed"
        assert h.qwen.too_long == h.gptoss.too_long == 0
        chat = (h.qwen.chats or h.gptoss.chats)[0]
        shown = [message for message in chat["messages"] if message["role"] in ("assistant", "tool")]
        assert shown[-1]["tool_call_id"] == "c59"
        called = {call["id"] for message in shown for call in message.get("tool_calls", ())}
        assert {m["tool_call_id"] for m in shown if m["role"] == "tool"} == called
        assert any(message["content"] == "Fix the bug." for message in chat["messages"])


async def test_many_tools_count_as_what_they_weigh() -> None:
    tools = tuple(replace(READ, name=f"tool_{number}", description="word " * 400) for number in range(8))
    async with hall() as h:
        told = await h.ask([Message("user", "Hi")], tools=tools)
        assert told.finished.account.context.fit == "routed"
        assert h.qwen.too_long == h.gptoss.too_long == 0


async def test_a_server_with_denser_tokens_is_learned_from_before_a_word_is_shown() -> None:
    async with hall() as h:
        h.qwen.chars_per_token = h.gptoss.chars_per_token = 2.0
        told = await h.ask(talk(6_600))
        assert told.text == "Hello from the model."
        assert told.finished.account.context.fit == "packed"
        assert (h.qwen.too_long, h.gptoss.too_long) != (0, 0)  # that is how it was learned
        refused = h.qwen.too_long + h.gptoss.too_long
        await h.ask(talk(6_600))
        assert h.qwen.too_long + h.gptoss.too_long == refused


async def test_a_member_that_alone_refuses_leaves_the_turn_to_the_other() -> None:
    async with hall() as h:
        h.qwen.chars_per_token = 1.5
        told = await h.ask(talk(2_000))
        assert told.finished.speaker == "gptoss"
        assert told.finished.account.context.fit == "routed"
        assert "qwen3" in told.finished.account.context.detail
        told = await h.ask(talk(2_000))
        assert h.qwen.too_long == 1  # the second time it was known
        assert told.finished.account.context.fit == "routed"
