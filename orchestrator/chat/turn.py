"""One turn of a conversation: the committee deliberates, server tools run, their results are appended.

The model's text is never altered. What the server has to add (ids of started jobs, links, errors) comes after it under
a heading of its own, and not at all where the client asked for a JSON answer.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import AsyncGenerator, Coroutine, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Any
from uuid import UUID

from committee import (
    ClientToolCalls,
    Committee,
    CommitteeError,
    ContentDelta,
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
from committee.prompts import outcome_json
from orchestrator.chat.confirmation import announcement, confirmed_ids, conversation_of, conversations
from orchestrator.chat.effects import WAITS, ActedCall, EffectJobs, Effects
from orchestrator.chat.exchanges import MAX_IDS, ExchangeStore, arguments_text
from orchestrator.chat.runs import Effect, Run, Runs
from orchestrator.chat.schema import CompletionRequest
from orchestrator.errors import BadRequest, NotFound, OrchestratorError, QueueFull
from orchestrator.jobs.store import JobStore
from tools.registry import ToolContext, ToolRegistry
from tools.seeds import derive_seed

log = logging.getLogger(__name__)

COMMITTEE_MODEL = "committee-qwen3-gpt-oss"
COMMITTEE_ALIASES = ("wrapper-film-orchestrator", "committee")
_MODES = frozenset({"solo", "auto", "deep"})
# What a key must hold before the members even see a tool of that effect.
_SCOPE_OF_EFFECT = {"read": "jobs:read", "write": "jobs:write", "job": "jobs:write"}
_MOST_IDS_SHOWN = 20
_LONGEST_ERROR = 800
# Ids of calls to the client that have something behind them begin so; the rest of them is a hash.
_MARKED = "call_x"
_ID_CHARS = 23


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
        self,
        committee: Committee,
        tools: ToolRegistry,
        jobs: JobStore,
        *,
        exchanges: ExchangeStore | None = None,
        auto_execute: bool = True,
        most: int = 256,
        aliases: Mapping[str, str] | None = None,
    ) -> None:
        self.committee = committee
        self.tools = tools
        self.jobs = jobs
        self.exchanges = exchanges
        self.auto_execute = auto_execute
        self.runs = Runs()
        self._aliases = dict(aliases or {})
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
        for name in (model, self._meant_by(model)):
            if (mode := self._own_mode(name, asked)) is not None:
                return mode
        raise NotFound(
            f"The model {model[:100]!r} does not exist; there are {', '.join(self.model_ids())}.",
            code="model_not_found",
            param="model",
        )

    def _own_mode(self, model: str, asked: str) -> str | None:
        name, _, suffix = model.rpartition("@") if model.rpartition("@")[2] in _MODES else (model, "", "")
        if name in ("", COMMITTEE_MODEL, *COMMITTEE_ALIASES):
            return self._committee_mode(asked or suffix or "auto")
        for member in self.committee.members:
            if name in (member.name, member.model):
                return f"solo:{member.name}"
        return None

    def _meant_by(self, model: str) -> str:
        """Our id for one that is not ours, by the first alias that fits; the same id when none does."""
        return next((ours for pattern, ours in self._aliases.items() if fnmatchcase(model, pattern)), model)

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
            spec.name == request.tool_choice and _may_be_demanded(spec, request) for spec in offered
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

    def own(self, work: asyncio.Task[Any]) -> None:
        """See to it that a task that outlives its request ends."""
        self._effects.add(work)
        work.add_done_callback(self._effects.discard)

    def later(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something that nobody waits for; that it fails is noted and no more."""

        async def attempt() -> None:
            try:
                await work
            except OrchestratorError:
                log.warning("a note about a turn was lost", exc_info=True)

        self.own(asyncio.create_task(attempt()))

    async def outlive(self, work: asyncio.Task[ToolOutcome]) -> ToolOutcome:
        """Wait for an effect that ends by itself even if the waiting is cancelled."""
        self.own(work)
        return await asyncio.shield(work)

    def _offered(self, request: CompletionRequest, caller: Caller) -> tuple[ToolSpec, ...]:
        """The client's tools, and those of ours that the caller may use.

        On a name clash the client's wins. Beside tools of the client ours may not write unless they were asked for by
        name: an editor must not find a second writer in its files.
        """
        taken = {tool.name.replace(".", "_") for tool in request.client_tools}
        ours = tuple(
            spec if self.auto_execute else replace(spec, forceable=False)
            for spec in self.tools.specs()
            if spec.name not in taken
            and _SCOPE_OF_EFFECT.get(spec.effect, spec.effect) in caller.scopes
            and (spec.effect != "write" or not request.client_tools or spec.name in request.opted_in)
        )
        if missing := request.opted_in - taken - {spec.name for spec in ours}:
            raise BadRequest(
                f"tools: this server has no tool {sorted(missing)[0][:100]!r} for you.",
                param="tools",
                code="unknown_tool",
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


def _may_be_demanded(spec: ToolSpec, request: CompletionRequest) -> bool:
    """A client that has tools of its own demands one of those, or one of ours that it asked for by name."""
    return spec.effect == "client" or not request.client_tools or spec.name in request.opted_in


@dataclass
class RunningTurn:
    """A turn in its place. Leaving the context frees the place and notes whether the answer was delivered."""

    turns: Turns
    request: CompletionRequest
    caller: Caller
    mode: str
    offered: tuple[ToolSpec, ...]
    delivered: bool = False
    run: Run = field(default_factory=Run)
    broken: str = ""
    held: tuple[ToolCall, ...] = ()
    _effects: Effects | None = None
    _calls: list[asyncio.Task[ToolOutcome]] = field(default_factory=list)

    def __enter__(self) -> RunningTurn:
        self.turns._active += 1
        self.run = self.turns.runs.begin(self._fingerprint, retry=self.caller.retry)
        return self

    def __exit__(self, *_: object) -> None:
        self.turns._active -= 1
        self.turns.runs.end(self._fingerprint, self.run, delivered=self.delivered)
        if self.turns.exchanges is not None and self.run.opening is not None:
            self.turns.later(self.turns.exchanges.end_run(self.run.id, delivered=self.delivered))

    @functools.cached_property
    def _fingerprint(self) -> str:
        return "/".join((self.caller.owner, self.request.fingerprint, *self.request.confirm))

    @functools.cached_property
    def seed(self) -> int:
        """From the conversation, so that the same request gives the same plan."""
        given = self.request.seed
        return derive_seed("turn", self.request.fingerprint if given is None else given)

    @property
    def effects(self) -> Effects:
        if self._effects is None:
            self._effects = Effects(
                run=self.run,
                owner=self.caller.owner,
                fingerprint=self._fingerprint,
                retry=self.caller.retry,
                tools=self.turns.tools,
                jobs=self.turns.jobs,
                store=self.turns.exchanges,
                specs={spec.name: spec for spec in self.offered},
                own=self.turns.own,
            )
        return self._effects

    @property
    def acted(self) -> list[ActedCall]:
        """The calls that ran here for this answer."""
        return [] if self._effects is None else self._effects.acted

    async def events(self) -> AsyncGenerator[Event, None]:
        """What the committee does and says, ending with `Finished`; `section` is to be appended then.

        Once a tool has run, a failure no longer fails the request, because the client would send it again: the answer
        ends where it is and says so.
        """
        turn = self._turn(await self._messages(), await self._confirmed())
        try:
            async with aclosing(self.turns.committee.deliberate(turn)) as events:
                async for event in events:
                    if isinstance(event, ContentDelta):
                        pass  # nearly all of them
                    elif isinstance(event, ClientToolCalls):
                        event = await self._keep_hidden(event)
                    elif isinstance(event, StageEvent) and event.calls:
                        await self._hold(event.calls)
                    elif isinstance(event, Finished):
                        event = await self._account(event)
                    yield event
        except Exception as error:
            if not self._calls:
                raise
            log.warning("a turn broke after it had acted", exc_info=not isinstance(error, CommitteeError))
            await self.settle()
            self.broken = str(error) if isinstance(error, CommitteeError | OrchestratorError) else "internal error"
            yield await self._account(_cut_short(self.turns.committee, self.broken))

    def tool_results(self) -> list[dict[str, Any]]:
        return [acted.view() for acted in self.acted]

    def job_ids(self) -> list[str]:
        return list(dict.fromkeys(job_id for acted in self.acted for job_id in acted.result.job_ids))

    def _turn(self, messages: Sequence[Message], confirmed: tuple[ToolCall, ...]) -> Turn:
        request = self.request
        return Turn(
            messages=messages,
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
            confirmed=confirmed,
            act=self._act if self.turns.auto_execute else None,
        )

    # -- what came before -------------------------------------------------------------------------------------------

    async def _messages(self) -> Sequence[Message]:
        """The conversation with what the client was not shown of it; what others wrote is marked as such."""
        messages: Sequence[Message] = self.request.messages
        if any(message.role == "tool" and not message.tainted for message in messages):
            messages = [replace(m, tainted=True) if m.role == "tool" else m for m in messages]
        hidden = await self._hidden(messages)
        if hidden:
            messages = [m for message in messages for m in (*_before(message, hidden), message)]
        if any(message.tainted for message in messages):
            self.effects.tainted = True
        return messages

    async def _hidden(self, messages: Sequence[Message]) -> Mapping[str, tuple[Message, ...]]:
        ids = [call.id for m in messages for call in m.tool_calls if call.id.startswith(_MARKED)]
        if self.turns.exchanges is None or not ids:
            return {}
        try:
            return await self.turns.exchanges.kept(self.caller.owner, ids[-MAX_IDS:])
        except OrchestratorError:
            log.warning("hidden exchanges could not be read; the turn goes on without them", exc_info=True)
            return {}

    async def _confirmed(self) -> tuple[ToolCall, ...]:
        """The held calls that the user confirms with this request."""
        request, store = self.request, self.turns.exchanges
        if store is None or not self.turns.auto_execute or request.tool_choice == "none":
            return ()
        ids = [*request.confirm, *confirmed_ids(request.messages)]
        if not ids:
            return ()
        await self.effects.open()  # a repetition has to come as the run that was allowed to
        held = await store.confirm(self.caller.owner, conversations(request.messages), ids, run_id=self.run.id)
        known = {spec.name for spec in self.offered if spec.effect != "client"}
        self.effects.confirmed = tuple(call for call in held if call.name in known)
        return self.effects.confirmed

    # -- what happens now -------------------------------------------------------------------------------------------

    async def _act(self, calls: Sequence[ToolCall]) -> Sequence[ToolOutcome]:
        """Run server tools. What has begun is finished even when the client goes away."""
        try:
            await self.effects.open()
        except OrchestratorError as error:
            return [ToolOutcome(call, None, str(error)) for call in calls]
        assigned = self.effects.assign(calls)
        await self._hold(self.effects.held)
        return await asyncio.gather(
            *(self._act_once(call, effect) for call, effect in zip(calls, assigned, strict=True))
        )

    async def _act_once(self, call: ToolCall, effect: Effect | None) -> ToolOutcome:
        if effect is None:
            return ToolOutcome(call, None, WAITS)
        work = asyncio.create_task(self._invoke(call, effect))
        self._calls.append(work)
        return await self.turns.outlive(work)

    async def _invoke(self, call: ToolCall, effect: Effect) -> ToolOutcome:
        context = ToolContext(
            owner=self.caller.owner,
            run_id=self.run.id,
            seed=self.seed,
            user_text=self.request.user_text,
            jobs=EffectJobs(self.turns.jobs, self.run, effect),
            base_url=self.caller.base_url,
            attachments=self.request.attachments,
        )
        result = await self.effects.carry_out(call, effect, context)
        self.effects.note(call, result)
        data = dict(result.data)
        if result.job_ids:
            data["watch"] = [watch_url(self.caller.base_url, job_id) for job_id in result.job_ids]
        return ToolOutcome(call, data or None, result.error)

    async def settle(self) -> None:
        """Wait for calls that go on after the client has gone, so that `job_ids` is complete."""
        await asyncio.gather(*self._calls, return_exceptions=True)

    # -- what has to be remembered ----------------------------------------------------------------------------------

    async def _keep_hidden(self, event: ClientToolCalls) -> ClientToolCalls:
        """Keep what ran here under the ids of the calls that go to the client, which will come back with them."""
        if self.turns.exchanges is None or not self.acted:
            return event
        marked = tuple(replace(call, id=_MARKED + call.id.removeprefix("call_")[:_ID_CHARS]) for call in event.calls)
        try:
            kept = await self.turns.exchanges.keep(
                self.caller.owner, [call.id for call in marked], _exchange(self.acted, self.effects.specs)
            )
        except OrchestratorError:
            log.warning("a hidden exchange could not be kept", exc_info=True)
            return event
        return ClientToolCalls(marked) if kept else event

    async def _hold(self, calls: Sequence[ToolCall]) -> None:
        """Keep calls that wait for the user as soon as they are known: the turn may end before its account does."""
        known = {(call.name, arguments_text(call.arguments)) for call in self.held}
        fresh = {(call.name, arguments_text(call.arguments)): call for call in calls}
        waiting = [call for key, call in fresh.items() if key not in known][: MAX_IDS - len(self.held)]
        if not waiting:
            return
        if self.turns.exchanges is not None:
            try:
                await self.turns.exchanges.hold(self.caller.owner, conversation_of(self.request.user_text), waiting)
            except OrchestratorError:
                log.warning("held calls could not be kept", exc_info=True)
                return
        self.held += tuple(waiting)

    async def _account(self, finished: Finished) -> Finished:
        """The account with every call that waits for the user, under the id under which it is kept."""
        await self._hold(finished.account.held)
        return replace(finished, account=replace(finished.account, held=self.held))

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

    def section(self, finished: Finished, *, written: bool) -> str:
        """What the server appends; nothing to an answer that must be JSON or that hands calls to the client."""
        if self.request.response_schema is not None or finished.finish_reason == "tool_calls":
            return ""
        sections = []
        if lines := tool_result_lines(self.acted, self.caller.base_url):
            sections.append("### Tool Results\n" + "\n".join(lines) + "\n")
        status = []
        if self.broken:
            status.append(f"The answer broke off ({self.broken}). What was started goes on.")
        elif not written:
            # An empty answer makes some editors send the whole request again.
            status.append(f"No member could put this into words ({_causes(finished)}).")
        if held := finished.account.held:
            status.append(announcement(held))
        if status:
            sections.append("### Status\n" + "\n\n".join(status) + "\n")
        section = "\n".join(sections)
        return f"\n\n{section}" if written and section else section


def _cut_short(committee: Committee, cause: str) -> Finished:
    members = {member.name: "silent" for member in committee.members}
    return Finished("stop", {}, "single", None, degraded=True, members=members, causes={"server": cause})


def _exchange(acted: Sequence[ActedCall], specs: Mapping[str, ToolSpec]) -> list[Message]:
    """Calls and results as the messages that a model would have seen."""
    calls = tuple(one.call for one in acted)
    results = [
        Message(
            "tool",
            outcome_json(ToolOutcome(one.call, dict(one.result.data) or None, one.result.error)),
            tool_call_id=one.call.id,
            name=one.call.name,
            tainted=one.call.name in specs and specs[one.call.name].taints,
        )
        for one in acted
    ]
    return [Message("assistant", "", tool_calls=calls), *results]


def _before(message: Message, hidden: Mapping[str, tuple[Message, ...]]) -> tuple[Message, ...]:
    return next((hidden[call.id] for call in message.tool_calls if call.id in hidden), ())


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
