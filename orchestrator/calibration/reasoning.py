"""Questions with one exact short answer, made from families with computed answers.

No model can have learnt them by heart, and none has a gold answer that somebody typed wrongly. The same seed makes the
same questions.
"""

from __future__ import annotations

import calendar
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from datetime import date, timedelta
from fractions import Fraction
from random import Random
from typing import TypeAlias

Made: TypeAlias = tuple[str, str]
_NAMES = ("Ada", "Ben", "Cleo", "Dan", "Eve")


def questions(seed: int, per_family: int) -> Iterator[tuple[str, str, str]]:
    """(id, question, answer), one family after the other within each round."""
    for number in range(per_family):
        for family in FAMILIES:
            text, answer = family(Random(f"{seed}|{family.__name__}|{number}"))
            yield f"{family.__name__}-{seed}-{number}", text, answer


def change(r: Random) -> Made:
    prices = [r.randint(105, 989) for _ in range(4)]
    counts = [r.randint(2, 9) for _ in prices]
    paid = 100 * (sum(p * c for p, c in zip(prices, counts, strict=True)) // 100 + r.randint(3, 40))
    listed = ", ".join(f"{c} items at {p / 100:.2f}" for p, c in zip(prices, counts, strict=True))
    left = paid - sum(p * c for p, c in zip(prices, counts, strict=True))
    return f"I buy {listed} euros each and pay with {paid // 100} euros. How much change do I get, in cents?", str(left)


def arrival(r: Random) -> Made:
    start, legs = r.randint(5 * 60, 13 * 60), [r.randint(17, 148) for _ in range(3)]
    waits = [r.randint(4, 39) for _ in range(2)]
    end = (start + sum(legs) + sum(waits)) % 1440
    return (
        f"A journey starts at {_clock(start)}. It has legs of {legs[0]}, {legs[1]} and {legs[2]} minutes, with waits of"
        f" {waits[0]} and {waits[1]} minutes between them. At what time does it end? Answer as HH:MM, 24 hours."
    ), _clock(end)


def weekday(r: Random) -> Made:
    day = date(r.randint(1950, 2040), r.randint(1, 12), r.randint(1, 28))
    later = day + timedelta(days=r.randint(100, 900))
    return (
        f"{day.isoformat()} is a {calendar.day_name[day.weekday()]}. Which day of the week is {later.isoformat()}?"
    ), calendar.day_name[later.weekday()]


def remainder(r: Random) -> Made:
    base, power, modulus = r.randint(3, 19), r.randint(11, 60), r.randint(7, 53)
    return f"What is the remainder of {base}^{power} divided by {modulus}?", str(pow(base, power, modulus))


def inclusion(r: Random) -> Made:
    limit, a, b, c = r.randint(150, 900), *sorted(r.sample([3, 4, 5, 6, 7, 8, 9, 11], 3))
    count = sum(1 for n in range(1, limit + 1) if (n % a == 0 or n % b == 0) and n % c)
    return (f"How many integers from 1 to {limit} are divisible by {a} or by {b}, but not by {c}?"), str(count)


def order(r: Random) -> Made:
    """Five people in a row; clues are added until one arrangement is left."""
    names = list(_NAMES)
    row = r.sample(names, len(names))
    place = {name: row.index(name) for name in names}
    clues: list[tuple[str, Callable[[dict[str, int]], bool]]] = []
    for a, b in itertools.permutations(names, 2):
        if place[a] < place[b]:
            clues.append((f"{a} stands somewhere to the left of {b}", lambda p, a=a, b=b: p[a] < p[b]))  # type: ignore[misc]
        gap = abs(place[a] - place[b])
        if a < b and gap > 1:
            clues.append((f"{a} and {b} are not neighbours", lambda p, a=a, b=b: abs(p[a] - p[b]) > 1))  # type: ignore[misc]
        if a < b and gap == 1:
            clues.append((f"{a} and {b} are neighbours", lambda p, a=a, b=b: abs(p[a] - p[b]) == 1))  # type: ignore[misc]
    r.shuffle(clues)
    left = [dict(zip(p, range(5), strict=True)) for p in itertools.permutations(names)]
    told = []
    for text, holds in clues:
        fewer = [p for p in left if holds(p)]
        if len(fewer) < len(left):
            told.append(text)
            left = fewer
        if len(left) == 1:
            break
    asked = r.randrange(5)
    return (f"{', '.join(names)} stand in a row. {'. '.join(told)}. Who is number {asked + 1} from the left?"), row[
        asked
    ]


def liars(r: Random) -> Made:
    """Knights tell the truth, knaves lie; drawn again until exactly one assignment fits."""
    names = _NAMES[:4]
    for _ in range(1000):
        said = []
        for name in names:
            a, b = r.sample([other for other in names if other != name], 2)
            said.append((name, a, b, r.random() < 0.5))
        fitting = [truth for truth in itertools.product([True, False], repeat=4) if _fits(truth, names, said)]
        if len(fitting) == 1:
            break
    else:
        raise AssertionError("about one draw in four has exactly one solution")
    lines = ". ".join(f"{who} says: {a} and {b} are {'the same' if same else 'different'}" for who, a, b, same in said)
    text = f"Knights always tell the truth, knaves always lie. {lines}. How many of the four are knights?"
    return text, str(sum(fitting[0]))


def _fits(truth: Sequence[bool], names: Sequence[str], said: Sequence[tuple[str, str, str, bool]]) -> bool:
    is_knight = dict(zip(names, truth, strict=True))
    return all(is_knight[who] == ((is_knight[a] == is_knight[b]) == same) for who, a, b, same in said)


def base(r: Random) -> Made:
    number, one, two = r.randint(200, 9000), *r.sample([2, 3, 5, 7, 8, 9], 2)
    return (f"The number {_digits(number, one)} is written in base {one}. Write it in base {two}."), _digits(
        number, two
    )


def draw(r: Random) -> Made:
    red, blue, green = r.randint(3, 9), r.randint(3, 9), r.randint(2, 6)
    total = red + blue + green
    chance = Fraction(math.comb(red, 2) + math.comb(blue, 2) + math.comb(green, 2), math.comb(total, 2))
    return (
        f"A bag has {red} red, {blue} blue and {green} green balls. Two are drawn without putting the first one back."
        " What is the probability that they have the same colour? Answer as a fraction in lowest terms."
    ), f"{chance.numerator}/{chance.denominator}"


def letters(r: Random) -> Made:
    word = "".join(r.choice("aabcdeeilnorst") for _ in range(r.randint(14, 22)))
    wanted = r.choice(sorted(set(word)))
    return f'How many times does the letter "{wanted}" occur in "{word}"?', str(word.count(wanted))


def work(r: Random) -> Made:
    a, b = r.sample(range(5, 60), 2)
    together = Fraction(60) / (Fraction(1, a) + Fraction(1, b))
    seconds = round(together * 60)
    return (
        f"One pump fills a tank in {a} hours, another one in {b} hours. How many seconds do both together need?"
        " Round to the nearest second."
    ), str(seconds)


def sequence(r: Random) -> Made:
    a, b, p, q, n = r.randint(1, 6), r.randint(1, 6), r.randint(1, 3), r.randint(1, 3), r.randint(8, 12)
    values = [a, b]
    while len(values) < n:
        values.append(p * values[-1] + q * values[-2])
    return (
        f"A sequence starts with {a}, {b}; every further term is {p} times the one before plus {q} times the one before"
        f" that. What is the {n}th term?"
    ), str(values[-1])


FAMILIES: tuple[Callable[[Random], Made], ...] = (
    change, arrival, weekday, remainder, inclusion, order, liars, base, draw, letters, work, sequence,
)  # fmt: skip


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"


def _digits(number: int, base: int) -> str:
    digits = ""
    while number:
        number, digit = divmod(number, base)
        digits = str(digit) + digits
    return digits or "0"
