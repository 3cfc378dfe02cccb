"""One turn of a conversation: the committee deliberates, server tools run, their results are appended.

The model's text is never altered. What the server has to add (ids of started jobs, links, errors) comes after it under
a heading of its own, and not at all where the client asked for a JSON answer.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from committee import (
    Committee,
    Event,
    Finished,
    Message,
    ReasoningDelta,
    StageEvent,
    ToolCall,
    ToolOutcome,
    ToolSpec,
    Turn,
)
from orchestrator.chat.runs import Run, Runs
from orchestrator.chat.schema import CompletionRequest
from orchestrator.errors import BadRequest, NotFound, OrchestratorError, QueueFull
from orchestrator.jobs.store import JobStore
from tools.registry import JobView, ToolContext, ToolRegistry, ToolResult
from tools.seeds import derive_seed

log = logging.getLogger(__name__)

COMMITTEE_MODEL = "committee-qwen3-gpt-oss"
COMMITTEE_ALIASES = ("wrapper-film-orchestrator", "committee")
_MODES = frozenset({"solo", "auto", "deep"})
# What a key must hold before the members even see a tool of that effect.
_SCOPE_OF_EFFECT = {"read": "jobs:read", "job": "jobs:write"}
_MOST_IDS_SHOWN = 20
_LONGEST_ERROR = 800


@dataclass(frozen=True)
class Caller:
    """Who asks, what they may do, and the address that links for them start with."""

    owner: str
    scopes: frozenset[str]
    base_url: str
    retry: bool = False


class Turns:
    """Starts turns, at most `most` at a time; owns the effects that outlive their request."""

    def __init__(
        self, committee: Committee, tools: ToolRegistry, jobs: JobStore, *, auto_execute: bool = True, most: int = 256
    ) -> None:
        self.committee = committee
        self.tools = tools
        self.jobs = jobs
        self.auto_execute = auto_execute
        self.runs = Runs()
        self._most = most
        self._active = 0
        self._effects: set[asyncio.Task[Any]] = set()

    def model_ids(self) -> list[str]:
        """Every id that `model` may name, the advertised one first."""
        members = (name for member in self.committee.members for name in (member.model, member.name))
        return list(dict.fromkeys((COMMITTEE_MODEL, *COMMITTEE_ALIASES, *members)))

    def mode_of(self, model: str, asked: str = "") -> str:
        """How the committee answers under that model id; `asked` is the mode that the request itself names.

        A member's id means that member, whatever is asked besides. Raises NotFound (code `model_not_found`) and
        BadRequest for a member that there is not.
        """
        name, _, suffix = model.rpartition("@") if model.rpartition("@")[2] in _MODES else (model, "", "")
        if name in ("", COMMITTEE_MODEL, *COMMITTEE_ALIASES):
            return self._committee_mode(asked or suffix or "auto")
        for member in self.committee.members:
            if name in (member.name, member.model):
                return f"solo:{member.name}"
        raise NotFound(
            f"The model {model[:100]!r} does not exist; there are {', '.join(self.model_ids())}.",
            code="model_not_found",
            param="model",
        )

    def _committee_mode(self, asked: str) -> str:
        kind, _, named = asked.partition(":")
        if kind != "solo":
            return asked
        for member in self.committee.members:
            if (named or self.committee.planner) in (member.name, member.model):
                return f"solo:{member.name}"
        known = ", ".join(member.name for member in self.committee.members)
        raise BadRequest(
            f"committee.mode: there is no member {named[:100]!r}; there are {known}.", param="committee.mode"
        )

    def begin(self, request: CompletionRequest, caller: Caller) -> RunningTurn:
        """Take a place and prepare the turn; use the result as a context manager.

        Raises NotFound for an unknown model, BadRequest for an unknown tool choice, QueueFull when too many turns run.
        """
        mode = self.mode_of(request.model, request.mode)
        if self._active >= self._most:
            raise QueueFull(f"{self._active} turns are running; try again.", code="too_many_turns", retry_after=2.0)
        offered = self._offered(request, caller)
        if request.tool_choice not in {"auto", "none", "required"} and not any(
            spec.name == request.tool_choice for spec in offered
        ):
            raise BadRequest(
                f"tool_choice names {request.tool_choice[:100]!r}, which is not among the tools.", param="tool_choice"
            )
        return RunningTurn(self, request, caller, mode, offered)

    def may_use_tools(self, request: CompletionRequest) -> bool:
        """Whether any tool, ours or the client's, could take what came with a request."""
        return request.tool_choice != "none" and bool(request.client_tools or self.tools.names())

    async def aclose(self, timeout_s: float = 5.0) -> None:
        """Let running effects end; stop those that do not."""
        if self._effects:
            await asyncio.wait(self._effects, timeout=timeout_s)
        for task in list(self._effects):
            task.cancel()
        await asyncio.gather(*self._effects, return_exceptions=True)

    async def outlive(self, work: asyncio.Task[ToolOutcome]) -> ToolOutcome:
        """Wait for an effect that ends by itself even if the waiting is cancelled."""
        self._effects.add(work)
        work.add_done_callback(self._effects.discard)
        return await asyncio.shield(work)

    def _offered(self, request: CompletionRequest, caller: Caller) -> tuple[ToolSpec, ...]:
        """The client's tools, and those of ours that the caller may use. On a name clash the client's wins."""
        taken = {tool.name.replace(".", "_") for tool in request.client_tools}
        ours = tuple(
            spec
            for spec in self.tools.specs()
            if spec.name not in taken and _SCOPE_OF_EFFECT.get(spec.effect, spec.effect) in caller.scopes
        )
        allowed = request.allowed_tools
        if allowed is None:
            return (*request.client_tools, *ours)
        ours = tuple(spec for spec in ours if not allowed.isdisjoint({spec.name, self.tools.get(spec.name).name}))
        offered = (*request.client_tools, *ours)
        if unknown := {
            name for name in allowed if not {name, name.replace(".", "_")} & {spec.name for spec in offered}
        }:
            raise BadRequest(
                f"tool_choice: {sorted(unknown)[0][:100]!r} is allowed, but is not among the tools.",
                param="tool_choice.allowed_tools.tools",
            )
        return offered


