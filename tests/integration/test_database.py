"""The bounded pool against a real server, frozen and killed ones included."""

from __future__ import annotations

import asyncio
import time

import asyncpg
import pytest

from orchestrator.db.embedded import EmbeddedPostgres
from orchestrator.db.listener import Listener
from orchestrator.db.pool import Database
from orchestrator.errors import BadRequest, DatabaseUnavailable, NotFound
from tests.fakes.frozen import frozen


async def test_json_columns_are_objects_both_ways(db: Database) -> None:
    value = {"a": [1, None, "ü"], "b": {"c": 1.5}}
    assert await db.fetchval("SELECT $1::jsonb", value) == value


async def test_numbers_that_json_lacks_are_refused(db: Database) -> None:
    with pytest.raises(asyncpg.DataError):
        await db.fetchval("SELECT $1::jsonb", {"a": float("nan")})


async def test_text_that_postgres_cannot_store_is_a_bad_request(db: Database) -> None:
    with pytest.raises(BadRequest):
        await db.fetchval("SELECT $1::jsonb", {"a": "x\0y"})
    with pytest.raises(BadRequest):
        await db.fetchval("SELECT $1::text", "x\0y")


async def test_a_transaction_is_all_or_nothing(db: Database) -> None:
    await db.execute("CREATE TABLE t (i int)")

    async def fail_half_way() -> None:
        async with db.transaction() as connection:
            await connection.execute("INSERT INTO t VALUES (1)")
            raise NotFound

    with pytest.raises(NotFound):
        await fail_half_way()
    assert await db.fetchval("SELECT count(*) FROM t") == 0
    async with db.transaction() as connection:
        await connection.execute("INSERT INTO t VALUES (1)")
    assert await db.fetchval("SELECT count(*) FROM t") == 1


async def test_errors_of_a_transactions_body_stay_what_they_are(db: Database) -> None:
    with pytest.raises(FileNotFoundError):
        async with db.transaction():
            raise FileNotFoundError


async def test_a_mistake_in_sql_is_no_outage(db: Database) -> None:
    with pytest.raises(asyncpg.UndefinedTableError):
        await db.fetch("SELECT * FROM nowhere")
    assert await db.fetchval("SELECT 1") == 1


@pytest.mark.parametrize("call", ["fetch", "transaction", "waiting for a connection", "connecting"])
async def test_a_frozen_server_holds_nobody(postgres: EmbeddedPostgres, pg_dsn: str, call: str) -> None:
    db = await Database.open(pg_dsn, timeout_s=0.5, size=1)
    if call == "connecting":
        await db.close()
        db = Database(pg_dsn, timeout_s=0.5)

    async def use() -> None:
        if call == "transaction":
            async with db.transaction() as connection:
                await connection.execute("SELECT 1")
        else:
            await db.fetchval("SELECT 1")

    with frozen(postgres):
        began = time.monotonic()
        callers = [asyncio.create_task(use()) for _ in range(5 if call == "waiting for a connection" else 1)]
        await asyncio.wait(callers)
        assert time.monotonic() - began < 1.5
        for caller in callers:
            error = caller.exception()
            assert isinstance(error, DatabaseUnavailable)
            assert error.retry_after
    # Healed as soon as the server runs again.
    assert await db.fetchval("SELECT 1") == 1
    await db.close()


async def test_a_cancelled_caller_leaves_no_broken_connection(db: Database) -> None:
    for _ in range(5):
        task = asyncio.create_task(db.fetchval("SELECT pg_sleep(3)"))
        await asyncio.sleep(0.02)
        task.cancel()
        await asyncio.wait({task})
        assert task.cancelled()
        assert await db.fetchval("SELECT 7") == 7


async def test_a_slow_statement_ends_on_the_server_too(pg_dsn: str) -> None:
    db = await Database.open(pg_dsn, timeout_s=0.4)
    with pytest.raises(DatabaseUnavailable):
        await db.fetchval("SELECT pg_sleep(30)")
    sleeping = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%' AND state = 'active'"
    async with asyncio.timeout(5):
        while await db.fetchval(sleeping) > 0:
            await asyncio.sleep(0.02)
    await db.close()


async def test_cut_connections_are_replaced(db: Database) -> None:
    async with db.transaction() as other:
        assert await db.fetchval("SELECT 1") == 1  # on a second connection, which is cut now
        cut = (
            "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> $1"
        )
        assert await other.fetchval(cut, await other.fetchval("SELECT pg_backend_pid()")) == 1
    for _ in range(10):
        assert await db.fetchval("SELECT 1") == 1


async def test_nobody_listens() -> None:
    with pytest.raises(DatabaseUnavailable):
        await Database.open("postgresql://postgres@127.0.0.1:1/postgres", timeout_s=1)


async def test_the_listener_survives_a_cut_and_a_freeze(postgres: EmbeddedPostgres, db: Database) -> None:
    heard: asyncio.Queue[str | None] = asyncio.Queue()
    listener = Listener(db.dsn, timeout_s=0.5, ping_s=0.2, retry_s=0.05)
    listener.subscribe("news", heard.put_nowait)
    listener.start()

    async def expect(wanted: str | None) -> None:
        async with asyncio.timeout(10):
            while await heard.get() != wanted:
                pass

    await expect(None)
    await db.execute("SELECT pg_notify('news', 'one')")
    await expect("one")
    await db.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    await expect(None)  # told that something may have been missed
    await db.execute("SELECT pg_notify('news', 'two')")
    await expect("two")
    with frozen(postgres):
        await asyncio.sleep(1.5)  # longer than the ping and its patience
    await expect(None)
    await db.execute("SELECT pg_notify('news', 'three')")
    await expect("three")
    await listener.close()
