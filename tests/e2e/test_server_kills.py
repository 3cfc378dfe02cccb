"""`committee serve` itself, killed in each of the eight stages of a film; the same for its Postgres; and stopped.

A film is caught in a stage by the database: a trigger refuses the stage's row, as an outage would, until the test lets
it pass. So the work of the stage is done and not recorded, which is the worst moment there is, and no test has to be
quick.
"""

from __future__ import annotations

import asyncio
import hashlib
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from orchestrator.db.pool import Connection
from tests.conftest import open_directory
from tests.e2e.serving import Served, broken_artifacts, job_events, none_left

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

# The last row of each stage, so that of a stage with several something is finished and something is not.
LAST_ROWS = {
    "plan": "plan",
    "breakdown": "breakdown",
    "storyboard": "storyboard/S01_SH02",
    "animatic": "animatic/S01_SH02",
    "final": "final/S01_SH02",
    "post": "post",
    "qc": "qc",
    "export": "export",
}
# What must be recorded before the film counts as caught; the shots of a stage are drawn side by side.
NEEDED_ROWS = {row: row.replace("SH02", "SH01") for row in LAST_ROWS.values() if "SH02" in row}
PICK_UP_S = 10

_HOLD = """
CREATE TABLE held (stage text);
CREATE SEQUENCE knocks;
CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM held WHERE stage = NEW.stage) THEN
        PERFORM nextval('knocks');  -- stays counted although the rest is rolled back
        RAISE 'held by the test' USING ERRCODE = 'admin_shutdown';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER hold BEFORE INSERT ON job_stages FOR EACH ROW EXECUTE FUNCTION hold();
"""


@pytest.fixture(scope="module")
def killed_server() -> Iterator[Served]:
    yield from _served()


@pytest.fixture(scope="module")
def bereaved_server() -> Iterator[Served]:
    yield from _served()


@pytest.fixture
def server() -> Iterator[Served]:
    yield from _served()


def _served() -> Iterator[Served]:
    with open_directory() as data_dir:
        served = Served(data_dir, RENDER_PROCESSES="2")
        try:
            served.start()
            asyncio.run(_install_hold(served))
            yield served
        finally:
            served.close()


async def _install_hold(served: Served) -> None:
    database = await served.connect()
    await database.execute(_HOLD)
    await database.close()


@dataclass
class Caught:
    """A film that cannot record its next row, and the rows of what it has finished."""

    job_id: str
    rows: dict[str, Any]


@pytest.mark.parametrize("stage", LAST_ROWS)
async def test_a_film_survives_kill_9_of_the_server(stage: str, killed_server: Served) -> None:
    # C085-C092, K007; R1: picked up within 10 s, no row written twice, no byte of difference
    served = killed_server
    async with _client(served) as http:
        caught = await _catch(served, http, stage)
    family = served.kill()
    none_left(family, served.data_dir)

    served.start()
    async with _client(served) as http:
        assert (await http.get("/healthz")).status_code == 200
        ready = time.monotonic()
        await _let_go(served)
        await _until(http, caught, lambda event: event["data"].get("attempt") == 2)
        pick_up_s = time.monotonic() - ready
        assert pick_up_s < PICK_UP_S
        rows = await _completed(served, http, caught, stage)
    assert rows[LAST_ROWS[stage]]["attempt"] == 2
    print(f"killed in {stage}: picked up {pick_up_s:.1f} s after the restart")


@pytest.mark.parametrize("stage", LAST_ROWS)
async def test_a_film_survives_kill_9_of_postgres(stage: str, bereaved_server: Served) -> None:
    # C085-C092, K007; R3: 503 with Retry-After in 2 s at most, healed within 5 s
    served = bereaved_server
    async with _client(served) as http:
        caught = await _catch(served, http, stage)
        workers = served.children("orchestrator.cli worker")
        assert len(served.kill_postgres()) > 5
        killed = time.monotonic()
        while (answer := await http.get("/jobs")).status_code != 200:
            assert answer.status_code == 503, answer.text
            assert int(answer.headers["retry-after"]) > 0
            assert answer.elapsed.total_seconds() < 2
        healed_s = time.monotonic() - killed
        assert healed_s < 5
        await _let_go(served)
        await _until(http, caught, lambda event: event["data"].get("stage") == LAST_ROWS[stage])
        assert time.monotonic() - killed < PICK_UP_S
        assert workers == served.children("orchestrator.cli worker")  # nobody else fell
        await _completed(served, http, caught, stage)
    print(f"Postgres killed in {stage}: healed after {healed_s:.1f} s")


