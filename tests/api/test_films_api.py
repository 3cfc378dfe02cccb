"""Films over HTTP: reading them, editing them, and what is refused. C094-C099."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest

from orchestrator.films.breakdown import break_down
from orchestrator.films.planner import plan_by_rules
from orchestrator.films.store import FilmStore
from tests.api.conftest import Server
from tools.film import FilmRequest


@pytest.fixture
async def film(server: Server) -> dict[str, Any]:
    """A planned film of the local owner, as the API shows it."""
    return await planned(server, "local")


async def planned(server: Server, owner: str) -> dict[str, Any]:
    request = FilmRequest.model_validate({"prompt": "a film about whales. Title: Giants.", "duration": 20})
    payload = request.model_dump(mode="json")
    job = await server.jobs.submit("film.run", payload, owner=owner)
    store, plan = FilmStore(server.db), plan_by_rules(request)
    await store.begin(job.id, owner=owner, title="Giants", synopsis="whales", request=payload, job_id=job.id)
    await store.save_plan(job.id, plan, owner=owner, job_id=job.id)
    await store.save_shots(job.id, break_down(plan), owner=owner, job_id=job.id)
    return await store.get(job.id, owner=owner)


async def patch(server: Server, path: str, body: Any) -> tuple[int, Any]:
    async with server.http.patch(server.url + path, json=body) as response:
        return response.status, await response.json(content_type=None)


async def test_films_are_listed_and_read(server: Server, film: dict[str, Any]) -> None:
    await planned(server, "somebody")
    status, listing = await server.get("/films")
    assert (status, listing["total"], [row["title"] for row in listing["data"]]) == (200, 1, ["Giants"])
    status, read = await server.get(f"/films/{film['id']}")
    assert status == 200
    assert {"plan", "scenes", "characters", "shots"} <= set(read["manifests"])
    assert len(read["shots"]) == 5
    assert all({"seed", "dsl", "storyboard", "animatic", "final", "nodes"} <= set(shot) for shot in read["shots"])
    status, scenes = await server.get(f"/api/films/{film['id']}/scenes")
    assert (status, [scene["key"] for scene in scenes["data"]]) == (200, ["S01", "S02", "S03"])
    status, characters = await server.get(f"/films/{film['id']}/characters")
    assert (status, characters["data"][0]["name"]) == (200, "Whales")


async def test_preferences_are_merged_under_their_own_names(server: Server, film: dict[str, Any]) -> None:
    path = f"/films/{film['id']}"
    status, body = await patch(
        server, path, {"metadata": {"duration_seconds": "1m", "resolution": "720p", "note": "x"}}
    )
    assert status == 200
    assert body["metadata"] == {"duration_s": 60.0, "width": 1280, "height": 720, "note": "x"}
    status, body = await patch(server, path, {"note": None, "style": "noir", "title": "Deep"})
    assert (status, body["ok"]) == (200, True)
    assert body["metadata"] == {"duration_s": 60.0, "width": 1280, "height": 720, "style": "noir", "title": "Deep"}
    _, read = await server.get(path)
    assert (read["title"], read["metadata"]) == ("Deep", body["metadata"])


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"metadata": {}},
        {"metadata": "x"},
        {"metadata": {"duration_seconds": 99999}},
        {"metadata": {"fps": "soon"}},
        {"metadata": {"resolution": "banana"}},
        {"metadata": {"width": 641}},
        {"metadata": {"audio_enabled": "perhaps"}},
        {"metadata": {"seed": 5}},
        {"metadata": {"synopsis": "another idea"}},
        {"metadata": {"note": "x" * 70_000}},
    ],
)
async def test_a_film_refuses_what_it_cannot_be(server: Server, film: dict[str, Any], change: Any) -> None:
    status, body = await patch(server, f"/films/{film['id']}", change)
    assert status == 422, body
    assert body["error"]["message"]
    _, read = await server.get(f"/films/{film['id']}")
    assert read["metadata"] == {}


async def test_scenes_and_characters_are_edited(server: Server, film: dict[str, Any]) -> None:
    _, scenes = await server.get(f"/films/{film['id']}/scenes")
    scene = scenes["data"][1]
    status, body = await patch(server, f"/scenes/{scene['id']}", {"prompt": "A storm.", "plan": {"tod": "night"}})
    assert (status, body["ok"]) == (200, True)
    assert (body["scene"]["prompt"], body["scene"]["plan"]) == ("A storm.", scene["plan"] | {"tod": "night"})
    plan = await FilmStore(server.db).edited_plan(UUID(film["id"]), owner="local")
    assert (plan.scenes[1].prompt, plan.scenes[1].tod) == ("A storm.", "night")

    _, characters = await server.get(f"/films/{film['id']}/characters")
    path = f"/characters/{characters['data'][0]['id']}"
    status, body = await patch(server, path, {"name": "Moby", "references": {"images": ["a"]}})
    assert (status, body["character"]["name"], body["character"]["reference_data"]) == (200, "Moby", {"images": ["a"]})


async def test_an_edit_during_a_run_is_kept_for_the_next(server: Server, film: dict[str, Any]) -> None:
    """The edit arrives after the job has read the scenes and before it writes its plan."""
    store, film_id, job_id = FilmStore(server.db), UUID(film["id"]), UUID(film["job_id"])
    plan = await store.edited_plan(film_id, owner="local")
    _, scenes = await server.get(f"/films/{film_id}/scenes")
    edit: dict[str, Any] = {"prompt": "A storm.", "plan": {"tod": "night", "note": "mine"}}
    assert (await patch(server, f"/scenes/{scenes['data'][1]['id']}", edit))[0] == 200
    await store.save_plan(film_id, plan, owner="local", job_id=job_id)
    _, scenes = await server.get(f"/films/{film_id}/scenes")
    assert scenes["data"][1]["prompt"] == "A storm."
    assert edit["plan"].items() <= scenes["data"][1]["plan"].items()
    edited = (await store.edited_plan(film_id, owner="local")).scenes
    assert (edited[1].prompt, edited[1].tod) == ("A storm.", "night")
    assert edited[0] == plan.scenes[0]


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("scenes", {}),
        ("scenes", {"prompt": None}),
        ("scenes", {"prompt": ""}),
        ("scenes", {"prompt": 5}),
        ("scenes", {"prompt": "a\u0000b"}),
        ("scenes", {"plan": {"tod": "brunch"}}),
        ("scenes", {"plan": {"narration": "not a list"}}),
        ("scenes", {"colour": "red"}),
        ("characters", {"name": ["x"]}),
        ("characters", {"references": "x"}),
    ],
)
async def test_wrong_types_are_refused(server: Server, film: dict[str, Any], kind: str, change: Any) -> None:
    _, rows = await server.get(f"/films/{film['id']}/{kind}")
    row = rows["data"][0]
    status, body = await patch(server, f"/{kind}/{row['id']}", change)
    assert status in {400, 422}, body
    _, after = await server.get(f"/films/{film['id']}/{kind}")
    assert after["data"][0] == row


async def test_what_is_not_there_or_not_ones_own_is_not_found(server: Server) -> None:
    theirs = await planned(server, "somebody")
    scenes = await FilmStore(server.db).scenes(UUID(theirs["id"]), owner="somebody")
    for path in (f"/films/{theirs['id']}", f"/films/{uuid4()}", "/films/nonsense", f"/films/{theirs['id']}/scenes"):
        assert (await server.get(path))[0] == 404
    assert (await patch(server, f"/films/{theirs['id']}", {"note": 1}))[0] == 404
    assert (await patch(server, f"/scenes/{scenes[0]['id']}", {"prompt": "x"}))[0] == 404
    assert (await patch(server, f"/characters/{uuid4()}", {"name": "x"}))[0] == 404


@pytest.mark.parametrize(
    "payload",
    [
        {"prompt": "whales", "duration_seconds": 1e9},
        {"prompt": "whales", "resolution": "100000x2"},
        {"prompt": "whales", "fps": 0},
        {"prompt": "whales", "duration": 7200, "resolution": "8K", "fps": 120},
        {"title": "nothing to show"},
    ],
)
async def test_absurd_films_are_refused_and_nothing_is_created(server: Server, payload: dict[str, Any]) -> None:
    status, body = await server.post("/jobs", {"kind": "film.run", "payload": payload})
    assert status in {400, 422}
    assert body["error"]["message"]
    assert await server.job_count() == 0
