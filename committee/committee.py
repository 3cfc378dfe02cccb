"""The committee's door: members at a table, and one call that deliberates on a turn."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import replace

from committee.calibration import Gate, Table
from committee.convening import House
from committee.deliberation import deliberate
from committee.evidence import STANDARD, Check
from committee.iterating import events_of
from committee.refusals import Embed
from committee.schema import ChatBackend, Emit, Event, Finished, MemberHealth, Turn
from committee.seats import CommitteeConfig, Seat


class Committee:
    """Members that deliberate on a turn and answer with one voice.

    planner: the member whose view counts when they differ, and who speaks; its name, or an unmistakable part of it
    ("qwen" for "qwen3"). table: what was measured about these members. embed: the vectors of some texts, without which
    no refusal is overruled. checks: further ways to find evidence, beside those that need nothing. variables: per
    member the setting that makes its window larger. Raises ValueError when the names are not unique or none is meant.
    """

    def __init__(
        self,
        members: Sequence[ChatBackend],
        *,
        planner: str,
        config: CommitteeConfig | None = None,
        table: Table | None = None,
        embed: Embed | None = None,
        checks: Sequence[Check] = (),
        variables: Mapping[str, str] | None = None,
    ) -> None:
        names = [member.name for member in members]
        if len(set(names)) != len(names):
            raise ValueError(f"the members {names} need different names")
        meant = [name for name in names if name == planner] or [name for name in names if name.startswith(planner)]
        if len(meant) != 1 or not planner:
            raise ValueError(f"the planner {planner!r} is none of the members {names}")
        self.config = config or CommitteeConfig()
        self.planner = meant[0]
        self._gate = Gate(table) if table is not None and table.rows else None
        self._house = House(
            seats=tuple(Seat(member, self.config) for member in members),
            planner=self.planner,
            config=self.config,
            checks=(*STANDARD, *checks),
            embed=embed,
            variables=variables or {},
        )

    @property
    def members(self) -> tuple[ChatBackend, ...]:
        return tuple(seat.backend for seat in self._house.seats)

    async def answer(self, turn: Turn, emit: Emit) -> Finished:
        """Deliberate on `turn`: everything but the end is given to `emit`, one event at a time, as it happens.

        Cancel the caller's task to stop all upstream work at once; what `emit` raises does the same and is raised here.
        Raises CommitteeUnavailable (or CommitteeBusy, ContextLengthExceeded) or ToolChoiceUnsatisfied before the first
        content and MemberStreamBroken after it; ValueError for an unknown mode.
        """
        if self._gate is not None:
            table = self._gate.table({member.name: member.model for member in self.members})
            if table is not self._house.table and table != self._house.table:
                self._house = replace(self._house, table=table)
        return await deliberate(self._house, turn, emit)

    def deliberate(self, turn: Turn) -> AsyncGenerator[Event, None]:
        """The events of `answer` to iterate over; `Finished` is the last. Close the iterator (`contextlib.aclosing`)
        to stop all upstream work at once."""
        return events_of(lambda emit: self.answer(turn, emit))

    async def health(self) -> list[MemberHealth]:
        """How every member is, asked in parallel."""
        return list(await asyncio.gather(*(member.health() for member in self.members)))

    async def warm(self) -> None:
        """Have every member load its model (which may take minutes), so that the first turn does not wait for it."""
        await asyncio.gather(*(member.warm() for member in self.members))

    async def aclose(self) -> None:
        await asyncio.gather(*(member.aclose() for member in self.members))