@dataclass
class ActedCall:
    """One call that the server has run."""

    call: ToolCall
    result: ToolResult

    def view(self) -> dict[str, Any]:
        """As it stands in the answer's `committee.tool_results`."""
        return {
            "name": self.call.name,
            "arguments": self.call.arguments,
            "data": self.result.data,
            "job_ids": list(self.result.job_ids),
            "film_id": self.result.film_id,
            "error": self.result.error,
        }


@dataclass
class RunningTurn:
    """A turn in its place. Leaving the context frees the place and notes whether the answer was delivered."""

    turns: Turns
    request: CompletionRequest
    caller: Caller
    mode: str
    offered: tuple[ToolSpec, ...]
    acted: list[ActedCall] = field(default_factory=list)
    delivered: bool = False
    run: Run = field(default_factory=Run)
    _calls: list[asyncio.Task[ToolOutcome]] = field(default_factory=list)

    def __enter__(self) -> RunningTurn:
        self.turns._active += 1
        self.run = self.turns.runs.begin(self._fingerprint, retry=self.caller.retry)
        return self

    def __exit__(self, *_: object) -> None:
        self.turns._active -= 1
        self.turns.runs.end(self._fingerprint, self.run, delivered=self.delivered)

    @property
    def _fingerprint(self) -> str:
        return f"{self.caller.owner}/{self.request.fingerprint}"

    @property
    def seed(self) -> int:
        """From the conversation, so that the same request gives the same plan."""
        given = self.request.seed
        return derive_seed("turn", self.request.fingerprint if given is None else given)

    def events(self) -> AsyncGenerator[Event, None]:
        """What the committee does and says, ending with `Finished`; `section` is to be appended then."""
        return self.turns.committee.deliberate(self._turn())

    def tool_results(self) -> list[dict[str, Any]]:
        return [acted.view() for acted in self.acted]

    def job_ids(self) -> list[str]:
        return list(dict.fromkeys(job_id for acted in self.acted for job_id in acted.result.job_ids))

    def _turn(self) -> Turn:
        request = self.request
        return Turn(
            messages=request.messages,
            tools=self.offered,
            seed=self.seed,
            temperature=request.temperature,
            top_p=request.top_p,
            max_tokens=request.max_tokens,
            stop=request.stop,
            mode=self.mode,
            tool_choice=request.tool_choice,
            parallel_tool_calls=request.parallel_tool_calls,
            response_schema=request.response_schema,
            effort=request.effort,
            n=request.n,
            logprobs=request.logprobs,
            presence_penalty=request.presence_penalty,
            frequency_penalty=request.frequency_penalty,
            act=self._act if self.turns.auto_execute else None,
        )

    async def _act(self, calls: Sequence[ToolCall]) -> Sequence[ToolOutcome]:
        """Run server tools. What has begun is finished even when the client goes away."""
        context = ToolContext(
            owner=self.caller.owner,
            run_id=self.run.id,
            seed=self.seed,
            user_text=self.request.user_text,
            jobs=_TurnJobs(self.turns.jobs, self.run),
            base_url=self.caller.base_url,
            attachments=self.request.attachments,
        )
        return await asyncio.gather(*(self._act_once(call, context) for call in calls))

    def repair(self, answer: str, problem: str, finished: Finished) -> AsyncGenerator[Event, None]:
        """A second attempt at an answer that is not the JSON that was asked for: by another member, if there is one."""
        request, committee = self.request, self.turns.committee
        real = [member.name for member in committee.members if not member.stand_in]
        speaker = finished.speaker or committee.planner
        others = [name for name in real if name != speaker and finished.members.get(name) in {"ok", "silent"}]
        demand = f"This answer is not what was asked for: {problem}. Answer again, with nothing but JSON by the schema."
        return committee.deliberate(
            Turn(
                messages=(*request.messages, Message("assistant", answer), Message("user", demand)),
                seed=derive_seed("repair", self.seed),
                temperature=request.temperature,
                max_tokens=request.max_tokens,
                mode=f"solo:{(others or [speaker])[0]}",
                response_schema=request.response_schema,
            )
        )

    async def settle(self) -> None:
        """Wait for calls that go on after the client has gone, so that `job_ids` is complete."""
        await asyncio.gather(*self._calls, return_exceptions=True)

    async def _act_once(self, call: ToolCall, context: ToolContext) -> ToolOutcome:
        work = asyncio.create_task(self._invoke(call, context))
        self._calls.append(work)
        return await self.turns.outlive(work)

    async def _invoke(self, call: ToolCall, context: ToolContext) -> ToolOutcome:
        result = await self.turns.tools.invoke(call.name, call.arguments, context)
        self.acted.append(ActedCall(call, result))
        data = dict(result.data)
        if result.job_ids:
            data["watch"] = [watch_url(self.caller.base_url, job_id) for job_id in result.job_ids]
        return ToolOutcome(call, data or None, result.error)

    def section(self, finished: Finished, *, written: bool) -> str:
        """What the server appends; nothing to an answer that must be JSON or that hands calls to the client."""
        if self.request.response_schema is not None or finished.finish_reason == "tool_calls":
            return ""
        lines = tool_result_lines(self.acted, self.caller.base_url)
        if lines:
            section = "### Tool Results\n" + "\n".join(lines) + "\n"
        elif not written:
            # An empty answer makes some editors send the whole request again.
            section = f"### Status\nNo member could put this into words ({_causes(finished)}).\n"
        else:
            return ""
        return f"\n\n{section}" if written else section


