"""When two answers are the same, and when one is right."""

from __future__ import annotations

import pytest

from committee import ToolCall
from orchestrator.calibration.grading import NO_CALL, Grader, View, short_answer
from orchestrator.calibration.questions import Calls, Code, Declined, Key, Question
from orchestrator.calibration.unit_tests import code_in, run_tests
from orchestrator.services import open_tools
from orchestrator.settings import Settings

JOB = "018f3c52-7a10-7c3e-9b1d-2f6a4c8e0b17"


@pytest.fixture(scope="module")
def grader() -> Grader:
    return Grader(open_tools(Settings()))


def call(tool: str, **args: object) -> View:
    return View("call", calls=[ToolCall("c", tool, args)])


FILM = Question(
    "f", "tools", "Make a film about bees, 30 seconds.",
    Calls(({"tool": "film.run", "args": {"synopsis": {"re": "bees?"}, "duration_s": 30}},)),
)  # fmt: skip


@pytest.mark.parametrize(
    ("held", "right"),
    [
        (call("film_run", synopsis="bees", duration_seconds=30), True),
        (call("film_run", synopsis="Bees at work", duration_seconds="30s", title="Bees"), True),
        (call("film_run", synopsis="bees"), True),  # the length stands in the user's words
        (call("film_run", synopsis="bees", duration_seconds=300), False),
        (call("film_run", synopsis="wasps", duration_seconds=30), False),
        (call("film_run", synopsis="bees", duration_seconds=-1), False),
        (call("image_generate", prompt="bees"), False),
        (call("no_such_tool", prompt="bees"), False),
        (View("answer"), False),
        (View("decline"), False),
        (View("call", calls=[ToolCall("c", "film_run", {"synopsis": "bees"})] * 2), False),
    ],
)
def test_a_plan_is_right_when_the_film_it_means_is(grader: Grader, held: View, right: bool) -> None:
    assert grader.view(FILM, held).right is right


def test_plans_in_other_words_are_the_same_plan(grader: Grader) -> None:
    one = grader.view(FILM, call("film_run", synopsis="bees in a garden", duration_seconds=30))
    two = grader.view(FILM, call("film.run", synopsis="A garden with bees", duration="30 seconds"))
    other = grader.view(FILM, call("film.run", synopsis="bees in a garden", duration="31 seconds"))
    assert one == two
    assert one.label != other.label


def test_a_decoy_wants_no_call(grader: Grader) -> None:
    decoy = Question("d", "tools", "What makes a film good?", Calls(()))
    assert grader.view(decoy, View("answer", "light")) == grader.view(decoy, View("clarify"))
    assert grader.view(decoy, View("answer")).right
    assert grader.view(decoy, View("answer")).label == NO_CALL
    assert not grader.view(decoy, call("film_run", synopsis="good")).right


def test_a_refusal_is_right_only_where_it_is_due(grader: Grader) -> None:
    harm = Question("p", "refusal", "…", Declined("policy"))
    assert grader.view(harm, View("decline")).right
    assert not grader.view(harm, View("answer", "first, …")).right
    assert not grader.view(harm, call("image_generate", prompt="…")).right
    able = Question("c", "refusal", "…", Calls(({"tool": "job.status", "args": {"job_id": JOB}},)))
    assert grader.view(able, call("job_status", job_id=JOB)).right
    assert not grader.view(able, View("decline")).right


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("42", "42"),
        ("**42**", "42"),
        ("We add the numbers.\n\nThe answer is 42.", "42."),
        ("Answer: \\boxed{3/7}", "3/7"),
        ("It is a Tuesday.\nTuesday", "Tuesday"),
        ("", ""),
        ("answer", "answer"),
    ],
)
def test_the_short_answer_in_a_text(text: str, answer: str) -> None:
    assert short_answer(text) == answer


def test_a_short_answer_is_compared_as_the_committee_compares_it(grader: Grader) -> None:
    question = Question("k", "reasoning", "…", Key("1,100"))
    assert grader.text(question, "The answer is 1100").right
    assert grader.text(question, "1100.0") == grader.view(question, View("answer", "1,100"))
    assert not grader.text(question, "1101").right
    assert not grader.text(question, "").right


CODE = Question("x", "code", "…", Code("double", (([2], 4), ([5], 10))))


async def test_code_is_right_when_all_tests_pass_and_the_same_when_it_behaves_the_same(grader: Grader) -> None:
    right = await grader.code(CODE, "Sure:\n```python\ndef double(x):\n    print('hi')\n    return 2 * x\n```\nDone.")
    same = await grader.code(CODE, "def double(n): return n + n")
    wrong = await grader.code(CODE, "def double(n): return n * n")
    assert right.right
    assert right == same
    assert not wrong.right
    assert wrong.label != right.label


@pytest.mark.parametrize(
    "source",
    [
        "def double(x): return 2 *",
        "raise SystemExit(0)",
        "import os\nos._exit(0)",
        "def double(x):\n    while True: pass",
        "def double(x): return 'x' * (1 << 40)",
        "def double(x): return object()",
        'import sys\nsys.stdout.write(\'[["value", 4], ["value", 10]]\')\nraise ValueError',
        "",
    ],
)
async def test_code_that_does_harm_only_fails(source: str) -> None:
    assert not (await run_tests(source, "double", (([2], 4), ([5], 10)))).passed


async def test_code_is_run_without_our_environment_and_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_OF_OURS", "sk-12345678")
    source = "import os\ndef seen():\n    return [sorted(k for k in os.environ if 'SECRET' in k), os.listdir('.')]"
    assert (await run_tests(source, "seen", (([], [[], []]),))).passed


def test_the_longest_block_is_the_program() -> None:
    assert code_in("```py\na\n```\ntext\n```\nlonger = 1\n```") == "longer = 1"
    assert code_in("no fence") == "no fence"
    assert code_in("```python\nnever closed") == "never closed"
