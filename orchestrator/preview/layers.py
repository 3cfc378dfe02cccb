"""The multiplane stand: cached plates and live sprites, ordered from back to front, and the stage they are painted for.

Stage coordinates: the picture is 1 high and `aspect` wide, y grows downwards. Nothing here knows pixels.
"""

from __future__ import annotations

import hashlib
import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import skia

from orchestrator.preview.brush import Brush
from orchestrator.preview.camera import Camera
from orchestrator.preview.palette import Palette, grade_for, palette_for, weathered
from orchestrator.preview.spec import ShotArt

Paint = Callable[[skia.Canvas], None]
LivePaint = Callable[[skia.Canvas, float], None]

_ZOOMS = {"wide": 0.8, "medium": 1.25, "close": 2.0}
# Where the camera may stand, by place and framing: (name, horizon). A low camera gives the picture to the sky, a high
# one to the land; shots of one place take turns. `macro` lies in the grass.
_Views = dict[str, tuple[tuple[str, float], ...]]
_OPEN: _Views = {
    "wide": (("level", 0.66), ("low", 0.82), ("high", 0.44)),
    "medium": (("level", 0.62), ("low", 0.74), ("high", 0.52)),
    "close": (("level", 0.58), ("low", 0.80)),
}
_VIEWS: dict[str, _Views] = {
    "mountains": {"wide": (("level", 0.68), ("low", 0.80), ("high", 0.52)), "medium": (("level", 0.62), ("low", 0.73))},
    "forest": {"wide": (("level", 0.64), ("low", 0.76)), "medium": (("level", 0.60), ("high", 0.50))},
    "sea": {
        "wide": (("level", 0.64), ("low", 0.82), ("high", 0.34)),
        "medium": (("level", 0.60), ("high", 0.46)),
        "close": (("low", 0.72), ("high", 0.32)),
    },
    "coast": {"wide": (("level", 0.64), ("low", 0.74), ("high", 0.48)), "close": (("level", 0.57), ("low", 0.66))},
    "lake": {"medium": (("level", 0.62), ("high", 0.46)), "close": (("level", 0.57), ("high", 0.36))},
    "city": {
        "wide": (("level", 0.66), ("low", 0.84), ("high", 0.56)),
        "medium": (("level", 0.62), ("low", 0.78)),
        "close": (("level", 0.57), ("low", 0.72)),
    },
    "village": {"wide": (("level", 0.66), ("low", 0.74), ("high", 0.52)), "medium": (("level", 0.62), ("high", 0.54))},
    "seabed": {
        "wide": (("level", 0.72), ("low", 0.92)),
        "medium": (("level", 0.68), ("low", 0.80)),
        "close": (("level", 0.76), ("high", 0.62)),
    },
}
_FIXED: _Views = {"wide": (("level", 0.66),), "medium": (("level", 0.62),), "close": (("level", 0.57),)}
_INDOORS: _Views = {
    "wide": (("level", 0.64), ("level", 0.57)),
    "medium": (("level", 0.66), ("level", 0.59)),
    "close": (("level", 0.70), ("level", 0.60)),
}
_TALL = ("castle", "lighthouse", "tree", "windmill", "rocket", "balloon")
_OPEN_SKIES = ("dawn", "day", "golden_hour", "dusk")
_CLOSED = {"rain": 0.62, "snow": 0.42, "fog": 0.36}
_MACRO_SKIES = ("dawn", "day", "golden_hour", "dusk", "overcast")


@dataclass(frozen=True)
class Sway:
    """Motion inside a plate, by shifting its rows: `grass` is rooted at the bottom, `water` ripples."""

    kind: str
    amount: float  # stage heights at the most
    period_s: float = 4.0
    phase: float = 0.0

    def shift(self, v: float, t: float) -> float:
        """Sideways shift of the row at v (0 top, 1 bottom)."""
        v = min(1.0, max(0.0, v))  # the overscan lies a little outside
        angle = 2 * math.pi * t / self.period_s + self.phase
        if self.kind == "water":
            return self.amount * (0.25 + 0.75 * v) * math.sin(angle + 26 * v**0.6)
        bend = math.pow(1 - v, 1.7)
        return self.amount * bend * (math.sin(angle) + 0.4 * math.sin(2.3 * angle + 1.3))


@dataclass(frozen=True)
class Plate:
    """A picture painted once per shot and moved by the camera. Overscan is added around `top`..`bottom` as needed."""

    depth: float
    top: float
    bottom: float
    paint: Paint
    opaque: bool = False
    blur: float = 0.0  # gaussian sigma, stage heights
    sway: Sway | None = None
    drift: float = 0.0  # stage heights per second, to the right
    bob: float = 0.0  # vertical swell, stage heights
    detail: float = 1.0  # resolution relative to the picture


@dataclass(frozen=True)
class Live:
    """Something drawn anew in every frame, in stage coordinates of its depth."""

    depth: float
    paint: LivePaint


Layer = Plate | Live


