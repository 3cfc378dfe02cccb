"""Comparing proposals in code."""

from __future__ import annotations

from typing import Any

import pytest

from committee.agreement import decide, same_key
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
    options = {"planner": "qwen3", "tools": [FILM, STATUS, EDIT], "seed": 1, "alone": gptoss is None, **options}
    return decide(proposals, **options)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("42", "42.0"),
        ("1,234.5", "1234.5"),
        ("1 000 000", "1e6"),
        ("3 minutes", "180 s"),
        ("3min", "180 seconds"),
        ("1.5 h", "90 minutes"),
        ("2 km", "2000 m"),
        ("50%", "0.5"),
        ("1 KiB", "1024 bytes"),
        ("Yes", "true"),
        ("no.", "False"),
        ("(B)", "b"),
        ("Option C", "c)"),
        ("The Danube", "danube"),
        ("`asyncpg`", "asyncpg"),
        ("−5", "-5"),
        ("= 12", "12"),
        ("ＡＢＣ１２", "abc12"),
    ],
)
def test_the_same_answer_in_other_spelling(left: str, right: str) -> None:
    assert same_key(left, right)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("42", "43"),
        ("42", "-42"),
        ("3 minutes", "3 s"),
        ("5 km", "5 kg"),
        ("yes", "no"),
        ("b", "c"),
        ("C", "C++"),
        ("Danube", "Rhine"),
        ("12 apples", "12 pears"),
    ],
)
def test_different_answers(left: str, right: str) -> None:
    assert not same_key(left, right)


def test_open_answers_are_compatible_and_merged() -> None:
    found = decision(Proposal("answer", points=("One.", "Two")), Proposal("answer", points=("one", "Three")))
    assert found.agreement == "compatible"
    assert found.points == ("One.", "Two", "Three")


def test_a_split_keeps_the_planners_points_only() -> None:
    found = decision(Proposal("answer", key="4", points=("a",)), Proposal("answer", key="5", points=("b",)))
    assert found.agreement == "split"
    assert found.points == ("a",)
    assert "5" in found.notes[0]


@pytest.mark.parametrize("action", ["clarify", "decline"])
def test_equal_actions_agree(action: Any) -> None:
    assert decision(Proposal(action), Proposal(action)).agreement == "agreed"
    assert decision(Proposal(action), Proposal("answer")).agreement == "split"
    assert decision(Proposal(action), Proposal("answer")).kind == action


def test_one_key_beside_none_is_no_conflict() -> None:
    assert decision(Proposal("answer", key="4"), Proposal("answer")).agreement == "compatible"


def test_identical_jobs_are_agreed() -> None:
    found = decision(wants("film.run", synopsis="bees", fps="24"), wants("film.run", synopsis=" Bees ", fps=24.0))
    assert found.agreement == "agreed"
    assert found.calls[0].arguments == {"synopsis": "bees", "fps": 24}


def test_the_same_job_twice_is_one_job() -> None:
    call = ProposedCall("film.run", {"synopsis": "bees"})
    twice = Proposal("call", calls=(call, call))
    assert len(decision(twice, twice).calls) == 1
    assert len(decision(twice, wants("film.run", synopsis="bees")).calls) == 1


def test_two_different_jobs_stay_two() -> None:
    both = Proposal(
        "call", calls=(ProposedCall("film.run", {"synopsis": "a"}), ProposedCall("film.run", {"synopsis": "b"}))
    )
    turned = Proposal("call", calls=tuple(reversed(both.calls)))
    found = decision(both, turned)
    assert found.agreement == "agreed"
    assert [call.arguments["synopsis"] for call in found.calls] == ["a", "b"]
    assert len({call.id for call in found.calls}) == 2


def test_a_job_of_one_is_held_beside_an_agreed_read() -> None:
    status = ProposedCall("job.status", {"job_id": "j"})
    greedy = Proposal("call", calls=(status, ProposedCall("film.run", {"synopsis": "x"})))
    found = decision(greedy, Proposal("call", calls=(status,)))
    assert [call.name for call in found.calls] == ["job.status"]
    assert found.held == ("film.run",)
    assert found.agreement == "split"


def test_client_calls_follow_the_planner() -> None:
    assert decision(wants("edit", path="a"), Proposal("answer")).calls
    assert not decision(Proposal("answer"), wants("edit", path="a")).calls
    merged = decision(wants("edit", path="a"), wants("edit", path="b"))
    assert [call.arguments for call in merged.calls] == [{"path": "a"}]


def test_alone_one_voice_is_all_there_is() -> None:
    found = decision(wants("film.run", synopsis="x"), None)
    assert found.calls
    assert found.agreement == "single"


def test_arguments_that_do_not_fit_are_no_call() -> None:
    found = decision(wants("film.run", synopsis="x", fps="many"), wants("film.run", synopsis="x", fps=24))
    assert found.calls == ()
    assert found.held == ("film.run",)


def test_a_policy_refusal_wins_over_a_job() -> None:
    found = decision(wants("film.run", synopsis="x"), Proposal("decline", decline_kind="policy"))
    assert found.kind == "decline"
    assert not found.calls
    assert not found.held


def test_no_proposal_no_decision() -> None:
    with pytest.raises(ValueError, match="nothing to decide"):
        decide({}, planner="qwen3", tools=[], seed=1, alone=False)
