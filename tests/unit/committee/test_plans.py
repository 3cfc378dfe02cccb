"""Merging proposed calls: nothing is invented, effects take every voice, order follows dependencies."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from committee import plans
from committee.plans import Choice, Plan, PlannedCall
from committee.proposal import Proposal, ProposedCall, checked_calls
from committee.schema import Effect, ToolSpec


def tool(name: str, effect: Effect, **properties: str) -> ToolSpec:
    return ToolSpec(
        name,
        "",
        {"type": "object", "properties": {field: {"type": kind} for field, kind in properties.items()}},
        effect,
    )


FILM = tool("film.run", "job", synopsis="string", fps="integer", style="string")
SEARCH = tool("search", "read", query="string", limit="integer")
WRITE = tool("write_file", "write", path="string", content="string")
EDIT = tool("edit", "client", path="string", find="string", put="string")
TOOLS = [FILM, SEARCH, WRITE, EDIT]


def wants(*calls: ProposedCall) -> Proposal:
    return Proposal("call", calls=calls)


def call(name: str, *depends_on: int, **args: Any) -> ProposedCall:
    return ProposedCall(name, args, depends_on=depends_on)


def merged(planner: Proposal, *others: Proposal, **options: Any) -> Plan:
    proposals = {"qwen3": planner} | {f"other{n}": p for n, p in enumerate(others)}
    return plans.merge(proposals, **{"planner": "qwen3", "tools": TOOLS, "alone": not others, **options})


def named(calls: tuple[PlannedCall, ...]) -> list[tuple[str, dict[str, Any]]]:
    return [(c.tool.name, c.args) for c in calls]


def test_identical_calls_are_agreed() -> None:
    plan = merged(wants(call("film.run", synopsis="Bees", fps=24)), wants(call("film.run", fps=24.0, synopsis="bees")))
    assert named(plan.calls) == [("film.run", {"synopsis": "Bees", "fps": 24})]
    assert plan.identical
    assert not plan.choices
    assert not plan.notes


def test_fields_that_differ_become_choices_among_what_was_proposed() -> None:
    plan = merged(
        wants(call("film.run", synopsis="bees", fps=24, style="ink")),
        wants(call("film.run", synopsis="bees", fps=60, style="ink")),
    )
    assert plan.choices == (Choice(0, "fps", (24, 60)),)
    schema = plans.choices_schema(plan, TOOLS)
    assert schema["properties"]["0.fps"]["enum"] == [24, 60, "ask"]
    assert not plan.identical
    chosen = plans.choose(plan, {"0.fps": 60})
    assert chosen.calls[0].args == {"synopsis": "bees", "fps": 60, "style": "ink"}
    assert not chosen.choices
    assert any("60" in note for note in chosen.notes)
    assert not any("24" in note for note in chosen.notes)


@pytest.mark.parametrize("answer", [{}, {"0.fps": 30}, {"0.fps": None}, {"0.fps": [60]}, {"0.fps": True}, {"x": 60}])
def test_an_answer_outside_the_options_leaves_the_planners_value(answer: dict[str, Any]) -> None:
    plan = merged(wants(call("film.run", fps=24, style="ink")), wants(call("film.run", fps=60, style="ink")))
    assert plans.choose(plan, answer).calls[0].args["fps"] == 24


def test_asking_holds_the_call_and_what_builds_on_it() -> None:
    one = wants(
        call("film.run", synopsis="bees", fps=24), call("search", 0, query="reviews"), call("search", query="q")
    )
    two = wants(call("film.run", synopsis="bees", fps=60), call("search", 0, query="reviews"))
    plan = plans.choose(merged(one, two), {"0.fps": "ask"})
    assert named(plan.calls) == [("search", {"query": "q"})]
    assert [c.tool.name for c in plan.held] == ["film.run", "search"]


def test_free_text_in_other_words_is_the_planners() -> None:
    plan = merged(
        wants(call("film.run", synopsis="a film about busy bees", fps=24)),
        wants(call("film.run", synopsis="bees at work in spring", fps=24)),
    )
    assert plan.calls[0].args["synopsis"] == "a film about busy bees"
    assert not plan.choices


def test_two_texts_to_write_are_no_difference_in_wording() -> None:
    plan = merged(
        wants(call("write_file", path="a", content="rm the old files")),
        wants(call("write_file", path="a", content="keep the old files")),
    )
    assert plan.choices == (Choice(0, "content", ("rm the old files", "keep the old files")),)


def test_two_long_texts_to_write_wait_for_approval_of_one_of_them() -> None:
    long, other = "x " * 400, "y " * 400
    one, two = wants(call("write_file", path="a", content=long)), wants(call("write_file", path="a", content=other))
    plan = merged(one, two)
    assert not plan.calls
    assert named(plan.needs_approval) == [("write_file", {"path": "a", "content": long})]
    approved = merged(one, two, approved={plan.needs_approval[0].canonical})
    assert named(approved.calls) == named(plan.needs_approval)


def test_fields_of_two_different_calls_are_not_mixed() -> None:
    plan = merged(
        wants(call("write_file", path="a", content="one")), wants(call("write_file", path="b", content="two"))
    )
    assert not plan.calls
    assert len(plan.needs_approval) == 2


def test_an_edit_of_the_client_is_taken_whole_from_the_planner() -> None:
    plan = merged(
        wants(call("edit", path="a", find="x = 1", put="x = 2")), wants(call("edit", path="a", find="y", put="z"))
    )
    assert named(plan.calls) == [("edit", {"path": "a", "find": "x = 1", "put": "x = 2"})]
    assert not plan.choices
    assert not plan.identical


@pytest.mark.parametrize(
    ("proposed", "by_planner", "where"),
    [
        (call("search", query="q"), True, "calls"),
        (call("search", query="q"), False, "calls"),
        (call("film.run", synopsis="x"), True, "needs_approval"),
        (call("film.run", synopsis="x"), False, "needs_approval"),
        (call("write_file", path="x"), True, "needs_approval"),
        (call("edit", path="x"), True, "calls"),
        (call("edit", path="x"), False, "needs_approval"),
    ],
)
def test_what_one_member_alone_wants(proposed: ProposedCall, by_planner: bool, where: str) -> None:
    lone, silent = wants(proposed), Proposal("answer")
    plan = merged(lone, silent) if by_planner else merged(silent, lone)
    assert [name for name, _ in named(getattr(plan, where))] == [proposed.tool]
    assert len(plan.calls) + len(plan.needs_approval) + len(plan.held) == 1


def test_a_majority_carries_a_call_of_the_client_but_no_effect() -> None:
    edit, film = wants(call("edit", path="x")), wants(call("film.run", synopsis="x"))
    silent = Proposal("answer")
    assert merged(silent, edit, edit).calls
    assert not merged(silent, film, film).calls
    assert not merged(film, film, silent).calls
    assert merged(film, film, film).calls


def test_approval_is_of_exactly_one_call() -> None:
    film, silent = wants(call("film.run", synopsis="x")), Proposal("answer")
    form = merged(film, silent).needs_approval[0].canonical
    assert merged(film, silent, approved={form}).calls
    assert not merged(wants(call("film.run", synopsis="y")), silent, approved={form}).calls


@pytest.mark.parametrize("approve", [False, True])
def test_a_policy_concern_holds_effects_whoever_approves(approve: bool) -> None:
    film = wants(call("film.run", synopsis="x"), call("search", query="q"))
    decline = Proposal("decline", decline_kind="policy")
    approved = {plans.canonical(FILM, {"synopsis": "x"})} if approve else set()
    plan = merged(film, decline, approved=approved)
    assert [c.tool.name for c in plan.calls] == ["search"]
    assert [c.tool.name for c in plan.held] == ["film.run"]
    assert plan.concern
    assert not plan.notes


def test_a_single_voice_acts_only_when_there_is_no_other() -> None:
    film = wants(call("film.run", synopsis="x"))
    assert merged(film).calls
    assert not merged(film, alone=False).calls


def test_unusable_calls_are_left_out_and_dependencies_follow_the_rest() -> None:
    plan = merged(
        wants(
            call("nothing"),
            call("film.run", fps="many"),
            call("film.run", 3, synopsis="b"),
            call("search", 0, 1, query="a"),
        )
    )
    assert named(plan.calls) == [("search", {"query": "a"}), ("film.run", {"synopsis": "b"})]
    assert plan.calls[1].depends_on == (0,)


def test_refused_entries_do_not_shift_dependencies() -> None:
    entries = [
        {"tool": "unknown", "args": {}},
        {"tool": "search", "args": {"query": "a"}},
        {"tool": "film_run", "args": {"synopsis": "b"}, "depends_on": [1, 0, 2, True, "1", 99]},
    ]
    calls, _ = checked_calls(entries, TOOLS)
    assert calls[1].depends_on == (0,)


def test_a_cycle_is_broken_and_nothing_is_lost() -> None:
    plan = merged(wants(call("search", 1, query="a"), call("search", 0, query="b")))
    assert len(plan.calls) == 2
    assert [len(wave) for wave in plans.waves(plan.calls)] == [1, 1]
    with pytest.raises(ValueError, match="wait for each other"):
        plans.waves([PlannedCall(SEARCH, {}, (1,)), PlannedCall(SEARCH, {}, (0,))])


def test_what_builds_on_an_unapproved_call_waits_with_it() -> None:
    plan = merged(wants(call("film.run", synopsis="x"), call("search", 0, query="a")), Proposal("answer"))
    assert not plan.calls
    assert [c.tool.name for c in plan.needs_approval] == ["film.run", "search"]


def test_ids_follow_from_the_plan() -> None:
    plan = merged(wants(call("search", query="a"), call("search", query="b")))
    ids = [c.id for c in plans.numbered(plan.calls, 7)]
    assert ids == [c.id for c in plans.numbered(plan.calls, 7)]
    assert len({*ids, *(c.id for c in plans.numbered(plan.calls, 8))}) == 4


# -- properties --------------------------------------------------------------------------------------------------------

_VALUES: dict[str, st.SearchStrategy[Any]] = {
    "string": st.sampled_from(["a", "b", "A ", "one two three", "three two one", "z" * 400, ""]),
    "integer": st.integers(-2, 2) | st.sampled_from(["1", "many", None]),
}


@st.composite
def _calls(draw: st.DrawFn) -> ProposedCall:
    spec = draw(st.sampled_from(TOOLS))
    fields = draw(st.sets(st.sampled_from(sorted(spec.parameters["properties"]))))
    args = {name: draw(_VALUES[spec.parameters["properties"][name]["type"]]) for name in sorted(fields)}
    return ProposedCall(spec.name, args, depends_on=tuple(draw(st.lists(st.integers(0, 4), max_size=2))))


_proposals = st.builds(
    Proposal,
    action=st.sampled_from(["call", "call", "call", "decline"]),
    decline_kind=st.sampled_from(["", "", "policy"]),
    calls=st.lists(_calls(), max_size=4).map(tuple),
)
_tables = st.lists(_proposals, min_size=1, max_size=4)
_relaxed = settings(deadline=None)


@_relaxed
@given(_tables, st.dictionaries(st.sampled_from(["0.fps", "0.path", "1.limit"]), st.sampled_from([1, "a", "ask", 9])))
def test_no_value_is_invented(table: list[Proposal], answer: dict[str, Any]) -> None:
    plan = merged(*table)
    proposed = {
        (c.tool, name, repr(plans.arguments.normalise(spec, {name: value}).get(name)))
        for p in table for c in p.calls for spec in TOOLS if spec.name == c.tool
        for name, value in c.args.items() if value not in ("many",)
    }  # fmt: skip
    for outcome in (plan, plans.choose(plan, answer)):
        for planned in (*outcome.calls, *outcome.needs_approval, *outcome.held):
            assert all((planned.tool.name, n, repr(v)) in proposed for n, v in planned.args.items())
        for choice in outcome.choices:
            name = outcome.calls[choice.call].tool.name
            assert all((name, choice.field, repr(option)) in proposed for option in choice.options)
            assert len(choice.options) > 1


@_relaxed
@given(_tables, st.randoms(use_true_random=False))
def test_only_the_planners_place_matters(table: list[Proposal], rng: random.Random) -> None:
    others = table[1:]
    rng.shuffle(others)
    names = [f"m{n}" for n in range(len(others))]
    rng.shuffle(names)
    shuffled = dict(zip(names, others, strict=True)) | {"qwen3": table[0]}
    again = plans.merge(shuffled, planner="qwen3", tools=TOOLS, alone=not others)
    assert again == merged(*table)


@_relaxed
@given(_tables)
def test_waves_are_an_order_in_which_everything_can_run(table: list[Proposal]) -> None:
    plan = merged(*table)
    done: set[int] = set()
    for wave in plans.waves(plan.calls):
        assert all(set(plan.calls[index].depends_on) <= done for index in wave)
        done.update(wave)
    assert done == set(range(len(plan.calls)))
    assert all(max(c.depends_on, default=-1) < index for index, c in enumerate(plan.calls))


@_relaxed
@given(_tables)
def test_an_effect_runs_only_with_every_voice(table: list[Proposal]) -> None:
    for planned in merged(*table).calls:
        if planned.tool.effect in ("job", "write"):
            assert all(any(c.tool == planned.tool.name for c in p.calls) for p in table)
            assert not any(p.action == "decline" and p.decline_kind == "policy" for p in table)
