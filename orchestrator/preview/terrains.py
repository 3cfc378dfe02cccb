"""The land between sky and foreground, plate by plate."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from functools import partial
from itertools import pairwise

import skia

from orchestrator.preview.brush import Brush, Stop, outline, smooth
from orchestrator.preview.buildings import house
from orchestrator.preview.foreground import grass_row
from orchestrator.preview.layers import Layer, Live, LivePaint, Plate, Stage, Sway
from orchestrator.preview.palette import Ink, mix
from orchestrator.preview.people import Variant
from orchestrator.preview.vistas import far_features, near_features, near_trunk


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
            value += weight * float(math.sin(x * frequency * 3.1 + phase))
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
    foot: float = 0.07,
    rough: float = 0.48,
    scale: float = 1.0,
    blur: float = 0.0,
) -> Plate:
    """A hazy ridge: darker crest, lighter foot, where the air is thickest."""

    def paint(canvas: skia.Canvas) -> None:
        left, right = stage.span(depth)
        line = ridge_line(stage, name, (left, right), rough, scale)
        crest = [(x, base - height * (0.25 + 0.75 * v) * _sun_gap(stage, x)) for x, v in line]
        shape = outline([*crest, (right, base + 0.3), (left, base + 0.3)])
        near, far = stage.brush.lit(haze * 0.82), stage.brush.lit(min(1.0, haze + 0.16))
        colors: list[Stop] = [(0, ink, 1), (1, ink, 1)]
        canvas.drawPath(shape, near.linear((0, base - height), (0, base), colors))
        veil: list[Stop] = [(0, ink, 0.0), (1, ink, 0.85)]
        canvas.drawPath(shape, far.linear((0, base - height), (0, base + 0.02), veil))

    return Plate(depth, base - height - 0.02, base + foot, paint, blur=blur)


def _sun_gap(stage: Stage, x: float) -> float:
    """Ridges dip where a low sun stands, so that it is seen."""
    if not 0 <= stage.palette.sun_height < 0.1:
        return 1.0
    return 1.0 - 0.62 * math.exp(-(((x - stage.sun[0]) / 0.24) ** 2))


def far_blur(stage: Stage) -> float:
    """How soft the background is: a close shot has a shallow focus."""
    return {"wide": 0.0, "medium": 0.0008, "close": 0.0075}[stage.art.framing]


def ground_plate(
    stage: Stage, top_ink: Ink, low_ink: Ink, *, depth: float = 0.85, top: float | None = None, haze: float = 0.25
) -> Plate:
    """Flat ground from the horizon to below the picture."""
    start = stage.horizon if top is None else top
    paint = partial(_paint_ground, stage=stage, inks=(top_ink, low_ink), depth=depth, start=start, haze=haze)
    return Plate(depth, start, 1.1, paint, opaque=True)


def _paint_ground(
    canvas: skia.Canvas, stage: Stage, inks: tuple[Ink, Ink], depth: float, start: float, haze: float
) -> None:
    left, right = stage.span(depth)
    rect = skia.Rect(left - 0.1, start, right + 0.1, 1.4)
    stops: list[Stop] = [(0, inks[0], 1), (1, inks[1], 1)]
    canvas.drawRect(rect, stage.brush.lit(0.0).linear((0, start), (0, 1.05), stops))
    veil: list[Stop] = [(0, stage.palette.haze, haze * 2), (1, stage.palette.haze, 0)]
    canvas.drawRect(rect, stage.brush.linear((0, start), (0, start + 0.16), veil))


def land_layers(stage: Stage) -> Iterator[Layer]:
    """The open-air terrains without water."""
    painters = {
        "meadow": _meadow,
        "mountains": _mountains,
        "forest": _forest,
        "desert": _desert,
        "snow": _snow,
        "village": _village,
    }
    yield from painters.get(stage.art.terrain, _horizon)(stage)


def three_ridges(stage: Stage, ink: Ink = "#4d5a6b", tall: float = 1.0) -> Iterator[Layer]:
    h, blur = stage.horizon, far_blur(stage)
    wide = stage.zoom**0.3
    yield ridge_plate(
        stage, "r0", depth=0.26, base=h, height=0.15 * tall, ink=ink, haze=0.76, scale=0.42 * wide, blur=blur
    )
    yield ridge_plate(
        stage, "r1", depth=0.36, base=h, height=0.105 * tall, ink=ink, haze=0.55, scale=0.36 * wide, blur=blur
    )
    yield ridge_plate(
        stage, "r2", depth=0.5, base=h + 0.012, height=0.065 * tall, ink=ink, haze=0.33, scale=0.5 * wide, blur=blur
    )


def _meadow(stage: Stage) -> Iterator[Layer]:
    yield from _backdrop(stage)
    if stage.view == "high" or stage.rng("rolling").random() < 0.3:
        yield from _rolling(stage)
        return
    yield from far_features(stage, "#6f8f4a")
    yield turf_plate(stage, ("#7f9a48", "#1f3a1c"), ("#8ba34b", "#43682e"))
    yield from near_features(stage)


def _backdrop(stage: Stage) -> Iterator[Layer]:
    """Far ridges, near hills or a flat horizon with a line of woods, by the shot."""
    h = stage.horizon
    match stage.rng("backdrop").choice(("ridges", "ridges", "hills", "woods")):
        case "hills":
            for number, (depth, tall, haze) in enumerate(((0.3, 0.085, 0.62), (0.46, 0.06, 0.38))):
                yield ridge_plate(
                    stage,
                    f"down{number}",
                    depth=depth,
                    base=h + 0.006,
                    height=tall,
                    ink="#5f7d58",
                    haze=haze,
                    rough=0.25,
                    scale=0.9,
                    blur=far_blur(stage),
                )
        case "woods":
            yield ridge_plate(
                stage, "r0", depth=0.26, base=h, height=0.07, ink="#4a5670", haze=0.7, scale=0.7, blur=far_blur(stage)
            )
            yield tree_line(stage, "far wood", depth=0.48, base=h + 0.014, height=0.055, haze=0.42, ink="#3f5f4a")
        case _:
            yield from three_ridges(stage, "#4a5670", tall=stage.rng("tall").uniform(0.75, 1.5))


def _rolling(stage: Stage) -> Iterator[Layer]:
    """Hill behind hill to the camera, seen from a rise."""
    h = stage.horizon
    room = 1.0 - h
    yield from far_features(stage, "#7d9850")
    for number, (at, tall, haze, ink) in enumerate(((0.10, 0.07, 0.26, "#7f9c52"), (0.28, 0.09, 0.14, "#7a9848"))):
        yield ridge_plate(
            stage,
            f"roll{number}",
            depth=0.66 + 0.08 * number,
            base=h + room * at,
            height=tall,
            ink=ink,
            haze=haze,
            rough=0.22,
            scale=1.1,
            foot=0.16,
        )
    top = h + room * 0.30
    yield turf_plate(stage, ("#86a04e", "#1f3a1c"), ("#8ba34b", "#43682e"), top=top, haze=0.04)
    yield from near_features(stage, top)


def turf_plate(
    stage: Stage, ground: tuple[Ink, Ink], blades: tuple[Ink, Ink], *, top: float | None = None, haze: float = 0.14
) -> Plate:
    """Ground under rows of grass from the horizon to the foreground, larger and darker as they come closer."""
    start = stage.horizon if top is None else top
    depth = 0.86

    def paint(canvas: skia.Canvas) -> None:
        span = stage.span(depth)
        canvas.save()
        if top is not None:  # the brow of a rise, not the horizon: it is never straight
            brow = [(x, start + 0.022 * v) for x, v in ridge_line(stage, "brow", span, 0.35, 0.9)]
            canvas.clipPath(outline([*brow, (span[1], 1.4), (span[0], 1.4)]), True)
        _paint_ground(canvas, stage, ground, depth, start, haze)
        canvas.restore()
        rng = stage.rng("turf")
        rows = 16
        for row in range(rows):
            near = (row / (rows - 1)) ** 1.35
            base = start + (0.010 if top is None else 0.030) + near * (1.0 - start)
            brush = stage.brush.lit((1 - near) ** 2 * 0.24)
            height = (0.012 + 0.075 * near) * (0.7 + 0.35 * stage.zoom)
            dark = tuple(mix(ink, "#0c1a10", 0.48 * near) for ink in blades)
            grass_row(canvas, rng, brush, span, base, height, 190 - 100 * near, (dark[0], dark[1]))

    return Plate(depth, start - 0.03, 1.08, paint)


def _mountains(stage: Stage) -> Iterator[Layer]:
    h, zoom = stage.horizon, stage.zoom
    blur = far_blur(stage)
    yield peaks_plate(stage, "far peaks", depth=0.22, base=h, height=0.34 + 0.05 * zoom, haze=0.55, blur=blur)
    yield peaks_plate(stage, "near peaks", depth=0.34, base=h, height=0.21 + 0.05 * zoom, haze=0.32, blur=blur)
    yield ridge_plate(
        stage, "foothills", depth=0.46, base=h + 0.012, height=0.085, ink="#3f5a3c", haze=0.34, scale=0.5, blur=blur
    )
    yield tree_line(stage, "pines", depth=0.56, base=h + 0.022, height=0.055 + 0.02 * zoom, haze=0.24, ink="#2b4a35")
    yield turf_plate(stage, ("#7d8f4e", "#26381f"), ("#8a9a50", "#4a6434"))
    yield from near_features(stage)


def peaks_plate(
    stage: Stage,
    name: str,
    *,
    depth: float,
    base: float,
    height: float,
    haze: float,
    blur: float,
    snow: float = 0.42,
    rock: tuple[Ink, Ink] = ("#6f7480", "#474c5c"),
) -> Plate:
    """Sharp summits with a lit side, a shaded side and snow above a ragged line."""

    def paint(canvas: skia.Canvas) -> None:
        rng = stage.rng(name)
        left, right = stage.span(depth)
        x = left - 0.2
        summits = []
        while x < right + 0.2:
            tall = height * rng.uniform(0.55, 1.0)
            summits.append((x, tall, tall * rng.uniform(0.75, 1.15)))
            x += tall * rng.uniform(0.55, 0.95)
        for summit in sorted(summits, key=lambda item: -item[1]):
            _peak(canvas, stage, rng, summit, base, haze, snow, rock)
        veil: list[Stop] = [(0, stage.palette.haze, 0.0), (1, stage.palette.haze, min(1.0, haze + 0.30))]
        rect = skia.Rect(left, base - height * 0.5, right, base + 0.1)
        paint_over = stage.brush.linear((0, base - height * 0.5), (0, base + 0.02), veil)
        paint_over.setBlendMode(skia.BlendMode.kSrcATop)
        canvas.drawRect(rect, paint_over)

    return Plate(depth, base - height - 0.02, base + 0.07, paint, blur=blur)


def _peak(
    canvas: skia.Canvas,
    stage: Stage,
    rng: random.Random,
    summit: tuple[float, float, float],
    base: float,
    haze: float,
    snow: float,
    rock: tuple[Ink, Ink],
) -> None:
    x, tall, half = summit
    brush = stage.brush.lit(haze)
    top = base - tall

    def edge(side: int) -> list[tuple[float, float]]:
        points = []
        for k in range(1, 11):
            f = k / 10
            wobble = rng.uniform(-0.05, 0.05) * half * (1 if k < 10 else 0)
            points.append((x + side * half * f + wobble, top + tall * f**0.92 + rng.uniform(-0.02, 0.02) * tall))
        return points

    left, right = edge(-1), edge(1)
    spine = [(x + rng.uniform(-0.10, 0.14) * half * f, top + tall * f) for f in (0.15, 0.3, 0.45, 0.6, 0.8, 1.0)]
    sunny = -1 if stage.sun[0] < x else 1
    floor = base + 0.2
    body = outline([(x, top), *right, (x + half, floor), (x - half, floor), *reversed(left)])
    canvas.drawPath(body, brush.fill(rock[0]))
    shaded = right if sunny < 0 else left
    corner = (x + half, floor) if sunny < 0 else (x - half, floor)
    canvas.drawPath(outline([(x, top), *shaded, corner, (x, floor), *reversed(spine)]), brush.fill(rock[1]))
    if snow <= 0:
        return
    canvas.save()
    canvas.clipPath(body, True)
    line = top + tall * snow * rng.uniform(0.8, 1.15)
    zigzag = []
    count = 14
    for k in range(count + 1):
        zx = x - half + 2 * half * k / count
        zigzag.append((zx, line + rng.uniform(-0.06, 0.10) * tall * (1 if k % 2 else -0.6)))
    canvas.drawPath(outline([(x - half, top - 0.02), (x + half, top - 0.02), *reversed(zigzag)]), brush.fill("#f7f9ff"))
    canvas.clipPath(outline([(x, top), *shaded, corner, (x, floor), *reversed(spine)]), True)
    canvas.drawPath(outline([(x - half, top - 0.02), (x + half, top - 0.02), *reversed(zigzag)]), brush.fill("#aab6d2"))
    canvas.restore()


def pine(canvas: skia.Canvas, rng: random.Random, x: float, base: float, tall: float, paint: skia.Paint) -> None:
    """A conifer of ragged tiers."""
    tiers = 6
    right: list[tuple[float, float]] = []
    left: list[tuple[float, float]] = []
    for k in range(tiers):
        y0 = base - tall + tall * 0.94 * k / tiers
        y1 = base - tall + tall * 0.94 * (k + 1.25) / tiers
        wide = tall * 0.20 * ((k + 1) / tiers) ** 0.85
        right += [(x + wide * 0.30, y0), (x + wide * rng.uniform(0.85, 1.1), min(y1, base - tall * 0.04))]
        left += [(x - wide * 0.30, y0), (x - wide * rng.uniform(0.85, 1.1), min(y1, base - tall * 0.04))]
    trunk = tall * 0.022
    foot = [(x + trunk, base - tall * 0.05), (x + trunk, base), (x - trunk, base), (x - trunk, base - tall * 0.05)]
    canvas.drawPath(outline([(x, base - tall * 1.03), *right, *foot, *reversed(left)]), paint)


def tree_line(
    stage: Stage, name: str, *, depth: float, base: float, height: float, haze: float, ink: Ink, gap: float = 0.26
) -> Plate:
    """A wood's edge of conifers."""

    def paint(canvas: skia.Canvas) -> None:
        rng = stage.rng(name)
        left, right = stage.span(depth)
        x = left
        while x < right:
            tall = height * rng.uniform(0.5, 1.0)
            tone = stage.brush.lit(haze).fill(mix(ink, "#0d1a1c", rng.uniform(0, 0.35)))
            pine(canvas, rng, x, base + rng.uniform(0, 0.01), tall, tone)
            x += height * gap * rng.uniform(0.4, 1.3)
        canvas.drawRect(skia.Rect(left, base - height * 0.06, right, base + 0.03), stage.brush.lit(haze).fill(ink))

    return Plate(depth, base - height * 1.1, base + 0.03, paint, blur=far_blur(stage) * (1 - depth))


