"""What grows or lies close to the camera: grass, flowers, reeds, branches, rocks, drifts, coral."""

from __future__ import annotations

import random
from collections.abc import Iterator

import skia

from orchestrator.preview.brush import Brush, Stop
from orchestrator.preview.layers import Layer, Plate, Stage, Sway
from orchestrator.preview.palette import Ink, mix


def blade(canvas: skia.Canvas, x: float, y: float, height: float, lean: float, width: float, paint: skia.Paint) -> None:
    """One tapering leaf of grass rooted at (x, y)."""
    path = skia.Path()
    tip_x, tip_y = x + lean, y - height
    path.moveTo(x - width / 2, y)
    path.quadTo(x - width / 2 + lean * 0.15, y - height * 0.6, tip_x, tip_y)
    path.quadTo(x + width / 2 + lean * 0.25, y - height * 0.55, x + width / 2, y)
    path.close()
    canvas.drawPath(path, paint)


def grass_row(
    canvas: skia.Canvas,
    rng: random.Random,
    brush: Brush,
    span: tuple[float, float],
    base: float,
    height: float,
    density: float,
    inks: tuple[Ink, Ink],
) -> None:
    """A band of blades rooted at `base`; `density` is blades per stage height of width."""
    left, right = span
    count = round((right - left) * density)
    for _ in range(count):
        x = rng.uniform(left, right)
        tall = height * rng.uniform(0.45, 1.0)
        ink = mix(inks[0], inks[1], rng.random())
        blade(canvas, x, base + height * 0.1, tall, rng.gauss(0, tall * 0.28), tall * 0.055 + 0.0012, brush.fill(ink))


FLOWER_INKS = ("#e85d9e", "#f2a3cf", "#b78ae6", "#ffc94d", "#fff3e2", "#ee6c5b", "#8fa8ff")


def flower(canvas: skia.Canvas, rng: random.Random, brush: Brush, x: float, y: float, size: float) -> None:
    """A blossom seen at an angle: petals with a lit rim and a round heart."""
    ink = rng.choice(FLOWER_INKS)
    petals = rng.choice((5, 5, 6, 8))
    canvas.save()
    canvas.translate(x, y)
    canvas.rotate(rng.uniform(-25, 25))
    canvas.scale(1.0, rng.uniform(0.55, 0.9))
    turn = rng.uniform(0, 360)
    slim = 0.62 if petals < 8 else 0.36
    for ring, tone in ((1.0, mix(ink, "#3a1030", 0.28)), (0.86, ink)):
        for k in range(petals):
            canvas.save()
            canvas.rotate(turn + k * 360 / petals)
            length = size * ring
            petal = skia.Path()
            petal.moveTo(0, 0)
            petal.cubicTo(length * 0.3, -length * slim, length * 1.05, -length * slim * 0.9, length, 0)
            petal.cubicTo(length * 1.05, length * slim * 0.9, length * 0.3, length * slim, 0, 0)
            stops: list[Stop] = [(0, mix(tone, "#5a2050", 0.25), 1), (0.45, tone, 1), (1, mix(tone, "#ffffff", 0.3), 1)]
            canvas.drawPath(petal, brush.radial((0, 0), length, stops))
            canvas.restore()
    heart = size * 0.26
    core: list[Stop] = [(0, "#ffe68a", 1), (0.7, "#e8a72e", 1), (1, "#a8661a", 1)]
    canvas.drawCircle(0, 0, heart, brush.radial((-heart * 0.3, -heart * 0.3), heart * 1.4, core))
    canvas.restore()


def flower_stem(canvas: skia.Canvas, rng: random.Random, brush: Brush, x: float, base: float, y: float) -> None:
    lean = rng.uniform(-0.02, 0.02)
    path = skia.Path()
    path.moveTo(x + lean, base)
    path.quadTo(x + lean * 0.6, (base + y) / 2, x, y)
    canvas.drawPath(path, brush.stroke("#4f7a34", 0.0025 + (base - y) * 0.008))


def grass_layers(stage: Stage, *, flowers: bool) -> Iterator[Layer]:
    """Three rows towards the camera, each with its own wind, the last one out of focus."""
    zoom = stage.zoom
    rows = ((1.0, 0.86, 0.10, 170, 0.0), (1.16, 0.98, 0.16, 110, 0.0), (1.45, 1.10, 0.27, 46, 0.0035))
    tones = (("#7c9a3f", "#3f6a2c"), ("#47702e", "#204a22"), ("#1f4420", "#10260f"))
    for number, (depth, base, height, density, blur) in enumerate(rows):
        tall = height * (0.72 + 0.35 * zoom)

        def paint(
            canvas: skia.Canvas,
            number: int = number,
            depth: float = depth,
            base: float = base,
            tall: float = tall,
            density: float = density,
        ) -> None:
            rng = stage.rng(f"grass{number}")
            brush = stage.brush.lit(0.0)
            span = stage.span(depth)
            _blossoms(canvas, stage, rng, span, base, tall, number) if flowers and number < 2 else None
            grass_row(canvas, rng, brush, span, base, tall, density / (0.6 + 0.4 * zoom), tones[number])
            _blossoms(canvas, stage, rng, span, base, tall, number) if flowers and number < 2 else None

        yield Plate(
            depth,
            base - tall * 1.25,
            base + 0.02,
            paint,
            blur=blur,
            sway=Sway("grass", 0.006 + tall * 0.035, 3.4 + number * 0.7, phase=number * 1.9),
        )


def _blossoms(
    canvas: skia.Canvas,
    stage: Stage,
    rng: random.Random,
    span: tuple[float, float],
    base: float,
    tall: float,
    number: int,
) -> None:
    brush = stage.brush.lit(0.0)
    left, right = span
    for _ in range(round((right - left) * (11, 7)[number] / (0.5 + 0.5 * stage.zoom))):
        x, rise = rng.uniform(left, right), rng.uniform(0.35, 1.12)
        y, size = base - tall * rise, tall * rng.uniform(0.07, 0.15)
        flower_stem(canvas, rng, brush, x, base, y)
        flower(canvas, rng, stage.brush.lifted(0.5), x, y, size)


def foreground_layers(stage: Stage) -> Iterator[Layer]:
    """The layers nearest the camera for the family the spec names."""
    match stage.art.foreground:
        case "grass":
            yield from grass_layers(stage, flowers=False)
        case "flowers":
            yield from grass_layers(stage, flowers=True)
        case _:
            return