class _TurnJobs:
    """Jobs as the tools of one run see them: the n-th effect of a kind in a run is one job, however often it is asked.

    The same call twice in one attempt is one effect; in a repetition of the run the n-th call is the n-th effect
    whatever its words are, because models word things differently each time.
    """

    def __init__(self, jobs: JobStore, run: Run) -> None:
        self._jobs = jobs
        self._run = run
        self._asked: dict[str, dict[str, int]] = {}

    async def submit(
        self,
        kind: str,
        payload: dict[str, Any],
        *,
        owner: str,
        idempotency_key: str | None = None,
        priority: int = 0,
    ) -> JobView:
        known = self._asked.setdefault(kind, {})
        effect = (kind, known.setdefault(idempotency_key or json.dumps(payload, sort_keys=True), len(known)))
        key = f"{self._run.id}/{kind}/{effect[1]}"
        if (started := self._run.effects.get(effect)) is not None:
            with suppress(OrchestratorError):
                earlier = await self._jobs.get((await asyncio.shield(started)).id, owner=owner)
                if earlier.status not in {"failed", "cancelled"}:
                    return earlier
                key = f"{key}/after/{earlier.id}"
        work = self._jobs.submit(kind, payload, owner=owner, idempotency_key=key, priority=priority)
        started = self._run.effects[effect] = asyncio.create_task(work)
        return await asyncio.shield(started)

    async def get(self, job_id: str, *, owner: str) -> JobView:
        return await self._jobs.get(UUID(job_id), owner=owner)

    async def cancel(self, job_id: str, *, owner: str) -> JobView:
        return await self._jobs.cancel(UUID(job_id), owner=owner)


