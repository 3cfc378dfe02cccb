"""The board's own pictures: what stands around a subject whose place no plate fits. Nothing here claims to depict.

A rise of ground for the subjects that can be drawn, and large slow circles about the light.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import skia

from orchestrator.preview.layers import Layer, Live, LivePaint, Plate, Stage
from orchestrator.preview.palette import mix


def board_layers(stage: Stage) -> Iterator[Layer]:
    yield Live(0.3, _circles(stage))
    yield Plate(0.7, stage.horizon - 0.06, 1.1, lambda canvas: _rise(canvas, stage))


def _circles(stage: Stage) -> LivePaint:
    """Rings with a bead travelling on each, at different rates."""
    rng = stage.rng("circles")
    x0, y0 = stage.sun[0], min(stage.sun[1], stage.horizon) - 0.10
    rings = [
        (0.13 + 0.085 * k + rng.uniform(-0.01, 0.01), rng.uniform(-0.5, 0.5), rng.uniform(0, 6.3), rng.random())
        for k in range(6)
    ]
    ink = mix(stage.palette.sun, "#ffffff", 0.4)

    def paint(canvas: skia.Canvas, t: float) -> None:
        canvas.save()
        canvas.clipRect(skia.Rect(-2, -2, stage.aspect + 2, stage.horizon + 0.01))
        for radius, rate, phase, weight in rings:
            swell = radius * (1 + 0.012 * math.sin(0.7 * t + phase))
            canvas.drawCircle(x0, y0, swell, stage.brush.stroke(ink, 0.0011 + 0.0014 * weight, 0.20 + 0.18 * weight))
            angle = phase + (0.25 + rate) * t
            bead_x, bead_y = x0 + swell * math.cos(angle), y0 + swell * math.sin(angle)
            stage.brush.glow(canvas, bead_x, bead_y, 0.022, stage.palette.glow, 0.7)
            canvas.drawCircle(bead_x, bead_y, 0.0042, stage.brush.fill(ink, 0.95))
        canvas.restore()

    return paint


def _rise(canvas: skia.Canvas, stage: Stage) -> None:
    """A dark rise of ground for the subjects."""
    left, right = stage.span(0.7)
    top = stage.ground - 0.02
    path = skia.Path()
    path.moveTo(left, 1.3)
    path.lineTo(left, top + 0.10)
    path.cubicTo(stage.side - 0.7, top + 0.02, stage.side - 0.4, top - 0.01, stage.side, top)
    path.cubicTo(stage.side + 0.4, top + 0.01, stage.side + 0.7, top + 0.05, right, top + 0.12)
    path.lineTo(right, 1.3)
    path.close()
    ink = stage.brush.lit(0.12)
    canvas.drawPath(path, ink.linear((0, top), (0, 1.05), [(0, "#3a3444", 1), (1, "#0e0c14", 1)]))
