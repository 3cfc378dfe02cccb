"""Members that answer with the client's own tools: their calls are merged, or the author's words stand as they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from committee import planning, proposal, solo, speaking
from committee.agreement import Decision
from committee.asking import Heard, Round, Show, thoughts_to
from committee.errors import BadAnswer, MemberStreamBroken
from committee.proposal import Proposal
from committee.schema import ClientToolCalls, ContentDelta, Delta, Emit, Event, Finished, StageEvent
from committee.seats import Seat
from committee.sitting import Sitting

_MOST_SHOWN = 1200


@dataclass(frozen=True, slots=True)
class _Native:
    """What a member answered: as heard, and as a proposal to compare."""

    heard: Heard
    proposal: Proposal


async def answer(at: Sitting) -> Finished:
    """Every member answers natively; what they want done is decided, and no prose is written anew."""
    live = at.turn.mode != "deep" and at.turn.response_schema is None
    gate = _Gate(at.planner, [seat.name for seat in at.seats], at.emit, enabled=live)
    natives = await _ask_all(at, gate)
    if gate.opened and at.planner not in natives:
        raise MemberStreamBroken(at.planner, at.ledger.failures[at.planner])
    if not natives:
        at.nobody_planned()
        return await speaking.speak(at, Decision("answer", "single"))

    async def sample(seat: Seat, show: Show) -> Proposal:
        return (await _ask(at, seat, show, index=1)).proposal

    proposals = {name: native.proposal for name, native in natives.items()}
    decision = await planning.decide(at, proposals, sample)
    author = at.planner if gate.opened else decision.author
    return await _carry_out(at, decision, author, natives[author], live=gate.opened)


async def _ask_all(at: Sitting, gate: _Gate) -> dict[str, _Native]:
    async def ask(seat: Seat, show: Show) -> _Native:
        native = await _ask(at, seat, show)
        gate.answered(seat.name, native.proposal)
        return native

    config = at.config
    question = Round(
        "probe",
        ask,
        stage_s=config.cold_load_timeout_s + config.speak_timeout_s + 1,
        grace_s=config.grace_s,
        patience_s=config.speak_timeout_s,
        patient=frozenset({at.planner, at.stronger}),
        describe=lambda one: one.proposal.action,
    )
    return await at.asking.everyone(at.seats, question, gate.emit)


async def _ask(at: Sitting, seat: Seat, show: Show, *, index: int = 0) -> _Native:
    thoughts = thoughts_to(show, seat.name)

    def on_delta(delta: Delta) -> None:
        thoughts(delta)
        if delta.text and seat.name == at.planner and not index:
            show(ContentDelta(delta.text, 0, delta.logprobs))

    tools = () if at.stumbles_over_tools(seat) else at.tools
    request = at.requests.native(seat.name, at.requests.prefix, tools, index=index)
    heard = await at.asking.hear(seat, request, on_delta)
    entries = [{"tool": call.name, "args": call.arguments} for call in heard.calls]
    calls, refused = proposal.checked_calls(entries, at.tools)
    text = heard.text.strip()
    if not calls and not text:
        raise BadAnswer(f"Its calls cannot be used: {refused[0] if refused else 'there are none'}.")
    return _Native(heard, Proposal("call" if calls else "answer", work=text[:_MOST_SHOWN], calls=calls))


async def _carry_out(at: Sitting, decision: Decision, author: str, native: _Native, *, live: bool) -> Finished:
    """Say what the author said (unless that was shown `live`), run the server's calls, hand back the client's."""
    heard = native.heard
    # Who has changed its mind since has not yet found words for what it holds now.
    stands = bool(heard.text.strip()) and bool(native.proposal.calls) == bool(decision.calls)
    # Nor is it the JSON that was asked for: no schema binds a member as long as it may call tools.
    stands = stands and at.turn.response_schema is None
    if stands and not live:
        await at.emit(ContentDelta(heard.text))
    batch = at.acting.agreed(decision.calls, 0)
    if stands or batch.back or at.turn.response_schema is None:
        at.ledger.reveal(author, heard.done)
    at.why_spoken = speaking.speaker_of(at, decision)[1]
    await at.acting.run(batch)
    if batch.back:
        await at.emit(ClientToolCalls(batch.back))
        return at.finished(decision, author, calling=True)
    if batch.waves:
        messages = (*at.requests.prefix, *at.acting.exchange(batch, heard.text))
        return await solo.go_on(at, [at.seat(author)], messages, decision)
    if stands or live:
        return at.finished(decision, author, heard.done)
    return await speaking.speak(at, decision)


class _Gate:
    """Holds back the planner's words until it is certain that they are the answer: every other member has ended
    without a call. From then on they pass as they come."""

    def __init__(self, planner: str, members: Sequence[str], emit: Emit, *, enabled: bool) -> None:
        self.opened = False
        self._emit = emit
        self._waiting = set(members) - {planner}
        self._closed_for_good = not enabled
        self._calling: set[str] = set()
        self._held: list[ContentDelta] = []

    def answered(self, member: str, proposal: Proposal) -> None:
        if proposal.calls:
            self._calling.add(member)

    async def emit(self, event: Event) -> None:
        """Pass on what may pass now that this event has come."""
        if self.opened:
            await self._emit(event)
        elif isinstance(event, ContentDelta):
            self._held.append(event)
            await self._release()
        else:
            if isinstance(event, StageEvent) and event.member in self._waiting and event.event != "started":
                self._waiting.discard(event.member)
                self._closed_for_good = self._closed_for_good or event.member in self._calling
            await self._emit(event)
            await self._release()

    async def _release(self) -> None:
        if self._waiting or self._closed_for_good or not any(piece.text.strip() for piece in self._held):
            return
        self.opened = True
        for piece in self._held:
            await self._emit(piece)
        self._held.clear()
