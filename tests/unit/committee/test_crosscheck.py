"""Changing one's mind takes a mistake of one's own."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from committee import crosscheck, plans
from committee.agreement import stance
from committee.crosscheck import Review
from committee.errors import BadAnswer, MemberError
from committee.proposal import Proposal, ProposedCall
from committee.schema import ToolSpec

FILM = ToolSpec("film.run", "", {"type": "object", "properties": {"synopsis": {"type": "string"}}}, "job")
TOOLS = [FILM]


def parsed(**fields: Any) -> Review:
    default = {"defect_in_mine": "", "defect_in_other": "", "approve": [], "action": "answer", "calls": [], "key": ""}
    return crosscheck.parse(json.dumps({**default, **fields}), TOOLS)


REVIEWS = st.builds(
    Review,
    defect_in_mine=st.sampled_from(["", "I miscounted."]),
    action=st.sampled_from(["answer", "clarify", "decline"]),
    key=st.sampled_from(["", "1", "2", "3"]),
)
HELD = st.builds(Proposal, action=st.sampled_from(["answer", "clarify"]), key=st.sampled_from(["", "1", "2"]))


@given(st.dictionaries(st.sampled_from("abcd"), HELD, min_size=2), st.dictionaries(st.sampled_from("abcde"), REVIEWS))
def test_only_those_who_name_a_mistake_change(held: dict[str, Proposal], reviews: dict[str, Review]) -> None:
    revision = crosscheck.revise(held, reviews, [])
    assert revision.proposals.keys() == held.keys()
    for name, before in held.items():
        after = revision.proposals[name]
        if name in revision.changed:
            assert reviews[name].defect_in_mine
            assert stance(after, []) != stance(before, [])
        else:
            assert after is before


@given(st.sampled_from(["1", "2"]), st.sampled_from(["3", "4"]))
def test_a_swap_changes_nothing(one: str, other: str) -> None:
    held = {"a": Proposal("answer", key=one), "b": Proposal("answer", key=other)}
    reviews = {"a": Review("x", key=other), "b": Review("x", key=one)}
    assert crosscheck.revise(held, reviews, []).proposals == held


def test_both_may_come_to_a_third_answer() -> None:
    held = {"a": Proposal("answer", key="1"), "b": Proposal("answer", key="2")}
    revision = crosscheck.revise(held, {name: Review("x", key="3") for name in held}, [])
    assert {one.key for one in revision.proposals.values()} == {"3"}


def test_a_change_forgets_the_points_that_led_astray() -> None:
    held = {"a": Proposal("answer", key="1", points=("wrong",)), "b": Proposal("answer", key="2")}
    assert crosscheck.revise(held, {"a": Review("x", key="2")}, []).proposals["a"].points == ()


@pytest.mark.parametrize(
    "nothing", ["", " ", "none", "None.", "N/A", "null", "no", "No mistakes found.", "-", None, 3, []]
)
def test_nothing_is_no_defect(nothing: Any) -> None:
    assert parsed(defect_in_mine=nothing).defect_in_mine == ""


def test_a_sentence_is_a_defect() -> None:
    assert parsed(defect_in_mine="No, I forgot the second train.").defect_in_mine


@pytest.mark.parametrize("approve", [None, "all", [True], ["1"], {}, [1.5]])
def test_approval_is_a_number_and_nothing_else(approve: Any) -> None:
    assert parsed(approve=approve).approve == ()


def call(synopsis: str) -> ProposedCall:
    return ProposedCall("film.run", {"synopsis": synopsis})


def test_only_exactly_what_was_listed_is_approved() -> None:
    held = {"a": Proposal("call", calls=(call("bees"),)), "b": Proposal("answer"), "c": Proposal("answer")}
    plan = plans.merge(held, planner="a", tools=TOOLS, alone=False)
    listed = plan.needs_approval
    both = {"b": Review(approve=(1,)), "c": Review(approve=(1,))}
    assert crosscheck.approved(held, both, listed, TOOLS) == {listed[0].canonical}
    assert not crosscheck.approved(held, {"b": Review(approve=(1,))}, listed, TOOLS)
    assert not crosscheck.approved(held, {**both, "c": Review(approve=(2,))}, listed, TOOLS)


def test_a_change_to_acting_needs_calls_or_one_other_view() -> None:
    held = {"a": Proposal("answer", key="1"), "b": Proposal("call", calls=(call("bees"),))}
    adopted = crosscheck.revise(held, {"a": Review("x", action="call")}, TOOLS).proposals["a"]
    assert adopted.calls == (call("bees"),)
    held["c"] = Proposal("call", calls=(call("wasps"),))
    assert crosscheck.revise(held, {"a": Review("x", action="call")}, TOOLS).proposals["a"] is held["a"]


@given(st.text(max_size=400))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(MemberError):
        crosscheck.parse(text, TOOLS)


def test_a_review_that_breaks_off_in_a_call_is_refused() -> None:
    with pytest.raises(BadAnswer):
        crosscheck.parse(
            '{"defect_in_mine":"x","action":"call","calls":[{"tool":"film_run","args":{"synopsis":"be', TOOLS
        )
