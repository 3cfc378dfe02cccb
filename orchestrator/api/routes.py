"""All routes behind one gate: the HTTP API as one ASGI application."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version

from fastapi import APIRouter, FastAPI
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from committee import Committee
from committee.infill import Infill
from orchestrator.api import errors
from orchestrator.api.answering import Answering, Pacing
from orchestrator.api.artifacts import artifacts_router
from orchestrator.api.auth import Authenticator, principal_of
from orchestrator.api.completions import Completions
from orchestrator.api.context import context_router
from orchestrator.api.conversations import conversations_router
from orchestrator.api.count_tokens import CountTokens
from orchestrator.api.embeddings import EmbeddingsRoute
from orchestrator.api.gate import Gate
from orchestrator.api.images import MODEL as IMAGE_MODEL
from orchestrator.api.images import ImagesRoute
from orchestrator.api.jobs import jobs_router
from orchestrator.api.login import session_router
from orchestrator.api.page import page_router
from orchestrator.api.responses import responses_router
from orchestrator.api.sessions import SessionStore
from orchestrator.api.speech import MODEL as SPEECH_MODEL
from orchestrator.api.speech import SpeechRoute
from orchestrator.api.system import ListedModel, System, models_router, system_router
from orchestrator.api.unary import Unary
from orchestrator.api.uploads import uploads_router
from orchestrator.artifacts import ArtifactStore
from orchestrator.chat.attachments import Attachments
from orchestrator.chat.chat_completions import chat_completion, run
from orchestrator.chat.conversations import ConversationStore
from orchestrator.chat.dialect import Dialect
from orchestrator.chat.exchanges import ExchangeStore
from orchestrator.chat.messages import message
from orchestrator.chat.responses import response
from orchestrator.chat.turn import Turns
from orchestrator.db.pool import Database
from orchestrator.jobs.events import JobEvents
from orchestrator.jobs.model import JobKind
from orchestrator.jobs.store import JobStore
from orchestrator.settings import Settings, allowed_hosts, parse_api_keys, parse_model_aliases
from rag import Embedder
from rag.embedders.lexical import LexicalEmbedder
from tools.registry import ToolRegistry


@dataclass(frozen=True)
class Api:
    """The application, and what has to be closed when the server stops."""

    app: ASGIApp
    routes: FastAPI
    turns: Turns
    system: System
    speech: SpeechRoute
    direct: frozenset[str]  # paths that do not stand in `routes`; each is also served below `/v1`

    async def aclose(self) -> None:
        """Let started effects finish, stop background checks and child processes; before the database is closed."""
        await self.turns.aclose()
        await self.speech.aclose()
        await self.system.aclose()


def create_api(
    *,
    settings: Settings,
    db: Database,
    jobs: JobStore,
    events: JobEvents,
    kinds: dict[str, JobKind],
    committee: Committee,
    tools: ToolRegistry,
    artifacts: ArtifactStore,
    embedder: Embedder | None = None,
    infill: Infill | None = None,
    more_routers: Sequence[APIRouter] = (),
) -> Api:
    """Wire the HTTP API. `more_routers` (films) are served like the jobs: at the root and under `/api`.

    embedder: the lexical one if none is given. infill: the model that fills gaps, if there is one.
    """
    embedder = embedder or LexicalEmbedder()
    server = settings.server
    turns = Turns(
        committee,
        tools,
        jobs,
        exchanges=ExchangeStore(db),
        auto_execute=settings.tools.auto_execute_tools,
        most=server.max_concurrent_turns,
        aliases=parse_model_aliases(settings.committee.model_aliases),
    )
    film_enabled = settings.tools.film_enabled and "film.run" in kinds and "film.run" in tools.names()
    speech = SpeechRoute()
    system = System(settings, db, turns, film_enabled=film_enabled, beside=_beside(embedder, infill))
    authenticator = Authenticator(parse_api_keys(server.api_keys.get_secret_value()), SessionStore(db))
    attachments = Attachments(artifacts)
    pacing = Pacing(settings.committee.stream_chunk_size_chars, settings.committee.stream_chunk_interval_ms / 1000)

    routes = _fastapi(
        (("/v1", ""), models_router(system)),
        (("/v1", ""), responses_router()),
        (("", "/v1"), system_router(system)),
        (("", "/v1"), context_router(enabled=settings.committee.icw_enabled)),
        (("", "/v1", "/api"), uploads_router(artifacts, max_bytes=server.max_upload_bytes)),
        *((("", "/api"), router) for router in (jobs_router(jobs, events, kinds, principal_of), *more_routers)),
        (("/api",), conversations_router(ConversationStore(db), turns, attachments, pacing)),
        (("/api",), session_router(authenticator)),
        (("",), artifacts_router(artifacts)),
        (("",), page_router()),
    )

    def answering(dialect: Dialect) -> Answering:
        show = settings.committee.committee_show_reasoning
        return Answering(dialect, turns, attachments, show_reasoning=show, pacing=pacing)

    direct: dict[str, ASGIApp] = {
        "/chat/completions": answering(chat_completion),
        "/responses": answering(response),
        "/messages": answering(message),
        "/messages/count_tokens": Unary(CountTokens(turns.models)),
        "/run": answering(run),
        "/completions": (completions := Completions(turns, infill)),
        "/fim/completions": completions,
        "/embeddings": Unary(EmbeddingsRoute(embedder)),
        "/images/generations": Unary(ImagesRoute(jobs, events, kinds, artifacts, wait_s=settings.jobs.image_wait_s)),
        "/audio/speech": Unary(speech),
    }
    app = Gate(
        _Switch(direct, routes),
        authenticator=authenticator,
        allowed_hosts=allowed_hosts(server),
        cors_origins=server.cors_allowed_origins,
        max_body_bytes=server.max_body_bytes,
        max_upload_bytes=server.max_upload_bytes,
        base_url=server.base_url,
        public_base_url=server.public_base_url,
    )
    return Api(app, routes, turns, system, speech, frozenset(direct))


def _fastapi(*mounted: tuple[Sequence[str], APIRouter]) -> FastAPI:
    """Routers under their prefixes, each documented under the first of them."""
    # No documentation pages: they load scripts from foreign hosts. /openapi.json stays.
    routes = FastAPI(title="committee-server", version=version("committee-server"), docs_url=None, redoc_url=None)
    routes.router.redirect_slashes = False
    errors.install(routes)
    for prefixes, router in mounted:
        for prefix in prefixes:
            routes.include_router(router, prefix=prefix, include_in_schema=prefix == prefixes[0])
    return routes


def _beside(embedder: Embedder, infill: Infill | None) -> list[ListedModel]:
    """The models beside the committee, each with what it is for."""
    models = [
        ListedModel(embedder.name, ("embeddings",)),
        ListedModel(IMAGE_MODEL, ("images",)),
        ListedModel(SPEECH_MODEL, ("speech",)),
    ]
    if infill is not None:
        models.append(ListedModel(infill.model, ("completions", "infill"), infill.window))
    return models


class _Switch:
    """What answers a POST of its own accord goes straight to its route, with and without `/v1`; the rest goes through
    FastAPI.

    A trailing slash makes no difference.
    """

    def __init__(self, direct: Mapping[str, ASGIApp], routes: ASGIApp) -> None:
        self._direct = {f"{prefix}{path}": app for prefix in ("", "/v1") for path, app in direct.items()}
        self._routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "/")
        if len(path) > 1 and path.endswith("/"):
            path = path.rstrip("/") or "/"
            scope = {**scope, "path": path, "raw_path": path.encode()}
        app = self._direct.get(path, self._routes) if scope["type"] == "http" else self._routes
        if app is not self._routes and scope["method"] != "POST":
            raise HTTPException(405, headers={"allow": "POST"})
        await app(scope, receive, send)
