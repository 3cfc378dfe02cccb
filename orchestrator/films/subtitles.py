"""What is said when: cues from narration lines, and the files made of them."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import pysubs2

from orchestrator.films.plan import Plan, Shot
from orchestrator.films.planner import WORDS_PER_S

_LINE_WIDTH = 42
_LEAD_S = 0.5
_PAUSE_S = 0.35
_TAIL_S = 0.3
_EARLY_S = 2.0


def schedule(
    plan: Plan, shots: Sequence[Shot], durations: Mapping[str, float] | None
) -> tuple[list[dict[str, Any]], list[str]]:
    """Cues in order: {shot_id, start_s, end_s, text}, and the lines that found no room before the film's end.

    `durations` are the spoken lengths in seconds by shot id; None estimates them from the number of words.
    """
    rate, end = plan.outputs.fps, plan.outputs.duration_s
    cues: list[dict[str, Any]] = []
    dropped: list[str] = []
    free_from = 0.0
    for shot in shots:
        if not shot.narration or (durations is not None and shot.id not in durations):
            continue
        length = durations[shot.id] if durations is not None else max(1.0, len(shot.narration.split()) / WORDS_PER_S)
        begins = float(shot.start / rate)
        latest = end - min(_TAIL_S, end / 20) - length
        # A closing line may begin a little before its shot rather than be lost.
        start = max(min(begins + min(_LEAD_S, end / 10), latest), free_from)
        if start > latest or start < begins - _EARLY_S:
            dropped.append(shot.narration)
            continue
        cues.append(
            {
                "shot_id": shot.id,
                "start_s": round(start, 3),
                "end_s": round(start + length, 3),
                "text": _wrapped(shot.narration),
            }
        )
        free_from = start + length + _PAUSE_S
    return cues, dropped


def _wrapped(text: str) -> str:
    return "\n".join(textwrap.wrap(" ".join(text.split()), _LINE_WIDTH)) or text


def to_format(cues: Sequence[Mapping[str, Any]], format_: str) -> str:
    """The cues as "srt" or "vtt"."""
    subs = pysubs2.SSAFile()
    for cue in cues:
        text = cue["text"].replace("\n", "\\N")
        subs.append(pysubs2.SSAEvent(start=round(cue["start_s"] * 1000), end=round(cue["end_s"] * 1000), text=text))
    return str(subs.to_string(format_))
