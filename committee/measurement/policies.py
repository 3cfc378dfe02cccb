"""Ways to make one answer out of several members' recorded answers, evaluated without asking anybody.

The full protocol here follows the deliberation's rules: early exit on agreement, a change of mind only with a named
defect, blind verdicts in both orders where a flip abstains, a fresh third sample, and last the planner.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from committee.measurement.records import Item, MemberRecord, Verdict


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a policy answered: the label (None: nobody could), how it was decided, and the tokens it took."""

    label: str | None
    decided_by: str
    tokens: int


def truth(item: Item) -> dict[str, bool]:
    """Every label of the item with whether it is right. A label that was graded in two ways is wrong."""
    found: dict[str, bool] = {}
    for label, right in _graded(item):
        found[label] = right and found.get(label, True)
    return found


def _graded(item: Item) -> Iterable[tuple[str, bool]]:
    for member in item.members.values():
        yield from ((sample.label, sample.right) for sample in member.samples)
        if member.cross_check is not None:
            yield member.cross_check.label, member.cross_check.right


def first_answers(item: Item) -> dict[str, str]:
    """The independent answer of every member that gave one."""
    return {name: member.samples[0].label for name, member in item.members.items() if member.samples}


def consensus(answers: Mapping[str, str], members: int | None = None) -> str | None:
    """The label that more than half of the members hold, if there is one."""
    counted = Counter(answers.values()).most_common(1)
    if not counted or 2 * counted[0][1] <= (members or len(answers)):
        return None
    return counted[0][0]


def alone(item: Item, member: str) -> Outcome:
    """One member, asked once."""
    samples = item.members[member].samples
    return Outcome(samples[0].label, "alone", samples[0].tokens) if samples else Outcome(None, "alone", 0)


def self_consistency(item: Item, member: str, samples: int) -> Outcome:
    """One member, asked several times; the answer that comes most often, the first of them on a tie."""
    asked = item.members[member].samples[:samples]
    if not asked:
        return Outcome(None, "self-consistency", 0)
    counted = Counter(sample.label for sample in asked)
    return Outcome(counted.most_common(1)[0][0], "self-consistency", sum(sample.tokens for sample in asked))


def majority_with_third(item: Item, stronger: str) -> Outcome:
    """Every member once; on a split a fresh sample of the stronger member breaks the tie, else its first answer."""
    answers = first_answers(item)
    tokens = _probe_tokens(item)
    if (agreed := consensus(answers)) is not None:
        return Outcome(agreed, "agreement", tokens)
    third, more = _third(item, stronger, set(answers.values()))
    if third is not None:
        return Outcome(third, "third sample", tokens + more)
    return Outcome(_of(answers, stronger), "planner", tokens + more)


def exit_and_verdicts(item: Item, planner: str) -> Outcome:
    """Early exit on agreement, else blind verdicts, else the planner."""
    answers = first_answers(item)
    tokens = _probe_tokens(item)
    if (agreed := consensus(answers)) is not None:
        return Outcome(agreed, "agreement", tokens)
    pair = _candidates(answers, planner)
    tokens += _verdict_tokens(item, pair)
    if (won := judged(item, pair)) is not None:
        return Outcome(won, "verdicts", tokens)
    return Outcome(_of(answers, planner), "planner", tokens)


def full(item: Item, planner: str, stronger: str | None = None) -> Outcome:
    """The whole protocol. Stages that were not recorded decide nothing."""
    answers = first_answers(item)
    tokens = _probe_tokens(item)
    if (agreed := consensus(answers)) is not None:
        return Outcome(agreed, "agreement", tokens)
    tokens += sum(m.cross_check.tokens for m in item.members.values() if m.cross_check is not None)
    answers = after_cross_check(item)
    if (agreed := consensus(answers)) is not None:
        return Outcome(agreed, "cross-check", tokens)
    pair = _candidates(answers, planner)
    tokens += _verdict_tokens(item, pair)
    if (won := judged(item, pair)) is not None:
        return Outcome(won, "verdicts", tokens)
    third, more = _third(item, stronger or planner, set(answers.values()))
    if third is not None:
        return Outcome(third, "third sample", tokens + more)
    return Outcome(_of(answers, planner), "planner", tokens + more)


def after_cross_check(item: Item) -> dict[str, str]:
    """What the members hold after one look at each other. When all change and still differ, nothing was settled."""
    before = first_answers(item)
    after = {name: _revised(item.members[name], label) for name, label in before.items()}
    swapped = all(after[name] != before[name] for name in before) and consensus(after) is None
    return before if swapped else after


def _revised(member: MemberRecord, own: str) -> str:
    check = member.cross_check
    return check.label if check is not None and check.defect.strip() else own


def judged(item: Item, pair: Sequence[str]) -> str | None:
    """What most members that did not flip picked; None on a tie or without a pair."""
    votes = Counter(vote for member in item.members.values() if (vote := ballot(member.verdicts, pair)) is not None)
    ranked = votes.most_common(2)
    if not ranked or (len(ranked) == 2 and ranked[0][1] == ranked[1][1]):
        return None
    return ranked[0][0]


def ballot(verdicts: Sequence[Verdict], pair: Sequence[str]) -> str | None:
    """One member's vote on a pair: the label it picked in both orders; None when it flipped or was not asked."""
    if len(pair) < 2:
        return None
    picks = {verdict.shown: verdict.picked for verdict in verdicts if set(verdict.shown) == set(pair)}
    orders = (pair[0], pair[1]), (pair[1], pair[0])
    if not all(order in picks for order in orders):
        return None
    first, second = (picks[order] for order in orders)
    return first if first == second else None


def _candidates(answers: Mapping[str, str], planner: str) -> list[str]:
    """The two labels with most support; among equals the planner's, then in the members' order."""
    order = sorted(answers, key=lambda name: (name != planner, name))
    support = Counter(answers.values())
    labels = list(dict.fromkeys(answers[name] for name in order))
    return sorted(labels, key=lambda label: -support[label])[:2]


def _third(item: Item, member: str, candidates: set[str]) -> tuple[str | None, int]:
    fresh = item.members[member].samples[1:2]
    if not fresh:
        return None, 0
    return (fresh[0].label if fresh[0].label in candidates else None), fresh[0].tokens


def _of(answers: Mapping[str, str], member: str) -> str | None:
    return answers.get(member) or next(iter(answers.values()), None)


def _probe_tokens(item: Item) -> int:
    return sum(member.samples[0].tokens for member in item.members.values() if member.samples)


def _verdict_tokens(item: Item, pair: Sequence[str]) -> int:
    asked = (v for member in item.members.values() for v in member.verdicts if set(v.shown) == set(pair))
    return sum(verdict.tokens for verdict in asked)
