"""What grows or lies close to the camera: grass, flowers, reeds, branches, rocks, drifts, coral."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator

import skia

from orchestrator.preview.brush import Brush, Stop, outline
from orchestrator.preview.layers import Layer, Paint, Plate, Stage, Sway
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
            if flowers and number < 2:
                _blossoms(canvas, stage, rng, span, base, tall, number)
            grass_row(canvas, rng, brush, span, base, tall, density / (0.6 + 0.4 * zoom), tones[number])
            if flowers and number < 2:
                _blossoms(canvas, stage, rng, span, base, tall, number)
            _fade_roots(canvas, span, base, tall)

        yield Plate(
            depth,
            base - tall * 1.25,
            base + 0.02,
            paint,
            blur=blur,
            sway=Sway("grass", 0.006 + tall * 0.035, 3.4 + number * 0.7, phase=number * 1.9),
        )


def _fade_roots(canvas: skia.Canvas, span: tuple[float, float], base: float, tall: float) -> None:
    """Let a row melt into the ground instead of ending in a line."""
    shader = skia.GradientShader.MakeLinear(
        points=[skia.Point(0, base - tall * 0.5), skia.Point(0, base + 0.012)], colors=[0xFF000000, 0x00000000]
    )
    paint = skia.Paint(Shader=shader, BlendMode=skia.BlendMode.kDstIn)
    canvas.drawRect(skia.Rect(span[0] - 1, base - tall * 0.5, span[1] + 1, base + 1), paint)


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


def _near_plate(stage: Stage, depth: float, top: float, paint: Paint, *, sway: Sway | None = None) -> Plate:
    """A dark layer at the picture's edge, a little out of focus."""
    return Plate(depth, top, 1.06, paint, blur=0.0022 + 0.0012 * stage.zoom, sway=sway)


def _reeds(stage: Stage) -> Iterator[Layer]:
    def paint(canvas: skia.Canvas) -> None:
        rng = stage.rng("reeds")
        left, right = stage.span(1.3)
        brush = stage.brush.lit(0.0)
        for _ in range(round((right - left) * 46)):
            x = rng.uniform(left, right)
            edge = abs(x / stage.aspect - 0.5) * 2
            tall = (0.10 + 0.30 * min(1.0, edge) ** 2.2) * rng.uniform(0.6, 1.15)
            lean = rng.gauss(0, tall * 0.13)
            ink = mix("#5f7434", "#17240f", rng.random())
            blade(canvas, x, 1.04, tall, lean, 0.005 + tall * 0.012, brush.fill(ink))
            if rng.random() < 0.16 and edge > 0.4:
                stem_top = (x + lean * 0.8, 1.04 - tall * 1.15)
                canvas.drawLine(x, 1.04, *stem_top, brush.stroke("#4a5526", 0.003))
                canvas.drawLine(
                    stem_top[0],
                    stem_top[1],
                    stem_top[0] - lean * 0.1,
                    stem_top[1] + 0.05,
                    brush.stroke("#5a3a22", 0.014),
                )

    yield _near_plate(stage, 1.3, 0.5, paint, sway=Sway("grass", 0.012, 4.6))


def _pine_branches(stage: Stage) -> Iterator[Layer]:
    """Boughs that reach in from an upper corner."""

    def paint(canvas: skia.Canvas) -> None:
        rng = stage.rng("boughs")
        left, right = stage.span(1.3)
        brush = stage.brush.lit(0.0)
        from_left = stage.side > stage.aspect / 2
        for k in range(4):
            x, y = (left - 0.02, -0.02 + 0.075 * k) if from_left else (right + 0.02, -0.02 + 0.075 * k)
            length = rng.uniform(0.40, 0.68) * (1 - 0.16 * k) * stage.unit
            droop = rng.uniform(0.06, 0.13)
            _bough(canvas, rng, brush, (x, y), length * (1 if from_left else -1), droop)

    yield Plate(1.3, -0.1, 0.5, paint, blur=0.0022, sway=Sway("water", 0.0035, 5.5))


