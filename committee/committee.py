"""One turn of deliberation: probe in parallel, compare in code, act, and let one member speak.

    route ──► probe (all members at once) ──► compare ──► act (agreed server tools) ──► speak (one member, streamed)
       └────► solo (one member, native tools): asked for, or not worth a committee

Stages are methods of `_Deliberation` that yield events; a later stage (cross-check, verdicts) goes between compare and
act. Everything a turn starts is owned by its generator: closing or cancelling it stops every upstream request.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import TypeAlias

from committee import prompts, proposal
from committee.agreement import Decision, decide
from committee.errors import (
    BadAnswer,
    CommitteeUnavailable,
    ContextLengthExceeded,
    ContextTooLong,
    EmptyAnswer,
    MemberError,
    MemberStreamBroken,
    MemberTimeout,
    MemberUnreachable,
)
from committee.proposal import Proposal, WorkReader
from committee.schema import (
    Agreement,
    ChatBackend,
    ChatRequest,
    ClientToolCalls,
    ContentDelta,
    Done,
    Event,
    Finished,
    FinishReason,
    MemberHealth,
    MemberUsage,
    Message,
    ReasoningDelta,
    StageContext,
    StageEvent,
    ToolCall,
    ToolOutcome,
    ToolResults,
    ToolSpec,
    Turn,
)

log = logging.getLogger(__name__)

# Editors and chat pages ask for titles, tags and commit messages on the side; nobody needs a committee for those.
_SIDE_REQUEST = re.compile(
    r"\A\s*#{2,3} Task:|"
    r"\b(?:generate|create|write|suggest|provide)\b[^.\n]{0,60}"
    r"\b(?:title|tags|summary|commit message|follow-?up questions)\b"
    r"[^.\n]{0,80}\b(?:conversation|chat|thread|history|diff|messages)\b",
    re.IGNORECASE,
)
_TINY_ANSWER_TOKENS = 48


@dataclass(frozen=True, slots=True)
class CommitteeConfig:
    """How the members deliberate; times in seconds.

    grace_s: how long to wait for a slower member once a proposal is in; the planner is waited for until its stage ends.
    """

    temperature: float = 0.3
    probe_timeout_s: float = 45.0
    grace_s: float = 12.0
    first_byte_timeout_s: float = 20.0
    speak_idle_timeout_s: float = 60.0
    speak_timeout_s: float = 600.0
    cold_load_timeout_s: float = 180.0
    probe_max_tokens: int = 900
    max_tool_iterations: int = 6
    breaker_failures: int = 3
    breaker_open_s: float = 30.0


class _Seat:
    """A member at the table, with a breaker: after repeated transport failures it is not asked for a while."""

    def __init__(self, backend: ChatBackend, config: CommitteeConfig) -> None:
        self.backend = backend
        self._config = config
        self._failures = 0
        self._open_until = 0.0

    @property
    def name(self) -> str:
        return self.backend.name

    def check(self) -> None:
        """Raise MemberUnreachable while the breaker is open; the first request after that is the trial."""
        if self._failures >= self._config.breaker_failures and _now() < self._open_until:
            raise MemberUnreachable("It failed repeatedly and is being left alone for a moment.")

    def succeeded(self) -> None:
        self._failures = 0

    def failed(self, error: MemberError) -> None:
        if isinstance(error, MemberUnreachable | MemberTimeout):
            self._failures += 1
            self._open_until = _now() + self._config.breaker_open_s


class Committee:
    """Members that deliberate on a turn and answer with one voice.

    planner: the name of the member whose view counts when they differ, and who speaks.
    Raises ValueError when the names are not unique or the planner is not among them.
    """

    def __init__(self, members: Sequence[ChatBackend], *, planner: str, config: CommitteeConfig | None = None) -> None:
        names = [member.name for member in members]
        if planner not in names or len(set(names)) != len(names):
            raise ValueError(f"the planner {planner!r} must be one of the members {names}, whose names are unique")
        self.config = config or CommitteeConfig()
        self.planner = planner
        self._seats = [_Seat(member, self.config) for member in members]

    @property
    def members(self) -> tuple[ChatBackend, ...]:
        return tuple(seat.backend for seat in self._seats)

    def deliberate(self, turn: Turn) -> AsyncGenerator[Event, None]:
        """Deliberate on `turn`; ends with `Finished`.

        Close the iterator (`contextlib.aclosing`) or cancel its consumer to stop all upstream work at once.
        Raises CommitteeUnavailable before the first content and MemberStreamBroken after it; ValueError for an
        unknown mode.
        """
        return _Deliberation(self._seats, self.planner, self.config, turn).run()

    async def health(self) -> list[MemberHealth]:
        """How every member is, asked in parallel."""
        return list(await asyncio.gather(*(seat.backend.health() for seat in self._seats)))

    async def aclose(self) -> None:
        await asyncio.gather(*(seat.backend.aclose() for seat in self._seats))


def stage_seed(seed: int, stage: str, member: str) -> int:
    """A 31-bit seed for one member in one stage: the same turn samples the same, two stages do not share a stream."""
    digest = hashlib.sha256(f"{seed}|{stage}|{member}".encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1


def _now() -> float:
    return asyncio.get_running_loop().time()


@dataclass(frozen=True, slots=True)
class _Answered:
    """A member's probe has ended, one way or the other."""

    seat: _Seat
    proposal: Proposal | None = None
    error: MemberError | None = None


