"""One turn of deliberation.

    route ─┬─► together: probe (all at once, JSON) ─► decide ─► act ⇄ replan ─► speak (one member, streamed)
           ├─► native: probe with the client's own tools ─► decide ─► hand its calls back, or let one's text stand
           └─► solo: one member with native tools; asked for, or not worth a committee

`decide` is `committee.deciding`. Stages are methods that yield events. Everything a turn starts is owned by its
generator: closing or cancelling it stops every upstream request.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from committee import evidence, plans, prompts, proposal, refusals, routing
from committee.acting import CHANGING, Acting, Batch
from committee.agreement import Decision
from committee.asking import Asking, Heard, Round, Show, thoughts_to
from committee.budget import Budget
from committee.calibration import Category, Table, categorise
from committee.context import conversation, tokens
from committee.deciding import Bench, Deciding, Sample
from committee.errors import (
    BadAnswer,
    ContextLengthExceeded,
    ContextTooLong,
    MemberStreamBroken,
    ToolChoiceUnsatisfied,
)
from committee.ledger import Ledger, in_order
from committee.listening import Pace
from committee.plans import PlannedCall
from committee.proposal import Proposal, WorkReader
from committee.requests import Requests, last_user_text, stage_seed
from committee.routing import Route
from committee.schema import (
    Account,
    ClientToolCalls,
    ContentDelta,
    ContextUse,
    Delta,
    Done,
    Event,
    Finished,
    FinishReason,
    Message,
    ReasoningDelta,
    StageEvent,
    ToolCall,
    ToolSpec,
    Turn,
)
from committee.seats import CommitteeConfig, Seat
from committee.speaking import Gate, Spoken, Voices
from committee.straight import Begun

log = logging.getLogger(__name__)

T = TypeVar("T")

_MOST_SHOWN = 1200


@dataclass(frozen=True, slots=True)
class Equipment:
    """What the committee has besides its members, the same for every turn.

    table: what was measured about the members. checks: what can be found out by a program. embed: vectors of texts, to
    find the tool that a refusal is about. ratios: how many characters a token has, learned per member. variables: the
    setting that makes a member's window larger.
    """

    table: Table = field(default_factory=Table.empty)
    checks: Sequence[evidence.Check] = evidence.STANDARD
    embed: refusals.Embed | None = None
    ratios: tokens.Ratios = field(default_factory=tokens.Ratios)
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Native:
    """What a member answered with the client's own tools: as heard, and as a proposal to compare."""

    heard: Heard
    proposal: Proposal


@dataclass(slots=True)
class _Found:
    """What a stage leaves behind for the next one."""

    decision: Decision = field(default_factory=lambda: Decision("answer", "single"))


@dataclass(slots=True)
class _Voice:
    """Who spoke, and how it ended."""

    seat: Seat | None = None
    text: str = ""

    def heard(self, seat: Seat, spoken: Spoken) -> None:
        self.seat = seat
        self.text = "".join(spoken.text)


