"""Host, Origin, keys, scopes, request ids: what every route is guarded by."""

from __future__ import annotations

import asyncio
import re

import pytest
from fastapi.routing import APIRoute
from pydantic import SecretStr

from orchestrator.api.auth import ANY_KEY, PUBLIC, required_scope
from orchestrator.settings import ServerSettings
from tests.api.conftest import Server, StartServer

ALL = "sk-all-0123456789abcdef"
CHAT_ONLY = "sk-chat-0123456789abcdef"
OTHER = "sk-other-0123456789abcdef"
KEYS = f"ann:{ALL}:chat+jobs:read+jobs:write+films+admin,ben:{CHAT_ONLY}:chat,eve:{OTHER}"
UNKNOWN_ID = "00000000-0000-7000-8000-000000000000"


@pytest.fixture
async def guarded(start_server: StartServer) -> Server:
    return await start_server(server=ServerSettings(api_keys=SecretStr(KEYS), cors_allowed_origins=["https://ok.test"]))


def every_route(server: Server) -> list[tuple[str, str]]:
    """Method and example path of everything that is served."""
    found = [("GET", "/openapi.json")]
    found += [("POST", prefix + path) for prefix in ("", "/v1") for path in sorted(server.api.direct)]
    for route in _flatten(server.api.routes.routes):
        for method in route.methods:
            found.append((method, re.sub(r"\{[^}]+\}", UNKNOWN_ID, route.path)))
    assert len(found) > 30
    return found


def _flatten(routes: object) -> list[APIRoute]:
    found: list[APIRoute] = []
    for route in routes:  # type: ignore[attr-defined]
        if isinstance(route, APIRoute):
            found.append(route)
        elif hasattr(route, "effective_candidates"):
            found += [c for c in route.effective_candidates() if hasattr(c, "methods")]
    return found


async def test_every_route_has_a_policy(guarded: Server) -> None:  # M7
    without = [(method, path) for method, path in every_route(guarded) if required_scope(method, path) is None]
    assert without == []


SYSTEM_PATHS = {"/health", "/healthz", "/capabilities.json"}
ICONS = {f"/favicon.{kind}" for kind in ("svg", "ico", "png")}
PUBLIC_PATHS = {"/", "/index.html", "/api/session"} | ICONS | SYSTEM_PATHS | {f"/v1{path}" for path in SYSTEM_PATHS}


async def test_route_by_key_matrix(guarded: Server) -> None:  # M7
    """Every route with no key, a wrong key, a key without the scope, a key with it, in each header form."""
    for method, path in every_route(guarded):
        scope = required_scope(method, path)
        if scope is None:
            continue
        if scope == PUBLIC:
            assert path in PUBLIC_PATHS or path.startswith("/assets/")
            continue
        for headers, expected in (
            ({}, 401),
            ({"authorization": "Bearer sk-wrong-0123456789"}, 401),
            ({"x-api-key": "sk-wrong-0123456789"}, 401),
            ({"authorization": f"Basic {ALL}"}, 401),
            ({"cookie": "committee_session=made-up"}, 401),
            ({"authorization": f"Bearer {CHAT_ONLY}"}, None if scope in {"chat", ANY_KEY} else 403),
            ({"x-api-key": CHAT_ONLY}, None if scope in {"chat", ANY_KEY} else 403),
            ({"authorization": f"Bearer {ALL}"}, None),
        ):
            async with guarded.http.request(method, guarded.url + path, headers=headers) as response:
                status = response.status
            if expected is None:
                assert status not in {401, 403}, (method, path, headers, status)
            else:
                assert status == expected, (method, path, headers, status)


async def test_another_owners_things_do_not_exist(guarded: Server) -> None:
    mine, theirs = {"authorization": f"Bearer {ALL}"}, {"authorization": f"Bearer {OTHER}"}
    status, made = await guarded.post("/api/conversations", {"title": "mine"}, **mine)
    assert status == 201
    path = f"/api/conversations/{made['id']}"
    assert (await guarded.get(path + "/messages", **theirs))[0] == 404
    assert (await guarded.post(path + "/messages", {"content": "hi"}, **theirs))[0] == 404
    async with guarded.http.delete(guarded.url + path, headers=theirs) as response:
        assert response.status == 404
    assert (await guarded.get("/api/conversations", **theirs))[1]["total"] == 0
    assert (await guarded.get(path + "/messages", **mine))[0] == 200
    artifact = await guarded.artifacts.put_bytes(b"x", name="a.png", media_type="image/png", owner="ann")
    async with guarded.http.get(guarded.url + artifact.url_path, headers=theirs) as response:
        assert response.status == 404
    async with guarded.http.get(guarded.url + artifact.url_path, headers=mine) as response:
        assert response.status == 200


async def test_a_chat_key_starts_no_jobs(guarded: Server) -> None:
    body = {"messages": [{"role": "user", "content": "Make a 10-second film about butterflies"}]}
    status, answer = await guarded.post("/v1/chat/completions", body, authorization=f"Bearer {CHAT_ONLY}")
    assert status == 200
    assert answer["committee"]["tool_results"] == []
    assert await guarded.job_count() == 0