def watch_url(base_url: str, job_id: str | UUID) -> str:
    """Where the chat page shows a job while it runs."""
    return f"{base_url}/#/jobs/{job_id}"


def tool_result_lines(acted: Sequence[ActedCall], base_url: str) -> list[str]:
    """The section's lines: films, jobs, where to watch them, what failed."""
    job_ids = list(dict.fromkeys(job_id for a in acted for job_id in a.result.job_ids))[:_MOST_IDS_SHOWN]
    films = list(dict.fromkeys(a.result.film_id for a in acted if a.result.film_id))[:_MOST_IDS_SHOWN]
    errors = [f"{a.call.name}: {a.result.error}" for a in acted if a.result.error]
    lines: list[str] = []
    if films:
        lines.append(f"- **film_id**: {_quoted(films)}")
    if job_ids:
        lines.append(f"- **jobs**: {_quoted(job_ids)}")
        lines += [f"- **watch**: {watch_url(base_url, job_id)}" for job_id in job_ids]
        lines += [f"- **status**: {base_url}/jobs/{job_id}" for job_id in job_ids]
    if errors:
        lines.append(f"- **errors**: {' '.join('; '.join(errors).split())[:_LONGEST_ERROR]}")
    done = [a.call.name for a in acted if not a.result.error and not a.result.job_ids]
    if done:
        lines.append(f"- **done**: {_quoted(done)}")
    return lines


def _quoted(values: Sequence[str]) -> str:
    return ", ".join(f"`{value}`" for value in values)


def _causes(finished: Finished) -> str:
    causes: Mapping[str, str] = finished.causes
    return "; ".join(f"{member}: {cause}" for member, cause in causes.items()) or "the answer was empty"


class Narrator:
    """Turns the deliberation into the lines that a client is shown as reasoning.

    mode: "off", "status" (a line a stage) or "full" (the members' thoughts too).
    """

    def __init__(self, mode: str) -> None:
        self._mode = mode
        self._last_member: str | None = None

    def line(self, event: StageEvent | ReasoningDelta) -> str:
        """The text to show for an event; empty for none."""
        if isinstance(event, StageEvent):
            if self._mode == "off":
                return ""
            self._last_member = None
            who = f" {event.member}" if event.member else ""
            detail = f" ({event.detail})" if event.detail else ""
            return f"{event.stage}{who}: {event.event}{detail}\n"
        if self._mode != "full":
            return ""
        tag = f"[{event.member}] " if event.member != self._last_member else ""
        self._last_member = event.member
        return tag + event.text