def _forest(stage: Stage) -> Iterator[Layer]:
    """Rows of trunks into the haze, light falling between them, ferns on the floor."""
    h = stage.horizon + 0.04
    yield ridge_plate(
        stage, "canopy", depth=0.2, base=h, height=0.62, ink="#3d5c40", haze=0.66, scale=0.10, rough=0.7, blur=0.006
    )
    girth = stage.rng("girth").uniform(0.65, 1.45)
    for row, (depth, haze, thick) in enumerate(((0.34, 0.62, 0.012), (0.5, 0.44, 0.022), (0.68, 0.25, 0.042))):
        wide = thick * girth
        yield _trunks(stage, row, depth, haze, wide * (0.7 + 0.35 * stage.zoom), h + 0.03 * row)
    yield turf_plate(stage, ("#5c6b3a", "#1a2616"), ("#6d8a44", "#365a30"), top=h, haze=0.25)
    if stage.art.framing == "wide":
        yield from near_features(stage, h)
    yield Live(0.6, _sunbeams(stage))
    if stage.art.framing == "close" or stage.rng("trunk").random() < 0.4:
        yield near_trunk(stage)
    yield _leaf_roof(stage)


def _trunks(stage: Stage, row: int, depth: float, haze: float, wide: float, base: float) -> Plate:
    def paint(canvas: skia.Canvas) -> None:
        rng = stage.rng(f"trunks{row}")
        left, right = stage.span(depth)
        brush = stage.brush.lit(haze)
        x = left
        while x < right:
            w = wide * rng.uniform(0.6, 1.35)
            lean = rng.uniform(-0.03, 0.03)
            foot = base + rng.uniform(0, 0.03)
            trunk = outline(
                [(x - w * 0.75, foot), (x - w * 0.42 + lean, -0.2), (x + w * 0.42 + lean, -0.2), (x + w * 0.8, foot)]
            )
            bark: list[Stop] = [(0, "#6b5340", 1), (0.5, "#4f3c2f", 1), (1, "#2d221c", 1)]
            canvas.drawPath(trunk, brush.linear((x - w / 2, 0), (x + w / 2, 0), bark))
            for _ in range(rng.randint(1, 3)):
                y = rng.uniform(0.02, base * 0.6)
                side = rng.choice((-1, 1))
                path = smooth([(x, y), (x + side * w * 2.2, y - 0.03), (x + side * w * 5, y - 0.09)])
                canvas.drawPath(path, brush.stroke("#453428", w * 0.16))
            x += wide * rng.uniform(2.6, 6.5)

    return Plate(depth, -0.1, base + 0.04, paint, blur=far_blur(stage) * (1 - depth))


