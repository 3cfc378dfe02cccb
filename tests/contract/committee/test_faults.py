"""Every fault of a model server, for one member and for both: a turn always ends, and in time."""

from __future__ import annotations

import asyncio

import pytest

from committee import CommitteeError, CommitteeUnavailable, MemberStreamBroken
from tests.contract.committee.conftest import QUICK, Table, Told
from tests.fakes.ollama import Fault

# A turn waits at most for a probe with its retry, then for a speaker with its retry, then for the other one.
LIMIT_S = 2 * QUICK.probe_timeout_s + 3 * QUICK.speak_timeout_s + 1
# Without those that leave an answer whole, however little it says.
FAULTS = [fault for fault in Fault if fault not in (Fault.REFUSAL, Fault.GARBAGE)]


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("stage", [None, "probe", "speak"])
async def test_one_member_fails(table: Table, fault: Fault, stage: str | None) -> None:
    table.gptoss.fault, table.gptoss.fault_stage = fault, stage
    async with asyncio.timeout(LIMIT_S):
        told = await table.ask("Hello")
    assert told.text == "Hello from the model."
    assert told.finished.speaker == "qwen3"
    assert told.finished.degraded == (stage != "speak")
    assert (told.finished.members["gptoss"] == "ok") == (stage == "speak")


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("stage", [None, "speak"])
async def test_the_speaker_fails(table: Table, fault: Fault, stage: str | None) -> None:
    table.qwen.fault, table.qwen.fault_stage = fault, stage
    table.gptoss.text = "The other one speaks."
    told, error = await until_the_end(table)
    if told is not None:
        assert told.text == "The other one speaks."
        assert told.finished.degraded
        assert told.finished.members["qwen3"] != "ok"
    else:
        # It broke off in the middle of its words, which only happens when it was allowed to begin.
        assert isinstance(error, MemberStreamBroken)
        assert stage == "speak"
        assert error.member == "qwen3"


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("stage", [None, "probe", "speak"])
async def test_both_fail(table: Table, fault: Fault, stage: str | None) -> None:
    for fake in (table.qwen, table.gptoss):
        fake.fault, fake.fault_stage = fault, stage
    told, error = await until_the_end(table)
    if told is not None:
        # Bad plans alone do not silence anyone.
        assert stage == "probe"
        assert told.finished.degraded
        assert told.text == "Hello from the model."
    elif isinstance(error, CommitteeUnavailable):
        assert set(error.causes) == {"qwen3", "gptoss"}
        assert all(error.causes.values())
    else:
        assert stage == "speak"


async def until_the_end(table: Table) -> tuple[Told | None, CommitteeError | None]:
    """How a turn ended: told, or as an error."""
    async with asyncio.timeout(LIMIT_S):
        try:
            return await table.ask("Hello"), None
        except (CommitteeUnavailable, MemberStreamBroken) as error:
            return None, error


@pytest.mark.parametrize("fault", [Fault.CUT, Fault.MALFORMED, Fault.ERROR_LINE, Fault.NO_DONE])
async def test_nothing_is_spoken_after_the_break(table: Table, fault: Fault) -> None:
    table.qwen.fault, table.qwen.fault_stage = fault, "speak"
    table.qwen.text = "one two three four five six"
    table.qwen.token_ms = 5  # so that the first words are shown before the break
    with pytest.raises(MemberStreamBroken) as caught:
        await table.ask("Hello")
    assert caught.value.cause.code in {"cut", "malformed", "failed"}
    assert not table.gptoss.speeches


async def test_connections_do_not_pile_up(table: Table) -> None:
    table.gptoss.fault = Fault.STALL_MIDWAY
    for _ in range(5):
        await table.ask("Hello")
    await table.gptoss.until(lambda: table.gptoss.open == 0)


@pytest.mark.parametrize("fitted", [True, False])
async def test_a_server_that_answers_nothing_at_all_costs_no_more(table: Table, fitted: bool) -> None:
    if fitted:
        await table.ask("Hello")
    table.qwen.hangs = table.gptoss.hangs = True
    began = asyncio.get_running_loop().time()
    told, error = await until_the_end(table)
    assert told is None
    assert isinstance(error, CommitteeUnavailable)
    took_s = asyncio.get_running_loop().time() - began
    assert took_s < QUICK.first_byte_timeout_s + QUICK.cold_load_timeout_s + 0.5, took_s


async def test_looking_for_another_model_costs_no_more(table: Table) -> None:
    await table.ask("Hello")
    for fake in (table.qwen, table.gptoss):
        fake.fault = Fault.HTTP_404
        fake.hangs_at = {"/api/tags", "/api/ps", "/api/show"}
    began = asyncio.get_running_loop().time()
    told, error = await until_the_end(table)
    assert told is None
    assert isinstance(error, CommitteeUnavailable)
    took_s = asyncio.get_running_loop().time() - began
    assert took_s < QUICK.first_byte_timeout_s + QUICK.cold_load_timeout_s + 0.5, took_s
