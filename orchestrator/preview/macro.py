"""Lying in the grass: stems and blossoms close to the lens, everything behind them a wash of light and colour."""

from __future__ import annotations

import math
from collections.abc import Iterator

import skia

from orchestrator.preview.brush import Stop
from orchestrator.preview.foreground import FLOWER_INKS, blade, flower
from orchestrator.preview.layers import Layer, Plate, Stage, Sway
from orchestrator.preview.palette import mix

_SHARP_DEPTH, _SHARP_TOP, _SHARP_BOTTOM = 1.0, 0.12, 1.08
_SWAY = Sway("grass", 0.016, 4.6, 0.7)


def perch(stage: Stage, t: float) -> tuple[float, float]:
    """Where the hero's flower is at t: it moves with the stems of the sharp row."""
    x, y = stage.side, 0.50
    bottom = _SHARP_BOTTOM + stage.camera.margin(_SHARP_DEPTH)[1]
    return x + _SWAY.shift((y - _SHARP_TOP) / (bottom - _SHARP_TOP), t), y


def macro_behind(stage: Stage) -> Iterator[Layer]:
    yield Plate(0.12, -0.1, 1.1, lambda canvas: _wash(canvas, stage), opaque=True, detail=0.3)
    yield Plate(
        0.5, 0.2, 1.1, lambda canvas: _soft_row(canvas, stage), blur=0.009, sway=Sway("grass", 0.012, 5.4), detail=0.4
    )


def macro_before(stage: Stage) -> Iterator[Layer]:
    yield Plate(_SHARP_DEPTH, _SHARP_TOP, _SHARP_BOTTOM, lambda canvas: _sharp_row(canvas, stage), sway=_SWAY)
    yield Plate(
        1.5, 0.22, 1.1, lambda canvas: _lens_row(canvas, stage), blur=0.014, sway=Sway("grass", 0.024, 5.0), detail=0.4
    )


def _wash(canvas: skia.Canvas, stage: Stage) -> None:
    """Sky at the top edge, a far hedge, and discs of light where blossoms and gaps are out of focus."""
    palette, rng = stage.palette, stage.rng("wash")
    left, right = -0.6, stage.aspect + 0.6
    green, dark = mix("#8aa84e", palette.haze, 0.15), "#1d3a20"
    top = rng.uniform(0.16, 0.30)
    lit = stage.brush.lit(0.0)
    canvas.saveLayer(None, skia.Paint(ImageFilter=skia.ImageFilters.Blur(0.02, 0.02)))
    sky: list[Stop] = [(0, palette.sky[2], 1), (0.6, palette.sky[3], 1), (1, palette.sky[4], 1)]
    canvas.drawRect(skia.Rect(left, -0.3, right, 1.4), stage.brush.linear((0, -0.1), (0, top + 0.05), sky))
    if palette.sun_height >= 0:
        stage.brush.glow(canvas, stage.sun[0], top - 0.02, 0.5, palette.glow, 0.8)
        canvas.drawCircle(stage.sun[0], top - 0.06, 0.055, stage.brush.fill(mix(palette.sun, "#ffffff", 0.4), 0.95))
    hedge = [(left + 0.12 * k, top + 0.05 + rng.uniform(-0.05, 0.05)) for k in range(int((right - left) / 0.12) + 2)]
    far = skia.Path()
    far.moveTo(left, 1.4)
    for x, y in hedge:
        far.lineTo(x, y)
    far.lineTo(right, 1.4)
    far.close()
    ground: list[Stop] = [(0, mix(green, palette.haze, 0.5), 1), (0.3, green, 1), (1, dark, 1)]
    canvas.drawPath(far, lit.linear((0, top), (0, 1.05), ground))
    for _ in range(34):
        x, y = rng.uniform(left, right), rng.uniform(top + 0.12, 1.05)
        canvas.drawCircle(x, y, rng.uniform(0.08, 0.22), lit.fill(rng.choice(("#b9cc6a", "#315a2c", "#5f8a3c")), 0.22))
    canvas.restore()
    glow = stage.brush.lifted(0.4)
    for _ in range(46):
        x, y = rng.uniform(left, right), top + 0.06 + rng.random() ** 0.8 * (1.0 - top)
        r = rng.uniform(0.012, 0.048)
        ink = rng.choice(FLOWER_INKS) if rng.random() < 0.6 else mix(palette.glow, "#ffffff", 0.3)
        alpha = rng.uniform(0.10, 0.30)
        disc: list[Stop] = [(0, ink, alpha * 0.8), (0.8, ink, alpha), (0.93, ink, alpha * 1.1), (1, ink, 0)]
        canvas.drawCircle(x, y, r, glow.radial((x, y), r, disc))