def _leaf_roof(stage: Stage) -> Plate:
    """Leaves hanging into the top of the picture."""

    def paint(canvas: skia.Canvas) -> None:
        rng = stage.rng("roof")
        left, right = stage.span(0.8)
        brush = stage.brush.lit(0.12)
        for _ in range(round(420 * (right - left))):
            x = rng.uniform(left, right)
            low = 0.10 + 0.07 * math.sin(x * 3.1 + stage.art.seed % 7) + 0.04 * math.sin(x * 8.3)
            y = rng.uniform(-0.08, low)
            ink = mix("#5d8a3f", "#1f3a24", rng.random())
            canvas.save()
            canvas.translate(x, y)
            canvas.rotate(rng.uniform(0, 360))
            size = rng.uniform(0.008, 0.02) * (0.7 + 0.4 * stage.zoom)
            canvas.drawOval(skia.Rect(-size, -size * 0.45, size, size * 0.45), brush.fill(ink))
            canvas.restore()

    return Plate(0.8, -0.1, 0.26, paint, sway=Sway("water", 0.003, 5.0))


def _sunbeams(stage: Stage) -> LivePaint:
    rng = stage.rng("sunbeams")
    beams = [
        (rng.uniform(-0.1, 1.1) * stage.aspect, rng.uniform(0.03, 0.09), rng.uniform(0.3, 0.6), rng.uniform(0, 6.3))
        for _ in range(4)
    ]
    lean = 0.35 if stage.sun[0] < stage.aspect / 2 else -0.35
    strength = {"night": 0.07, "storm": 0.02, "overcast": 0.05}.get(stage.art.sky, 0.16)

    def paint(canvas: skia.Canvas, t: float) -> None:
        for x, wide, rate, phase in beams:
            bright = strength * (0.6 + 0.4 * math.sin(rate * t + phase))
            beam = outline([(x, -0.1), (x + wide, -0.1), (x + wide * 2.2 + lean, 0.85), (x + lean - wide * 0.4, 0.85)])
            stops: list[Stop] = [
                (0, stage.palette.glow, bright),
                (0.7, stage.palette.glow, bright * 0.5),
                (1, stage.palette.glow, 0),
            ]
            canvas.drawPath(beam, stage.brush.linear((0, 0), (0, 0.85), stops))

    return paint


