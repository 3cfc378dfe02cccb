"""What recorded answers say about the committee, per category: the figures, and the gate table made of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from committee import prompts
from committee.calibration import CATEGORIES, Category, CategoryRow, Interval, Table
from committee.measurement import policies
from committee.measurement.policies import Outcome, ballot, consensus, first_answers, truth
from committee.measurement.records import Item, Records
from committee.measurement.statistics import (
    discordant,
    items_needed,
    mcnemar,
    paired_difference,
    share_interval,
    visible_difference,
)

AS_RUN = "committee as it ran"
FULL = "full protocol"


@dataclass(frozen=True, slots=True)
class PolicyResult:
    """One policy on one set of items. share is of right answers; tokens are written ones, a mean per item."""

    name: str
    right: tuple[bool, ...]
    tokens: float

    @property
    def share(self) -> float:
        return _share(self.right)

    @property
    def interval(self) -> tuple[float, float]:
        return share_interval(sum(self.right), len(self.right))


@dataclass(frozen=True, slots=True)
class Comparison:
    """The committee less another policy on the same items."""

    against: str
    difference: Interval
    wins: int
    losses: int
    items: int

    @property
    def p(self) -> float:
        return mcnemar(self.wins, self.losses)

    @property
    def discordant_share(self) -> float:
        return (self.wins + self.losses) / self.items if self.items else 0.0


@dataclass(frozen=True, slots=True)
class MemberFigures:
    """How one member behaved after its first answer; NaN where it was not asked.

    helpful, harmful: share of its wrong (right) answers that the cross-check turned right (wrong). order_flips: share
    of pairs that it judged differently in the other order. hit_rate: share of its votes for the right one of two.
    """

    helpful: float
    harmful: float
    order_flips: float
    hit_rate: float


@dataclass(frozen=True, slots=True)
class CategoryReport:
    """Everything about one category, or about all of them together."""

    name: str
    items: int
    policies: tuple[PolicyResult, ...]
    comparisons: tuple[Comparison, ...]
    members: dict[str, MemberFigures]
    best_member: str
    agreement: float
    right_when_agreed: float
    hit_rate: float
    break_even: float
    degraded: float
    hidden_ratio: float
    plan_difference: Interval | None = None
    notes: tuple[str, ...] = field(default=())

    @property
    def committee(self) -> PolicyResult:
        """The committee as it ran where that was recorded, else the full protocol on the recorded answers."""
        return next((p for p in self.policies if p.name == AS_RUN), None) or self.policy(FULL)

    def policy(self, name: str) -> PolicyResult:
        return next(policy for policy in self.policies if policy.name == name)


def report(records: Records) -> tuple[CategoryReport, ...]:
    """One report per category that has items, and "all" at the end when there are several."""
    found = []
    for category in CATEGORIES:
        if items := [item for item in records.items if item.category == category]:
            found.append(_category(category, items, records))
    if len(found) > 1:
        found.append(_category("all", records.items, records))
    return tuple(found)


def gate_table(records: Records, *, measured_at: str) -> Table:
    """The table that the committee goes by."""
    rows: dict[Category, CategoryRow] = {}
    for category in CATEGORIES:
        if not (items := [item for item in records.items if item.category == category]):
            continue
        figures = _category(category, items, records)
        best = next(c for c in figures.comparisons if c.against == _alone(figures.best_member))
        rows[category] = CategoryRow(
            items=len(items),
            members={name: figures.policy(_alone(name)).share for name in records.header.models},
            committee=figures.committee.share,
            difference=best.difference,
            plan_difference=figures.plan_difference,
        )
    header = records.header
    return Table(
        models=dict(header.models),
        prompts=header.prompts or prompts.VERSION,
        rows=rows,
        stand_ins=header.stand_ins,
        measured_at=measured_at,
    )


def _category(name: str, items: Sequence[Item], records: Records) -> CategoryReport:
    names = list(records.header.models)
    planner = records.header.planner
    singles = [_run(_alone(member), items, _asking(policies.alone, member)) for member in names]
    # Where members are level, the planner counts as the better one.
    best = max(names, key=lambda n: (singles[names.index(n)].share, n == planner))
    whole = _run(FULL, items, lambda item: policies.full(item, planner, best))
    matched = _matched(items, best, whole.tokens)
    results = [
        *singles,
        _run(_consistent(best, matched), items, lambda item: policies.self_consistency(item, best, matched)),
        _run("majority with a third sample", items, lambda item: policies.majority_with_third(item, best)),
        _run("exit and verdicts", items, lambda item: policies.exit_and_verdicts(item, planner)),
        whole,
    ]
    if all(item.synth is not None for item in items):
        results.insert(-1, _synth(items))
    if all(item.committee is not None for item in items):
        results.append(_as_run(items))
    committee = results[-1]
    against = [_alone(best), _consistent(best, matched)]
    if any(result.name == "mixed synthesis" for result in results):
        against.append("mixed synthesis")
    by_name = {result.name: result for result in results}
    agreed, split = _agreements(items)
    return CategoryReport(
        name=name,
        items=len(items),
        policies=tuple(results),
        comparisons=tuple(_compare(committee, by_name[other]) for other in against),
        members={member: _member(items, member) for member in names},
        best_member=best,
        agreement=len(agreed) / len(items),
        right_when_agreed=_share(truth(item)[label] for item, label in agreed),
        hit_rate=_hit_rate(split, committee, items),
        break_even=_break_even(by_name[_alone(best)].share, items, agreed, split),
        degraded=_share(item.committee.degraded for item in items if item.committee is not None),
        hidden_ratio=_hidden_ratio(items),
        plan_difference=_plans(items, best, committee),
    )


def _alone(member: str) -> str:
    return f"{member} alone"


def _consistent(member: str, samples: int) -> str:
    return f"{member} ×{samples}, most frequent"


def _asking(policy: Callable[[Item, str], Outcome], member: str) -> Callable[[Item], Outcome]:
    return lambda item: policy(item, member)


def _run(name: str, items: Sequence[Item], policy: Callable[[Item], Outcome]) -> PolicyResult:
    outcomes = [policy(item) for item in items]
    right = tuple(o.label is not None and truth(i).get(o.label, False) for i, o in zip(items, outcomes, strict=True))
    return PolicyResult(name, right, sum(outcome.tokens for outcome in outcomes) / len(items))


def _matched(items: Sequence[Item], member: str, tokens: float) -> int:
    """How many samples of one member cost what the committee's deliberation costs, as far as there are so many."""
    samples = [sample for item in items for sample in item.members[member].samples]
    one = sum(sample.tokens for sample in samples) / len(samples) if samples else 0.0
    recorded = max((len(item.members[member].samples) for item in items), default=1)
    wanted = round(tokens / one) if one else 3
    return max(1, min(wanted, recorded))


