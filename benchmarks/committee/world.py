"""Questions of a latent difficulty, and members that are right on them as often, and as jointly, as they are told to.

A member is right on a question when a sum of three normal variables stays below its threshold: one that all members
share (how hard the question is), one of its own (what it happens to know), and one of the sample (luck). The weight of
the shared one is solved for, so that two members have the wanted correlation of being right. Every draw is a hash of
what it belongs to: the same question, member and seed give the same answer in any order and in any process.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from statistics import NormalDist

import numpy as np

from committee.measurement.statistics import Pair

_NORMAL = NormalDist()
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(96)
_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()
_erf = np.vectorize(math.erf)

RIGHT = "1000"


def uniform(*key: object) -> float:
    """A number in (0, 1) that depends on `key` alone."""
    digest = hashlib.blake2b("|".join(map(str, key)).encode(), digest_size=8).digest()
    return (int.from_bytes(digest, "big") + 0.5) / 2**64


def normal(*key: object) -> float:
    return _NORMAL.inv_cdf(uniform(*key))


@dataclass(frozen=True)
class MemberTraits:
    """How one simulated member behaves. Shares are probabilities.

    accuracy: right answers. judge: picks the right one of two when exactly one is. bias: takes the first shown,
    whatever it is. abstains: has no opinion. repairs, spoils: in a cross-check with somebody who holds the other
    answer, turns to it with a named defect, when it is wrong (right) itself. chatter: turns to the other answer without
    naming a defect. fails: a request ends in one of the faults; hangs: and then it never ends by itself. prefill,
    decode: tokens per second.
    """

    accuracy: float
    judge: float = 0.75
    bias: float = 0.0
    abstains: float = 0.0
    repairs: float = 0.25
    spoils: float = 0.05
    chatter: float = 0.10
    fails: float = 0.0
    hangs: bool = False
    prefill: float = 900.0
    decode: float = 32.0


@dataclass(frozen=True)
class World:
    """All members and their questions. phi: correlation of the first two members' being right. collision: how often two
    wrong answers are the same one. knowledge: the weight of what only one member knows, next to the luck of a sample.
    """

    members: Mapping[str, MemberTraits]
    phi: float
    collision: float = 0.6
    knowledge: float = 0.3
    seed: int | str = 0
    _thresholds: dict[str, float] = field(init=False, compare=False)

    def __post_init__(self) -> None:
        found = {name: _NORMAL.inv_cdf(traits.accuracy) for name, traits in self.members.items()}
        object.__setattr__(self, "_thresholds", found)

    @cached_property
    def pair(self) -> Pair:
        """The first two members in closed form."""
        a, b = list(self.members.values())[:2]
        return Pair.correlated(a.accuracy, b.accuracy, self.phi, self.collision)

    @cached_property
    def shared(self) -> float:
        """The weight of the difficulty that gives the pair its correlation."""
        low, high = 0.0, 0.999
        a, b = list(self._thresholds.values())[:2]
        for _ in range(50):
            middle = (low + high) / 2
            low, high = (middle, high) if _both_right(a, b, middle) < self.pair.both else (low, middle)
        return (low + high) / 2

    def answer(self, member: str, item: int, sample: int) -> str:
        """The member's answer to a question, as a short key."""
        shared, rest = self.shared, 1 - self.shared
        z = (
            math.sqrt(shared) * normal(self.seed, "difficulty", item)
            + math.sqrt(rest * self.knowledge) * normal(self.seed, "knowledge", item, member)
            + math.sqrt(rest * (1 - self.knowledge)) * normal(self.seed, "luck", item, member, sample)
        )
        return RIGHT if z < self._thresholds[member] else self._wrong(member, item, sample)

    def _wrong(self, member: str, item: int, sample: int) -> str:
        """The mistake that lies near, or one of its own."""
        if uniform(self.seed, "near", item, member, sample) < math.sqrt(self.collision):
            return "2000"
        return str(3000 + int(1e9 * uniform(self.seed, "own", item, member, sample)))


def _both_right(a: float, b: float, shared: float) -> float:
    """P(both right) for thresholds a and b: the members are independent once the difficulty is known."""
    z = _NODES * math.sqrt(shared)
    scale = math.sqrt(1 - shared) * math.sqrt(2)
    below_a, below_b = ((1 + _erf((threshold - z) / scale)) / 2 for threshold in (a, b))
    return float((_WEIGHTS * below_a * below_b).sum())
