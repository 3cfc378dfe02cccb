"""A small sample of the simulation; `python -m benchmarks.committee simulate` runs the whole of it."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from benchmarks.committee.resends import count_jobs
from benchmarks.committee.simulate import Figures, Scenario, Trace, _chunk, _pair, figures, longest_deliberation_s
from benchmarks.committee.virtual_time import NothingScheduled, run
from benchmarks.committee.world import RIGHT, MemberTraits, World
from committee.measurement.statistics import Pair


def simulated(scenario: Scenario) -> tuple[Figures, list[Trace]]:
    traces, overrun = _chunk((scenario, 0, scenario.items))
    return figures(scenario, traces, overrun), traces


def test_waiting_takes_no_time_and_keeps_its_order() -> None:
    async def waits() -> list[str]:
        woken: list[str] = []

        async def wake(name: str, after_s: float) -> None:
            await asyncio.sleep(after_s)
            woken.append(name)

        await asyncio.gather(wake("an hour", 3600), wake("a minute", 60), wake("a day", 86400))
        assert asyncio.get_running_loop().time() == pytest.approx(86400)
        return woken

    assert run(waits()) == ["a minute", "an hour", "a day"]


def test_waiting_for_nothing_is_an_error_instead_of_a_hang() -> None:
    async def forever() -> None:
        await asyncio.Event().wait()

    with pytest.raises(NothingScheduled):
        run(forever())


@pytest.mark.parametrize(("a", "b", "phi"), [(0.8, 0.75, 0.02), (0.8, 0.75, 0.49), (0.85, 0.65, 0.2)])
def test_members_are_as_good_and_as_alike_as_they_are_told_to_be(a: float, b: float, phi: float) -> None:
    world = World({"a": MemberTraits(a), "b": MemberTraits(b)}, phi, seed=3)
    pairs = [(world.answer("a", item, 1), world.answer("b", item, 2)) for item in range(6000)]
    closed = Pair.correlated(a, b, phi, 0.6)
    assert sum(x == RIGHT for x, _ in pairs) / 6000 == pytest.approx(a, abs=0.02)
    assert sum(y == RIGHT for _, y in pairs) / 6000 == pytest.approx(b, abs=0.02)
    assert sum(x == y == RIGHT for x, y in pairs) / 6000 == pytest.approx(closed.both, abs=0.02)
    assert sum(x == y for x, y in pairs) / 6000 == pytest.approx(closed.agreement, abs=0.02)


def test_the_committee_pays_where_its_arbiter_is_good_enough() -> None:
    found, traces = simulated(_pair("small", 0.80, 0.75, 0.20, 700, judge=0.75))
    assert found.gain >= -0.005
    assert found.early_exit == pytest.approx(found.early_exit_closed, abs=0.05)
    assert found.committee == pytest.approx(found.accuracy_closed, abs=0.05)
    assert found.hidden_ratio <= 2.0
    assert found.ended == {"finished": len(traces)}
    assert found.longest_deliberation_s <= 120
    assert {"agreement", "cross-check", "verdicts", "third sample"} <= set(found.decided_by)


def test_a_position_bias_costs_votes_and_decides_nothing() -> None:
    biased = _pair("biased", 0.80, 0.75, 0.20, 300, judge=0.75, bias=0.5, seed="same")
    without = _pair("abstaining", 0.80, 0.75, 0.20, 300, judge=0.75, abstains=0.5, seed="same")
    assert [t.answer for t in simulated(biased)[1]] == [t.answer for t in simulated(without)[1]]


@pytest.mark.parametrize("hangs", [False, True])
def test_every_turn_ends_in_time_whatever_its_members_do(hangs: bool) -> None:
    scenario = _pair("faulty", 0.80, 0.75, 0.20, 300, judge=0.75, fails=0.4, hangs=hangs, faulty=True)
    found, _ = simulated(scenario)
    assert found.failures == []
    assert found.longest_deliberation_s <= longest_deliberation_s(scenario) + 1
    assert "no end" not in found.ended
    assert 0 < found.degraded < 1


def test_a_request_that_is_sent_again_acts_once() -> None:
    assert count_jobs(60) == {1: 60}
    assert max(count_jobs(5, resent=False)) > 1  # the same four turns, were they new ones


def test_broken_promises_are_told() -> None:
    scenario = _pair("told", 0.80, 0.75, 0.20, 60, judge=0.75)
    _, traces = simulated(scenario)
    spoilt = [replace(trace, answer="7", hidden=10_000, ended="no end", deliberated_s=500.0) for trace in traces]
    told = " ".join(figures(scenario, spoilt, 30.0).failures)
    for word in (
        "ended without saying so",
        "beyond its deadline",
        "a deliberation took",
        "hidden tokens",
        "best member",
    ):
        assert word in told