class Deliberation:
    """The state of one turn."""

    def __init__(
        self,
        seats: Sequence[Seat],
        planner: str,
        config: CommitteeConfig,
        turn: Turn,
        equipment: Equipment,
        *,
        again: bool = False,
        begun: Begun | None = None,
    ) -> None:
        self.turn = turn
        self.begun = begun
        self.chair = planner
        self.again = again
        self.config = config
        self.equipment = equipment
        self.all_seats = seats
        self.seats = _present(seats)
        self.planner = planner if any(seat.name == planner for seat in self.seats) else self.seats[0].name
        self.tools = () if turn.tool_choice == "none" else _offered(turn)
        self.must_call = bool(self.tools) and turn.tool_choice not in ("auto", "none")
        self.messages: Sequence[Message] = turn.messages
        self.user_text = last_user_text(turn.messages)
        self.budget = (
            begun.budget if begun else Budget(hidden_tokens=config.hidden_tokens, wall_s=config.turn_timeout_s)
        )
        self.ledger = begun.ledger if begun else Ledger(self.budget)
        self.asking = Asking(self.ledger, equipment.ratios, self._new_pace)
        self.voices = Voices(self.ledger, equipment.ratios, self._new_pace)
        self.account = Account(mode=turn.mode.partition(":")[0])
        self.acting = Acting(turn, self.budget)
        self.told_held: set[str] = set()
        self.forced = False
        self.solo = False
        self.endings: dict[int, Done] = {}  # of every answer, by its index
        self.requests: Requests

    @property
    def acted(self) -> bool:
        """Tools have run. From here on nothing may look like a failed request: a retry would run them again."""
        return bool(self.acting.outcomes)

    def _new_pace(self) -> Pace:
        return Pace(window_s=self.config.slow_window_s, slowest=self.config.slowest_tokens_per_s)

    # -- routing ------------------------------------------------------------------------------------------------------

    async def run(self) -> AsyncGenerator[Event, None]:
        route = self._route()
        route = await self._fit(route)
        self.requests = Requests(
            self.turn, self.messages, self.tools, must_call=self.must_call, config=self.config, budget=self.budget
        )
        if route.why:
            self.account = replace(self.account, route=route.why)
            if self.begun is None:
                yield StageEvent("route", self.planner, "solo", route.why)
        known = dict(self.equipment.ratios.known)
        try:
            async with aclosing(self._answer(route)) as events:
                async for event in events:
                    yield event
            return
        except ContextLengthExceeded:
            # Nothing was shown yet. What the refusals taught makes the second attempt a tighter one.
            if self.again or known == self.equipment.ratios.known:
                raise
        yield StageEvent("route", None, "again", "the conversation has more tokens than estimated")
        again = Deliberation(self.all_seats, self.chair, self.config, self.turn, self.equipment, again=True)
        async with aclosing(again.run()) as events:
            async for event in events:
                yield event

    def _answer(self, route: Route) -> AsyncGenerator[Event, None]:
        if self.turn.confirmed and self.turn.act is not None:
            return self._confirmed()
        if route.way == "native":
            return self._natively()
        if route.way == "solo" and not self.must_call:
            return self._alone(asked_for=route.asked_for)
        return self._together(solo=route.way == "solo")

    def _route(self) -> Route:
        """Who answers, and how; leaves the members and tools that this takes."""
        route = routing.route(
            self.turn,
            members=[seat.name for seat in self.all_seats],
            planner=self.planner,
            must_call=self.must_call,
            client_tools=any(tool.effect == "client" for tool in self.tools),
            user_text=self.user_text,
            switched_off=lambda: self.equipment.table.solo_member(self._category),
        )
        if not route.tools:
            self.tools, self.must_call = (), False
        self.solo = route.way == "solo"
        if not self.solo:
            return route
        if route.asked_for:
            self.seats = [seat for seat in self.all_seats if seat.name == route.member]
        elif any(seat.name == route.member for seat in self.seats):
            self.seats = sorted(self.seats, key=lambda seat: (seat.name != route.member, seat.name != self.planner))
        self.planner = self.seats[0].name
        return route

    @property
    def _category(self) -> Category:
        return categorise(self.user_text, tools=bool(self.tools))

    async def _fit(self, route: Route) -> Route:
        """Leave out members whose window is too small, or pack the conversation when it fits nobody."""
        windows = {seat.name: seat.backend.window for seat in self.seats}
        smallest = min((window for window in windows.values() if window is not None), default=None)
        if smallest is None or self._weight * 8 < smallest:
            return route
        fitted = await self._fitted(windows)
        self.messages = fitted.messages
        self.account = replace(self.account, context=fitted.use)
        able = [seat for seat in self.seats if seat.name in fitted.members]
        if len(able) == len(self.seats):
            return route
        self.seats = able
        self.planner = self.planner if self.planner in fitted.members else able[0].name
        if len(able) == 1 and route.way != "solo":
            return Route("solo", f"context: {fitted.use.detail}", self.planner)
        return route

    @property
    def _weight(self) -> int:
        """More tokens than the conversation and the tools can be."""
        return tokens.of_messages(self.messages, 1.0) + tokens.of_tools(self.tools, 1.0)

    async def _fitted(self, windows: Mapping[str, int | None]) -> conversation.Fitted:
        config = self.config
        densest = min(self.equipment.ratios.of(member) for member in windows)
        instructions = tokens.estimate(prompts.PREFACE + prompts.probe((), must_call=False), densest)
        work = functools.partial(
            conversation.fit,
            self.messages,
            windows=windows,
            reserve=min(self.turn.max_tokens or config.answer_reserve_tokens, config.answer_reserve_tokens),
            overhead_tokens=instructions + tokens.of_tools(self.tools, densest),
            pack=config.pack_context,
            seed=self.turn.seed,
            chars_per_token=self.equipment.ratios.known,
            variables=self.equipment.variables,
        )
        return await asyncio.to_thread(work) if conversation.is_heavy(self.messages) else work()

    # -- the committee's way ------------------------------------------------------------------------------------------

    async def _together(self, *, solo: bool = False) -> AsyncGenerator[Event, None]:
        """Probe, decide, act and plan again as long as that brings something new, and let one member speak."""
        found = _Found()
        async with aclosing(self._plan(found)) as events:
            async for event in events:
                yield event
        if solo:
            found.decision = replace(found.decision, agreement="solo")
        async with aclosing(self._carry_out(found)) as events:
            async for event in events:
                yield event
                if isinstance(event, Finished):
                    return
        async with aclosing(self._speak(found.decision)) as events:
            async for event in events:
                yield event

    async def _plan(self, found: _Found) -> AsyncGenerator[Event, None]:
        """All members' plans, and what the committee makes of them."""
        proposals: dict[str, Proposal] = {}
        config = self.config
        question = Round(
            "probe",
            self._propose,
            # Each request bounds itself, with a cold load of its model; this is the net below them.
            stage_s=config.cold_load_timeout_s + 2 * config.probe_timeout_s + 1,
            grace_s=config.grace_s,
            patience_s=config.probe_timeout_s,
            patient=frozenset({self.planner, self._stronger}),
            describe=lambda one: one.action,
        )
        async with aclosing(self.asking.everyone(self.seats, question, proposals)) as events:
            async for event in events:
                yield event
        if not proposals:
            self._nobody_planned()
            found.decision = Decision("answer", "single")
            return
        async with aclosing(self._decide(proposals, found, sample=self._sample)) as events:
            async for event in events:
                yield event

    def _nobody_planned(self) -> None:
        """Raise unless somebody is there who may still find words."""
        if self.must_call and self.ledger.all_answered():
            # Members that are there and find no call will find none when asked again: no outage.
            raise ToolChoiceUnsatisfied
        if not self.acted and (self.must_call or not self.ledger.anyone_there()):
            raise self.ledger.unavailable()

    async def _propose(self, seat: Seat, show: Show, *, stage: str = "probe") -> Proposal:
        reader = WorkReader()

        def on_delta(delta: Delta) -> None:
            for line in reader.feed(delta.text):
                show(ReasoningDelta(seat.name, line + "\n"))

        request = self.requests.probe(seat.name, self.acting.outcomes, stage=stage)
        heard = await self.asking.hear(seat, request, on_delta)
        found = proposal.parse(heard.text, self.tools)
        if request.context.must_call and found.action != "call":
            raise BadAnswer("The plan does not act, although it has to.")
        for point in found.points:
            show(ReasoningDelta(seat.name, f"- {point}\n"))
        return found

    async def _sample(self, seat: Seat, show: Show) -> Proposal:
        return await self._propose(seat, show, stage="sample")

    async def _decide(
        self, proposals: Mapping[str, Proposal], found: _Found, *, sample: Sample
    ) -> AsyncGenerator[Event, None]:
        deciding = Deciding(
            Bench(tuple(self.seats), self.planner, self._stronger),
            self.asking,
            self.requests,
            config=self.config,
            budget=self.budget,
            seed=self.turn.seed,
            deep=self.turn.mode == "deep",
            checks=self.equipment.checks,
            sample=sample,
        )
        async with aclosing(deciding.run(proposals)) as events:
            async for event in events:
                yield event
        found.decision = deciding.decision
        if found.decision.plan.choices and not self.budget.spent:
            async with aclosing(self._choose(found)) as events:
                async for event in events:
                    yield event

    @property
    def _stronger(self) -> str:
        """The member whose view is worth waiting for."""
        measured = self.equipment.table.stronger(self._category)
        return measured if any(seat.name == measured for seat in self.seats) and measured else self.planner

    async def _choose(self, found: _Found) -> AsyncGenerator[Event, None]:
        """The planner settles arguments that were read in two ways, among the values that were proposed."""
        plan = found.decision.plan
        schema = plans.choices_schema(plan, self.tools)
        calls = [ToolCall("", call.tool.name, call.args) for call in plan.calls]

        async def choose(seat: Seat, show: Show) -> dict[str, Any]:
            heard = await self.asking.hear(seat, self.requests.choose(seat.name, calls, schema))
            return proposal.decode(heard.text)[0]

        answers: dict[str, dict[str, Any]] = {}
        async with aclosing(self._ask_planner("choose", choose, self.config.choose_timeout_s, answers)) as events:
            async for event in events:
                yield event
        for answer in answers.values():
            found.decision = found.decision.with_plan(plans.choose(plan, answer))

    async def _ask_planner(
        self, stage: str, ask: Callable[[Seat, Show], Awaitable[T]], timeout_s: float, answers: dict[str, T]
    ) -> AsyncGenerator[Event, None]:
        """One question to the planner, or to whoever stands in for it."""
        limit = max(0.05, min(timeout_s, self.budget.left_s))
        seat = in_order(self.seats, self.planner, self.ledger)[0]
        question = Round(stage, ask, limit, limit)
        async with aclosing(self.asking.everyone([seat], question, answers)) as events:
            async for event in events:
                yield event

    # -- acting -------------------------------------------------------------------------------------------------------

    async def _carry_out(self, found: _Found) -> AsyncGenerator[Event, None]:
        """Run what was agreed and plan again on the results. Ends with Finished when calls go back to the caller."""
        for number in range(self.config.max_tool_iterations):
            batch = self._batch(found.decision, number)
            async with aclosing(self.acting.run(batch)) as events:
                async for event in events:
                    yield event
            if batch.back:
                yield ClientToolCalls(batch.back)
                yield self._finished("tool_calls", found.decision, self.planner)
                return
            last = number + 1 == self.config.max_tool_iterations
            if last or self.budget.spent or not batch.has_results:
                return
            async with aclosing(self._replan(found)) as events:
                async for event in events:
                    yield event

    def _batch(self, decision: Decision, number: int) -> Batch:
        """What of the plan to run here, wave by wave, and what to hand back; what must not run is held."""
        seed = self.turn.seed if number == 0 else stage_seed(self.turn.seed, "calls", str(number))
        return self.acting.sort(decision.calls, plans.numbered(decision.calls, seed))

    def _all_held(self, decision: Decision) -> tuple[ToolCall, ...]:
        """What waits for the user: calls that not every member wants, and those that others' words may have caused."""
        disputed = plans.numbered(decision.held, stage_seed(self.turn.seed, "held", "")) if decision.held else ()
        return (*disputed, *self.acting.held.values())

    def _newly_held(self, decision: Decision) -> Iterator[StageEvent]:
        """Tell of held calls before the speaker begins, so that an answer that breaks off does not lose them."""
        fresh = tuple(call for call in self._all_held(decision) if call.id not in self.told_held)
        self.told_held |= {call.id for call in fresh}
        if fresh:
            yield StageEvent("act", None, "held", ", ".join(prompts.wire_name(call.name) for call in fresh), fresh)

    async def _replan(self, found: _Found) -> AsyncGenerator[Event, None]:
        """The planner looks at the results; only a plan that would change something is put to all members again."""

        async def replan(seat: Seat, show: Show) -> Proposal:
            return await self._propose(seat, show, stage="replan")

        answers: dict[str, Proposal] = {}
        async with aclosing(self._ask_planner("replan", replan, self.config.probe_timeout_s, answers)) as events:
            async for event in events:
                yield event
        found.decision = found.decision.with_plan(plans.Plan(held=found.decision.held))
        if not answers:
            return
        ((planner, following),) = answers.items()
        plan = plans.merge(answers, planner=planner, tools=self.tools, alone=True)
        fresh = [call for call in plan.calls if call.canonical not in self.acting.ran]
        if any(call.tool.effect in CHANGING for call in fresh) and not self.acting.tainted and len(self.seats) > 1:
            async with aclosing(self._plan(found)) as events:
                async for event in events:
                    yield event
            return
        found.decision = found.decision.replanned(plan, following)

    # -- calls that the user has confirmed ----------------------------------------------------------------------------

    async def _confirmed(self) -> AsyncGenerator[Event, None]:
        """Run what an earlier turn held and the user has now confirmed, exactly as it is, and tell what came of it."""
        self.account = replace(self.account, route=self.account.route or "confirmed by the user")
        known = {tool.name: tool for tool in self.turn.tools}
        planned = [PlannedCall(known[call.name], call.arguments) for call in self.turn.confirmed if call.name in known]
        calls = tuple(call for call in self.turn.confirmed if call.name in known)
        self.acting.ran |= {one.canonical for one in planned}
        batch = Batch(waves=(calls,) if calls else (), tools=tuple(one.tool for one in planned))
        async with aclosing(self.acting.run(batch)) as events:
            async for event in events:
                yield event
        found = _Found(Decision("call", "solo"))
        if batch.has_results and not self.budget.spent:
            async with aclosing(self._replan(found)) as events:
                async for event in events:
                    yield event
            async with aclosing(self._carry_out(found)) as events:
                async for event in events:
                    yield event
                    if isinstance(event, Finished):
                        return
        async with aclosing(self._speak(found.decision)) as events:
            async for event in events:
                yield event

    # -- speaking -----------------------------------------------------------------------------------------------------

    async def _speak(self, decision: Decision) -> AsyncGenerator[Event, None]:
        """One member writes the answer, `turn.n` times from the same outline, and once more if a tool had to be forced
        on it."""
        async with aclosing(self._force(found=decision, said=None)) as events:
            async for event in events:
                yield event
        for waiting in self._newly_held(decision):
            yield waiting
        voice = _Voice()
        for index in range(self.turn.n):
            if index == 0 or voice.seat is not None:
                async with aclosing(self._voice(decision, voice, index=index)) as events:
                    async for event in events:
                        yield event
        if voice.seat is None:
            yield self._speechless(decision)
            return
        ran = len(self.acting.outcomes)
        async with aclosing(self._force(found=decision, said=voice.text)) as events:
            async for event in events:
                yield event
        if len(self.acting.outcomes) > ran:
            yield ContentDelta("\n\n")
            async with aclosing(self._voice(decision, voice, again=1)) as events:
                async for event in events:
                    yield event
        yield self._finished(self._reason(0), decision, voice.seat.name)

    async def _voice(
        self, decision: Decision, voice: _Voice, *, index: int = 0, again: int = 0
    ) -> AsyncGenerator[Event, None]:
        """Let the speaker write; another one takes over only as long as nothing was shown. `voice.seat` stays as it is
        when nobody could."""
        preferred, why = self._speaker(decision)
        outline = replace(decision.outline, notes=(*decision.outline.notes, *dict.fromkeys(self.acting.notes)))
        speakers = deque(in_order(self.seats, preferred, self.ledger))
        while speakers:
            seat = speakers[0]
            yield StageEvent("speak", seat.name, "started")
            spoken = Spoken()
            request = self.requests.speak(seat.name, outline, self.acting.outcomes, index=index, again=again)
            async with aclosing(self.voices.speak(seat, request, spoken, index=index)) as content:
                async for event in content:
                    yield event
            if spoken.done is not None:
                voice.heard(seat, spoken)
                self.endings[index] = spoken.done
                self.account = replace(self.account, spoke_because=why)
                return
            yield StageEvent("speak", seat.name, "failed", self.ledger.status(seat.name))
            why = f"{seat.name} could not speak: {self.ledger.status(seat.name)}"
            if not self.ledger.may_retry(seat):
                speakers.popleft()
        if index > 0 and voice.seat is not None:
            name, error = next(reversed(self.ledger.failures.items()))
            raise MemberStreamBroken(name, error)

    def _speaker(self, decision: Decision) -> tuple[str, str]:
        """Who is to speak, and why: the author of an answer that the planner does not hold, else the planner."""
        won = decision.agreement in ("agreed", "decided") and self.planner in decision.dissent
        if won and decision.author != self.planner:
            return decision.author, f"its answer was chosen over {self.planner}'s"
        if self.planner in self.ledger.failures:
            return self.planner, f"{self.planner} had failed: {self.ledger.status(self.planner)}"
        return self.planner, self.account.route or "it is the planner"

    async def _force(self, *, found: Decision, said: str | None) -> AsyncGenerator[Event, None]:
        """Overrule a member that says it cannot do what a tool does, once a turn; a refusal for policy never.

        said: what was spoken, None to look at the plans alone.
        """
        if self.forced or found.concern or self.turn.act is None or not self.tools:
            return
        if self.acting.outcomes or self.acting.held:
            return
        refusal = said if said is not None else found.refusal
        if refusal is None or (said is not None and self.turn.response_schema is not None):
            return
        try:
            async with asyncio.timeout(self.config.evidence_timeout_s):
                forced = await refusals.tool_to_force(
                    turn_tools=self.tools, proposal_or_text=refusal, user_text=self.user_text,
                    embed=self.equipment.embed,
                )  # fmt: skip
        except Exception:
            log.exception("a refusal could not be looked at")
            return
        if forced is None:
            return
        self.forced = True
        planned = (PlannedCall(*forced),)
        batch = self.acting.sort(planned, plans.numbered(planned, stage_seed(self.turn.seed, "forced", "")))
        async with aclosing(self.acting.run(batch)) as events:
            async for event in events:
                yield event

    # -- members with the client's own tools --------------------------------------------------------------------------

    async def _natively(self) -> AsyncGenerator[Event, None]:
        """Every member answers with native tools; their calls are merged and emitted, or the author's words stand."""
        natives: dict[str, _Native] = {}
        config = self.config
        question = Round(
            "probe",
            self._answer_natively,
            stage_s=config.cold_load_timeout_s + config.speak_timeout_s + 1,
            grace_s=config.grace_s,
            patience_s=config.speak_timeout_s,
            patient=frozenset({self.planner, self._stronger}),
            describe=lambda one: one.proposal.action,
        )
        gate = Gate(self.planner, [seat.name for seat in self.seats], enabled=self.turn.mode != "deep")
        async with aclosing(self.asking.everyone(self.seats, question, natives)) as events:
            async for event in events:
                calling = {name for name, native in natives.items() if native.proposal.calls}
                for passed in gate.let_through(event, calling):
                    yield passed
        if gate.opened and self.planner not in natives:
            raise MemberStreamBroken(self.planner, self.ledger.failures[self.planner])
        if not natives:
            self._nobody_planned()
            async with aclosing(self._speak(Decision("answer", "single"))) as events:
                async for event in events:
                    yield event
            return
        found = _Found()
        proposals = {name: native.proposal for name, native in natives.items()}
        async with aclosing(self._decide(proposals, found, sample=self._sample_natively)) as events:
            async for event in events:
                yield event
        async with aclosing(self._emit(found, natives, live=gate.opened)) as events:
            async for event in events:
                yield event

    async def _answer_natively(self, seat: Seat, show: Show, *, index: int = 0) -> _Native:
        thoughts = thoughts_to(show, seat.name)

        def on_delta(delta: Delta) -> None:
            thoughts(delta)
            if delta.text and seat.name == self.planner and not index:
                show(ContentDelta(delta.text, 0, delta.logprobs))

        tools = () if self._stumbles_over_tools(seat) else self.tools
        request = self.requests.native(seat.name, self.requests.prefix, tools, index=index)
        heard = await self.asking.hear(seat, request, on_delta)
        entries = [{"tool": call.name, "args": call.arguments} for call in heard.calls]
        calls, refused = proposal.checked_calls(entries, self.tools)
        if not calls and not heard.text.strip():
            raise BadAnswer(f"Its calls cannot be used: {refused[0] if refused else 'there are none'}.")
        action: proposal.Action = "call" if calls else "answer"
        return _Native(heard, Proposal(action, work=heard.text.strip()[:_MOST_SHOWN], calls=calls))

    async def _sample_natively(self, seat: Seat, show: Show) -> Proposal:
        return (await self._answer_natively(seat, show, index=1)).proposal

    async def _emit(self, found: _Found, natives: Mapping[str, _Native], *, live: bool) -> AsyncGenerator[Event, None]:
        """Say what the author said, run the server's calls, hand back the client's."""
        decision = found.decision
        author = self.planner if live else decision.author
        batch = self._batch(decision, 0)
        native = natives[author]
        # Who has changed its mind since has not yet found words for what it holds now.
        stands = bool(native.heard.text.strip()) and bool(native.proposal.calls) == bool(decision.calls)
        if stands and not live:
            yield ContentDelta(native.heard.text)
        speaker = next(seat for seat in self.seats if seat.name == author)
        self.ledger.reveal(author, native.heard.done)
        self.account = replace(self.account, spoke_because=self._speaker(decision)[1])
        async with aclosing(self.acting.run(batch)) as events:
            async for event in events:
                yield event
        if batch.back:
            yield ClientToolCalls(batch.back)
            yield self._finished("tool_calls", decision, author)
        elif batch.waves:
            messages = (*self.requests.prefix, *self.acting.exchange(batch, native.heard.text))
            async with aclosing(self._alone(first=speaker, messages=messages, decision=decision)) as events:
                async for event in events:
                    yield event
        elif stands or live:
            self.endings[0] = native.heard.done
            yield self._finished(self._reason(0), decision, author)
        else:
            async with aclosing(self._speak(decision)) as events:
                async for event in events:
                    yield event

    def _stumbles_over_tools(self, seat: Seat) -> bool:
        """Ollama fails when it cannot parse a model's own call; without tools the second attempt has words."""
        return "tool call" in str(self.ledger.failures.get(seat.name, ""))

    # -- one member alone ---------------------------------------------------------------------------------------------

    async def _alone(
        self,
        *,
        asked_for: bool = False,
        first: Seat | None = None,
        messages: tuple[Message, ...] = (),
        decision: Decision | None = None,
    ) -> AsyncGenerator[Event, None]:
        """One member with native tools: what a client asked for, what needs no committee, or (with `messages`) the rest
        of a turn after the committee's calls have run."""
        decision = decision or Decision("answer", "solo")
        speakers = deque([first] if first else self.seats)
        began = len(self.acting.outcomes)
        while speakers and len(self.acting.outcomes) == began:
            seat = speakers[0]
            start = messages or self.requests.prefix
            async with aclosing(self._solo_turn(seat, start, decision, asked_for=asked_for)) as events:
                async for event in events:
                    yield event
                    if isinstance(event, Finished):
                        return
            yield StageEvent("speak", seat.name, "failed", self.ledger.status(seat.name))
            if not self.ledger.may_retry(seat):
                speakers.popleft()
        yield self._speechless(decision)

    async def _solo_turn(
        self, seat: Seat, messages: tuple[Message, ...], decision: Decision, *, asked_for: bool
    ) -> AsyncGenerator[Event, None]:
        """Speak, run the member's own server calls, speak again. Without Finished, the member failed in silence."""
        self.account = replace(self.account, spoke_because=self.account.route or self._speaker(decision)[1])
        for number in range(self.config.max_tool_iterations + 1):
            last = number == self.config.max_tool_iterations or self.budget.left_s <= 0
            tools = () if last or self._stumbles_over_tools(seat) else self.tools
            spoken = Spoken()
            if self.begun is not None:
                spoken, self.begun = self.begun.spoken, None
            else:
                for waiting in self._newly_held(decision):
                    yield waiting
                yield StageEvent("speak", seat.name, "started")
                request = self.requests.native(seat.name, messages, tools, self.acting.outcomes)
                async with aclosing(self.voices.speak(seat, request, spoken)) as content:
                    async for event in content:
                        yield event
            if spoken.done is None:
                return
            planned, calls = self._checked(spoken.calls, tools, number)
            if not asked_for and len(self.seats) > 1 and any(one.tool.effect in CHANGING for one in planned):
                # What changes something takes the voices of all members, unless the client chose to hear one alone.
                async with aclosing(self._together()) as events:
                    async for event in events:
                        yield event
                return
            batch = self.acting.sort(planned, calls)
            async with aclosing(self.acting.run(batch)) as events:
                async for event in events:
                    yield event
            if batch.waves and not batch.back:
                messages = (*messages, *self.acting.exchange(batch, "".join(spoken.text)))
                continue
            async with aclosing(self._solo_end(seat, messages, decision, spoken, batch)) as events:
                async for event in events:
                    yield event
            return

    async def _solo_end(
        self, seat: Seat, messages: tuple[Message, ...], decision: Decision, spoken: Spoken, batch: Batch
    ) -> AsyncGenerator[Event, None]:
        assert spoken.done is not None
        if spoken.calls and not (batch.back or spoken.text):
            # It repeats itself, or wants what must wait: it gets told, and has to find words.
            async with aclosing(self._speak(decision)) as events:
                async for event in events:
                    yield event
            return
        if batch.back:
            yield ClientToolCalls(batch.back)
        async with aclosing(self._more_answers(seat, messages)) as events:
            async for event in events:
                yield event
        self.endings[0] = spoken.done
        yield self._finished("tool_calls" if batch.back else self._reason(0), decision, seat.name)

    async def _more_answers(self, seat: Seat, messages: tuple[Message, ...]) -> AsyncGenerator[Event, None]:
        """Further answers to the same conversation (`turn.n`), in words alone."""
        for index in range(1, self.turn.n):
            spoken = Spoken()
            request = self.requests.native(seat.name, messages, (), self.acting.outcomes, index=index)
            async with aclosing(self.voices.speak(seat, request, spoken, index=index)) as content:
                async for event in content:
                    yield event
            if spoken.done is None:
                raise MemberStreamBroken(seat.name, self.ledger.failures[seat.name])
            self.endings[index] = spoken.done

    def _checked(
        self, calls: Sequence[ToolCall], tools: Sequence[ToolSpec], number: int
    ) -> tuple[tuple[PlannedCall, ...], tuple[ToolCall, ...]]:
        """Native calls go through the same checks as proposed ones; unknown tools and wild arguments are left out."""
        entries = [{"tool": call.name, "args": call.arguments} for call in calls]
        proposed, _ = proposal.checked_calls(entries, tools)
        only = {self.planner: Proposal("call", calls=proposed)}
        planned = plans.merge(only, planner=self.planner, tools=tools, alone=True).calls
        # Each round of a turn has ids of its own.
        return planned, plans.numbered(planned, stage_seed(self.turn.seed, "calls", str(number)))

    # -- the end ------------------------------------------------------------------------------------------------------

    def _speechless(self, decision: Decision) -> Finished:
        """Nobody could speak. Once tools have run this is no failed request: a retry would run them again."""
        if not self.acted:
            raise self.ledger.unavailable()
        return self._finished("stop", decision, None)

    def _context_use(self) -> ContextUse:
        """How the conversation met the windows, after what the servers themselves have refused."""
        tight = [name for name, error in self.ledger.failures.items() if isinstance(error, ContextTooLong)]
        if not tight or self.account.context.fit != "whole":
            return self.account.context
        return ContextUse("routed", f"Too long for {', '.join(tight)} by the server's own count; the others read it.")

    @property
    def _absent(self) -> dict[str, str]:
        """Members that would have been asked if their servers were there, and that rules stand in for."""
        there = {seat.name for seat in self.seats}
        if self.solo or all(seat.backend.stand_in for seat in self.all_seats):
            return {}
        absent = [seat.name for seat in self.all_seats if seat.backend.stand_in and seat.name not in there]
        return dict.fromkeys(absent, "No model server answers for it.")

    def _reason(self, index: int) -> FinishReason:
        """How an answer in words ended."""
        done = self.endings.get(index)
        return "length" if done is not None and done.finish_reason == "length" else "stop"

    def _finished(self, reason: FinishReason, decision: Decision, speaker: str | None) -> Finished:
        models = {seat.name: seat.backend.model for seat in self.all_seats}
        failures = self.ledger.failures
        return Finished(
            finish_reason=reason,
            usage=dict(self.ledger.usage),
            agreement=decision.agreement,
            speaker=speaker,
            degraded=bool(failures or self._absent) or decision.agreement == "single" or speaker is None,
            members={seat.name: self.ledger.status(seat.name) for seat in self.all_seats},
            model=models.get(speaker or "", ""),
            causes=self._absent | {name: error.message for name, error in failures.items()},
            account=replace(
                self.account,
                context=self._context_use(),
                decided_by=decision.decided_by,
                agreed=decision.agreed,
                dissent=decision.dissent,
                held=self._all_held(decision),
            ),
            further_reasons=tuple(self._reason(index) for index in range(1, self.turn.n) if index in self.endings),
            stop_sequence=self.endings[0].stop_sequence if reason == "stop" and 0 in self.endings else None,
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
