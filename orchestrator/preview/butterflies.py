"""Butterflies: wings painted once, then folded and turned in space for every insect and frame."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

import skia

from orchestrator.preview.brush import Brush, Stop
from orchestrator.preview.layers import Layer, Live, LivePaint, Stage
from orchestrator.preview.macro import perch
from orchestrator.preview.palette import Ink, mix

Vec = tuple[float, float, float]

_WING_PIXELS = 360
_BOX = skia.Rect(-0.06, -1.02, 1.10, 0.98)  # the wing image in wing coordinates: x outwards, y towards the tail
_MIPMAPPED = skia.SamplingOptions(skia.FilterMode.kLinear, skia.MipmapMode.kLinear)


@dataclass(frozen=True)
class Livery:
    """The colours of one species."""

    inner: Ink
    outer: Ink
    edge: Ink
    dots: Ink
    under: Ink
    veins: float


LIVERIES = {
    "monarch": Livery("#f7a233", "#d9601a", "#1a0f0c", "#fff6ea", "#e9b46c", 0.026),
    "blue": Livery("#7fc8ff", "#1f6fe0", "#0d1430", "#e8f4ff", "#9a8873", 0.010),
    "white": Livery("#fffdf2", "#f3ecd8", "#7a705f", "#5d5548", "#f6f1dc", 0.008),
    "yellow": Livery("#ffe97a", "#f2b92e", "#3a2a14", "#fff7dc", "#f5dd8f", 0.010),
}


def _forewing() -> skia.Path:
    path = skia.Path()
    path.moveTo(0.0, -0.08)
    path.cubicTo(0.14, -0.42, 0.52, -0.94, 0.88, -0.96)
    path.cubicTo(1.02, -0.96, 1.04, -0.82, 0.98, -0.68)
    path.cubicTo(0.90, -0.46, 0.80, -0.30, 0.74, -0.06)
    path.cubicTo(0.52, 0.06, 0.20, 0.06, 0.0, 0.02)
    path.close()
    return path


def _hindwing() -> skia.Path:
    path = skia.Path()
    path.moveTo(0.0, -0.03)
    path.cubicTo(0.22, -0.06, 0.56, -0.12, 0.72, 0.02)
    path.cubicTo(0.82, 0.18, 0.78, 0.44, 0.62, 0.62)
    path.cubicTo(0.48, 0.80, 0.30, 0.94, 0.18, 0.86)
    path.cubicTo(0.07, 0.70, 0.02, 0.34, 0.0, 0.08)
    path.close()
    return path


_FORE_VEINS = ((0.96, -0.90), (1.0, -0.76), (0.95, -0.60), (0.88, -0.42), (0.80, -0.24), (0.74, -0.08))
_HIND_VEINS = ((0.74, 0.06), (0.79, 0.24), (0.75, 0.43), (0.63, 0.62), (0.46, 0.78), (0.27, 0.89))


def _paint_wing(
    canvas: skia.Canvas,
    brush: Brush,
    livery: Livery,
    path: skia.Path,
    veins: tuple[tuple[float, float], ...],
    tone: Ink,
) -> None:
    fore = path.getBounds().top() < -0.5
    root = (0.34, -0.36) if fore else (0.28, 0.22)
    canvas.save()
    canvas.clipPath(path, True)
    stops: list[Stop] = [(0, mix(livery.inner, tone, 0.5), 1), (0.55, livery.inner, 1), (1, livery.outer, 1)]
    canvas.drawPaint(brush.radial((0.05, 0), 1.15, stops))
    vein = brush.stroke(livery.edge, livery.veins)
    for x, y in veins:
        line = skia.Path()
        line.moveTo(*root)
        line.quadTo((root[0] + x) / 2, (root[1] + y) / 2 - 0.02, x, y)
        canvas.drawPath(line, vein)
    cell = skia.Path()
    cell.moveTo(0, 0)
    cell.quadTo(root[0] * 0.4, root[1] * 0.9, *root)
    cell.quadTo(root[0] * 0.9, root[1] * 0.2, 0, 0.02)
    canvas.drawPath(cell, vein)
    border = 0.15 if livery.veins > 0.02 else 0.12
    canvas.drawPath(path, brush.stroke(livery.edge, border))
    if fore:
        tip: list[Stop] = [(0, livery.edge, 1), (0.62, livery.edge, 1), (0.8, livery.edge, 0)]
        canvas.drawCircle(1.02, -0.98, 0.44, brush.radial((1.02, -0.98), 0.44, tip))
    canvas.restore()
    _paint_dots(canvas, brush, livery, path, fore)


def _paint_dots(canvas: skia.Canvas, brush: Brush, livery: Livery, path: skia.Path, fore: bool) -> None:
    """Two staggered rows of pale dots in the dark border, larger ones near the tip."""
    measure = skia.PathMeasure(path, False, 1.0)
    length = measure.getLength()
    start, end = (0.36, 0.70) if fore else (0.34, 0.80)
    paint = brush.fill(livery.dots)
    for row, (inset, radius) in enumerate(((0.030, 0.0135), (0.062, 0.0165))):
        steps = 15 if fore else 17
        for k in range(steps):
            at = start + (end - start) * (k + 0.5 * row) / steps
            point, tangent = measure.getPosTan(length * at)
            canvas.drawCircle(point.x() - tangent.y() * inset, point.y() + tangent.x() * inset, radius, paint)
    if fore:
        for x, y, r in ((0.80, -0.78, 0.030), (0.72, -0.68, 0.026), (0.84, -0.64, 0.022), (0.66, -0.79, 0.016)):
            canvas.drawCircle(x, y, r, paint)


def _wing_image(brush: Brush, livery: Livery, *, under: bool, blur: float) -> skia.Image:
    """One right wing as a mipmapped picture; `blur` in wing units puts it out of focus."""
    if under:
        livery = Livery(livery.under, mix(livery.under, livery.outer, 0.45), livery.edge, livery.dots, "", livery.veins)
    pad = 0.25 if blur else 0.0
    box = _BOX.makeOutset(pad, pad)
    scale = _WING_PIXELS / _BOX.height()
    info = skia.ImageInfo.Make(
        round(box.width() * scale), round(box.height() * scale), skia.kBGRA_8888_ColorType, skia.kPremul_AlphaType
    )
    surface = skia.Surface.MakeRaster(info)
    with surface as canvas:
        canvas.scale(scale, scale)
        canvas.translate(-box.left(), -box.top())
        if blur:
            canvas.saveLayer(None, skia.Paint(ImageFilter=skia.ImageFilters.Blur(blur, blur)))
        tone = livery.edge if livery.veins > 0.02 else livery.outer
        _paint_wing(canvas, brush, livery, _hindwing(), _HIND_VEINS, tone)
        _paint_wing(canvas, brush, livery, _forewing(), _FORE_VEINS, tone)
        if blur:
            canvas.restore()
    return surface.makeImageSnapshot().withDefaultMipmaps()


@dataclass(frozen=True)
class _Wings:
    upper: skia.Image
    under: skia.Image
    box: skia.Rect


@dataclass(frozen=True)
class _Flight:
    """One insect: where it wanders and how it beats its wings."""

    x: float
    y: float
    size: float  # wing length, stage heights
    speed: float
    heading: float
    tilt: float
    beat: float
    phase: float
    swing: float
    rest: float = 1.0  # how much of the wandering is left: 0 on a flower


def _rotate(v: Vec, yaw: float, pitch: float, roll: float) -> Vec:
    """Roll about the body, pitch it up or down, then turn it to its heading."""
    x, y, z = v
    x, z = x * math.cos(roll) + z * math.sin(roll), -x * math.sin(roll) + z * math.cos(roll)
    y, z = y * math.cos(pitch) - z * math.sin(pitch), y * math.sin(pitch) + z * math.cos(pitch)
    x, y = x * math.cos(yaw) - y * math.sin(yaw), x * math.sin(yaw) + y * math.cos(yaw)
    return x, y, z


def _pose(flight: _Flight, t: float) -> tuple[float, float, Vec, list[tuple[float, Vec]]]:
    """Wing beat, roll, tail and wing directions at a moment: x to the right, y up the picture, z towards the camera.

    A wing never turns its edge to us: folding and rolling together stay short of upright.
    """
    stroke = math.sin(2 * math.pi * flight.beat * t + flight.phase)
    roll = 0.36 * (0.2 + 0.8 * flight.rest) * math.sin(0.5 * t + flight.phase * 1.7)
    fold = 0.38 + (0.80 - abs(roll)) * (0.5 + 0.5 * stroke) ** 1.3
    yaw = flight.heading + 0.25 * flight.rest * math.sin(0.7 * t + flight.phase)
    pitch = flight.tilt + 0.10 * stroke
    tail = _rotate((0.0, -1.0, 0.0), yaw, pitch, roll)
    sides = [(side, _rotate((side * math.cos(fold), 0.0, math.sin(fold)), yaw, pitch, roll)) for side in (-1.0, 1.0)]
    return stroke, roll, tail, sides


def _draw(canvas: skia.Canvas, brush: Brush, wings: _Wings, flight: _Flight, t: float) -> None:
    stroke, roll, tail, sides = _pose(flight, t)
    x = flight.x + flight.swing * math.sin(flight.speed * t + flight.phase)
    x += 0.4 * flight.swing * math.sin(2.3 * flight.speed * t + 2 * flight.phase)
    y = flight.y + 0.5 * flight.swing * math.sin(1.4 * flight.speed * t + flight.phase * 0.6) - 0.006 * stroke
    canvas.save()
    canvas.translate(x, y)
    canvas.scale(flight.size, flight.size)
    for side, out in sorted(sides, key=lambda item: item[1][2]):
        facing = (out[0] * tail[1] - out[1] * tail[0]) * side
        image = wings.upper if facing < 0 else wings.under
        matrix = skia.Matrix()
        matrix.setAll(out[0], tail[0], 0, -out[1], -tail[1], 0, 0, 0, 1)
        canvas.save()
        canvas.concat(matrix)
        canvas.drawImageRect(image, wings.box, _MIPMAPPED)
        canvas.restore()
    _draw_body(canvas, brush, tail, roll)
    canvas.restore()


def _draw_body(canvas: skia.Canvas, brush: Brush, tail: Vec, roll: float) -> None:
    tx, ty = tail[0], -tail[1]
    dark = "#17100e"
    canvas.drawLine(-tx * 0.22, -ty * 0.22, tx * 0.18, ty * 0.18, brush.stroke(dark, 0.105))
    canvas.drawLine(tx * 0.1, ty * 0.1, tx * 0.52, ty * 0.52, brush.stroke(dark, 0.07))
    canvas.drawCircle(-tx * 0.28, -ty * 0.28, 0.062, brush.fill(dark))
    for side in (-1, 1):
        path = skia.Path()
        path.moveTo(-tx * 0.30, -ty * 0.30)
        tip_x, tip_y = -tx * 0.62 + side * ty * 0.17, -ty * 0.62 - side * tx * 0.17
        path.quadTo(-tx * 0.5 + side * ty * 0.04, -ty * 0.5 - side * tx * 0.04, tip_x, tip_y)
        canvas.drawPath(path, brush.stroke(dark, 0.016))
        canvas.drawCircle(tip_x, tip_y, 0.022, brush.fill(dark))


def _flights(stage: Stage, rng: random.Random, count: int, sizes: tuple[float, float], spread: float) -> list[_Flight]:
    """Scattered evenly with jitter, so that flocks neither clump nor line up."""
    flights = []
    columns = max(1, math.ceil(math.sqrt(count * stage.aspect)))
    rows = max(1, math.ceil(count / columns))
    cells = [(c, r) for r in range(rows) for c in range(columns)]
    rng.shuffle(cells)
    top, low = 0.08, min(0.9, max(0.62, stage.horizon + spread))
    for c, r in cells[:count]:
        u, v = _gathered(stage, (c + rng.uniform(0.15, 0.85)) / columns, (r + rng.uniform(0.1, 0.9)) / rows)
        flights.append(
            _Flight(
                x=stage.aspect * u,
                y=top + (low - top) * v,
                size=rng.uniform(*sizes),
                speed=rng.uniform(0.35, 0.7),
                heading=rng.gauss(0, 0.75),
                tilt=rng.uniform(-0.82, 0.2),
                beat=rng.uniform(1.5, 2.6),
                phase=rng.uniform(0, 6.28),
                swing=rng.uniform(0.03, 0.075),
            )
        )
    return flights


def _gathered(stage: Stage, u: float, v: float) -> tuple[float, float]:
    """Where in the sky a flock keeps: all over it, in a band that climbs, or about the subject's side."""
    side = stage.side / stage.aspect
    match stage.rng("flock").choice(("all", "band", "cloud")):
        case "band":
            line = 0.85 - 0.72 * u if side > 0.5 else 0.13 + 0.72 * u
            return u, min(1.0, max(0.0, line + 0.42 * (v - 0.5)))
        case "cloud":
            return side + (u - side) * (0.42 + 0.45 * v), v
        case _:
            return u, v


