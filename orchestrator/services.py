"""Opens everything once and hands out a frozen `Services`; the only place that knows every class."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from committee import CalibrationInvalid, ChatBackend, Committee, CommitteeConfig, MemberConfig
from committee.calibration import Table
from committee.infill import Infill, InfillConfig
from committee.members import open_members as open_configured
from committee.refusals import Embed
from orchestrator.artifacts import ArtifactStore
from orchestrator.db.pool import Database
from orchestrator.errors import ConfigurationError
from orchestrator.films.pipeline import FilmDeps, film_kind
from orchestrator.films.planner import MemberPlanner
from orchestrator.films.store import FilmStore
from orchestrator.images.still import image_kind
from orchestrator.jobs.events import JobEvents
from orchestrator.jobs.model import JobKind
from orchestrator.jobs.store import JobStore
from orchestrator.settings import CommitteeSettings, Settings, parse_members, planner
from rag import Embedder
from rag.embedders import EmbedderConfig, open_embedder
from rag.embedders.lexical import LexicalEmbedder
from tools.film import film_tool
from tools.image import image_tool
from tools.jobs import job_cancel_tool, job_status_tool
from tools.registry import Tool, ToolRegistry

log = logging.getLogger(__name__)

WINDOW_VARIABLES = {"qwen3": "QWEN_NUM_CTX", "gptoss": "GPTOSS_NUM_CTX"}


@dataclass(frozen=True)
class Services:
    """What the routes and the worker work with; lives as long as the process."""

    settings: Settings
    db: Database
    jobs: JobStore
    events: JobEvents
    kinds: dict[str, JobKind]
    films: FilmStore
    committee: Committee
    tools: ToolRegistry
    artifacts: ArtifactStore
    embedder: Embedder
    infill: Infill | None


@asynccontextmanager
async def open_services(settings: Settings, dsn: str) -> AsyncIterator[Services]:
    """Open everything on a migrated database; closed in the opposite order at the end."""
    async with AsyncExitStack() as stack:
        db = await Database.open(dsn, timeout_s=settings.database.db_timeout_s, size=settings.database.db_pool_size)
        stack.push_async_callback(db.close)
        embedder = open_embedder(embedder_config(settings))
        stack.push_async_callback(embedder.aclose)
        infill = open_infill(settings)
        if infill is not None:
            stack.push_async_callback(infill.aclose)
        members = await open_members(settings.committee)
        stack.push_async_callback(close_members, members)
        committee = Committee(
            members,
            planner=planner(settings.committee),
            config=deliberation_config(settings.committee),
            table=calibration(settings),
            variables=WINDOW_VARIABLES,
            embed=_meaning(embedder),
        )
        artifacts = ArtifactStore(settings.server.data_dir / "artifacts", db)
        films = FilmStore(db)
        kinds = _kinds(settings, films, artifacts, committee)
        jobs = JobStore(db, kinds, queue_max=settings.jobs.job_queue_max)
        events = JobEvents(db, jobs)
        events.start()
        stack.push_async_callback(events.close)
        yield Services(
            settings=settings,
            db=db,
            jobs=jobs,
            events=events,
            kinds=kinds,
            films=films,
            committee=committee,
            tools=open_tools(settings),
            artifacts=artifacts,
            embedder=embedder,
            infill=infill,
        )


async def open_members(settings: CommitteeSettings) -> Sequence[ChatBackend]:
    """All members, each behind whatever answers at its address; takes a few seconds at most and never fails.

    Raises ConfigurationError when COMMITTEE_MEMBERS cannot be read.
    """
    return await open_configured(_member_configs(settings))


def _member_configs(settings: CommitteeSettings) -> list[MemberConfig]:
    member = partial(
        MemberConfig,
        keep_alive=settings.ollama_keep_alive,
        cold_load_s=settings.cold_load_timeout_s,
        parallel=settings.ollama_num_parallel,
    )
    qwen = member(
        name="qwen3",
        model=settings.qwen_model_id,
        base_url=settings.qwen_base_url,
        api=settings.qwen_api,
        api_key=settings.qwen_api_key.get_secret_value(),
        also_try=(settings.gptoss_base_url,),
        num_ctx=settings.qwen_num_ctx or settings.given_num_ctx,
        model_variable="QWEN_MODEL_ID",
        url_variable="QWEN_BASE_URL",
        window_variable=WINDOW_VARIABLES["qwen3"],
    )
    gptoss = member(
        name="gptoss",
        model=settings.gptoss_model_id,
        base_url=settings.gptoss_base_url,
        api=settings.gptoss_api,
        api_key=settings.gptoss_api_key.get_secret_value(),
        also_try=(settings.qwen_base_url,),
        num_ctx=settings.gptoss_num_ctx or settings.given_num_ctx,
        model_variable="GPTOSS_MODEL_ID",
        url_variable="GPTOSS_BASE_URL",
        window_variable=WINDOW_VARIABLES["gptoss"],
    )
    more = [
        member(
            name=extra.name,
            model=extra.model,
            base_url=extra.base_url,
            num_ctx=settings.given_num_ctx,
            model_variable="COMMITTEE_MEMBERS",
            url_variable="COMMITTEE_MEMBERS",
            window_variable="DEFAULT_NUM_CTX",
        )
        for extra in parse_members(settings.committee_members)
    ]
    return [qwen, gptoss, *more]


def calibration_path(settings: Settings) -> Path:
    """Where the calibration table is, or would be."""
    return settings.committee.calibration_table or settings.server.data_dir / "calibration.json"


def calibration(settings: Settings) -> Table | None:
    """The calibration table, when there is one.

    Raises ConfigurationError when CALIBRATION_TABLE names one that cannot be read; a broken one that nobody named is
    left out, and the log says so.
    """
    path = calibration_path(settings)
    if settings.committee.calibration_table is None and not path.exists():
        return None
    try:
        return Table.load(path)
    except CalibrationInvalid as error:
        if settings.committee.calibration_table is not None:
            raise ConfigurationError(f"CALIBRATION_TABLE: {error.message}") from error
        log.warning("calibration ignored", extra={"cause": error.message})
        return None


async def close_members(members: Sequence[ChatBackend]) -> None:
    await asyncio.gather(*(member.aclose() for member in members))


def open_infill(all_settings: Settings) -> Infill | None:
    """The model that fills gaps in code, when one is configured."""
    settings = all_settings.infill
    if not settings.fim_model_id:
        return None
    return Infill(
        InfillConfig(
            model=settings.fim_model_id,
            base_url=settings.fim_base_url,
            api=settings.fim_api,
            api_key=settings.fim_api_key.get_secret_value(),
            num_ctx=settings.fim_num_ctx,
            keep_alive=all_settings.committee.ollama_keep_alive,
            timeout_s=settings.fim_timeout_s,
        )
    )


def embedder_config(all_settings: Settings) -> EmbedderConfig:
    """Which embedder the settings ask for."""
    settings = all_settings.embedder
    return EmbedderConfig(
        model=settings.embed_model_id,
        base_url=settings.embed_base_url,
        api=settings.embed_api,
        api_key=settings.embed_api_key.get_secret_value(),
        keep_alive=all_settings.committee.ollama_keep_alive,
    )


def _meaning(embedder: Embedder) -> Embed | None:
    """The embedder as the committee knows it; None for the lexical one: words that agree are not yet a meaning."""
    if isinstance(embedder, LexicalEmbedder):
        return None

    async def embed(texts: Sequence[str]) -> Sequence[Sequence[float]]:
        return (await embedder.embed(texts)).vectors

    return embed


def deliberation_config(settings: CommitteeSettings) -> CommitteeConfig:
    """How the members deliberate, by the settings."""
    return CommitteeConfig(
        temperature=settings.default_temperature,
        debate_turns=settings.max_debate_turns if settings.enable_debate else 0,
        probe_timeout_s=settings.probe_timeout_s,
        cross_check_timeout_s=settings.cross_check_timeout_s,
        verdict_timeout_s=settings.verdict_timeout_s,
        choose_timeout_s=settings.choose_timeout_s,
        evidence_timeout_s=settings.evidence_timeout_s,
        grace_s=settings.grace_s,
        first_byte_timeout_s=settings.first_byte_timeout_s,
        speak_idle_timeout_s=settings.speak_idle_timeout_s,
        speak_timeout_s=settings.speak_timeout_s,
        slow_window_s=settings.slow_window_s,
        slowest_tokens_per_s=settings.slowest_tokens_per_s,
        cold_load_timeout_s=settings.cold_load_timeout_s,
        turn_timeout_s=settings.turn_timeout_s,
        hidden_tokens=settings.hidden_tokens_max,
        queue_per_member=settings.member_queue_max,
        queue_timeout_s=settings.member_queue_timeout_s,
        pack_context=settings.icw_enabled,
    )


def _kinds(settings: Settings, films: FilmStore, artifacts: ArtifactStore, committee: Committee) -> dict[str, JobKind]:
    work_dir = settings.server.data_dir / "work"
    kinds = [image_kind(artifacts, work_dir)]
    if settings.tools.film_enabled:
        planner = next(member for member in committee.members if member.name == committee.planner)
        kinds.append(
            film_kind(
                FilmDeps(
                    store=films,
                    artifacts=artifacts,
                    work_dir=work_dir,
                    planner=MemberPlanner(planner),
                    processes=settings.jobs.render_processes,
                )
            )
        )
    return {kind.name: kind for kind in kinds}


def open_tools(settings: Settings) -> ToolRegistry:
    """The tools that the committee has, by the settings."""
    return ToolRegistry(_tools(settings))


def _tools(settings: Settings) -> list[Tool]:
    tools = [image_tool(), job_status_tool(), job_cancel_tool()]
    return [film_tool(), *tools] if settings.tools.film_enabled else tools
