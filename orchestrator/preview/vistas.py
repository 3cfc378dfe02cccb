"""What makes one view of a place differ from the next: a hill with a tree, a path, a stream, hedges, a low sun."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator

import skia

from orchestrator.preview.brush import Brush, Stop, outline, smooth
from orchestrator.preview.buildings import tree
from orchestrator.preview.layers import Layer, Plate, Stage, Sway
from orchestrator.preview.palette import Ink, mix
from orchestrator.preview.people import Variant

_FAR = {"wide": ("tree", "woods", "copse", "bare", "tree"), "medium": ("tree", "woods", "hedge", "copse")}
_NEAR = {"wide": ("path", "stream", "path", "none"), "medium": ("path", "none", "stream", "fence")}


def far_features(stage: Stage, ink: Ink) -> Iterator[Layer]:
    """A rise on the side away from the subject, and what grows on it."""
    kind = stage.rng("far feature").choice(_FAR.get(stage.art.framing, ("woods", "bare")))
    if kind == "bare":
        return
    rng = stage.rng("rise")
    centre = stage.aspect - stage.side + rng.uniform(-0.22, 0.22)
    height = rng.uniform(0.05, 0.12) * (0.7 + 0.4 * stage.zoom)
    if kind != "hedge":
        yield _rise(stage, centre, height, rng.uniform(0.5, 0.95), ink)
    base = stage.horizon - height * 0.94
    match kind:
        case "tree":
            tall = rng.uniform(0.17, 0.24) * (0.65 + 0.4 * stage.zoom)
            yield _trees(stage, [(centre + rng.uniform(-0.1, 0.1), base + 0.012, tall)], 0.6)
        case "copse":
            spots = []
            for _ in range(5):
                x = rng.gauss(0, 0.13)
                tall = rng.uniform(0.07, 0.14) * (0.65 + 0.4 * stage.zoom)
                spots.append((centre + x, base + 0.010 + abs(x) * 0.05, tall))
            yield _trees(stage, spots, 0.6)
        case _:
            yield _hedge(stage, stage.horizon + 0.008, 0.05 * (0.7 + 0.3 * stage.zoom))


def near_features(stage: Stage, top: float | None = None) -> Iterator[Layer]:
    """What leads the eye into the picture."""
    start = stage.horizon if top is None else top
    match stage.rng("near feature").choice(_NEAR.get(stage.art.framing, ("none",))):
        case "path":
            yield _path(stage, start)
        case "stream":
            yield _stream(stage, start)
        case "fence":
            yield _fence(stage, start)


def _rise(stage: Stage, centre: float, height: float, reach: float, ink: Ink) -> Plate:
    base = stage.horizon

    def paint(canvas: skia.Canvas) -> None:
        left, right = stage.span(0.6)
        crest = []
        for k in range(121):
            x = left + (right - left) * k / 120
            far = (x - centre) / reach
            crest.append((x, base + 0.03 - (height + 0.03) * math.exp(-far * far * 2.2)))
        brush = stage.brush.lit(0.24)
        stops: list[Stop] = [(0, mix(ink, "#fff2c0", 0.14), 1), (1, mix(ink, "#14241a", 0.30), 1)]
        body = outline([*crest, (right, base + 0.2), (left, base + 0.2)])
        canvas.drawPath(body, brush.linear((0, base - height), (0, base + 0.05), stops))

    return Plate(0.6, base - height - 0.02, base + 0.08, paint)


def _trees(stage: Stage, spots: list[tuple[float, float, float]], depth: float) -> Plate:
    top = min(y - tall * 1.15 for _, y, tall in spots)

    def paint(canvas: skia.Canvas) -> None:
        rng = stage.rng("far trees")
        brush = stage.brush.lit(0.16)
        for x, y, tall in sorted(spots, key=lambda spot: spot[1]):
            canvas.save()
            canvas.translate(x, y)
            canvas.scale(tall, tall)
            tree(canvas, brush, 0.0, Variant("", rng.random(), rng.random(), rng.random()))
            canvas.restore()

    return Plate(depth, top, max(y for _, y, _ in spots) + 0.03, paint)


def _hedge(stage: Stage, base: float, tall: float) -> Plate:
    """Round bushes in an uneven row."""

    def paint(canvas: skia.Canvas) -> None:
        rng = stage.rng("hedge")
        left, right = stage.span(0.58)
        x = left - 0.1
        brush = stage.brush.lit(0.28)
        while x < right + 0.1:
            r = tall * rng.uniform(0.35, 1.0)
            ink = mix("#3f6a3a", "#20402c", rng.random())
            for _ in range(4):
                dx, dy, size = rng.gauss(0, r * 0.35), rng.uniform(0, r * 0.5), r * rng.uniform(0.35, 0.6)
                canvas.drawCircle(x + dx, base - dy - size * 0.4, size, brush.fill(mix(ink, "#b9c46a", 0.2 * dy / r)))
            x += r * rng.uniform(0.7, 1.3)

    return Plate(0.58, base - tall * 1.6, base + 0.06, paint)


def _winding(
    rng: random.Random, start: float, stage: Stage, wide: float
) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
    """Left and right edge of something that winds from the horizon to the camera."""
    from_x = stage.aspect - stage.side + rng.uniform(-0.15, 0.15)
    to_x = stage.aspect * rng.uniform(0.30, 0.70)
    bends, phase = rng.uniform(3.0, 6.5), rng.uniform(0, 6.28)
    left, right = [], []
    for k in range(61):
        f = k / 60
        near = f**1.7
        y = start + 0.004 + near * (1.14 - start)
        x = (
            from_x
            + (to_x - from_x) * near
            + 0.16 * near**0.6 * (1 - 0.4 * near) * math.sin(bends * f**0.55 * 2 + phase)
        )
        half = 0.0016 + wide * near
        left.append((x - half, y))
        right.append((x + half, y))
    return left, right


def _path(stage: Stage, start: float) -> Plate:
    """A trodden way with grass in the middle."""

    def paint(canvas: skia.Canvas) -> None:
        rng = stage.rng("path")
        left, right = _winding(rng, start, stage, 0.16 * stage.unit)
        brush = stage.brush.lit(0.06)
        stops: list[Stop] = [(0, "#d9c296", 1), (0.5, "#b8945f", 1), (1, "#6d5233", 1)]
        canvas.drawPath(outline([*left, *reversed(right)]), brush.linear((0, start), (0, 1.08), stops))
        strip = [(x + (right[k][0] - x) * 0.46, y) for k, (x, y) in enumerate(left)]
        other = [(x + (right[k][0] - x) * 0.56, y) for k, (x, y) in enumerate(left)]
        canvas.drawPath(outline([*strip, *reversed(other)]), brush.fill("#6f8a42", 0.55))
        for edge, ink in ((left, "#42602c"), (right, "#35502a")):
            for x, y in edge[8:]:
                near = (y - start) / (1 - start)
                for _ in range(5):
                    px = x + rng.gauss(0, 0.006 + 0.02 * near)
                    tip = (px + rng.gauss(0, 0.008 * near), y - (0.006 + 0.05 * near) * rng.uniform(0.4, 1))
                    canvas.drawLine(px, y, *tip, brush.stroke(ink, 0.0012 + 0.004 * near))

    return Plate(0.86, start - 0.01, 1.1, paint)


def _stream(stage: Stage, start: float) -> Plate:
    """Water that holds the colours of the sky, between darker banks."""

    def paint(canvas: skia.Canvas) -> None:
        rng = stage.rng("stream")
        left, right = _winding(rng, start, stage, 0.19 * stage.unit)
        bank = stage.brush.lit(0.04)
        wide = [(x - 0.012 - 0.02 * (y - start), y) for x, y in left]
        other = [(x + 0.012 + 0.02 * (y - start), y) for x, y in right]
        canvas.drawPath(outline([*wide, *reversed(other)]), bank.fill("#2f3f22", 0.75))
        sky = stage.palette.sky
        body = outline([*left, *reversed(right)])
        stops: list[Stop] = [
            (0, sky[4], 1),
            (0.4, mix(sky[3], "#20303c", 0.12), 1),
            (1, mix(sky[1], "#16222c", 0.3), 1),
        ]
        canvas.drawPath(body, stage.brush.linear((0, start), (0, 1.08), stops))
        canvas.save()
        canvas.clipPath(body, True)
        for _ in range(150):
            near = rng.random() ** 1.2
            k = min(60, int(60 * near ** (1 / 1.7)))
            x, y = rng.uniform(left[k][0], right[k][0]), left[k][1]
            reach = (0.006 + 0.06 * near) * rng.uniform(0.4, 1.4)
            ink = mix(sky[4], "#ffffff", 0.5) if rng.random() < 0.6 else "#1a2630"
            canvas.drawLine(x - reach, y, x + reach, y, stage.brush.stroke(ink, 0.0008 + 0.003 * near, 0.30))
        canvas.restore()

    return Plate(0.86, start, 1.1, paint, sway=Sway("water", 0.0016, 4.8))


def _fence(stage: Stage, start: float) -> Plate:
    """Posts and two rails that come towards the camera."""

    def paint(canvas: skia.Canvas) -> None:
        rng = stage.rng("fence")
        toward = 1 if stage.side < stage.aspect / 2 else -1
        brush = stage.brush.lit(0.05)
        from_x, to_x = stage.aspect / 2 + toward * 0.1, stage.aspect / 2 + toward * stage.aspect * 0.62
        tops: list[tuple[float, float, float]] = []
        for k in range(9):
            near = (k / 8) ** 1.9
            x, y = from_x + (to_x - from_x) * near, start + 0.02 + near * (0.94 - start)
            tall = (0.016 + 0.17 * near) * rng.uniform(0.92, 1.06)
            lean = rng.uniform(-0.02, 0.02) * tall
            canvas.drawLine(x, y, x + lean, y - tall, brush.stroke("#5d4a38", 0.002 + 0.018 * near))
            tops.append((x, y, tall))
        for part in (0.42, 0.80):
            rail = [(x, y - tall * part) for x, y, tall in tops]
            for (ax, ay), (bx, by), near in zip(rail, rail[1:], range(8), strict=False):
                canvas.drawLine(ax, ay, bx, by, brush.stroke("#6d5844", 0.0016 + 0.0014 * near))

    return Plate(0.88, start - 0.06, 1.06, paint)


def flare_layers(stage: Stage) -> Iterator[Layer]:
    """Light that spills over the land from a low sun in the picture, and a few ghosts on the axis of the lens."""
    if not stage.backlit:
        return
    y = stage.sun[1]
    yield Plate(0.14, y - 0.42, y + 0.42, lambda canvas: _spill(canvas, stage.brush.unlit(), stage), detail=0.25)
    yield Plate(0.05, 0.0, 1.0, lambda canvas: _ghosts(canvas, stage), detail=0.5)


def _spill(canvas: skia.Canvas, brush: Brush, stage: Stage) -> None:
    x, y = stage.sun
    ink = mix(stage.palette.glow, "#ffffff", 0.25)
    stops: list[Stop] = [(0, ink, 0.62), (0.16, ink, 0.34), (0.45, ink, 0.11), (1, ink, 0.0)]
    canvas.drawCircle(x, y, 0.42, brush.radial((x, y), 0.42, stops))


def _ghosts(canvas: skia.Canvas, stage: Stage) -> None:
    x, y = stage.sun
    dx, dy = stage.aspect / 2 - x, 0.5 - y
    for along, size, ink in ((0.7, 0.016, "#ffd9a0"), (1.25, 0.036, "#ffb08a"), (1.62, 0.022, "#d8e0ff")):
        px, py = x + dx * along, y + dy * along
        ring: list[Stop] = [(0, ink, 0.05), (0.8, ink, 0.13), (0.94, ink, 0.16), (1, ink, 0.0)]
        canvas.drawCircle(px, py, size, stage.brush.unlit().radial((px, py), size, ring))


def near_trunk(stage: Stage) -> Plate:
    """A trunk beside the camera, out of focus, for shots inside a wood."""
    rng = stage.rng("near trunk")
    on_left = stage.side > stage.aspect / 2
    x = (0.06 if on_left else stage.aspect - 0.06) + rng.uniform(-0.08, 0.08)
    wide = rng.uniform(0.10, 0.17) * stage.unit

    def paint(canvas: skia.Canvas) -> None:
        brush = stage.brush.lit(0.0)
        lean = rng.uniform(-0.05, 0.05)
        shape = smooth(
            [
                (x - wide * 1.2, 1.2),
                (x - wide * 0.7, 0.8),
                (x - wide * 0.55 + lean, 0.2),
                (x - wide * 0.5 + lean, -0.2),
                (x + wide * 0.5 + lean, -0.2),
                (x + wide * 0.55 + lean, 0.2),
                (x + wide * 0.7, 0.8),
                (x + wide * 1.3, 1.2),
            ],
            close=True,
        )
        stops: list[Stop] = [(0, "#5d4836", 1), (0.5, "#3a2c22", 1), (1, "#17100c", 1)]
        first, last = (x + wide, x - wide) if on_left else (x - wide, x + wide)
        canvas.drawPath(shape, brush.linear((first, 0), (last, 0), stops))
        canvas.save()
        canvas.clipPath(shape, True)
        marks = stage.rng("bark")
        for _ in range(70):
            bx, by = x + marks.uniform(-1, 1) * wide, marks.uniform(-0.05, 1.05)
            bark = smooth(
                [(bx, by), (bx + marks.uniform(-0.01, 0.01), by + 0.05), (bx, by + marks.uniform(0.06, 0.14))]
            )
            canvas.drawPath(bark, brush.stroke("#0d0907", marks.uniform(0.002, 0.007), 0.5))
        canvas.restore()

    return Plate(1.3, -0.1, 1.06, paint, blur=0.004)
