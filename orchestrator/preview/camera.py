"""Where the camera is at each moment, and where that puts a plate of a given depth."""

from __future__ import annotations

import math
from dataclasses import dataclass

PAN, TILT, PUSH, DRIFT = 1.26, 1.22, 1.36, 1.12  # how much closer than the whole picture a move is, or ends
_LIFE = 0.004  # even a held shot breathes this much
_DEEPEST = 1.4  # the nearest plate

Box = tuple[float, float, float, float]  # left, top, right, bottom


def ease(x: float) -> float:
    """Smooth start and smooth stop: 0 to 1 with no jerk at either end."""
    x = min(1.0, max(0.0, x))
    return x * x * x * (x * (6 * x - 15) + 10)


def glide(x: float) -> float:
    """Mostly even speed with soft ends, so a long move neither starts nor stops visibly."""
    return 0.35 * ease(x) + 0.65 * min(1.0, max(0.0, x))


def _follow(depth: float) -> float:
    """How far a plate of this depth goes along: all of them turn with the camera, the near ones pass it faster."""
    return 0.4 + 0.6 * depth


@dataclass(frozen=True)
class View:
    """The camera at one moment: an offset in stage heights and a magnification, both for a plate of depth 1."""

    x: float = 0.0
    y: float = 0.0
    zoom: float = 1.0

    def place(self, depth: float, anchor: tuple[float, float]) -> tuple[float, float, float]:
        """(scale, dx, dy): stage point p of a plate at this depth lands on scale * p + (dx, dy)."""
        follow = _follow(depth)
        scale = 1.0 + (self.zoom - 1.0) * follow
        ax, ay = anchor
        return scale, ax - scale * ax - self.x * follow, ay - scale * ay - self.y * follow


@dataclass(frozen=True)
class Camera:
    """A move over a shot, inside the picture that a camera at rest would see.

    Zoom never falls below 1 and offsets stay within what it cuts off, at every depth; so plates need overscan for the
    camera's breath alone, and a storyboard can show the whole move on one picture.
    """

    move: str
    duration_s: float
    width: float = 16 / 9
    anchor: tuple[float, float] = (8 / 9, 0.55)  # the point that stays put while the camera moves in

    def at(self, t: float) -> View:
        p = glide(t / self.duration_s)
        zoom, u, v = self._path(p)
        ax, ay = self.anchor
        x = 0.0 if u is None else (zoom - 1) * (u * self.width - ax)
        y = 0.0 if v is None else (zoom - 1) * (v - ay)
        return View(x + _LIFE * math.sin(0.9 * t + 0.4), y + _LIFE * 0.6 * math.sin(0.7 * t), zoom)

    def frame(self, t: float) -> Box:
        """The part of the resting picture seen at `t`, in fractions of it, measured where the subject stands."""
        scale, dx, dy = self.at(t).place(1.0, self.anchor)
        left, top = -dx / scale / self.width, -dy / scale
        box = (left, top, left + 1 / scale, top + 1 / scale)
        return (max(0.0, box[0]), max(0.0, box[1]), min(1.0, box[2]), min(1.0, box[3]))

    def _path(self, p: float) -> tuple[float, float | None, float | None]:
        """(zoom, u, v): u and v run from 0 (left, top) to 1 over what the zoom cuts off; None keeps to the anchor."""
        match self.move:
            case "push_in":
                return 1.0 + (PUSH - 1.0) * p, None, None
            case "pull_out":
                return PUSH - (PUSH - 1.0) * p, None, None
            case "pan_right":
                return PAN, p, None
            case "pan_left":
                return PAN, 1 - p, None
            case "tilt_up":
                return TILT, None, 1 - p
            case "tilt_down":
                return TILT, None, p
            case "drift":
                return DRIFT, 0.1 + 0.8 * p, 0.3 + 0.4 * p
            case _:
                return 1.0 + 0.012 * p, None, None

    @property
    def detail(self) -> float:
        """The resolution at which plates are best painted: between the move's two ends."""
        return math.sqrt(self._path(0.0)[0] * self._path(1.0)[0])

    @staticmethod
    def margin(depth: float) -> tuple[float, float]:
        """Overscan (x, y) in stage heights that a plate of this depth needs on each side."""
        breath = _LIFE * _follow(max(depth, _DEEPEST))
        return breath + 0.004, breath + 0.004


MOVE_LABELS = {
    "hold": "HOLD",
    "push_in": "PUSH IN",
    "pull_out": "PULL OUT",
    "pan_left": "PAN LEFT",
    "pan_right": "PAN RIGHT",
    "tilt_up": "TILT UP",
    "tilt_down": "TILT DOWN",
    "drift": "DRIFT",
}