def _bough(
    canvas: skia.Canvas, rng: random.Random, brush: Brush, start: tuple[float, float], reach: float, droop: float
) -> None:
    steps = 34
    for k in range(steps):
        f = k / steps
        x, y = start[0] + reach * f, start[1] + droop * f * f * 1.6
        size = 0.055 * (1 - 0.65 * f)
        for side in (-1, 1):
            for _ in range(4):
                angle = math.radians(rng.uniform(20, 75)) * side
                direction = 1 if reach > 0 else -1
                end = (x + direction * size * math.cos(angle), y + size * math.sin(angle))
                ink = mix("#3f6a44", "#0f2418", rng.random())
                canvas.drawLine(x, y, *end, brush.stroke(ink, 0.0032))
    path = skia.Path()
    path.moveTo(*start)
    path.quadTo(start[0] + reach * 0.5, start[1] + droop * 0.25, start[0] + reach, start[1] + droop * 1.6)
    canvas.drawPath(path, brush.stroke("#3a2a1e", 0.007))


def _leaves(stage: Stage) -> Iterator[Layer]:
    """Leaves close to the lens in two corners."""
    autumn = stage.art.sky in ("dusk", "golden_hour", "overcast")
    inks = ("#c8702a", "#a8442a", "#d9a03a", "#6f7a34") if autumn else ("#4f8a3c", "#2f5f34", "#7aa04a", "#254a2c")

    def paint(canvas: skia.Canvas) -> None:
        rng = stage.rng("leaves")
        left, right = stage.span(1.35)
        brush = stage.brush.lit(0.0)
        for corner_x, toward in ((left, 1), (right, -1)):
            for _ in range(26):
                far = rng.random() ** 0.8
                x = corner_x + toward * far * 0.34 * stage.unit
                y = 1.04 - rng.random() * 0.30 * (1 - far) - 0.02
                size = rng.uniform(0.035, 0.075)
                canvas.save()
                canvas.translate(x, y)
                canvas.rotate(rng.uniform(-70, 70) - 90 + 40 * toward)
                leaf = skia.Path()
                leaf.moveTo(0, 0)
                leaf.quadTo(size * 0.5, -size * 0.45, size * 1.3, 0)
                leaf.quadTo(size * 0.5, size * 0.45, 0, 0)
                canvas.drawPath(leaf, brush.fill(mix(rng.choice(inks), "#100c10", 0.25)))
                canvas.drawLine(0, 0, size * 1.2, 0, brush.stroke("#1a1410", 0.0018, 0.6))
                canvas.restore()

    yield _near_plate(stage, 1.35, 0.62, paint, sway=Sway("grass", 0.010, 5.0))


def _rocks(stage: Stage) -> Iterator[Layer]:
    stone = {"planet": "#8a4a34", "desert": "#9a6a48", "coast": "#55525a", "orbit": "#8a4a34"}.get(
        stage.art.terrain, "#6a6a6e"
    )

    def paint(canvas: skia.Canvas) -> None:
        rng = stage.rng("rocks")
        left, right = stage.span(1.25)
        brush = stage.brush.lit(0.0)
        for corner_x, toward in ((left, 1), (right, -1)):
            for k in range(5):
                x = corner_x + toward * (0.02 + 0.11 * k * rng.uniform(0.7, 1.2)) * stage.unit
                wide, tall = rng.uniform(0.08, 0.17) * (1 - 0.10 * k), rng.uniform(0.06, 0.16) * (1 - 0.13 * k)
                _rock(canvas, rng, brush, x, 1.05, wide, tall, stone)

    yield _near_plate(stage, 1.25, 0.75, paint)


def _rock(
    canvas: skia.Canvas, rng: random.Random, brush: Brush, x: float, base: float, wide: float, tall: float, ink: Ink
) -> None:
    count = 9
    points = []
    for k in range(count + 1):
        angle = math.pi * k / count
        r = rng.uniform(0.8, 1.08)
        points.append((x - wide * math.cos(angle) * r, base - tall * math.sin(angle) * r))
    shape = outline(points)
    stops: list[Stop] = [(0, mix(ink, "#ffffff", 0.22), 1), (0.45, ink, 1), (1, mix(ink, "#08060c", 0.7), 1)]
    canvas.drawPath(shape, brush.linear((x - wide * 0.3, base - tall), (x + wide * 0.4, base), stops))
    facet = outline([points[3], points[4], (x + wide * 0.1, base - tall * 0.45), (x - wide * 0.35, base - tall * 0.3)])
    canvas.drawPath(facet, brush.fill(mix(ink, "#ffffff", 0.3), 0.35))


