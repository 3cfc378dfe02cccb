"""Figures: people as quiet shapes in a coat or a dress, an astronaut, a robot.

Sprite coordinates, here and in the other sprite files: feet at y = 0, head at y = -1, facing right.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import skia

from orchestrator.preview.brush import Brush, Stop, outline, smooth
from orchestrator.preview.palette import Ink, mix


@dataclass(frozen=True)
class Variant:
    """What makes one sprite differ from the next of its kind: a pose and three dice, each 0..1."""

    pose: str = ""
    a: float = 0.5
    b: float = 0.5
    c: float = 0.5

    def pick(self, inks: tuple[str, ...]) -> str:
        return inks[min(len(inks) - 1, int(self.a * len(inks)))]


def oval(canvas: skia.Canvas, x: float, y: float, rx: float, ry: float, paint: skia.Paint) -> None:
    canvas.drawOval(skia.Rect(x - rx, y - ry, x + rx, y + ry), paint)


_COATS = ("#3d4a63", "#7a3b3b", "#46573f", "#6b5a45", "#2f3440", "#8a6d3b")
_HAIR = ("#2a1c16", "#4b3020", "#191516", "#7a5a34")
_SKIN = ("#e0b08c", "#b57f5a", "#7d5238", "#f0c8a8")


def _pick(inks: tuple[str, ...], die: float) -> str:
    return inks[min(len(inks) - 1, int(die * len(inks)))]


def person(canvas: skia.Canvas, brush: Brush, t: float, v: Variant) -> None:
    walking = v.pose == "walking" or (v.pose == "crowd" and v.c > 0.4)
    gait = math.sin(5.2 * t + 6.28 * v.b) if walking else 0.0
    breath = 0.0 if walking else 0.004 * math.sin(1.7 * t + 6.28 * v.b)
    coat = "#4a4438" if v.pose == "hat" else _pick(_COATS, v.a)
    _legs(canvas, brush, gait, bare=v.pose == "dress")
    canvas.save()
    canvas.translate(0, breath - 0.008 * abs(gait))
    _arms(canvas, brush, gait, mix(coat, "#000000", 0.18))
    _torso(canvas, brush, coat, v.pose)
    _head(canvas, brush, v)
    canvas.restore()


def _legs(canvas: skia.Canvas, brush: Brush, gait: float, *, bare: bool) -> None:
    for side in (-1, 1):
        swing = side * gait
        knee = (side * 0.045 + swing * 0.07, -0.25)
        foot = (side * 0.055 + swing * 0.14, -0.018 - max(0.0, -swing) * 0.035)
        path = skia.Path()
        path.moveTo(side * 0.045, -0.5)
        path.lineTo(*knee)
        path.lineTo(*foot)
        canvas.drawPath(path, brush.stroke("#a87c5c" if bare else "#23262f", 0.055 if bare else 0.082))
        canvas.drawLine(foot[0], foot[1] - 0.005, foot[0] + 0.05, foot[1], brush.stroke("#14151a", 0.04))


def _arms(canvas: skia.Canvas, brush: Brush, gait: float, ink: Ink) -> None:
    for side in (-1, 1):
        hand = (side * 0.15 - side * gait * 0.11, -0.45)
        elbow = (side * 0.15 - side * gait * 0.04, -0.62)
        path = smooth([(side * 0.105, -0.79), elbow, hand])
        canvas.drawPath(path, brush.stroke(ink, 0.064))
        canvas.drawCircle(hand[0], hand[1] + 0.02, 0.026, brush.fill("#c49472"))


def _torso(canvas: skia.Canvas, brush: Brush, ink: Ink, pose: str) -> None:
    hem, flare = {"dress": (-0.22, 0.22), "hat": (-0.24, 0.17), "coat": (-0.24, 0.17)}.get(pose, (-0.43, 0.125))
    path = skia.Path()
    path.moveTo(-0.05, -0.85)
    path.quadTo(-0.135, -0.84, -0.14, -0.76)
    path.quadTo(-0.10, -0.60, -0.105, -0.55)
    path.lineTo(-flare, hem)
    path.quadTo(0, hem + 0.03, flare, hem)
    path.lineTo(0.105, -0.55)
    path.quadTo(0.10, -0.60, 0.14, -0.76)
    path.quadTo(0.135, -0.84, 0.05, -0.85)
    path.close()
    stops: list[Stop] = [(0, mix(ink, "#ffffff", 0.12), 1), (0.5, ink, 1), (1, mix(ink, "#000000", 0.35), 1)]
    canvas.drawPath(path, brush.linear((-0.16, 0), (0.16, 0), stops))
    if pose in ("hat", "coat"):
        canvas.drawLine(0, -0.78, 0, hem, brush.stroke("#000000", 0.008, 0.35))
        canvas.drawLine(-0.115, -0.56, 0.115, -0.56, brush.stroke("#1d1a16", 0.03))


def _head(canvas: skia.Canvas, brush: Brush, v: Variant) -> None:
    """Seen from behind: people here look into the picture, as we do."""
    skin, hair = _pick(_SKIN, v.b), _pick(_HAIR, v.c)
    canvas.drawLine(0, -0.87, 0, -0.83, brush.stroke(skin, 0.05))
    for side in (-1, 1):
        canvas.drawCircle(side * 0.053, -0.918, 0.014, brush.fill(skin))
    shine: list[Stop] = [(0, mix(hair, "#ffffff", 0.20), 1), (1, hair, 1)]
    paint = brush.radial((-0.02, -0.97), 0.10, shine)
    oval(canvas, 0, -0.93, 0.055, 0.068, paint)
    if v.pose == "dress":
        long = smooth(
            [
                (-0.058, -0.95),
                (-0.07, -0.82),
                (-0.045, -0.72),
                (0, -0.70),
                (0.045, -0.72),
                (0.07, -0.82),
                (0.058, -0.95),
                (0, -0.99),
            ],
            close=True,
        )
        canvas.drawPath(long, paint)
    if v.pose == "hat":
        oval(canvas, 0, -0.962, 0.115, 0.020, brush.fill("#26221d"))
        crown = outline([(-0.062, -0.962), (-0.052, -1.045), (-0.015, -1.03), (0.045, -1.05), (0.062, -0.962)])
        canvas.drawPath(crown, brush.fill("#312c25"))
        canvas.drawLine(-0.06, -0.975, 0.06, -0.975, brush.stroke("#15120f", 0.018))


def child(canvas: skia.Canvas, brush: Brush, t: float, v: Variant) -> None:
    """The same figure with a child's proportions, skipping a little."""
    hop = abs(math.sin(3.1 * t + 6.28 * v.b)) * 0.025
    canvas.save()
    canvas.translate(0, -hop)
    canvas.save()
    canvas.scale(1.12, 0.86)
    inks = ("#d9534f", "#e0a030", "#3f7fbf", "#5aa469")
    gait = 0.6 * math.sin(6.2 * t + 6.28 * v.b)
    _legs(canvas, brush, gait, bare=True)
    _arms(canvas, brush, gait, mix(_pick(inks, v.a), "#000000", 0.15))
    _torso(canvas, brush, _pick(inks, v.a), v.pose)
    canvas.restore()
    canvas.translate(0, 0.30)
    canvas.scale(1.30, 1.22)
    _head(canvas, brush, Variant(v.pose, v.a, v.b, v.c))
    canvas.restore()
    canvas.restore()


