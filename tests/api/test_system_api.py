"""Health, models, capabilities, artifacts, the page."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from pydantic import SecretStr

from orchestrator.api.system import config_hash
from orchestrator.db.embedded import EmbeddedPostgres
from orchestrator.settings import CommitteeSettings, ServerSettings, Settings, ToolSettings
from tests.api.conftest import Server, StartServer
from tests.fakes.frozen import frozen
from tests.fakes.ollama import FakeOllama

Pair = tuple[FakeOllama, FakeOllama]


async def test_models_lists_the_committee_first(model_server: Server) -> None:  # C024
    for path in ("/v1/models", "/models", "/v1/models/"):
        status, body = await model_server.get(path)
        assert status == 200
        ids = [model["id"] for model in body["data"]]
        assert ids[0] == "committee-qwen3-gpt-oss"
        assert {"wrapper-film-orchestrator", "committee", "qwen3:32b", "gpt-oss:20b"} <= set(ids)
        assert all(model["object"] == "model" and model["created"] > 0 and model["owned_by"] for model in body["data"])
        assert not any(bad in id_ for id_ in ids for bad in ("o1", "o3", "o4"))
    assert (await model_server.get("/v1/models/gpt-oss:20b"))[1]["id"] == "gpt-oss:20b"


async def test_models_lists_each_stand_in_under_its_own_name(server: Server) -> None:
    _, body = await server.get("/v1/models")
    talking = [model for model in body["data"] if "chat" in model["capabilities"]]
    ids = [model["id"] for model in talking]
    assert ids == ["committee-qwen3-gpt-oss", "wrapper-film-orchestrator", "committee", "qwen3", "gptoss"]
    assert [model["owned_by"] for model in talking] == ["committee"] * 3 + ["qwen3", "gptoss"]
    for name in ids:
        assert (await server.get(f"/v1/models/{name}"))[0] == 200
        body = {"model": name, "messages": [{"role": "user", "content": "Hello"}]}
        assert (await server.post("/v1/chat/completions", body))[0] == 200


async def test_two_members_with_one_model_are_listed_by_name(start_server: StartServer) -> None:
    async with FakeOllama("qwen3:32b") as one, FakeOllama("qwen3:32b") as other:
        server = await start_server(ollamas=(one, other))
        for member in server.api.turns.committee.members:
            assert not member.stand_in
        _, body = await server.get("/v1/models")
    assert len({model["id"] for model in body["data"]}) == len(body["data"])
    assert sum("chat" in model["capabilities"] for model in body["data"]) == 5


async def test_healthz(model_server: Server) -> None:  # C008 C109
    async with asyncio.timeout(5):
        while not (found := await model_server.get("/healthz"))[1]["members"]:
            await asyncio.sleep(0.01)  # it does not wait for members longer than 80 ms
    status, body = found
    assert status == 200
    flags = ("ok", "openai_compat", "film_enabled", "teacher_enabled", "icw_enabled", "ablation_enabled")
    assert all(isinstance(body[flag], bool) for flag in flags)
    assert body["ok"]
    assert body["openai_compat"]
    assert body["database"] == {"ok": True, "kind": "embedded"}
    assert {member["name"]: member["reachable"] for member in body["members"]} == {"qwen3": True, "gptoss": True}
    assert not any("base_url" in member for member in body["members"])
    assert (await model_server.get("/health"))[1] == {"status": "ok"}


async def test_the_same_with_and_without_v1(server: Server) -> None:  # C025
    for path in ("/healthz", "/health", "/capabilities.json", "/models"):
        plain, prefixed = await server.get(path), await server.get(f"/v1{path}")
        assert plain[0] == prefixed[0] == 200
        assert plain[1].keys() == prefixed[1].keys()


async def test_film_enabled_follows_the_setting(start_server: StartServer) -> None:  # C112
    for enabled in (True, False):
        server = await start_server(tools=ToolSettings(film_enabled=enabled))
        assert (await server.get("/healthz"))[1]["film_enabled"] is enabled


async def test_healthz_is_quick_when_the_database_is_frozen(server: Server, postgres: EmbeddedPostgres) -> None:
    assert (await server.get("/healthz"))[0] == 200
    with frozen(postgres):
        deadline = time.monotonic() + 10
        while True:
            began = time.perf_counter()
            status, body = await server.get("/healthz")
            took = time.perf_counter() - began
            assert took < 0.5  # 100 ms, and room for a busy test machine
            if status == 503 or time.monotonic() > deadline:
                break
        assert status == 503
        assert body["ok"] is False
        assert body["database"]["ok"] is False


async def test_capabilities(server: Server) -> None:  # C105 C106 C107
    _, body = await server.get("/capabilities.json")
    assert body["openai_compat"] is True
    assert body["tools"] == ["film.run", "image.generate", "job.cancel", "job.status"]
    assert all(isinstance(version, str) and version for version in body["versions"].values())
    for name, known in body["endpoints"].items():
        for path in known.values() if isinstance(known, dict) else [known]:
            # Some take POST only.
            assert (await server.get(path))[0] in {200, 405}, name


def test_config_hash_changes_with_the_configuration() -> None:  # C108
    plain = config_hash(Settings())
    assert plain.startswith("sha256:")
    assert plain == config_hash(Settings())
    assert plain != config_hash(Settings(committee=CommitteeSettings(default_temperature=0.7)))
    assert plain != config_hash(Settings(tools=ToolSettings(film_enabled=False)))


async def test_debug_asks_the_members(model_server: Server, ollamas: Pair) -> None:
    await ollamas[1].stop()
    _, body = await model_server.get("/debug")
    assert body["qwen_ok"] is True
    assert body["gptoss_ok"] is False
    assert body["gptoss_detail"]


async def test_a_stand_in_is_not_taken_for_the_server_it_stands_for(server: Server) -> None:
    _, body = await server.get("/healthz")
    assert body["ok"] is True
    assert body["degraded"] is False
    assert body["parts"]["members"] == "offline"
    for member in body["members"]:
        assert (member["reachable"], member["loaded"], member["stand_in"]) == (False, None, True)
        assert member["note"]
    _, body = await server.get("/debug")
    for name, member in zip(("qwen", "gptoss"), body["members"], strict=True):
        assert body[f"{name}_ok"] is False
        assert body[f"{name}_detail"] == member["note"] != ""


@pytest.mark.parametrize(
    ("wanted", "status", "answer"),
    [("bytes=0-3", 206, b"0123"), ("bytes=-2", 206, b"89"), ("bytes=20-", 416, None), (None, 200, b"0123456789")],
)
async def test_artifacts_with_range(server: Server, wanted: str | None, status: int, answer: bytes | None) -> None:
    made = await server.artifacts.put_bytes(b"0123456789", name="film.mp4", media_type="video/mp4", owner="local")
    headers = {"range": wanted} if wanted else {}
    async with server.http.get(server.url + made.url_path, headers=headers) as response:
        assert response.status == status
        if answer is not None:
            assert await response.read() == answer
            assert response.headers["etag"] == f'"{made.sha256}"'
            assert "immutable" in response.headers["cache-control"]
            assert response.headers["content-disposition"].startswith("inline")
            # Chromium shows no film that is opened by itself without this.
            assert "media-src 'self'" in response.headers["content-security-policy"]


async def test_artifacts_are_not_active(server: Server) -> None:
    for name, media_type in (("a.html", "text/html"), ("a.svg", "image/svg+xml"), ("a.zip", "application/zip")):
        made = await server.artifacts.put_bytes(b"<script>", name=name, media_type=media_type, owner="local")
        async with server.http.get(server.url + made.url_path) as response:
            assert response.headers["content-disposition"].startswith("attachment")
            assert response.headers["x-content-type-options"] == "nosniff"
            assert "sandbox" in response.headers["content-security-policy"]
        async with server.http.get(server.url + made.url_path, headers={"if-none-match": f'"{made.sha256}"'}) as again:
            assert again.status == 304
        async with server.http.head(server.url + made.url_path) as head:
            assert head.status == 200
            assert int(head.headers["content-length"]) == 8


async def test_the_page_has_a_strict_policy(server: Server) -> None:
    async with server.http.get(server.url + "/") as response:
        assert response.status == 200
        policy = response.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "*" not in policy


async def test_capabilities_are_public_and_debug_is_not(start_server: StartServer) -> None:
    keys = SecretStr("ann:sk-0123456789abcdef")
    server = await start_server(server=ServerSettings(api_keys=keys))
    for path, status in (("/capabilities.json", 200), ("/healthz", 200), ("/v1/models", 401), ("/debug", 401)):
        answered: tuple[int, Any] = await server.get(path)
        assert answered[0] == status, path
