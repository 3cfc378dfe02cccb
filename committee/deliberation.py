"""One turn of deliberation: probe in parallel, compare in code, act, and let one member speak.

    route ──► probe (all members at once) ──► compare ──► act (agreed server tools) ──► speak (one member, streamed)
       └────► solo (one member, native tools): asked for, or not worth a committee

Stages are methods of `Deliberation` that yield events; a later stage (cross-check, verdicts) goes between compare and
act. Everything a turn starts is owned by its generator: closing or cancelling it stops every upstream request.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from committee import prompts, proposal
from committee.agreement import Decision, decide
from committee.calibration import Table, categorise
from committee.errors import (
    BadAnswer,
    CommitteeUnavailable,
    ContextLengthExceeded,
    ContextTooLong,
    EmptyAnswer,
    MemberError,
    MemberStreamBroken,
    MemberTimeout,
    ToolChoiceUnsatisfied,
    WrongModel,
)
from committee.proposal import Proposal, WorkReader
from committee.schema import (
    Agreement,
    ChatRequest,
    ClientToolCalls,
    ContentDelta,
    Done,
    Event,
    Finished,
    FinishReason,
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
from committee.seats import CommitteeConfig, Seat

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


def stage_seed(seed: int, stage: str, member: str) -> int:
    """A 31-bit seed for one member in one stage: the same turn samples the same, two stages do not share a stream."""
    digest = hashlib.sha256(f"{seed}|{stage}|{member}".encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1


def _now() -> float:
    return asyncio.get_running_loop().time()


@dataclass(frozen=True, slots=True)
class _Answered:
    """A member's probe has ended, one way or the other."""

    seat: Seat
    proposal: Proposal | None = None
    error: MemberError | None = None


@dataclass(slots=True)
class _Spoken:
    """What a member has said so far; `done` is set when it came to a proper end."""

    text: list[str] = field(default_factory=list)
    calls: list[ToolCall] = field(default_factory=list)
    done: Done | None = None


class _Lines:
    """Collects pieces of text into whole lines."""

    def __init__(self) -> None:
        self._rest = ""

    def feed(self, text: str) -> str:
        """All lines that are complete now, or nothing."""
        whole, newline, self._rest = (self._rest + text).rpartition("\n")
        return whole + newline

    def flush(self) -> str:
        """What is left, as a line."""
        rest, self._rest = self._rest, ""
        return rest + "\n" if rest.strip() else ""


_ProbeItem: TypeAlias = StageEvent | ReasoningDelta | _Answered