def _soft_row(canvas: skia.Canvas, stage: Stage) -> None:
    rng = stage.rng("soft row")
    left, right = stage.span(0.5)
    brush = stage.brush.lit(0.12)
    for _ in range(round((right - left) * 34)):
        x, tall = rng.uniform(left, right), rng.uniform(0.2, 0.6)
        ink = mix("#8aa850", "#35602c", rng.random())
        blade(canvas, x, 1.1, tall, rng.gauss(0, tall * 0.22), 0.014, brush.fill(ink, 0.85))
    for _ in range(round((right - left) * 5)):
        x, y = rng.uniform(left, right), rng.uniform(0.40, 0.85)
        canvas.drawLine(x, y, x + rng.uniform(-0.03, 0.03), 1.1, brush.stroke("#55803c", 0.008))
        flower(canvas, rng, stage.brush.lifted(0.45), x, y, rng.uniform(0.04, 0.065))


def _sharp_row(canvas: skia.Canvas, stage: Stage) -> None:
    """The flower of the hero, others lower and to the sides, leaves between them."""
    rng = stage.rng("sharp row")
    left, right = stage.span(_SHARP_DEPTH)
    brush = stage.brush.lit(0.0)
    for _ in range(round((right - left) * 52)):
        x = rng.uniform(left, right)
        edge = min(1.0, abs(x - stage.side) / 0.9)
        tall = rng.uniform(0.10, 0.22) + 0.40 * edge * rng.random()
        ink = mix("#8fb04e", "#2b5426", rng.random())
        blade(canvas, x, 1.09, tall, rng.gauss(0, tall * 0.25), 0.008 + tall * 0.020, brush.fill(ink))
    heads = [(stage.side, 0.50, 0.115)]
    for k in range(5):
        x = stage.side + (1 if k % 2 else -1) * (0.28 + 0.24 * (k // 2) + rng.uniform(0, 0.16))
        heads.append((x, rng.uniform(0.56, 0.86), rng.uniform(0.055, 0.095)))
    for x, y, size in sorted(heads, key=lambda head: -head[1]):
        foot = x + rng.uniform(-0.10, 0.10)
        stem = skia.Path()
        stem.moveTo(foot, 1.1)
        stem.quadTo(x + (foot - x) * 0.2, (y + 1.1) / 2, x, y)
        canvas.drawPath(stem, brush.stroke("#3a6a2c", 0.011))
        canvas.drawPath(stem, brush.stroke("#7fa850", 0.0045))
        leaf = 0.5 * (y + 1.1)
        turn = rng.choice((-1, 1))
        blade(canvas, x + (foot - x) * 0.3, leaf + 0.05, 0.14, 0.10 * turn, 0.035, brush.fill("#4f8a38"))
        flower(canvas, rng, stage.brush.lifted(0.5), x, y, size)
    shade: list[Stop] = [(0, "#0c1a0e", 0.0), (1, "#0c1a0e", 0.62)]
    over = stage.brush.linear((0, 0.72), (0, 1.08), shade)
    over.setBlendMode(skia.BlendMode.kSrcATop)
    canvas.drawRect(skia.Rect(left - 1, 0.7, right + 1, 1.3), over)


def _lens_row(canvas: skia.Canvas, stage: Stage) -> None:
    """Two or three blades and a blossom against the lens, away from the hero."""
    rng = stage.rng("lens row")
    away = -1 if stage.side > stage.aspect / 2 else 1
    brush = stage.brush.lit(0.0)
    for k in range(7):
        x = stage.side + away * (0.55 + 0.14 * k + rng.uniform(-0.05, 0.05))
        tall = rng.uniform(0.3, 0.85)
        ink = mix("#5d8a3c", "#1a3a1e", rng.random())
        blade(canvas, x, 1.12, tall, -away * tall * rng.uniform(0.05, 0.45), 0.05, brush.fill(ink, 0.92))
    x = stage.side + away * stage.aspect * 0.52
    flower(canvas, rng, stage.brush.lifted(0.4), x, 0.86 + 0.05 * math.sin(stage.art.seed), 0.16)