def _street(stage: Stage) -> Iterator[Layer]:
    """A railing across the bottom, unlit, with a lamp beyond it at night."""

    def paint(canvas: skia.Canvas) -> None:
        left, right = stage.span(1.25)
        iron = stage.brush.lit(0.0)
        top = 0.90
        canvas.drawRect(skia.Rect(left, top, right, top + 0.012), iron.fill("#1a1c22"))
        canvas.drawRect(skia.Rect(left, top + 0.035, right, top + 0.042), iron.fill("#1a1c22"))
        x = left + 0.02
        k = 0
        while x < right:
            thick = 0.011 if k % 8 == 0 else 0.004
            canvas.drawRect(
                skia.Rect(x - thick / 2, top - (0.02 if k % 8 == 0 else 0), x + thick / 2, 1.1), iron.fill("#14161b")
            )
            if k % 8 == 0:
                canvas.drawCircle(x, top - 0.026, 0.011, iron.fill("#1a1c22"))
            x += 0.032
            k += 1

    yield _near_plate(stage, 1.25, 0.84, paint)


def _snow_drifts(stage: Stage) -> Iterator[Layer]:
    def paint(canvas: skia.Canvas) -> None:
        left, right = stage.span(1.25)
        rng = stage.rng("near drifts")
        brush = stage.brush.lit(0.0)
        phase = rng.uniform(0, 6.28)
        steps = 60
        crest = []
        for k in range(steps + 1):
            x = left + (right - left) * k / steps
            edge = abs(x / stage.aspect - 0.5) * 2
            crest.append((x, 0.985 - 0.085 * min(1.0, edge) ** 2 - 0.012 * math.sin(5 * x + phase)))
        for _ in range(9):
            x = rng.choice((rng.uniform(left, left + 0.34), rng.uniform(right - 0.34, right)))
            tall, lean = rng.uniform(0.08, 0.2), rng.uniform(-0.05, 0.05)
            twig = skia.Path()
            twig.moveTo(x, 1.0)
            twig.quadTo(x + lean * 0.3, 1 - tall * 0.6, x + lean, 0.97 - tall)
            twig.moveTo(x + lean * 0.4, 0.98 - tall * 0.55)
            twig.lineTo(x + lean * 0.4 + 0.03, 0.98 - tall * 0.8)
            canvas.drawPath(twig, brush.stroke("#4a3a34", 0.004))
        stops: list[Stop] = [(0, "#ffffff", 1), (1, "#b5c6e4", 1)]
        body = outline([*crest, (right, 1.2), (left, 1.2)])
        canvas.drawPath(body, brush.linear((0, 0.88), (0, 1.05), stops))

    yield _near_plate(stage, 1.25, 0.72, paint)


def _coral(stage: Stage) -> Iterator[Layer]:
    """Fans, tubes and weed, a row on the sand and a larger one before the lens."""
    for row, (depth, base, size, blur) in enumerate(((0.92, 0.90, 0.15, 0.0), (1.25, 1.06, 0.27, 0.003))):

        def paint(
            canvas: skia.Canvas, row: int = row, depth: float = depth, base: float = base, size: float = size
        ) -> None:
            rng = stage.rng(f"coral{row}")
            left, right = stage.span(depth)
            brush = stage.brush.lifted(0.35).hazed(0.16 - 0.14 * row)
            for _ in range(round((right - left) * (11 - 3 * row))):
                x = rng.uniform(left, right)
                edge = abs(x / stage.aspect - 0.5) * 2
                if row and edge < 0.42:
                    continue
                tall = (
                    size
                    * rng.uniform(0.5, 1.1)
                    * (0.7 + 0.3 * stage.zoom)
                    * (0.55 + 0.5 * min(1.0, edge) if row else 1)
                )
                foot = base + rng.uniform(-0.015, 0.02)
                rng.choice((_fan, _tubes, _weed, _brain))(canvas, rng, brush, x, foot, tall)

        yield Plate(depth, base - size * 2.1, 1.1, paint, blur=blur, sway=Sway("grass", 0.008 + 0.006 * row, 4.4 + row))


