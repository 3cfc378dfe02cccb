"""Committees of three and five: majorities, elections, and what is said about a member that is not there."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest

from committee import Committee, MemberConfig, Message, Turn
from committee.members import open_members
from tests.contract.committee.conftest import QUICK, Actor, Told, listen
from tests.fakes.ollama import FakeOllama, Fault

NOWHERE = "http://127.0.0.1:9"
NAMES = ("ash", "beech", "cedar", "daphne", "elm")


@dataclass
class Grove:
    """Members on one fake server each; the first one plans."""

    fakes: dict[str, FakeOllama]
    committee: Committee

    async def ask(self, text: str = "How many are there?", **options: Any) -> Told:
        return await listen(self.committee, Turn(messages=[Message("user", text)], act=Actor(), **options))

    def hold(self, **keys: str) -> None:
        """Who holds which short answer, whatever the others say."""
        for name, key in keys.items():
            self.fakes[name].plan = {"key": key}
            self.fakes[name].review = {"key": key}


@asynccontextmanager
async def grove(names: Sequence[str], *, absent: Sequence[str] = (), api: Any = "auto") -> AsyncIterator[Grove]:
    async with AsyncExitStack() as stack:
        fakes, configs = {}, []
        for name in names:
            model = f"{name}:8b"
            fakes[name] = await stack.enter_async_context(FakeOllama(model))
            fakes[name].loaded[model] = 8192
            url = NOWHERE if name in absent else fakes[name].base_url
            configs.append(MemberConfig(name, model, url, api, cold_load_s=0.8, look_again_s=60))
        committee = Committee(await open_members(configs), planner=names[0], config=replace(QUICK, debate_turns=1))
        stack.push_async_callback(committee.aclose)
        yield Grove(fakes, committee)


def check(told: Told, agreement: str, decided_by: str, agreed: str, dissent: dict[str, str]) -> None:
    account = told.finished.account
    assert (told.finished.agreement, account.decided_by) == (agreement, decided_by)
    assert account.agreed == tuple(agreed.split())
    assert account.dissent == {name: f'"{key}"' for name, key in dissent.items()}


async def test_two_of_three_need_no_debate() -> None:
    async with grove(NAMES[:3]) as trees:
        trees.hold(ash="12", beech="12.0", cedar="15")
        told = await trees.ask()
        check(told, "agreed", "agreement", "ash beech", {"cedar": "15"})
        assert not told.finished.degraded
        assert [fake.stages for fake in trees.fakes.values()] == [["probe", "speak"], ["probe"], ["probe"]]


async def test_who_is_outvoted_does_not_speak_for_the_others() -> None:
    async with grove(NAMES[:3]) as trees:
        trees.hold(ash="15", beech="12", cedar="12")
        told = await trees.ask()
        check(told, "agreed", "agreement", "beech cedar", {"ash": "15"})
        assert told.finished.speaker == "beech"
        assert "chosen over ash" in told.finished.account.spoke_because


async def test_five_elect_by_points() -> None:
    async with grove(NAMES) as trees:
        trees.hold(ash="1", beech="2", cedar="2", daphne="3", elm="3")
        # Three of them find 3 best; ash, who is always wrong, finds it worst, and beech follows the order.
        for name, best in {"ash": "123", "cedar": "321", "daphne": "321", "elm": "321"}.items():
            trees.fakes[name].verdict = ranks(*best)
        trees.fakes["beech"].verdict = {"reason": "", "ranking": [1, 2, 3]}
        told = await trees.ask()
        check(told, "decided", "verdicts", "daphne elm", {"ash": "1", "beech": "2", "cedar": "2"})
        assert told.finished.speaker == "daphne"


async def test_one_more_look_by_one_does_not_outweigh_two() -> None:
    async with grove(NAMES) as trees:
        trees.hold(ash="1", beech="2", cedar="2", daphne="3", elm="3")
        for fake in trees.fakes.values():
            fake.verdict = {"reason": "", "ranking": [1, 2, 3]}
        told = await trees.ask()
        # The planner's second look is its first one again: two, two and two.
        check(told, "split", "planner", "ash", {"beech": "2", "cedar": "2", "daphne": "3", "elm": "3"})
        trees.fakes["ash"].sample = {"key": "3"}
        told = await trees.ask("How many were there?")
        check(told, "decided", "third sample", "daphne elm", {"ash": "1", "beech": "2", "cedar": "2"})


@pytest.mark.parametrize(("api", "state"), [("auto", "silent"), ("ollama", "unreachable")])
async def test_an_absent_member_is_missed(api: str, state: str) -> None:
    async with grove(NAMES[:3], absent=["cedar"], api=api) as trees:
        trees.hold(ash="1", beech="1")
        told = await trees.ask()
        check(told, "agreed", "agreement", "ash beech", {})
        assert told.finished.members == {"ash": "ok", "beech": "ok", "cedar": state}
        assert told.finished.degraded
        assert told.finished.causes["cedar"]
        alone = await trees.ask(mode="solo:beech")  # nobody else was to be asked
        assert not alone.finished.degraded
        assert alone.finished.causes == {}


@pytest.mark.parametrize("stage", ["probe", "cross-check", "verdict"])
async def test_a_slow_member_is_missed(stage: str) -> None:
    async with grove(NAMES[:3]) as trees:
        trees.hold(ash="1", beech="2" if stage == "verdict" else "1", cedar="3")
        if stage == "cross-check":
            trees.hold(beech="2")
            trees.fakes["beech"].review = {"defect_in_mine": "I miscounted.", "key": "1"}
        for name in ("ash", "beech"):
            trees.fakes[name].verdict = ranks("1", "2", "3")
        trees.fakes["cedar"].fault, trees.fakes["cedar"].fault_stage = Fault.DRIP, stage
        told = await trees.ask()
        missed = {} if stage == "probe" else {"cedar": "3"}
        match stage:
            case "probe":
                check(told, "agreed", "agreement", "ash beech", missed)
            case "cross-check":
                check(told, "agreed", "cross-check", "ash beech", missed)
            case "verdict":
                check(told, "decided", "verdicts", "ash", {"beech": "2", **missed})
        assert told.finished.degraded
        assert told.finished.members == {"ash": "ok", "beech": "ok", "cedar": "timeout"}


def ranks(*keys: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """A judge that prefers positions by what they hold, wherever they stand."""

    def rank(body: dict[str, Any]) -> dict[str, Any]:
        shown = re.findall(r"^-> answer: (\w+)$", body["messages"][-1]["content"], re.MULTILINE)
        return {"reason": "", "ranking": sorted(range(1, len(shown) + 1), key=lambda n: keys.index(shown[n - 1]))}

    return rank
