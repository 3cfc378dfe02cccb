"""What outlives a request: bound to its owner, bounded, and gone after a day."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from committee import Message, ToolCall
from orchestrator.chat.exchanges import MAX_EXCHANGE_CHARS, ExchangeStore, arguments_text
from orchestrator.db.pool import Database
from tools.registry import ToolResult

CALL = ToolCall("call_1", "note_write", {"text": "half a pair \ud800 and NUL \x00", "n": 1.5})
TALK = (
    Message("assistant", "", tool_calls=(CALL,)),
    Message("tool", "done\x00", tool_call_id="call_1", name="note_write", tainted=True),
)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


async def left(db: Database, table: str) -> int:
    return int(await db.fetchval(f"select count(*) from {table}"))


@pytest.fixture
async def after(pg_dsn: str, db: Database) -> AsyncIterator[ExchangeStore]:
    """The store as another process has it."""
    database = await Database.open(pg_dsn)
    yield ExchangeStore(database)
    await database.close()


async def test_a_run_is_taken_over_once_and_by_another_process_only(db: Database, after: ExchangeStore) -> None:
    before = ExchangeStore(db)
    await before.open_run("r1", owner="ann", fingerprint="f")
    await before.begin_effect("r1", 0, "note_write", arguments_text({"text": "a"}))
    await before.begin_effect("r1", 1, "film_run", "{}")
    result = ToolResult({"x": "NUL \x00", "y": float("nan")}, ("job-1",), "film-1", None)
    await before.finish_effect("r1", 0, result)
    await before.end_run("r1", delivered=False)
    assert await before.adopt("ann", "f", within_s=600, retry=False) is None  # its own runs it remembers
    assert await after.adopt("bob", "f", within_s=600, retry=False) is None
    assert await after.adopt("ann", "g", within_s=600, retry=False) is None
    assert await after.adopt("ann", "f", within_s=0, retry=False) is None
    known = await after.adopt("ann", "f", within_s=600, retry=False)
    assert known is not None
    assert known.id == "r1"
    assert [(e.tool, e.result is None) for e in known.effects] == [("note_write", False), ("film_run", True)]
    assert known.effects[0].result == ToolResult({"x": "NUL ", "y": None}, ("job-1",), "film-1", None)
    assert await after.adopt("ann", "f", within_s=600, retry=False) is None


async def test_a_run_that_goes_on_elsewhere_is_shared_with_a_retry_only(db: Database, after: ExchangeStore) -> None:
    before = ExchangeStore(db)
    await before.open_run("r1", owner="ann", fingerprint="f")
    assert await after.adopt("ann", "f", within_s=600, retry=False) is None
    known = await after.adopt("ann", "f", within_s=600, retry=True)
    assert known is not None
    assert known.id == "r1"


async def test_a_run_whose_process_died_is_taken_over(pg_dsn: str, db: Database, after: ExchangeStore) -> None:
    dying = await Database.open(pg_dsn)
    await ExchangeStore(dying).open_run("r1", owner="ann", fingerprint="f")
    assert await after.adopt("ann", "f", within_s=600, retry=False) is None
    await dying.close()
    async with asyncio.timeout(10):
        while await after.adopt("ann", "f", within_s=600, retry=False) is None:
            await asyncio.sleep(0.01)  # the connection ends a moment after it is closed


async def test_a_delivered_run_is_over_except_for_a_retry(db: Database, after: ExchangeStore) -> None:
    before = ExchangeStore(db)
    await before.open_run("r1", owner="ann", fingerprint="f")
    await before.end_run("r1", delivered=True)
    await before.end_run("r1", delivered=False)
    assert await after.adopt("ann", "f", within_s=600, retry=False) is None
    assert await after.adopt("ann", "f", within_s=600, retry=True) is not None


async def test_a_huge_result_is_kept_short(db: Database, after: ExchangeStore) -> None:
    before = ExchangeStore(db)
    await before.open_run("r1", owner="ann", fingerprint="f")
    await before.begin_effect("r1", 0, "film_run", "{}")
    await before.finish_effect("r1", 0, ToolResult({"x": "y" * 300_000}, ("job-1",)))
    await before.end_run("r1", delivered=False)
    known = await after.adopt("ann", "f", within_s=600, retry=False)
    assert known is not None
    assert known.effects[0].result == ToolResult({"shortened": True}, ("job-1",))


async def test_an_exchange_comes_back_to_its_owner_only(db: Database) -> None:
    store = ExchangeStore(db)
    assert await store.keep("ann", ["call_xa", "call_xb"], TALK)
    found = await store.kept("ann", ["call_xa", "call_xc"])
    assert list(found) == ["call_xa"]
    assert found["call_xa"][0].tool_calls[0].arguments == {"text": "half a pair ? and NUL ", "n": 1.5}
    assert found["call_xa"][1] == Message("tool", "done", tool_call_id="call_1", name="note_write", tainted=True)
    assert await store.kept("bob", ["call_xa"]) == {}
    assert not await store.keep("ann", ["call_xd"], [Message("tool", "x" * MAX_EXCHANGE_CHARS)])
    assert await store.kept("ann", ["call_xd"]) == {}


async def test_a_held_call_is_confirmed_by_one_run_of_its_owner_in_its_conversation(db: Database) -> None:
    store = ExchangeStore(db)
    other = ToolCall("call_2", "film_run", {})
    await store.hold("ann", "talk", [CALL, other])
    assert await store.confirm("bob", ["talk"], ["call_1"], run_id="r") == ()
    assert await store.confirm("ann", ["another"], ["call_1"], run_id="r") == ()
    assert await store.confirm("ann", ["talk"], ["call_3"], run_id="r") == ()
    first = await store.confirm("ann", ["another", "talk"], ["call_2", "call_1", "call_2"], run_id="r")
    assert [call.id for call in first] == ["call_2", "call_1"]
    assert await store.confirm("ann", ["talk"], ["call_2"], run_id="r") == (other,)
    assert await store.confirm("ann", ["talk"], ["call_2"], run_id="later") == ()
    await store.hold("ann", "talk", [other])  # held anew, it waits anew
    assert await store.confirm("ann", ["talk"], ["call_2"], run_id="later") == (other,)


async def test_everything_is_gone_after_a_day(db: Database) -> None:
    clock = Clock()
    store = ExchangeStore(db, clock=clock)
    await store.open_run("r1", owner="ann", fingerprint="f")
    await store.begin_effect("r1", 0, "film_run", "{}")
    await store.keep("ann", ["call_xa"], TALK)
    await store.hold("ann", "talk", [CALL])
    await db.execute("update chat_runs set touched_at = now() - interval '25 hours'")
    for table in ("chat_exchanges", "chat_held"):
        await db.execute(f"update {table} set created_at = now() - interval '25 hours'")
    assert await store.kept("ann", ["call_xa"]) == {}
    assert await store.confirm("ann", ["talk"], ["call_1"], run_id="r") == ()
    assert await left(db, "chat_effects") == 1  # not looked at with every request
    clock.now = 3_600
    await store.keep("ann", ["call_xn"], TALK)
    assert [await left(db, t) for t in ("chat_runs", "chat_effects", "chat_exchanges", "chat_held")] == [0, 0, 1, 0]
