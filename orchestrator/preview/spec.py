"""What a picture is made of, as data: `ShotArt` goes into manifests and to worker processes.

A spec names plates and sprites; it holds no pixels and no sizes, so the same spec gives the same composition at every
resolution. This module imports nothing heavy.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

SKIES = ("dawn", "day", "golden_hour", "dusk", "night", "overcast", "storm", "underwater", "space")
TERRAINS = (
    "meadow",
    "mountains",
    "forest",
    "coast",
    "sea",
    "desert",
    "city",
    "snow",
    "village",
    "lake",
    "room",
    "diner",
    "planet",
    "orbit",
    "seabed",
    "horizon",
)
SPRITES = [
    "astronaut",
    "balloon",
    "bee",
    "bicycle",
    "bird",
    "butterfly",
    "car",
    "castle",
    "cat",
    "child",
    "couple",
    "deer",
    "dog",
    "dragon",
    "fire",
    "fish",
    "gull",
    "horse",
    "house",
    "jellyfish",
    "kite",
    "lamp",
    "lantern",
    "lighthouse",
    "person",
    "plane",
    "robot",
    "rocket",
    "sailboat",
    "ship",
    "tent",
    "train",
    "tree",
    "turtle",
    "whale",
    "windmill",
]
FOREGROUNDS = ("none", "grass", "flowers", "reeds", "pine", "leaves", "rocks", "street", "snow", "coral")
ATMOSPHERES = ("pollen", "snow", "rain", "fog", "fireflies", "dust", "bubbles", "embers", "petals")
STYLES = ("illustration", "watercolor", "noir", "pastel", "retro", "anime", "minimal", "storyboard")
MOODS = ("neutral", "joyful", "calm", "melancholy", "tense", "mysterious")
FRAMINGS = ("wide", "medium", "close")
MOVES = ("hold", "push_in", "pull_out", "pan_left", "pan_right", "tilt_up", "tilt_down", "drift")


@dataclass(frozen=True)
class Subject:
    """One kind of sprite in the picture. `sprite` names a drawing, `count` how many of them, `pose` a variant."""

    sprite: str
    count: int = 1
    pose: str = ""


@dataclass(frozen=True)
class ShotArt:
    """Everything the renderer needs to draw one shot; a still is a shot seen at one moment.

    `board` asks for a typographic card with words of `note` (or, with subjects, these and the note) because no plate
    fits; `part` is the shot's place in its scene and chooses which of the words.
    `title` fades a title card over the picture, `caption` burns a lower third.
    """

    seed: int
    duration_s: float = 4.0
    sky: str = "dusk"
    terrain: str = "horizon"
    foreground: str = "none"
    subjects: tuple[Subject, ...] = ()
    atmosphere: tuple[str, ...] = ()
    mood: str = "neutral"
    style: str = "illustration"
    framing: str = "wide"
    move: str = "drift"
    title: str = ""
    caption: str = ""
    board: bool = False
    note: str = ""
    part: int = 0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.duration_s) and self.duration_s > 0):
            raise ValueError("duration_s must be a positive number of seconds")
        for name, allowed in _CHOICES.items():
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} must be one of {', '.join(allowed)}")
        for item in self.atmosphere:
            if item not in ATMOSPHERES:
                raise ValueError(f"atmosphere must be among {', '.join(ATMOSPHERES)}")

    def to_dict(self) -> dict[str, Any]:
        """A JSON object that `from_dict` turns back into an equal spec."""
        data = asdict(self)
        data["subjects"] = [asdict(subject) for subject in self.subjects]
        data["atmosphere"] = list(self.atmosphere)
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ShotArt:
        """Read a spec back. Fields added by later versions are ignored; wrong values raise ValueError."""
        known = {field.name for field in fields(cls)}
        values = {key: value for key, value in data.items() if key in known}
        if "seed" not in values:
            raise ValueError("a ShotArt needs a seed")
        values["subjects"] = tuple(Subject(**dict(item)) for item in values.get("subjects", ()))
        values["atmosphere"] = tuple(values.get("atmosphere", ()))
        return cls(**values)


_CHOICES: dict[str, tuple[str, ...]] = {
    "sky": SKIES,
    "terrain": TERRAINS,
    "foreground": FOREGROUNDS,
    "mood": MOODS,
    "style": STYLES,
    "framing": FRAMINGS,
    "move": MOVES,
}


@dataclass(frozen=True)
class Depiction:
    """The honest account of a picture: which nouns of its text were drawn, and which were not."""

    depicted: list[str]
    not_depicted: list[str]
