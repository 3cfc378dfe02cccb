"""The Jobs API on a real uvicorn: what a client sees, and what it sees after losing its connection."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import uuid4

import aiohttp
import pytest
import uvicorn
from fastapi import FastAPI, Header

from orchestrator.api import errors
from orchestrator.api.jobs import jobs_router
from orchestrator.db.pool import Database
from orchestrator.jobs.events import JobEvents
from orchestrator.jobs.model import Job
from orchestrator.jobs.store import Claim, JobStore
from orchestrator.jobs.worker import Worker
from tests.fakes.job_kinds import KINDS

LOCAL = "local"


@dataclass(frozen=True)
class Visitor:
    owner: str
    scopes: frozenset[str] = frozenset()


def visitor(x_owner: Annotated[str, Header()] = LOCAL) -> Visitor:
    return Visitor(x_owner)


@dataclass
class Site:
    http: aiohttp.ClientSession
    store: JobStore
    events: JobEvents
    db: Database

    async def claimed(self) -> tuple[Job, Claim]:
        """A running job without a worker, so that the test decides what happens."""
        job = await self.store.submit("test.nothing", {}, owner=LOCAL)
        claimed = await self.store.claim(job.id)
        assert claimed is not None
        return claimed, Claim.of(claimed)


@pytest.fixture
async def site(db: Database) -> AsyncIterator[Site]:
    store = JobStore(db, KINDS, queue_max=500)
    events = JobEvents(db, store)
    events.start()
    app = FastAPI()
    errors.install(app)
    router = jobs_router(store, events, KINDS, visitor, heartbeat_s=0.3)
    app.include_router(router)
    app.include_router(router, prefix="/api")
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning", lifespan="off"))
    serving = asyncio.create_task(server.serve())
    async with asyncio.timeout(10):
        while not server.started:
            await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}", connector=aiohttp.TCPConnector(limit=0)) as http:
        yield Site(http, store, events, db)
    server.should_exit = True
    await serving
    await events.close()


@pytest.fixture
async def worker(db: Database) -> AsyncIterator[Worker]:
    worker = Worker(db, KINDS, drain_s=0.1)
    task = asyncio.create_task(worker.run())
    yield worker
    worker.stop()
    await task


async def post(site: Site, body: Any, *, path: str = "/jobs", **headers: str) -> tuple[int, dict[str, Any], Any]:
    async with site.http.post(path, json=body, headers={k.replace("_", "-"): v for k, v in headers.items()}) as answer:
        return answer.status, await answer.json(), answer.headers


async def get(site: Site, path: str, **headers: str) -> tuple[int, dict[str, Any]]:
    async with site.http.get(path, headers={k.replace("_", "-"): v for k, v in headers.items()}) as answer:
        return answer.status, await answer.json()


async def messages(response: aiohttp.ClientResponse) -> AsyncIterator[tuple[str, str]]:
    """(id, data) of each event; comments come as ("", text)."""
    event_id, data = "", ""
    async for raw in response.content:
        line = raw.decode().rstrip("\n")
        if line.startswith(":"):
            yield "", line
        elif line.startswith("id: "):
            event_id = line[4:]
        elif line.startswith("data: "):
            data = line[6:]
        elif not line and data:
            yield event_id, data
            event_id, data = "", ""


# --- submitting ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("base", ["/jobs", "/api/jobs"])
async def test_submit_is_answered_before_the_work(site: Site, base: str) -> None:
    status, body, headers = await post(site, {"kind": "test.steps", "payload": {"steps": 2}}, path=base)
    assert status == 202
    assert set(body) == {"id", "job_id", "kind", "status", "urls"}
    assert body["status"] == "queued"
    assert headers["location"] == body["urls"]["self"]
    status, row = await get(site, body["urls"]["self"])
    assert (status, row["payload"]["steps"], row["checkpoints"], row["stages"]) == (200, 2, [], [])


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        ({"kind": "no.such"}, "kind", "unknown_kind"),
        ({"payload": {}}, "kind", None),
        ({"kind": 3}, "kind", None),
        ({"kind": "test.steps", "payload": {"steps": "many"}}, "payload.steps", "invalid_payload"),
        ({"kind": "test.trouble", "payload": {}}, "payload.how", "invalid_payload"),
        ({"kind": "test.steps", "payload": []}, "payload", None),
        ({"kind": "test.steps", "priority": 10**9}, "priority", None),
        ({"kind": "test.steps", "execute_after": "tomorrow"}, "execute_after", None),
        ({"kind": "test.steps", "execute_after": "2030-01-01T00:00:00"}, "execute_after", None),
        ({"kind": "test.steps", "execute_after": "9999-12-31T23:59:59-12:00"}, "execute_after", None),
        ({"kind": "test.steps", "execute_after": "0001-01-01T00:00:00+14:00"}, "execute_after", None),
        ({"kind": "test.steps", "payload": {"diary": "a\0b"}}, None, None),
        ([], None, None),
    ],
)
async def test_bad_submits_are_told_apart_and_create_nothing(site: Site, body: Any, param: str, code: str) -> None:
    status, answer, _ = await post(site, body)
    assert status == 400
    if param:
        assert answer["error"]["param"] == param
    if code:
        assert answer["error"]["code"] == code
    assert (await get(site, "/jobs"))[1]["total"] == 0


@pytest.mark.parametrize("moment", ["9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z", "2030-06-01T12:00:00+14:00"])
async def test_any_moment_of_the_calendar_will_do(site: Site, moment: str) -> None:
    status, body, _ = await post(site, {"kind": "test.nothing", "execute_after": moment})
    assert status == 202
    assert (await get(site, body["urls"]["self"]))[1]["status"] in {"queued", "running", "succeeded"}


async def test_a_repeated_submit_gives_the_same_job(site: Site) -> None:
    body = {"kind": "test.steps", "payload": {"steps": 2}}
    _, first, headers = await post(site, body, idempotency_key="abc")
    assert "idempotent-replayed" not in headers
    status, second, headers = await post(site, body, idempotency_key="abc")
    assert (status, second["id"], headers["idempotent-replayed"]) == (202, first["id"], "true")
    # Spelling out a default asks for the same thing.
    same = {"kind": "test.steps", "payload": {"steps": 2, "diary": ""}, "priority": 0}
    assert (await post(site, same, idempotency_key="abc"))[1]["id"] == first["id"]
    status, answer, _ = await post(site, {"kind": "test.steps", "payload": {"steps": 3}}, idempotency_key="abc")
    assert (status, answer["error"]["code"]) == (422, "idempotency_key_reused")
    assert (await get(site, "/jobs"))[1]["total"] == 1


async def test_a_full_queue_is_429(site: Site) -> None:
    await site.db.execute(
        "INSERT INTO jobs (id, owner, kind, payload, request_hash)"
        " SELECT gen_random_uuid(), 'x', 'test.nothing', '{}', '' FROM generate_series(1, 500)"
    )
    status, _, headers = await post(site, {"kind": "test.nothing"})
    assert status == 429
    assert int(headers["retry-after"]) >= 1


# --- reading ---------------------------------------------------------------------------------------------------


async def test_polling_to_the_end(site: Site, worker: Worker) -> None:  # C061 C062 C063 C066 C067 K011
    _, job, _ = await post(site, {"kind": "test.steps", "payload": {"steps": 12}})
    async with asyncio.timeout(20):
        while (row := (await get(site, f"/jobs/{job['id']}"))[1])["status"] not in {"succeeded", "failed"}:
            await asyncio.sleep(0.02)
    assert row["status"] == "succeeded"
    assert len(row["result"]["outputs"]) == 12
    assert len(row["stages"]) == 12
    assert [point["data"]["stage"] for point in row["checkpoints"]] == [f"step-{n}" for n in range(11, 1, -1)]


async def test_listing(site: Site) -> None:  # C070 C071 C072 C073
    ids = [(await post(site, {"kind": "test.nothing"}))[1]["id"] for _ in range(4)]
    await post(site, None, path=f"/jobs/{ids[1]}/cancel")
    status, page = await get(site, "/jobs?limit=2&offset=1")
    assert (status, page["total"], [row["id"] for row in page["data"]]) == (200, 4, [ids[3], ids[2]])
    assert (await get(site, "/jobs?status=cancelled"))[1]["total"] == 1
    other = (await post(site, {"kind": "test.steps"}))[1]["id"]
    page = (await get(site, "/jobs?kind=test.steps"))[1]
    assert (page["total"], [row["id"] for row in page["data"]]) == (1, [other])
    assert (await get(site, "/jobs?kind=test.steps&status=cancelled"))[1] == {"data": [], "total": 0}
    for bad in (
        "status=done",
        "kind=test.unknown",
        "limit=0",
        "limit=201",
        "offset=-1",
        "limit=x",
        "offset=99999999999999999999",
    ):
        status, answer = await get(site, f"/jobs?{bad}")
        assert status == 400, bad
        assert answer["error"]["param"] == bad.split("=")[0]


async def test_what_is_not_yours_does_not_exist(site: Site) -> None:
    _, job, _ = await post(site, {"kind": "test.nothing"}, x_owner="somebody")
    for job_id in (job["id"], str(uuid4()), "no-uuid", "00000000"):
        for path in (f"/jobs/{job_id}", f"/jobs/{job_id}/stream"):
            status, answer = await get(site, path)
            assert (status, answer["error"]["code"]) == (404, "job_not_found")
        status, answer, _ = await post(site, None, path=f"/jobs/{job_id}/cancel")
        assert status == 404
    assert (await get(site, f"/jobs/{job['id']}", x_owner="somebody"))[1]["status"] == "queued"


async def test_cancel(site: Site) -> None:  # C065
    _, job, _ = await post(site, {"kind": "test.nothing"})
    for _ in range(2):
        status, answer, _ = await post(site, None, path=f"/jobs/{job['id']}/cancel")
        assert (status, answer["ok"], answer["status"]) == (200, True, "cancelled")
    done, claim = await site.claimed()
    await site.store.succeed(claim, {})
    assert (await post(site, None, path=f"/jobs/{done.id}/cancel"))[1]["status"] == "succeeded"


# --- following -------------------------------------------------------------------------------------------------


async def test_a_stream_from_snapshot_to_done(site: Site, worker: Worker) -> None:  # C068
    _, job, _ = await post(site, {"kind": "test.steps", "payload": {"steps": 2}})
    async with site.http.get(f"/jobs/{job['id']}/stream", headers={"last-event-id": "0"}) as response:
        assert response.status == 200
        assert response.content_type == "text/event-stream"
        found = [message async for message in messages(response)]
    assert found[-1][1] == "[DONE]"
    events = [json.loads(data) for _, data in found[:-1]]
    assert events[0]["type"] == "snapshot"
    assert set(events[0]) >= {"seq", "type", "stage", "progress", "job"}
    assert [event["seq"] for event in events[1:]] == list(range(1, len(events)))
    assert [int(event_id) for event_id, _ in found[1:-1]] == [event["seq"] for event in events[1:]]
    assert events[-1]["type"] == "succeeded"
    assert events[-1]["job"]["result"]["outputs"]


async def test_a_late_stream_is_a_snapshot_and_done(site: Site) -> None:
    job, claim = await site.claimed()
    await site.store.succeed(claim, {"x": 1})
    async with site.http.get(f"/jobs/{job.id}/stream") as response:
        found = [data async for _, data in messages(response)]
    assert json.loads(found[0])["job"]["result"] == {"x": 1}
    assert found[1:] == ["[DONE]"]


async def test_silence_is_filled_with_comments(site: Site) -> None:
    job, claim = await site.claimed()
    async with site.http.get(f"/jobs/{job.id}/stream") as response:
        stream = messages(response)
        assert "snapshot" in (await anext(stream))[1]
        assert (await anext(stream))[1].startswith(":")
        await site.store.succeed(claim, {})
        rest = [data async for _, data in stream if not data.startswith(":")]
    assert rest[-1] == "[DONE]"


async def test_interval_coalesces_progress_only(site: Site) -> None:  # C069
    job, claim = await site.claimed()

    async def happenings() -> None:
        for number in range(60):
            await site.store.write_event(claim, "progress", progress=number / 60)
            if number % 20 == 10:
                await site.store.write_event(claim, "note", data={"number": number})
            await asyncio.sleep(0.01)
        await site.store.succeed(claim, {})

    async with site.http.get(f"/jobs/{job.id}/stream?interval_ms=200") as response:
        task = asyncio.create_task(happenings())
        began = time.monotonic()
        events = [json.loads(data) async for _, data in messages(response) if data.startswith("{")]
        took = time.monotonic() - began
        await task
    kinds = [event["type"] for event in events]
    assert kinds.count("note") == 3
    assert kinds[-1] == "succeeded"
    assert 2 <= kinds.count("progress") <= took / 0.2 + 1
    assert [event["seq"] for event in events] == sorted({event["seq"] for event in events})


async def test_a_cut_right_after_the_snapshot_loses_nothing(site: Site) -> None:
    job, claim = await site.claimed()
    await site.store.succeed(claim, {})
    async with site.http.get(f"/jobs/{job.id}/stream", headers={"last-event-id": "1"}) as response:
        event_id, data = await anext(messages(response))
    assert json.loads(data)["job"]["status"] == "succeeded"  # the present state, but still at the old position
    assert event_id == "1"


@pytest.mark.parametrize("header", ["abc", "-1", "1.5", "٣", "9" * 30])
async def test_a_foreign_event_id_is_refused(site: Site, header: str) -> None:
    job, _ = await site.claimed()
    async with site.http.get(f"/jobs/{job.id}/stream", headers={"last-event-id": header}) as response:
        assert response.status == 400
        assert (await response.json())["error"]["param"] == "Last-Event-ID"


async def test_random_reconnects_miss_and_repeat_nothing(site: Site) -> None:
    job, claim = await site.claimed()
    rng = random.Random(7)
    total = 700

    async def happenings() -> None:
        for number in range(total):
            await site.store.write_event(claim, "note", data={"number": number})
            if number % 50 == 0:
                await asyncio.sleep(0.01)
        await site.store.succeed(claim, {})

    async def client(seed: int) -> tuple[list[int], int]:
        rng = random.Random(seed)
        seen: list[int] = []
        connections = 0
        while True:
            headers = {"last-event-id": str(seen[-1] if seen else 0)}
            connections += 1
            async with site.http.get(f"/jobs/{job.id}/stream", headers=headers) as response:
                budget = rng.randrange(1, 40)
                async for _, data in messages(response):
                    if data == "[DONE]":
                        return seen, connections
                    if data.startswith(":") or (event := json.loads(data))["type"] == "snapshot":
                        continue
                    seen.append(event["seq"])
                    budget -= 1
                    if budget == 0:
                        break

    task = asyncio.create_task(happenings())
    async with asyncio.timeout(90):
        outcomes = await asyncio.gather(*(client(rng.randrange(10**6)) for _ in range(10)))
        await task
    last = (await site.store.get(job.id, owner=LOCAL)).last_seq
    assert last == total + 3
    for seen, _ in outcomes:
        assert seen == list(range(1, last + 1))
    assert sum(connections for _, connections in outcomes) > 150


async def test_two_hundred_watchers_share_one_listen_connection(site: Site) -> None:
    job, claim = await site.claimed()

    async def client() -> list[int]:
        async with site.http.get(f"/jobs/{job.id}/stream") as response:
            return [json.loads(data)["seq"] async for _, data in messages(response) if data.startswith("{")]

    clients = [asyncio.create_task(client()) for _ in range(200)]
    async with asyncio.timeout(60):
        while sum(feed.watchers for feed in site.events._feeds.values()) < 200:
            await asyncio.sleep(0.02)
        connections = await site.db.fetchval(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name LIKE 'committee%'"
        )
        assert connections <= 11  # the pool of ten and one listener
        for number in range(20):
            await site.store.write_event(claim, "note", data={"number": number})
        await site.store.succeed(claim, {})
        outcomes = await asyncio.gather(*clients)
    assert set(map(tuple, outcomes)) == {tuple(range(2, 24))}
    async with asyncio.timeout(5):
        while site.events._feeds:
            await asyncio.sleep(0.01)


async def test_streams_go_on_after_a_cut_of_the_database(site: Site) -> None:
    job, claim = await site.claimed()
    async with site.http.get(f"/jobs/{job.id}/stream") as response:
        stream = messages(response)
        await anext(stream)
        await site.db.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        async with asyncio.timeout(5):
            while True:
                try:
                    assert await site.store.write_event(claim, "note", data={})
                    break
                except Exception:
                    await asyncio.sleep(0.05)
        await site.store.succeed(claim, {})
        async with asyncio.timeout(20):
            events = [json.loads(data)["type"] async for _, data in stream if data.startswith("{")]
    assert events == ["note", "succeeded"]


async def test_a_stopping_server_does_not_pretend_that_the_job_is_done(site: Site) -> None:
    job, _ = await site.claimed()
    async with site.http.get(f"/jobs/{job.id}/stream") as response:
        stream = messages(response)
        await anext(stream)
        await site.events.close()
        assert [data async for _, data in stream if not data.startswith(":")] == []


async def test_a_client_that_leaves_is_forgotten(site: Site) -> None:
    job, _ = await site.claimed()
    async with site.http.get(f"/jobs/{job.id}/stream") as response:
        await anext(messages(response))
        assert site.events._feeds
    async with asyncio.timeout(5):
        while site.events._feeds:
            await asyncio.sleep(0.01)