def _desert(stage: Stage) -> Iterator[Layer]:
    h, blur = stage.horizon, far_blur(stage)
    yield mesa_plate(stage, depth=0.24, base=h + 0.004, blur=blur)
    for number, (depth, base, height, haze) in enumerate(
        ((0.4, 0.0, 0.07, 0.40), (0.6, 0.05, 0.09, 0.22), (0.82, 0.17, 0.12, 0.06))
    ):
        yield dune_plate(stage, number, depth, h + base, height * (0.8 + 0.25 * stage.zoom), haze, "#dba866", "#8a5530")
    yield ground_plate(stage, "#d9a262", "#8a5a34", depth=0.85, top=h + 0.17, haze=0.0)
    yield _sand_ripples(stage)


def mesa_plate(stage: Stage, *, depth: float, base: float, blur: float) -> Plate:
    """Table mountains with strata."""

    def paint(canvas: skia.Canvas) -> None:
        rng = stage.rng("mesas")
        left, right = stage.span(depth)
        x = left + rng.uniform(0, 0.3)
        while x < right:
            wide, tall = rng.uniform(0.10, 0.30), rng.uniform(0.05, 0.15)
            slope = tall * 0.35
            shape = outline(
                [
                    (x, base + 0.02),
                    (x + slope, base - tall * 0.45),
                    (x + slope * 1.15, base - tall),
                    (x + wide - slope * 1.1, base - tall * rng.uniform(0.94, 1.0)),
                    (x + wide - slope, base - tall * 0.5),
                    (x + wide + slope, base + 0.02),
                ]
            )
            brush = stage.brush.lit(0.52)
            stops: list[Stop] = [(0, "#b5654a", 1), (1, "#7d4238", 1)]
            canvas.drawPath(shape, brush.linear((x, 0), (x + wide, 0), stops))
            canvas.save()
            canvas.clipPath(shape, True)
            for k in range(4):
                y = base - tall * (0.25 + 0.2 * k)
                canvas.drawLine(x - 0.1, y, x + wide + 0.1, y, brush.stroke("#6b372f", 0.003, 0.5))
            canvas.restore()
            x += wide + rng.uniform(0.08, 0.5)

    return Plate(depth, base - 0.17, base + 0.06, paint, blur=blur)


