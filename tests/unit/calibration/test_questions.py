"""The questions themselves: gold answers that are right, in every language, for the tools that there are."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from importlib import resources

import pytest

from committee import keys
from committee.calibration import categorise
from orchestrator.calibration import reasoning
from orchestrator.calibration.grading import Grader, View
from orchestrator.calibration.questions import Calls, Code, Declined, Key, Question, questions
from orchestrator.calibration.unit_tests import run_tests
from orchestrator.services import open_tools
from orchestrator.settings import Settings
from tools.registry import ToolRegistry


@pytest.fixture(scope="module")
def tools() -> ToolRegistry:
    return open_tools(Settings())


@pytest.fixture(scope="module")
def asked(tools: ToolRegistry) -> list[Question]:
    return questions(tools.names())


def test_there_are_enough_of_every_kind(asked: list[Question]) -> None:
    counted = Counter(question.category for question in asked)
    assert counted["tools"] >= 60
    assert counted["reasoning"] >= 600
    assert counted["code"] >= 30
    assert counted["refusal"] >= 30
    assert len({question.id for question in asked}) == len(asked)
    plans = [q.gold for q in asked if q.category == "tools"]
    assert sum(isinstance(gold, Calls) and not gold.calls for gold in plans) >= 12  # decoys
    kinds = Counter(q.gold.kind for q in asked if isinstance(q.gold, Declined))
    assert min(kinds["capability"], kinds["policy"]) >= 10


def test_the_plans_are_asked_for_in_many_languages() -> None:
    text = (resources.files("orchestrator.calibration") / "items" / "plans.jsonl").read_text("utf-8")
    languages = Counter(json.loads(line)["lang"] for line in text.splitlines())
    assert len(languages) >= 8
    assert sum(languages.values()) - languages["en"] >= 25


def test_the_order_is_the_same_every_time_and_starts_with_every_kind(tools: ToolRegistry) -> None:
    first, second = questions(tools.names()), questions(tools.names())
    assert [q.id for q in first] == [q.id for q in second]
    assert {q.category for q in first[:4]} == {"tools", "reasoning", "refusal", "code"}


def test_what_no_tool_can_do_is_not_asked() -> None:
    fewer = questions({"image.generate"})
    called = {call["tool"] for q in fewer if isinstance(q.gold, Calls) for call in q.gold.calls}
    assert called == {"image.generate"}


def test_questions_are_of_the_kind_that_the_gate_takes_them_for(asked: list[Question]) -> None:
    found = Counter()
    total = Counter()
    for question in asked:
        if isinstance(question.gold, Calls) and not question.gold.calls:
            continue  # a decoy is a question about something else
        total[question.category] += 1
        found[question.category] += categorise(question.text, tools=True) == question.category
    assert found["code"] == total["code"]
    assert found["reasoning"] / total["reasoning"] >= 0.98
    assert found["tools"] / total["tools"] >= 0.8


def test_a_gold_plan_fits_its_own_tools(asked: list[Question], tools: ToolRegistry) -> None:
    """Every gold call, filled with an example for its patterns, is accepted and graded as right."""
    examples = {"film.run": "synopsis", "image.generate": "prompt"}
    for question in asked:
        if not isinstance(question.gold, Calls):
            continue
        calls = []
        for call in question.gold.calls:
            args = {k: v["re"].split("|")[0] if isinstance(v, dict) else v for k, v in call["args"].items()}
            if (field := examples.get(call["tool"])) is not None:
                args[field] = question.text
            calls.append(_call(call["tool"], args))
        grade = Grader(tools).view(question, View("call" if calls else "answer", calls=calls))
        # The words of the question need not match the pattern in every language; everything else has to.
        assert grade.right or question.category == "refusal" or any("re" in str(c) for c in question.gold.calls), (
            question
        )


def _call(tool: str, args: dict[str, object]) -> object:
    from committee import ToolCall

    return ToolCall("c", tool, args)


@pytest.mark.parametrize("family", reasoning.FAMILIES, ids=lambda family: family.__name__)
def test_a_family_is_seeded_and_has_short_answers(family: object) -> None:
    from random import Random

    made = [family(Random(n)) for n in range(25)]  # type: ignore[operator]
    assert made == [family(Random(n)) for n in range(25)]  # type: ignore[operator]
    assert len({text for text, _ in made}) == 25
    assert all(answer and len(answer) < 40 and keys.same_key(answer, answer) for _, answer in made)
    assert len({answer for _, answer in made}) > 2


def test_a_row_of_people_is_told_without_doubt() -> None:
    """Solved anew from the words of the question."""
    from random import Random

    for number in range(20):
        text, answer = reasoning.order(Random(number))
        clues = text.split("stand in a row. ")[1].split(". Who is")[0].split(". ")
        place = int(text.split("number ")[1][0]) - 1
        rows = [row for row in itertools.permutations(("Ada", "Ben", "Cleo", "Dan", "Eve")) if _fits(row, clues)]
        assert [row[place] for row in rows] == [answer]


def _fits(row: tuple[str, ...], clues: list[str]) -> bool:
    for clue in clues:
        words = clue.split()
        if "left" in clue:
            holds = row.index(words[0]) < row.index(words[-1])
        else:
            near = abs(row.index(words[0]) - row.index(words[2])) == 1
            holds = near != ("not" in words)
        if not holds:
            return False
    return True


async def test_every_solution_passes_its_tests_and_an_empty_one_fails() -> None:
    text = (resources.files("orchestrator.calibration") / "items" / "code.jsonl").read_text("utf-8")
    for item in map(json.loads, text.splitlines()):
        tests = [(args, expected) for args, expected in item["tests"]]
        assert (await run_tests(item["solution"], item["entry"], tests)).passed, item["id"]
        wrong = await run_tests(f"def {item['entry']}(*args):\n    return 'nothing'\n", item["entry"], tests)
        assert not wrong.passed, item["id"]


def test_no_gold_answer_is_in_its_question(asked: list[Question]) -> None:
    for question in asked:
        if isinstance(question.gold, Code):
            assert "solution" not in question.text
        if isinstance(question.gold, Key) and question.gold.key.isdigit() and len(question.gold.key) > 3:
            assert question.gold.key not in question.text.split()