async def test_sigterm_hands_the_film_back_without_a_lease_to_wait_for(server: Served) -> None:  # R21, K007
    async with _client(server) as http:
        caught = await _catch(server, http, "animatic")
    database = await server.connect()
    # The next stages stay held: the film cannot end before its worker has heard that it shall stop.
    await database.execute("INSERT INTO held VALUES ('final/S01_SH01'), ('final/S01_SH02')")
    family = server.family()
    server.send(signal.SIGTERM)
    await database.execute("DELETE FROM held WHERE stage = $1", LAST_ROWS["animatic"])
    await database.close()
    assert server.wait(20) == 0
    none_left(family, server.data_dir)

    server.start()
    async with _client(server) as http:
        ready = time.monotonic()
        await _let_go(server)
        await _until(http, caught, lambda event: event["data"].get("attempt") == 2)
        pick_up_s = time.monotonic() - ready
        assert pick_up_s < 3  # a lease takes 6 s to run out
        rows = await _completed(server, http, caught, "animatic")
    assert rows[LAST_ROWS["animatic"]]["attempt"] == 1  # what was being done was finished
    print(f"stopped and started: picked up after {pick_up_s:.1f} s")


@asynccontextmanager
async def _client(served: Served) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=served.url, timeout=10, trust_env=False) as http:
        yield http


async def _catch(served: Served, http: httpx.AsyncClient, stage: str) -> Caught:
    """Have a film made, and return when all that is left of `stage` is to record its last row."""
    database = await served.connect()
    last = LAST_ROWS[stage]
    await database.execute("INSERT INTO held VALUES ($1)", last)
    before = await _knocks(database)
    request = {
        "prompt": "a 3 second film about monarch butterflies at dusk, with subtitles",
        "resolution": "192x108",
        "fps": 12,
        "quality": "draft",
        "rules": {"avg_shot_len_s": 1.5},
        "seed": list(LAST_ROWS).index(stage),  # other pictures for each stage, so that none comes from the cache
    }
    answer = await http.post("/jobs", json={"kind": "film.run", "payload": request})
    assert answer.status_code == 202, answer.text
    job_id = answer.json()["id"]
    async with asyncio.timeout(60):
        while True:
            knocked = await _knocks(database) > before
            job = (await http.get(f"/jobs/{job_id}")).json()
            rows = {row["stage"]: row for row in job["stages"]}
            if knocked and NEEDED_ROWS.get(last, last) in {*rows, last}:
                break
            assert job["status"] in {"queued", "running"}, job["error"]
            await asyncio.sleep(0.02)
    assert last not in rows
    await database.close()
    return Caught(job_id, rows)


async def _knocks(database: Connection) -> int:
    return int(await database.fetchval("SELECT last_value + is_called::int FROM knocks"))


async def _let_go(served: Served) -> None:
    database = await served.connect()
    await database.execute("DELETE FROM held")
    await database.close()


async def _until(http: httpx.AsyncClient, caught: Caught, holds: Callable[[dict[str, Any]], bool]) -> None:
    """Follow the film up to an event."""
    async with aclosing(job_events(http, caught.job_id)) as events:
        async for event in events:
            if holds(event):
                return
    raise AssertionError("the film ended before")


async def _completed(served: Served, http: httpx.AsyncClient, caught: Caught, stage: str) -> dict[str, Any]:
    """See the film end well; its rows."""
    async with asyncio.timeout(60):
        events = [event async for event in job_events(http, caught.job_id)]
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    job = (await http.get(f"/jobs/{caught.job_id}")).json()
    assert job["status"] == "succeeded", job["error"]
    rows = {row["stage"]: row for row in job["stages"]}
    assert {name: rows[name] for name in caught.rows} == caught.rows  # nothing finished was done again
    database = await served.connect()
    assert await broken_artifacts(database, served.data_dir / "artifacts") == []
    await database.close()
    result = job["result"]
    film = await http.get(result["master"]["url"])
    assert hashlib.sha256(film.content).hexdigest() == result["master"]["sha256"]
    kept = ("master", "otio", "edl", "qc", "poster")
    digests = [result[name]["sha256"] for name in kept] + [board["sha256"] for board in result["storyboard"]]
    assert digests == _films.setdefault(stage, digests)
    return rows


# One request and one seed per stage: whatever was killed, it must become the same film, byte for byte.
_films: dict[str, list[str]] = {}
