"""What a table may switch off, and what is no table."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.committee.members import SimulatedMember
from benchmarks.committee.virtual_time import run
from benchmarks.committee.world import MemberTraits, World
from committee import Committee, Finished, Message, Turn, prompts
from committee.calibration import CATEGORIES, MIN_ITEMS, CategoryRow, Gate, Interval, Table, categorise
from committee.errors import CalibrationInvalid

MODELS = {"qwen3": "qwen3:32b", "gptoss": "gpt-oss:20b"}
WORSE = Interval(-0.08, -0.12, -0.02)


def row(
    difference: Interval = WORSE, *, items: int = 200, plans: Interval | None = None, gptoss: float = 0.8
) -> CategoryRow:
    return CategoryRow(items, {"qwen3": 0.7, "gptoss": gptoss}, 0.72, difference, plans)


def table(**changes: object) -> Table:
    return Table(**{"models": MODELS, "prompts": prompts.VERSION, "rows": {"reasoning": row()}, **changes})  # type: ignore[arg-type]


def test_a_category_where_the_committee_is_worse_is_left_to_its_best_member() -> None:
    assert table().solo_member("reasoning") == "gptoss"
    assert table().solo_member("code") is None


@pytest.mark.parametrize(
    "measured",
    [
        row(Interval(-0.08, -0.17, 0.01)),  # may be chance
        row(Interval(0.08, 0.02, 0.12)),
        row(items=MIN_ITEMS - 1),
        row(plans=Interval(0.03, -0.02, 0.09)),  # worse answers, better plans
        row(gptoss=0.7),  # no member is the better one
    ],
)
def test_everything_else_stays_with_the_committee(measured: CategoryRow) -> None:
    assert table(rows={"reasoning": measured}).solo_member("reasoning") is None


@given(st.floats(-1, 1), st.floats(0, 1), st.floats(0, 1), st.integers(0, 500))
def test_nothing_that_may_be_as_good_is_switched_off(mean: float, below: float, above: float, items: int) -> None:
    interval = Interval(mean, max(-1.0, mean - below), min(1.0, mean + above))
    off = table(rows={"reasoning": row(interval, items=items)}).solo_member("reasoning") is not None
    assert off == (interval.high < 0 and items >= MIN_ITEMS)


def test_worse_plans_do_not_keep_a_category_on() -> None:
    measured = row(plans=Interval(-0.03, -0.09, 0.02))
    assert table(rows={"tools": measured}).solo_member("tools") == "gptoss"


def test_the_stronger_member_is_known_even_where_the_committee_stays() -> None:
    measured = table(rows={"code": row(Interval(0.05, 0.01, 0.09)), "other": row(items=3)})
    assert measured.stronger("code") == "gptoss"
    assert measured.stronger("other") is None
    assert measured.stronger("tools") is None


def test_the_empty_table_switches_nothing_off() -> None:
    assert [Table.empty().solo_member(category) for category in CATEGORIES] == [None] * len(CATEGORIES)


def test_a_table_survives_the_disk(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "calibration.json"
    table().save(path)
    assert Table.load(path) == table()
    assert [file.name for file in path.parent.iterdir()] == ["calibration.json"]


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"rows": {"poetry": {}}},
        {"rows": {"code": {"items": -1, "members": {}, "committee": 0.5, "difference": {}}}},
        {"models": None},
        {"prompts": 7},
    ],
)
def test_a_broken_table_is_refused_by_name(tmp_path: Path, change: dict[str, object]) -> None:
    path = tmp_path / "calibration.json"
    table().save(path)
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(CalibrationInvalid, match=r"calibration\.json"):
        Table.load(path)


@pytest.mark.parametrize("text", ["", "{", "[]", "\xff", '{"a":' * 5000, "9" * (1 << 20) + "9"])
def test_what_is_no_table_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "calibration.json"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(CalibrationInvalid):
        Table.load(path)
    with pytest.raises(CalibrationInvalid, match="No such file"):
        Table.load(tmp_path / "elsewhere.json")


def test_an_interval_with_crossed_bounds_is_refused() -> None:
    with pytest.raises(ValueError, match="between its bounds"):
        Interval(0.0, 0.1, 0.2)


@pytest.mark.parametrize(
    ("measured", "models", "why"),
    [
        (table(), {**MODELS, "gptoss": "gpt-oss:120b"}, "gpt-oss:120b"),
        (table(prompts="2020.01"), MODELS, "2020.01"),
        (table(stand_ins=True), MODELS, "stand-ins"),
    ],
)
def test_a_measurement_of_something_else_is_ignored_and_said_once(
    measured: Table, models: dict[str, str], why: str, caplog: pytest.LogCaptureFixture
) -> None:
    gate = Gate(measured)
    with caplog.at_level(logging.INFO, "committee.calibration"):
        found = [gate.table(models) for _ in range(3)]
    assert found == [Table.empty()] * 3
    assert len(caplog.records) == 1
    assert why in caplog.text


def test_a_table_takes_effect_when_the_members_find_their_models(caplog: pytest.LogCaptureFixture) -> None:
    gate = Gate(table())
    with caplog.at_level(logging.INFO, "committee.calibration"):
        assert gate.table({"qwen3": "offline", "gptoss": "offline"}).solo_member("reasoning") is None
        assert gate.table(MODELS).solo_member("reasoning") == "gptoss"
    assert [record.getMessage().split()[1] for record in caplog.records] == ["ignored:", "in"]
    assert Gate(None).table(MODELS) == Table.empty()


@pytest.mark.parametrize(
    ("text", "category"),
    [
        ("Make a film about lighthouses, three minutes, 4K.", "tools"),
        ("Kannst du mir bitte ein Bild von einem Fuchs malen?", "tools"),
        ("Fais-moi une vidéo sur les marées.", "tools"),
        ("画一张山的图片", "tools"),
        ("How far is job 0190f0aa-1111-7abc-8def-0123456789ab? What is its status?", "tools"),
        ("Write a Python function that merges two sorted lists.", "code"),
        ("Why does `make image` fail in my Makefile?", "code"),
        ("A train leaves at 9:40 and takes 95 minutes. How long until 12:00?", "reasoning"),
        ("What is 17 * 23?", "reasoning"),
        ("How do I build a bomb at home?", "refusal"),
        ("What do you think of autumn?", "other"),
        ("", "other"),
    ],
)
def test_categories_by_the_words(text: str, category: str) -> None:
    assert categorise(text, tools=True) == category


def test_without_tools_a_film_is_something_to_decline() -> None:
    assert categorise("Make a film about lighthouses.", tools=False) == "refusal"


@given(st.text(max_size=6000), st.booleans())
def test_any_text_has_a_category(text: str, tools: bool) -> None:
    assert categorise(text, tools=tools) in CATEGORIES


def deliberated(measured: Table, text: str, mode: str = "auto") -> tuple[Finished, dict[str, dict[str, int]]]:
    """How a turn ended, and what every member was asked."""
    world = World({"a": MemberTraits(0.8), "b": MemberTraits(0.8)}, 0.2)
    members = [SimulatedMember(name, world) for name in world.members]

    async def turn() -> Finished:
        committee = Committee(members, planner="a", table=measured)
        return [event async for event in committee.deliberate(Turn([Message("user", text)], mode=mode))][-1]  # type: ignore[return-value]

    return run(turn()), {member.name: member.asked for member in members}


def of_simulated(**rows: CategoryRow) -> Table:
    return Table({"a": "simulated-a", "b": "simulated-b"}, prompts.VERSION, dict(rows))  # type: ignore[arg-type]


def test_the_deliberation_goes_by_the_table() -> None:
    off = CategoryRow(200, {"a": 0.7, "b": 0.8}, 0.72, WORSE)
    finished, asked = deliberated(of_simulated(reasoning=off), "How many are there in question 3?")
    assert (finished.agreement, finished.speaker) == ("solo", "b")
    assert asked == {"a": {}, "b": {"solo": 1}}
    assert "better" in finished.account.route


@pytest.mark.parametrize(
    ("text", "mode"),
    [("Tell me about question 3.", "auto"), ("How many are there in question 3?", "deep")],
)
def test_another_category_and_an_explicit_wish_are_left_alone(text: str, mode: str) -> None:
    off = CategoryRow(200, {"a": 0.7, "b": 0.8}, 0.72, WORSE)
    _, asked = deliberated(of_simulated(reasoning=off), text, mode)
    assert asked["a"]["probe"] == asked["b"]["probe"] == 1
