"""Conversations of the chat page, kept in Postgres. `/v1` stays stateless."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from orchestrator.db.pool import Database, Record
from orchestrator.db.statements import named_statements
from orchestrator.errors import NotFound

_SQL = named_statements("orchestrator.chat", "conversations.sql")
_TITLE_CHARS = 60
_MOST_STEPS = 200
# Wrapping a pasted book would hold up every other request.
_TITLE_READ = 1_000


@dataclass(frozen=True)
class Conversation:
    id: UUID
    title: str
    created_at: datetime
    updated_at: datetime

    @classmethod
    def from_record(cls, row: Record) -> Conversation:
        return cls(row["id"], row["title"], row["created_at"], row["updated_at"])


@dataclass(frozen=True)
class StoredMessage:
    """`finish_reason`: "stop", "length", "tool_calls", "cancelled" or "error"; empty for what the user said.

    attachments: `{"url", "name"}` of what the user attached. steps: the committee's minutes, at most 200.
    """

    role: str
    content: str
    reasoning: str = ""
    job_ids: tuple[str, ...] = ()
    finish_reason: str = ""
    committee: dict[str, Any] = field(default_factory=dict)
    attachments: tuple[dict[str, str], ...] = ()
    steps: tuple[dict[str, Any], ...] = ()
    id: UUID = field(default_factory=uuid7)
    created_at: datetime | None = None

    @classmethod
    def from_record(cls, row: Record) -> StoredMessage:
        return cls(
            role=row["role"],
            content=row["content"],
            reasoning=row["reasoning"],
            job_ids=tuple(row["job_ids"]),
            finish_reason=row["meta"].get("finish_reason", ""),
            committee=row["meta"].get("committee", {}),
            attachments=tuple(row["meta"].get("attachments", ())),
            steps=tuple(row["meta"].get("steps", ())),
            id=row["id"],
            created_at=row["created_at"],
        )


class ConversationStore:
    """Every method sees one owner's conversations only and raises NotFound for any other."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def create(self, *, owner: str, title: str = "") -> Conversation:
        row = await self._db.fetchrow(_SQL["create"], uuid7(), owner, title)
        assert row is not None
        return Conversation.from_record(row)

    async def list(self, *, owner: str, limit: int, offset: int) -> tuple[Sequence[Conversation], int]:
        """One page, latest first, and the number of all."""
        rows = await self._db.fetch(_SQL["list"], owner, limit, offset)
        total = await self._db.fetchval(_SQL["count"], owner)
        return [Conversation.from_record(row) for row in rows], int(total)

    async def delete(self, conversation_id: UUID, *, owner: str) -> None:
        if await self._db.fetchval(_SQL["delete"], conversation_id, owner) is None:
            raise _no_such_conversation()

    async def messages(self, conversation_id: UUID, *, owner: str) -> Sequence[StoredMessage]:
        """All messages in their order."""
        await self._check(conversation_id, owner)
        rows = await self._db.fetch(_SQL["messages"], conversation_id, owner)
        return [StoredMessage.from_record(row) for row in rows]

    async def add(self, conversation_id: UUID, message: StoredMessage, *, owner: str) -> None:
        """Append a message. The first thing the user says becomes the title of a conversation that has none."""
        title = _title(message.content) if message.role == "user" else ""
        meta = {
            "finish_reason": message.finish_reason,
            "committee": message.committee,
            "attachments": message.attachments,
            "steps": message.steps[:_MOST_STEPS],
        }
        async with self._db.transaction() as connection:
            if await connection.fetchval(_SQL["touch"], conversation_id, owner, title) is None:
                raise _no_such_conversation()
            await connection.execute(
                _SQL["add_message"],
                message.id,
                conversation_id,
                owner,
                message.role,
                message.content,
                message.reasoning,
                list(message.job_ids),
                meta,
            )

    async def _check(self, conversation_id: UUID, owner: str) -> None:
        if await self._db.fetchval(_SQL["exists"], conversation_id, owner) is None:
            raise _no_such_conversation()


def _title(text: str) -> str:
    """The beginning of `text` on one line, cut between words where there are any."""
    beginning = text.lstrip()[:_TITLE_READ]
    shortened = textwrap.shorten(beginning, _TITLE_CHARS, placeholder="…")
    return shortened if shortened != "…" else beginning[: _TITLE_CHARS - 1] + "…"


def _no_such_conversation() -> NotFound:
    return NotFound("There is no such conversation.", param="conversation_id")