def butterfly_layers(stage: Stage, count: int, pose: str) -> tuple[list[Layer], list[Layer]]:
    """Far and middle insects behind the foreground, a few large soft ones before it."""
    livery = LIVERIES.get(pose, LIVERIES["monarch"])
    brush = _insect_brush(stage)
    rng = stage.rng("butterflies")
    sharp = _Wings(
        _wing_image(brush, livery, under=False, blur=0), _wing_image(brush, livery, under=True, blur=0), _BOX
    )
    soft = _Wings(
        _wing_image(brush, livery, under=False, blur=0.035),
        _wing_image(brush, livery, under=True, blur=0.035),
        _BOX.makeOutset(0.25, 0.25),
    )
    k = 0.55 + 0.45 * stage.zoom
    if stage.view == "macro":
        return _in_the_grass(stage, brush, sharp, soft, count)
    if count == 1:
        hero = [_Flight(stage.side, 0.42, 0.15 * k, 0.4, rng.gauss(0, 0.4), rng.uniform(-0.8, -0.3), 1.3, 0.6, 0.04)]
        return [Live(1.0, _swarm(brush, sharp, hero))], []
    near_count = max(1, count // 9)
    far = _flights(stage, rng, max(1, count // 2), (0.014 * k, 0.026 * k), 0.0)
    middle = _flights(stage, rng, max(1, count - count // 2 - near_count), (0.034 * k, 0.058 * k), 0.1)
    near = _flights(stage, rng, near_count, (0.10 * k, 0.145 * k), 0.1)
    return (
        [Live(0.6, _swarm(brush, sharp, far)), Live(1.0, _swarm(brush, sharp, middle))],
        [Live(1.4, _swarm(brush, soft, near))],
    )


def _in_the_grass(
    stage: Stage, brush: Brush, sharp: _Wings, soft: _Wings, count: int
) -> tuple[list[Layer], list[Layer]]:
    """One rests on the flower and opens its wings; a few others pass behind it, out of focus."""
    rng = stage.rng("resting")
    heading, tilt = rng.uniform(-0.6, 0.6), rng.uniform(-0.75, -0.35)
    beat, phase = rng.uniform(0.20, 0.28), rng.uniform(0, 6.28)

    def rest(canvas: skia.Canvas, t: float) -> None:
        x, y = perch(stage, t)
        _draw(canvas, brush, sharp, _Flight(x, y - 0.05, 0.19, 0.4, heading, tilt, beat, phase, 0.0, 0.0), t)

    behind: list[Layer] = []
    others = min(6, count - 1)
    if others:
        passing = _flights(stage, rng, others, (0.05, 0.11), 0.0)
        passing = [flight for flight in passing if abs(flight.x - stage.side) > 0.25]
        behind.append(Live(0.6, _swarm(brush, soft, passing)))
    return behind, [Live(1.0, rest)]


def _insect_brush(stage: Stage) -> Brush:
    return stage.brush.lifted(0.6)


def _swarm(brush: Brush, wings: _Wings, flights: list[_Flight]) -> LivePaint:
    def paint(canvas: skia.Canvas, t: float) -> None:
        for flight in flights:
            _draw(canvas, brush, wings, flight, t)

    return paint
