"""What the database's errors become; the rest of the pool is tested on a real server."""

from __future__ import annotations

import asyncpg
import pytest

from orchestrator.db.pool import _translate
from orchestrator.errors import BadRequest, DatabaseUnavailable, NotFound, StorageFull


@pytest.mark.parametrize(
    ("error", "lost", "becomes"),
    [
        (asyncpg.DiskFullError(), False, StorageFull),
        (asyncpg.UntranslatableCharacterError(), False, BadRequest),
        (asyncpg.CannotConnectNowError(), True, DatabaseUnavailable),
        (asyncpg.AdminShutdownError(), False, DatabaseUnavailable),
        (asyncpg.QueryCanceledError(), False, DatabaseUnavailable),
        (asyncpg.TooManyConnectionsError(), True, DatabaseUnavailable),
        (asyncpg.ConnectionDoesNotExistError(), True, DatabaseUnavailable),
        (asyncpg.InterfaceError("connection is closed"), True, DatabaseUnavailable),
        (asyncpg.InterfaceError("a wrong call"), False, None),
        (ConnectionRefusedError(), True, DatabaseUnavailable),
        (FileNotFoundError("the caller's own"), False, None),
        (asyncpg.UniqueViolationError(), False, None),
        (NotFound(), True, None),
        (ValueError(), True, None),
    ],
)
def test_errors_are_translated(error: Exception, lost: bool, becomes: type[Exception] | None) -> None:
    found = _translate(error, lost=lost)
    assert type(found) is (becomes or type(None))
    if isinstance(found, DatabaseUnavailable):
        assert found.retry_after
