"""The Jobs API: submit, read, list, follow and cancel durable work. Mounted at `/jobs` and at `/api/jobs`."""

# No `from __future__ import annotations` here: FastAPI reads the dependencies, which are local names, from the
# annotations of the routes.

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Response
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import AfterValidator, AwareDatetime, BaseModel, Field, ValidationError

from orchestrator.api.auth import Principal
from orchestrator.api.errors import plainly
from orchestrator.errors import BadRequest
from orchestrator.jobs.events import JobEvents
from orchestrator.jobs.model import STATUSES, Job, JobEvent, JobKind, job_urls
from orchestrator.jobs.store import JobStore

HEARTBEAT_S = 15.0
_RETRY_MS = 1000
_MAX_INTERVAL_MS = 60_000
_MAX_OFFSET = 1_000_000
_SSE_HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("is beyond the calendar") from None


class JobRequest(BaseModel):
    """What `POST /jobs` takes."""

    kind: str = Field(min_length=1, max_length=100, description="What to do, e.g. `film.run`.")
    payload: dict[str, Any] = Field(default_factory=dict, description="The request of that kind.")
    priority: int = Field(default=0, ge=-100, le=100, description="Higher runs first.")
    execute_after: Annotated[AwareDatetime, AfterValidator(_in_utc)] | None = Field(
        default=None, description="Not before this time (ISO 8601 with zone)."
    )


def jobs_router(
    store: JobStore,
    events: JobEvents,
    kinds: Mapping[str, JobKind],
    principal: Callable[..., Principal],
    *,
    heartbeat_s: float = HEARTBEAT_S,
) -> APIRouter:
    """The routes, without a prefix of their own beyond `/jobs`; `principal` is the FastAPI dependency for callers."""
    router = APIRouter(prefix="/jobs", tags=["jobs"])
    Who = Annotated[Principal, Depends(principal)]

    @router.post("", status_code=202)
    async def submit(
        who: Who,
        request: JobRequest,
        response: Response,
        idempotency_key: Annotated[str | None, Header(min_length=1, max_length=255)] = None,
    ) -> dict[str, Any]:
        """Accept a job and answer before it runs. The same `Idempotency-Key` again gives the same job."""
        job = await store.submit(
            request.kind,
            checked_payload(kinds, request.kind, request.payload),
            owner=who.owner,
            priority=request.priority,
            execute_after=request.execute_after,
            idempotency_key=idempotency_key,
        )
        response.headers["location"] = job_urls(job.id)["self"]
        if job.replayed:
            response.headers["idempotent-replayed"] = "true"
        shown = job.view()
        return {key: shown[key] for key in ("id", "job_id", "kind", "status", "urls")}

    @router.get("")
    async def listing(
        who: Who,
        status: str | None = None,
        kind: str | None = None,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
        offset: Annotated[int, Query(ge=0, le=_MAX_OFFSET)] = 0,
    ) -> dict[str, Any]:
        """The caller's jobs, latest change first, without their results."""
        if status is not None and status not in STATUSES:
            raise BadRequest(f"status must be one of {', '.join(sorted(STATUSES))}.", param="status")
        if kind is not None:
            _known(kinds, kind)
        jobs, total = await store.list(owner=who.owner, status=status, kind=kind, limit=limit, offset=offset)
        return {"data": [_row(job) for job in jobs], "total": total}

    @router.get("/{job_id}")
    async def read(who: Who, job_id: str) -> dict[str, Any]:
        """One job with its stages and its ten latest checkpoints."""
        job = await store.get(job_id, owner=who.owner)
        stages, checkpoints = await asyncio.gather(store.stages(job.id), store.checkpoints(job.id))
        return {**job.view(), "stages": stages, "checkpoints": checkpoints}

    @router.get("/{job_id}/stream", response_class=StreamingResponse)
    async def stream(
        who: Who,
        job_id: str,
        interval_ms: Annotated[int, Query(ge=0, le=_MAX_INTERVAL_MS)] = 0,
        last_event_id: Annotated[str | None, Header()] = None,
    ) -> StreamingResponse:
        """Follow a job: a snapshot, its events, `[DONE]`. With `Last-Event-ID` nothing is left out or repeated."""
        job = await store.get(job_id, owner=who.owner)
        position = _position(last_event_id, job)
        body = _follow(events, job, position, interval_s=interval_ms / 1000, heartbeat_s=heartbeat_s)
        return StreamingResponse(body, media_type="text/event-stream", headers=_SSE_HEADERS)

    @router.post("/{job_id}/cancel")
    async def cancel(who: Who, job_id: str) -> JSONResponse:
        """Cancel a job; one that has already ended keeps its status."""
        job = await store.cancel(job_id, owner=who.owner)
        return JSONResponse({"ok": True, "id": str(job.id), "status": job.status})

    return router


