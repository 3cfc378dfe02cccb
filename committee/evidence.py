"""Evidence before opinion: what a program can check about positions that differ.

A `Check` is a value: code execution, retrieval and search are further ones, passed in by whoever has them.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

from committee import arguments, keys
from committee.schema import Position, ToolSpec

log = logging.getLogger(__name__)

_MOST_FINDINGS = 6


@dataclass(frozen=True, slots=True)
class Question:
    """What is in dispute: the user's words, what the members hold (without names), and the tools there are."""

    user_text: str
    positions: tuple[Position, ...]
    tools: tuple[ToolSpec, ...] = ()


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a check found: `text` for the members, and the numbers (from 0) of the positions that cannot be right."""

    text: str
    refuted: frozenset[int] = frozenset()


Check: TypeAlias = Callable[[Question], Awaitable[Evidence | None]]
"""Looks for evidence on a question; None when it has none. It may take its time: the caller has a deadline."""


async def gather(question: Question, checks: Iterable[Check], *, timeout_s: float) -> tuple[Evidence, ...]:
    """What all checks find in time. A check that fails or is late is left out; it is no reason to fail a turn."""
    found = await asyncio.gather(*(_run(check, question, timeout_s) for check in checks))
    return tuple(evidence for evidence in found if evidence is not None)[:_MOST_FINDINGS]


async def _run(check: Check, question: Question, timeout_s: float) -> Evidence | None:
    try:
        async with asyncio.timeout(timeout_s):
            return await check(question)
    except Exception:
        log.exception("a check failed", extra={"check": getattr(check, "__name__", type(check).__name__)})
        return None


def refuted(found: Iterable[Evidence]) -> frozenset[int]:
    """The numbers of all positions that some evidence refutes."""
    return frozenset(number for evidence in found for number in evidence.refuted)


# -- calls that cannot be made ---------------------------------------------------------------------------------------


async def calls_fit_their_tools(question: Question) -> Evidence | None:
    """A position whose calls name unknown tools, or give arguments that their schema forbids, cannot be carried out."""
    known = {tool.name: tool for tool in question.tools}
    problems = [(number, _misfit(one, known)) for number, one in enumerate(question.positions)]
    problems = [(number, problem) for number, problem in problems if problem]
    if not problems:
        return None
    text = "; ".join(dict.fromkeys(problem for _, problem in problems))
    return Evidence(f"A proposed call cannot be made: {text}.", frozenset(number for number, _ in problems))


def _misfit(one: Position, known: Mapping[str, ToolSpec]) -> str:
    for call in one.calls:
        if (tool := known.get(call.name)) is None:
            return f"there is no {call.name}"
        try:
            arguments.normalise(tool, call.arguments)
        except ValueError as error:
            return str(error)
    return ""


# -- arithmetic ------------------------------------------------------------------------------------------------------

_LONGEST_TEXT = 4000
_LONGEST_EXPRESSION = 200
_MOST_BITS = 2048
_MOST_DEPTH = 32
# For text whose blanks have been collapsed: every part can match in one way only, so the search takes linear time.
_TERM = r"(?:[-+] ?)?\({0,8}-?\d[\d,_]{0,30}(?:\.\d{1,30})?%?\){0,8}"
_EXPRESSION = re.compile(rf"(?<![\w.,]){_TERM}(?: ?(?:\*\*|[-+*/^×÷·]) ?{_TERM}){{1,40}}")
_EQUATION = re.compile(rf"({_EXPRESSION.pattern}) ?= ?(-?\d{{1,30}}(?:,\d{{3}}){{0,8}}(?:\.\d{{1,30}})?)(?![\d%])")
_NO_ARITHMETIC = re.compile(r"\d+(?:-\d+){2,}|\d{4}-\d\d|\d{1,4}/\d{1,2}/\d{1,4}")
# A question that consists of an expression and such words asks for its value, and for nothing else.
_ASKING = frozenset(
    [
        "what",
        "whats",
        "what's",
        "is",
        "the",
        "value",
        "result",
        "of",
        "calculate",
        "compute",
        "evaluate",
        "work",
        "out",
        "how",
        "much",
        "does",
        "equal",
        "equals",
        "please",
        "can",
        "you",
        "tell",
        "me",
        "give",
        "answer",
        "exactly",
        "exact",
        "number",
        "only",
        "just",
        "solve",
        "find",
        "wie",
        "viel",
        "ist",
        "was",
        "berechne",
        "rechne",
        "combien",
        "fait",
    ]
)


async def arithmetic(question: Question) -> Evidence | None:
    """Calculates what the user asks to be calculated, and the sums in the members' reasoning."""
    value = _asked_for(question.user_text[:_LONGEST_TEXT])
    if value is not None:
        expression, exact = value
        wrong = frozenset(
            number
            for number, one in enumerate(question.positions)
            if one.action == "answer" and _denies(one.key, exact)
        )
        return Evidence(f"{expression} = {_shown(exact)} (calculated exactly)", wrong)
    return _false_sums(question.positions)


def _asked_for(text: str) -> tuple[str, Fraction] | None:
    text = " ".join(text.split())
    found = [match for match in _EXPRESSION.finditer(text) if len(match[0]) <= _LONGEST_EXPRESSION]
    if len(found) != 1 or _NO_ARITHMETIC.fullmatch(found[0][0].strip()):
        return None
    rest = text[: found[0].start()] + " " + text[found[0].end() :]
    if any(char.isdigit() for char in rest):
        return None
    if not {word.strip("?.!,:;=\"'()").lower() for word in rest.split()} - {""} <= _ASKING:
        return None
    try:
        return found[0][0].strip(), calculate(found[0][0])
    except ValueError:
        return None


