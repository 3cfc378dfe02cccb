"""Intervals and tests for answers that are right or wrong, and what a pair of members can gain in theory."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from committee.calibration import Interval

RESAMPLES = 10_000
# (z for 95 % confidence + z for 80 % power) squared.
_SURE_AND_STRONG = 7.84
_Z95 = 1.959963984540054


def share_interval(right: int, items: int) -> tuple[float, float]:
    """The 95 % interval (Wilson) of a share of right answers; (0, 1) when nothing was asked."""
    if items == 0:
        return 0.0, 1.0
    share, z2 = right / items, _Z95**2
    middle = (share + z2 / (2 * items)) / (1 + z2 / items)
    half = _Z95 * math.sqrt(share * (1 - share) / items + z2 / (4 * items**2)) / (1 + z2 / items)
    return max(0.0, middle - half), min(1.0, middle + half)


def paired_difference(ours: Sequence[bool], theirs: Sequence[bool], *, seed: int = 0) -> Interval:
    """The mean of ours - theirs over the same items, with a 95 % interval from 10,000 paired resamples.

    An item is a win, a loss or a tie, so drawing items with replacement is drawing three counts. Raises ValueError when
    the lengths differ.
    """
    wins, losses = discordant(ours, theirs)
    items = len(ours)
    if items == 0:
        return Interval(0.0, -1.0, 1.0)
    ties = items - wins - losses
    random = np.random.default_rng(seed)
    counts = random.multinomial(items, [wins / items, losses / items, ties / items], size=RESAMPLES)
    means = (counts[:, 0] - counts[:, 1]) / items
    mean = (wins - losses) / items
    low, high = (float(bound) for bound in np.quantile(means, [0.025, 0.975]))
    return Interval(mean, min(low, mean), max(high, mean))


def discordant(ours: Sequence[bool], theirs: Sequence[bool]) -> tuple[int, int]:
    """On how many items only we are right, and only they."""
    pairs = list(zip(ours, theirs, strict=True))
    return sum(a and not b for a, b in pairs), sum(b and not a for a, b in pairs)


def mcnemar(wins: int, losses: int) -> float:
    """The exact two-sided p-value of wins against losses, if both were equally likely."""
    total = wins + losses
    if total == 0:
        return 1.0
    log_half = total * math.log(0.5)
    tail = sum(math.exp(_log_choose(total, k) + log_half) for k in range(min(wins, losses) + 1))
    return min(1.0, 2 * tail)


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def items_needed(discordant_share: float, difference: float) -> int:
    """How many items it takes to see a difference (in shares) at 95 % confidence with 80 % power."""
    if difference <= 0:
        raise ValueError("a difference to look for is greater than 0")
    return math.ceil(_SURE_AND_STRONG * discordant_share / difference**2)


def visible_difference(discordant_share: float, items: int) -> float:
    """The smallest difference (in shares) that so many items can show."""
    return math.sqrt(_SURE_AND_STRONG * discordant_share / items) if items else math.inf


@dataclass(frozen=True, slots=True)
class Pair:
    """Two members in theory: a and b are their shares of right answers, both the share of items that both get right.

    collision: the probability that two wrong answers are the same wrong answer.
    """

    a: float
    b: float
    both: float
    collision: float = 0.0

    @classmethod
    def correlated(cls, a: float, b: float, phi: float, collision: float = 0.0) -> Pair:
        """From the correlation (phi) of their being right. Raises ValueError when no such pair exists."""
        both = a * b + phi * math.sqrt(a * (1 - a) * b * (1 - b))
        if not max(0.0, a + b - 1) - 1e-12 <= both <= min(a, b) + 1e-12:
            raise ValueError(f"members with {a} and {b} cannot have a correlation of {phi}")
        return cls(a, b, both, collision)

    @property
    def one_right(self) -> float:
        """The share of items on which exactly one is right: all that an arbiter can win or lose."""
        return self.a + self.b - 2 * self.both

    @property
    def agreement(self) -> float:
        """The share of items on which they give the same answer, right or wrong."""
        return self.both + self.collision * (1 - self.a - self.b + self.both)

    @property
    def right_when_agreed(self) -> float:
        return self.both / self.agreement if self.agreement else math.nan

    @property
    def oracle(self) -> float:
        """What the pair would reach if the arbiter never erred."""
        return self.both + self.one_right

    @property
    def break_even(self) -> float:
        """j*: how often an arbiter has to pick the right one for the pair to equal its better member."""
        return (max(self.a, self.b) - self.both) / self.one_right if self.one_right else math.nan

    def accuracy(self, hit_rate: float) -> float:
        """The pair's share of right answers with an arbiter that picks the right one so often."""
        return self.both + hit_rate * self.one_right
