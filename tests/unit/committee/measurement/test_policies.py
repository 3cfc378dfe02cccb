"""Policies on recorded answers: the protocol's rules one by one, then properties of all of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from committee.calibration import MIN_ITEMS
from committee.errors import CalibrationInvalid
from committee.measurement import policies, records
from committee.measurement.records import (
    Answer,
    CommitteeRecord,
    CrossCheck,
    Header,
    Item,
    MemberRecord,
    Records,
    Verdict,
)
from committee.measurement.report import AS_RUN, FULL, gate_table, in_words, report

GOLD = "42"
HEADER = Header({"qwen3": "qwen3:32b", "gptoss": "gpt-oss:20b"}, "qwen3")


def member(*labels: str, check: str = "", defect: str = "", picks: tuple[str, str] | None = None) -> MemberRecord:
    """Samples; what it held after the cross-check; what it picked when "42" and when "41" was shown first."""
    verdicts = ()
    if picks:
        shown = ("42", "41"), ("41", "42")
        verdicts = tuple(
            Verdict(order, 1 if pick == order[0] else 2 if pick == order[1] else 0, tokens=20)  # type: ignore[arg-type]
            for order, pick in zip(shown, picks, strict=True)
        )
    return MemberRecord(
        samples=tuple(Answer(label, label == GOLD, tokens=100) for label in labels),
        cross_check=CrossCheck(check, check == GOLD, defect, tokens=40) if check else None,
        verdicts=verdicts,
    )


def item(qwen: MemberRecord, gptoss: MemberRecord, name: str = "a") -> Item:
    return Item(name, "reasoning", {"qwen3": qwen, "gptoss": gptoss}, GOLD)


def test_agreement_ends_it_after_one_probe_each() -> None:
    found = policies.full(item(member("41"), member("41", check="42", defect="x", picks=("42", "42"))), "qwen3")
    assert (found.label, found.decided_by, found.tokens) == ("41", "agreement", 200)


def test_a_change_without_a_named_defect_does_not_count() -> None:
    firm, soft = member("42", "42"), member("41", check="42")
    assert policies.full(item(firm, soft), "qwen3").decided_by == "third sample"
    convinced = member("41", check="42", defect="I dropped a carry.")
    assert policies.full(item(firm, convinced), "qwen3").decided_by == "cross-check"


def test_a_swap_settles_nothing() -> None:
    left = member("42", check="41", defect="wrong sign")
    right = member("41", check="42", defect="wrong sign")
    assert policies.after_cross_check(item(left, right)) == {"qwen3": "42", "gptoss": "41"}


def test_who_flips_with_the_order_has_no_vote() -> None:
    biased = member("41", picks=("42", "41"))  # always the first
    clear = member("42", picks=("42", "42"))
    assert policies.full(item(clear, biased), "gptoss") == policies.Outcome("42", "verdicts", 280)
    assert policies.judged(item(biased, biased), ["42", "41"]) is None


def test_opposite_votes_are_a_tie_and_a_fresh_sample_breaks_it() -> None:
    mine, yours = member("42", "42", picks=("42", "42")), member("41", picks=("41", "41"))
    assert policies.full(item(mine, yours), "qwen3") == policies.Outcome("42", "third sample", 380)


def test_a_third_answer_that_nobody_held_leaves_it_to_the_planner() -> None:
    found = policies.full(item(member("41", "7"), member("42")), "qwen3")
    assert (found.label, found.decided_by) == ("41", "planner")


def test_one_failed_member_leaves_the_other() -> None:
    one = item(MemberRecord(failure="timeout"), member("42"))
    assert policies.full(one, "qwen3").label == "42"
    assert policies.alone(one, "qwen3").label is None
    nobody = item(MemberRecord(failure="timeout"), MemberRecord(failure="cut"))
    assert policies.full(nobody, "qwen3").label is None


def test_self_consistency_takes_the_most_frequent() -> None:
    one = item(member("41", "42", "42"), member("7"))
    assert policies.self_consistency(one, "qwen3", 3) == policies.Outcome("42", "self-consistency", 300)
    assert policies.self_consistency(one, "qwen3", 2).label == "41"


labels = st.sampled_from(["42", "41", "7"])
members = st.builds(
    member,
    labels,
    labels,
    labels,
    check=st.one_of(st.just(""), labels),
    defect=st.sampled_from(["", "x"]),
    picks=st.one_of(st.none(), st.tuples(labels, labels)),
)


@given(members, members, st.sampled_from(["qwen3", "gptoss"]))
def test_every_policy_answers_with_what_a_member_said(a: MemberRecord, b: MemberRecord, planner: str) -> None:
    one = item(a, b)
    known = policies.truth(one)
    assert set(known) <= {"42", "41", "7"}
    for found in (
        policies.full(one, planner),
        policies.exit_and_verdicts(one, planner),
        policies.majority_with_third(one, planner),
        policies.self_consistency(one, planner, 3),
    ):
        assert found.label in known


@given(members, members)
def test_no_policy_minds_the_order_of_the_members(a: MemberRecord, b: MemberRecord) -> None:
    one = Item("a", "code", {"qwen3": a, "gptoss": b})
    turned = Item("a", "code", {"gptoss": b, "qwen3": a})
    assert policies.full(one, "gptoss") == policies.full(turned, "gptoss")


def hundred(*, committee_right: bool) -> Records:
    """gptoss is right on 80 of 100, qwen3 on 60 of them; they agree on 60 right ones."""
    items = []
    for number in range(100):
        gptoss = "42" if number < 80 else "41"
        qwen = "42" if number < 60 else "7"
        said = gptoss if committee_right or number < 60 else qwen
        run = CommitteeRecord(
            said, said == "42", decided_by="agreement" if number < 60 else "planner", shown=100, hidden=90
        )
        one = Item(f"i{number}", "reasoning", {"qwen3": member(qwen), "gptoss": member(gptoss)}, GOLD, run)
        items.append(one)
    return Records(HEADER, tuple(items))


def test_a_report_by_hand() -> None:
    found = report(hundred(committee_right=False))[0]
    assert (found.best_member, found.items) == ("gptoss", 100)
    assert found.agreement == pytest.approx(0.6)
    assert found.right_when_agreed == 1
    assert found.break_even == pytest.approx(1.0)  # gptoss is right on all of the 20 that are to be won
    assert found.hit_rate == 0
    assert found.hidden_ratio == pytest.approx(0.9)
    assert found.committee.name == AS_RUN
    assert found.policy(FULL).share == pytest.approx(0.6)
    against = found.comparisons[0]
    assert (against.against, against.wins, against.losses) == ("gptoss alone", 0, 20)
    assert against.p < 1e-5
    assert any("−20.0 points" in line or "-20.0 points" in line for line in in_words(found))


def test_the_gate_switches_off_what_the_report_shows_to_be_worse() -> None:
    worse = gate_table(hundred(committee_right=False), measured_at="2026-01-01")
    assert worse.solo_member("reasoning") == "gptoss"
    assert worse.stronger("reasoning") == "gptoss"
    assert gate_table(hundred(committee_right=True), measured_at="").solo_member("reasoning") is None
    few = hundred(committee_right=False)
    few = Records(few.header, few.items[100 - MIN_ITEMS + 1 :])
    assert gate_table(few, measured_at="").solo_member("reasoning") is None


def test_records_survive_the_disk_and_half_a_last_line(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    whole = hundred(committee_right=True)
    lines = [records.encode(line) for line in (whole.header, *whole.items)]
    path.write_bytes(b"".join(lines))
    assert records.read(path) == whole
    path.write_bytes(b"".join(lines)[:-20])
    assert records.read(path).items == whole.items[:-1]


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        (['{"type":"item","id":"a","category":"code","members":{}}'], "no header"),
        (["", "nonsense"], "line 2"),
        (['{"type":"header","models":{"a":"m"},"planner":"b"}'], "none of the members"),
        (['{"type":"header","models":{"a":"m"},"planner":"a"}'] * 2, "second header"),
        (
            ['{"type":"header","models":{"a":"m"},"planner":"a"}']
            + ['{"type":"item","id":"x","category":"code","members":{"a":{}}}'] * 2,
            "twice",
        ),
        (
            [
                '{"type":"header","models":{"a":"m"},"planner":"a"}',
                '{"type":"item","id":"x","category":"code","members":{}}',
            ],
            "other members",
        ),
    ],
)
def test_a_broken_file_is_refused_in_words(tmp_path: Path, lines: list[str], why: str) -> None:
    path = tmp_path / "run.jsonl"
    path.write_text("".join(line + "\n" for line in lines))
    with pytest.raises(CalibrationInvalid, match=why):
        records.read(path)