_ProbeItem: TypeAlias = StageEvent | ReasoningDelta | _Answered


class _Deliberation:
    """The state of one turn."""

    def __init__(self, seats: Sequence[_Seat], planner: str, config: CommitteeConfig, turn: Turn) -> None:
        self.turn = turn
        self.config = config
        self.all_seats = seats
        self.seats = _present(seats)
        self.planner = planner if any(seat.name == planner for seat in self.seats) else self.seats[0].name
        self.tools = () if turn.tool_choice == "none" else _offered(turn)
        self.must_call = bool(self.tools) and turn.tool_choice not in ("auto", "none")
        self.prefix = _prefix(turn.messages)
        self.user_text = next((m.content for m in reversed(turn.messages) if m.role == "user"), "")
        self.usage: dict[str, MemberUsage] = {}
        self.status = {seat.name: "silent" for seat in seats}
        self.causes: dict[str, str] = {}
        self.acted = False

    # -- routing ----------------------------------------------------------------------------------------------------

    async def run(self) -> AsyncGenerator[Event, None]:
        solo, why = self._route()
        if solo:
            self.seats = solo
            self.planner = solo[0].name
            yield StageEvent("route", self.planner, "solo", why)
        native = bool(solo) and not self.must_call
        async with aclosing(self._alone(solo, why) if native else self._together(bool(solo))) as events:
            async for event in events:
                yield event

    def _route(self) -> tuple[list[_Seat], str]:
        """The members to ask one after the other instead of together, and why; empty for a committee."""
        kind, _, name = self.turn.mode.partition(":")
        if kind == "solo":
            asked = [seat for seat in self.all_seats if seat.name == name]
            if not asked:
                raise ValueError(f"there is no member {name!r}")
            return asked, "asked for"
        if kind != "auto":
            raise ValueError(f"unknown mode {self.turn.mode!r}")
        in_order = sorted(self.seats, key=lambda seat: seat.name != self.planner)
        if self.turn.messages and self.turn.messages[-1].role == "tool":
            return in_order, "tool result"
        client_tools = any(tool.effect == "client" for tool in self.tools)
        tiny = self.turn.max_tokens is not None and self.turn.max_tokens <= _TINY_ANSWER_TOKENS
        if not client_tools and not self.must_call and (tiny or _SIDE_REQUEST.search(self.user_text[:4000])):
            self.tools = ()
            return in_order, "side request"
        return [], ""

    # -- the committee's way ----------------------------------------------------------------------------------------

    async def _together(self, solo: bool) -> AsyncGenerator[Event, None]:
        proposals: dict[str, Proposal] = {}
        async with aclosing(self._probe(proposals)) as events:
            async for event in events:
                yield event
        if not proposals:
            raise self._unavailable()
        decision = decide(
            proposals, planner=self.planner, tools=self.tools, seed=self.turn.seed, alone=len(proposals) == 1
        )
        if solo:
            decision = replace(decision, agreement="solo")
        yield StageEvent("compare", None, decision.agreement, decision.kind)
        server, client = self._sort_calls(decision)
        outcomes: tuple[ToolOutcome, ...] = ()
        if server:
            yield StageEvent("act", None, "started", ", ".join(prompts.wire_name(call.name) for call in server))
            outcomes = await self._act(server)
            yield ToolResults(outcomes)
        if client:
            yield ClientToolCalls(client)
            yield self._finished("tool_calls", decision.agreement, self.planner)
            return
        async with aclosing(self._speak(decision, outcomes)) as spoken:
            async for event in spoken:
                yield event

    async def _probe(self, proposals: dict[str, Proposal]) -> AsyncGenerator[Event, None]:
        """Ask all members at once; fills `proposals` with what arrives in time."""
        queue: asyncio.Queue[_ProbeItem] = asyncio.Queue()
        tasks = {seat.name: asyncio.create_task(self._ask(seat, queue)) for seat in self.seats}
        # Each request bounds itself; this is the net below them.
        deadline = _now() + self.config.cold_load_timeout_s + 2 * self.config.probe_timeout_s + 1
        waiting = set(tasks)
        try:
            while waiting:
                try:
                    async with asyncio.timeout_at(deadline):
                        item = await queue.get()
                except TimeoutError:
                    break
                if not isinstance(item, _Answered):
                    yield item
                    continue
                waiting.discard(item.seat.name)
                if item.proposal is not None:
                    proposals[item.seat.name] = item.proposal
                    deadline = min(deadline, _now() + self._patience(waiting))
                    for line in item.proposal.points:
                        yield ReasoningDelta(item.seat.name, f"- {line}\n")
                    yield StageEvent("probe", item.seat.name, "answered", item.proposal.action)
                elif item.error is not None:
                    yield StageEvent("probe", item.seat.name, "failed", item.error.code)
        finally:
            await _cancel(tasks.values())
        for name in sorted(waiting):
            self._note_failure(name, MemberTimeout("It was still thinking when the others were done."))
            yield StageEvent("probe", name, "failed", "timeout")

    def _patience(self, waiting: set[str]) -> float:
        return self.config.probe_timeout_s if self.planner in waiting else self.config.grace_s

    async def _ask(self, seat: _Seat, queue: asyncio.Queue[_ProbeItem]) -> None:
        """One member's probe, with one retry as long as nothing of its answer was shown."""
        queue.put_nowait(StageEvent("probe", seat.name, "started"))
        shown = False

        def show(line: str) -> None:
            nonlocal shown
            shown = True
            queue.put_nowait(ReasoningDelta(seat.name, line + "\n"))

        for attempt in (1, 2):
            try:
                found = await self._ask_once(seat, show)
            except MemberError as error:
                if attempt == 1 and error.retryable and not shown:
                    continue
                self._note_failure(seat.name, error)
                seat.failed(error)
                queue.put_nowait(_Answered(seat, error=error))
            except Exception as error:
                log.exception("a member's backend failed unexpectedly", extra={"member": seat.name})
                failure = MemberError(f"unexpected {type(error).__name__}")
                self._note_failure(seat.name, failure)
                queue.put_nowait(_Answered(seat, error=failure))
            else:
                self.status[seat.name] = "ok"
                seat.succeeded()
                queue.put_nowait(_Answered(seat, proposal=found))
            return

    async def _ask_once(self, seat: _Seat, show: Callable[[str], None]) -> Proposal:
        seat.check()
        text, counted, done = [], 0, None
        reader = WorkReader()
        async with aclosing(seat.backend.stream(self._probe_request(seat))) as deltas:
            async for delta in deltas:
                if delta.text:
                    text.append(delta.text)
                    counted += len(delta.text)
                    if counted > proposal.MAX_CHARS:
                        raise BadAnswer("The plan is far too long.")
                    for line in reader.feed(delta.text):
                        show(line)
                done = delta.done or done
        self._count(seat.name, done, hidden=True)
        answer = "".join(text)
        if not answer.strip():
            raise EmptyAnswer
        return proposal.parse(answer, self.tools)

    def _probe_request(self, seat: _Seat) -> ChatRequest:
        instruction = Message("user", prompts.probe(self.tools, must_call=self.must_call))
        return ChatRequest(
            messages=(*self.prefix, instruction),
            context=StageContext("probe", self.user_text, self.tools, must_call=self.must_call),
            response_schema=proposal.schema(self.tools, must_call=self.must_call),
            think="off",
            temperature=self._temperature(),
            top_p=self.turn.top_p,
            max_tokens=self.config.probe_max_tokens,
            seed=stage_seed(self.turn.seed, "probe", seat.name),
            total_s=self.config.probe_timeout_s,
            first_byte_s=self.config.first_byte_timeout_s,
            idle_s=min(self.config.speak_idle_timeout_s, self.config.probe_timeout_s),
        )

    def _sort_calls(self, decision: Decision) -> tuple[tuple[ToolCall, ...], tuple[ToolCall, ...]]:
        """The calls to run here, and those to hand back to the caller."""
        owner = {tool.name: tool.effect for tool in self.tools}
        here = tuple(c for c in decision.calls if self.turn.act is not None and owner[c.name] != "client")
        back = tuple(c for c in decision.calls if c not in here)
        if back and not self.turn.parallel_tool_calls:
            back = back[:1]
        return here, back

    async def _act(self, calls: tuple[ToolCall, ...]) -> tuple[ToolOutcome, ...]:
        assert self.turn.act is not None
        self.acted = True
        return tuple(await self.turn.act(calls))

    # -- speaking ---------------------------------------------------------------------------------------------------

    async def _speak(self, decision: Decision, outcomes: tuple[ToolOutcome, ...]) -> AsyncGenerator[Event, None]:
        """One member writes the answer; another one takes over only as long as nothing was shown."""
        instruction = prompts.speak(
            points=decision.points, risks=decision.risks, notes=decision.notes, outcomes=outcomes,
            structured=self.turn.response_schema is not None,
        )  # fmt: skip
        messages = (*self.prefix, Message("user", instruction))
        context = StageContext("speak", self.user_text, self.tools, outcomes)
        for seat in self._speakers():
            ended: list[Done] = []
            yield StageEvent("speak", seat.name, "started")
            request = self._speak_request(seat, messages, context)
            async with aclosing(self._voice(seat, request, ended, [])) as content:
                async for event in content:
                    yield event
            if ended:
                yield self._finished(ended[0].finish_reason, decision.agreement, seat.name)
                return
            yield StageEvent("speak", seat.name, "failed", self.status[seat.name])
        yield self._speechless(decision.agreement)

    def _speakers(self) -> list[_Seat]:
        """The planner first, then who answered the probe, then the rest."""
        return sorted(self.seats, key=lambda s: (self.status[s.name] != "ok", s.name != self.planner, s.name))

    def _speak_request(
        self, seat: _Seat, messages: tuple[Message, ...], context: StageContext, tools: tuple[ToolSpec, ...] = ()
    ) -> ChatRequest:
        structured = self.turn.response_schema is not None
        return ChatRequest(
            messages=messages,
            context=context,
            tools=tools,
            response_schema=self.turn.response_schema,
            think="off" if structured else (self.turn.effort or "off"),
            temperature=self._temperature(),
            top_p=self.turn.top_p,
            max_tokens=self.turn.max_tokens,
            stop=tuple(self.turn.stop),
            seed=stage_seed(self.turn.seed, context.stage, seat.name),
            total_s=self.config.speak_timeout_s,
            first_byte_s=self.config.first_byte_timeout_s,
            idle_s=self.config.speak_idle_timeout_s,
        )

    async def _voice(
        self, seat: _Seat, request: ChatRequest, ended: list[Done], calls: list[ToolCall]
    ) -> AsyncGenerator[Event, None]:
        """Stream one member's answer. Puts the end into `ended` and native calls into `calls`; leaves `ended` empty
        when the member failed before it said anything (noted in `status`). Raises MemberStreamBroken after that."""
        speaking = False
        blank = ""
        done: Done | None = None
        try:
            seat.check()
            async with aclosing(seat.backend.stream(request)) as deltas:
                async for delta in deltas:
                    text = delta.text
                    if text:
                        if not speaking:
                            # Blank text may still turn out to be all there is, and then another member has to speak.
                            blank += text
                            text = blank
                            speaking = not text.isspace()
                        if speaking:
                            yield ContentDelta(text)
                    if delta.tool_calls:
                        calls.extend(delta.tool_calls)
                    if delta.done is not None:
                        done = delta.done
            if done is None or not (speaking or calls):
                raise EmptyAnswer
        except MemberError as error:
            self._note_failure(seat.name, error)
            seat.failed(error)
            if speaking:
                raise MemberStreamBroken(seat.name, error) from error
            calls.clear()
            return
        self.status[seat.name] = "ok"
        seat.succeeded()
        self._count(seat.name, done, hidden=False)
        ended.append(done)

    # -- one member alone -------------------------------------------------------------------------------------------

    async def _alone(self, seats: Sequence[_Seat], why: str) -> AsyncGenerator[Event, None]:
        """One member with native tools: what a client asked for, or what needs no committee.

        Where the committee was not declined by the client, jobs still take two voices: they are not offered here.
        """
        tools = self.tools if why == "asked for" else tuple(tool for tool in self.tools if tool.effect != "job")
        for seat in seats:
            async with aclosing(self._solo_turn(seat, tools)) as events:
                async for event in events:
                    yield event
                    if isinstance(event, Finished):
                        return
            yield StageEvent("speak", seat.name, "failed", self.status[seat.name])
            if self.acted:
                break
        yield self._speechless("solo")

    async def _solo_turn(self, seat: _Seat, tools: tuple[ToolSpec, ...]) -> AsyncGenerator[Event, None]:
        """Speak, run the member's own server calls, speak again. Without Finished, the member failed in silence."""
        messages = self.prefix
        outcomes: tuple[ToolOutcome, ...] = ()
        for round_number in range(self.config.max_tool_iterations + 1):
            offered = tools if round_number < self.config.max_tool_iterations else ()
            ended: list[Done] = []
            calls: list[ToolCall] = []
            context = StageContext("solo", self.user_text, offered, outcomes)
            yield StageEvent("speak", seat.name, "started")
            async with aclosing(
                self._voice(seat, self._speak_request(seat, messages, context, offered), ended, calls)
            ) as content:
                async for event in content:
                    yield event
            if not ended:
                return
            decided = self._solo_decision(calls, offered)
            server, client = self._sort_calls(decided)
            if server:
                outcomes = (*outcomes, *await self._act(server))
                yield ToolResults(outcomes[-len(server) :])
                messages = (
                    *messages,
                    Message("assistant", tool_calls=server),
                    *_tool_messages(outcomes[-len(server) :]),
                )
            if client or not server:
                if client:
                    yield ClientToolCalls(client)
                reason: FinishReason = "tool_calls" if client else _spoken(ended[0].finish_reason)
                yield self._finished(reason, "solo", seat.name)
                return

    def _solo_decision(self, calls: Sequence[ToolCall], tools: tuple[ToolSpec, ...]) -> Decision:
        """Native calls go through the same checks as proposed ones."""
        names = {alias: tool.name for tool in tools for alias in (tool.name, prompts.wire_name(tool.name))}
        proposed = tuple(
            proposal.ProposedCall(names[call.name], call.arguments) for call in calls if call.name in names
        )
        single = {self.planner: Proposal("call", calls=proposed)}
        # The number of rounds keeps ids apart within one turn.
        seed = stage_seed(self.turn.seed, f"calls/{self.usage_calls()}", self.planner)
        return decide(single, planner=self.planner, tools=tools, seed=seed, alone=True)

    def usage_calls(self) -> int:
        return sum(usage.calls for usage in self.usage.values())

    # -- bookkeeping ------------------------------------------------------------------------------------------------

    def _temperature(self) -> float:
        return self.config.temperature if self.turn.temperature is None else self.turn.temperature

    def _count(self, member: str, done: Done | None, *, hidden: bool) -> None:
        if done is None:
            return
        old = self.usage.get(member, MemberUsage())
        self.usage[member] = MemberUsage(
            prompt_tokens=old.prompt_tokens + done.prompt_tokens,
            completion_tokens=old.completion_tokens + done.completion_tokens,
            hidden_tokens=old.hidden_tokens + (done.completion_tokens if hidden else done.thinking_tokens),
            calls=old.calls + 1,
        )

    def _note_failure(self, member: str, error: MemberError) -> None:
        self.status[member] = error.code
        self.causes[member] = error.message
        log.warning("a member failed", extra={"member": member, "code": error.code, "cause": error.message})

    def _unavailable(self) -> CommitteeUnavailable:
        codes = {seat.name: self.status[seat.name] for seat in self.seats}
        causes = {name: self.causes.get(name, "it was not asked") for name in codes}
        too_long = set(codes.values()) == {ContextTooLong.code}
        return (ContextLengthExceeded if too_long else CommitteeUnavailable)(causes, codes=codes)

    def _speechless(self, agreement: Agreement) -> Finished:
        """Nobody could speak. Once tools have run this is no failed request: a retry would run them again."""
        if not self.acted:
            raise self._unavailable()
        return self._finished("stop", agreement, None)

    def _finished(self, reason: FinishReason, agreement: Agreement, speaker: str | None) -> Finished:
        models = {seat.name: seat.backend.model for seat in self.all_seats}
        failed = any(status not in ("ok", "silent") for status in self.status.values())
        return Finished(
            finish_reason=reason,
            usage=dict(self.usage),
            agreement=agreement,
            speaker=speaker,
            degraded=failed or agreement == "single" or speaker is None,
            members=dict(self.status),
            model=models.get(speaker or "", ""),
            causes=dict(self.causes),
        )


