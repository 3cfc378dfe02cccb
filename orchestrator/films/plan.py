"""What a film is before it is pictures: the plan, and the shots that the breakdown cuts it into.

All models are plain JSON both ways: they are stored as manifests, hashed as stage inputs and sent to child processes.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from tools.film import FIDELITY, RENDERER, FilmRequest

TIMES_OF_DAY = ("dawn", "day", "golden hour", "dusk", "night")
MOODS = ("neutral", "joyful", "calm", "melancholy", "tense", "mysterious")


class _Manifest(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Beat(_Manifest):
    """One step of the story; `weight` is its share of the time."""

    id: str
    desc: str
    weight: float = Field(gt=0)


class Scene(_Manifest):
    """One place at one time of day. `prompt` is what is to be seen, `narration` what is said, line by line."""

    id: str
    beat_id: str
    location: str = ""
    tod: str = "day"
    mood: str = "neutral"
    prompt: str
    narration: list[str] = []
    weight: float = Field(default=1.0, gt=0)


class Character(_Manifest):
    id: str
    name: str
    description: str = ""
    tags: list[str] = []


class Outputs(_Manifest):
    """What the plan locks: every later run of the film delivers this, unless PATCH changed it."""

    width: int
    height: int
    rate: tuple[int, int]
    frames: int
    codec: Literal["h264"] = "h264"
    container: Literal["mp4"] = "mp4"

    @property
    def fps(self) -> Fraction:
        return Fraction(*self.rate)

    @property
    def duration_s(self) -> float:
        return float(self.frames / self.fps)


class Plan(_Manifest):
    """The whole story. `planned_by` is "rules" or the model's name; `fallback_reason` says why the rules stepped in."""

    planned_by: str
    fallback_reason: str | None = None
    seed: int
    title: str
    logline: str
    language: str
    style: str
    beats: list[Beat]
    scenes: list[Scene] = Field(min_length=1)
    characters: list[Character] = []
    outputs: Outputs
    shot_budget: int = Field(ge=1)
    renderer: str = RENDERER
    fidelity: str = FIDELITY


class Shot(_Manifest):
    """One segment of the film: `frames` frames from frame `start` on. `dsl` describes it in the words of a camera crew.

    `art` is the renderer's spec, `depicted`/`not_depicted` what of the prompt it shows.
    """

    id: str
    scene_id: str
    index: int
    seed: int
    start: int
    frames: int = Field(ge=1)
    narration: str = ""
    caption: str = ""
    fade_in: int = 0
    fade_out: int = 0
    dsl: dict[str, Any]
    art: dict[str, Any]
    depicted: list[str] = []
    not_depicted: list[str] = []

    @property
    def end(self) -> int:
        return self.start + self.frames


def outputs_of(request: FilmRequest) -> Outputs:
    rate = request.rate
    return Outputs(
        width=request.width,
        height=request.height,
        rate=(rate.numerator, rate.denominator),
        frames=request.frames,
    )


def shot_budget(request: FilmRequest) -> int:
    """How many shots a film gets: one every few seconds, but no more plates than a long film can bear.

    Beyond `rules.max_shots` shots grow up to ten seconds, then their number grows again with the length.
    """
    wanted = round(request.duration_s / request.rules.avg_shot_len_s)
    ceiling = max(request.rules.max_shots, round(request.duration_s / 10))
    return max(1, min(wanted, ceiling, request.frames // max(1, round(request.rate / 2)) or 1))