def _denies(key: str, exact: Fraction) -> bool:
    """Whether a short answer is a plain number, and another one. Rounding is no denial."""
    quantity, value = keys.normal(key)
    if quantity != "" or not isinstance(value, float):
        return False
    written = re.search(r"\.(\d+)", key)
    tolerance = Fraction(1, 2 * 10 ** (len(written[1]) if written else 0)) if exact.denominator > 1 else Fraction(0)
    slack = max(tolerance, abs(exact) / 10**8)
    try:
        return abs(Fraction(value) - exact) > slack
    except (OverflowError, ValueError):
        return True


def _false_sums(positions: Sequence[Position]) -> Evidence | None:
    texts: list[str] = []
    wrong: set[int] = set()
    for number, one in enumerate(positions):
        for expression, claimed in _sums(one.work[:_LONGEST_TEXT]):
            try:
                exact = calculate(expression)
            except ValueError:
                continue
            if not _denies(claimed, exact):
                continue
            texts.append(f"{expression} = {_shown(exact)}, not {claimed}")
            if one.key and keys.same_key(one.key, claimed):
                wrong.add(number)
    return Evidence("; ".join(dict.fromkeys(texts[:4])), frozenset(wrong)) if texts else None


def _sums(text: str) -> list[tuple[str, str]]:
    return [
        (match[1].strip(), match[2])
        for match in _EQUATION.finditer(" ".join(text.split()))
        # "x = a + b = c" and "2 * 3 = 6 * 1" are chains, of which this is only a part.
        if len(match[1]) <= _LONGEST_EXPRESSION and match.string[match.end() :].lstrip()[:1] not in tuple("+-*/^×÷·(")
    ]


def _shown(value: Fraction) -> str:
    if value.denominator == 1:
        return str(value.numerator)
    decimal = f"{float(value):.10g}"
    return decimal if Fraction(decimal) == value else f"{value} ≈ {decimal}"


def calculate(expression: str) -> Fraction:
    """The exact value of an expression of numbers, + - * / ^, percent signs and brackets.

    Raises ValueError when it is none, or when its value would be too large or undefined.
    """
    return _Calculator(expression).value()


class _Calculator:
    """A recursive descent, bounded in length, depth and size of numbers."""

    _TOKEN = re.compile(r"\s*(?:(\d[\d,_]*(?:\.\d+)?)|(\*\*|[-+*/^()%×÷·]))")

    def __init__(self, expression: str) -> None:
        if len(expression) > _LONGEST_EXPRESSION:
            raise ValueError("the expression is too long")
        self._tokens: list[str] = []
        at, text = 0, expression.rstrip()
        while at < len(text):
            if (match := self._TOKEN.match(text, at)) is None:
                raise ValueError(f"{text[at:][:20]!r} is no arithmetic")
            self._tokens.append((match[1] or match[2]).replace("**", "^"))
            at = match.end()
        self._at = 0
        self._depth = 0

    def value(self) -> Fraction:
        result = self._sum()
        if self._at != len(self._tokens):
            raise ValueError(f"{self._tokens[self._at]!r} is in the wrong place")
        return result

    def _take(self, *wanted: str) -> str:
        if self._at < len(self._tokens) and self._tokens[self._at] in wanted:
            self._at += 1
            return self._tokens[self._at - 1]
        return ""

    def _sum(self) -> Fraction:
        result = self._product()
        while sign := self._take("+", "-"):
            term = self._product()
            result = _bounded(result + term if sign == "+" else result - term)
        return result

    def _product(self) -> Fraction:
        result = self._signed()
        while sign := self._take("*", "×", "·", "/", "÷"):
            factor = self._signed()
            if sign in "/÷" and not factor:
                raise ValueError("division by zero")
            result = _bounded(result / factor if sign in "/÷" else result * factor)
        return result

    def _signed(self) -> Fraction:
        self._depth += 1
        if self._depth > _MOST_DEPTH:
            raise ValueError("the expression is nested too deeply")
        try:
            if sign := self._take("+", "-"):
                value = self._signed()
                return -value if sign == "-" else value
            return self._power()
        finally:
            self._depth -= 1

    def _power(self) -> Fraction:
        base = self._atom()
        if not self._take("^"):
            return base
        exponent = self._signed()
        if exponent.denominator != 1 or abs(exponent) > _MOST_BITS or (not base and exponent < 0):
            raise ValueError("this power is not calculated")
        if base and max(base.numerator.bit_length(), base.denominator.bit_length()) * abs(exponent) > _MOST_BITS:
            raise ValueError("the value is too large")
        return base ** int(exponent)

    def _atom(self) -> Fraction:
        if self._take("("):
            inner = self._sum()
            if not self._take(")"):
                raise ValueError("a bracket is not closed")
            result = inner
        elif self._at < len(self._tokens) and self._tokens[self._at][0].isdigit():
            result = _number(self._tokens[self._at])
            self._at += 1
        else:
            raise ValueError("a number is missing")
        return result / 100 if self._take("%") else result


def _number(text: str) -> Fraction:
    whole = text.replace("_", "")
    if "," in whole and not re.fullmatch(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?", whole):
        raise ValueError(f"{text!r} may be several numbers")
    return _bounded(Fraction(whole.replace(",", "")))


def _bounded(value: Fraction) -> Fraction:
    if max(value.numerator.bit_length(), value.denominator.bit_length()) > _MOST_BITS:
        raise ValueError("the value is too large")
    return value


STANDARD: tuple[Check, ...] = (calls_fit_their_tools, arithmetic)
"""The checks that need nothing but the question."""
