"""Who takes part in a turn: on which way, with which tools, with how much of the conversation. No model is asked."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from committee import evidence, prompts, refusals, routing
from committee.calibration import Category, Table, categorise
from committee.context import conversation, tokens
from committee.requests import last_user_text
from committee.routing import Route
from committee.schema import ContextUse, Message, ToolSpec, Turn
from committee.seats import CommitteeConfig, Seat


@dataclass(frozen=True, slots=True)
class House:
    """What is the same for every turn.

    seats: all members. planner: whose view counts when they differ. table: what was measured about them. checks: what
    can be found out by a program. embed: vectors of texts, to find the tool that a refusal is about. ratios: how many
    characters a token has, learned per member. variables: the setting that makes a member's window larger.
    """

    seats: tuple[Seat, ...]
    planner: str
    config: CommitteeConfig
    table: Table = field(default_factory=Table.empty)
    checks: Sequence[evidence.Check] = evidence.STANDARD
    embed: refusals.Embed | None = None
    ratios: tokens.Ratios = field(default_factory=tokens.Ratios)
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Panel:
    """Who takes part in one turn, and what they are given. `seats` begins with the first speaker of a solo turn.

    for_one: that one member answers is a choice, and not for want of others.
    """

    route: Route
    seats: tuple[Seat, ...]
    planner: str
    tools: tuple[ToolSpec, ...]
    must_call: bool
    messages: Sequence[Message]
    context: ContextUse
    for_one: bool


def category(turn: Turn, tools: Sequence[ToolSpec]) -> Category:
    return categorise(last_user_text(turn.messages), tools=bool(tools))


async def convene(house: House, turn: Turn) -> Panel:
    """The panel for `turn`. Raises ValueError for an unknown mode, ContextLengthExceeded when nobody can read it."""
    return await _with_windows(house, turn, _routed(house, turn))


def _routed(house: House, turn: Turn) -> Panel:
    tools = () if turn.tool_choice == "none" else _offered(turn)
    must_call = bool(tools) and turn.tool_choice not in ("auto", "none")
    seats = _present(house.seats)
    planner = house.planner if any(seat.name == house.planner for seat in seats) else seats[0].name
    route = routing.route(
        turn,
        members=[seat.name for seat in house.seats],
        planner=planner,
        must_call=must_call,
        client_tools=any(tool.effect == "client" for tool in tools),
        user_text=last_user_text(turn.messages),
        switched_off=lambda: house.table.solo_member(category(turn, tools)),
    )
    if not route.tools:
        tools, must_call = (), False
    if route.way == "solo":
        if route.asked_for:
            seats = [seat for seat in house.seats if seat.name == route.member]
        elif any(seat.name == route.member for seat in seats):
            seats.sort(key=lambda seat: (seat.name != route.member, seat.name != planner))
        planner = seats[0].name
    return Panel(
        route, tuple(seats), planner, tools, must_call, turn.messages, ContextUse(), for_one=route.way == "solo"
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


# -- windows ----------------------------------------------------------------------------------------------------------


async def _with_windows(house: House, turn: Turn, panel: Panel) -> Panel:
    """Leave out members whose window is too small, or pack the conversation when it fits nobody."""
    windows = {seat.name: seat.backend.window for seat in panel.seats}
    smallest = min((window for window in windows.values() if window is not None), default=None)
    if smallest is None or _most_tokens(panel) * 8 < smallest:
        return panel
    fitted = await _fitted(house, turn, panel, windows)
    panel = replace(panel, messages=fitted.messages, context=fitted.use)
    able = tuple(seat for seat in panel.seats if seat.name in fitted.members)
    if len(able) == len(panel.seats):
        return panel
    planner = panel.planner if panel.planner in fitted.members else able[0].name
    route = panel.route
    if len(able) == 1 and route.way != "solo":
        route = Route("solo", f"context: {fitted.use.detail}", planner)
    return replace(panel, route=route, seats=able, planner=planner)


def _most_tokens(panel: Panel) -> int:
    """More tokens than the conversation and the tools can be."""
    return tokens.of_messages(panel.messages, 1.0) + tokens.of_tools(panel.tools, 1.0)


async def _fitted(house: House, turn: Turn, panel: Panel, windows: Mapping[str, int | None]) -> conversation.Fitted:
    config, ratios = house.config, house.ratios
    densest = min(ratios.of(member) for member in windows)
    instructions = tokens.estimate(prompts.PREFACE + prompts.probe((), must_call=False), densest)
    work = functools.partial(
        conversation.fit,
        panel.messages,
        windows=windows,
        reserve=min(turn.max_tokens or config.answer_reserve_tokens, config.answer_reserve_tokens),
        overhead_tokens=instructions + tokens.of_tools(panel.tools, densest),
        pack=config.pack_context,
        seed=turn.seed,
        chars_per_token=ratios.known,
        variables=house.variables,
    )
    return await asyncio.to_thread(work) if conversation.is_heavy(panel.messages) else work()