def _present(seats: Sequence[_Seat]) -> list[_Seat]:
    """Rules do not debate with language models: stand-ins keep silent beside a real member."""
    real = [seat for seat in seats if not seat.backend.stand_in]
    return real or list(seats)


def _offered(turn: Turn) -> tuple[ToolSpec, ...]:
    if turn.tool_choice in ("auto", "required"):
        tools = tuple(turn.tools)
        client = tuple(tool for tool in tools if tool.effect == "client")
        # "required" is a promise to the client that one of *its* tools is called; ours do not fulfil it.
        return client if turn.tool_choice == "required" and client else tools
    return tuple(t for t in turn.tools if turn.tool_choice in (t.name, prompts.wire_name(t.name)))


def _prefix(messages: Sequence[Message]) -> tuple[Message, ...]:
    """Our preface and the conversation. Leading system messages become one: many chat templates accept only that."""
    rest = list(messages)
    system = [prompts.PREFACE]
    while rest and rest[0].role == "system":
        system.append(rest.pop(0).content)
    return (Message("system", "\n\n".join(system)), *rest)


def _tool_messages(outcomes: Sequence[ToolOutcome]) -> tuple[Message, ...]:
    return tuple(
        Message("tool", prompts.outcome_json(o), tool_call_id=o.call.id, name=prompts.wire_name(o.call.name))
        for o in outcomes
    )


def _spoken(reason: FinishReason) -> FinishReason:
    return "stop" if reason == "tool_calls" else reason


async def _cancel(tasks: Iterable[asyncio.Task[None]]) -> None:
    tasks = list(tasks)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def usage_total(usage: Mapping[str, MemberUsage]) -> MemberUsage:
    """All members' usage in one."""
    return MemberUsage(
        prompt_tokens=sum(u.prompt_tokens for u in usage.values()),
        completion_tokens=sum(u.completion_tokens for u in usage.values()),
        hidden_tokens=sum(u.hidden_tokens for u in usage.values()),
        calls=sum(u.calls for u in usage.values()),
    )


__all__ = ["Committee", "CommitteeConfig", "stage_seed", "usage_total"]
