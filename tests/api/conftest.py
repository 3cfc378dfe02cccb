"""A real server per test: uvicorn on a free port, a database of its own, offline or fake members."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import uvicorn

from committee import Committee, CommitteeConfig, MemberConfig
from committee.infill import Infill
from committee.members import open_members
from committee.refusals import Embed
from orchestrator.api.auth import principal_of
from orchestrator.api.films import films_router
from orchestrator.api.routes import Api, create_api
from orchestrator.artifacts import ArtifactStore
from orchestrator.db.pool import Database
from orchestrator.films.store import FilmStore
from orchestrator.images.still import image_kind
from orchestrator.jobs.events import JobEvents
from orchestrator.jobs.model import JobKind
from orchestrator.jobs.store import JobStore
from orchestrator.settings import CommitteeSettings, JobSettings, ServerSettings, Settings, ToolSettings
from rag import Embedder
from tests.fakes.ollama import FakeOllama
from tools.film import FilmRequest, film_tool
from tools.image import image_tool
from tools.jobs import job_cancel_tool, job_status_tool
from tools.registry import Tool, ToolRegistry


@dataclass
class Server:
    """A running server and what is behind it."""

    url: str
    api: Api
    db: Database
    jobs: JobStore
    artifacts: ArtifactStore
    http: aiohttp.ClientSession
    settings: Settings = field(repr=False)

    async def job_count(self) -> int:
        return int(await self.db.fetchval("select count(*) from jobs"))

    async def post(self, path: str, body: Any, **headers: str) -> tuple[int, Any]:
        async with self.http.post(self.url + path, json=body, headers=headers) as response:
            return response.status, await response.json(content_type=None)

    async def get(self, path: str, **headers: str) -> tuple[int, Any]:
        async with self.http.get(self.url + path, headers=headers) as response:
            return response.status, await response.json(content_type=None)


StartServer = Callable[..., Awaitable[Server]]


@pytest.fixture
async def start_server(db: Database, tmp_path: Path) -> AsyncIterator[StartServer]:
    """Start servers; `ollamas` gives the members' fake servers, without them the members are offline, and `configs`
    says everything about them."""
    async with AsyncExitStack() as stack:

        async def start(
            *,
            ollamas: Sequence[FakeOllama] = (),
            configs: Sequence[MemberConfig] = (),
            server: ServerSettings | None = None,
            committee: CommitteeSettings | None = None,
            tools: ToolSettings | None = None,
            config: CommitteeConfig | None = None,
            more_tools: Sequence[Tool] = (),
            embed: Embed | None = None,
            jobs_settings: JobSettings | None = None,
            embedder: Embedder | None = None,
            infill: Infill | None = None,
        ) -> Server:
            settings = Settings(
                server=server or ServerSettings(data_dir=tmp_path),
                committee=committee or CommitteeSettings(),
                tools=tools or ToolSettings(),
                jobs=jobs_settings or JobSettings(),
            )
            artifacts = ArtifactStore(tmp_path / "artifacts", db)
            kinds = {
                "film.run": JobKind("film.run", FilmRequest, _nobody_works_here),
                "image.generate": image_kind(artifacts, tmp_path / "work"),
            }
            jobs = JobStore(db, kinds)
            events = JobEvents(db, jobs)
            events.start()
            stack.push_async_callback(events.close)
            backends = await open_members(configs or _configs(ollamas))
            members = Committee(backends, planner="qwen3", config=config, embed=embed)
            stack.push_async_callback(members.aclose)
            api = create_api(
                settings=settings,
                db=db,
                jobs=jobs,
                events=events,
                kinds=kinds,
                committee=members,
                tools=ToolRegistry([film_tool(), image_tool(), job_status_tool(), job_cancel_tool(), *more_tools]),
                artifacts=artifacts,
                embedder=embedder,
                infill=infill,
                more_routers=[films_router(FilmStore(db), principal_of)],
            )
            stack.push_async_callback(api.aclose)
            url = await _serve(api, stack)
            http = await stack.enter_async_context(aiohttp.ClientSession())
            return Server(url, api, db, jobs, artifacts, http, settings)

        yield start


@pytest.fixture
async def ollamas() -> AsyncIterator[tuple[FakeOllama, FakeOllama]]:
    """Two fake model servers."""
    async with FakeOllama("qwen3:32b") as qwen, FakeOllama("gpt-oss:20b") as gptoss:
        yield qwen, gptoss


@pytest.fixture
async def server(start_server: StartServer) -> Server:
    """A server with offline members and no keys."""
    return await start_server()


@pytest.fixture
async def model_server(start_server: StartServer, ollamas: tuple[FakeOllama, FakeOllama]) -> Server:
    """A server whose members are the fake model servers."""
    return await start_server(ollamas=ollamas)


def _configs(ollamas: Sequence[FakeOllama]) -> list[MemberConfig]:
    names = (("qwen3", "qwen3:32b"), ("gptoss", "gpt-oss:20b"))
    return [
        MemberConfig(
            name,
            model,
            ollama.base_url if ollama else "http://127.0.0.1:9",
            "ollama" if ollama else "offline",
            parallel=4,  # of several turns none is to wait for another's end
        )
        for (name, model), ollama in itertools.zip_longest(names, ollamas)
    ]


async def _nobody_works_here(_job: Any) -> dict[str, Any]:
    raise AssertionError("these tests start jobs and do not run them")


async def _serve(api: Api, stack: AsyncExitStack) -> str:
    config = uvicorn.Config(api.app, port=0, log_config=None, lifespan="off", timeout_graceful_shutdown=1)
    uvicorn_server = uvicorn.Server(config)
    uvicorn_server.capture_signals = _no_signals  # type: ignore[method-assign]
    running = asyncio.create_task(uvicorn_server.serve())

    async def stop() -> None:
        uvicorn_server.should_exit = True
        await running

    stack.push_async_callback(stop)
    async with asyncio.timeout(10):
        while not uvicorn_server.started:
            await asyncio.sleep(0.005)
    port = uvicorn_server.servers[0].sockets[0].getsockname()[1]
    return f"http://127.0.0.1:{port}"


def _no_signals() -> Any:
    from contextlib import nullcontext

    return nullcontext()
