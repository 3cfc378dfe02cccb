"""The land between sky and foreground, plate by plate."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import skia

from orchestrator.preview.brush import Stop, outline
from orchestrator.preview.foreground import grass_row
from orchestrator.preview.layers import Layer, Plate, Stage
from orchestrator.preview.palette import Ink


def ridge_line(
    stage: Stage, name: str, span: tuple[float, float], rough: float, scale: float
) -> list[tuple[float, float]]:
    """Points (x, height 0..1) of a mountain crest; `scale` is the width of its largest features."""
    rng = stage.rng(name)
    left, right = span
    count = 240
    xs = [left + (right - left) * i / count for i in range(count + 1)]
    waves = [(rng.uniform(0.75, 1.3) * 2**k / scale, rng.uniform(0, 6.28), rough**k) for k in range(7)]
    total = sum(w for _, _, w in waves)
    values = []
    for x in xs:
        value = 0.0
        for frequency, phase, weight in waves:
            value += weight * float(np.sin(x * frequency * 3.1 + phase))
        values.append(0.5 + 0.5 * value / total * 1.3)
    return [(x, min(1.0, max(0.0, v))) for x, v in zip(xs, values, strict=True)]


def ridge_plate(
    stage: Stage,
    name: str,
    *,
    depth: float,
    base: float,
    height: float,
    ink: Ink,
    haze: float,
    rough: float = 0.48,
    scale: float = 1.0,
    blur: float = 0.0,
) -> Plate:
    """A hazy ridge: darker crest, lighter foot, where the air is thickest."""

    def paint(canvas: skia.Canvas) -> None:
        left, right = stage.span(depth)
        crest = [
            (x, base - height * (0.25 + 0.75 * v)) for x, v in ridge_line(stage, name, (left, right), rough, scale)
        ]
        shape = outline([*crest, (right, base + 0.3), (left, base + 0.3)])
        near, far = stage.brush.lit(haze * 0.82), stage.brush.lit(min(1.0, haze + 0.16))
        colors: list[Stop] = [(0, ink, 1), (1, ink, 1)]
        canvas.drawPath(shape, near.linear((0, base - height), (0, base), colors))
        veil: list[Stop] = [(0, ink, 0.0), (1, ink, 0.85)]
        canvas.drawPath(shape, far.linear((0, base - height), (0, base + 0.02), veil))

    return Plate(depth, base - height - 0.02, base + 0.1, paint, blur=blur)


def far_blur(stage: Stage) -> float:
    """How soft the background is: a close shot has a shallow focus."""
    return {"wide": 0.0, "medium": 0.0008, "close": 0.0045}[stage.art.framing]


def ground_plate(
    stage: Stage, top_ink: Ink, low_ink: Ink, *, depth: float = 0.85, top: float | None = None, haze: float = 0.25
) -> Plate:
    """Flat ground from the horizon to below the picture."""
    start = stage.horizon if top is None else top

    def paint(canvas: skia.Canvas) -> None:
        left, right = stage.span(depth)
        brush = stage.brush.lit(0.0)
        rect = skia.Rect(left, start, right, 1.3)
        stops: list[Stop] = [(0, top_ink, 1), (1, low_ink, 1)]
        canvas.drawRect(rect, brush.linear((0, start), (0, 1.05), stops))
        veil: list[Stop] = [(0, stage.palette.haze, haze * 2), (1, stage.palette.haze, 0)]
        canvas.drawRect(rect, stage.brush.linear((0, start), (0, start + 0.16), veil))

    return Plate(depth, start, 1.1, paint)


def terrain_layers(stage: Stage) -> Iterator[Layer]:
    match stage.art.terrain:
        case "meadow":
            yield from _meadow(stage)
        case _:
            yield from _horizon(stage)


def _three_ridges(stage: Stage, ink: Ink = "#4d5a6b", tall: float = 1.0) -> Iterator[Layer]:
    h, zoom = stage.horizon, stage.zoom
    blur = far_blur(stage)
    yield ridge_plate(stage, "r0", depth=0.26, base=h, height=0.15 * tall, ink=ink, haze=0.78, scale=1.3, blur=blur)
    yield ridge_plate(
        stage, "r1", depth=0.36, base=h, height=0.105 * tall, ink=ink, haze=0.56, scale=1.0 * zoom**0.3, blur=blur
    )
    yield ridge_plate(
        stage, "r2", depth=0.5, base=h + 0.01, height=0.065 * tall, ink=ink, haze=0.34, scale=1.2, blur=blur
    )


def _meadow(stage: Stage) -> Iterator[Layer]:
    yield from _three_ridges(stage, "#4a5670")
    yield ground_plate(stage, "#8b9a4c", "#24401f", haze=0.2)

    def paint(canvas: skia.Canvas) -> None:
        rng = stage.rng("meadow")
        span = stage.span(0.9)
        rows = 9
        for row in range(rows):
            near = (row / (rows - 1)) ** 1.5
            base = stage.horizon + 0.012 + near * (0.9 - stage.horizon)
            brush = stage.brush.lit((1 - near) * 0.22)
            height = (0.018 + 0.06 * near) * (0.7 + 0.35 * stage.zoom)
            grass_row(canvas, rng, brush, span, base, height, 210 - 90 * near, ("#93a24b", "#43682e"))

    yield Plate(0.9, stage.horizon - 0.03, 1.0, paint)


def _horizon(stage: Stage) -> Iterator[Layer]:
    yield from _three_ridges(stage, "#4a5266", tall=0.8)
    yield ground_plate(stage, "#5b5a62", "#1c1a22", haze=0.4)
