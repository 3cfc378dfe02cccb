"""Who stops listening stops the models: no leaked request, connection or task (R12)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest

from committee import (
    ContentDelta,
    Event,
    Message,
    ReasoningDelta,
    StageEvent,
    ToolCall,
    ToolOutcome,
    ToolSpec,
    Turn,
)
from tests.contract.committee.conftest import FILM, READ_FILE, Table
from tests.fakes.ollama import FakeOllama, Fault


async def consume(events: AsyncGenerator[Event, None], seen: asyncio.Queue[Event]) -> None:
    async for event in events:
        seen.put_nowait(event)


def connections(table: Table) -> int:
    """Connections that our side still uses."""
    return sum(member._server.connections.in_use for member in table.committee.members)  # type: ignore[attr-defined]


async def one_loop_turn() -> None:
    await asyncio.sleep(0)


@pytest.mark.parametrize("stage", ["probe", "speak"])
async def test_cancelling_the_consumer_stops_every_model(table: Table, stage: str) -> None:
    for fake in (table.qwen, table.gptoss):
        fake.fault, fake.fault_stage = Fault.DRIP, stage
    seen: asyncio.Queue[Event] = asyncio.Queue()
    task = asyncio.create_task(consume(table.committee.deliberate(Turn([Message("user", "Hi")])), seen))
    await table.qwen.until(lambda: table.qwen.open == 1 and bool(table.qwen.speeches) == (stage == "speak"))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await one_loop_turn()
    assert connections(table) == 0
    for fake in (table.qwen, table.gptoss):
        await fake.until(lambda fake=fake: fake.open == 0, timeout_s=0.5)  # type: ignore[misc]
    assert table.qwen.disconnected == 1


async def test_closing_the_iterator_does_too(table: Table) -> None:
    table.qwen.fault, table.qwen.fault_stage = Fault.DRIP, "speak"
    events = table.committee.deliberate(Turn([Message("user", "Hi")]))
    async for event in events:
        if isinstance(event, ContentDelta):
            break
    await events.aclose()
    assert connections(table) == 0
    await table.qwen.until(lambda: table.qwen.open == 0, timeout_s=0.5)
    assert table.qwen.disconnected == 1


async def test_a_silent_model_is_left_at_once_too(table: Table) -> None:
    for fake in (table.qwen, table.gptoss):
        fake.fault = Fault.STALL
    task = asyncio.create_task(table.ask("Hi"))
    await table.qwen.until(lambda: table.qwen.open == 1)
    await table.gptoss.until(lambda: table.gptoss.open == 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await one_loop_turn()
    assert connections(table) == 0
    await table.qwen.until(lambda: table.qwen.open == 0, timeout_s=0.5)


async def test_tools_see_the_cancellation_and_may_shield_themselves(table: Table) -> None:
    plan = {"action": "call", "calls": [{"tool": "film_run", "args": {"synopsis": "bees"}, "purpose": ""}]}
    table.qwen.plan = table.gptoss.plan = plan
    started, finished = asyncio.Event(), asyncio.Event()

    async def work(calls: list[ToolCall]) -> list[ToolOutcome]:
        started.set()
        await asyncio.sleep(0.05)
        finished.set()
        return [ToolOutcome(call, {}) for call in calls]

    running: list[asyncio.Task[list[ToolOutcome]]] = []

    async def act(calls: list[ToolCall]) -> list[ToolOutcome]:
        running.append(asyncio.create_task(work(list(calls))))
        return await asyncio.shield(running[0])

    task = asyncio.create_task(table.ask("film", tools=[FILM], act=act))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with asyncio.timeout(1):
        await finished.wait()
    await running[0]


async def test_nothing_leaks_over_many_disconnects(table: Table) -> None:
    table.qwen.token_ms = table.gptoss.token_ms = 1
    before = len(asyncio.all_tasks())
    for number in range(60):
        task = asyncio.create_task(table.ask("Hi"))
        await table.qwen.until(lambda: table.qwen.open > 0)
        for _ in range(number % 7):
            await one_loop_turn()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await one_loop_turn()
        assert connections(table) == 0
    for fake in (table.qwen, table.gptoss):
        await fake.until(lambda fake=fake: fake.open == 0)  # type: ignore[misc]
    await idle(table.qwen)
    assert len(asyncio.all_tasks()) <= before + 2


async def idle(fake: FakeOllama) -> None:
    for _ in range(5):
        await one_loop_turn()
    assert fake.open == 0


async def test_an_early_event_can_be_the_last_one_heard(table: Table) -> None:
    events = table.committee.deliberate(Turn([Message("user", "Hi")]))
    assert isinstance(await anext(events), StageEvent)
    await events.aclose()
    await one_loop_turn()
    assert connections(table) == 0


class Gone(Exception):
    """The client has gone."""


@pytest.mark.parametrize("tools", [(), (READ_FILE,)])
@pytest.mark.parametrize("at", [StageEvent, ReasoningDelta, ContentDelta])
async def test_who_cannot_take_an_event_ends_the_turn(table: Table, at: type, tools: tuple[ToolSpec, ...]) -> None:
    table.qwen.token_ms = table.gptoss.token_ms = 5
    table.qwen.thinking = "A thought.\nAnother one."
    before = asyncio.all_tasks()

    async def emit(event: Event) -> None:
        if isinstance(event, at):
            raise Gone

    with pytest.raises(Gone):
        await table.committee.answer(Turn([Message("user", "Hi")], tools=tools, effort="low"), emit)
    assert connections(table) == 0
    assert not {task for task in asyncio.all_tasks() - before if "hear" in repr(task) or "_one" in repr(task)}
    for fake in (table.qwen, table.gptoss):
        await fake.until(lambda fake=fake: fake.open == 0)  # type: ignore[misc]


async def test_events_come_one_at_a_time(table: Table) -> None:
    """However slowly they are taken: members that think side by side wait for each other's events to be passed on."""
    table.qwen.thinking = table.gptoss.thinking = "One.\nTwo.\nThree."
    taking = 0

    async def emit(event: Event) -> None:
        nonlocal taking
        taking += 1
        assert taking == 1
        await one_loop_turn()
        taking -= 1

    finished = await table.committee.answer(Turn([Message("user", "Hi")], mode="deep"), emit)
    assert finished.speaker == "qwen3"
    assert taking == 0


async def test_what_a_turn_raises_reaches_who_iterates(table: Table) -> None:
    with pytest.raises(ValueError, match="unknown mode"):
        await anext(table.committee.deliberate(Turn([Message("user", "Hi")], mode="duel")))