async def test_a_session_stands_for_its_key(guarded: Server) -> None:
    async with guarded.http.get(guarded.url + "/api/session") as response:
        assert response.status == 401
    assert (await guarded.post("/api/session", {"api_key": "sk-wrong-0123456789"}))[0] == 401
    async with guarded.http.post(guarded.url + "/api/session", json={"api_key": ALL}) as response:
        assert response.status == 200
        assert (await response.json())["owner"] == "ann"
        cookie = response.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    token = cookie.partition("=")[2].partition(";")[0]
    stored = await guarded.db.fetchval("select token_sha256 from sessions")
    assert token.encode() not in bytes(stored)
    held = {"cookie": f"committee_session={token}"}
    assert (await guarded.get("/api/conversations", **held))[0] == 200
    async with guarded.http.delete(guarded.url + "/api/session", headers=held) as response:
        assert response.status == 204
    assert (await guarded.get("/api/conversations", **held))[0] == 401


FOREIGN_HOSTS = (
    "evil.test",
    "evil.test:8000",
    "127.0.0.1.evil.test",
    "localhost:80/evil.test",
    "localhost:80@evil.test",
    "[::1]evil.test",
    "localhost.evil.test",
    "[::2]",
    "0.0.0.0",
    "10.0.0.1",
)
OWN_HOSTS = ("localhost", "LOCALHOST:1", "127.0.0.1:99", "[::1]:8", "host.docker.internal:8")
FOREIGN_ORIGINS = ("https://evil.test", "null", "http://127.0.0.1:1", "file://", "https://ok.test.evil.test")


async def test_foreign_host_names_reach_nothing(server: Server) -> None:  # M6
    for host in FOREIGN_HOSTS:
        for method, path in (("GET", "/healthz"), ("POST", "/v1/chat/completions"), ("GET", "/nowhere")):
            async with server.http.request(method, server.url + path, headers={"host": host}) as response:
                assert response.status == 403, host
                assert (await response.json())["error"]["code"] == "host_not_allowed"


async def test_a_second_host_is_refused(server: Server) -> None:  # M6
    for first, second in (("evil.test", "localhost"), ("localhost", "evil.test"), ("localhost", "localhost")):
        reader, writer = await asyncio.open_connection("127.0.0.1", int(server.url.rpartition(":")[2]))
        writer.write(f"GET /health HTTP/1.1\r\nHost: {first}\r\nHost: {second}\r\nConnection: close\r\n\r\n".encode())
        assert (await reader.read()).startswith(b"HTTP/1.1 400 "), (first, second)
        writer.close()
        await writer.wait_closed()


async def test_own_host_names(server: Server) -> None:
    for host in OWN_HOSTS:
        async with server.http.get(server.url + "/health", headers={"host": host}) as response:
            assert response.status == 200, host


async def test_foreign_pages_change_nothing(guarded: Server) -> None:  # M6
    for origin in FOREIGN_ORIGINS:
        headers = {"origin": origin, "authorization": f"Bearer {ALL}"}
        for path in ("/v1/chat/completions", "/jobs", "/api/conversations", "/api/session"):
            async with guarded.http.post(guarded.url + path, json={}, headers=headers) as response:
                assert response.status == 403, origin
                assert (await response.json())["error"]["code"] == "origin_not_allowed"
                assert "access-control-allow-origin" not in response.headers
        preflight = {**headers, "access-control-request-method": "POST"}
        async with guarded.http.options(guarded.url + "/jobs", headers=preflight) as response:
            assert response.status == 403, origin
        async with guarded.http.get(guarded.url + "/v1/models", headers=headers) as response:
            assert "access-control-allow-origin" not in response.headers


async def test_an_origin_that_is_none_is_a_bad_request(guarded: Server) -> None:
    for origin in ("http://[", "http://[::1", "http://]"):
        async with guarded.http.get(guarded.url + "/health", headers={"origin": origin}) as response:
            assert response.status == 400, origin
            assert (await response.json())["error"]["param"] == "Origin"


async def test_own_and_configured_pages_may(guarded: Server) -> None:
    key = {"authorization": f"Bearer {ALL}"}
    for origin in (guarded.url, "https://ok.test", "vscode-webview://abc", "tauri://localhost"):
        headers = {**key, "origin": origin}
        async with guarded.http.post(guarded.url + "/api/conversations", json={}, headers=headers) as response:
            assert response.status == 201
            assert (response.headers.get("access-control-allow-origin") == origin) is (origin != guarded.url)
    preflight = {"origin": "https://ok.test", "access-control-request-method": "POST"}
    asked = {**preflight, "access-control-request-headers": "authorization, content-type, x-stainless-lang"}
    async with guarded.http.options(guarded.url + "/v1/chat/completions", headers=asked) as response:
        assert response.status == 204
        assert response.headers["access-control-allow-headers"] == "authorization, content-type, x-stainless-lang"


async def test_request_ids(server: Server) -> None:
    async with server.http.get(server.url + "/health", headers={"x-request-id": "abc-1"}) as response:
        assert response.headers["x-request-id"] == "abc-1"
    async with server.http.get(server.url + "/health", headers={"x-request-id": "a b<script>"}) as response:
        assert response.headers["x-request-id"].startswith("req_")
    async with server.http.get(server.url + "/nowhere") as response:
        assert response.headers["x-request-id"].startswith("req_")


async def test_headers_of_every_response(server: Server) -> None:
    for path in ("/", "/health", "/nowhere", "/v1/models"):
        async with server.http.get(server.url + path) as response:
            assert response.headers["x-content-type-options"] == "nosniff"
            assert "default-src 'none'" in response.headers["content-security-policy"]
            assert int(response.headers["openai-processing-ms"]) >= 0
