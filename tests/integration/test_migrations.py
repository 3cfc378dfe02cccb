"""Migrations on a real server."""

from __future__ import annotations

import asyncio

import pytest

from orchestrator.db.migrations import available, migrate
from orchestrator.db.pool import Database
from orchestrator.errors import ConfigurationError, DatabaseUnavailable

_SHAPE = """
    SELECT table_name, column_name, data_type, is_nullable, column_default
    FROM information_schema.columns WHERE table_schema = 'public' AND table_name <> 'schema_migrations'
    ORDER BY 1, 2
"""


async def test_a_second_run_changes_nothing(empty_dsn: str) -> None:
    assert await migrate(empty_dsn) == list(available())
    db = await Database.open(empty_dsn)
    shape = await db.fetch(_SHAPE)
    assert await migrate(empty_dsn) == []
    assert await db.fetch(_SHAPE) == shape
    await db.close()


async def test_several_processes_may_start_at_once(empty_dsn: str) -> None:
    applied = await asyncio.gather(*(migrate(empty_dsn) for _ in range(4)))
    assert sorted(name for names in applied for name in names) == list(available())


async def test_a_database_of_a_newer_version_is_left_alone(empty_dsn: str) -> None:
    await migrate(empty_dsn)
    db = await Database.open(empty_dsn)
    await db.execute("INSERT INTO schema_migrations (name) VALUES ('9999_future')")
    with pytest.raises(ConfigurationError, match="9999_future"):
        await migrate(empty_dsn)
    await db.close()


async def test_an_unreachable_database_says_so() -> None:
    with pytest.raises(DatabaseUnavailable):
        await migrate("postgresql://postgres@127.0.0.1:1/postgres")


async def test_every_client_visible_table_has_an_owner(db: Database) -> None:
    owned = {
        row[0]
        for row in await db.fetch(
            "SELECT table_name FROM information_schema.columns WHERE column_name = 'owner' AND is_nullable = 'NO'"
        )
    }
    assert "jobs" in owned
