"""Deliberation over real HTTP: both members are asked, code compares, one speaks."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from typing import Any

import pytest

from committee import (
    ClientToolCalls,
    Committee,
    CommitteeUnavailable,
    ContextLengthExceeded,
    Message,
    ReasoningDelta,
    StageEvent,
    ToolCall,
    ToolResults,
)
from tests.contract.committee.conftest import FILM, QUICK, READ_FILE, STATUS, Table, member
from tests.fakes.ollama import FakeOllama, Fault, Reply


def call(tool: str, **args: Any) -> dict[str, Any]:
    return {"action": "call", "calls": [{"tool": tool, "args": args, "purpose": "asked for"}], "points": []}


async def test_both_members_are_asked_and_one_speaks(table: Table) -> None:  # C022
    table.qwen.plan = {"points": ["greet", "be brief"]}
    table.gptoss.plan = {"points": ["Greet!", "offer help"], "risks": ["tone"]}
    told = await table.ask("Hello")
    assert len(table.qwen.probes) == len(table.gptoss.probes) == 1
    assert len(table.qwen.speeches) == 1
    assert not table.gptoss.speeches
    assert told.text == "Hello from the model."
    assert told.finished.agreement == "compatible"
    assert told.finished.speaker == "qwen3"
    assert told.finished.model == "qwen3:32b"
    assert told.finished.members == {"qwen3": "ok", "gptoss": "ok"}
    assert not told.finished.degraded


async def test_the_speaker_knows_what_both_found(table: Table) -> None:  # C023
    table.qwen.plan = {"points": ["water boils at 100 °C"]}
    table.gptoss.plan = {"points": ["at sea level"], "risks": ["altitude"]}
    await table.ask("When does water boil?")
    instruction = table.qwen.speeches[0]["messages"][-1]["content"]
    assert all(point in instruction for point in ("water boils at 100 °C", "at sea level", "altitude"))


async def test_what_is_sent_to_ollama(table: Table) -> None:  # C011 C012 C080
    await table.ask("Hello", seed=7)
    for fake in (table.qwen, table.gptoss):
        for chat in fake.chats:
            assert chat["keep_alive"] == "24h"
            assert "keep_alive" not in chat["options"]
            assert chat["options"]["num_ctx"] == 8192
            assert chat["options"]["temperature"] == 0.3
            assert chat["truncate"] is False
            assert chat["shift"] is False
            assert chat["stream"] is True
            assert "tools" not in chat
    assert {chat["model"] for chat in table.qwen.chats} == {"qwen3:32b"}
    assert table.qwen.probes[0]["think"] is False
    assert {chat["think"] for chat in table.gptoss.chats} == {"low"}


async def test_the_request_overrides_sampling(table: Table) -> None:  # C012
    await table.ask("Hello", temperature=0.9, top_p=0.5, max_tokens=400, stop=("END",))
    options = table.qwen.speeches[0]["options"]
    assert options["temperature"] == 0.9
    assert options["top_p"] == 0.5
    assert options["num_predict"] == 400
    assert options["stop"] == ["END"]
    probe = table.qwen.probes[0]["options"]
    assert probe["temperature"] == 0.9
    assert "stop" not in probe


async def test_seeds_are_derived_and_repeat(table: Table) -> None:  # C140
    await table.ask("Hello", seed=7)
    await table.ask("Hello", seed=7)
    await table.ask("Hello", seed=8)
    probes = [chat["options"]["seed"] for chat in table.qwen.probes]
    speeches = [chat["options"]["seed"] for chat in table.qwen.speeches]
    assert probes[0] == probes[1] != probes[2]
    assert speeches[0] == speeches[1] != probes[0]
    assert table.gptoss.probes[0]["options"]["seed"] != probes[0]


async def test_every_stage_begins_with_the_same_bytes(table: Table) -> None:
    messages = [
        Message("system", "You are a pirate."),
        Message("user", "Hi"),
        Message("assistant", "Arr"),
        Message("user", "Go"),
    ]
    await table.ask(messages=messages)
    probe, speech = table.qwen.probes[0]["messages"], table.qwen.speeches[0]["messages"]
    assert probe[:-1] == speech[:-1]
    assert probe[0]["content"].endswith("\n\nYou are a pirate.")
    assert [m["role"] for m in probe] == ["system", "user", "assistant", "user", "user"]


async def test_the_preface_warns_against_sqlalchemy(table: Table) -> None:  # C135
    await table.ask("Write a query")
    for chat in (table.qwen.probes[0], table.qwen.speeches[0]):
        assert "Never use or suggest SQLAlchemy" in chat["messages"][0]["content"]
        assert "asyncpg" in chat["messages"][0]["content"]


@pytest.mark.parametrize(("planner", "speaker"), [("qwen3", "qwen3"), ("qwen", "qwen3"), ("gptoss", "gptoss")])
async def test_the_planner_plans_and_speaks(table: Table, planner: str, speaker: str) -> None:  # C013 C142
    committee = Committee(table.committee.members, planner=planner, config=QUICK)
    table.committee = committee
    table.qwen.plan = {"key": "12"}
    table.gptoss.plan = {"key": "13"}
    table.qwen.sample = table.gptoss.sample = {"key": "14"}
    told = await table.ask("How many eggs?")
    assert told.finished.speaker == speaker
    assert told.finished.agreement == "split"
    own = table.qwen if speaker == "qwen3" else table.gptoss
    other = "13" if speaker == "qwen3" else "12"
    assert f'different conclusion ("{other}")' in own.speeches[0]["messages"][-1]["content"]


async def test_an_agreed_job_is_started_once(table: Table) -> None:  # C032
    table.qwen.plan = call("film_run", synopsis="Butterflies in spring", duration_s="180")
    table.gptoss.plan = call("film_run", synopsis="a film about butterflies", duration_s=180.0, audio_enabled=True)
    told = await table.ask("Make a 3-minute film about butterflies", tools=[FILM, STATUS])
    assert told.finished.agreement == "agreed"
    assert [c.name for c in table.act.calls] == ["film.run"]
    assert table.act.calls[0].arguments["duration_s"] == 180
    assert told.of(ToolResults)[0].outcomes[0].data["job_id"] == "0198-job"
    assert "0198-job" in table.qwen.speeches[0]["messages"][-1]["content"]
    assert told.text == "Hello from the model."


async def test_call_ids_and_arguments_repeat(table: Table) -> None:  # C140
    table.qwen.plan = table.gptoss.plan = call("film_run", synopsis="bees")
    first = await table.ask("film", tools=[FILM], seed=3)
    again = await table.ask("film", tools=[FILM], seed=3)
    other = await table.ask("film", tools=[FILM], seed=4)
    assert first.of(ToolResults) == again.of(ToolResults)
    assert first.of(ToolResults)[0].outcomes[0].call.id != other.of(ToolResults)[0].outcomes[0].call.id


async def test_differing_arguments_are_the_planners_and_named(table: Table) -> None:
    table.qwen.plan = call("film_run", synopsis="bees", fps=24)
    table.gptoss.plan = call("film_run", synopsis="bees", fps=60, duration_s=30)
    told = await table.ask("film about bees", tools=[FILM])
    assert table.act.calls[0].arguments == {"synopsis": "bees", "fps": 24, "duration_s": 30}
    assert told.finished.agreement == "compatible"
    assert "fps was read in two ways; 24 was used" in table.qwen.speeches[0]["messages"][-1]["content"]


@pytest.mark.parametrize("wanting", ["qwen", "gptoss"])
async def test_a_job_that_one_member_wants_is_held(table: Table, wanting: str) -> None:
    getattr(table, wanting).plan = call("film_run", synopsis="bees")
    told = await table.ask("Tell me about films on bees", tools=[FILM])
    assert table.act.calls == []
    assert told.finished.agreement == "split"
    assert "film.run was not carried out" in table.qwen.speeches[0]["messages"][-1]["content"]


async def test_a_read_that_one_member_wants_is_done(table: Table) -> None:
    table.gptoss.plan = call("job_status", job_id="j1")
    told = await table.ask("How is it going?", tools=[FILM, STATUS])
    assert [c.name for c in table.act.calls] == ["job.status"]
    assert told.finished.agreement == "compatible"


async def test_a_policy_concern_stops_a_job(table: Table) -> None:
    table.qwen.plan = call("film_run", synopsis="x")
    table.gptoss.plan = {"action": "decline", "decline_kind": "policy", "points": []}
    told = await table.ask("film", tools=[FILM])
    assert table.act.calls == []
    assert told.finished.agreement == "split"
    assert "Decline this request" in table.qwen.speeches[0]["messages"][-1]["content"]


async def test_client_calls_are_handed_back(table: Table) -> None:
    table.qwen.plan = table.gptoss.plan = call("read_file", path="a.py")
    told = await table.ask("Fix a.py", tools=[READ_FILE, STATUS])
    calls = told.of(ClientToolCalls)[0].calls
    assert [(c.name, c.arguments) for c in calls] == [("read_file", {"path": "a.py"})]
    assert told.finished.finish_reason == "tool_calls"
    assert table.act.calls == []
    assert told.text == ""


async def test_without_act_server_calls_are_handed_back(table: Table) -> None:
    table.qwen.plan = table.gptoss.plan = call("film_run", synopsis="bees")
    told = await table.ask("film", tools=[FILM], act=None)
    assert told.of(ClientToolCalls)[0].calls[0].name == "film.run"
    assert told.finished.finish_reason == "tool_calls"


async def test_one_call_at_a_time_when_the_client_says_so(table: Table) -> None:
    plan = call("read_file", path="a")
    plan["calls"].append({"tool": "read_file", "args": {"path": "b"}, "purpose": ""})
    table.qwen.plan = table.gptoss.plan = plan
    both = await table.ask("Read", tools=[READ_FILE])
    one = await table.ask("Read", tools=[READ_FILE], parallel_tool_calls=False)
    assert len(both.of(ClientToolCalls)[0].calls) == 2
    assert [c.arguments["path"] for c in one.of(ClientToolCalls)[0].calls] == ["a"]


async def test_tool_choice_binds_the_plan(table: Table) -> None:
    table.qwen.plan = table.gptoss.plan = call("read_file", path="a")
    await table.ask("Read", tools=[READ_FILE, STATUS], tool_choice="required")
    schema = table.qwen.probes[0]["format"]["properties"]
    assert schema["action"]["enum"] == ["call"]
    assert schema["calls"]["items"]["properties"]["tool"]["enum"] == ["read_file"]
    await table.ask("Read", tools=[READ_FILE, STATUS], tool_choice="none")
    assert "read_file" not in json.dumps(table.qwen.probes[1])


async def test_answers_with_equal_keys_agree(table: Table) -> None:
    table.qwen.plan, table.gptoss.plan = {"key": "3 minutes"}, {"key": "180 s"}
    assert (await table.ask("How long?")).finished.agreement == "agreed"


async def test_thoughts_are_shown_in_lines_with_their_member(table: Table) -> None:
    table.gptoss.plan = {"work": "One thing. Another thing."}
    told = await table.ask("Hello")
    lines = [event.text for event in told.of(ReasoningDelta) if event.member == "gptoss"]
    assert lines[:2] == ["One thing.\n", "Another thing.\n"]
    stages = [(event.stage, event.event) for event in told.of(StageEvent)]
    assert stages[0] == ("probe", "started")
    assert ("compare", "compatible") in stages
    assert stages[-1] == ("speak", "started")


async def test_usage_counts_hidden_tokens_per_member(table: Table) -> None:
    told = await table.ask("Hello")
    usage = told.finished.usage
    assert usage["gptoss"].calls == 1
    assert usage["gptoss"].hidden_tokens == usage["gptoss"].completion_tokens > 0
    assert usage["qwen3"].calls == 2
    assert usage["qwen3"].completion_tokens - usage["qwen3"].hidden_tokens == 4
    assert usage["qwen3"].prompt_tokens > 0


async def test_length_is_reported(table: Table) -> None:
    answers = iter([Reply(json.dumps({"action": "answer"})), Reply("cut", done_reason="length")])
    table.qwen.answer = lambda _: next(answers)
    assert (await table.ask("Hello")).finished.finish_reason == "length"


async def test_a_json_answer_is_bound_to_its_schema(table: Table) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    table.qwen.text = '{"n": 3}'
    told = await table.ask("Count", response_schema=schema)
    speech = table.qwen.speeches[0]
    assert speech["format"] == schema
    assert speech["think"] is False
    assert told.text == '{"n": 3}'


# -- one model is enough ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {"text": "### Task:\nGenerate 1-3 broad tags for the chat history."},
        {"text": "Generate a concise, 3-5 word title for this conversation."},
        {"text": "Say a word.", "max_tokens": 10},
    ],
)
async def test_side_requests_take_one_model(table: Table, options: dict[str, Any]) -> None:
    told = await table.ask(tools=[FILM], **options)
    assert len(table.qwen.chats) == 1
    assert not table.gptoss.chats
    assert told.finished.agreement == "solo"
    assert "tools" not in table.qwen.chats[0]


async def test_a_film_with_a_title_is_no_side_request(table: Table) -> None:
    await table.ask("Generate a 3-minute film about butterflies. Title: Butterflies", tools=[FILM])
    assert table.gptoss.probes


async def test_tool_results_go_to_one_model_with_native_tools(table: Table) -> None:
    wish = ToolCall("call_1", "read_file", {"path": "a.py"})
    messages = [
        Message("user", "Fix a.py"),
        Message("assistant", tool_calls=(wish,)),
        Message("tool", "print(1)", tool_call_id="call_1", name="read_file"),
    ]
    table.qwen.answer = lambda _: Reply(tool_calls=[{"function": {"name": "read_file", "arguments": {"path": "b.py"}}}])
    told = await table.ask(messages=messages, tools=[READ_FILE])
    assert not table.gptoss.chats
    sent = table.qwen.chats[0]
    assert [t["function"]["name"] for t in sent["tools"]] == ["read_file"]
    assert sent["messages"][2]["tool_calls"][0] == {
        "id": "call_1",
        "function": {"index": 0, "name": "read_file", "arguments": {"path": "a.py"}},
    }
    assert sent["messages"][3]["tool_call_id"] == "call_1"
    assert told.of(ClientToolCalls)[0].calls[0].arguments == {"path": "b.py"}
    assert told.finished.finish_reason == "tool_calls"
    assert told.finished.agreement == "solo"


async def test_a_job_on_the_single_path_asks_the_committee(table: Table) -> None:
    wish = {"function": {"name": "film_run", "arguments": {"synopsis": "bees"}}}
    plan = call("film_run", synopsis="bees")
    answers = iter([Reply(tool_calls=[wish]), Reply(json.dumps(plan)), Reply("Started.")])
    table.qwen.answer = lambda _: next(answers)
    table.gptoss.plan = plan
    messages = [Message("user", "film"), Message("tool", "ok", tool_call_id="c")]
    told = await table.ask(messages=messages, tools=[FILM])
    assert len(table.gptoss.probes) == 1
    assert len(table.act.calls) == 1
    assert told.text == "Started."


async def test_solo_runs_tools_in_rounds(table: Table) -> None:
    wish = {"function": {"name": "film_run", "arguments": {"synopsis": "bees"}}}
    answers = iter([Reply("I will. ", tool_calls=[wish]), Reply("Done.")])
    table.gptoss.answer = lambda _: next(answers)
    told = await table.ask("film", tools=[FILM], mode="solo:gptoss")
    assert not table.qwen.chats
    assert len(table.act.calls) == 1
    assert told.text == "I will. Done."
    assert told.finished.speaker == "gptoss"
    assert table.gptoss.chats[1]["messages"][-1]["role"] == "tool"
    assert "0198-job" in table.gptoss.chats[1]["messages"][-1]["content"]


async def test_native_calls_are_trusted_no_more_than_plans(table: Table) -> None:  # C137
    wishes: list[dict[str, Any]] = [{"synopsis": "bees\x00 at work"}, {"synopsis": "bees", "duration_s": 10**400}]
    wishes.append({"synopsis": json.loads("[" * 30 + "]" * 30)})
    called = [{"function": {"name": "film_run", "arguments": wish}} for wish in wishes]
    answers = iter([Reply(tool_calls=called), Reply("Done.")])
    table.qwen.answer = lambda _: next(answers)
    await table.ask("film", tools=[FILM], mode="solo:qwen3")
    assert [made.arguments for made in table.act.calls] == [{"synopsis": "bees at work"}]


async def test_a_model_that_stumbles_over_tools_answers_without(table: Table) -> None:
    table.gptoss.fault, table.gptoss.fault_count = Fault.HTTP_500, 1
    told = await table.ask("status?", tools=[STATUS], mode="solo:gptoss")
    assert told.text == "Hello from the model."
    assert "tools" in table.gptoss.chats[0]
    assert "tools" not in table.gptoss.chats[1]


async def test_slow_is_not_gone(table: Table) -> None:
    table.gptoss.token_ms = 100
    for _ in range(4):
        assert (await table.ask("Hello")).finished.members["gptoss"] == "timeout"
    assert len(table.gptoss.chats) == 4


async def test_a_member_that_never_stops_calling_is_stopped(table: Table) -> None:
    def restless(body: dict[str, Any]) -> Reply:
        wish = {"function": {"name": "job_status", "arguments": {"job_id": f"j{len(table.qwen.chats)}"}}}
        return Reply(tool_calls=[wish]) if body.get("tools") else Reply("Enough.")

    table.qwen.answer = restless
    told = await table.ask("status?", tools=[STATUS], mode="solo:qwen3")
    assert len(table.act.calls) == QUICK.max_tool_iterations
    assert told.text == "Enough."


async def test_no_call_runs_twice_in_a_turn(table: Table) -> None:
    wish = {"function": {"name": "job_status", "arguments": {"job_id": "j"}}}
    table.qwen.answer = lambda body: Reply(tool_calls=[wish]) if body.get("tools") else Reply("Enough.")
    told = await table.ask("status?", tools=[STATUS], mode="solo:qwen3")
    assert len(table.act.calls) == 1
    assert told.text == "Enough."


async def test_modes_are_checked(table: Table) -> None:
    with pytest.raises(ValueError, match="no member"):
        await table.ask(mode="solo:mistral")
    with pytest.raises(ValueError, match="unknown mode"):
        await table.ask(mode="shout")


async def test_members_need_names_of_their_own(table: Table) -> None:
    with pytest.raises(ValueError, match="different names"):
        Committee([table.committee.members[0]] * 2, planner="qwen3")
    with pytest.raises(ValueError, match="none of the members"):
        Committee(table.committee.members, planner="mistral")


# -- when a member fails ---------------------------------------------------------------------------------------------


async def test_an_unusable_plan_is_asked_for_once_more(table: Table) -> None:
    answers = iter([Reply("no idea"), Reply(json.dumps({"action": "answer"})), Reply("Fine.")])
    table.qwen.answer = lambda _: next(answers)
    told = await table.ask("Hello")
    assert told.text == "Fine."
    assert told.finished.members["qwen3"] == "ok"
    assert not told.finished.degraded


async def test_bad_plans_do_not_silence_good_speakers(table: Table) -> None:
    table.qwen.plan = table.gptoss.plan = "no json at all"
    told = await table.ask("Hello", tools=[FILM])
    assert told.text == "Hello from the model."
    assert told.finished.degraded
    assert told.finished.agreement == "single"
    assert table.act.calls == []


async def test_the_other_member_speaks_when_the_speaker_fails_first(table: Table) -> None:
    table.qwen.fault, table.qwen.fault_stage = Fault.HTTP_500, "speak"
    table.gptoss.text = "I take over."
    told = await table.ask("Hello")
    assert told.text == "I take over."
    assert told.finished.speaker == "gptoss"
    assert told.finished.degraded
    assert told.finished.members == {"qwen3": "failed", "gptoss": "ok"}
    # A busy or stumbling speaker gets one more chance before the voice changes.
    assert len(table.qwen.speeches) == 2


async def test_after_tools_have_run_nothing_looks_like_a_failed_request(table: Table) -> None:
    table.qwen.plan = table.gptoss.plan = call("film_run", synopsis="bees")
    for fake in (table.qwen, table.gptoss):
        fake.fault, fake.fault_stage = Fault.HTTP_500, "speak"
    told = await table.ask("film", tools=[FILM])
    assert told.finished.speaker is None
    assert told.finished.degraded
    assert told.of(ToolResults)
    assert len(table.act.calls) == 1


async def test_the_only_member_alive_may_start_a_job(table: Table) -> None:
    await table.gptoss.stop()
    table.qwen.plan = call("film_run", synopsis="bees")
    told = await table.ask("film", tools=[FILM])
    assert len(table.act.calls) == 1
    assert told.finished.agreement == "single"
    assert told.finished.degraded
    assert told.finished.members == {"qwen3": "ok", "gptoss": "unreachable"}


async def test_a_late_member_is_not_waited_for(table: Table) -> None:
    table.gptoss.fault = Fault.DRIP
    told = await table.ask("Hello")
    assert told.finished.members == {"qwen3": "ok", "gptoss": "timeout"}
    assert table.gptoss.open == 0 or await table.gptoss.until(lambda: table.gptoss.open == 0) is None


async def test_a_conversation_that_fits_nobody_is_said_so(table: Table) -> None:
    with pytest.raises(ContextLengthExceeded) as caught:
        await table.ask("word " * 9000)
    assert caught.value.code == "context_length_exceeded"


async def test_a_conversation_that_fits_one_is_answered_by_it() -> None:
    async with FakeOllama("qwen3:32b") as qwen, FakeOllama("gpt-oss:20b") as gptoss:
        members = [
            member(qwen, "qwen3", "qwen3:32b", num_ctx=2048),
            member(gptoss, "gptoss", "gpt-oss:20b", num_ctx=32768),
        ]
        table = Table(qwen, gptoss, Committee(members, planner="qwen3", config=QUICK), None)  # type: ignore[arg-type]
        told = await table.ask("word " * 4000, act=None)
        assert told.finished.speaker == "gptoss"
        assert told.finished.account.context.fit == "routed"
        assert not qwen.chats
        await table.committee.aclose()


async def test_a_member_that_is_gone_is_left_alone_for_a_while(table: Table) -> None:
    await table.gptoss.stop()
    for _ in range(3):
        assert (await table.ask("Hello")).finished.members["gptoss"] == "unreachable"
    async with table.gptoss:
        told = await table.ask("Hello")
        assert "left alone" in told.finished.causes["gptoss"]
        assert not table.gptoss.chats


async def test_a_member_that_is_back_is_asked_again(table: Table) -> None:
    table.committee = Committee(
        table.committee.members, planner="qwen3", config=dataclasses.replace(QUICK, breaker_open_s=0.4)
    )
    await table.gptoss.stop()
    async with asyncio.timeout(10):
        while "left alone" not in (await table.ask("Hello")).finished.causes["gptoss"]:
            pass
        async with table.gptoss:
            while (await table.ask("Hello")).finished.degraded:
                pass


async def test_nobody_there_says_why(table: Table) -> None:
    await table.qwen.stop()
    await table.gptoss.stop()
    with pytest.raises(CommitteeUnavailable) as caught:
        await table.ask("Hello")
    assert set(caught.value.causes) == {"qwen3", "gptoss"}
    assert "cannot be reached" in caught.value.causes["qwen3"]
    assert caught.value.retry_after


@pytest.mark.parametrize(
    "asked",
    [
        {"tools": [READ_FILE], "tool_choice": "required"},
        {"tools": [READ_FILE]},
        {"max_tokens": 8},
        {},
    ],
    ids=["required", "native", "side", "words"],
)
async def test_the_account_names_who_spoke_and_why(table: Table, asked: dict[str, Any]) -> None:
    if "tools" in asked:
        call = {"tool": "read_file", "args": {"path": "a"}, "purpose": ""}
        table.qwen.plan = table.gptoss.plan = {"action": "call", "calls": [call]}
    there = (await table.ask(**asked)).finished
    assert (there.speaker, there.model) == ("qwen3", "qwen3:32b")
    assert there.account.spoke_because in {"it is the planner", "side request"}
    assert not there.degraded
    table.qwen.fault = Fault.HTTP_404
    alone = (await table.ask(**asked)).finished
    assert (alone.speaker, alone.model) == ("gptoss", "gpt-oss:20b")
    assert "qwen3" in alone.account.spoke_because
    assert alone.degraded
    assert alone.members == {"qwen3": "model_missing", "gptoss": "ok"}
