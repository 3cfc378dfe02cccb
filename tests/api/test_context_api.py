"""The context packer and segmented output over HTTP, through the real gate."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import SecretStr

from orchestrator.settings import CommitteeSettings, ServerSettings
from tests.api.conftest import Server, StartServer

CANDIDATES: list[dict[str, Any]] = [
    {
        "id": f"doc-{number}",
        "title": f"Garden notes {number}",
        "content": f"Note {number}: roses need sun. " + " ".join(f"w{number}x{n}" for n in range(200)),
        "url": f"https://garden{number}.org/notes",
        "published_at": f"202{number}-05-01",
        "source": {"domain": f"garden{number}.org", "owner": ""},
        "kind": "primary",
        "metadata": {"modality": "text", "lang": "en"},
    }
    for number in range(6)
]


async def test_a_pack_has_the_promised_shape(server: Server) -> None:  # C145
    body = {
        "seed": 7,
        "budget_tokens": 1200,
        "goal": "Advise.",
        "query": "What do roses need?",
        "candidates": CANDIDATES,
    }
    status, packed = await server.post("/context/pack", body)
    assert status == 200
    assert packed.keys() == {
        "run_id", "seed", "icw_version", "budget_tokens", "estimated_tokens", "scores_summary", "evidence_index",
        "sections", "audit", "telemetry",
    }  # fmt: skip
    assert packed["icw_version"] == "1.0.0"
    assert packed["seed"] == 7
    assert packed["estimated_tokens"] <= 1200
    assert packed["scores_summary"].keys() == {"selected", "independence_index", "dup_rate"}
    assert packed["sections"].keys() == {"QUERY", "GOAL", "PACK"}
    assert packed["evidence_index"][0].keys() == {
        "id", "url", "hash", "kind", "authority", "recency", "diversity", "compression_tier", "char_count",
    }  # fmt: skip
    assert packed["evidence_index"][0]["id"] == "doc-5"  # the newest of equals
    assert (await server.post("/v1/context/pack", body))[1] == packed
    assert (await server.post("/context/pack", {**body, "candidates": CANDIDATES[::-1]}))[1] == packed


async def test_a_large_pack_runs_beside_the_event_loop(server: Server) -> None:
    large = [{**candidate, "content": candidate["content"] * 100} for candidate in CANDIDATES]
    status, packed = await server.post("/context/pack", {"query": "roses", "candidates": large})
    assert status == 200
    assert packed["estimated_tokens"] <= 3500


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"candidates": "none"}, "candidates"),
        ({"budget_tokens": 0}, "budget_tokens"),
        ({"policies": {"time_horizon": "lately"}}, "policies.time_horizon"),
        ({"policies": {"time_horizon": "2025-01-01..2024-01-01"}}, "policies.time_horizon"),
        ({"policies": {"reserve_frac": 1.5}}, "policies.reserve_frac"),
        ({"candidates": [{"id": "a", "published_at": 5}]}, "candidates.0.published_at"),
        ({"candidates": [{"id": "a", "kind": "gossip"}]}, "candidates.0.kind"),
        ({"candidates": [{"id": "a b", "content": "x"}]}, "candidates.id"),
        ({"candidates": [{"id": "a", "content": "x"}] * 2}, "candidates.id"),
    ],
)
async def test_what_cannot_be_meant_is_a_400(server: Server, change: dict[str, Any], param: str) -> None:
    status, body = await server.post("/context/pack", {"query": "roses", "candidates": CANDIDATES, **change})
    assert (status, body["error"]["param"]) == (400, param)
    assert body["error"]["type"] == "invalid_request_error"


async def test_nothing_viable_is_a_409_with_gaps(server: Server) -> None:
    body = {"query": "roses", "candidates": CANDIDATES, "policies": {"time_horizon": "1990-01-01..1999-12-31"}}
    status, answer = await server.post("/context/pack", body)
    assert (status, answer["error"]["code"]) == (409, "nothing_viable")
    assert answer["GAPS"] == ["6 of the candidates lie outside the time horizon."]


async def test_long_output_comes_in_segments(server: Server) -> None:  # C145
    text = "\n\n".join(f"# Part {n}\n\n" + "Roses need sun [#doc-1]. " * 60 for n in range(5))
    body: dict[str, Any] = {"text": text, "segment_tokens": 500, "evidence_index": [{"id": "doc-1", "url": "x"}]}
    status, planned = await server.post("/output/plan", body)
    assert status == 200
    parts, cursor = [], planned["cursor"]
    while cursor is not None:
        status, piece = await server.post("/output/render", {**body, "cursor": cursor})
        assert (status, piece["index"], piece["total"]) == (200, len(parts), len(planned["segments"]))
        parts.append(piece["text"])
        cursor = piece["cursor"]
    assert piece["done"]
    assert "".join(parts) == text


async def test_output_errors_are_precise(server: Server) -> None:
    body: dict[str, Any] = {"text": "Roses need sun [#doc-9]. " * 100, "segment_tokens": 100}
    for path in ("/output/plan", "/output/render"):
        status, answer = await server.post(path, {**body, "evidence_index": [{"id": "doc-1"}]})
        assert (status, answer["error"]["code"]) == (422, "citation_mismatch")
        assert "doc-9" in answer["error"]["message"]
    status, answer = await server.post("/output/render", {**body, "cursor": "page 2"})
    assert (status, answer["error"]["param"]) == (400, "cursor")
    cursor = (await server.post("/output/plan", body))[1]["cursor"]
    status, answer = await server.post("/output/render", {**body, "text": "Something else.", "cursor": cursor})
    assert (status, answer["error"]["code"]) == (409, "stale_cursor")
    assert (await server.post("/output/plan", {**body, "text": ""}))[0] == 400


async def test_icw_enabled_tells_what_is_so(start_server: StartServer) -> None:  # C111
    server = await start_server()
    assert (await server.get("/healthz"))[1]["icw_enabled"] is True
    capabilities = (await server.get("/capabilities.json"))[1]
    assert capabilities["endpoints"]["icw_pack"] == "/context/pack"
    assert capabilities["versions"]["icw"] == "1.0.0"

    server = await start_server(committee=CommitteeSettings(icw_enabled=False))
    assert (await server.get("/healthz"))[1]["icw_enabled"] is False
    capabilities = (await server.get("/capabilities.json"))[1]
    assert "icw_pack" not in capabilities["endpoints"]
    assert "icw" not in capabilities["versions"]
    for path in ("/context/pack", "/output/plan", "/output/render"):
        body = {"query": "roses", "candidates": CANDIDATES, "text": "Roses."}
        status, answer = await server.post(path, body)
        assert (status, answer["error"]["code"]) == (404, "icw_disabled")
        assert "ICW_ENABLED" in answer["error"]["message"]


async def test_packing_asks_for_the_chat_scope(start_server: StartServer) -> None:
    keys = SecretStr("reader:sk-reader-0123456789:jobs:read,talker:sk-talker-0123456789:chat")
    server = await start_server(server=ServerSettings(api_keys=keys))
    body = {"query": "roses", "candidates": CANDIDATES}
    for key, expected in (("sk-reader-0123456789", 403), ("sk-talker-0123456789", 200)):
        assert (await server.post("/context/pack", body, Authorization=f"Bearer {key}"))[0] == expected
    assert (await server.post("/context/pack", body))[0] == 401
