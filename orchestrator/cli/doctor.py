"""`committee doctor`: what is connected, what is embedded, and the next command to type."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, fields
from textwrap import indent
from typing import Any, Literal

import asyncpg
import httpx
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from committee import MemberError, MemberHealth
from committee.infill import Gap
from orchestrator.api.page import BUILT_PAGE
from orchestrator.cli.discovery import FoundOllama, candidate_urls, find_ollamas
from orchestrator.errors import ConfigurationError
from orchestrator.services import close_members, embedder_config, open_infill, open_members
from orchestrator.settings import CommitteeSettings, Settings, check_bind
from rag.embedders import open_embedder
from rag.embedders.lexical import NAME as LEXICAL
from rag.errors import EmbeddingError

State = Literal["ok", "embedded", "warn", "broken"]
_MARKS: dict[State, str] = {
    "ok": "[green]✓ connected[/]",
    "embedded": "[cyan]● embedded[/]",
    "warn": "[yellow]! look here[/]",
    "broken": "[red]✗ broken[/]",
}
_TIMEOUT_S = 3.0
_MODEL_TIMEOUT_S = 20.0  # it may have to be loaded
_EMBEDDED = "Postgres 18 with pgvector, run by the server in DATA_DIR"


@dataclass(frozen=True)
class Finding:
    """One line of the report; `next_step` is a command, a sentence or some lines, or empty."""

    part: str
    state: State
    detail: str
    next_step: str = ""


def examine(settings: Settings, console: Console) -> int:
    """Print the report. Returns the exit code: 1 when something is broken."""
    findings = asyncio.run(_examine(settings))
    table = Table(box=None, pad_edge=False)
    for heading in ("part", "state", "detail"):
        table.add_column(heading, overflow="fold")
    for finding in findings:
        table.add_row(finding.part, _MARKS[finding.state], escape(finding.detail))
    console.print(table)
    if steps := [finding.next_step for finding in findings if finding.next_step]:
        console.print("\n[bold]Next:[/]")
        for step in steps:
            console.print(indent(escape(step), "  "), highlight=False, soft_wrap=True)
    return 1 if any(finding.state == "broken" for finding in findings) else 0


async def _examine(settings: Settings) -> list[Finding]:
    committee = settings.committee
    (server, seen), ollamas = await asyncio.gather(
        _server(settings), find_ollamas(candidate_urls(committee.qwen_base_url, committee.gptoss_base_url))
    )
    if seen is None:
        database, members = await asyncio.gather(_database(settings), _members(committee))
    else:
        # It may have been started with other variables: what it sees is what counts.
        database, members = _database_of(seen), _members_of(seen)
    beside = await asyncio.gather(_embeddings(settings), _completion(settings))
    return [
        _bind(settings, running=seen is not None),
        server,
        database,
        *(_member(health) for health in members),
        *_unused(ollamas, members, running=seen is not None),
        _page(),
        *filter(None, beside),
        Finding("pictures and films", "embedded", "procedural preview renderer (fidelity: preview)"),
    ]


def _bind(settings: Settings, *, running: bool) -> Finding:
    server = settings.server
    try:
        check_bind(server)
    except ConfigurationError as error:
        return Finding("address", "broken", error.message, "Set API_KEYS or HOST=127.0.0.1 in .env")
    keys = "with API keys" if server.api_keys.get_secret_value() else "without keys"
    whose = "as set here, where the server may have other settings: " if running else ""
    detail = f"{whose}{server.host}:{server.port}, {keys}; data in {server.data_dir.resolve()}"
    return Finding("address", "ok", detail)


async def _server(settings: Settings) -> tuple[Finding, dict[str, Any] | None]:
    """Who answers at the address, and what a server of ours says about its health."""
    url = settings.server.base_url
    try:
        seen = await _health(url)
    except httpx.HTTPError:
        return Finding("server", "warn", f"not running at {url}", "Start it: make run"), None
    except (ValueError, AttributeError):
        seen = None
    if seen is None:
        taken = f"something else answers at {url}"
        return Finding("server", "warn", taken, "Choose another port: PORT=8010 make run"), None
    detail = f"answers at {url}; database and members below are as the running server sees them"
    if not seen.get("members"):
        return Finding("server", "warn", f"{detail}; it does not say yet who its members are", "Look again soon"), seen
    return Finding("server", "ok", detail), seen


async def _health(url: str) -> dict[str, Any] | None:
    """The body of /healthz once it knows the members; None when it is not one of ours."""
    deadline = time.monotonic() + _TIMEOUT_S
    async with httpx.AsyncClient(timeout=_TIMEOUT_S, trust_env=False) as http:
        while True:
            body: dict[str, Any] = (await http.get(f"{url}/healthz")).json()
            if not body.get("openai_compat"):
                return None
            # It answers at once, also while it still asks its members.
            if body.get("members") or time.monotonic() > deadline:
                return body
            await asyncio.sleep(0.2)


async def _embeddings(settings: Settings) -> Finding:
    embedder = open_embedder(embedder_config(settings))
    try:
        if embedder.name == LEXICAL:
            return Finding("embeddings", "embedded", "lexical: compares words, not meanings (EMBED_MODEL_ID)")
        async with asyncio.timeout(_MODEL_TIMEOUT_S):
            await embedder.embed(["ping"])
        return Finding("embeddings", "ok", f"{embedder.name}, {embedder.dimensions} dimensions")
    except TimeoutError:
        return Finding("embeddings", "warn", f"{embedder.name} did not answer within {_MODEL_TIMEOUT_S:g} s")
    except EmbeddingError as error:
        return Finding("embeddings", "broken", error.message, "Start that server, or unset EMBED_MODEL_ID")
    finally:
        await embedder.aclose()


async def _completion(settings: Settings) -> Finding | None:
    part = "completion while typing"
    infill = open_infill(settings)
    if infill is None:
        return None  # nothing stands in for it
    try:
        async with (
            asyncio.timeout(_MODEL_TIMEOUT_S),
            aclosing(infill.fill(Gap("1 + ", " = 2", max_tokens=1))) as deltas,
        ):
            async for _ in deltas:
                pass
        return Finding(part, "ok", infill.model)
    except TimeoutError:
        return Finding(part, "warn", f"{infill.model} did not answer within {_MODEL_TIMEOUT_S:g} s")
    except MemberError as error:
        return Finding(part, "broken", error.message, "Start that server, or unset FIM_MODEL_ID")
    finally:
        await infill.aclose()


def _database_of(seen: Mapping[str, Any]) -> Finding:
    database = seen.get("database") or {}
    if not database.get("ok"):
        detail = "the running server's database does not answer"
        return Finding("database", "broken", detail, "Look at the server's log, or start it again: make run")
    if database.get("kind") == "embedded":
        return Finding("database", "embedded", _EMBEDDED)
    return Finding("database", "ok", "your Postgres, as the server was told")


def _members_of(seen: Mapping[str, Any]) -> list[MemberHealth]:
    """The members that /healthz lists; it keeps their addresses to itself."""
    known = {field.name for field in fields(MemberHealth)} - {"base_url"}
    return [
        MemberHealth(base_url=None, **{name: value for name, value in view.items() if name in known})
        for view in seen.get("members") or ()
    ]


async def _database(settings: Settings) -> Finding:
    dsn = settings.database.external_dsn
    if dsn is None:
        return Finding("database", "embedded", _EMBEDDED)
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            connection = await asyncpg.connect(dsn)
        try:
            version = await connection.fetchval("select current_setting('server_version')", timeout=_TIMEOUT_S)
            number = await connection.fetchval("select current_setting('server_version_num')::int", timeout=_TIMEOUT_S)
        finally:
            connection.terminate()
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, ValueError) as error:
        reason = str(error) or type(error).__name__
        return Finding(
            "database", "broken", f"DATABASE_URL does not answer: {reason}", "Check DATABASE_URL, or unset it"
        )
    if number < 140000:
        return Finding("database", "broken", f"Postgres {version} is too old", "Use Postgres 14 or later")
    return Finding("database", "ok", f"Postgres {version} (DATABASE_URL)")


async def _members(settings: CommitteeSettings) -> Sequence[MemberHealth]:
    members = await open_members(settings)
    try:
        return await asyncio.gather(*(member.health() for member in members))
    finally:
        await close_members(members)


def _member(health: MemberHealth) -> Finding:
    part = f"member {health.name}"
    if health.stand_in:
        detail = "offline stand-in: it follows rules, it is not a language model"
        return Finding(part, "embedded", f"{detail}. {health.note}".strip(" ."))
    if not health.reachable or health.model is None:
        return Finding(part, "broken", health.note or f"{health.base_url or 'its server'} does not answer")
    place = f" at {health.base_url}" if health.base_url else ""
    facts = [f"{health.model}{place} ({health.kind})"]
    if health.loaded is not None:
        facts.append("loaded" if health.loaded else "not loaded yet")
    if health.context_length:
        facts.append(f"context really loaded: {health.context_length} tokens")
    if health.window:
        facts.append(f"window: {health.window} tokens")
    if health.note:
        facts.append(health.note)
    return Finding(part, "warn" if health.note else "ok", "; ".join(facts))


def _unused(ollamas: Sequence[FoundOllama], members: Sequence[MemberHealth], *, running: bool) -> list[Finding]:
    """Ollamas that answer but serve no member, and members that lack a model where they live."""
    findings = []
    standing_in = [member for member in members if member.stand_in or member.model is None]
    for ollama in ollamas:
        listed = ", ".join(ollama.models[:6]) or "no model installed"
        loaded = ", ".join(f"{name} with {length or '?'} tokens" for name, length in ollama.loaded.items())
        detail = f"version {ollama.version}; {listed}" + (f"; loaded: {loaded}" if loaded else "")
        step = ""
        if standing_in:
            step = _adopt(ollama, running=running)
        findings.append(Finding(f"Ollama at {ollama.base_url}", "ok", detail, step))
    if not ollamas and standing_in:
        findings.append(
            Finding(
                "Ollama",
                "warn",
                "none found on this machine, its container host or the Windows side of WSL2",
                "Install one from https://ollama.com, then: ollama serve, and: .venv/bin/committee pull",
            )
        )
    return findings


def _adopt(ollama: FoundOllama, *, running: bool) -> str:
    """The lines for `.env`, where every later command reads them, that make both members live in this Ollama."""
    where = f"QWEN_BASE_URL={ollama.base_url}", f"GPTOSS_BASE_URL={ollama.base_url}"
    command = "stop the server, and: make run" if running else "make run"
    if ollama.models:
        first, second = ollama.models[0], ollama.models[min(1, len(ollama.models) - 1)]
        lines = [where[0], f"QWEN_MODEL_ID={first}", where[1], f"GPTOSS_MODEL_ID={second}"]
    else:
        lines, command = list(where), f".venv/bin/committee pull, then {command}"
    told = [f"To use the Ollama at {ollama.base_url}, have these lines in .env:", *(f"  {line}" for line in lines)]
    return "\n".join([*told, f"then: {command}"])


def _page() -> Finding:
    if (BUILT_PAGE / "index.html").is_file():
        return Finding("chat page", "ok", "built; served at /")
    return Finding("chat page", "warn", "not built", "Build it: make setup")