@dataclass(frozen=True)
class Stage:
    """What every painter needs to know about the shot: shape, light, camera height, where the subject stands."""

    art: ShotArt
    aspect: float
    camera: Camera
    palette: Palette
    brush: Brush
    horizon: float  # stage y
    zoom: float  # how large things on the ground are; 1.25 is a medium shot
    side: float  # stage x of the subject
    unit: float  # shrinks things in portrait pictures
    sun: tuple[float, float]
    flip: bool = field(default=False)
    view: str = "level"  # level | low | high | macro
    backlit: bool = False  # the sun is behind everything: shapes, and light at their edges

    def rng(self, name: str) -> random.Random:
        """Random numbers for one painter; another painter's use never shifts them."""
        return random.Random(f"{self.art.seed}:{name}")

    def numbers(self, name: str) -> np.random.Generator:
        digest = hashlib.sha256(f"{self.art.seed}:{name}".encode()).digest()
        return np.random.default_rng(int.from_bytes(digest[:8], "big"))

    @property
    def ground(self) -> float:
        """Where a standing subject's feet are."""
        low = {"wide": 0.40, "medium": 0.55, "close": 0.86}[self.art.framing]
        nearest = {"coast": 0.62, "lake": 0.84, "room": 0.62, "diner": 0.66}.get(self.art.terrain, 0.0)
        return self.horizon + (1 - self.horizon) * max(low, nearest)

    def span(self, depth: float) -> tuple[float, float]:
        """Left and right end of a full-width plate of this depth, overscan included."""
        margin, _ = self.camera.margin(depth)
        return -margin - 0.02, self.aspect + margin + 0.02


def stage_for(art: ShotArt, aspect: float) -> Stage:
    """Place the camera. Consecutive seeds give different heights and sides even for the same framing."""
    rng = random.Random(f"{art.seed}:stage")
    unit = min(1.0, math.pow(aspect / 1.35, 0.6))
    palette = _light(art)
    view, horizon = _view(art)
    horizon += rng.uniform(-0.035, 0.025)
    backlit = _is_backlit(art)
    if backlit:
        r, g, b = palette.ambient
        palette = replace(palette, ambient=(r * 0.60, g * 0.57, b * 0.62), sun_size=palette.sun_size * 1.35)
    flip = rng.random() < 0.5
    side = aspect * (rng.uniform(0.30, 0.40) if flip else rng.uniform(0.60, 0.70))
    if art.framing == "close":
        side = aspect * (0.5 + (side / aspect - 0.5) * 0.6)
    sun_x = aspect - side + rng.uniform(-0.06, 0.06) * aspect
    sun_y = horizon - max(palette.sun_height, 0.0) * rng.uniform(0.9, 1.1)
    return Stage(
        art=art,
        aspect=aspect,
        camera=Camera(art.move, art.duration_s, aspect, _anchor(art, aspect, side, horizon)),
        palette=palette,
        brush=Brush(palette, grade_for(art.style, art.mood)),
        horizon=horizon,
        zoom=_ZOOMS[art.framing] * unit * {"low": 0.92, "high": 0.82}.get(view, 1.0),
        side=side,
        unit=unit,
        sun=(sun_x, sun_y),
        flip=flip,
        view=view,
        backlit=backlit,
    )


def _light(art: ShotArt) -> Palette:
    """The hour's palette, behind clouds where something falls from them or lies before them."""
    palette = palette_for(art.sky)
    if art.sky in _OPEN_SKIES:
        closed = max((_CLOSED.get(item, 0.0) for item in art.atmosphere), default=0.0)
        if closed:
            return weathered(palette, closed)
    return palette


def _anchor(art: ShotArt, aspect: float, side: float, horizon: float) -> tuple[float, float]:
    """Between the picture's centre and the subject; a tower's top is not to be cut off by a move."""
    tall = any(subject.sprite in _TALL for subject in art.subjects)
    return (aspect / 2 + side) / 2, (0.12 if tall else 0.35) + 0.3 * horizon


def _view(art: ShotArt) -> tuple[str, float]:
    """Which of the place's camera positions this shot takes."""
    if art.terrain in ("room", "diner"):
        return random.Random(f"{art.seed}:view").choice(_INDOORS[art.framing])
    if art.board or art.terrain == "orbit":
        return _FIXED[art.framing][0]
    if _in_the_grass(art):
        return "macro", 0.80
    views = _VIEWS.get(art.terrain, _OPEN)
    return random.Random(f"{art.seed}:view").choice(views.get(art.framing) or _OPEN[art.framing])


def _in_the_grass(art: ShotArt) -> bool:
    small = all(subject.sprite in ("butterfly", "bee") for subject in art.subjects)
    growing = art.terrain == "meadow" and art.foreground in ("grass", "flowers")
    return art.framing == "close" and growing and small and art.sky in _MACRO_SKIES


def _is_backlit(art: ShotArt) -> bool:
    if any(item in _CLOSED for item in art.atmosphere):
        return False
    low_sun = art.sky in ("dawn", "golden_hour", "dusk") and art.terrain not in ("room", "diner", "forest", "city")
    return low_sun and art.framing != "close" and random.Random(f"{art.seed}:backlit").random() < 0.36
