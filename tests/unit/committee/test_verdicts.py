"""Blind verdicts: what a judge says in one order must hold in the other."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from committee import verdicts
from committee.errors import BadAnswer


@given(st.integers(2, 5), st.integers(0, 2**31), st.randoms())
def test_an_honest_judge_keeps_its_ranking(candidates: int, seed: int, random: object) -> None:
    truth = list(range(candidates))
    random.shuffle(truth)  # type: ignore[attr-defined]
    shown = []
    for order in verdicts.orders(candidates, seed=seed):
        assert sorted(order) == list(range(candidates))
        shown.append((order, tuple(sorted(range(candidates), key=lambda place: truth.index(order[place])))))
    assert verdicts.combine(shown) == tuple(truth)


@given(st.integers(2, 5), st.integers(0, 2**31))
def test_a_judge_that_follows_the_order_abstains(candidates: int, seed: int) -> None:
    as_shown = tuple(range(candidates))
    assert verdicts.combine([(order, as_shown) for order in verdicts.orders(candidates, seed=seed)]) == ()


def test_labels_do_not_favour_anyone() -> None:
    firsts = Counter(verdicts.orders(2, seed=seed)[0][0] for seed in range(2000))
    assert abs(firsts[0] - 1000) < 150


@pytest.mark.parametrize(
    ("ballots", "won"),
    [
        ({"a": (1, 0), "b": (1, 0)}, 1),
        ({"a": (1, 0), "b": (0, 1)}, None),
        ({"a": (1, 0), "b": ()}, 1),
        ({"a": (), "b": ()}, None),
        ({}, None),
    ],
)
def test_two_judges_must_be_unanimous(ballots: dict[str, tuple[int, ...]], won: int | None) -> None:
    assert verdicts.winner(ballots, 2, judges=2) == won


def test_many_judges_count_points() -> None:
    ballots = {"a": (0, 1, 2), "b": (1, 0, 2), "c": (1, 2, 0)}
    assert verdicts.winner(ballots, 3, judges=3) == 1
    assert verdicts.winner({"a": (0, 1, 2), "b": (1, 0, 2)}, 3, judges=3) is None


@given(
    st.integers(2, 4).flatmap(
        lambda k: st.tuples(
            st.just(k), st.lists(st.one_of(st.just(()), st.permutations(range(k)).map(tuple)), min_size=3, max_size=6)
        )
    ),
    st.integers(1, 3),
)
def test_who_is_unassailable_is_never_overtaken(case: tuple[int, list[tuple[int, ...]]], out: int) -> None:
    candidates, cast = case
    judges = len(cast) + out
    ballots = {str(number): ballot for number, ballot in enumerate(cast)}
    if not verdicts.unassailable(ballots, candidates, judges=judges):
        return
    leader = verdicts.winner(ballots, candidates, judges=judges)
    for rival in range(candidates):
        against = (rival, *(other for other in range(candidates) if other not in (rival, leader)), leader)
        late = {f"late{number}": tuple(dict.fromkeys(against)) for number in range(out)}
        assert verdicts.winner({**ballots, **late}, candidates, judges=judges) == leader  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "candidates", "ballot"),
    [
        ('{"reason": "x", "pick": "1"}', 2, (0, 1)),
        ('{"reason": "x", "pick": 2}', 2, (1, 0)),
        ('{"pick": "Tie"}', 2, ()),
        ('{"reason": "x", "ranking": [3, 1, 2]}', 3, (2, 0, 1)),
        ('{"reason": "it breaks off", "pick": "2"', 2, (1, 0)),
    ],
)
def test_verdicts_are_read(text: str, candidates: int, ballot: tuple[int, ...]) -> None:
    assert verdicts.parse(text, candidates) == ballot


@pytest.mark.parametrize(
    ("text", "candidates"),
    [
        ('{"pick": "3"}', 2),
        ("{}", 2),
        ('{"ranking": [1, 1, 2]}', 3),
        ('{"ranking": [1, 2]}', 3),
        ('{"ranking": [true, 2, 3]}', 3),
        ('{"ranking": "123"}', 3),
        ("nonsense", 2),
    ],
)
def test_what_is_no_verdict_is_refused(text: str, candidates: int) -> None:
    with pytest.raises(BadAnswer):
        verdicts.parse(text, candidates)
