"""Connections to Postgres whose every use ends in time, also when the server is frozen.

Cancelling a call of `asyncpg.Pool` waits for the server to confirm the cancellation, so a stopped server holds the
caller for ever. Here the deadline covers waiting for a free connection, connecting and the statement itself, and a
connection that misses it is torn down instead of being asked nicely.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import asyncpg

from orchestrator.errors import BadRequest, DatabaseUnavailable, OrchestratorError, StorageFull

if TYPE_CHECKING:
    Record: TypeAlias = asyncpg.Record
    Connection: TypeAlias = asyncpg.Connection[asyncpg.Record]
else:
    Record = asyncpg.Record
    Connection = asyncpg.Connection

T = TypeVar("T")

RETRY_AFTER_S = 2.0
# A transaction left open by a stopped process would keep its row locks; the server ends it after this long.
_IDLE_IN_TRANSACTION_MS = 30_000
_REFUSED = (
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.TooManyConnectionsError,
    asyncpg.IdleInTransactionSessionTimeoutError,
)
_UNSTORABLE = (asyncpg.UntranslatableCharacterError, asyncpg.CharacterNotInRepertoireError)


class Database:
    """A pool of connections; every call takes at most `timeout_s` seconds in all.

    Raises DatabaseUnavailable when the server cannot be reached or does not answer in time (the statement may or may
    not have been executed then), StorageFull when it has no space left, BadRequest for text that Postgres cannot
    store. Columns of type jsonb are Python objects in both directions. `name` is what the server calls the pool's
    connections (pg_stat_activity); no other pool has it.
    """

    def __init__(self, dsn: str, *, timeout_s: float = 5.0, size: int = 10) -> None:
        self.dsn = dsn
        self.timeout_s = timeout_s
        self.name = f"committee-{secrets.token_hex(16)}"
        self._slots = asyncio.Semaphore(size)
        self._idle: list[Connection] = []
        self._closed = False

    @classmethod
    async def open(cls, dsn: str, *, timeout_s: float = 5.0, size: int = 10) -> Database:
        """Connect once to prove that the server answers."""
        database = cls(dsn, timeout_s=timeout_s, size=size)
        await database.fetchval("SELECT 1")
        return database

    async def close(self) -> None:
        """Close the idle connections; one in use is closed when its call ends."""
        self._closed = True
        idle, self._idle = self._idle, []
        await asyncio.gather(*(close(connection) for connection in idle))

    async def fetch(self, sql: str, *args: Any) -> list[Record]:
        return await self._run(lambda connection: connection.fetch(sql, *args))

    async def fetchrow(self, sql: str, *args: Any) -> Record | None:
        return await self._run(lambda connection: connection.fetchrow(sql, *args))

    async def fetchval(self, sql: str, *args: Any) -> Any:
        return await self._run(lambda connection: connection.fetchval(sql, *args))

    async def execute(self, sql: str, *args: Any) -> str:
        return await self._run(lambda connection: connection.execute(sql, *args))

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """A connection inside one transaction: committed at the end, rolled back on an exception."""
        async with self._connection() as connection:
            transaction = connection.transaction()
            await transaction.start()
            try:
                yield connection
            except asyncio.CancelledError:
                raise  # a ROLLBACK could hang; the torn down connection rolls back by itself
            except BaseException:
                if not connection.is_closed():
                    await transaction.rollback()
                raise
            else:
                await transaction.commit()

    async def _run(self, use: Callable[[Connection], Awaitable[T]]) -> T:
        async with self._connection() as connection:
            return await use(connection)

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Connection]:
        connection: Connection | None = None
        deadline = asyncio.timeout(self.timeout_s)
        try:
            async with deadline, self._slots:
                connection = self._take_idle() or await connect(
                    self.dsn, statement_timeout_s=self.timeout_s, name=self.name
                )
                try:
                    yield connection
                except asyncio.CancelledError:
                    connection.terminate()  # cancelled in the middle of something, or out of time
                    raise
                finally:
                    await self._give_back(connection)
        except Exception as error:
            out_of_time = deadline.expired() and isinstance(error, TimeoutError)
            lost = connection is None or connection.is_closed()
            if (translated := _translate(error, lost=lost or out_of_time)) is not None:
                raise translated from error
            raise

    def _take_idle(self) -> Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_closed():
                return connection
        return None

    async def _give_back(self, connection: Connection) -> None:
        if connection.is_closed():
            return
        if self._closed or connection.is_in_transaction():
            connection.terminate()
            return
        self._idle.append(connection)


async def connect(dsn: str, *, statement_timeout_s: float | None = None, name: str = "committee") -> Connection:
    """One connection with the jsonb codec; the caller bounds the time and closes it."""
    settings = {"application_name": name, "idle_in_transaction_session_timeout": str(_IDLE_IN_TRANSACTION_MS)}
    if statement_timeout_s is not None:
        # The server stops working on a statement that nobody waits for any more.
        settings["statement_timeout"] = str(max(1, round(statement_timeout_s * 1000)))
    connection: Connection = await asyncpg.connect(dsn, server_settings=settings)
    try:
        await connection.set_type_codec(
            "jsonb", schema="pg_catalog", encoder=_encode_json, decoder=json.loads, format="text"
        )
    except BaseException:
        connection.terminate()
        raise
    return connection


async def close(connection: Connection, *, timeout_s: float = 1.0) -> None:
    """Say goodbye to the server, or hang up when it does not listen."""
    try:
        async with asyncio.timeout(timeout_s):
            await connection.close()
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        connection.terminate()


def _encode_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _translate(error: Exception, *, lost: bool) -> OrchestratorError | None:
    """The error of ours that stands for `error`, or None where it is not about the database's health.

    An OSError or InterfaceError says that only when the connection is gone: the body of a transaction may raise its
    own, and a wrong call of the driver is a bug.
    """
    if isinstance(error, OrchestratorError):
        return None
    if isinstance(error, asyncpg.DiskFullError):
        return StorageFull("The database's disk is full.")
    if isinstance(error, _UNSTORABLE):
        return BadRequest("The text contains characters that cannot be stored (U+0000 or a lone surrogate).")
    if isinstance(error, _REFUSED) or (lost and isinstance(error, OSError | asyncpg.InterfaceError)):
        return DatabaseUnavailable(retry_after=RETRY_AFTER_S)
    return None