def dune_plate(
    stage: Stage, number: int, depth: float, base: float, height: float, haze: float, lit: Ink, shade: Ink
) -> Plate:
    """Long dunes with a bright windward face and a lee in shadow along each crest."""

    def paint(canvas: skia.Canvas) -> None:
        left, right = stage.span(depth)
        crest = [
            (x, base + height * (0.55 - v))
            for x, v in ridge_line(stage, f"dune{number}", (left, right), 0.30, 0.75 + 0.2 * number)
        ]
        brush = stage.brush.lit(haze)
        body = outline([*crest, (right, 1.3), (left, 1.3)])
        stops: list[Stop] = [(0, lit, 1), (1, mix(lit, shade, 0.55), 1)]
        canvas.drawPath(body, brush.linear((0, base - height * 0.4), (0, base + 0.25), stops))
        toward = 1 if stage.sun[0] < stage.aspect / 2 else -1
        canvas.save()
        canvas.clipPath(body, True)
        lee = [(x + toward * 0.06, y + height * 0.20) for x, y in crest]
        for step in range(5):
            drop = height * (0.55 + 0.22 * step)
            low = [(x + toward * drop * 1.4, y + drop) for x, y in crest]
            paint_lee = brush.fill(shade, 0.12)
            canvas.drawPath(outline([*lee, *reversed(low)]), paint_lee)
        for (ax, ay), (bx, by) in pairwise(crest):
            rim = max(0.0, min(1.0, (by - ay) * toward * 60 + 0.3))
            canvas.drawLine(ax, ay, bx, by, brush.stroke(mix(lit, "#fff3d0", 0.6), 0.0025, 0.7 * rim))
        canvas.restore()

    return Plate(depth, base - height, base + 0.35, paint)


