"""The statistics against brute force, closed forms and their own symmetries."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from committee.measurement.statistics import (
    Pair,
    discordant,
    items_needed,
    mcnemar,
    paired_difference,
    share_interval,
    visible_difference,
)

shares = st.floats(0.02, 0.98)
answers = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=80)


@given(answers)
def test_a_difference_lies_within_its_interval_and_turns_with_the_sides(pairs: list[tuple[bool, bool]]) -> None:
    ours, theirs = [a for a, _ in pairs], [b for _, b in pairs]
    found, turned = paired_difference(ours, theirs), paired_difference(theirs, ours)
    assert -1 <= found.low <= found.mean <= found.high <= 1
    assert found.mean == pytest.approx((sum(ours) - sum(theirs)) / len(ours))
    assert turned.mean == pytest.approx(-found.mean)


def test_the_interval_is_that_of_drawing_the_items_again() -> None:
    pairs = [(True, False)] * 18 + [(False, True)] * 9 + [(True, True)] * 60 + [(False, False)] * 13
    found = paired_difference([a for a, _ in pairs], [b for _, b in pairs])
    draw = random.Random(5)
    means = sorted(sum(a - b for a, b in draw.choices(pairs, k=len(pairs))) / len(pairs) for _ in range(4000))
    assert found.low == pytest.approx(means[100], abs=0.012)
    assert found.high == pytest.approx(means[3900], abs=0.012)


def test_the_same_answers_give_the_same_interval() -> None:
    ours, theirs = [True, False, True] * 20, [True, True, False] * 20
    assert paired_difference(ours, theirs) == paired_difference(ours, theirs)


def test_unpaired_lists_are_refused_and_no_items_say_nothing() -> None:
    with pytest.raises(ValueError, match="shorter"):
        discordant([True, False], [True])
    assert (paired_difference([], []).low, paired_difference([], []).high) == (-1, 1)


def test_an_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    draw = random.Random(11)
    covered = 0
    for seed in range(300):
        ours = [draw.random() < 0.8 for _ in range(150)]
        theirs = [draw.random() < 0.7 for _ in range(150)]
        found = paired_difference(ours, theirs, seed=seed)
        covered += found.low <= 0.1 <= found.high
    assert 0.91 <= covered / 300 <= 0.985


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_is_the_exact_binomial_test(wins: int, losses: int) -> None:
    total = wins + losses
    tail = sum(math.comb(total, k) for k in range(min(wins, losses) + 1)) / 2**total
    assert mcnemar(wins, losses) == pytest.approx(min(1.0, 2 * tail))
    assert mcnemar(wins, losses) == mcnemar(losses, wins)


@given(st.integers(1, 400), st.data())
def test_a_share_lies_within_its_interval(items: int, data: st.DataObject) -> None:
    right = data.draw(st.integers(0, items))
    low, high = share_interval(right, items)
    assert 0 <= low <= right / items + 1e-9
    assert right / items - 1e-9 <= high <= 1


def test_how_many_items_a_difference_needs() -> None:
    assert items_needed(0.20, 0.05) == 628
    assert visible_difference(0.20, 100) == pytest.approx(0.125, abs=0.001)
    assert visible_difference(0.20, 0) == math.inf
    with pytest.raises(ValueError, match="greater than 0"):
        items_needed(0.2, 0)


@given(st.floats(0.05, 1), st.floats(0.01, 0.5))
def test_items_needed_and_visible_difference_are_inverse(share: float, difference: float) -> None:
    assert visible_difference(share, items_needed(share, difference)) <= difference * (1 + 1e-9)


@given(shares, shares, st.floats(-0.3, 0.9), st.floats(0, 1), st.floats(0, 1))
def test_an_arbiter_beats_the_better_member_exactly_above_break_even(
    a: float, b: float, phi: float, collision: float, hit_rate: float
) -> None:
    try:
        pair = Pair.correlated(a, b, phi, collision)
    except ValueError:
        assume(False)
        raise
    assume(pair.one_right > 1e-3)
    assert pair.accuracy(pair.break_even) == pytest.approx(max(a, b))
    assert (pair.accuracy(hit_rate) > max(a, b) + 1e-9) <= (hit_rate > pair.break_even)
    assert pair.both - 1e-12 <= pair.agreement <= 1 + 1e-9
    assert pair.accuracy(1) == pytest.approx(pair.oracle)


def test_a_pair_by_hand() -> None:
    pair = Pair.correlated(0.80, 0.75, 0.20, 0.6)
    assert pair.both == pytest.approx(0.6346, abs=1e-3)
    assert pair.agreement == pytest.approx(0.685, abs=2e-3)
    assert pair.right_when_agreed == pytest.approx(0.925, abs=3e-3)
    assert pair.oracle == pytest.approx(0.915, abs=1e-3)
    assert pair.break_even == pytest.approx(0.59, abs=0.01)
    with pytest.raises(ValueError, match="cannot have"):
        Pair.correlated(0.9, 0.5, 0.9)
