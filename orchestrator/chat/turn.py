"""One turn of a conversation: the committee deliberates, server tools run, their results are appended.

The model's text is never altered. What the server has to add (ids of started jobs, links, errors) comes after it under
a heading of its own, and not at all where the client asked for a JSON answer.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from committee import (
    ClientToolCalls,
    Committee,
    CommitteeError,
    ContentDelta,
    Emit,
    Event,
    Finished,
    Message,
    StageEvent,
    ToolCall,
    ToolOutcome,
    ToolSpec,
    Turn,
)
from orchestrator.chat.caller import Caller
from orchestrator.chat.confirmation import confirmed_ids, conversation_of, conversations
from orchestrator.chat.effects import WAITS, ActedCall, EffectJobs, Effects
from orchestrator.chat.exchanges import MAX_IDS, ExchangeStore, arguments_text
from orchestrator.chat.model_ids import ModelIds
from orchestrator.chat.offer import tools_for
from orchestrator.chat.runs import Effect, Run, Runs
from orchestrator.chat.schema import CompletionRequest
from orchestrator.chat.sections import sections, watch_url
from orchestrator.errors import OrchestratorError, QueueFull
from orchestrator.jobs.store import JobStore
from tools.registry import ToolContext, ToolRegistry
from tools.seeds import derive_seed

log = logging.getLogger(__name__)

# Ids of calls to the client that have something behind them begin so; the rest of them is a hash.
_MARKED = "call_x"
_ID_CHARS = 23


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
        self.models = ModelIds(committee, aliases)
        self._most = most
        self._active = 0
        self._effects: set[asyncio.Task[Any]] = set()

    def begin(self, request: CompletionRequest, caller: Caller) -> RunningTurn:
        """Take a place and prepare the turn; use the result as a context manager.

        Raises NotFound for an unknown model, BadRequest for an unknown tool choice, QueueFull when too many turns run.
        """
        mode = self.models.mode_of(request.model, request.mode)
        if self._active >= self._most:
            raise QueueFull(f"{self._active} turns are running; try again.", code="too_many_turns", retry_after=2.0)
        offered = tools_for(request, self.tools, caller.scopes, forceable=self.auto_execute)
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


@dataclass
class RunningTurn:
    """A turn in its place. Leaving the context frees the place and notes whether the answer was delivered."""

    turns: Turns
    request: CompletionRequest
    caller: Caller
    mode: str
    offered: tuple[ToolSpec, ...]
    delivered: bool = False
    run: Run = field(init=False)
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
            self.run = self.turns.runs.before_acting(self._fingerprint, self.run)
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

    async def answer(self, emit: Emit) -> Finished:
        """What the committee does and says goes to `emit`; its end, to which `section` is to be appended, is returned.

        Once a tool has run, a failure no longer fails the request, because the client would send it again: the answer
        ends where it is and says so. What `emit` raises ends the turn all the same.
        """
        turn = self._turn(await self._messages(), await self._confirmed())
        heard = True

        async def pass_on(event: Event) -> None:
            nonlocal heard
            if isinstance(event, ContentDelta):
                pass  # nearly all of them
            elif isinstance(event, ClientToolCalls):
                event = await self._keep_hidden(event)
            elif isinstance(event, StageEvent) and event.calls:
                await self._hold(event.calls)
            try:
                await emit(event)
            except Exception:
                heard = False
                raise

        try:
            finished = await self.turns.committee.answer(turn, pass_on)
            if self.run.effects:
                self.effects.recall()
            return await self._account(finished)
        except Exception as error:
            if not self._calls or not heard:
                raise
            log.warning("a turn broke after it had acted", exc_info=not isinstance(error, CommitteeError))
            await self.settle()
            self.broken = str(error) if isinstance(error, CommitteeError | OrchestratorError) else "internal error"
            return await self._account(_cut_short(self.turns.committee, self.broken))

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
                self.caller.owner, [call.id for call in marked], self.effects.exchange()
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
        if not (self.held or finished.account.held):
            return finished
        await self._hold(finished.account.held)
        return replace(finished, account=replace(finished.account, held=self.held))

    async def repair(self, answer: str, problem: str, finished: Finished, emit: Emit) -> Finished:
        """A second attempt at an answer that is not the JSON that was asked for: by another member, if there is one."""
        request, committee = self.request, self.turns.committee
        real = [member.name for member in committee.members if not member.stand_in]
        speaker = finished.speaker or committee.planner
        others = [name for name in real if name != speaker and finished.members.get(name) in {"ok", "silent"}]
        demand = f"This answer is not what was asked for: {problem}. Answer again, with nothing but JSON by the schema."
        turn = Turn(
            messages=(*request.messages, Message("assistant", answer), Message("user", demand)),
            seed=derive_seed("repair", self.seed),
            temperature=request.temperature,
            max_tokens=request.max_tokens,
            mode=f"solo:{(others or [speaker])[0]}",
            response_schema=request.response_schema,
        )
        return await committee.answer(turn, emit)

    def section(self, finished: Finished, *, written: bool) -> str:
        """What the server appends; nothing to an answer that must be JSON or that hands calls to the client."""
        if self.request.response_schema is not None or finished.finish_reason == "tool_calls":
            return ""
        if written and not (self.broken or self._effects or finished.account.held):
            return ""
        base_url = self.caller.base_url
        return sections(self.acted, finished, broken=self.broken, written=written, base_url=base_url)


def _cut_short(committee: Committee, cause: str) -> Finished:
    members = {member.name: "silent" for member in committee.members}
    return Finished("stop", {}, "single", None, degraded=True, members=members, causes={"server": cause})


def _before(message: Message, hidden: Mapping[str, tuple[Message, ...]]) -> tuple[Message, ...]:
    return next((hidden[call.id] for call in message.tool_calls if call.id in hidden), ())