def checked_payload(kinds: Mapping[str, JobKind], kind: str, payload: dict[str, Any]) -> dict[str, Any]:
    """The payload as its kind understands it, defaults filled in. Raises BadRequest that names the field."""
    known = _known(kinds, kind)
    try:
        return known.payload.model_validate(payload).model_dump(mode="json")
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        param = ".".join(("payload", *map(str, first["loc"])))
        raise BadRequest(f"{param}: {plainly(first)}", code="invalid_payload", param=param) from None


def _known(kinds: Mapping[str, JobKind], kind: str) -> JobKind:
    if (known := kinds.get(kind)) is not None:
        return known
    names = ", ".join(sorted(kinds)) or "none"
    raise BadRequest(f"There is no job kind {kind[:100]!r}; there are: {names}.", code="unknown_kind", param="kind")


def _row(job: Job) -> dict[str, Any]:
    return {key: value for key, value in job.view().items() if key != "result"}


def _position(last_event_id: str | None, job: Job) -> int:
    """The number of the last event that the client has; a new client starts at the present."""
    if last_event_id is None or not last_event_id.strip():
        return job.last_seq
    if not (last_event_id.isascii() and last_event_id.isdigit() and len(last_event_id) <= 18):
        raise BadRequest("Last-Event-ID must be an id that this stream gave.", param="Last-Event-ID")
    return min(int(last_event_id), job.last_seq)


async def _follow(
    events: JobEvents, job: Job, position: int, *, interval_s: float, heartbeat_s: float
) -> AsyncIterator[bytes]:
    """The body of a stream. Only progress is thinned out, to one event per `interval_s`; the latest wins."""
    # The snapshot carries the position it was asked for, not the newest: a client that is cut off right after it
    # must still get every event in between.
    yield b"retry: %d\n\n" % _RETRY_MS + _snapshot(job, position)
    clock = asyncio.get_running_loop().time
    due = clock()
    held: bytes | None = None
    ended = job.terminal
    async with contextlib.aclosing(events.watch(job.id, position)) as watch:
        upcoming = asyncio.ensure_future(anext(watch, None))
        try:
            while True:
                patience_s = heartbeat_s if held is None else max(0.0, due - clock())
                await asyncio.wait({upcoming}, timeout=patience_s)
                if not upcoming.done():
                    yield held or b": keep-alive\n\n"
                    held, due = None, clock() + interval_s
                    continue
                if (item := upcoming.result()) is None:
                    break
                upcoming = asyncio.ensure_future(anext(watch, None))
                if item[0].type == "progress" and interval_s > 0 and clock() < due:
                    held = _event(*item)
                    continue
                yield _event(*item)
                held = None  # older than what was just sent
                ended = ended or item[0].terminal
                if item[0].type == "progress":
                    due = clock() + interval_s
        finally:
            # The generator cannot be closed while somebody still waits for its next item.
            upcoming.cancel()
            await asyncio.wait({upcoming})
    if ended:  # else the server is stopping, and the client comes back
        yield b"data: [DONE]\n\n"


def _snapshot(job: Job, position: int) -> bytes:
    return _encode(position, "snapshot", job.stage, job.progress, job, {})


def _event(event: JobEvent, job: Job) -> bytes:
    return _encode(event.seq, event.type, event.stage, event.progress, job, event.data)


def _encode(seq: int, type_: str, stage: str | None, progress: float, job: Job, data: dict[str, Any]) -> bytes:
    body = {"seq": seq, "type": type_, "stage": stage, "progress": progress, "data": data, "job": job.view()}
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return f"id: {seq}\ndata: {text}\n\n".encode()
