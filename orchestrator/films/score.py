"""The music bed as notes: chords that move slowly, a bass, and a melody that leaves room for a voice.

Pure and deterministic: mood and seed decide key, tempo, harmony and melody.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from tools.seeds import derive_seed

Voice = Literal["pad", "bass", "bell"]

_MAJOR, _MINOR, _DORIAN = (0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10), (0, 2, 3, 5, 7, 9, 10)


@dataclass(frozen=True)
class Note:
    """`start_s` and `length_s` in seconds, `pitch` as a MIDI number, `pan` from -1 (left) to 1 (right)."""

    start_s: float
    length_s: float
    pitch: int
    voice: Voice
    gain: float
    pan: float


@dataclass(frozen=True)
class _Manner:
    scale: tuple[int, ...]
    beats_per_minute: int
    progressions: tuple[tuple[int, ...], ...]
    melody: float  # chance of a note on each beat


_MANNERS = {
    "neutral": _Manner(_MAJOR, 72, ((0, 5, 3, 4), (0, 2, 3, 4)), 0.45),
    "joyful": _Manner(_MAJOR, 96, ((0, 4, 5, 3), (0, 3, 4, 3)), 0.65),
    "calm": _Manner(_MAJOR, 63, ((0, 3, 0, 4), (0, 2, 5, 3)), 0.4),
    "melancholy": _Manner(_MINOR, 58, ((0, 5, 2, 6), (0, 3, 5, 4)), 0.35),
    "tense": _Manner(_MINOR, 80, ((0, 0, 5, 4), (0, 3, 0, 6)), 0.25),
    "mysterious": _Manner(_DORIAN, 56, ((0, 3, 0, 6), (0, 2, 3, 0)), 0.3),
}
_BEATS_PER_BAR = 4


def compose(duration_s: float, *, mood: str, seed: int) -> Iterator[Note]:
    """Notes in order of time that fill `duration_s` seconds. The last chord is the home chord."""
    rng = random.Random(derive_seed("music", mood, master=seed))
    manner = _MANNERS.get(mood, _MANNERS["neutral"])
    root, progression = rng.choice((45, 47, 48, 50, 52)), rng.choice(manner.progressions)
    beat = 60 / manner.beats_per_minute
    bar = beat * _BEATS_PER_BAR
    bars = max(1, round(duration_s / bar))
    degree = 4
    for index in range(bars):
        chord = 0 if index == bars - 1 else progression[index % len(progression)]
        start = index * bar
        yield from _chord(manner, root, chord, start, bar)
        if index and index < bars - 1:
            notes, degree = _melody(manner, rng, root, chord, degree, start, beat)
            yield from notes


def _pitch(manner: _Manner, root: int, degree: int) -> int:
    octave, step = divmod(degree, len(manner.scale))
    return root + 12 * octave + manner.scale[step]


def _chord(manner: _Manner, root: int, degree: int, start: float, bar: float) -> Iterator[Note]:
    yield Note(start, bar * 1.05, _pitch(manner, root, degree) - 12, "bass", 0.34, 0.0)
    # Open voicing: root and fifth below, third and ninth-free top above, spread over the stereo field.
    for step, octave, pan in ((0, 0, -0.5), (4, 0, 0.45), (2, 1, -0.2), (7, 1, 0.25)):
        yield Note(start, bar * 1.15, _pitch(manner, root, degree + step) + 12 * octave, "pad", 0.22, pan)


def _melody(
    manner: _Manner, rng: random.Random, root: int, chord: int, degree: int, start: float, beat: float
) -> tuple[list[Note], int]:
    """A bar of a walk that mostly moves by step and leans on the chord on its first beat, and where it ends."""
    notes = []
    for position in range(_BEATS_PER_BAR):
        if rng.random() > manner.melody:
            continue
        degree = min(11, max(1, degree + rng.choice((-2, -1, -1, 1, 1, 2))))
        if position == 0:
            degree = _nearest(chord, degree)
        at = start + position * beat + rng.uniform(0, 0.03)
        gain, pan = rng.uniform(0.1, 0.17), rng.uniform(-0.4, 0.4)
        notes.append(Note(at, 2.6, _pitch(manner, root, degree) + 24, "bell", gain, pan))
    return notes, degree


def _nearest(chord: int, degree: int) -> int:
    tones = [chord + step + 7 * octave for step in (0, 2, 4) for octave in (0, 1)]
    return min(tones, key=lambda tone: abs(tone - degree))