def _sand_ripples(stage: Stage) -> Plate:
    top = stage.horizon + 0.18

    def paint(canvas: skia.Canvas) -> None:
        rng = stage.rng("ripples")
        left, right = stage.span(0.88)
        brush = stage.brush.lit(0.0)
        for k in range(26):
            near = (k / 25) ** 1.6
            y = top + near * (1.05 - top)
            points = []
            x = left
            while x < right + 0.1:
                points.append((x, y + rng.uniform(-1, 1) * (0.002 + 0.010 * near)))
                x += 0.05 + 0.10 * near
            canvas.drawPath(smooth(points), brush.stroke("#7d4f2c", 0.001 + 0.004 * near, 0.20))
            shifted = [(px, py - 0.002 - 0.004 * near) for px, py in points]
            canvas.drawPath(smooth(shifted), brush.stroke("#f4cf95", 0.001 + 0.003 * near, 0.24))

    return Plate(0.88, top - 0.02, 1.06, paint)


def _snow(stage: Stage) -> Iterator[Layer]:
    h, blur = stage.horizon, far_blur(stage)
    yield peaks_plate(stage, "ice peaks", depth=0.22, base=h, height=0.26, haze=0.48, blur=blur, snow=0.9)
    yield tree_line(stage, "winter pines", depth=0.42, base=h + 0.012, height=0.07, haze=0.42, ink="#3b5560")
    yield snow_field(stage, 0, 0.5, h + 0.02, 0.045, 0.28)
    yield _frosted_trees(stage)
    yield snow_field(stage, 1, 0.85, h + 0.11, 0.06, 0.06)