def couple(canvas: skia.Canvas, brush: Brush, t: float, v: Variant) -> None:
    canvas.drawLine(-0.06, -0.47, 0.06, -0.47, brush.stroke("#c49472", 0.05))
    for x, size, pose, a in ((-0.2, 1.0, "coat", v.a), (0.2, 0.93, "dress", 1 - v.a)):
        canvas.save()
        canvas.translate(x, 0)
        canvas.scale(size, size)
        person(canvas, brush, t, Variant(pose, a, v.b, v.c))
        canvas.restore()


def astronaut(canvas: skia.Canvas, brush: Brush, t: float, v: Variant) -> None:
    sway = 0.02 * math.sin(0.8 * t + 6 * v.b)
    suit, shade = "#f0f2f6", "#aab2c2"
    canvas.drawRoundRect(skia.Rect(-0.2, -0.82, 0.2, -0.4), 0.05, 0.05, brush.fill("#8d97a8"))
    for side in (-1, 1):
        canvas.drawLine(side * 0.08, -0.42, side * 0.10, -0.06, brush.stroke(shade if side > 0 else suit, 0.13))
        canvas.drawLine(side * 0.10, -0.03, side * 0.13, -0.03, brush.stroke("#6a7282", 0.06))
        arm = smooth([(side * 0.15, -0.74), (side * 0.26, -0.6 + sway), (side * 0.24, -0.44 + sway * 2)])
        canvas.drawPath(arm, brush.stroke(suit if side < 0 else shade, 0.10))
    body: list[Stop] = [(0, suit, 1), (1, shade, 1)]
    torso = skia.RRect.MakeRectXY(skia.Rect(-0.16, -0.80, 0.16, -0.36), 0.09, 0.09)
    canvas.drawRRect(torso, brush.linear((-0.12, 0), (0.18, 0), body))
    canvas.drawRect(skia.Rect(-0.07, -0.66, 0.07, -0.56), brush.fill("#5d6a80"))
    canvas.drawCircle(-0.035, -0.61, 0.015, brush.fill("#e2553d"))
    canvas.drawCircle(0, -0.9, 0.135, brush.radial((-0.04, -0.94), 0.2, body))
    visor: list[Stop] = [(0, "#ffd27a", 1), (0.4, "#a8632a", 1), (1, "#20131a", 1)]
    oval(canvas, 0.02, -0.9, 0.098, 0.085, brush.radial((-0.02, -0.94), 0.16, visor))
    oval(canvas, -0.02, -0.935, 0.022, 0.012, brush.fill("#ffffff", 0.8))


