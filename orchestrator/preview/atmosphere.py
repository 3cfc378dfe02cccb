"""What hangs or falls in the air. Every particle's path is a closed formula of t, so any frame can be drawn first."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import skia

from orchestrator.preview.brush import Stop
from orchestrator.preview.layers import Layer, Live, LivePaint, Plate, Stage
from orchestrator.preview.skies import fbm, to_image

_CUBIC = skia.SamplingOptions(skia.CubicResampler.Mitchell())


def haze_layers(stage: Stage) -> Iterator[Layer]:
    """Fog lies between the land and the subjects."""
    if "fog" in stage.art.atmosphere:
        for number, (depth, top, drift) in enumerate(((0.5, -0.16, 0.012), (0.8, -0.06, -0.018))):
            yield _fog(stage, number, depth, stage.horizon + top, drift)


def air_layers(stage: Stage) -> Iterator[Layer]:
    makers = {
        "pollen": _pollen,
        "fireflies": _fireflies,
        "snow": _snow,
        "rain": _rain,
        "dust": _dust,
        "bubbles": _bubbles,
        "embers": _embers,
        "petals": _petals,
    }
    for name in stage.art.atmosphere:
        if name in makers:
            yield Live(1.15, makers[name](stage))


def _fog(stage: Stage, number: int, depth: float, top: float, drift: float) -> Plate:
    bottom = min(1.02, top + 0.34)

    def paint(canvas: skia.Canvas) -> None:
        left, right = stage.span(depth)
        left, right = left - 0.4, right + 0.4
        rows, cols = 96, 420
        noise = fbm(stage.numbers(f"fog{number}"), rows, cols, (2.0, 5.0), 4)
        noise = (noise - noise.min()) / (noise.max() - noise.min())
        v = np.linspace(0, 1, rows, dtype=np.float32)[:, None]
        alpha = np.clip(noise * 1.3 - 0.25, 0, 1) * np.clip(np.sin(np.pi * v), 0, 1) ** 0.9 * 0.85
        tone = stage.brush.color(stage.palette.haze)
        lifted = stage.brush.color("#ffffff")
        color = np.array(
            [(0.62 * (tone >> s & 255) + 0.38 * (lifted >> s & 255)) / 255 for s in (16, 8, 0)], np.float32
        )
        if stage.palette.moon:
            color *= 0.62
        image = to_image(np.broadcast_to(color, (rows, cols, 3)), alpha.astype(np.float32))
        canvas.drawImageRect(image, skia.Rect(left, top, right, bottom), _CUBIC)

    return Plate(depth, top, bottom, paint, drift=drift, detail=0.4)


def _wrap(value: float, low: float, high: float) -> float:
    return low + (value - low) % (high - low)


def _pollen(stage: Stage) -> LivePaint:
    """Seeds and motes that catch the light, some of them near and soft."""
    rng = stage.rng("pollen")
    motes = []
    for _ in range(round(34 * stage.aspect)):
        near = rng.random() ** 3
        motes.append(
            (
                rng.uniform(0, stage.aspect),
                rng.uniform(0.38, 1.0),
                0.0022 + 0.009 * near,
                rng.uniform(0.005, 0.02),
                rng.uniform(0.2, 0.6),
                rng.uniform(0, 6.3),
                0.75 - 0.4 * near,
            )
        )

    def paint(canvas: skia.Canvas, t: float) -> None:
        for x, y, r, drift, rate, phase, alpha in motes:
            px = _wrap(x + drift * t + 0.02 * math.sin(rate * t + phase), -0.05, stage.aspect + 0.05)
            py = _wrap(y - 0.006 * t + 0.015 * math.sin(1.3 * rate * t + phase), 0.34, 1.02)
            shine = alpha * (0.55 + 0.45 * math.sin(1.1 * t + phase))
            stage.brush.glow(canvas, px, py, r * 2.6, "#ffe9a8", shine)
            canvas.drawCircle(px, py, r * 0.5, stage.brush.fill("#fff8dc", shine * 0.8))

    return paint


def _fireflies(stage: Stage) -> LivePaint:
    rng = stage.rng("fireflies")
    flies = [
        (
            rng.uniform(0, stage.aspect),
            rng.uniform(stage.horizon - 0.12, 0.98),
            rng.uniform(0.004, 0.011),
            rng.uniform(0.3, 0.7),
            rng.uniform(0, 6.3),
        )
        for _ in range(round(22 * stage.aspect))
    ]

    def paint(canvas: skia.Canvas, t: float) -> None:
        for x, y, r, rate, phase in flies:
            px = x + 0.06 * math.sin(rate * t + phase) + 0.02 * math.sin(2.7 * rate * t)
            py = y + 0.035 * math.sin(1.4 * rate * t + 2 * phase)
            shine = max(0.0, math.sin(1.6 * rate * t * 2 + phase)) ** 1.5
            stage.brush.glow(canvas, px, py, r * 5, "#d8ff6a", shine * 0.8)
            canvas.drawCircle(px, py, r * 0.45, stage.brush.fill("#faffd0", shine))

    return paint


def _snow(stage: Stage) -> LivePaint:
    rng = stage.rng("snow")
    flakes = []
    for _ in range(round(150 * stage.aspect)):
        near = rng.random() ** 2.4
        flakes.append((rng.random(), rng.random(), near, rng.uniform(0.5, 1.4), rng.uniform(0, 6.3)))

    def paint(canvas: skia.Canvas, t: float) -> None:
        for u, v, near, rate, phase in flakes:
            fall = 0.06 + 0.16 * near
            y = _wrap(v * 1.2 + fall * t, -0.08, 1.12)
            x = _wrap(u * (stage.aspect + 0.3) + 0.04 * fall * t * 4, -0.15, stage.aspect + 0.15)
            x += (0.008 + 0.03 * near) * math.sin(rate * t + phase)
            r = 0.0016 + 0.0055 * near
            if near > 0.55:
                stops: list[Stop] = [(0, "#ffffff", 0.75), (0.4, "#ffffff", 0.5), (1, "#ffffff", 0.0)]
                canvas.drawCircle(x, y, r * 1.9, stage.brush.lifted(0.55).radial((x, y), r * 1.9, stops))
            else:
                canvas.drawCircle(x, y, r, stage.brush.lifted(0.55).fill("#ffffff", 0.55 + 0.4 * near))

    return paint


def _rain(stage: Stage) -> LivePaint:
    """Streaks by depth, and rings where they land when the ground is hard or wet."""
    rng = stage.rng("rain")
    storm = stage.art.sky == "storm"
    drops = [(rng.random(), rng.random(), rng.random()) for _ in range(round((210 if storm else 150) * stage.aspect))]
    lean = 0.26 if storm else 0.10
    rings = [(rng.uniform(0, stage.aspect), rng.random(), rng.random()) for _ in range(30)]
    wet = stage.art.terrain in ("city", "lake", "sea")
    top = stage.horizon + 0.08

    def paint(canvas: skia.Canvas, t: float) -> None:
        far, near = skia.Path(), skia.Path()
        for u, v, depth in drops:
            speed = 1.1 + 1.3 * depth
            length = 0.022 + 0.055 * depth
            y = _wrap(v * 1.3 + speed * t, -0.15, 1.15)
            x = _wrap(u * (stage.aspect + 0.6) - lean * y, -0.3, stage.aspect + 0.3)
            path = near if depth > 0.6 else far
            path.moveTo(x, y)
            path.lineTo(x - lean * length, y + length)
        canvas.drawPath(far, stage.brush.stroke("#c4d4e6", 0.0011, 0.26))
        canvas.drawPath(near, stage.brush.stroke("#dfeaf6", 0.0017, 0.38))
        if not wet:
            return
        for x, v, phase in rings:
            age = (1.3 * t + phase) % 1.0
            y = top + v * (0.98 - top)
            wide = (0.006 + 0.028 * v) * age
            ring = skia.Rect(x - wide, y - wide * 0.32, x + wide, y + wide * 0.32)
            canvas.drawOval(ring, stage.brush.stroke("#dfeaf6", 0.0012, 0.4 * (1 - age)))

    return paint


def _dust(stage: Stage) -> LivePaint:
    rng = stage.rng("dust")
    motes = [
        (rng.random(), rng.uniform(0.3, 1.0), rng.random() ** 2, rng.uniform(0.03, 0.10), rng.uniform(0, 6.3))
        for _ in range(round(40 * stage.aspect))
    ]

    def paint(canvas: skia.Canvas, t: float) -> None:
        for u, v, near, drift, phase in motes:
            x = _wrap(u * stage.aspect + drift * t, -0.05, stage.aspect + 0.05)
            y = v + 0.012 * math.sin(0.7 * t + phase)
            r = 0.0012 + 0.003 * near
            shine = 0.20 + 0.22 * math.sin(0.9 * t + phase)
            canvas.drawCircle(x, y, r, stage.brush.fill(stage.palette.glow, shine))

    return paint


def _bubbles(stage: Stage) -> LivePaint:
    rng = stage.rng("bubbles")
    bubbles = [
        (
            rng.uniform(0, stage.aspect),
            rng.random(),
            rng.uniform(0.002, 0.009),
            rng.uniform(0.04, 0.10),
            rng.uniform(0, 6.3),
        )
        for _ in range(46)
    ]
    specks = [(rng.random(), rng.random(), rng.uniform(0, 6.3)) for _ in range(60)]

    def paint(canvas: skia.Canvas, t: float) -> None:
        for u, v, phase in specks:
            x = _wrap(u * stage.aspect + 0.008 * t, 0, stage.aspect)
            y = _wrap(v + 0.01 * math.sin(0.4 * t + phase), 0, 1)
            canvas.drawCircle(x, y, 0.0012, stage.brush.fill("#dffcff", 0.28))
        for x, v, r, rise, phase in bubbles:
            y = 1.1 - _wrap(v * 1.2 + rise * t * (0.7 + 40 * r), 0, 1.2)
            px = x + 0.01 * math.sin(2 * t + phase)
            canvas.drawCircle(px, y, r, stage.brush.fill("#cffaff", 0.12))
            canvas.drawCircle(px, y, r, stage.brush.stroke("#eaffff", 0.0012, 0.6))
            canvas.drawCircle(px - r * 0.35, y - r * 0.35, r * 0.22, stage.brush.fill("#ffffff", 0.85))

    return paint


def _embers(stage: Stage) -> LivePaint:
    rng = stage.rng("embers")
    sparks = [(rng.random(), rng.random(), rng.uniform(0.05, 0.16), rng.uniform(0, 6.3)) for _ in range(60)]

    def paint(canvas: skia.Canvas, t: float) -> None:
        for u, v, rise, phase in sparks:
            y = 1.1 - _wrap(v * 1.2 + rise * t, 0, 1.2)
            x = u * stage.aspect + 0.04 * math.sin(0.9 * t + phase)
            shine = 0.5 + 0.5 * math.sin(5 * t + phase)
            stage.brush.glow(canvas, x, y, 0.010, "#ff8a3a", 0.7 * shine)
            canvas.drawCircle(x, y, 0.0016, stage.brush.fill("#ffe0a8", shine))

    return paint


def _petals(stage: Stage) -> LivePaint:
    rng = stage.rng("petals")
    petals = [
        (rng.random(), rng.random(), rng.uniform(0.006, 0.014), rng.uniform(0.04, 0.09), rng.uniform(0, 6.3))
        for _ in range(46)
    ]

    def paint(canvas: skia.Canvas, t: float) -> None:
        for u, v, size, fall, phase in petals:
            y = _wrap(v * 1.2 + fall * t, -0.08, 1.1)
            x = _wrap(u * stage.aspect + 0.05 * t + 0.05 * math.sin(t + phase), -0.05, stage.aspect + 0.05)
            canvas.save()
            canvas.translate(x, y)
            canvas.rotate(60 * t + 57 * phase)
            canvas.scale(1.0, 0.35 + 0.3 * math.sin(1.7 * t + phase))
            canvas.drawOval(
                skia.Rect(-size, -size * 0.6, size, size * 0.6), stage.brush.lifted(0.5).fill("#ffc4d4", 0.9)
            )
            canvas.restore()

    return paint
