"""A committee that says exactly what a test tells it to, through the real event types."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from committee import Account, Committee, ContentDelta, Emit, Event, Finished, MemberUsage, TokenLogprob, Turn

Script = Callable[[Turn], Iterable[Event]]


class ScriptedCommittee(Committee):
    """Stands in for `committee`: its members and their health, and a script instead of deliberation.

    turns: what it was asked, in order.
    """

    def __init__(self, committee: Committee, script: Script) -> None:
        self.__dict__.update(committee.__dict__)
        self._script = script
        self.turns: list[Turn] = []

    async def answer(self, turn: Turn, emit: Emit) -> Finished:
        self.turns.append(turn)
        for event in self._script(turn):
            await asyncio.sleep(0)
            if isinstance(event, Finished):
                return event
            await emit(event)
        raise AssertionError("a script ends with Finished, or raises")


def finished(reason: Any = "stop", speaker: str | None = "qwen3", **account: Any) -> Finished:
    return Finished(
        finish_reason=reason,
        usage={"qwen3": MemberUsage(10, 5, 2, 2), "gptoss": MemberUsage(7, 3, 3, 1)},
        agreement="agreed",
        speaker=speaker,
        degraded=False,
        members={"qwen3": "ok", "gptoss": "ok"},
        model="qwen3:32b",
        account=Account(**account),
    )


def said(text: str, index: int = 0, *, logprobs: bool = False) -> ContentDelta:
    """A piece of content, with the log probability of the whole of it if that is asked for."""
    tokens = (TokenLogprob(text, -0.5, ((text, -0.5), ("é", -2.0))),) if logprobs else ()
    return ContentDelta(text, index, tokens)
