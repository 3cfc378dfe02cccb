"""`committee doctor`: what is connected, what is embedded, and the next command to type."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import asyncpg
import httpx
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from committee import MemberHealth
from orchestrator.api.page import BUILT_PAGE
from orchestrator.cli.discovery import FoundOllama, candidate_urls, find_ollamas
from orchestrator.errors import ConfigurationError
from orchestrator.services import close_members, open_members
from orchestrator.settings import CommitteeSettings, Settings, check_bind

State = Literal["ok", "embedded", "warn", "broken"]
_MARKS: dict[State, str] = {
    "ok": "[green]✓ connected[/]",
    "embedded": "[cyan]● embedded[/]",
    "warn": "[yellow]! look here[/]",
    "broken": "[red]✗ broken[/]",
}
_TIMEOUT_S = 3.0


@dataclass(frozen=True)
class Finding:
    """One line of the report; `next_step` is a command or a sentence, or empty."""

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
            console.print(f"  {escape(step)}", highlight=False, soft_wrap=True)
    return 1 if any(finding.state == "broken" for finding in findings) else 0


async def _examine(settings: Settings) -> list[Finding]:
    server, database, members, ollamas = await asyncio.gather(
        _server(settings),
        _database(settings),
        _members(settings.committee),
        find_ollamas(candidate_urls(settings.committee.qwen_base_url, settings.committee.gptoss_base_url)),
    )
    return [
        _bind(settings),
        server,
        database,
        *(_member(health) for health in members),
        *_unused(ollamas, members, settings.committee),
        _page(),
        Finding("pictures and films", "embedded", "procedural preview renderer (fidelity: preview)"),
    ]


def _bind(settings: Settings) -> Finding:
    server = settings.server
    try:
        check_bind(server)
    except ConfigurationError as error:
        return Finding("address", "broken", error.message, "Set API_KEYS or HOST=127.0.0.1 in .env")
    keys = "with API keys" if server.api_keys.get_secret_value() else "without keys"
    return Finding("address", "ok", f"{server.host}:{server.port}, {keys}; data in {server.data_dir.resolve()}")


async def _server(settings: Settings) -> Finding:
    url = settings.server.base_url
    try:
        async with httpx.AsyncClient(timeout=_TIMEOUT_S, trust_env=False) as http:
            body = (await http.get(f"{url}/healthz")).json()
        if body.get("openai_compat"):
            return Finding("server", "ok", f"answers at {url}")
        return Finding("server", "warn", f"something else answers at {url}", "Choose another port: PORT=8010 make run")
    except httpx.HTTPError:
        return Finding("server", "warn", f"not running at {url}", "Start it: make run")
    except (ValueError, AttributeError):
        return Finding("server", "warn", f"something else answers at {url}", "Choose another port: PORT=8010 make run")


async def _database(settings: Settings) -> Finding:
    dsn = settings.database.external_dsn
    if dsn is None:
        return Finding("database", "embedded", "Postgres 18 with pgvector, run by the server in DATA_DIR")
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
        return Finding(part, "broken", health.note or f"{health.base_url} does not answer")
    facts = [f"{health.model} at {health.base_url} ({health.kind})"]
    if health.loaded is not None:
        facts.append("loaded" if health.loaded else "not loaded yet")
    if health.context_length:
        facts.append(f"context really loaded: {health.context_length} tokens")
    if health.note:
        facts.append(health.note)
    return Finding(part, "warn" if health.note else "ok", "; ".join(facts))


def _unused(
    ollamas: Sequence[FoundOllama], members: Sequence[MemberHealth], settings: CommitteeSettings
) -> list[Finding]:
    """Ollamas that answer but serve no member, and members that lack a model where they live."""
    findings = []
    standing_in = [member for member in members if member.stand_in or member.model is None]
    for ollama in ollamas:
        listed = ", ".join(ollama.models[:6]) or "no model installed"
        loaded = ", ".join(f"{name} with {length or '?'} tokens" for name, length in ollama.loaded.items())
        detail = f"version {ollama.version}; {listed}" + (f"; loaded: {loaded}" if loaded else "")
        step = ""
        if standing_in:
            step = _adopt(ollama, settings)
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


def _adopt(ollama: FoundOllama, settings: CommitteeSettings) -> str:
    """The one line that makes both members live in this Ollama."""
    if not ollama.models:
        return f"QWEN_BASE_URL={ollama.base_url} GPTOSS_BASE_URL={ollama.base_url} .venv/bin/committee pull"
    first, second = ollama.models[0], ollama.models[min(1, len(ollama.models) - 1)]
    return (
        f"QWEN_BASE_URL={ollama.base_url} QWEN_MODEL_ID={first}"
        f" GPTOSS_BASE_URL={ollama.base_url} GPTOSS_MODEL_ID={second} make run"
    )


def _page() -> Finding:
    if (BUILT_PAGE / "index.html").is_file():
        return Finding("chat page", "ok", "built; served at /")
    return Finding("chat page", "warn", "not built", "Build it: make setup")
