"""The answer in words (S6): who writes it, and what happens when that member says it cannot do what a tool does."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from dataclasses import replace

from committee import plans, refusals
from committee.agreement import Decision
from committee.errors import MemberStreamBroken
from committee.ledger import in_order
from committee.plans import PlannedCall
from committee.proposal import Proposal
from committee.requests import stage_seed
from committee.schema import ContentDelta, Done, Finished, StageEvent
from committee.sitting import Sitting
from committee.voices import Spoken

log = logging.getLogger(__name__)


async def speak(at: Sitting, decision: Decision) -> Finished:
    """One member writes the answer, `turn.n` times from the same outline, and once more if a tool had to be forced on
    it. Raises CommitteeUnavailable when nobody can and nothing has been done, MemberStreamBroken after the first word.
    """
    if decision.refusal is not None:
        await _force(at, decision, decision.refusal)
    await at.tell_held(decision)
    first = await _voice(at, decision)
    if first is None:
        return at.speechless(decision)
    speaker, spoken = first
    endings = [spoken.done, *[await _another(at, decision, index) for index in range(1, at.turn.n)]]
    if at.turn.response_schema is None and await _force(at, decision, spoken.text):
        await at.emit(ContentDelta("\n\n"))
        if second := await _voice(at, decision, again=1):
            speaker, spoken = second
            endings[0] = spoken.done
    return at.finished(decision, speaker, *endings)


def speaker_of(at: Sitting, decision: Decision) -> tuple[str, str]:
    """Who is to speak, and why: the author of an answer that the planner does not hold, else the planner."""
    won = decision.agreement in ("agreed", "decided") and at.planner in decision.dissent
    if won and decision.author != at.planner:
        return decision.author, f"its answer was chosen over {at.planner}'s"
    if at.planner in at.ledger.failures:
        return at.planner, f"{at.planner} had failed: {at.ledger.status(at.planner)}"
    return at.planner, at.why_alone or "it is the planner"


async def _another(at: Sitting, decision: Decision, index: int) -> Done:
    """One more of several answers. The others are there already, so that nobody can write it breaks the stream."""
    written = await _voice(at, decision, index=index)
    if written is None:
        name, error = next(reversed(at.ledger.failures.items()))
        raise MemberStreamBroken(name, error)
    return written[1].done


async def _voice(at: Sitting, decision: Decision, *, index: int = 0, again: int = 0) -> tuple[str, Spoken] | None:
    """The speaker and what it wrote; another one takes over only as long as nothing was shown. None: nobody could."""
    preferred, why = speaker_of(at, decision)
    notes = (*decision.outline.notes, *dict.fromkeys(at.acting.notes))
    outline = replace(decision.outline, notes=notes)
    speakers = deque(in_order(at.seats, preferred, at.ledger))
    while speakers:
        seat = speakers[0]
        await at.emit(StageEvent("speak", seat.name, "started"))
        request = at.requests.speak(seat.name, outline, at.acting.outcomes, index=index, again=again)
        if (spoken := await at.voices.speak(seat, request, index=index)) is not None:
            at.why_spoken = why
            return seat.name, spoken
        status = at.ledger.status(seat.name)
        why = f"{seat.name} could not speak: {status}"
        await at.emit(StageEvent("speak", seat.name, "failed", status))
        if not at.ledger.may_retry(seat):
            speakers.popleft()
    return None


async def _force(at: Sitting, decision: Decision, refusal: Proposal | str) -> bool:
    """Overrule a member that says it cannot do what a tool does, once a turn; a refusal for policy never.

    refusal: a plan, or what was spoken. True when a tool has run.
    """
    if at.acting.outcomes or at.acting.held or at.turn.act is None or not at.tools or decision.concern:
        return False
    try:
        async with asyncio.timeout(at.config.evidence_timeout_s):
            found = await refusals.tool_to_force(
                turn_tools=at.tools, proposal_or_text=refusal, user_text=at.requests.user_text, embed=at.house.embed
            )
    except Exception:
        log.exception("a refusal could not be looked at")
        return False
    if found is None:
        return False
    planned = (PlannedCall(*found),)
    await at.acting.run(at.acting.sort(planned, plans.numbered(planned, stage_seed(at.turn.seed, "forced", ""))))
    return bool(at.acting.outcomes)
