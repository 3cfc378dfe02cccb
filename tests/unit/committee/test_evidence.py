"""What a program can find out about positions that differ."""

from __future__ import annotations

import asyncio
import time
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from committee import evidence
from committee.evidence import Evidence, Question, arithmetic, calculate, calls_fit_their_tools, gather, refuted
from committee.schema import Position, ToolCall, ToolSpec


def answers(*keys: str, work: str = "") -> tuple[Position, ...]:
    return tuple(Position("answer", work, key) for key in keys)


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("17 * 23", 391),
        ("2 + 3 * 4", 14),
        ("(2 + 3) * 4", 20),
        ("2 ^ 3 ^ 2", 512),
        ("2 ** 10", 1024),
        ("-2 ^ 2", -4),
        ("7 / 2", Fraction(7, 2)),
        ("10% * 50", 5),
        ("1,000 + 1", 1001),
        ("3 × 4 ÷ 6", 2),
        ("0.1 + 0.2", Fraction(3, 10)),
        ("- - 3", 3),
    ],
)
def test_arithmetic_is_exact(expression: str, value: Fraction) -> None:
    assert calculate(expression) == value


@pytest.mark.parametrize(
    "expression",
    ["", "1 +", "(1", "1)", "1 / 0", "9 ^ 9 ^ 9", "2 ^ 99999", "0 ^ -1", "2 ^ 0.5", "1 2", "x + 1", "__import__('os')",
     "(" * 100 + "1" + ")" * 100, "1+" * 300 + "1", "1,2 + 3", "-" * 150 + "1"],
)  # fmt: skip
def test_what_is_no_arithmetic_is_refused_quickly(expression: str) -> None:
    started = time.perf_counter()
    with pytest.raises(ValueError, match=r"."):
        calculate(expression)
    assert time.perf_counter() - started < 0.5


def _together(parts: tuple[str, str, str]) -> str:
    return "(" + "".join(parts) + ")"


EXPRESSIONS = st.recursive(
    st.integers(0, 999).map(str),
    lambda inner: st.tuples(inner, st.sampled_from("+-*"), inner).map(_together),
    max_leaves=12,
)


@given(EXPRESSIONS)
def test_the_calculator_agrees_with_python(expression: str) -> None:
    if len(expression) <= 200:
        assert calculate(expression) == eval(expression)


@pytest.mark.parametrize(
    ("text", "keys", "wrong"),
    [
        ("What is 17 * 23?", ("391", "401"), {1}),
        ("17*23", ("401", "391"), {0}),
        ("Please calculate (2+3)*4.", ("20", "20.0"), set()),
        ("What is 10 / 3?", ("3.33", "3.34"), {1}),
        ("What is 1/3 + 1/3?", ("2/3", "0.667"), set()),
        ("How much is 5 + 5?", ("10 apples", "ten"), set()),
        ("What's 2^10?", ("1,024", "1000"), {1}),
    ],
)
async def test_a_sum_that_is_asked_for_is_calculated(text: str, keys: tuple[str, ...], wrong: set[int]) -> None:
    found = await arithmetic(Question(text, answers(*keys)))
    assert found is not None
    assert found.refuted == wrong


@pytest.mark.parametrize(
    "text",
    [
        "I have 3 + 4 apples and eat two. How many are left?",
        "What is 2024-05-03?",
        "Call 555-12-34",
        "What is 3 + 4, and what is 5 + 6?",
        "What is the capital of France?",
        "What is x + 1?",
        "Is 24/7 a good name?",
    ],
)
async def test_other_questions_are_left_to_the_members(text: str) -> None:
    assert await arithmetic(Question(text, answers("1", "2"))) is None


async def test_a_false_sum_in_the_reasoning_is_evidence() -> None:
    positions = (Position("answer", "First 12 * 12 = 144, so 144.", "144"), Position("answer", "12 * 12 = 142.", "142"))
    found = await arithmetic(Question("How many tiles?", positions))
    assert found == Evidence("12 * 12 = 144, not 142", frozenset({1}))


async def test_a_false_sum_on_the_way_refutes_nothing_by_itself() -> None:
    found = await arithmetic(Question("How many?", (Position("answer", "2 + 2 = 5, then 7.", "7"),)))
    assert found is not None
    assert found.refuted == frozenset()


async def test_a_chain_is_no_false_sum() -> None:
    assert await arithmetic(Question("?", (Position("answer", "2 * 3 = 6 * 1 and 10 / 3 = 3.33", "6"),))) is None


async def test_calls_that_cannot_be_made_are_refuted() -> None:
    tool = ToolSpec("f", "", {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]})
    positions = (
        Position("call", calls=(ToolCall("", "f", {"n": 1}),)),
        Position("call", calls=(ToolCall("", "f", {"n": "many"}),)),
        Position("call", calls=(ToolCall("", "g", {}),)),
    )
    found = await calls_fit_their_tools(Question("", positions, (tool,)))
    assert found is not None
    assert found.refuted == {1, 2}


async def test_a_check_that_fails_or_is_late_costs_nothing() -> None:
    async def late(_: Question) -> Evidence | None:
        await asyncio.Event().wait()
        return None

    async def broken(_: Question) -> Evidence | None:
        raise RuntimeError("no")

    async def good(_: Question) -> Evidence | None:
        return Evidence("so it is", frozenset({0}))

    found = await gather(Question("", ()), [late, broken, good], timeout_s=0.05)
    assert refuted(found) == {0}


@pytest.mark.parametrize(
    "text", ["1 " * 2000, "(" * 4000, "1+" * 2000, "+ " * 2000, "1" * 4000, "1 = " * 1000, " " * 4000]
)
async def test_hostile_texts_cost_little(text: str) -> None:
    started = time.perf_counter()
    await gather(Question(text, answers("1", "2", work=text)), evidence.STANDARD, timeout_s=5)
    assert time.perf_counter() - started < 1.0