def _synth(items: Sequence[Item]) -> PolicyResult:
    answers = [item.synth for item in items if item.synth is not None]
    return PolicyResult("mixed synthesis", tuple(a.right for a in answers), sum(a.tokens for a in answers) / len(items))


def _as_run(items: Sequence[Item]) -> PolicyResult:
    runs = [item.committee for item in items if item.committee is not None]
    return PolicyResult(AS_RUN, tuple(run.right for run in runs), sum(run.hidden for run in runs) / len(items))


def _compare(ours: PolicyResult, theirs: PolicyResult) -> Comparison:
    wins, losses = discordant(ours.right, theirs.right)
    return Comparison(theirs.name, paired_difference(ours.right, theirs.right), wins, losses, len(ours.right))


def _agreements(items: Iterable[Item]) -> tuple[list[tuple[Item, str]], list[Item]]:
    """The items on which the members agree, with the label; and those on which an arbiter can win or lose."""
    agreed, split = [], []
    for item in items:
        answers = first_answers(item)
        if (label := consensus(answers)) is not None:
            agreed.append((item, label))
        elif len({truth(item)[label] for label in answers.values()}) == 2:
            split.append(item)
    return agreed, split


def _hit_rate(split: Sequence[Item], committee: PolicyResult, items: Sequence[Item]) -> float:
    """j: how often the committee was right where some members were and others were not."""
    right = {item.id: hit for item, hit in zip(items, committee.right, strict=True)}
    return _share(right[item.id] for item in split)


def _break_even(best: float, items: Sequence[Item], agreed: Sequence[tuple[Item, str]], split: Sequence[Item]) -> float:
    """j*: the hit rate at which the committee equals its best member."""
    if not split:
        return math.nan
    settled = sum(truth(item)[label] for item, label in agreed) / len(items)
    return (best - settled) / (len(split) / len(items))