class Deliberation:
    """The state of one turn."""

    def __init__(
        self, seats: Sequence[Seat], planner: str, config: CommitteeConfig, turn: Turn, *, table: Table | None = None
    ) -> None:
        self.table = table or Table.empty()
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
        self.heard: set[str] = set()
        self.failures: dict[str, MemberError] = {}
        self.retried: set[str] = set()
        self.acted = False
        self.started = _now()

    # -- routing ----------------------------------------------------------------------------------------------------

    async def run(self) -> AsyncGenerator[Event, None]:
        if self.turn.confirmed and self.turn.act is not None:
            async with aclosing(self._as_confirmed(self.turn.confirmed)) as events:
                async for event in events:
                    yield event
            return
        solo, why = self._route()
        if solo:
            self.seats = solo
            self.planner = solo[0].name
            yield StageEvent("route", self.planner, "solo", why)
        asked_for = self.turn.mode.startswith("solo")
        native = bool(solo) and not self.must_call
        async with aclosing(
            self._alone(solo, asked_for=asked_for) if native else self._together(solo=asked_for)
        ) as events:
            async for event in events:
                yield event

    async def _as_confirmed(self, calls: tuple[ToolCall, ...]) -> AsyncGenerator[Event, None]:
        """What the user has confirmed needs no further opinion: exactly that is done, and one member says so."""
        yield StageEvent("act", None, "started", ", ".join(prompts.wire_name(call.name) for call in calls))
        outcomes = await self._act(calls)
        yield ToolResults(outcomes)
        async with aclosing(self._speak(Decision("call", "agreed"), outcomes)) as spoken:
            async for event in spoken:
                yield event

    def _route(self) -> tuple[list[Seat], str]:
        """The members to ask one after the other instead of together, and why; empty for a committee."""
        kind, _, name = self.turn.mode.partition(":")
        if kind == "solo":
            asked = [seat for seat in self.all_seats if seat.name == name]
            if not asked:
                raise ValueError(f"there is no member {name!r}")
            return asked, "asked for"
        if kind not in ("auto", "deep"):
            raise ValueError(f"unknown mode {self.turn.mode!r}")
        in_order = sorted(self.seats, key=lambda seat: seat.name != self.planner)
        if self.must_call:
            return [], ""
        if self.turn.messages and self.turn.messages[-1].role == "tool":
            return in_order, "tool result"
        client_tools = any(tool.effect == "client" for tool in self.tools)
        tiny = self.turn.max_tokens is not None and self.turn.max_tokens <= _TINY_ANSWER_TOKENS
        if not client_tools and (tiny or _SIDE_REQUEST.search(self.user_text[:4000])):
            self.tools = ()
            return in_order, "side request"
        category = categorise(self.user_text, tools=bool(self.tools))
        if stronger := self.table.solo_member(category):
            alone = sorted(in_order, key=lambda seat: seat.name != stronger)
            return alone, f"alone it was measured to be better at {category}"
        return [], ""

    # -- the committee's way ----------------------------------------------------------------------------------------

    async def _together(self, *, solo: bool = False) -> AsyncGenerator[Event, None]:
        proposals: dict[str, Proposal] = {}
        async with aclosing(self._probe(proposals)) as events:
            async for event in events:
                yield event
        decision = self._decide(proposals)
        if solo:
            decision = replace(decision, agreement="solo")
        yield StageEvent("compare", None, decision.agreement, decision.kind)
        server, client = self._sort_calls(decision.calls)
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
        for seat in self.seats:
            if seat.name in waiting:
                # Slower than the others is no outage: the breaker does not count it.
                self.failures[seat.name] = MemberTimeout("It was still thinking when the others were done.")
                yield StageEvent("probe", seat.name, "failed", MemberTimeout.code)

    def _decide(self, proposals: dict[str, Proposal]) -> Decision:
        if proposals:
            return decide(
                proposals, planner=self.planner, tools=self.tools, seed=self.turn.seed, alone=len(proposals) == 1
            )
        if self.must_call and self._all_answered():
            # Members that are there and find no call will find none when asked again: no outage.
            raise ToolChoiceUnsatisfied
        # A member that writes bad plans may still write good prose; one that does not answer cannot.
        if self.must_call or not any(isinstance(e, BadAnswer | EmptyAnswer) for e in self.failures.values()):
            raise self._unavailable()
        return Decision("answer", "single")

    def _patience(self, waiting: set[str]) -> float:
        return self.config.probe_timeout_s if self.planner in waiting else self.config.grace_s

    async def _ask(self, seat: Seat, queue: asyncio.Queue[_ProbeItem]) -> None:
        """One member's probe, with one retry as long as nothing of its answer was shown."""
        queue.put_nowait(StageEvent("probe", seat.name, "started"))
        shown = False

        def show(line: str) -> None:
            nonlocal shown
            shown = True
            queue.put_nowait(ReasoningDelta(seat.name, line + "\n"))

        while True:
            try:
                found = await self._ask_once(seat, show)
            except MemberError as error:
                self._failed(seat, error)
                if not shown and self._may_retry(seat):
                    continue
                queue.put_nowait(_Answered(seat, error=error))
            except Exception as error:
                log.exception("a member's backend failed unexpectedly", extra={"member": seat.name})
                failure = MemberError(f"unexpected {type(error).__name__}")
                self._failed(seat, failure)
                queue.put_nowait(_Answered(seat, error=failure))
            else:
                self._succeeded(seat)
                queue.put_nowait(_Answered(seat, proposal=found))
            return

    async def _ask_once(self, seat: Seat, show: Callable[[str], None]) -> Proposal:
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
        found = proposal.parse(answer, self.tools)
        if self.must_call and found.action != "call":
            raise BadAnswer("The plan does not act, although it has to.")
        return found

    def _probe_request(self, seat: Seat) -> ChatRequest:
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

    def _sort_calls(self, calls: tuple[ToolCall, ...]) -> tuple[tuple[ToolCall, ...], tuple[ToolCall, ...]]:
        """The calls to run here, and those to hand back to the caller."""
        owner = {tool.name: tool.effect for tool in self.tools}
        here = tuple(call for call in calls if self.turn.act is not None and owner[call.name] != "client")
        back = tuple(call for call in calls if call not in here)
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
        speakers = deque(self._speakers())
        while speakers:
            seat = speakers[0]
            yield StageEvent("speak", seat.name, "started")
            spoken = _Spoken()
            request = self._speak_request(seat, messages, context)
            async with aclosing(self._voice(seat, request, spoken)) as content:
                async for event in content:
                    yield event
            if spoken.done is not None:
                yield self._finished(spoken.done.finish_reason, decision.agreement, seat.name)
                return
            yield StageEvent("speak", seat.name, "failed", self._status(seat.name))
            if not self._may_retry(seat):
                speakers.popleft()
        yield self._speechless(decision.agreement)

    def _speakers(self) -> list[Seat]:
        """The planner first, then who answered the probe, then the rest."""
        return sorted(self.seats, key=lambda s: (s.name in self.failures, s.name != self.planner, s.name))

    def _speak_request(
        self, seat: Seat, messages: tuple[Message, ...], context: StageContext, tools: tuple[ToolSpec, ...] = ()
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

    async def _voice(self, seat: Seat, request: ChatRequest, spoken: _Spoken) -> AsyncGenerator[Event, None]:
        """Stream one member's answer and note it in `spoken`, whose `done` stays None when the member failed before it
        said anything. Raises MemberStreamBroken when it fails after that."""
        thoughts = _Lines()
        blank = ""
        done: Done | None = None
        try:
            seat.check()
            async with aclosing(seat.backend.stream(request)) as deltas:
                async for delta in deltas:
                    if text := delta.text:
                        if not blank and (rest := thoughts.flush()):
                            yield ReasoningDelta(seat.name, rest)
                        if not spoken.text:
                            # Blank text may turn out to be all there is, and then another member has to speak.
                            text = blank = blank + text
                        if spoken.text or not text.isspace():
                            spoken.text.append(text)
                            yield ContentDelta(text)
                    if delta.thinking and (lines := thoughts.feed(delta.thinking)):
                        yield ReasoningDelta(seat.name, lines)
                    if delta.tool_calls:
                        spoken.calls += delta.tool_calls
                    done = delta.done
            # A stop sequence at the very beginning leaves nothing to say, and asking again would not change it.
            if done is None or not (spoken.text or spoken.calls or request.stop):
                raise EmptyAnswer
        except MemberError as error:
            self._failed(seat, error)
            if spoken.text:
                raise MemberStreamBroken(seat.name, error) from error
            return
        self._succeeded(seat)
        self._count(seat.name, done, hidden=False)
        spoken.done = done

    # -- one member alone -------------------------------------------------------------------------------------------

    async def _alone(self, seats: Sequence[Seat], *, asked_for: bool) -> AsyncGenerator[Event, None]:
        """One member with native tools: what a client asked for, or what needs no committee."""
        speakers = deque(seats)
        while speakers and not self.acted:
            seat = speakers[0]
            async with aclosing(self._solo_turn(seat, asked_for=asked_for)) as events:
                async for event in events:
                    yield event
                    if isinstance(event, Finished):
                        return
            yield StageEvent("speak", seat.name, "failed", self._status(seat.name))
            if not self._may_retry(seat):
                speakers.popleft()
        yield self._speechless("solo")

    async def _solo_turn(self, seat: Seat, *, asked_for: bool) -> AsyncGenerator[Event, None]:
        """Speak, run the member's own server calls, speak again. Without Finished, the member failed in silence."""
        messages = self.prefix
        outcomes: tuple[ToolOutcome, ...] = ()
        for round_number in range(self.config.max_tool_iterations + 1):
            last_round = round_number == self.config.max_tool_iterations or self._overdue()
            tools = () if last_round or self._stumbles_over_tools(seat) else self.tools
            spoken = _Spoken()
            yield StageEvent("speak", seat.name, "started")
            request = self._speak_request(seat, messages, StageContext("solo", self.user_text, tools, outcomes), tools)
            async with aclosing(self._voice(seat, request, spoken)) as content:
                async for event in content:
                    yield event
            if spoken.done is None:
                return
            calls = self._checked(spoken.calls, tools, round_number)
            if not asked_for and self._has_job(calls):
                # A job takes the voices of all members, unless the client chose to hear one alone.
                async with aclosing(self._together()) as events:
                    async for event in events:
                        yield event
                return
            server, client = self._sort_calls(calls)
            if server:
                results = await self._act(server)
                yield ToolResults(results)
                outcomes += results
                said = Message("assistant", "".join(spoken.text), tool_calls=server)
                messages = (*messages, said, *_tool_messages(results))
            if client:
                yield ClientToolCalls(client)
            if client or not server:
                reason = spoken.done.finish_reason
                if client or reason == "tool_calls":
                    reason = "tool_calls" if client else "stop"
                yield self._finished(reason, "solo", seat.name)
                return

    def _stumbles_over_tools(self, seat: Seat) -> bool:
        """Ollama fails when it cannot parse a model's own call; without tools the second attempt has words."""
        return "tool call" in str(self.failures.get(seat.name, ""))

    def _checked(self, calls: Sequence[ToolCall], tools: Sequence[ToolSpec], round_number: int) -> tuple[ToolCall, ...]:
        """Native calls go through the same checks as proposed ones; unknown tools and wild arguments are left out."""
        entries = [{"tool": call.name, "args": call.arguments} for call in calls]
        proposed, _ = proposal.checked_calls(entries, tools)
        # Each round of a turn has ids of its own.
        seed = stage_seed(self.turn.seed, "calls", str(round_number))
        only = {self.planner: Proposal("call", calls=proposed)}
        return decide(only, planner=self.planner, tools=tools, seed=seed, alone=True).calls

    def _has_job(self, calls: Sequence[ToolCall]) -> bool:
        jobs = {tool.name for tool in self.tools if tool.effect == "job"}
        return any(call.name in jobs for call in calls)

    def _overdue(self) -> bool:
        return _now() - self.started > self.config.turn_timeout_s

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

    def _succeeded(self, seat: Seat) -> None:
        self.heard.add(seat.name)
        self.failures.pop(seat.name, None)
        seat.succeeded()

    def _failed(self, seat: Seat, error: MemberError) -> None:
        self.failures[seat.name] = error
        seat.failed(error)
        log.warning("a member failed", extra={"member": seat.name, "code": error.code, "cause": error.message})

    def _may_retry(self, seat: Seat) -> bool:
        """One retry per member and turn; the caller knows that nothing of the failed answer was shown."""
        error = self.failures.get(seat.name)
        if error is None or not error.retryable or seat.name in self.retried:
            return False
        self.retried.add(seat.name)
        return True

    def _status(self, name: str) -> str:
        if error := self.failures.get(name):
            return error.code
        return "ok" if name in self.heard else "silent"

    def _all_answered(self) -> bool:
        errors = self.failures.values()
        return all(isinstance(e, BadAnswer | EmptyAnswer) and not isinstance(e, WrongModel) for e in errors)

    def _unavailable(self) -> CommitteeUnavailable:
        codes = {name: error.code for name, error in self.failures.items()}
        causes = {name: error.message for name, error in self.failures.items()}
        too_long = set(codes.values()) == {ContextTooLong.code}
        return (ContextLengthExceeded if too_long else CommitteeUnavailable)(causes, codes=codes)

    def _speechless(self, agreement: Agreement) -> Finished:
        """Nobody could speak. Once tools have run this is no failed request: a retry would run them again."""
        if not self.acted:
            raise self._unavailable()
        return self._finished("stop", agreement, None)

    def _finished(self, reason: FinishReason, agreement: Agreement, speaker: str | None) -> Finished:
        models = {seat.name: seat.backend.model for seat in self.all_seats}
        return Finished(
            finish_reason=reason,
            usage=dict(self.usage),
            agreement=agreement,
            speaker=speaker,
            degraded=bool(self.failures) or agreement == "single" or speaker is None,
            members={seat.name: self._status(seat.name) for seat in self.all_seats},
            model=models.get(speaker or "", ""),
            causes={name: error.message for name, error in self.failures.items()},
        )


def _present(seats: Sequence[Seat]) -> list[Seat]:
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


async def _cancel(tasks: Iterable[asyncio.Task[None]]) -> None:
    tasks = list(tasks)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
