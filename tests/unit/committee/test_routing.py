"""Who answers a turn."""

from __future__ import annotations

import time
from typing import Any

import pytest

from committee.routing import Route, route, tools_in_text
from committee.schema import Message, Turn


def routed(text: str = "Hello", **options: Any) -> Route:
    facts: dict[str, Any] = {
        "members": ["a", "b"], "planner": "a", "must_call": False, "client_tools": False, "user_text": text,
    }  # fmt: skip
    for name in ("must_call", "client_tools", "switched_off"):
        if name in options:
            facts[name] = options.pop(name)
    return route(Turn(options.pop("messages", [Message("user", text)]), **options), **facts)


def test_a_plain_question_is_for_all() -> None:
    assert routed() == Route("together")


def test_several_answers_stay_with_the_committee() -> None:
    assert routed(n=3).way == "together"
    assert routed(n=3, client_tools=True).way == "together"


def test_clients_with_tools_are_probed_natively() -> None:
    assert routed(client_tools=True).way == "native"
    assert routed(client_tools=True, must_call=True).way == "together"


def test_the_client_may_ask_for_one() -> None:
    found = routed(mode="solo:b")
    assert (found.way, found.member, found.asked_for) == ("solo", "b", True)


@pytest.mark.parametrize("mode", ["solo:c", "solo", "loud", "", "solo:"])
def test_modes_are_checked(mode: str) -> None:
    with pytest.raises(ValueError, match=r"mode|member"):
        routed(mode=mode)


def test_results_of_tools_go_to_the_planner_unless_deep() -> None:
    messages = [Message("user", "x"), Message("tool", "y", tool_call_id="1")]
    assert routed(messages=messages).why == "tool result"
    assert routed(messages=messages, mode="deep").way == "together"


def test_a_measured_category_is_switched_off_unless_deep() -> None:
    found = routed(switched_off=lambda: "b")
    assert (found.way, found.member, found.asked_for, found.tools) == ("solo", "b", False, True)
    assert routed(switched_off=lambda: "b", mode="deep").way == "together"


def test_hermes_style_tools_are_found() -> None:
    prompt = 'You may call functions. For each call return <tool_call>\n{"name": "x"}\n</tool_call>'
    assert tools_in_text([Message("system", prompt), Message("user", "Hi")])
    assert not tools_in_text([Message("user", "Hi"), Message("assistant", prompt), Message("user", prompt)])


@pytest.mark.parametrize(
    "text", ["<a>" * 60_000, "</a>" * 50_000, "<a_b><c>" * 20_000, "<a_b></a_b>" * 15_000, "<" * 200_000]
)
def test_hostile_prompts_cost_little(text: str) -> None:
    started = time.perf_counter()
    tools_in_text([Message("system", "tools " + text + "</x>")])
    assert time.perf_counter() - started < 1.0