def _member(items: Sequence[Item], member: str) -> MemberFigures:
    helped: list[bool] = []
    harmed: list[bool] = []
    flips: list[bool] = []
    hits: list[bool] = []
    for item in items:
        record = item.members[member]
        if record.samples and record.cross_check is not None:
            changed = record.cross_check if record.cross_check.defect.strip() else record.samples[0]
            (harmed if record.samples[0].right else helped).append(changed.right != record.samples[0].right)
        for pair in {tuple(sorted(verdict.shown)) for verdict in record.verdicts}:
            if pair[0] == pair[1]:
                continue  # two views that come to the same here: there is nothing to judge
            vote = ballot(record.verdicts, pair)
            flips.append(vote is None)
            known = truth(item)
            if vote is not None and len({known.get(label, False) for label in pair}) == 2:
                hits.append(known.get(vote, False))
    return MemberFigures(_share(helped), _share(harmed), _share(flips), _share(hits))


def _hidden_ratio(items: Sequence[Item]) -> float:
    """Hidden tokens per shown token where the members agreed at once."""
    runs = [i.committee for i in items if i.committee is not None and i.committee.decided_by in ("", "agreement")]
    shown = sum(run.shown for run in runs)
    return sum(run.hidden for run in runs) / shown if shown else math.nan


def _plans(items: Sequence[Item], best: str, committee: PolicyResult) -> Interval | None:
    """The committee less the best member on the items that ask for a plan of tool calls."""
    ours, theirs = [], []
    for item, right in zip(items, committee.right, strict=True):
        if any(sample.plan for member in item.members.values() for sample in member.samples):
            ours.append(right)
            samples = item.members[best].samples
            theirs.append(bool(samples) and samples[0].right)
    return paired_difference(ours, theirs) if ours else None


def _share(values: Iterable[bool]) -> float:
    listed = list(values)
    return sum(listed) / len(listed) if listed else math.nan


# -- in words -------------------------------------------------------------------------------------------------------


def in_words(figures: CategoryReport) -> list[str]:
    """One category as lines of text for a terminal of 100 columns."""
    lines = [f"{figures.name}: {figures.items} items", ""]
    lines.append(f"  {'policy':<34}{'right':>8}{'95 % interval':>20}{'tokens':>10}")
    for policy in figures.policies:
        low, high = policy.interval
        lines.append(f"  {policy.name:<34}{policy.share:>8.1%}{f'{low:.1%} to {high:.1%}':>20}{policy.tokens:>10.0f}")
    lines.append("")
    lines += [_comparison(comparison) for comparison in figures.comparisons]
    lines.append(
        f"  agree at once {_percent(figures.agreement)}, right when they agree {_percent(figures.right_when_agreed)}"
    )
    lines.append(
        f"  right where only some are: {_percent(figures.hit_rate)} of the time;"
        f" to pay, more than {_percent(figures.break_even)} is needed"
    )
    if not math.isnan(figures.hidden_ratio):
        lines.append(f"  hidden tokens per shown token when they agree: {figures.hidden_ratio:.2f}")
    for name, member in figures.members.items():
        lines.append(
            f"  {name}: cross-check corrects {_percent(member.helpful)}, spoils {_percent(member.harmful)};"
            f" as judge right {_percent(member.hit_rate)}, flips with the order {_percent(member.order_flips)}"
        )
    lines.append(_power(figures))
    return lines


def _comparison(comparison: Comparison) -> str:
    d = comparison.difference
    return (
        f"  committee − {comparison.against}: {100 * d.mean:+.1f} points"
        f" ({100 * d.low:+.1f} to {100 * d.high:+.1f}), {comparison.wins} won, {comparison.losses} lost,"
        f" p = {comparison.p:.3f}"
    )


def _power(figures: CategoryReport) -> str:
    share = max(figures.comparisons[0].discordant_share, 0.05)
    smallest = visible_difference(share, figures.items)
    return (
        f"  {figures.items} items show a difference of {100 * smallest:.1f} points or more;"
        f" 5 points need {items_needed(share, 0.05)}, 2 points {items_needed(share, 0.02)}"
    )


def _percent(share: float) -> str:
    return "–" if math.isnan(share) else f"{share:.0%}"