def snow_field(stage: Stage, number: int, depth: float, base: float, height: float, haze: float) -> Plate:
    def paint(canvas: skia.Canvas) -> None:
        left, right = stage.span(depth)
        crest = [
            (x, base + height * (0.3 - v)) for x, v in ridge_line(stage, f"drift{number}", (left, right), 0.35, 0.8)
        ]
        brush = stage.brush.lit(haze)
        stops: list[Stop] = [(0, "#fbfdff", 1), (0.35, "#dde8f7", 1), (1, "#8fa6cc", 1)]
        canvas.drawPath(
            outline([*crest, (right, 1.3), (left, 1.3)]), brush.linear((0, base - height), (0, 1.15), stops)
        )
        rng = stage.rng(f"hollows{number}")
        for _ in range(26):
            x, y = rng.uniform(left, right), rng.uniform(base + 0.02, 1.05)
            wide = rng.uniform(0.08, 0.30) * (0.4 + (y - base))
            hollow = smooth(
                [(x - wide, y), (x - wide * 0.3, y - wide * 0.06), (x + wide * 0.4, y + 0.004), (x + wide, y)]
            )
            canvas.drawPath(hollow, brush.stroke("#7d95c4", 0.004 + 0.012 * (y - base), 0.16))

    return Plate(depth, base - height, 1.1, paint)


def _frosted_trees(stage: Stage) -> Plate:
    base = stage.horizon + 0.085

    def paint(canvas: skia.Canvas) -> None:
        rng = stage.rng("frosted")
        left, right = stage.span(0.66)
        tall = 0.15 + 0.07 * stage.zoom
        for _ in range(round((right - left) * 6)):
            x = rng.uniform(left, right)
            if abs(x - stage.side) < 0.24:
                continue
            height, foot = tall * rng.uniform(0.55, 1.1), base + rng.uniform(-0.02, 0.05)
            pine(canvas, rng, x, foot, height, stage.brush.lit(0.16).fill("#2f4a50"))
            canvas.save()
            canvas.translate(-0.003, -height * 0.025)
            pine(canvas, rng, x, foot - height * 0.02, height * 0.94, stage.brush.lit(0.10).fill("#eaf2fb", 0.62))
            canvas.restore()

    return Plate(0.66, base - tall_of(stage), base + 0.08, paint)


def tall_of(stage: Stage) -> float:
    return (0.15 + 0.07 * stage.zoom) * 1.25


