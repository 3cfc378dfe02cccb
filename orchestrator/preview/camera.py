"""Where the camera is at each moment, and where that puts a plate of a given depth."""

from __future__ import annotations

import math
from dataclasses import dataclass

PAN = 0.085  # stage heights a plate of depth 1 travels to each side
TILT = 0.05
ZOOM = 0.16
_LIFE = 0.004  # even a held shot breathes this much


def ease(x: float) -> float:
    """Smooth start and smooth stop: 0 to 1 with no jerk at either end."""
    x = min(1.0, max(0.0, x))
    return x * x * x * (x * (6 * x - 15) + 10)


def glide(x: float) -> float:
    """Mostly even speed with soft ends, so a long move neither starts nor stops visibly."""
    return 0.35 * ease(x) + 0.65 * min(1.0, max(0.0, x))


@dataclass(frozen=True)
class View:
    """The camera at one moment: an offset in stage heights and a magnification, both for a plate of depth 1."""

    x: float = 0.0
    y: float = 0.0
    zoom: float = 1.0

    def place(self, depth: float, anchor: tuple[float, float]) -> tuple[float, float, float]:
        """(scale, dx, dy): stage point p of a plate at this depth lands on scale * p + (dx, dy)."""
        scale = 1.0 + (self.zoom - 1.0) * (0.25 + 0.75 * depth)
        ax, ay = anchor
        return scale, ax - scale * ax - self.x * depth, ay - scale * ay - self.y * depth


@dataclass(frozen=True)
class Camera:
    """A move over a shot. Zoom never falls below 1, so plates need overscan for offsets alone."""

    move: str
    duration_s: float
    reach: float = 1.0  # scales the travel, e.g. narrower pictures move less

    def at(self, t: float) -> View:
        p = glide(t / self.duration_s)
        breath_x = _LIFE * math.sin(0.9 * t + 0.4)
        breath_y = _LIFE * 0.6 * math.sin(0.7 * t)
        x, y, zoom = self._path(p)
        return View(x * self.reach + breath_x, y * self.reach + breath_y, zoom)

    def _path(self, p: float) -> tuple[float, float, float]:
        across = 2 * p - 1
        match self.move:
            case "push_in":
                return 0.015 * across, 0.0, 1.0 + ZOOM * p
            case "pull_out":
                return 0.015 * across, 0.0, 1.0 + ZOOM * (1 - p)
            case "pan_right":
                return PAN * across, 0.0, 1.02
            case "pan_left":
                return -PAN * across, 0.0, 1.02
            case "tilt_up":
                return 0.0, -TILT * across, 1.02
            case "tilt_down":
                return 0.0, TILT * across, 1.02
            case "drift":
                return PAN * 0.55 * across, 0.012 * across, 1.0 + 0.05 * p
            case _:
                return 0.0, 0.0, 1.0 + 0.012 * p

    def margin(self, depth: float) -> tuple[float, float]:
        """Overscan (x, y) in stage heights that a plate of this depth needs on each side."""
        spans = [self._path(i / 8) for i in range(9)]
        x = max(abs(s[0]) for s in spans) * self.reach + _LIFE
        y = max(abs(s[1]) for s in spans) * self.reach + _LIFE
        return x * depth + 0.004, y * depth + 0.004


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
