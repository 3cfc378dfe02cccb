"""What a job is: its row, its kind, its events, and how a handler gives up."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast, get_args
from uuid import UUID

from pydantic import BaseModel

if TYPE_CHECKING:
    from orchestrator.db.pool import Record
    from orchestrator.jobs.context import JobContext

Status: TypeAlias = Literal["queued", "running", "succeeded", "failed", "cancelled"]
STATUSES: frozenset[str] = frozenset(get_args(Status))
TERMINAL: frozenset[str] = frozenset({"succeeded", "failed", "cancelled"})
# Types that the engine writes; handlers may add their own under other names.
ENGINE_EVENTS: frozenset[str] = STATUSES | {"progress", "stage"}


@dataclass(frozen=True)
class Job:
    """One row of `jobs`, as it was when it was read."""

    id: UUID
    owner: str
    kind: str
    status: Status
    priority: int
    attempt: int
    progress: float
    stage: str | None
    eta_s: float | None
    payload: dict[str, Any]
    result: dict[str, Any] | None
    error: dict[str, Any] | None
    created_at: datetime
    updated_at: datetime
    execute_after: datetime
    cancel_requested: bool
    started_at: datetime | None = None
    finished_at: datetime | None = None
    last_seq: int = 0
    tries: int = 0
    replayed: bool = False  # submit() found it by its idempotency key

    @property
    def terminal(self) -> bool:
        return self.status in TERMINAL

    @classmethod
    def from_record(cls, row: Record, *, replayed: bool = False) -> Job:
        return cls(
            id=UUID(str(row["id"])),
            owner=row["owner"],
            kind=row["kind"],
            status=cast(Status, row["status"]),
            priority=row["priority"],
            attempt=row["attempt"],
            progress=row["progress"],
            stage=row["stage"],
            eta_s=row["eta_s"],
            payload=row["payload"],
            result=row["result"],
            error=row["error"],
            created_at=row["created_at"],
            updated_at=row["updated_at"],
            execute_after=row["execute_after"],
            cancel_requested=row["cancel_requested"],
            started_at=row["started_at"],
            finished_at=row["finished_at"],
            last_seq=row["last_seq"],
            tries=row["tries"],
            replayed=replayed,
        )

    def view(self) -> dict[str, Any]:
        """The JSON object that clients see. Times are ISO 8601 in UTC, `eta_s` is seconds that remain."""
        return {
            "id": str(self.id),
            "job_id": str(self.id),
            "kind": self.kind,
            "status": self.status,
            "progress": round(self.progress, 4),
            "stage": self.stage,
            "eta_s": self.eta_s,
            "priority": self.priority,
            "attempt": self.attempt,
            "payload": self.payload,
            "result": self.result,
            "error": self.error,
            "cancel_requested": self.cancel_requested,
            "created_at": self.created_at.isoformat(),
            "updated_at": self.updated_at.isoformat(),
            "execute_after": self.execute_after.isoformat(),
            "started_at": self.started_at.isoformat() if self.started_at else None,
            "finished_at": self.finished_at.isoformat() if self.finished_at else None,
            "urls": job_urls(self.id),
        }


def job_urls(job_id: UUID) -> dict[str, str]:
    """Paths on this server at which a job is read, followed by a program, watched by a person, and cancelled."""
    base = f"/jobs/{job_id}"
    return {"self": base, "stream": f"{base}/stream", "watch": f"/#{base}", "cancel": f"{base}/cancel"}


@dataclass(frozen=True)
class JobEvent:
    """One row of `job_events`; `seq` counts from 1 without gaps within a job."""

    seq: int
    type: str
    stage: str | None
    progress: float
    data: dict[str, Any]
    created_at: datetime

    @property
    def terminal(self) -> bool:
        return self.type in TERMINAL

    @classmethod
    def from_record(cls, row: Record) -> JobEvent:
        return cls(row["seq"], row["type"], row["stage"], row["progress"], row["data"], row["created_at"])


class JobFailed(Exception):
    """A handler gives up: the job fails with `code` and `message`, or is tried again when `retryable`."""

    def __init__(self, code: str, message: str, *, retryable: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.retryable = retryable


JobHandler: TypeAlias = "Callable[[JobContext], Awaitable[dict[str, Any]]]"


@dataclass(frozen=True)
class JobKind:
    """A sort of work: what it is asked with and who does it.

    `resource` names the queue it waits in; `max_attempts` counts the tries since its last finished stage.
    """

    name: str
    payload: type[BaseModel]
    run: JobHandler = field(repr=False)
    resource: str = "render"
    max_attempts: int = 5