def _village(stage: Stage) -> Iterator[Layer]:
    """Rolling hills with hedges, and houses gathered on them round a church tower."""
    h, blur = stage.horizon, far_blur(stage)
    snowy = "snow" in stage.art.atmosphere or stage.art.foreground == "snow"
    far_ink, near_ink = ("#dfe8f4", "#eef4fb") if snowy else ("#6f8a4c", "#86a04e")
    if snowy:
        yield peaks_plate(stage, "village peaks", depth=0.22, base=h, height=0.33, haze=0.45, blur=blur, snow=0.75)
    else:
        yield from three_ridges(stage, "#5d7466", tall=stage.rng("tall").uniform(0.5, 1.5))
        yield from far_features(stage, "#6f8a4c")
    yield ridge_plate(
        stage, "hill0", depth=0.5, base=h + 0.05, height=0.10, ink=far_ink, haze=0.30, scale=0.8, rough=0.3, foot=0.17
    )
    yield Plate(0.62, h - 0.22, h + 0.12, lambda canvas: _hamlet(canvas, stage, snowy))
    yield ridge_plate(
        stage, "hill1", depth=0.72, base=h + 0.16, height=0.11, ink=near_ink, haze=0.14, scale=1.2, rough=0.25
    )
    if snowy:
        yield ground_plate(stage, "#f2f6fc", "#93a9cf", top=h + 0.14, haze=0.0)
    else:
        yield turf_plate(stage, ("#86a04e", "#2b4423"), ("#8ba34b", "#4d7434"), top=h + 0.14, haze=0.0)
        yield from near_features(stage, h + 0.14)


def _hamlet(canvas: skia.Canvas, stage: Stage, snowy: bool) -> None:
    rng = stage.rng("hamlet")
    centre = stage.side
    homes = []
    count, spread = rng.choice(((9, 0.16), (15, 0.30), (22, 0.42), (12, 0.50)))
    for k in range(count):
        offset = rng.gauss(0, spread)
        homes.append(
            (centre + offset, stage.horizon + 0.055 - 0.05 * math.exp(-((offset / 0.3) ** 2)) + 0.04 * (k / count))
        )
    size = 0.055 + 0.022 * stage.zoom
    brush = stage.brush.lifted(0.15).hazed(0.14)
    _church(canvas, brush, centre + 0.03, stage.horizon + 0.03, size * 2.1)
    for x, y in sorted(homes, key=lambda home: home[1]):
        canvas.save()
        canvas.translate(x, y)
        scale = size * rng.uniform(0.75, 1.1)
        canvas.scale(scale * rng.choice((-1, 1)), scale)
        house(canvas, brush, 0.0, Variant("", rng.random(), rng.random(), rng.random()))
        if snowy:
            canvas.drawPath(
                outline([(-0.70, -0.56), (-0.44, -0.97), (0.44, -0.97), (0.70, -0.56)]), brush.fill("#f6f9ff")
            )
        canvas.restore()


def _church(canvas: skia.Canvas, brush: Brush, x: float, base: float, tall: float) -> None:
    wide = tall * 0.13
    stops: list[Stop] = [(0, "#e6dccb", 1), (1, "#9a8f94", 1)]
    canvas.drawRect(
        skia.Rect(x - wide, base - tall * 0.62, x + wide, base), brush.linear((x - wide, 0), (x + wide, 0), stops)
    )
    canvas.drawPath(
        outline([(x - wide * 1.25, base - tall * 0.60), (x, base - tall), (x + wide * 1.25, base - tall * 0.60)]),
        brush.fill("#5a4a5c"),
    )
    clock = brush.unlit() if brush.palette.lamps else brush
    canvas.drawCircle(x, base - tall * 0.48, wide * 0.4, clock.fill("#fff0c0"))


def _horizon(stage: Stage) -> Iterator[Layer]:
    yield from three_ridges(stage, "#4a5266", tall=0.8)
    yield ground_plate(stage, "#5b5a62", "#1c1a22", haze=0.4)
