"""Numbered, forward-only migrations: `NNNN_name.sql` beside this file, applied once each and in order.

Each migration and its line in `schema_migrations` share a transaction, and an advisory lock lets several processes
start at once. PGQueuer ships the statements for its own tables; they run here first, under the same lock.
"""

from __future__ import annotations

import asyncio
import re
from importlib.resources import files

import asyncpg
from pgqueuer.queries import Queries

from orchestrator.db.pool import Connection, close, connect
from orchestrator.errors import ConfigurationError, DatabaseUnavailable

_NAME = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")
_LOCK = 0x636F6D6D  # any constant; the same for every process of ours
_CREATE_TABLE = (
    "CREATE TABLE IF NOT EXISTS schema_migrations ("
    " name text PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())"
)


def available() -> dict[str, str]:
    """Name to SQL of every migration of this version, in order."""
    folder = files("orchestrator.db") / "migrations"
    names = sorted(entry.name for entry in folder.iterdir() if _NAME.fullmatch(entry.name))
    return {name.removesuffix(".sql"): (folder / name).read_text(encoding="utf-8") for name in names}


async def migrate(dsn: str, *, timeout_s: float = 120.0) -> list[str]:
    """Apply what is missing and return the names applied.

    Raises ConfigurationError when the database was migrated by a newer version, DatabaseUnavailable when it does not
    answer within `timeout_s`.
    """
    try:
        async with asyncio.timeout(timeout_s):
            connection = await connect(dsn)
            try:
                return await _apply_missing(connection)
            finally:
                await close(connection)
    except (OSError, asyncpg.PostgresConnectionError, asyncpg.OperatorInterventionError) as error:
        raise DatabaseUnavailable(f"The database cannot be migrated: {error or 'no answer in time'}.") from error


async def _apply_missing(connection: Connection) -> list[str]:
    # Held until the connection closes, so a crash in the middle cannot leave it behind.
    await connection.execute("SELECT pg_advisory_lock($1)", _LOCK)
    await _install_queue(connection)
    await connection.execute(_CREATE_TABLE)
    done = {row["name"] for row in await connection.fetch("SELECT name FROM schema_migrations")}
    known = available()
    if newer := sorted(done - known.keys()):
        raise ConfigurationError(f"The database was migrated by a newer version ({newer[-1]}); update this one.")
    missing = {name: sql for name, sql in known.items() if name not in done}
    for name, sql in missing.items():
        async with connection.transaction():
            await connection.execute(sql)
            await connection.execute("INSERT INTO schema_migrations (name) VALUES ($1)", name)
    return list(missing)


async def _install_queue(connection: Connection) -> None:
    """Create the tables of PGQueuer, or bring them up to the installed release."""
    queue = Queries.from_asyncpg_connection(connection)
    if await queue.schema_is_installed():
        await queue.apply_upgrade()
    else:
        async with connection.transaction():
            await queue.install(create_schema=False)
