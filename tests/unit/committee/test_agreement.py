"""Comparing proposals in code."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from committee import plans
from committee.agreement import compare, outline
from committee.proposal import Proposal, ProposedCall
from committee.schema import ToolSpec

FILM = ToolSpec(
    "film.run",
    "",
    {"type": "object", "properties": {"synopsis": {"type": "string"}, "fps": {"type": "integer"}}},
    "job",
)
STATUS = ToolSpec("job.status", "", {"type": "object", "properties": {"job_id": {"type": "string"}}}, "read")
EDIT = ToolSpec("edit", "", {"type": "object", "properties": {"path": {"type": "string"}}}, "client")


def wants(tool: str, **args: Any) -> Proposal:
    return Proposal("call", calls=(ProposedCall(tool, args),))


def decision(qwen: Proposal, gptoss: Proposal | None, **options: Any) -> Any:
    proposals = {"qwen3": qwen} | ({"gptoss": gptoss} if gptoss else {})
    return compare(proposals, planner="qwen3", tools=[FILM, STATUS, EDIT], **options)


def test_open_answers_are_compatible_and_merged() -> None:
    proposals = {
        "a": Proposal("answer", points=("One.", "Two")),
        "b": Proposal("answer", points=("one", "Three"), risks=("maybe",)),
    }
    found = compare(proposals, planner="a", tools=[])
    assert found.agreement == "compatible"
    assert not found.conflict
    written = outline(proposals, found.winner)
    assert written.consensus == ("One.",)
    assert written.unique == ("Two", "Three")
    assert written.risks == ("maybe",)


def test_different_short_answers_conflict() -> None:
    found = decision(Proposal("answer", key="4", points=("a",)), Proposal("answer", key="5", points=("b",)))
    assert found.conflict == "position"
    assert [one.members for one in found.clusters] == [("qwen3",), ("gptoss",)]


@pytest.mark.parametrize(
    ("answers", "conflict", "winners"),
    [
        (["4", "4", "5"], "", {"a", "b"}),
        (["5", "4", "4"], "", {"b", "c"}),
        (["4", "5", "6"], "position", {"a"}),
        (["4", "5", ""], "position", {"a", "c"}),
        (["4", "4", "5", ""], "", {"a", "b", "d"}),
        (["4", "4", "5", "5"], "position", {"a", "b"}),
        (["4", "4", "5", "6"], "position", {"a", "b"}),
        (["4", "5", "5", "5"], "", {"b", "c", "d"}),
        (["", "", ""], "", {"a", "b", "c"}),
    ],
)
def test_a_majority_of_many_is_enough(answers: list[str], conflict: str, winners: set[str]) -> None:
    proposals = {name: Proposal("answer", key=key) for name, key in zip("abcd", answers, strict=False)}
    found = compare(proposals, planner="a", tools=[])
    assert found.conflict == conflict
    assert set(found.winner.members) == winners


@given(st.lists(st.sampled_from(["4", "5", "6", ""]), min_size=2, max_size=7), st.randoms())
def test_names_and_order_do_not_matter(answers: list[str], random: Any) -> None:
    """Only who plans does: everybody else may be renamed."""
    names = [f"m{number}" for number in range(len(answers))]
    others = names[1:]
    random.shuffle(others)
    one = {name: Proposal("answer", key=key) for name, key in zip(names, answers, strict=True)}
    two = {name: Proposal("answer", key=key) for name, key in zip([names[0], *others], answers, strict=True)}
    left, right = (compare(held, planner="m0", tools=[]) for held in (one, two))
    assert (left.conflict, left.agreement) == (right.conflict, right.agreement)
    if not left.conflict:
        assert left.winner.stance == right.winner.stance


@pytest.mark.parametrize("action", ["clarify", "decline"])
def test_equal_actions_agree(action: Any) -> None:
    assert decision(Proposal(action), Proposal(action)).agreement == "agreed"
    assert decision(Proposal(action), Proposal("answer")).conflict == "position"
    assert decision(Proposal(action), Proposal("answer")).kind == action


def test_one_key_beside_none_is_no_conflict() -> None:
    assert decision(Proposal("answer", key="4"), Proposal("answer")).agreement == "compatible"


def test_identical_jobs_are_agreed() -> None:
    found = decision(wants("film.run", synopsis="bees", fps="24"), wants("film.run", synopsis=" Bees ", fps=24.0))
    assert found.agreement == "agreed"
    assert found.plan.calls[0].args == {"synopsis": "bees", "fps": 24}


def test_the_same_job_twice_is_one_job() -> None:
    call = ProposedCall("film.run", {"synopsis": "bees"})
    twice = Proposal("call", calls=(call, call))
    assert len(decision(twice, twice).plan.calls) == 1
    assert len(decision(twice, wants("film.run", synopsis="bees")).plan.calls) == 1


def test_two_different_jobs_stay_two() -> None:
    both = Proposal(
        "call", calls=(ProposedCall("film.run", {"synopsis": "a"}), ProposedCall("film.run", {"synopsis": "b"}))
    )
    turned = Proposal("call", calls=tuple(reversed(both.calls)))
    found = decision(both, turned)
    assert found.agreement == "agreed"
    assert [call.args["synopsis"] for call in found.plan.calls] == ["a", "b"]
    assert len({call.id for call in plans.numbered(found.plan.calls, 1)}) == 2


def test_a_job_of_one_needs_approval_beside_an_agreed_read() -> None:
    status = ProposedCall("job.status", {"job_id": "j"})
    greedy = Proposal("call", calls=(status, ProposedCall("film.run", {"synopsis": "x"})))
    proposals = {"qwen3": greedy, "gptoss": Proposal("call", calls=(status,))}
    found = compare(proposals, planner="qwen3", tools=[FILM, STATUS])
    assert [call.tool.name for call in found.plan.calls] == ["job.status"]
    assert [call.tool.name for call in found.plan.needs_approval] == ["film.run"]
    assert found.conflict == "approval"
    assert compare(proposals, planner="qwen3", tools=[FILM, STATUS], final=True).conflict == ""
    approved = [call.canonical for call in found.plan.needs_approval]
    agreed = compare(proposals, planner="qwen3", tools=[FILM, STATUS], approved=approved)
    assert [call.tool.name for call in agreed.plan.calls] == ["job.status", "film.run"]


def test_client_calls_follow_the_planner() -> None:
    assert decision(wants("edit", path="a"), Proposal("answer")).plan.calls
    assert not decision(wants("edit", path="a"), Proposal("answer")).conflict
    assert not decision(Proposal("answer"), wants("edit", path="a")).plan.calls
    assert decision(Proposal("answer"), wants("edit", path="a")).conflict == "position"


def test_alone_one_voice_is_all_there_is() -> None:
    found = decision(wants("film.run", synopsis="x"), None)
    assert found.plan.calls
    assert found.agreement == "single"


def test_arguments_that_do_not_fit_are_no_call() -> None:
    found = decision(wants("film.run", synopsis="x", fps="many"), wants("film.run", synopsis="x", fps=24))
    assert found.plan.calls == ()
    assert found.conflict == "approval"


def test_a_policy_refusal_wins_over_a_job() -> None:
    found = decision(wants("film.run", synopsis="x"), Proposal("decline", decline_kind="policy"))
    assert (found.kind, found.agreement, found.conflict) == ("decline", "split", "")
    assert not found.plan.calls
    assert found.plan.concern


def test_no_proposal_no_decision() -> None:
    with pytest.raises(ValueError, match="nothing to compare"):
        compare({}, planner="qwen3", tools=[])
