"""What a turn did on this server, for as long as somebody may come back to it.

Three things outlive a request: the effects of a run (a request that is sent again must not repeat them, not even after
a restart), server calls that the client was never shown (its next request continues where it left off), and calls that
wait for the user's word. All are bound to their owner, bounded in size and deleted after a day.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from committee import ToolCall
from committee.schema import Message
from orchestrator.chat.runs import SHORTENED
from orchestrator.db.pool import Database
from orchestrator.db.statements import named_statements
from tools.registry import ToolResult

_SQL = named_statements("orchestrator.chat", "exchanges.sql")

KEEP_S = 24 * 3600.0
MAX_RESULT_CHARS = 256_000
MAX_EXCHANGE_CHARS = 64_000
MAX_IDS = 64
_CLEAN_EVERY_S = 600.0


@dataclass(frozen=True)
class KnownEffect:
    """A call that an earlier attempt began; `result` None: how it ended is not known."""

    number: int
    tool: str
    arguments: str
    result: ToolResult | None


@dataclass(frozen=True)
class KnownRun:
    """A run that another process, perhaps this server before its restart, has left."""

    id: str
    effects: tuple[KnownEffect, ...]


class ExchangeStore:
    """Runs, hidden exchanges and held calls in Postgres.

    `server` names this process among all that share the tables: as long as a connection has that name, it lives.
    """

    def __init__(self, db: Database, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._db = db
        self._clock = clock
        self._cleaned = float("-inf")
        self.server = db.name

    # -- runs that acted --------------------------------------------------------------------------------------------

    async def adopt(self, owner: str, fingerprint: str, *, within_s: float, retry: bool) -> KnownRun | None:
        """Take over the run of an equal request that another process has ended without delivering it, or left behind
        when it died; for a retry also one that it delivered or is still at.

        Of several requests at once only one gets it.
        """
        row = await self._db.fetchrow(_SQL["adopt"], owner, fingerprint, self.server, within_s, retry)
        if row is None:
            return None
        found = await self._db.fetch(_SQL["effects"], row["id"])
        return KnownRun(row["id"], tuple(_effect(effect) for effect in found))

    async def open_run(self, run_id: str, *, owner: str, fingerprint: str) -> None:
        await self._clean()
        await self._db.execute(_SQL["open_run"], run_id, owner, fingerprint, self.server)

    async def end_run(self, run_id: str, *, delivered: bool) -> None:
        """Note how a request's part in a run ended. What was delivered once stays so."""
        await self._db.execute(_SQL["end_run"], run_id, delivered)

    async def begin_effect(self, run_id: str, number: int, tool: str, arguments: str) -> None:
        """Must have returned before the call has any effect."""
        await self._db.execute(_SQL["begin_effect"], run_id, number, tool, arguments)

    async def finish_effect(self, run_id: str, number: int, result: ToolResult) -> None:
        stored = _storable(asdict(result))
        if len(json.dumps(stored, default=str)) > MAX_RESULT_CHARS:
            stored["data"] = dict(SHORTENED)
        await self._db.execute(_SQL["finish_effect"], run_id, number, stored)

    # -- what the client was not shown ------------------------------------------------------------------------------

    async def keep(self, owner: str, call_ids: Sequence[str], messages: Sequence[Message]) -> bool:
        """Keep the messages for a later request that names one of these ids; False when they are too large."""
        entries = _storable([_as_dict(message) for message in messages])
        if len(json.dumps(entries, default=str)) > MAX_EXCHANGE_CHARS:
            return False
        await self._clean()
        await self._db.execute(_SQL["keep"], owner, list(call_ids)[:MAX_IDS], entries)
        return True

    async def kept(self, owner: str, call_ids: Collection[str]) -> Mapping[str, tuple[Message, ...]]:
        """What is kept under these ids, by id."""
        rows = await self._db.fetch(_SQL["kept"], owner, list(call_ids), KEEP_S)
        return {row["call_id"]: tuple(_message(entry) for entry in row["messages"]) for row in rows}

    # -- what waits for the user ------------------------------------------------------------------------------------

    async def hold(self, owner: str, conversation: str, calls: Sequence[ToolCall]) -> None:
        """Keep calls, exactly as they are, until the user confirms them in this conversation."""
        await self._clean()
        held = list({call.id: call for call in calls[:MAX_IDS]}.values())
        arguments = [_storable(call.arguments) for call in held]
        names = [call.name for call in held]
        await self._db.execute(_SQL["hold"], owner, conversation, [call.id for call in held], names, arguments)

    async def confirm(
        self, owner: str, conversations: Collection[str], call_ids: Sequence[str], *, run_id: str
    ) -> tuple[ToolCall, ...]:
        """The held calls of these ids, in their order, now confirmed for this run and for no other."""
        ids = list(dict.fromkeys(call_ids))[:MAX_IDS]
        rows = await self._db.fetch(_SQL["confirm"], owner, ids, list(conversations), run_id, KEEP_S)
        found = {row["call_id"]: ToolCall(row["call_id"], row["tool"], row["arguments"]) for row in rows}
        return tuple(found[call_id] for call_id in ids if call_id in found)

    async def _clean(self) -> None:
        if self._clock() - self._cleaned < _CLEAN_EVERY_S:
            return
        self._cleaned = self._clock()
        for statement in ("forget_runs", "forget_exchanges", "forget_held"):
            await self._db.execute(_SQL[statement], KEEP_S)


def arguments_text(arguments: Mapping[str, Any]) -> str:
    """One text for the same arguments, and another for any others: unlike for members, every letter counts."""
    return json.dumps(arguments, sort_keys=True, separators=(",", ":"))


def _storable(value: Any) -> Any:
    """`value` as Postgres can hold it: no NUL, no half of a surrogate pair, nothing that is not JSON."""
    if isinstance(value, str):
        return value.replace("\x00", "").encode("utf-8", "replace").decode()
    if isinstance(value, Mapping):
        return {_storable(str(key)): _storable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_storable(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, bool | int | float) else str(value)


def _effect(row: Any) -> KnownEffect:
    stored = row["result"]
    result = None
    if stored is not None:
        result = ToolResult(stored["data"], tuple(stored["job_ids"]), stored["film_id"], stored["error"])
    return KnownEffect(row["number"], row["tool"], row["arguments"], result)


def _as_dict(message: Message) -> dict[str, Any]:
    return {
        "role": message.role,
        "content": message.content,
        "tool_calls": [[call.id, call.name, call.arguments] for call in message.tool_calls],
        "tool_call_id": message.tool_call_id,
        "name": message.name,
        "tainted": message.tainted,
    }


def _message(entry: Mapping[str, Any]) -> Message:
    return Message(
        entry["role"],
        entry["content"],
        tool_calls=tuple(ToolCall(*call) for call in entry["tool_calls"]),
        tool_call_id=entry["tool_call_id"],
        name=entry["name"],
        tainted=entry["tainted"],
    )
