"""Asks the members and the committee every question, and records what they answer.

The committee deliberates for real, on members that are listened to: what each says in the probe, the cross-check and
the verdicts is recorded from that one run. Fresh samples for the comparison with self-consistency are asked for on
top. Tools are never run: the plan is what is examined.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from pathlib import Path

from committee import (
    ChatBackend,
    ChatRequest,
    Committee,
    CommitteeConfig,
    CommitteeError,
    ContentDelta,
    Delta,
    Finished,
    MemberError,
    MemberHealth,
    Message,
    Position,
    ToolCall,
    ToolOutcome,
    ToolSpec,
    Turn,
    crosscheck,
    proposal,
    verdicts,
)
from committee.measurement import policies, records
from committee.measurement.records import Answer, CommitteeRecord, CrossCheck, Header, Item, MemberRecord, Verdict
from orchestrator.calibration.grading import NO_CALL, Grader, View
from orchestrator.calibration.questions import Calls, Code, Question

# Short answers: the deliberation is examined, not the prose. More than what counts as a side request.
_ANSWER_TOKENS = 96
_CODE_TOKENS = 1200
_SAMPLE_TEMPERATURE = 0.7


@dataclass(slots=True)
class _Said:
    """One request to a member and what came of it."""

    request: ChatRequest
    text: str = ""
    tokens: int = 0
    seconds: float = 0.0
    error: str = ""


class _Listened:
    """A member with somebody who takes notes. Implements the `ChatBackend` port by passing everything on."""

    def __init__(self, backend: ChatBackend) -> None:
        self.backend = backend
        self.said: list[_Said] = []

    @property
    def name(self) -> str:
        return self.backend.name

    @property
    def model(self) -> str:
        return self.backend.model

    @property
    def stand_in(self) -> bool:
        return self.backend.stand_in

    @property
    def window(self) -> int | None:
        return self.backend.window

    @property
    def parallel(self) -> int | None:
        return self.backend.parallel

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Delta, None]:
        note = _Said(request)
        self.said.append(note)
        started = time.monotonic()
        try:
            async with aclosing(self.backend.stream(request)) as deltas:
                async for delta in deltas:
                    note.text += delta.text
                    if delta.done is not None:
                        note.tokens = delta.done.completion_tokens
                    yield delta
        except MemberError as error:
            note.error = error.code
            raise
        finally:
            note.seconds = round(time.monotonic() - started, 3)

    async def health(self) -> MemberHealth:
        return await self.backend.health()

    async def warm(self) -> None:
        await self.backend.warm()

    async def aclose(self) -> None:
        await self.backend.aclose()


@dataclass(slots=True)
class _Run:
    """One turn of the committee, to its end."""

    text: str = ""
    calls: list[ToolCall] = field(default_factory=list)
    finished: Finished | None = None
    failure: str = ""
    first_content_s: float = 0.0
    seconds: float = 0.0


class Examination:
    """Examines one committee. samples: independent answers per member and question."""

    def __init__(
        self, members: Sequence[ChatBackend], *, planner: str, config: CommitteeConfig, grader: Grader,
        tools: Sequence[ToolSpec], samples: int = 3,
    ) -> None:  # fmt: skip
        self._listened = [_Listened(member) for member in members]
        self._committee = Committee(self._listened, planner=planner, config=config)
        self._grader = grader
        self._tools = tuple(tools)
        self._samples = samples

    async def examine(self, question: Question) -> Item:
        """Ask one question; takes as long as the models do."""
        for member in self._listened:
            member.said.clear()
        if isinstance(question.gold, Code):
            return await self._code(question)
        run = await self._run(self._turn(question))
        notes = {member.name: list(member.said) for member in self._listened}
        drawn = await asyncio.gather(*(self._fresh(member, notes[member.name]) for member in self._listened))
        members = {
            member.name: self._record(question, notes[member.name], fresh)
            for member, fresh in zip(self._listened, drawn, strict=True)
        }
        item = Item(question.id, question.category, members, gold=str(question.gold)[:400])
        return replace_committee(item, self._outcome(question, run, item))

    # -- turns -------------------------------------------------------------------------------------------------------

    def _turn(self, question: Question, *, mode: str = "auto", sample: int = 0) -> Turn:
        code = isinstance(question.gold, Code)
        return Turn(
            [Message("user", question.text)],
            tools=self._tools if question.offers_tools else (),
            seed=_seed(question.id, sample),
            temperature=_SAMPLE_TEMPERATURE if sample else None,
            max_tokens=_CODE_TOKENS if code else _ANSWER_TOKENS,
            mode=mode,
        )

    async def _run(self, turn: Turn) -> _Run:
        run, started = _Run(), time.monotonic()

        async def act(calls: Sequence[ToolCall]) -> Sequence[ToolOutcome]:
            run.calls += calls
            return [ToolOutcome(call, data={"status": "accepted"}) for call in calls]

        try:
            async with aclosing(self._committee.deliberate(replace(turn, act=act))) as events:
                async for event in events:
                    if isinstance(event, ContentDelta):
                        run.first_content_s = run.first_content_s or time.monotonic() - started
                        run.text += event.text
                    elif isinstance(event, Finished):
                        run.finished = event
        except CommitteeError as error:
            run.failure = error.code
        run.seconds = time.monotonic() - started
        return run

    async def _fresh(self, member: _Listened, notes: Sequence[_Said]) -> list[_Said]:
        """Further independent answers to the very request of the probe."""
        probes = [one for one in notes if one.request.context.stage == "probe" and not one.error]
        if not probes:
            return []
        first = probes[0].request
        member.said.clear()
        for number in range(len(probes), self._samples):
            warmer = max(first.temperature or 0.0, _SAMPLE_TEMPERATURE)
            request = replace(first, seed=(first.seed or 0) + number, temperature=warmer)
            try:
                async with aclosing(member.stream(request)) as deltas:
                    async for _ in deltas:
                        pass
            except MemberError:
                break
        return list(member.said)

    # -- what they said ----------------------------------------------------------------------------------------------

    def _record(self, question: Question, notes: Sequence[_Said], fresh: Sequence[_Said]) -> MemberRecord:
        tools = self._tools if question.offers_tools else ()
        samples, check, judged, failure = [], None, [], ""
        for one in (*notes, *fresh):
            stage = one.request.context.stage
            try:
                if stage == "probe":
                    samples.append(self._answer(question, one, tools))
                elif stage == "cross-check" and check is None:
                    check = self._check(question, one, tools)
                elif stage == "verdict" and len(one.request.context.positions) == 2:
                    judged.append(self._verdict(question, one))
            except MemberError as error:
                failure = one.error or error.code
        return MemberRecord(tuple(samples), check, tuple(judged), "" if samples else failure or "not asked")

    def _answer(self, question: Question, said: _Said, tools: Sequence[ToolSpec]) -> Answer:
        held = proposal.parse(said.text, tools)
        grade = self._grader.view(question, View(held.action, held.key, held.calls))
        return Answer(
            grade.label, grade.right, said.tokens, said.seconds, plan=question.offers_tools, said=held.key[:200]
        )

    def _check(self, question: Question, said: _Said, tools: Sequence[ToolSpec]) -> CrossCheck:
        review = crosscheck.parse(said.text, tools)
        grade = self._grader.view(question, View(review.action, review.key, review.calls))
        return CrossCheck(grade.label, grade.right, review.defect_in_mine, said.tokens, said.seconds)

    def _verdict(self, question: Question, said: _Said) -> Verdict:
        ballot = verdicts.parse(said.text, 2)
        first, second = (self._position(question, one) for one in said.request.context.positions)
        pick = ballot[0] + 1 if ballot else 0
        return Verdict((first, second), 1 if pick == 1 else 2 if pick == 2 else 0, said.tokens, said.seconds)

    def _position(self, question: Question, held: Position) -> str:
        return self._grader.view(question, View(held.action, held.key, held.calls)).label

    # -- what the committee made of it -------------------------------------------------------------------------------

    def _outcome(self, question: Question, run: _Run, item: Item) -> CommitteeRecord:
        if question.offers_tools:
            label, right = self._plan(question, run, item)
        else:
            grade = self._grader.text(question, run.text)
            label, right = grade.label, grade.right
        return self._recorded(run, label, right)

    def _plan(self, question: Question, run: _Run, item: Item) -> tuple[str, bool]:
        if run.calls:
            grade = self._grader.view(question, View("call", calls=run.calls))
            return grade.label, grade.right
        if isinstance(question.gold, Calls):
            return NO_CALL, not question.gold.calls and not run.failure
        # Prose does not say which action it stands for; the recorded answers do, by the protocol's own rules.
        found = policies.full(item, self._committee.planner)
        return found.label or "", policies.truth(item).get(found.label or "", False)

    def _recorded(self, run: _Run, label: str, right: bool) -> CommitteeRecord:
        usage = run.finished.usage.values() if run.finished else ()
        hidden = sum(one.hidden_tokens for one in usage)
        account = run.finished.account if run.finished else None
        return CommitteeRecord(
            label=label,
            right=right and run.finished is not None,
            agreement=run.finished.agreement if run.finished else "",
            decided_by=account.decided_by if account else "",
            speaker=run.finished.speaker if run.finished else None,
            degraded=run.finished.degraded if run.finished else True,
            shown=sum(one.completion_tokens for one in usage) - hidden,
            hidden=hidden,
            first_content_s=round(run.first_content_s, 3),
            seconds=round(run.seconds, 3),
            failure=run.failure,
        )

    # -- programs ----------------------------------------------------------------------------------------------------

    async def _code(self, question: Question) -> Item:
        """Whole programs: every member alone, several times, and the committee."""
        alone = [self._programs(question, member.name) for member in self._listened]
        members = dict(zip((member.name for member in self._listened), await asyncio.gather(*alone), strict=True))
        run = await self._run(self._turn(question))
        grade = await self._grader.code(question, run.text)
        item = Item(question.id, question.category, members, gold=str(question.gold)[:400])
        return replace_committee(item, self._recorded(run, grade.label, grade.right))

    async def _programs(self, question: Question, member: str) -> MemberRecord:
        samples: list[Answer] = []
        for number in range(self._samples):
            run = await self._run(self._turn(question, mode=f"solo:{member}", sample=number))
            if run.finished is None:
                return MemberRecord(tuple(samples), failure="" if samples else run.failure)
            grade = await self._grader.code(question, run.text)
            tokens = sum(one.completion_tokens for one in run.finished.usage.values())
            samples.append(Answer(grade.label, grade.right, tokens, round(run.seconds, 3)))
        return MemberRecord(tuple(samples))


def replace_committee(item: Item, outcome: CommitteeRecord) -> Item:
    return Item(item.id, item.category, item.members, item.gold, outcome, item.synth)


async def record(
    examination: Examination, questions: Iterable[Question], file: Path, header: Header, *, seconds: float,
    tell: Callable[[Item], None],
) -> None:  # fmt: skip
    """Ask what `file` does not have yet until the time is up, and append every answer as soon as it is there.

    A question that the end of the time cuts short is not recorded.
    """
    done = _begin(file, header)
    try:
        async with asyncio.timeout(seconds):
            for question in questions:
                if question.id in done:
                    continue
                item = await examination.examine(question)
                with file.open("ab") as out:
                    out.write(records.encode(item))
                tell(item)
    except TimeoutError:
        return


def _begin(file: Path, header: Header) -> set[str]:
    """The ids that are recorded already. Records of other models or prompts are put aside under another name."""
    if file.exists():
        try:
            known = records.read(file)
        except CommitteeError:
            known = None
        if known is not None and known.header == header:
            # Half a line at the end would spoil what is appended.
            _write(file, [header, *known.items])
            return {item.id for item in known.items}
        file.replace(file.with_name(f"{file.stem}-{time.strftime('%Y%m%d-%H%M%S')}{file.suffix}"))
    _write(file, [header])
    return set()


def _write(file: Path, lines: Sequence[Header | Item]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    half = file.with_name(file.name + ".tmp")
    half.write_bytes(b"".join(records.encode(line) for line in lines))
    half.replace(file)


def _seed(question: str, sample: int) -> int:
    digest = hashlib.sha256(f"{question}|{sample}".encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1
