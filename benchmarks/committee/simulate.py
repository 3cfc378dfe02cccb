"""Simulated members through the real committee, and what must hold of it.

Every scenario fixes how good and how alike the members are, how well they judge, and what goes wrong; its questions go
through `Committee.deliberate` in virtual time. The figures are compared with closed forms where there are any.
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
import os
import re
import statistics
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import aclosing
from dataclasses import asdict, dataclass, field
from multiprocessing import get_context
from pathlib import Path

from benchmarks.committee.members import SimulatedMember
from benchmarks.committee.resends import RESENDS, count_jobs
from benchmarks.committee.virtual_time import run
from benchmarks.committee.world import RIGHT, MemberTraits, World
from committee import Committee, CommitteeConfig, CommitteeError, ContentDelta, Finished, Message, StageEvent, Turn
from committee.measurement.statistics import Pair, paired_difference

CHUNK = 250
ENOUGH = 4_000  # questions in a scenario, from which on the promises are held to the letter
MARGIN = 0.005
HIT_RATE_MARGIN = 0.05
_ANSWER = re.compile(r"The answer is (\d+)\.")
_SETTLING = frozenset({"cross-check", "verdict", "sample", "evidence"})
# Beyond a stage's deadline: what cancelling and the last callback may take.
GRACE_S = 1.0


@dataclass(frozen=True)
class Scenario:
    """One world and how its committee deliberates. compare_with: the scenario whose accuracy must be the
    same, up to noise or exactly."""

    name: str
    members: tuple[MemberTraits, ...]
    phi: float
    items: int
    collision: float = 0.6
    debate_turns: int = 1
    compare_with: str = ""
    exactly: bool = False
    seed: str = ""
    worth_it: bool = True
    faulty: bool = False

    def world(self) -> World:
        names = "abcdefgh"[: len(self.members)]
        return World(dict(zip(names, self.members, strict=True)), self.phi, self.collision, seed=self.seed or self.name)


@dataclass(frozen=True, slots=True)
class Trace:
    """One question's way through the committee. first: each member's independent answer ("" when it failed)."""

    item: int
    first: tuple[str, ...]
    thrice: str
    answer: str
    settled: bool
    decided_by: str
    hidden: int
    shown: int
    first_content_s: float
    total_s: float
    deliberated_s: float
    ended: str
    degraded: bool


@dataclass
class Figures:
    """What one scenario came to; shares, and seconds of virtual time."""

    name: str
    items: int = 0
    members: list[float] = field(default_factory=list)
    committee: float = math.nan
    self_consistency: float = math.nan
    gain: float = math.nan
    gain_low: float = math.nan
    gain_high: float = math.nan
    early_exit: float = math.nan
    early_exit_closed: float = math.nan
    right_when_agreed: float = math.nan
    right_when_agreed_closed: float = math.nan
    hit_rate: float = math.nan
    break_even: float = math.nan
    judge: float = math.nan
    accuracy_closed: float = math.nan
    hidden_ratio: float = math.nan
    hidden_ratio_all: float = math.nan
    first_content_p50_s: float = math.nan
    first_content_p95_s: float = math.nan
    total_p50_s: float = math.nan
    total_p95_s: float = math.nan
    longest_deliberation_s: float = math.nan
    longest_overrun_s: float = 0.0
    degraded: float = math.nan
    ended: dict[str, int] = field(default_factory=dict)
    decided_by: dict[str, int] = field(default_factory=dict)
    wall_s: float = 0.0
    failures: list[str] = field(default_factory=list)


# -- one question ----------------------------------------------------------------------------------------------------


async def ask(committee: Committee, members: Sequence[SimulatedMember], world: World, item: int) -> Trace:
    """Put one question to the committee and follow it to its end."""
    now = asyncio.get_running_loop().time
    started = now()
    text: list[str] = []
    settled, ended, first_content, spoke_at = False, "no end", math.nan, math.nan
    finished: Finished | None = None
    turn = Turn([Message("user", f"How many are there in question {item}?")], seed=item)
    try:
        async with aclosing(committee.deliberate(turn)) as events:
            async for event in events:
                if isinstance(event, ContentDelta):
                    first_content = first_content if text else now() - started
                    text.append(event.text)
                elif isinstance(event, StageEvent):
                    settled = settled or event.stage in _SETTLING
                    if event.stage == "speak" and math.isnan(spoke_at):
                        spoke_at = now() - started
                elif isinstance(event, Finished):
                    finished, ended = event, "finished"
    except CommitteeError as error:
        ended = error.code
    usage = finished.usage.values() if finished else ()
    hidden = sum(one.hidden_tokens for one in usage)
    found = _ANSWER.search("".join(text))
    return Trace(
        item=item,
        first=tuple(member.first.pop(item, "") for member in members),
        thrice=_thrice(world, members, item),
        answer=found[1] if found and finished else "",
        settled=settled,
        decided_by=finished.account.decided_by if finished else "",
        hidden=hidden,
        shown=sum(one.completion_tokens for one in usage) - hidden,
        first_content_s=first_content,
        total_s=now() - started,
        deliberated_s=now() - started if math.isnan(spoke_at) else spoke_at,
        ended=ended,
        degraded=finished.degraded if finished else True,
    )


def _thrice(world: World, members: Sequence[SimulatedMember], item: int) -> str:
    """The better member alone, asked three times."""
    best = max(world.members, key=lambda name: world.members[name].accuracy)
    answers = [world.answer(best, item, -sample) for sample in (1, 2, 3)]
    return Counter(answers).most_common(1)[0][0]


async def _ask_all(scenario: Scenario, items: Iterable[int]) -> tuple[list[Trace], float]:
    world = scenario.world()
    members = [SimulatedMember(name, world) for name in world.members]
    # Breakers are for real outages; here every question is to be met by the same members.
    config = CommitteeConfig(debate_turns=scenario.debate_turns, breaker_failures=10**9)
    committee = Committee(members, planner="a", config=config)
    traces = [await ask(committee, members, world, item) for item in items]
    return traces, max(member.overrun for member in members)


def _chunk(work: tuple[Scenario, int, int]) -> tuple[list[Trace], float]:
    scenario, first, last = work
    logging.getLogger("committee").setLevel(logging.CRITICAL)  # every injected fault would be told
    return run(_ask_all(scenario, range(first, last)))


# -- one scenario ----------------------------------------------------------------------------------------------------


def figures(scenario: Scenario, traces: Sequence[Trace], overrun: float, wall_s: float = 0.0) -> Figures:
    """All figures of one scenario, and which of the promises they break."""
    world = scenario.world()
    found = Figures(scenario.name, len(traces), wall_s=wall_s, longest_overrun_s=overrun)
    right = [trace.answer == RIGHT for trace in traces]
    firsts = list(zip(*([answer == RIGHT for answer in trace.first] for trace in traces), strict=True))
    found.members = [_mean(one) for one in firsts]
    best = max(range(len(firsts)), key=lambda n: scenario.members[n].accuracy)
    found.committee = _mean(right)
    if not scenario.faulty:  # what a member answers in a probe would have to be spoken, too, and that may fail
        gain = paired_difference(right, firsts[best])
        found.gain, found.gain_low, found.gain_high = gain.mean, gain.low, gain.high
    found.self_consistency = _mean(trace.thrice == RIGHT for trace in traces)
    early = [trace for trace in traces if not trace.settled and trace.decided_by == "agreement"]
    found.early_exit = len(early) / len(traces)
    found.right_when_agreed = _mean(trace.answer == RIGHT for trace in early)
    split = [trace for trace in traces if trace.settled and len({answer == RIGHT for answer in trace.first}) == 2]
    found.hit_rate = _mean(trace.answer == RIGHT for trace in split)
    found.judge = min(traits.judge for traits in scenario.members)
    if len(scenario.members) == 2:
        pair = world.pair
        found.break_even = pair.break_even
        found.early_exit_closed = pair.agreement
        found.right_when_agreed_closed = pair.right_when_agreed
        found.accuracy_closed = pair.accuracy(found.hit_rate)
    found.hidden_ratio = _ratio(early)
    found.hidden_ratio_all = _ratio(traces)
    found.first_content_p50_s, found.first_content_p95_s = _percentiles([t.first_content_s for t in traces])
    found.total_p50_s, found.total_p95_s = _percentiles([trace.total_s for trace in traces])
    found.longest_deliberation_s = max(trace.deliberated_s for trace in traces)
    found.degraded = _mean(trace.degraded for trace in traces)
    found.ended = dict(Counter(trace.ended for trace in traces))
    found.decided_by = dict(Counter(trace.decided_by for trace in traces).most_common())
    found.failures = list(_broken(scenario, found))
    return found


def _broken(scenario: Scenario, found: Figures) -> Iterator[str]:
    """Every promise that the figures break, in words."""
    if "no end" in found.ended:
        yield f"{found.ended['no end']} turns ended without saying so"
    hangs = any(traits.hangs for traits in scenario.members)
    if not hangs and found.longest_overrun_s > GRACE_S:
        yield f"a request was open {found.longest_overrun_s:.1f} s beyond its deadline"
    budget_s = longest_deliberation_s(scenario)
    if found.longest_deliberation_s > budget_s + GRACE_S:
        yield f"a deliberation took {found.longest_deliberation_s:.1f} s of {budget_s:g} s"
    if scenario.faulty:
        return
    if not found.hidden_ratio <= 2.0:
        yield f"{found.hidden_ratio:.2f} hidden tokens per shown token on agreeing traffic, more than 2.0"
    # A quick look at a few questions is not told that chance broke a promise.
    noise = 0.0 if found.items >= ENOUGH else 3 * math.sqrt(0.25 / max(1, found.items))
    if len(scenario.members) == 2:
        if not abs(found.early_exit - found.early_exit_closed) <= 0.02 + noise:
            yield f"early exit {found.early_exit:.3f}, in closed form {found.early_exit_closed:.3f}"
        if not abs(found.committee - found.accuracy_closed) <= 0.02 + noise:
            yield f"accuracy {found.committee:.3f}, in closed form {found.accuracy_closed:.3f}"
        pays = max(found.judge, found.hit_rate) >= found.break_even + HIT_RATE_MARGIN
        if pays and not found.gain >= -MARGIN - noise:
            yield f"{100 * found.gain:+.1f} points against the best member although the arbiter is good enough"
    elif scenario.worth_it and not found.gain >= -MARGIN - noise:
        yield f"{100 * found.gain:+.1f} points against the best member"


def longest_deliberation_s(scenario: Scenario) -> float:
    """What a deliberation may take. Members that forget their deadlines are cut off where a cold load would be."""
    config = CommitteeConfig()
    if not any(traits.hangs for traits in scenario.members):
        return config.turn_timeout_s
    return config.cold_load_timeout_s + 2 * config.probe_timeout_s + 1 + config.turn_timeout_s


def _same(found: Sequence[Figures], scenarios: Sequence[Scenario]) -> None:
    """Scenarios that differ only in a position bias must come out the same, up to noise."""
    by_name = {one.name: one for one in found}
    for scenario, one in zip(scenarios, found, strict=True):
        if not scenario.compare_with:
            continue
        other = by_name[scenario.compare_with]
        # The questions are the same, so the noise is that of the discordant ones only; 3 % of them is far from few.
        allowed = 0.0 if scenario.exactly else MARGIN + 2 * math.sqrt(0.03 / one.items)
        if abs(one.committee - other.committee) > allowed:
            one.failures.append(
                f"a position bias moved the accuracy by {100 * (one.committee - other.committee):+.1f} points"
            )


def _ratio(traces: Iterable[Trace]) -> float:
    whole = [trace for trace in traces if trace.shown]
    return sum(t.hidden for t in whole) / sum(t.shown for t in whole) if whole else math.nan


def _mean(values: Iterable[bool]) -> float:
    listed = list(values)
    return sum(listed) / len(listed) if listed else math.nan


def _percentiles(values: Iterable[float]) -> tuple[float, float]:
    known = sorted(value for value in values if not math.isnan(value))
    if len(known) < 2:
        return math.nan, math.nan
    cuts = statistics.quantiles(known, n=20)
    return cuts[9], cuts[18]


# -- all of them -----------------------------------------------------------------------------------------------------

PAIRS = {
    ".80/.75 φ=.02": (0.80, 0.75, 0.02),
    ".80/.75 φ=.20": (0.80, 0.75, 0.20),
    ".80/.75 φ=.49": (0.80, 0.75, 0.49),
    ".85/.65 φ=.20": (0.85, 0.65, 0.20),
    ".70/.70 φ=.23": (0.70, 0.70, 0.23),
}
_GPTOSS_SPEED = {"prefill": 3000.0, "decode": 120.0}


def scenarios(items: int) -> list[Scenario]:
    """Pairs of members at several qualities of judging, then bias, debate, faults and larger committees."""
    share = max(50, items // 30)
    found = []
    for label, (a, b, phi) in PAIRS.items():
        enough = min(0.97, Pair.correlated(a, b, phi).break_even + HIT_RATE_MARGIN)
        for judge in dict.fromkeys((round(enough, 3), 0.90)):
            found.append(_pair(f"{label} j={judge:g}", a, b, phi, 3 * share // 2, judge=judge))
    a, b, phi = PAIRS[".80/.75 φ=.20"]
    plain = _pair("no bias", a, b, phi, 2 * share, judge=0.75, seed="bias")
    lost = _pair("30 % of votes lost", a, b, phi, 2 * share, judge=0.75, abstains=0.3, seed="bias")
    trio = tuple(MemberTraits(p, 0.75, **_GPTOSS_SPEED) for p in (0.78, 0.76, 0.74))
    return [
        *found,
        plain,
        _pair("position bias 15 %", a, b, phi, 2 * share, judge=0.75, bias=0.15, seed="bias", compare_with="no bias"),
        lost,
        _pair(
            "position bias 30 %",
            a,
            b,
            phi,
            2 * share,
            judge=0.75,
            bias=0.3,
            seed="bias",
            compare_with="30 % of votes lost",
            exactly=True,
        ),
        _pair("careless cross-check", a, b, phi, share, judge=0.75, spoils=0.1485, chatter=0.4),
        _pair("no cross-check", a, b, phi, share, judge=0.75, debate_turns=0),
        _pair("poor judges", a, b, phi, share, judge=0.45, worth_it=False),
        _pair("faults on 10 % of requests", a, b, phi, 2 * share, judge=0.75, fails=0.10, faulty=True),
        _pair("faults on 50 % of requests", a, b, phi, share, judge=0.75, fails=0.50, faulty=True),
        _pair("10 % hang for ever", a, b, phi, share, judge=0.75, fails=0.10, hangs=True, faulty=True),
        Scenario("three members", trio, 0.2, share),
    ]


def _pair(
    name: str, a: float, b: float, phi: float, items: int, *, judge: float, bias: float = 0.0, spoils: float = 0.05,
    chatter: float = 0.10, abstains: float = 0.0, fails: float = 0.0, hangs: bool = False, **more: object,
) -> Scenario:  # fmt: skip
    traits = {
        "judge": judge,
        "bias": bias,
        "abstains": abstains,
        "spoils": spoils,
        "chatter": chatter,
        "fails": fails,
        "hangs": hangs,
    }
    members = MemberTraits(a, **traits), MemberTraits(b, **traits, **_GPTOSS_SPEED)
    return Scenario(name, members, phi, items, **more)  # type: ignore[arg-type]


def simulate(all_scenarios: Sequence[Scenario], *, processes: int | None = None) -> list[Figures]:
    """Run every scenario, in as many processes as there are cores."""
    found = []
    with ProcessPoolExecutor(processes or os.cpu_count(), mp_context=get_context("spawn")) as pool:
        pending = []
        for one in all_scenarios:
            work = [(one, first, min(first + CHUNK, one.items)) for first in range(0, one.items, CHUNK)]
            pending.append((one, [pool.submit(_chunk, piece) for piece in work]))
        for one, futures in pending:
            since = time.perf_counter()
            results = [future.result() for future in futures]
            traces = [trace for chunk, _ in results for trace in chunk]
            overrun = max(chunk_overrun for _, chunk_overrun in results)
            found.append(figures(one, traces, overrun, time.perf_counter() - since))
    _same(found, all_scenarios)
    return found


def main(items: int, output: Path | None) -> int:
    """Simulate, print, write. Returns the exit code: 0 when everything held."""
    since = time.perf_counter()
    found = simulate(scenarios(items))
    for line in in_words(found):
        print(line)
    resent = count_jobs(max(100, items // 60))
    print(f"\n{sum(resent.values())} requests re-sent {RESENDS} times made {resent} (jobs: requests)")
    total = sum(one.items for one in found)
    print(f"\n{total} questions in {time.perf_counter() - since:.0f} s")
    if output is not None:
        output.parent.mkdir(parents=True, exist_ok=True)
        figures_of = {"scenarios": [asdict(one) for one in found], "jobs_per_resent_request": resent}
        output.write_text(json.dumps(figures_of, indent=1) + "\n")
    broken = [(one.name, failure) for one in found for failure in one.failures]
    if set(resent) != {1}:
        broken.append(("re-sends", f"not every request made exactly one job: {resent}"))
    for name, failure in broken:
        print(f"DOES NOT HOLD  {name}: {failure}", file=sys.stderr)
    return 1 if broken else 0


def in_words(found: Sequence[Figures]) -> list[str]:
    """A table of all scenarios, and what became of the turns whose members fail."""
    head = f"{'scenario':<28}{'n':>6}{'best':>7}{'×3':>7}{'comm.':>7}{'gain':>7}{'95 % interval':>16}"
    head += f"{'exit':>7}{'form':>7}{'r|agr':>7}{'j':>6}{'j*':>6}{'hidden':>8}{'TTFT':>8}{'total':>8}"
    lines = [head]
    for one in found:
        gain = "" if math.isnan(one.gain) else f"{100 * one.gain:+.1f}"
        interval = "" if math.isnan(one.gain) else f"{100 * one.gain_low:+.1f} to {100 * one.gain_high:+.1f}"
        lines.append(
            f"{one.name:<28}{one.items:>6}{max(one.members):>7.3f}{one.self_consistency:>7.3f}{one.committee:>7.3f}"
            f"{gain:>7}{interval:>16}{_plain(one.early_exit):>7}{_plain(one.early_exit_closed):>7}"
            f"{_plain(one.right_when_agreed):>7}{_plain(one.hit_rate, 2):>6}{_plain(one.break_even, 2):>6}"
            f"{_plain(one.hidden_ratio, 2):>8}{_plain(one.first_content_p50_s, 1):>7}s{_plain(one.total_p50_s, 1):>7}s"
        )
    lines.append("")
    for one in found:
        if set(one.ended) != {"finished"} or one.degraded:
            ended = ", ".join(f"{how} {count}" for how, count in sorted(one.ended.items()))
            longest = f"longest deliberation {one.longest_deliberation_s:.0f} s"
            lines.append(f"{one.name}: {ended}; degraded {one.degraded:.1%}; {longest}")
    return lines


def _plain(value: float, digits: int = 3) -> str:
    return "" if math.isnan(value) else f"{value:.{digits}f}"
