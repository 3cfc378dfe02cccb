"""Shared fixtures: one Postgres per session, one database per test, no variables of ours from outside."""

from __future__ import annotations

import asyncio
import itertools
import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import pytest
from pydantic import AliasChoices

from orchestrator.db.embedded import EmbeddedPostgres
from orchestrator.db.migrations import migrate
from orchestrator.db.pool import Database
from orchestrator.settings import _Group

_TEMPLATE = "template_migrated"
_numbers = itertools.count(1)


@pytest.fixture(autouse=True, scope="session")
def nothing_from_outside() -> Iterator[None]:
    """What the developer has set for a server of their own, by variable or `.env`, must not reach the tests."""
    with pytest.MonkeyPatch.context() as patch:
        for group in _Group.__subclasses__():
            for name, field in group.model_fields.items():
                alias = field.validation_alias
                names = alias.choices if isinstance(alias, AliasChoices) else [name.upper()]
                for variable in names:
                    patch.delenv(str(variable), raising=False)
        with tempfile.TemporaryDirectory(prefix="committee-tests-") as elsewhere:
            patch.chdir(elsewhere)  # away from a `.env` in the checkout
            yield


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """A directory for a server's data that other users may enter.

    Root's `tmp_path` is closed to them, which would send the embedded server's files to a place below /var/lib.
    """
    with open_directory() as path:
        yield path


@pytest.fixture(scope="session")
def postgres() -> Iterator[EmbeddedPostgres]:
    """The session's server, without durability. Its own loop ends before any test's loop starts."""
    with open_directory() as path:
        server = EmbeddedPostgres(path, fast=True)
        asyncio.run(server.start(monitor=False))
        try:
            asyncio.run(_make_template(server))
            yield server
        finally:
            asyncio.run(server.stop())


@pytest.fixture
async def empty_dsn(postgres: EmbeddedPostgres) -> AsyncIterator[str]:
    """A new database without any table."""
    async for dsn in _new_database(postgres, "template0"):
        yield dsn


@pytest.fixture
async def pg_dsn(postgres: EmbeddedPostgres) -> AsyncIterator[str]:
    """A new database with all migrations applied."""
    async for dsn in _new_database(postgres, _TEMPLATE):
        yield dsn


@pytest.fixture
async def db(pg_dsn: str) -> AsyncIterator[Database]:
    """An open pool on a new, migrated database."""
    database = await Database.open(pg_dsn)
    try:
        yield database
    finally:
        await database.close()


@contextmanager
def open_directory() -> Iterator[Path]:
    """A temporary directory that other users may enter."""
    with tempfile.TemporaryDirectory(prefix="committee-tests-") as name:
        path = Path(name)
        path.chmod(0o755)
        yield path


async def _make_template(server: EmbeddedPostgres) -> None:
    await _administer(server, f"CREATE DATABASE {_TEMPLATE}")
    await migrate(_dsn_of(server, _TEMPLATE))


async def _new_database(server: EmbeddedPostgres, template: str) -> AsyncIterator[str]:
    name = f"test_{os.getpid()}_{next(_numbers)}"
    await _administer(server, f"CREATE DATABASE {name} TEMPLATE {template}")
    try:
        yield _dsn_of(server, name)
    finally:
        await _administer(server, f"DROP DATABASE {name} WITH (FORCE)")


async def _administer(server: EmbeddedPostgres, sql: str) -> None:
    connection = await asyncpg.connect(server.dsn)
    try:
        await connection.execute(sql)
    finally:
        await connection.close()


def _dsn_of(server: EmbeddedPostgres, name: str) -> str:
    return server.dsn.replace("/postgres?", f"/{name}?")
