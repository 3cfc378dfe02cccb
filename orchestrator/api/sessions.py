"""Sessions of the chat page: opaque random tokens, of which the database knows only the digest."""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta

from orchestrator.db.pool import Database
from orchestrator.db.statements import named_statements

_SQL = named_statements("orchestrator.api", "sessions.sql")
SESSION_LIFETIME = timedelta(days=30)


class SessionStore:
    """Tokens and the keys that they stand for."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def open(self, key_id: str) -> str:
        """A new token for that key."""
        token = secrets.token_urlsafe(32)
        await self._db.execute(_SQL["open"], _digest(token), key_id, SESSION_LIFETIME)
        await self._db.execute(_SQL["forget_expired"])
        return token

    async def key_of(self, token: str) -> str | None:
        """The key that a living token stands for."""
        key_id = await self._db.fetchval(_SQL["key_of"], _digest(token))
        return key_id if isinstance(key_id, str) else None

    async def close(self, token: str) -> None:
        await self._db.execute(_SQL["close"], _digest(token))


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
