"""Estimates without a tokenizer, and what servers' own counts teach."""

from __future__ import annotations

import time
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from committee import ChatRequest, Message, StageContext, ToolCall, ToolSpec
from committee.context import tokens
from committee.context.tokens import Ratios


def test_english_is_a_quarter_of_its_characters() -> None:
    assert tokens.estimate("a" * 400) == 100
    assert tokens.estimate("") == 0
    assert tokens.estimate("a" * 400, 2.0) == 200


def test_scripts_with_shorter_tokens_weigh_more() -> None:
    assert tokens.estimate("水" * 400) == 300


def test_megabytes_cost_next_to_nothing() -> None:
    text = "a" * (64 << 20)
    began = time.perf_counter()
    tokens.estimate(text)
    assert time.perf_counter() - began < 0.05


def test_calls_and_pictures_count() -> None:
    plain = tokens.of_messages([Message("user", "look")])
    assert tokens.of_messages([Message("user", "look", images=("x" * 100_000,))]) == plain + tokens.PER_IMAGE
    call = ToolCall("1", "write_file", {"text": "x" * 4000})
    assert tokens.of_messages([Message("assistant", "look", tool_calls=(call,))]) > 1000


def test_tools_weigh_what_they_say_however_often_they_are_asked() -> None:
    tools = [ToolSpec(f"t{n}", "x" * n, {"type": "object"}) for n in range(1200)]
    first = [tokens.weigh_tools([tool]) for tool in tools]
    assert first == [tokens.weigh_tools([replace(tool, effect="client")]) for tool in tools]
    assert first == [tokens.weigh_tools([tool]) for tool in tools]


def test_a_members_ratio_moves_towards_what_its_server_counts() -> None:
    ratios = Ratios()
    assert ratios.of("qwen3") == 4.0
    for _ in range(20):
        ratios.learn("qwen3", weight=30_000, tokens=10_000)
    assert abs(ratios.known["qwen3"] - 3.0) < 0.05
    assert "gptoss" not in ratios.known


def test_what_says_nothing_teaches_nothing() -> None:
    ratios = Ratios()
    ratios.learn("qwen3", weight=100, tokens=90)  # mostly template
    ratios.learn("qwen3", weight=1_000_000, tokens=300)  # the rest was in the server's cache
    ratios.learn("qwen3", weight=1_000, tokens=0)
    assert not ratios.known


def test_a_refusal_makes_the_estimate_stricter_than_what_was_refused() -> None:
    ratios = Ratios()
    ratios.refused("qwen3", weight=24_000, window=8_000)
    assert tokens.of_weight(24_000, ratios.of("qwen3")) > 8_000


def test_only_plain_text_teaches_what_text_costs() -> None:
    ratios = Ratios()
    context = StageContext("solo")
    plain = ChatRequest((Message("user", "x" * 9000),), context)
    ratios.counted("a", plain, 3000)
    ratios.counted("b", replace(plain, tools=(ToolSpec("t", "", {}),)), 3000)
    ratios.counted("c", replace(plain, messages=(Message("user", "x" * 9000, images=("x",)),)), 3000)
    assert set(ratios.known) == {"a"}
    assert tokens.of_tools([ToolSpec("t", "\ud800", {"x": "\ud800" * 100})]) > 0


@given(st.lists(st.tuples(st.integers(0, 10**7), st.integers(0, 10**6), st.booleans()), max_size=30))
def test_no_history_leads_out_of_bounds(history: list[tuple[int, int, bool]]) -> None:
    ratios = Ratios()
    for weight, count, refused in history:
        if refused:
            ratios.refused("m", weight=weight, window=count)
        else:
            ratios.learn("m", weight=weight, tokens=count)
    assert 1.0 <= ratios.of("m") <= 6.0


@given(st.text())
def test_a_text_is_never_free(text: str) -> None:
    assert tokens.estimate(text) >= len(text) / 4