def robot(canvas: skia.Canvas, brush: Brush, t: float, v: Variant) -> None:
    wave = math.sin(1.6 * t + 6 * v.b)
    metal: list[Stop] = [(0, "#cfd8e2", 1), (0.5, "#93a1b0", 1), (1, "#56616f", 1)]
    shell = brush.linear((-0.22, 0), (0.22, 0), metal)
    joint = brush.fill("#3a4350")
    for side in (-1, 1):
        canvas.drawLine(side * 0.09, -0.4, side * 0.09, -0.08, brush.stroke("#4a5562", 0.06))
        canvas.drawRoundRect(skia.Rect(side * 0.09 - 0.07, -0.09, side * 0.09 + 0.08, 0), 0.03, 0.03, shell)
        hand = (side * 0.29, -0.42) if side < 0 else (0.33, -0.72 + 0.05 * wave)
        elbow = (side * 0.30, -0.56) if side < 0 else (0.31, -0.54)
        canvas.drawPath(smooth([(side * 0.2, -0.66), elbow, hand]), brush.stroke("#4a5562", 0.055))
        canvas.drawCircle(*hand, 0.045, shell)
    canvas.drawRoundRect(skia.Rect(-0.19, -0.72, 0.19, -0.36), 0.06, 0.06, shell)
    canvas.drawRoundRect(skia.Rect(-0.10, -0.64, 0.10, -0.5), 0.02, 0.02, brush.fill("#26303c"))
    for k in range(3):
        lit = 0.5 + 0.5 * math.sin(3 * t + k * 2)
        canvas.drawCircle(-0.055 + 0.055 * k, -0.57, 0.018, brush.unlit().fill("#5ce0c8", 0.35 + 0.65 * lit))
    canvas.drawLine(0, -0.76, 0, -0.7, brush.stroke("#4a5562", 0.07))
    canvas.drawRoundRect(skia.Rect(-0.15, -0.97, 0.15, -0.75), 0.07, 0.07, shell)
    canvas.drawRoundRect(skia.Rect(-0.11, -0.92, 0.12, -0.81), 0.05, 0.05, brush.fill("#1d2530"))
    blink = 0.15 if math.sin(1.1 * t) > 0.985 else 1.0
    for x in (-0.045, 0.06):
        oval(canvas, x, -0.865, 0.026, 0.026 * blink, brush.unlit().fill("#7df3ff"))
    canvas.drawLine(0, -0.97, 0, -1.05, brush.stroke("#4a5562", 0.014))
    canvas.drawCircle(0, -1.06, 0.022, joint)
