"""`committee calibrate`: measure the committee on the user's own models, and write the table that it goes by."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from committee import ChatBackend, prompts
from committee.measurement import records
from committee.measurement.records import Header, Item
from committee.measurement.report import gate_table, in_words, report
from orchestrator.calibration.examination import Examination, record
from orchestrator.calibration.grading import Grader
from orchestrator.calibration.questions import ASKED, questions
from orchestrator.errors import ConfigurationError
from orchestrator.services import (
    calibration_path,
    close_members,
    deliberation_config,
    open_members,
    open_tools,
)
from orchestrator.settings import Settings, planner


def calibrate(
    settings: Settings,
    console: Console,
    *,
    minutes: float,
    samples: int = 3,
    categories: Collection[str] = (),
    allow_stand_ins: bool = False,
) -> int:
    """Ask for as long as there is time, then print the figures and write the table. Returns the exit code."""
    file = settings.server.data_dir / "calibration.jsonl"
    if unknown := set(categories) - ASKED:
        raise ConfigurationError(f"--category: {sorted(unknown)[0]!r} is none of {', '.join(sorted(ASKED))}.")
    try:
        asyncio.run(_ask(settings, console, file, minutes, samples, categories, allow_stand_ins))
    except KeyboardInterrupt:
        console.print("Stopped; what was answered until now counts.")
    found = records.read(file) if file.exists() else None
    if found is None or not found.items:
        console.print("Not one question was answered in this time; give it more: committee calibrate --minutes 20")
        return 1
    _show(found, console)
    target = calibration_path(settings)
    table = gate_table(found, measured_at=datetime.now(UTC).isoformat(timespec="seconds"))
    table.save(target)
    off = [f"{name} (to {alone})" for name in table.rows if (alone := table.solo_member(name))]
    console.print(f"Switched off: {', '.join(off) or 'nothing'}.")
    console.print(f"Written: {target} and {file}. A server takes it up at its next start.", soft_wrap=True)
    if table.stand_ins:
        console.print("Measured on stand-ins: the table says so, and no server goes by it.")
    return 0


async def _ask(
    settings: Settings, console: Console, file: Path, minutes: float, samples: int, categories: Collection[str],
    allow_stand_ins: bool,
) -> None:  # fmt: skip
    members = await open_members(settings.committee)
    try:
        stand_ins = await _check(members, allow_stand_ins)
        tools = open_tools(settings)
        lead = planner(settings.committee)
        header = Header({m.name: m.model for m in members}, lead, prompts.VERSION, stand_ins)
        examination = Examination(
            members,
            planner=lead,
            config=deliberation_config(settings.committee),
            grader=Grader(tools),
            tools=tools.specs(),
            samples=samples,
        )
        asked = [q for q in questions(tools.names()) if not categories or q.category in categories]
        console.print(
            f"{_named(members)}: up to {minutes:g} minutes; Ctrl-C stops, and the next run goes on from there."
        )
        await asyncio.gather(*(member.warm() for member in members))
        await record(examination, asked, file, header, seconds=60 * minutes, tell=lambda item: _tell(item, console))
    finally:
        await close_members(members)


async def _check(members: Sequence[ChatBackend], allow_stand_ins: bool) -> bool:
    """Whether there are stand-ins. Raises ConfigurationError when that is not allowed, or a member is not there."""
    stand_ins = [member.name for member in members if member.stand_in]
    if stand_ins and not allow_stand_ins:
        raise ConfigurationError(
            f"{' and '.join(stand_ins)}: no model answers, and measuring the rules that stand in says nothing about"
            " models. See what is missing with: committee doctor (or measure all the same: --allow-stand-ins)"
        )
    for health in await asyncio.gather(*(member.health() for member in members if not member.stand_in)):
        if not health.reachable or health.model is None:
            raise ConfigurationError(f"{health.name} cannot answer: {health.note or 'its server does not answer'}")
    return bool(stand_ins)


def _named(members: Sequence[ChatBackend]) -> str:
    return ", ".join(f"{member.name} is {member.model}" for member in members)


def _tell(item: Item, console: Console) -> None:
    marks = [f"{name} {_mark(bool(m.samples) and m.samples[0].right)}" for name, m in item.members.items()]
    if item.committee is not None:
        marks.append(f"committee {_mark(item.committee.right)} ({item.committee.decided_by or item.committee.failure})")
    console.print(f"  {item.category:<10}{item.id:<22}{'  '.join(marks)}", markup=False, highlight=False)


def _mark(right: bool) -> str:
    return "✓" if right else "✗"


def _show(found: records.Records, console: Console) -> None:
    for category in report(found):
        console.print()
        for line in in_words(category):
            console.print(line, markup=False, highlight=False, soft_wrap=True)
    console.print()
