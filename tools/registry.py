"""The tools the committee may use, and the one way to call them.

A tool is a door, a job is the room behind it: a tool that takes seconds does its work, one that takes minutes submits
a job and returns its id. Names are dotted inside (`film.run`) and use `_` on every wire (`film_run`), because OpenAI
allows no dot; both are accepted everywhere.
"""

from __future__ import annotations

import asyncio
import functools
import hashlib
import json
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol
from uuid import UUID

from pydantic import BaseModel, JsonValue, ValidationError

from committee import ToolSpec
from tools.errors import ToolFailed, ToolRetry, UnknownTool

log = logging.getLogger(__name__)

# The first film pipeline was replaced as a whole; a client that still knows its tools is told so.
FILM1_TOOLS = frozenset(
    {"film_create", "film_add_character", "film_add_scene", "film_compile", "film_status", "make_movie"}
)
FILM1_REASON = "film1_disabled"


@functools.cache
def _schema(arguments: type[BaseModel]) -> dict[str, Any]:
    """Made once per kind of arguments: every turn asks for all of them."""
    return arguments.model_json_schema()


class JobView(Protocol):
    """What a tool may know of a durable job."""

    @property
    def id(self) -> UUID | str: ...
    @property
    def kind(self) -> str: ...
    @property
    def status(self) -> str: ...
    @property
    def progress(self) -> float: ...
    @property
    def stage(self) -> str | None: ...
    @property
    def eta_s(self) -> float | None: ...
    @property
    def result(self) -> dict[str, Any] | None: ...
    @property
    def error(self) -> dict[str, Any] | None: ...


class JobsPort(Protocol):
    """How tools reach durable jobs.

    `get` and `cancel` raise LookupError when the owner has no such job.
    """

    async def submit(
        self,
        kind: str,
        payload: dict[str, Any],
        *,
        owner: str,
        idempotency_key: str | None = None,
        priority: int = 0,
    ) -> JobView: ...
    async def get(self, job_id: str, *, owner: str) -> JobView: ...
    async def cancel(self, job_id: str, *, owner: str) -> JobView: ...


@dataclass(frozen=True)
class Attachment:
    """A file that came with the conversation, kept by the server.

    kind: what it really is, whatever the client called it. url: where its owner can fetch it; the members are told
    this, and a call names a file by it. path: where the bytes lie; read only.
    """

    kind: Literal["image", "audio", "video", "file"]
    name: str
    media_type: str
    bytes: int
    sha256: str
    url: str
    path: Path


@dataclass(frozen=True)
class ToolContext:
    """The turn that a call belongs to.

    `run_id` names the turn: a request that is sent again because its answer was cut off keeps it, so that its effects
    happen once. `seed` is the turn's seed, `user_text` the user's last message, `base_url` the address for links,
    `attachments` what came with the conversation.
    """

    owner: str
    run_id: str
    seed: int
    user_text: str
    jobs: JobsPort
    base_url: str
    attachments: tuple[Attachment, ...] = ()

    def attachment(self, reference: str) -> Attachment | None:
        """The attachment that a call names by URL, digest or name."""
        return next((a for a in self.attachments if reference in (a.url, a.sha256, a.name)), None)

    def effect_key(self, tool: str, arguments: Mapping[str, Any]) -> str:
        """The idempotency key of one effect: the same call in the same turn is one effect."""
        call = json.dumps([self.owner, self.run_id, tool, arguments], sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(call.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True)
class ToolResult:
    """What a call came to. `error` is set when it failed; `data` is then what is known all the same."""

    data: dict[str, JsonValue] = field(default_factory=dict)
    job_ids: tuple[str, ...] = ()
    film_id: str | None = None
    error: str | None = None


@dataclass(frozen=True)
class Tool:
    """One thing the committee may do.

    `arguments` is the pydantic model that calls are validated with and whose JSON schema the members see. `effect` is
    "read" for a tool that changes nothing, "write" for one that changes something at once and "job" for one that starts
    or stops durable work. forceable: a member that says it cannot do this may be overruled. taints: the results hold
    text that others wrote.
    """

    name: str
    description: str
    arguments: type[BaseModel]
    run: Callable[[Any, ToolContext], Awaitable[ToolResult]]
    effect: Literal["read", "write", "job"]
    timeout_s: float = 20.0
    forceable: bool = False
    taints: bool = False

    @property
    def wire_name(self) -> str:
        return self.name.replace(".", "_")


def _spec(tool: Tool) -> ToolSpec:
    return ToolSpec(
        tool.wire_name,
        tool.description,
        tool.arguments.model_json_schema(),
        tool.effect,
        forceable=tool.forceable,
        taints=tool.taints,
    )


class ToolRegistry:
    """The allow-list: what is registered here can be called, and nothing else can."""

    def __init__(self, tools: Iterable[Tool]) -> None:
        self._tools: dict[str, Tool] = {}
        for tool in tools:
            if tool.wire_name in self._tools or tool.wire_name in FILM1_TOOLS:
                raise ValueError(f"The tool name {tool.name!r} is taken.")
            self._tools[tool.wire_name] = tool
        # Made once: a schema takes longer to derive than all the rest of a request.
        self._specs = [_spec(tool) for tool in self._tools.values()]

    def names(self) -> list[str]:
        """Every tool's dotted name, sorted."""
        return sorted(tool.name for tool in self._tools.values())

    def get(self, name: str) -> Tool:
        """The tool of that dotted or wire name. Raises UnknownTool, which says why."""
        wire_name = name.replace(".", "_")
        if wire_name in FILM1_TOOLS:
            raise UnknownTool(name, FILM1_REASON)
        try:
            return self._tools[wire_name]
        except KeyError:
            raise UnknownTool(name, "unknown_tool") from None

    def specs(self) -> list[ToolSpec]:
        """What the members are shown, in wire names."""
        return list(self._specs)

    async def invoke(self, name: str, arguments: Mapping[str, Any], ctx: ToolContext) -> ToolResult:
        """Validate and run one call. A failure of any kind comes back as `error`; only cancellation is raised."""
        try:
            tool = self.get(name)
            request = tool.arguments.model_validate(dict(arguments))
            async with asyncio.timeout(tool.timeout_s):
                return await tool.run(request, ctx)
        except UnknownTool as error:
            return ToolResult({"name": name, "skipped": True, "reason": error.reason}, error=str(error))
        except ValidationError as error:
            return ToolResult(error=_explain(error))
        except (ToolFailed, ToolRetry) as error:
            return ToolResult(error=str(error))
        except TimeoutError:
            return ToolResult(error=f"{name} took longer than {tool.timeout_s:g} s.")
        except Exception as error:
            # The edge of the committee's world: a defect in one tool must not take the whole answer down.
            log.exception("tool failed", extra={"tool": name})
            return ToolResult(error=_public_reason(error))


def _explain(error: ValidationError) -> str:
    problems = (f"{'.'.join(map(str, e['loc'])) or 'arguments'}: {e['msg']}" for e in error.errors(include_url=False))
    return "Invalid arguments: " + "; ".join(list(problems)[:5])


def _public_reason(error: Exception) -> str:
    """Our own errors carry a message made for clients; anything else stays in the log."""
    message = getattr(error, "message", None)
    return message if isinstance(message, str) else "The tool failed unexpectedly; the server's log has the details."
