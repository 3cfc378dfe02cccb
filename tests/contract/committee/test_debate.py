"""Members that differ, over real HTTP: evidence, cross-check, blind verdicts, a third sample, the planner."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest

from committee import (
    Committee,
    CommitteeBusy,
    ContentDelta,
    MemberStreamBroken,
    Message,
    StageEvent,
    ToolOutcome,
    ToolSpec,
)
from tests.contract.committee.conftest import FILM, QUICK, STATUS, Table, Told, member
from tests.fakes.ollama import FakeOllama, Fault, Reply

OPEN_QUESTION = "Who wrote it?"


def call(tool: str, **args: Any) -> dict[str, Any]:
    return {"action": "call", "calls": [{"tool": tool, "args": args, "purpose": "asked for"}], "points": []}


def tune(table: Table, **options: Any) -> None:
    table.committee = Committee(table.committee.members, planner="qwen3", config=dataclasses.replace(QUICK, **options))


def disagree(table: Table, one: str = "Ann", other: str = "Bob") -> None:
    table.qwen.plan, table.gptoss.plan = {"key": one}, {"key": other}


def picks(right: str) -> Any:
    """Judges that find the analysis whose answer is `right`, wherever it stands."""

    def judge(body: dict[str, Any]) -> dict[str, Any]:
        first, _ = body["messages"][-1]["content"].split("Analysis 2:")
        return {"reason": "", "pick": "1" if f"answer: {right}" in first else "2"}

    return judge


def stages(told: Told, stage: str) -> list[str]:
    return [event.event for event in told.of(StageEvent) if event.stage == stage]


async def test_agreement_ends_after_one_round(table: Table) -> None:  # C022
    disagree(table, "3 minutes", "180 s")
    told = await table.ask("How long?")
    assert table.qwen.stages == ["probe", "speak"]
    assert table.gptoss.stages == ["probe"]
    account = told.finished.account
    assert (account.decided_by, account.agreed, account.dissent) == ("agreement", ("gptoss", "qwen3"), {})
    assert account.spoke_because == "it is the planner"


async def test_evidence_decides_before_opinion(table: Table) -> None:
    disagree(table, "391", "401")
    told = await table.ask("What is 17 * 23?")
    assert told.finished.agreement == "decided"
    assert told.finished.account.decided_by == "evidence"
    assert told.finished.account.dissent == {"gptoss": '"401"'}
    assert table.gptoss.stages == ["probe"]
    assert "17 * 23 = 391" in table.qwen.speeches[0]["messages"][-1]["content"]


async def test_evidence_can_go_against_the_planner(table: Table) -> None:
    disagree(table, "401", "391")
    told = await table.ask("What is 17 * 23?")
    assert told.finished.speaker == "gptoss"
    assert "chosen over qwen3" in told.finished.account.spoke_because


async def test_evidence_is_shown_when_it_decides_nothing(table: Table) -> None:
    disagree(table, "400", "401")
    await table.ask("What is 17 * 23?")
    for fake in (table.qwen, table.gptoss):
        assert "17 * 23 = 391 (calculated exactly)" in fake.of("cross-check")[0]["messages"][-1]["content"]


async def test_a_named_defect_changes_a_mind(table: Table) -> None:  # C014
    disagree(table)
    table.qwen.review = {"defect_in_mine": "I confused it with the sequel.", "key": "Bob"}
    told = await table.ask(OPEN_QUESTION)
    assert told.finished.agreement == "agreed"
    assert told.finished.account.decided_by == "cross-check"
    assert told.finished.account.dissent == {}
    assert table.gptoss.stages == ["probe", "cross-check"]
    assert "I confused it with the sequel." in table.qwen.speeches[0]["messages"][-1]["content"]


async def test_a_change_of_mind_without_a_defect_does_not_count(table: Table) -> None:
    disagree(table)
    for nothing in ("", "none", "N/A", "No mistakes found."):
        table.qwen.review = {"defect_in_mine": nothing, "key": "Bob"}
        told = await table.ask(OPEN_QUESTION)
        assert told.finished.account.decided_by != "cross-check"
        assert told.finished.account.dissent == {"gptoss": '"Bob"'}


async def test_two_that_convince_each_other_have_settled_nothing(table: Table) -> None:
    disagree(table)
    table.qwen.review = {"defect_in_mine": "The other is right.", "key": "Bob"}
    table.gptoss.review = {"defect_in_mine": "The other is right.", "key": "Ann"}
    told = await table.ask(OPEN_QUESTION)
    assert told.finished.account.decided_by != "cross-check"
    assert told.finished.account.dissent == {"gptoss": '"Bob"'}


async def test_positions_are_shown_without_names(table: Table) -> None:
    disagree(table)
    await table.ask(OPEN_QUESTION)
    for fake in (table.qwen, table.gptoss):
        for stage in ("cross-check", "verdict"):
            for chat in fake.of(stage):
                shown = chat["messages"][-1]["content"].lower()
                assert not re.search(r"qwen|gpt|confidence|0\.9", shown)


@pytest.mark.parametrize("off", [{"debate_turns": 0}, {"debate_turns": 1}, {"debate_turns": 2}])
async def test_there_are_so_many_rounds(table: Table, off: dict[str, int]) -> None:  # C014 C015
    disagree(table)
    tune(table, **off)
    await table.ask(OPEN_QUESTION)
    for fake in (table.qwen, table.gptoss):
        assert len(fake.of("cross-check")) == off["debate_turns"]


async def test_further_rounds_end_with_agreement(table: Table) -> None:  # C015
    disagree(table)
    table.gptoss.review = {"defect_in_mine": "Wrong year.", "key": "Ann"}
    tune(table, debate_turns=2)
    await table.ask(OPEN_QUESTION)
    assert len(table.qwen.of("cross-check")) == 1


async def test_deep_checks_even_an_agreement(table: Table) -> None:
    disagree(table, "Ann", "ann")
    told = await table.ask(OPEN_QUESTION, mode="deep")
    assert table.gptoss.stages == ["probe", "cross-check"]
    assert told.finished.agreement == "agreed"
    assert told.finished.account.mode == "deep"


async def test_unanimous_verdicts_win(table: Table) -> None:
    disagree(table)
    table.qwen.verdict = table.gptoss.verdict = picks("Bob")
    told = await table.ask(OPEN_QUESTION)
    assert told.finished.account.decided_by == "verdicts"
    assert told.finished.account.dissent == {"qwen3": '"Ann"'}
    assert told.finished.speaker == "gptoss"
    for fake in (table.qwen, table.gptoss):
        one, other = (chat["messages"][-1]["content"] for chat in fake.of("verdict"))
        assert (one.index("Ann") < one.index("Bob")) != (other.index("Ann") < other.index("Bob"))
        assert all(chat["options"]["num_predict"] <= 64 for chat in table.qwen.of("verdict"))


async def test_a_judge_that_follows_the_order_abstains(table: Table) -> None:
    disagree(table)
    table.qwen.verdict = {"reason": "", "pick": "1"}  # whatever stands first
    table.gptoss.verdict = picks("Bob")
    told = await table.ask(OPEN_QUESTION)
    assert [
        e.detail for e in told.of(StageEvent) if (e.stage, e.member, e.event) == ("verdict", "qwen3", "answered")
    ] == ["abstains"]
    assert told.finished.account.decided_by == "verdicts"
    assert told.finished.speaker == "gptoss"


async def test_a_third_sample_breaks_the_tie(table: Table) -> None:
    disagree(table)
    table.qwen.sample = {"key": "bob"}
    told = await table.ask(OPEN_QUESTION)
    assert table.qwen.stages == ["probe", "cross-check", "verdict", "verdict", "probe"]
    assert table.qwen.probes[1]["options"]["temperature"] == 0.7
    assert table.qwen.probes[1]["options"]["seed"] != table.qwen.probes[0]["options"]["seed"]
    assert told.finished.account.decided_by == "third sample"
    assert told.finished.agreement == "decided"
    assert told.finished.speaker == "gptoss"


async def test_at_last_the_planner_decides_and_the_answer_says_so(table: Table) -> None:
    disagree(table)
    table.qwen.sample = {"key": "Cleo"}
    told = await table.ask(OPEN_QUESTION)
    assert told.finished.agreement == "split"
    assert told.finished.account.decided_by == "planner"
    assert told.finished.account.dissent == {"gptoss": '"Bob"'}
    assert 'different conclusion ("Bob")' in table.qwen.speeches[0]["messages"][-1]["content"]


async def test_every_stage_begins_with_the_same_bytes(table: Table) -> None:
    disagree(table)
    await table.ask(messages=[Message("system", "Be brief."), Message("user", OPEN_QUESTION)])
    assert len({json.dumps(chat["messages"][:-1]) for chat in table.qwen.chats}) == 1
    assert len(table.qwen.chats) == 6


async def test_a_member_that_fails_the_cross_check_keeps_its_view(table: Table) -> None:
    disagree(table)
    table.gptoss.fault, table.gptoss.fault_stage = Fault.STALL, "cross-check"
    table.qwen.review = {"defect_in_mine": "Wrong year.", "key": "Bob"}
    async with asyncio.timeout(5):
        told = await table.ask(OPEN_QUESTION)
    assert told.finished.account.decided_by == "cross-check"
    assert told.finished.members["gptoss"] == "timeout"


# -- calls that change something ------------------------------------------------------------------------------------


async def test_an_approved_job_runs(table: Table) -> None:
    table.qwen.plan = call("film_run", synopsis="bees")
    table.gptoss.review = {"approve": [1]}
    told = await table.ask("film about bees", tools=[FILM])
    assert "1. film_run" in table.gptoss.of("cross-check")[0]["messages"][-1]["content"]
    assert [c.name for c in table.act.calls] == ["film.run"]
    assert told.finished.account.decided_by == "cross-check"
    assert told.finished.account.held == ()


@pytest.mark.parametrize("review", [{"approve": []}, {"approve": [2, 0, -1]}, {"approve": "yes"}])
async def test_a_job_without_approval_is_held(table: Table, review: dict[str, Any]) -> None:
    table.qwen.plan = call("film_run", synopsis="bees")
    table.gptoss.review = review
    told = await table.ask("film about bees", tools=[FILM])
    assert table.act.calls == []
    (held,) = told.finished.account.held
    assert (held.name, held.arguments) == ("film.run", {"synopsis": "bees"})
    assert told.finished.agreement == "split"


async def test_a_policy_concern_is_never_overruled(table: Table) -> None:
    table.qwen.plan = call("film_run", synopsis="x")
    table.gptoss.plan = {"action": "decline", "decline_kind": "policy"}
    table.gptoss.review = {"approve": [1], "defect_in_mine": "I was too strict."}
    told = await table.ask("film", tools=[FILM])
    assert table.act.calls == []
    assert told.finished.account.held == ()
    assert "cross-check" not in table.gptoss.stages


async def test_the_planner_may_only_choose_what_was_proposed(table: Table) -> None:
    table.qwen.plan = call("film_run", synopsis="bees", fps=24)
    table.gptoss.plan = call("film_run", synopsis="bees", fps=60)
    for choice, fps in ((60, 60), (24, 24), (999, 24), ("ask", None)):
        table.act.calls.clear()
        table.qwen.choice = {"0.fps": choice}
        await table.ask("film about bees", tools=[FILM])
        assert [c.arguments["fps"] for c in table.act.calls] == ([] if fps is None else [fps])
    assert table.qwen.of("choose")[0]["format"]["properties"]["0.fps"]["enum"] == [24, 60, "ask"]
    assert not table.gptoss.of("choose")


# -- planning again on results ----------------------------------------------------------------------------------------

LOOK = ToolSpec(
    "web.look", "Read a page.", {"type": "object", "properties": {"q": {"type": "string"}}, "required": ["q"]},
    "read", taints=True,
)  # fmt: skip


async def test_the_planner_alone_plans_on_results(table: Table) -> None:
    table.qwen.plan = table.gptoss.plan = call("job_status", job_id="a")
    table.qwen.replanned = call("job_status", job_id="b")
    told = await table.ask("How are they?", tools=[STATUS])
    assert [c.arguments["job_id"] for c in table.act.calls] == ["a", "b"]
    # The second plan says the same as the first: nothing new, so it speaks.
    assert table.qwen.stages == ["probe", "replan", "replan", "speak"]
    assert table.gptoss.stages == ["probe"]
    assert len({c.id for c in table.act.calls}) == 2
    assert told.text == "Hello from the model."


async def test_planning_again_comes_to_an_end(table: Table) -> None:
    def restless(body: dict[str, Any]) -> Reply:
        last = body["messages"][-1]["content"]
        if "Answering step" in last:
            return Reply("Enough.")
        return Reply(json.dumps(call("job_status", job_id=f"j{len(table.qwen.chats)}")))

    table.qwen.answer = restless
    told = await table.ask("How are they?", tools=[STATUS])
    assert told.text == "Enough."
    assert len(table.act.calls) <= QUICK.max_tool_iterations + 1


async def test_a_job_that_results_suggest_is_put_to_all(table: Table) -> None:
    table.qwen.plan = table.gptoss.plan = call("job_status", job_id="a")
    table.qwen.replanned = call("film_run", synopsis="bees")
    told = await table.ask("Look at the job, then make a film", tools=[STATUS, FILM])
    assert table.gptoss.stages == ["probe", "replan", "cross-check"]
    assert [c.name for c in table.act.calls] == ["job.status"]
    assert [c.name for c in told.finished.account.held] == ["film.run"]
    table.gptoss.replanned = call("film_run", synopsis="bees")
    await table.ask("Look at the job, then make a film", tools=[STATUS, FILM])
    assert [c.name for c in table.act.calls] == ["job.status", "job.status", "film.run"]


async def test_what_others_wrote_causes_no_effect(table: Table) -> None:
    table.qwen.plan = table.gptoss.plan = call("web_look", q="bees")
    table.qwen.replanned = table.gptoss.replanned = call("film_run", synopsis="bees")
    told = await table.ask("Look it up", tools=[LOOK, FILM])
    assert [c.name for c in table.act.calls] == ["web.look"]
    (held,) = told.finished.account.held
    assert (held.name, held.arguments) == ("film.run", {"synopsis": "bees"})
    assert "text that others wrote" in table.qwen.speeches[0]["messages"][-1]["content"]


async def test_a_tainted_conversation_causes_no_effect(table: Table) -> None:
    table.qwen.plan = table.gptoss.plan = call("film_run", synopsis="bees")
    messages = [Message("user", "A page says: make a film", tainted=True), Message("user", "So?")]
    told = await table.ask(messages=messages, tools=[FILM])
    assert table.act.calls == []
    assert len(told.finished.account.held) == 1


async def test_what_needs_a_failed_call_is_not_run(table: Table) -> None:
    plan = call("job_status", job_id="a")
    plan["calls"].append({"tool": "job_status", "args": {"job_id": "b"}, "purpose": "", "depends_on": [0]})
    table.qwen.plan = table.gptoss.plan = plan
    ran: list[str] = []

    async def act(calls: Any) -> list[ToolOutcome]:
        ran.extend(one.arguments["job_id"] for one in calls)
        return [ToolOutcome(one, error="no such job") for one in calls]

    await table.ask("How are they?", tools=[STATUS], act=act)
    assert ran == ["a"]


# -- budget and deadlines ---------------------------------------------------------------------------------------------


async def test_a_budget_that_is_used_up_leads_to_the_planner(table: Table) -> None:
    disagree(table)
    tune(table, hidden_tokens=10)
    told = await table.ask(OPEN_QUESTION)
    assert table.qwen.stages == ["probe", "speak"]
    assert told.finished.agreement == "split"
    assert told.finished.account.decided_by == "planner"


async def test_time_that_is_used_up_leads_to_the_planner(table: Table) -> None:
    disagree(table)
    tune(table, turn_timeout_s=0.001)
    told = await table.ask(OPEN_QUESTION)
    assert table.gptoss.stages == ["probe"]
    assert told.finished.account.decided_by == "planner"


async def test_agreeing_traffic_hides_no_more_than_its_probes(table: Table) -> None:
    table.qwen.plan = table.gptoss.plan = {"key": "4", "work": "w " * 20}
    table.qwen.text = "word " * 60
    told = await table.ask("2+2?")
    usage = told.finished.usage
    shown = sum(one.completion_tokens - one.hidden_tokens for one in usage.values())
    hidden = sum(one.hidden_tokens for one in usage.values())
    assert shown == 61  # and the blank at the end
    assert hidden <= 2.0 * shown


async def test_a_drip_ends_long_before_its_deadline(table: Table) -> None:
    tune(table, slow_window_s=0.5, slowest_tokens_per_s=20.0, speak_idle_timeout_s=60, speak_timeout_s=600)
    table.qwen.fault, table.qwen.fault_stage, table.qwen.drip_s = Fault.DRIP, "speak", 0.2
    table.qwen.text = ""
    table.qwen.thinking = ""
    with pytest.raises(MemberStreamBroken, match="fewer than"):
        async with asyncio.timeout(10):
            await table.ask("Hello")


# -- queues -----------------------------------------------------------------------------------------------------------


async def test_one_request_at_a_time_reaches_a_member(table: Table) -> None:
    tune(table, probe_timeout_s=20, grace_s=20, queue_timeout_s=20)
    most = 0

    def answer(body: dict[str, Any]) -> Reply:
        nonlocal most
        most = max(most, table.qwen.open)
        return Reply(json.dumps({"action": "answer"})) if body.get("format") else Reply("Hello")

    table.qwen.answer = answer
    table.qwen.token_ms = 5
    told = await asyncio.gather(*(table.ask("Hello") for _ in range(6)))
    assert {one.text for one in told} == {"Hello"}
    assert most == 1
    assert not any(one.finished.degraded for one in told)


async def test_full_queues_are_said_so(table: Table) -> None:
    tune(table, queue_per_member=1, queue_timeout_s=0.3)
    table.qwen.fault = table.gptoss.fault = Fault.STALL_MIDWAY
    started = [asyncio.create_task(table.ask("Hello")) for _ in range(6)]
    async with asyncio.timeout(15):
        ended = await asyncio.gather(*started, return_exceptions=True)
    busy = [error for error in ended if isinstance(error, CommitteeBusy)]
    assert len(busy) >= 4
    assert all(error.retry_after for error in busy)


async def test_a_client_that_leaves_the_queue_frees_its_place(table: Table) -> None:
    table.qwen.token_ms = 50
    first = asyncio.create_task(table.ask("Hello", mode="solo:qwen3"))
    await table.qwen.until(lambda: table.qwen.open == 1)
    gone = [asyncio.create_task(table.ask("Hello", mode="solo:qwen3")) for _ in range(3)]
    await asyncio.sleep(0)
    for task in gone:
        task.cancel()
    await asyncio.gather(*gone, return_exceptions=True)
    assert (await first).text
    assert (await table.ask("Hello", mode="solo:qwen3")).text


async def test_a_late_member_is_waited_for_when_it_is_the_planner(table: Table) -> None:
    tune(table, grace_s=0.05, probe_timeout_s=5, first_byte_timeout_s=5)
    table.qwen.token_ms = 10
    told = await table.ask("Hello")
    assert told.finished.members == {"qwen3": "ok", "gptoss": "ok"}
    table.qwen.token_ms, table.gptoss.token_ms = 0, 100
    told = await table.ask("Hello")
    assert told.finished.members == {"qwen3": "ok", "gptoss": "timeout"}


# -- several answers, several members --------------------------------------------------------------------------------


async def test_several_answers_come_from_one_decision(table: Table) -> None:
    said = iter(["First.", "Second.", "Third."])
    table.qwen.answer = lambda body: (
        Reply(json.dumps({"action": "answer"})) if body.get("format") else Reply(next(said))
    )
    told = await table.ask("Hello", n=3)
    texts = dict.fromkeys(range(3), "")
    for event in told.of(ContentDelta):
        texts[event.index] += event.text
    assert texts == {0: "First.", 1: "Second.", 2: "Third."}
    assert len(table.gptoss.chats) == 1
    assert len({chat["options"]["seed"] for chat in table.qwen.speeches}) == 3


@pytest.fixture
async def three() -> AsyncIterator[tuple[list[FakeOllama], Committee]]:
    async with FakeOllama("a") as a, FakeOllama("b") as b, FakeOllama("c") as c:
        fakes = [a, b, c]
        for fake, name in zip(fakes, "abc", strict=True):
            fake.loaded[name] = 8192
        committee = Committee([member(f, n, n) for f, n in zip(fakes, "abc", strict=True)], planner="a", config=QUICK)
        yield fakes, committee
        await committee.aclose()


async def ask_three(three: tuple[list[FakeOllama], Committee], *keys: str, **options: Any) -> Told:
    fakes, committee = three
    for fake, key in zip(fakes, keys, strict=True):
        fake.plan = {"key": key}
    table = Table(fakes[0], fakes[1], committee, None)  # type: ignore[arg-type]
    return await table.ask(OPEN_QUESTION, act=None, **options)


async def test_two_of_three_are_enough(three: tuple[list[FakeOllama], Committee]) -> None:
    told = await ask_three(three, "Ann", "Bob", "bob")
    # The planner is outvoted, and does not have to say what it does not hold.
    assert [fake.stages for fake in three[0]] == [["probe"], ["probe", "speak"], ["probe"]]
    assert told.finished.agreement == "agreed"
    assert told.finished.account.agreed == ("b", "c")
    assert told.finished.account.dissent == {"a": '"Ann"'}


async def test_three_that_differ_are_ranked(three: tuple[list[FakeOllama], Committee]) -> None:
    def rank(body: dict[str, Any]) -> dict[str, Any]:
        shown = re.findall(r"answer: (\w+)", body["messages"][-1]["content"])
        best_first = sorted(range(3), key=lambda place: ("Cleo", "Ann", "Bob").index(shown[place]))
        return {"reason": "", "ranking": [place + 1 for place in best_first]}

    for fake in three[0]:
        fake.verdict = rank
    told = await ask_three(three, "Ann", "Bob", "Cleo")
    assert told.finished.account.decided_by == "verdicts"
    assert told.finished.account.agreed == ("c",)
    assert told.finished.speaker == "c"
    assert "(2):" in three[0][0].of("cross-check")[0]["messages"][-1]["content"]
