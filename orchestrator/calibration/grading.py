"""What an answer amounts to: a label by which answers are the same or not, and whether it is right."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from committee import ToolCall, keys
from committee.proposal import ProposedCall
from orchestrator.calibration.questions import Calls, Code, Declined, Key, Question
from orchestrator.calibration.unit_tests import code_in, run_tests
from tools.errors import ToolError
from tools.film import FILM_KIND, request_from
from tools.registry import ToolRegistry

NO_CALL = "no call"
_LABEL_CHARS = 120
# Free text, and what is derived from it.
_WORDING = frozenset({"synopsis", "subject", "title", "prompt", "style", "negative_prompt", "seed"})
_DECORATION = re.compile(r"\\boxed\{([^{}]*)\}|\*+|`+|\$+")


@dataclass(frozen=True, slots=True)
class View:
    """What somebody holds: an action with its calls, or a short answer."""

    action: str
    key: str = ""
    calls: Sequence[ToolCall | ProposedCall] = ()


@dataclass(frozen=True, slots=True)
class Grade:
    label: str
    right: bool


class Grader:
    """Grades the answers to questions about these tools."""

    def __init__(self, tools: ToolRegistry) -> None:
        self._tools = tools

    def view(self, question: Question, held: View) -> Grade:
        """Grade a plan or a short answer. Code has no short form; see `code`."""
        gold = question.gold
        if isinstance(gold, Key):
            if held.action != "answer" or not held.key:
                return Grade(held.action, False)
            return Grade(_short(held.key), keys.same_key(held.key, gold.key))
        if held.action == "call" and held.calls:
            calls = [self._definite(call, question.text) for call in held.calls]
            right = isinstance(gold, Calls) and _same_calls(gold.calls, calls)
            return Grade(_plan_label(calls), right)
        if isinstance(gold, Calls):
            return Grade(NO_CALL, not gold.calls)
        return Grade(held.action, isinstance(gold, Declined) and held.action == "decline")

    def text(self, question: Question, text: str) -> Grade:
        """Grade a short answer that was written as prose."""
        return self.view(question, View("answer", short_answer(text)))

    async def code(self, question: Question, text: str) -> Grade:
        """Grade a program; two programs are the same answer when every test gives the same."""
        assert isinstance(question.gold, Code)
        run = await run_tests(code_in(text), question.gold.entry, question.gold.tests)
        return Grade(hashlib.sha256(run.results.encode()).hexdigest()[:16], run.passed)

    def _definite(self, call: ToolCall | ProposedCall, user_text: str) -> tuple[str, dict[str, Any]]:
        """The call with everything that it leaves open filled in, as the tool would. A call that the tool would refuse
        keeps what it says and fits no gold."""
        name, args = (call.name, call.arguments) if isinstance(call, ToolCall) else (call.tool, call.args)
        try:
            tool = self._tools.get(name)
            if tool.name == FILM_KIND:
                return tool.name, request_from(args, user_text=user_text, seed=0).model_dump(mode="json")
            return tool.name, tool.arguments.model_validate(args).model_dump(mode="json")
        except (ToolError, ValidationError):
            return f"{name} (refused)", dict(args)


def short_answer(text: str) -> str:
    """The answer in a short text: what stands behind the last "answer", else its last line."""
    plain = _DECORATION.sub(lambda match: match[1] or "", text)
    lines = [line.strip() for line in plain.splitlines() if line.strip()]
    if not lines:
        return ""
    _, marked, behind = lines[-1].lower().rpartition("answer")
    if marked:
        return re.sub(r"\A\W*(?:is|:)?\s*", "", lines[-1][len(lines[-1]) - len(behind) :]) or lines[-1]
    return lines[-1]


def _short(key: str) -> str:
    kind, value = keys.normal(key)
    return f"{kind}:{value}"[:_LABEL_CHARS]


def _plan_label(calls: Sequence[tuple[str, Mapping[str, Any]]]) -> str:
    """The calls without their free text: two plans that differ only in wording are the same plan."""
    plain = sorted(
        json.dumps([name, {k: v for k, v in args.items() if k not in _WORDING}], sort_keys=True, default=str)
        for name, args in calls
    )
    text = "|".join(plain)
    names = ",".join(name for name, _ in calls)
    return f"{names}#{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def _same_calls(gold: Sequence[Mapping[str, Any]], calls: Sequence[tuple[str, Mapping[str, Any]]]) -> bool:
    """Whether every gold call is met by another one of the calls, and none is left over."""
    left = list(calls)
    for wanted in gold:
        met = next((call for call in left if _meets(call, wanted)), None)
        if met is None:
            return False
        left.remove(met)
    return not left


def _meets(call: tuple[str, Mapping[str, Any]], wanted: Mapping[str, Any]) -> bool:
    name, args = call
    return name == wanted["tool"] and all(_is(args.get(field), rule) for field, rule in wanted["args"].items())


def _is(value: Any, rule: Any) -> bool:
    if isinstance(rule, Mapping):
        return re.search(rule["re"], str(value), re.IGNORECASE) is not None
    if isinstance(rule, str):
        return str(value).casefold() == rule.casefold()
    return bool(value == rule)
