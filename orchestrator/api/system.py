"""What the server says about itself: models, health, capabilities, the members' state.

GET /v1/models, /v1/models/{id}    {"object": "list", "data": [{"id", "object", "created", "owned_by", ...}]}
GET /health                        {"status": "ok"}: the process answers
GET /healthz                       see `System.health`; 503 when the database does not answer
GET /capabilities.json             {"openai_compat", "endpoints", "tools", "versions", "config_hash"}
GET /debug                         the members asked right now (admin)
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any, Generic, TypeVar

import msgspec
from fastapi import APIRouter
from starlette.responses import JSONResponse

from committee import MemberHealth
from committee.context.icw import VERSION as ICW_VERSION
from orchestrator.chat.model_ids import COMMITTEE_ALIASES, COMMITTEE_MODEL
from orchestrator.chat.turn import Turns
from orchestrator.db.pool import Database
from orchestrator.errors import NotFound, OrchestratorError
from orchestrator.settings import Settings

log = logging.getLogger(__name__)

T = TypeVar("T")

FILM_VERSION = "2.0.0"
_LOOK_S = 0.08
_DB_FRESH_S = 1.0
_OVERDUE_S = 2.0
_MEMBERS_FRESH_S = 5.0


class Glance(Generic[T]):
    """The latest result of a check that may hang: looking at it never takes longer than asked.

    It holds as long as the last check succeeded and the one under way is not overdue: a busy machine answers late
    now and then, and that is no outage.
    """

    def __init__(self, check: Callable[[], Awaitable[T]], fresh_s: float) -> None:
        self._check = check
        self._fresh_s = fresh_s
        self._value: T | None = None
        self._failed = False
        self._began = self._ended = float("-inf")
        self._running: asyncio.Task[None] | None = None

    async def look(self, wait_s: float) -> tuple[T | None, bool]:
        """The latest value (None: none yet), and whether it holds."""
        idle = self._running is None or self._running.done()
        if idle and time.monotonic() - self._ended > self._fresh_s:
            self._began = time.monotonic()
            self._running = asyncio.create_task(self._refresh())
        if self._running is not None:
            await asyncio.wait({self._running}, timeout=wait_s)
        overdue = self._began > self._ended and time.monotonic() - self._began > _OVERDUE_S
        return self._value, not self._failed and not overdue

    async def aclose(self) -> None:
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)

    async def _refresh(self) -> None:
        try:
            self._value = await self._check()
            self._failed = False
        except OrchestratorError as error:
            self._failed = True
            log.warning("a health check failed", extra={"code": error.code})
        except Exception:
            self._failed = True  # whatever it was, this is no sign of health
            log.exception("a health check failed unexpectedly")
        finally:
            self._ended = time.monotonic()


@dataclass(frozen=True)
class ListedModel:
    """A model beside the committee, as the list of models shows it; `context_length` in tokens where it is known."""

    id: str
    capabilities: tuple[str, ...]
    context_length: int | None = None


class System:
    """Collects what the server says about itself."""

    def __init__(
        self,
        settings: Settings,
        db: Database,
        turns: Turns,
        *,
        film_enabled: bool,
        beside: Sequence[ListedModel] = (),
    ) -> None:
        self._beside = tuple(beside)
        self._settings = settings
        self._turns = turns
        self._film_enabled = film_enabled
        self._started = int(time.time())
        self._db = Glance(lambda: db.fetchval("select 1"), _DB_FRESH_S)
        self._members = Glance(turns.committee.health, _MEMBERS_FRESH_S)

    async def aclose(self) -> None:
        await self._db.aclose()
        await self._members.aclose()

    async def health(self) -> tuple[int, dict[str, Any]]:
        """Status and body of /healthz, within 100 ms whatever hangs.

        `ok` is the database's: the server takes requests. `degraded` means that a connected member does not answer;
        a stand-in is `stand_in` and not `reachable`, which is a known state and degrades nothing.
        """
        (_, db_ok), (members, _) = await asyncio.gather(self._db.look(_LOOK_S), self._members.look(_LOOK_S))
        views = [_member_view(member) for member in members or ()]
        real = [view for view in views if not view["stand_in"]]
        body = {
            "ok": db_ok,
            "openai_compat": True,
            "film_enabled": self._film_enabled,
            "teacher_enabled": False,
            "icw_enabled": self._settings.committee.icw_enabled,
            "ablation_enabled": False,
            "version": version("committee-server"),
            "degraded": any(not view["reachable"] for view in real),
            "database": {"ok": db_ok, "kind": self._database_kind()},
            "members": views,
            "parts": {
                "database": self._database_kind(),
                "members": "connected" if real else "offline" if views else "unknown",
                "renderer": "preview",
                "embedder": self._named("embeddings"),
                "infill": self._named("infill"),
            },
        }
        return (200 if db_ok else 503), body

    def capabilities(self) -> dict[str, Any]:
        endpoints: dict[str, Any] = {
            "chat_completions": "/v1/chat/completions",
            "responses": "/v1/responses",
            "messages": "/v1/messages",
            "completions": "/v1/completions",
            "fim_completions": "/v1/fim/completions",
            "embeddings": "/v1/embeddings",
            "images_generations": "/v1/images/generations",
            "audio_speech": "/v1/audio/speech",
            "run": "/run",
            "upload": "/upload",
            "models": "/v1/models",
            "jobs": "/jobs",
            "conversations": "/api/conversations",
            "session": "/api/session",
            "health": "/health",
            "healthz": "/healthz",
            "capabilities": "/capabilities.json",
            "debug": "/debug",
        }
        versions = {"server": version("committee-server")}
        if self._settings.committee.icw_enabled:
            endpoints["icw_pack"] = "/context/pack"
            endpoints["output"] = {"plan": "/output/plan", "render": "/output/render"}
            versions["icw"] = ICW_VERSION
        if self._film_enabled:
            endpoints["films"] = "/films"
            versions["film"] = FILM_VERSION
        return {
            "openai_compat": True,
            "model": COMMITTEE_MODEL,
            "endpoints": endpoints,
            "tools": self._turns.tools.names(),
            "auto_execute_tools": self._turns.auto_execute,
            "versions": versions,
            "config_hash": config_hash(self._settings),
        }

    async def debug(self) -> dict[str, Any]:
        """Every member asked now, and the first two under the names that older tools look for.

        `…_ok` is for the model server; while rules stand in for it this is false, and `…_detail` says so.
        """
        members = [_member_view(member) for member in await self._turns.committee.health()]
        named = dict(zip(("qwen", "gptoss"), members, strict=False))
        body: dict[str, Any] = {f"{name}_ok": member["reachable"] for name, member in named.items()}
        return body | {f"{name}_detail": member["note"] for name, member in named.items()} | {"members": members}

    def models(self) -> list[dict[str, Any]]:
        """The committee under its ids, each member by its model (by its name where the model tells nobody apart), and
        the models beside them."""
        members = self._turns.committee.members
        real = Counter(member.model for member in members if not member.stand_in)
        owners = {m.model if real[m.model] == 1 and not m.stand_in else m.name: m.name for m in members}
        windows = {member.name: member.window for member in members if not member.stand_in}
        # What the whole committee can read; one member may be able to read more.
        common = min((window for window in windows.values() if window is not None), default=None)
        chat = ("chat", "tools", "reasoning")
        listed = [
            *(ListedModel(name, chat, common) for name in (COMMITTEE_MODEL, *COMMITTEE_ALIASES)),
            *(ListedModel(name, chat, windows.get(member)) for name, member in owners.items()),
            *self._beside,
        ]
        return [self._entry(model, owners.get(model.id, "committee")) for model in listed]

    def _entry(self, model: ListedModel, owner: str) -> dict[str, Any]:
        entry = {"id": model.id, "object": "model", "created": self._started, "owned_by": owner}
        window = {} if model.context_length is None else {"context_length": model.context_length}
        return {**entry, "capabilities": list(model.capabilities), **window}

    def _named(self, capability: str) -> str:
        """The model beside the committee that can do it, or "none"."""
        return next((model.id for model in self._beside if capability in model.capabilities), "none")

    def _database_kind(self) -> str:
        return "connected" if self._settings.database.external_dsn else "embedded"


def system_router(system: System) -> APIRouter:
    """Health, capabilities and debugging."""
    router = APIRouter(tags=["system"])

    @router.get("/health")
    async def health() -> JSONResponse:
        return JSONResponse({"status": "ok"})

    @router.get("/healthz")
    async def healthz() -> JSONResponse:
        status, body = await system.health()
        return JSONResponse(body, status)

    @router.get("/capabilities.json")
    async def capabilities() -> JSONResponse:
        return JSONResponse(system.capabilities())

    @router.get("/debug")
    async def debug() -> JSONResponse:
        return JSONResponse(await system.debug())

    return router


def models_router(system: System) -> APIRouter:
    """The models that a client may name."""
    router = APIRouter(prefix="/models", tags=["models"])

    @router.get("")
    async def list_models() -> JSONResponse:
        return JSONResponse({"object": "list", "data": system.models()})

    @router.get("/{model_id:path}")
    async def model(model_id: str) -> JSONResponse:
        for found in system.models():
            if found["id"] == model_id:
                return JSONResponse(found)
        raise NotFound(f"The model {model_id[:100]!r} does not exist.", code="model_not_found", param="model")

    return router


def config_hash(settings: Settings) -> str:
    """Changes when the configuration does; secrets take no part in it."""
    groups = {
        name: group.model_dump(mode="json")
        for name, group in sorted(vars(settings).items())
        if hasattr(group, "model_dump")
    }
    return "sha256:" + hashlib.sha256(msgspec.json.encode(groups, order="deterministic")).hexdigest()


def _member_view(member: MemberHealth) -> dict[str, Any]:
    """A member as everybody may see it: no addresses."""
    view = asdict(member)
    del view["base_url"]
    return view