_CORAL_INKS = ("#ff6a7d", "#ff9a4a", "#b86adf", "#ffd05c", "#f25c9a", "#5ad0b8")


def _fan(canvas: skia.Canvas, rng: random.Random, brush: Brush, x: float, y: float, tall: float) -> None:
    ink = rng.choice(_CORAL_INKS)

    def grow(px: float, py: float, angle: float, length: float, level: int) -> None:
        ex, ey = px + length * math.sin(angle), py - length * math.cos(angle)
        canvas.drawLine(px, py, ex, ey, brush.stroke(mix(ink, "#2a1030", 0.08 * (4 - level)), 0.0022 + 0.0024 * level))
        if level:
            for turn in (-0.42, 0.02, 0.42):
                grow(ex, ey, angle + turn + rng.uniform(-0.1, 0.1), length * rng.uniform(0.62, 0.8), level - 1)

    grow(x, y, rng.uniform(-0.2, 0.2), tall * 0.34, 4)


def _tubes(canvas: skia.Canvas, rng: random.Random, brush: Brush, x: float, y: float, tall: float) -> None:
    ink = rng.choice(_CORAL_INKS)
    for _ in range(6):
        dx, high, wide = rng.gauss(0, tall * 0.22), tall * rng.uniform(0.4, 0.9), tall * rng.uniform(0.055, 0.085)
        top = (x + dx * 1.6, y - high)
        path = skia.Path()
        path.moveTo(x + dx, y)
        path.quadTo(x + dx, y - high * 0.5, *top)
        canvas.drawPath(path, brush.stroke(mix(ink, "#20102a", 0.35), wide * 2.2))
        canvas.drawPath(path, brush.stroke(ink, wide * 1.5))
        canvas.drawOval(
            skia.Rect(top[0] - wide, top[1] - wide * 0.5, top[0] + wide, top[1] + wide * 0.5),
            brush.fill(mix(ink, "#20102a", 0.65)),
        )


def _weed(canvas: skia.Canvas, rng: random.Random, brush: Brush, x: float, y: float, tall: float) -> None:
    for _ in range(7):
        dx = rng.gauss(0, tall * 0.14)
        ink = mix("#4fa860", "#14503c", rng.random())
        blade(canvas, x + dx, y, tall * rng.uniform(0.8, 1.35), rng.gauss(0, tall * 0.2), tall * 0.08, brush.fill(ink))


def _brain(canvas: skia.Canvas, rng: random.Random, brush: Brush, x: float, y: float, tall: float) -> None:
    ink = rng.choice(_CORAL_INKS)
    r = tall * 0.36
    dome = skia.Path()
    dome.addArc(skia.Rect(x - r * 1.3, y - r, x + r * 1.3, y + r), 180, 180)
    dome.close()
    stops: list[Stop] = [(0, mix(ink, "#ffffff", 0.25), 1), (1, mix(ink, "#20102a", 0.5), 1)]
    canvas.drawPath(dome, brush.radial((x - r * 0.3, y - r * 0.7), r * 1.6, stops))
    canvas.save()
    canvas.clipPath(dome, True)
    for _ in range(16):
        px, py = x + rng.uniform(-r, r), y - rng.uniform(0, r)
        canvas.drawCircle(px, py, r * rng.uniform(0.1, 0.22), brush.stroke(mix(ink, "#20102a", 0.4), 0.003, 0.6))
    canvas.restore()


def foreground_layers(stage: Stage) -> Iterator[Layer]:
    """The layers nearest the camera for the family the spec names."""
    makers: dict[str, Callable[[Stage], Iterator[Layer]]] = {
        "grass": lambda stage: grass_layers(stage, flowers=False),
        "flowers": lambda stage: grass_layers(stage, flowers=True),
        "reeds": _reeds,
        "pine": _pine_branches,
        "leaves": _leaves,
        "rocks": _rocks,
        "street": _street,
        "snow": _snow_drifts,
        "coral": _coral,
    }
    maker = makers.get(stage.art.foreground)
    if maker is not None:
        yield from maker(stage)
