"""The committee's door: members at a table, and one call that deliberates on a turn."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import replace

from committee import straight
from committee.calibration import Gate, Table
from committee.deliberation import Deliberation, Equipment
from committee.evidence import STANDARD, Check
from committee.refusals import Embed
from committee.schema import ChatBackend, Event, MemberHealth, Turn
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
        self._gate = Gate(table)
        self._equipment = Equipment(embed=embed, checks=(*STANDARD, *checks), variables=variables or {})
        self._seats = [Seat(member, self.config) for member in members]

    @property
    def members(self) -> tuple[ChatBackend, ...]:
        return tuple(seat.backend for seat in self._seats)

    def deliberate(self, turn: Turn) -> AsyncGenerator[Event, None]:
        """Deliberate on `turn`; ends with `Finished`.

        Close the iterator (`contextlib.aclosing`) or cancel its consumer to stop all upstream work at once.
        Raises CommitteeUnavailable (or CommitteeBusy, ContextLengthExceeded) or ToolChoiceUnsatisfied before the first
        content and MemberStreamBroken after it; ValueError for an unknown mode.
        """
        table = self._gate.table({seat.name: seat.backend.model for seat in self._seats})
        if table is not self._equipment.table and table != self._equipment.table:
            self._equipment = replace(self._equipment, table=table)
        equipment = self._equipment

        def deliberation(begun: straight.Begun | None = None) -> AsyncGenerator[Event, None]:
            return Deliberation(self._seats, self.planner, self.config, turn, equipment, begun=begun).run()

        if (seat := straight.seat_of(turn, self._seats)) is not None:
            return straight.answer(turn, seat, self._seats, self.config, equipment.ratios, deliberation)
        return deliberation()

    async def health(self) -> list[MemberHealth]:
        """How every member is, asked in parallel."""
        return list(await asyncio.gather(*(seat.backend.health() for seat in self._seats)))

    async def warm(self) -> None:
        """Have every member load its model (which may take minutes), so that the first turn does not wait for it."""
        await asyncio.gather(*(seat.backend.warm() for seat in self._seats))

    async def aclose(self) -> None:
        await asyncio.gather(*(seat.backend.aclose() for seat in self._seats))
