"""Running the server's tools for a turn, each call once.

A call belongs to a run, and a run to a request and its repetitions. What a run has done is noted in memory and in
Postgres, before the call and after it, so that neither a request that is sent again nor a restart in between repeats
it. Tools with effects run only on behalf of the user: once words of others are among the messages, a call with effects
waits for the user's confirmation.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from committee import Message, ToolCall, ToolOutcome, ToolSpec
from committee.prompts import outcome_json
from orchestrator.chat.exchanges import ExchangeStore, arguments_text
from orchestrator.chat.runs import REMEMBER_S, Effect, Run
from orchestrator.errors import OrchestratorError
from orchestrator.jobs.store import JobStore
from tools.registry import JobView, ToolContext, ToolRegistry, ToolResult

log = logging.getLogger(__name__)

WAITS = "This was not done: it waits for the user's confirmation."
_UNRECORDED = "This was not done: the server could not note that it was begun. Try again later."
_UNKNOWN_END = "This was begun before the server stopped, and how it ended is not known; it was not done again."


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
class Effects:
    """The server's tools as one attempt of a run uses them.

    acted: what ran, or had run. held: calls that wait for the user. confirmed: calls that no longer do. tainted: words
    of others are among the messages with which the turn begins. own: whoever ends the tasks that outlive a request.
    """

    run: Run
    owner: str
    fingerprint: str
    retry: bool
    tools: ToolRegistry
    jobs: JobStore
    store: ExchangeStore | None
    specs: Mapping[str, ToolSpec]
    own: Callable[[asyncio.Task[Any]], None]
    tainted: bool = False
    confirmed: tuple[ToolCall, ...] = ()
    acted: list[ActedCall] = field(default_factory=list)
    held: list[ToolCall] = field(default_factory=list)
    _claimed: set[int] = field(default_factory=set)

    async def open(self) -> None:
        """Note the run, or take over the one that another process left for the same request."""
        if self.store is None:
            return
        if self.run.opening is None:
            self.run.opening = asyncio.create_task(self._open(self.store))
        opening = self.run.opening
        try:
            await asyncio.shield(opening)
        except OrchestratorError:
            if self.run.opening is opening:
                self.run.opening = None
            raise

    async def _open(self, store: ExchangeStore) -> None:
        if not self.run.effects:
            known = await store.adopt(self.owner, self.fingerprint, within_s=REMEMBER_S, retry=self.retry)
            if known is not None:
                self.run.id = known.id
                self.run.effects = [
                    Effect(e.number, e.tool, e.arguments, e.result, left_open=e.result is None) for e in known.effects
                ]
        await store.open_run(self.run.id, owner=self.owner, fingerprint=self.fingerprint)

    def assign(self, calls: Sequence[ToolCall]) -> list[Effect | None]:
        """Which effect of the run every call is; None for a call that has to wait for the user.

        A call that the run has made is that one. A repetition may word its calls differently, because models do, and
        must still not act twice: a call with effects is the next one of its tool that the run has made and that this
        attempt has not asked for.
        """
        self._claimed |= {effect.number for call in calls if (effect := self._made(call)) is not None}
        return [self._made(call) or self._next(call) for call in calls]

    def _made(self, call: ToolCall) -> Effect | None:
        text = arguments_text(call.arguments)
        return next((e for e in reversed(self.run.effects) if (e.tool, e.arguments) == (call.name, text)), None)

    def _next(self, call: ToolCall) -> Effect | None:
        effect: Effect | None = None
        if self._acts(call):
            left = (e for e in self.run.effects if e.tool == call.name and e.number not in self._claimed)
            effect = next(left, None)
        if effect is None and self._waits(call):
            self.held.append(call)
            return None
        if effect is None:
            effect = self._new(call)
        self._claimed.add(effect.number)
        return effect

    def _new(self, call: ToolCall) -> Effect:
        effect = Effect(len(self.run.effects), call.name, arguments_text(call.arguments))
        self.run.effects.append(effect)
        return effect

    def _acts(self, call: ToolCall) -> bool:
        spec = self.specs.get(call.name)
        return spec is None or spec.effect in ("write", "job")

    def _waits(self, call: ToolCall) -> bool:
        if not self.tainted or not self._acts(call):
            return False
        wanted = call.name, arguments_text(call.arguments)
        return wanted not in {(one.name, arguments_text(one.arguments)) for one in self.confirmed}

    async def carry_out(self, call: ToolCall, effect: Effect, context: ToolContext) -> ToolResult:
        """The result of a call: what it came to earlier in this run, or what it comes to now."""
        if effect.work is None or effect.work.done():
            if await self._stands(effect):
                assert effect.result is not None
                return effect.result
            # Looked at once more: while the job was looked up, a repetition may have begun.
            if effect.work is None or effect.work.done():
                effect.work = asyncio.create_task(self._perform(call, effect, context))
                self.own(effect.work)
        return await asyncio.shield(effect.work)

    async def _stands(self, effect: Effect) -> bool:
        """Whether a call need not be made again: it succeeded, and its job, if it started one, has not failed."""
        result, spec = effect.result, self.specs.get(effect.tool)
        writes = spec is not None and spec.effect == "write"
        if result is None:
            if effect.left_open and writes:
                effect.result = ToolResult(error=_UNKNOWN_END)
                return True
            return False
        if result.error is not None:
            return writes
        for job_id in result.job_ids:
            with suppress(OrchestratorError):
                job = await self.jobs.get(job_id, owner=self.owner)
                if job.status in {"failed", "cancelled"}:
                    return False
        return True

    async def _perform(self, call: ToolCall, effect: Effect, context: ToolContext) -> ToolResult:
        effect.left_open = False
        store = self.store
        if store is not None:
            try:
                await store.begin_effect(self.run.id, effect.number, call.name, effect.arguments)
            except OrchestratorError:
                log.warning("a call could not be noted", extra={"tool": call.name}, exc_info=True)
                if self._acts(call):
                    return ToolResult(error=_UNRECORDED)
        result = effect.result = await self.tools.invoke(call.name, call.arguments, context)
        effect.size = len(json.dumps(result.data, default=str))
        if store is not None:
            try:
                await store.finish_effect(self.run.id, effect.number, result)
            except OrchestratorError:
                log.warning("a call's end could not be noted", extra={"tool": call.name}, exc_info=True)
        return result

    def note(self, call: ToolCall, result: ToolResult) -> None:
        """Add to what ran. Results of others' words taint what is *planned* after them, which the committee knows."""
        self.acted.append(ActedCall(call, result))

    def recall(self) -> None:
        """Add what earlier attempts of the run have done and this one, which planned anew, has not asked for."""
        for effect in self.run.effects:
            done = effect.result is not None and effect.result.error is None
            call = ToolCall("", effect.tool, json.loads(effect.arguments))
            if done and effect.number not in self._claimed and self._acts(call):
                assert effect.result is not None
                self._claimed.add(effect.number)
                self.note(call, effect.result)

    def exchange(self) -> list[Message]:
        """What ran, as the messages that a model would have seen."""
        calls = tuple(one.call for one in self.acted)
        results = [
            Message(
                "tool",
                outcome_json(ToolOutcome(one.call, dict(one.result.data) or None, one.result.error)),
                tool_call_id=one.call.id,
                name=one.call.name,
                tainted=one.call.name in self.specs and self.specs[one.call.name].taints,
            )
            for one in self.acted
        ]
        return [Message("assistant", "", tool_calls=calls), *results]


class EffectJobs:
    """Jobs as one call sees them: whatever the words, the n-th job of a kind that this effect submits is one job."""

    def __init__(self, jobs: JobStore, run: Run, effect: Effect) -> None:
        self._jobs = jobs
        self._run = run
        self._effect = effect
        self._asked: dict[str, int] = {}

    async def submit(
        self,
        kind: str,
        payload: dict[str, Any],
        *,
        owner: str,
        idempotency_key: str | None = None,
        priority: int = 0,
    ) -> JobView:
        count = self._asked[kind] = self._asked.get(kind, 0) + 1
        key = f"{self._run.id}/{self._effect.number}/{kind}/{count}"
        while (known := await self._jobs.with_key(key, owner=owner)) is not None:
            if known.status not in {"failed", "cancelled"}:
                return known
            key = f"{key}/after"
        return await self._jobs.submit(kind, payload, owner=owner, idempotency_key=key, priority=priority)

    async def get(self, job_id: str, *, owner: str) -> JobView:
        return await self._jobs.get(UUID(job_id), owner=owner)

    async def cancel(self, job_id: str, *, owner: str) -> JobView:
        return await self._jobs.cancel(UUID(job_id), owner=owner)
