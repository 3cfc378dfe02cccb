"""Water: open sea, coast, a lake that mirrors its shore, and the sea bed."""

from __future__ import annotations

import math
from collections.abc import Iterator

import skia

from orchestrator.preview.brush import Stop, outline, smooth
from orchestrator.preview.foreground import blade, grass_row
from orchestrator.preview.layers import Layer, Live, LivePaint, Plate, Stage, Sway
from orchestrator.preview.lexicon import STANDING
from orchestrator.preview.palette import mix
from orchestrator.preview.terrains import far_blur, ridge_line, ridge_plate, three_ridges, tree_line

WATERS = ("sea", "coast", "lake", "seabed")


def water_layers(stage: Stage) -> Iterator[Layer]:
    match stage.art.terrain:
        case "sea":
            yield from _sea(stage)
        case "coast":
            yield from _coast(stage)
        case "lake":
            yield from _lake(stage)
        case _:
            yield from _seabed(stage)


def _water_plate(stage: Stage, top: float, *, depth: float = 0.6, calm: float = 1.0, bottom: float = 1.08) -> Plate:
    """The surface: sky's colour far off, its own near by, crests of light, and the sun's path."""

    def paint(canvas: skia.Canvas) -> None:
        left, right = stage.span(depth)
        left, right = left - 0.05, right + 0.05
        near, deep = stage.palette.water
        stops: list[Stop] = [(0, near, 1), (0.35, mix(near, deep, 0.55), 1), (1, deep, 1)]
        canvas.drawRect(skia.Rect(left, top, right, 1.3), stage.brush.linear((0, top), (0, 1.05), stops))
        rng = stage.rng("water")
        for _ in range(round(330 * (right - left))):
            v = rng.random() ** 1.7
            x, y = rng.uniform(left, right), top + 0.004 + v * (1.08 - top)
            wide, thick = (0.012 + 0.10 * v) * rng.uniform(0.5, 1.5), 0.0008 + 0.0045 * v * calm
            light = rng.random() < 0.55
            ink = mix(near, "#ffffff", 0.35) if light else mix(deep, "#000010", 0.25)
            line = smooth(
                [(x - wide, y), (x - wide * 0.3, y - thick), (x + wide * 0.3, y + thick * 0.4), (x + wide, y)]
            )
            canvas.drawPath(line, stage.brush.stroke(ink, thick, 0.30 if light else 0.24))
        _sun_path(canvas, stage, top)

    return Plate(depth, top, bottom, paint, sway=Sway("water", 0.0045 * calm, 5.2))


def _sun_path(canvas: skia.Canvas, stage: Stage, top: float) -> None:
    if stage.palette.sun_height < 0:
        return
    rng = stage.rng("sun path")
    x0 = stage.sun[0]
    ink = mix(stage.palette.sun, stage.palette.glow, 0.35)
    strength = 0.75 if stage.palette.sun_height < 0.2 else 0.40
    for _ in range(260):
        v = rng.random() ** 1.4
        y = top + 0.003 + v * (0.98 - top)
        x = x0 + rng.gauss(0, 0.018 + 0.075 * v)
        wide, thick = (0.008 + 0.035 * v) * rng.uniform(0.5, 1.3), 0.001 + 0.0035 * v
        canvas.drawLine(
            x - wide, y, x + wide, y, stage.brush.stroke(ink, thick, strength * (1 - 0.75 * v) * rng.random())
        )


def _glitter(stage: Stage, top: float) -> LivePaint:
    """Sparks that come and go, most of them in the sun's path."""
    rng = stage.rng("glitter")
    sparks = []
    for _ in range(70):
        v = rng.random() ** 1.3
        spread = 0.06 + 0.16 * v if stage.palette.sun_height >= 0 else 1.0
        sparks.append(
            (
                stage.sun[0] + rng.gauss(0, spread),
                top + 0.006 + v * (0.95 - top),
                v,
                rng.uniform(1.5, 3.5),
                rng.uniform(0, 6.3),
            )
        )
    ink = mix(stage.palette.sun, "#ffffff", 0.4)

    def paint(canvas: skia.Canvas, t: float) -> None:
        for x, y, v, rate, phase in sparks:
            shine = max(0.0, math.sin(rate * t + phase)) ** 3
            if shine > 0.05:
                wide = 0.004 + 0.014 * v
                canvas.drawLine(x - wide, y, x + wide, y, stage.brush.stroke(ink, 0.001 + 0.002 * v, 0.8 * shine))

    return paint


def _swell(stage: Stage, number: int, depth: float, y: float, height: float, bottom: float = 1.08) -> Plate:
    """One long wave towards the camera with a lit crest and broken foam."""
    storm = stage.art.sky == "storm"
    height *= 2.2 if storm else 1.0

    def paint(canvas: skia.Canvas) -> None:
        left, right = stage.span(depth)
        left, right = left - 0.15, right + 0.15
        near, deep = stage.palette.water
        crest = [(x, y - height * (v - 0.5)) for x, v in ridge_line(stage, f"swell{number}", (left, right), 0.45, 0.5)]
        stops: list[Stop] = [
            (0, mix(near, deep, 0.30), 0.95),
            (0.3, mix(near, deep, 0.68), 0.95),
            (1, mix(deep, "#000010", 0.18), 1),
        ]
        body = outline([*crest, (right, 1.3), (left, 1.3)])
        canvas.drawPath(body, stage.brush.linear((0, y - height * 0.5), (0, y + 0.20), stops))
        rng = stage.rng(f"foam{number}")
        canvas.drawPath(smooth(crest), stage.brush.stroke(mix(near, "#ffffff", 0.5), 0.0022, 0.55))
        flecks = 240 if storm else 70
        for _ in range(flecks):
            x, cy = crest[rng.randrange(len(crest))]
            fall = abs(rng.gauss(0, 0.4)) * height
            wide = rng.uniform(0.004, 0.022) * (0.6 + depth)
            lit = stage.brush.lifted(0.25).fill("#f4fbff", 0.34 if storm else 0.26)
            canvas.drawOval(skia.Rect(x - wide, cy + fall, x + wide, cy + fall + wide * 0.22), lit)

    return Plate(
        depth,
        y - height,
        bottom,
        paint,
        sway=Sway("water", 0.006, 4.0 + number, phase=2.1 * number),
        bob=height * (0.22 if storm else 0.05) * (1 if number % 2 else -1),
    )


def _sea(stage: Stage) -> Iterator[Layer]:
    h = stage.horizon
    if stage.rng("island").random() < 0.4:
        yield _island(stage)
    yield _water_plate(stage, h)
    yield Live(0.6, _glitter(stage, h))
    rough = {"wide": 0.8, "medium": 1.0, "close": 1.7}[stage.art.framing] * stage.rng("rough").uniform(0.7, 1.3)
    for number, (depth, at, tall) in enumerate(((0.7, 0.30, 0.030), (0.82, 0.52, 0.045), (1.0, 0.80, 0.07))):
        yield _swell(stage, number, depth, h + (1 - h) * at, tall * rough)


def _island(stage: Stage) -> Plate:
    """Land far off, on the side of the sun."""
    rng = stage.rng("island shape")
    centre, wide = stage.aspect - stage.side + rng.uniform(-0.3, 0.3), rng.uniform(0.16, 0.42)
    tall = rng.uniform(0.03, 0.08)
    h = stage.horizon

    def paint(canvas: skia.Canvas) -> None:
        line = ridge_line(stage, "island line", (centre - wide, centre + wide), 0.5, 0.3)
        crest = []
        for x, v in line:
            hump = max(0.0, 1 - ((x - centre) / wide) ** 2)
            crest.append((x, h + 0.004 - tall * hump**0.8 * (0.45 + 0.55 * v)))
        ink: list[Stop] = [(0, "#5d6d66", 1), (1, "#5d6d66", 1)]
        body = outline([*crest, (centre + wide, h + 0.02), (centre - wide, h + 0.02)])
        canvas.drawPath(body, stage.brush.lit(0.5).linear((0, h - tall), (0, h), ink))

    return Plate(0.3, h - tall - 0.02, h + 0.02, paint, blur=far_blur(stage))


def _coast(stage: Stage) -> Iterator[Layer]:
    """Sea behind, a headland on one side, surf and wet sand in front."""
    h = stage.horizon
    shore = h + (1 - h) * 0.36
    yield ridge_plate(
        stage, "far coast", depth=0.3, base=h, height=0.06, ink="#5a6a62", haze=0.6, scale=0.5, blur=far_blur(stage)
    )
    hidden = shore + 0.10  # by the beach
    yield _water_plate(stage, h, depth=0.55, bottom=hidden)
    yield Live(0.55, _glitter(stage, h))
    rough = stage.art.sky == "storm"
    yield _swell(stage, 0, 0.58, h + (shore - h) * (0.30 if rough else 0.55), 0.022, hidden)
    yield _headland(stage)
    yield Live(0.6, _breakers(stage))
    if rough:
        yield _swell(stage, 1, 0.70, h + (shore - h) * 0.66, 0.034, hidden)
    yield _beach(stage, shore)
    yield Live(0.85, _surf(stage, shore))


def _cliff_line(stage: Stage) -> tuple[float, float, float]:
    """(inner end, outer end, water line) of the headland."""
    left, right = stage.span(0.6)
    out = stage.side > stage.aspect / 2
    return stage.side - (0.36 if out else -0.36), right + 0.1 if out else left - 0.1, stage.horizon + 0.035


def _cliff_foot(stage: Stage) -> list[tuple[float, float]]:
    """Where rock meets water: level, coming a little towards us with ledges and bays, and round at the tip."""
    inner, edge, water = _cliff_line(stage)
    rng = stage.rng("cliff foot")
    steps = 26
    foot = []
    for k in range(steps + 1):
        f = k / steps
        near = 0.030 * (1 - math.exp(-5 * f)) + (rng.uniform(-0.007, 0.007) if k else 0.0)
        foot.append((inner + (edge - inner) * f, water + near))
    return foot


def _headland(stage: Stage) -> Plate:
    """A cliff on the subject's side, for a lighthouse or a walker to stand before; it stands in the water."""
    inner, edge, water = _cliff_line(stage)
    depth = 0.6

    def paint(canvas: skia.Canvas) -> None:
        rng = stage.rng("cliff")
        steps = 22
        top = [(inner, water + 0.004)]
        for k in range(1, steps + 1):
            f = k / steps
            rise = 0.02 + 0.19 * (1 - math.exp(-3.2 * f)) + rng.uniform(-0.006, 0.006)
            top.append((inner + (edge - inner) * f, water - rise * (0.85 + 0.2 * stage.zoom)))
        foot = _cliff_foot(stage)
        brush = stage.brush.lit(0.22)
        _cliff_mirror(canvas, stage, foot)
        shape = outline([*top, *reversed(foot)])
        stops: list[Stop] = [(0, "#6d7a4a", 1), (0.22, "#8a7862", 1), (0.75, "#5a4f4c", 1), (1, "#2c292e", 1)]
        canvas.drawPath(shape, brush.linear((0, water - 0.24), (0, water + 0.04), stops))
        canvas.save()
        canvas.clipPath(shape, True)
        for _ in range(46):  # faces of rock, lit from one side
            x, y = rng.uniform(min(inner, edge), max(inner, edge)), water - rng.uniform(-0.03, 0.16)
            wide, tall = rng.uniform(0.02, 0.06), rng.uniform(0.03, 0.08)
            face = [(x, y - tall), (x + wide * 0.5, y - tall * 0.8), (x + wide * 0.3, y), (x - wide * 0.4, y)]
            lit = rng.random() < 0.5
            canvas.drawPath(outline(face), brush.fill("#b09a7c" if lit else "#2b2830", 0.20 if lit else 0.26))
        canvas.drawPath(smooth(foot), brush.stroke("#1d1b20", 0.022, 0.55))
        canvas.drawPath(smooth(top), brush.stroke("#8f9e58", 0.016))
        canvas.restore()
        for _ in range(9):  # boulders awash at the tip
            x = inner + rng.uniform(-0.06, 0.30) * (1 if edge > inner else -1)
            y, r = water + rng.uniform(0.012, 0.034), rng.uniform(0.006, 0.018)
            stone = skia.Path()
            stone.addArc(skia.Rect(x - r * 1.5, y - r, x + r * 1.5, y + r), 180, 180)
            canvas.drawPath(stone, brush.linear((0, y - r), (0, y), [(0, "#7d6f62", 1), (1, "#2a272c", 1)]))

    return Plate(depth, water - 0.30, water + 0.16, paint)


def _cliff_mirror(canvas: skia.Canvas, stage: Stage, foot: list[tuple[float, float]]) -> None:
    """The rock's dark reflection, broken by the ripples, fading towards us."""
    rng = stage.rng("cliff mirror")
    ink = mix(stage.palette.water[1], "#1d1b20", 0.5)
    for x, y in foot[1:]:
        for k in range(7):
            wide = rng.uniform(0.03, 0.06)
            at = y + 0.012 * k
            canvas.drawOval(
                skia.Rect(x - wide, at - 0.007, x + wide, at + 0.009), stage.brush.fill(ink, 0.20 - 0.025 * k)
            )


def _breakers(stage: Stage) -> LivePaint:
    """Foam along the headland's foot that swells and falls back; in a storm it is thrown up the rock."""
    foot = _cliff_foot(stage)
    storm = stage.art.sky == "storm"
    rng = stage.rng("breakers")
    force = 2.3 if storm else 1.0
    bursts = []
    for _ in range(8):
        drops = [(rng.gauss(0, 0.5), rng.uniform(0.2, 1.0), rng.uniform(0.4, 1.4)) for _ in range(14 if storm else 0)]
        at = foot[rng.randrange(0, len(foot) * 2 // 3)]
        bursts.append((*at, rng.uniform(0, 6.3), rng.uniform(0.9, 1.5), drops))
    foam = stage.brush.lifted(0.45)

    def paint(canvas: skia.Canvas, t: float) -> None:
        for lag, width, alpha in ((0.0, 0.011, 0.55), (0.9, 0.006, 0.85)):
            line = [
                (x, y + 0.003 * force * math.sin(1.1 * t + 7 * x + lag) + (0.006 if lag == 0 else 0.0)) for x, y in foot
            ]
            canvas.drawPath(smooth(line), foam.stroke("#ffffff", width * (1.35 if storm else 1.0), alpha))
        for x, y, phase, rate, drops in bursts:
            wave = max(0.0, math.sin(rate * t + phase)) ** 2
            if wave < 0.03:
                continue
            wide, tall = 0.030 * force * (0.6 + 0.4 * wave), 0.016 * force * force * wave
            for dx, up, r in ((-0.45, 0.5, 0.45), (0.0, 0.8, 0.6), (0.4, 0.45, 0.4)):
                cx, cy, reach = x + dx * wide, y - up * tall * 0.5, r * (wide + tall)
                veil: list[Stop] = [(0, "#ffffff", 0.55 * wave), (0.5, "#ffffff", 0.26 * wave), (1, "#ffffff", 0.0)]
                canvas.drawCircle(cx, cy, reach, foam.radial((cx, cy), reach, veil))
            for dx, up, r in drops:
                fan = dx * wide * (0.5 + up)
                canvas.drawCircle(
                    x + fan, y - tall * up * (1.7 - dx * dx), 0.0022 * r, foam.fill("#ffffff", 0.7 * wave * (1.1 - up))
                )

    return paint


def _beach(stage: Stage, shore: float) -> Plate:
    def paint(canvas: skia.Canvas) -> None:
        left, right = stage.span(0.85)
        brush = stage.brush.lit(0.0)
        edge = [(x, shore + 0.03 * (v - 0.5)) for x, v in ridge_line(stage, "shore", (left, right), 0.4, 0.8)]
        stops: list[Stop] = [(0, "#a98d66", 1), (0.18, "#cfae7c", 1), (0.5, "#e2c38e", 1), (1, "#a67f4d", 1)]
        canvas.drawPath(outline([*edge, (right, 1.3), (left, 1.3)]), brush.linear((0, shore), (0, 1.08), stops))
        wet: list[Stop] = [(0, stage.palette.water[0], 0.55), (1, stage.palette.water[0], 0)]
        canvas.drawPath(
            outline([*edge, (right, shore + 0.1), (left, shore + 0.1)]),
            stage.brush.linear((0, shore - 0.01), (0, shore + 0.09), wet),
        )
        rng = stage.rng("sand")
        for _ in range(900):
            x, v = rng.uniform(left, right), rng.random() ** 0.7
            y = shore + 0.06 + v * (1.05 - shore)
            ink = "#7d6038" if rng.random() < 0.6 else "#f6e2b8"
            canvas.drawOval(
                skia.Rect(x, y, x + 0.002 + 0.006 * v, y + 0.001 + 0.0016 * v), brush.fill(ink, rng.uniform(0.12, 0.4))
            )

    return Plate(0.85, shore - 0.03, 1.1, paint)


def _surf(stage: Stage, shore: float) -> LivePaint:
    """Two sheets of foam that run up the sand and back."""
    left, right = stage.span(0.85)
    lines = [ridge_line(stage, f"surf{k}", (left, right), 0.55, 0.45) for k in range(2)]

    def paint(canvas: skia.Canvas, t: float) -> None:
        for k, line in enumerate(lines):
            run = math.sin(0.75 * t + 2.4 * k)
            reach = shore + 0.006 + 0.022 * k + 0.020 * run
            front = [(x, reach + 0.024 * (v - 0.5)) for x, v in line]
            sheet = outline([*front, (right, shore - 0.03), (left, shore - 0.03)])
            veil: list[Stop] = [
                (0, stage.palette.water[0], 0.0),
                (1, mix(stage.palette.water[0], "#ffffff", 0.5), 0.42),
            ]
            canvas.drawPath(sheet, stage.brush.linear((0, shore - 0.03), (0, reach + 0.02), veil))
            foam = stage.brush.lifted(0.45)
            canvas.drawPath(smooth(front), foam.stroke("#ffffff", 0.007, 0.75 - 0.2 * run))
            trail = [(x, y - 0.012 - 0.006 * math.sin(9 * x + t)) for x, y in front]
            canvas.drawPath(smooth(trail), foam.stroke("#ffffff", 0.0025, 0.45))

    return paint


def _lake(stage: Stage) -> Iterator[Layer]:
    """Still water that holds the sky and the hills upside down."""
    h = stage.horizon
    yield from three_ridges(stage, "#48596a", tall=1.35)
    yield tree_line(
        stage, "lake wood", depth=0.5, base=h + 0.008, height=0.075 + 0.02 * stage.zoom, haze=0.28, ink="#2f4c3c"
    )
    top = h + 0.008

    def paint(canvas: skia.Canvas) -> None:
        left, right = stage.span(0.55)
        left, right = left - 0.05, right + 0.05
        sky = stage.palette.sky
        stops: list[Stop] = [
            (0, mix(sky[4], "#20303c", 0.12), 1),
            (0.3, mix(sky[3], "#20303c", 0.16), 1),
            (0.65, mix(sky[2], "#1a2834", 0.22), 1),
            (1, mix(sky[1], "#101c28", 0.35), 1),
        ]
        canvas.drawRect(skia.Rect(left, top, right, 1.3), stage.brush.linear((0, top), (0, 1.08), stops))
        for name, height, haze in (("r0", 0.20, 0.70), ("r1", 0.14, 0.55), ("lake wood", 0.085, 0.34)):
            crest = [(x, top + height * (0.25 + 0.75 * v)) for x, v in ridge_line(stage, name, (left, right), 0.5, 0.4)]
            shape = outline([*crest, (right, top), (left, top)])
            shade: list[Stop] = [(0, "#3b4f58", 0.72), (1, "#3b4f58", 0.34)]
            canvas.drawPath(shape, stage.brush.lit(haze).linear((0, top), (0, top + height), shade))
        _sun_path(canvas, stage, top)
        rng = stage.rng("lake lines")
        for _ in range(150):
            v = rng.random() ** 1.3
            x, y, wide = rng.uniform(left, right), top + 0.004 + v * (1.05 - top), rng.uniform(0.02, 0.14) * (0.3 + v)
            ink = mix(sky[4], "#ffffff", 0.4) if rng.random() < 0.6 else "#16242e"
            canvas.drawLine(x - wide, y, x + wide, y, stage.brush.stroke(ink, 0.0008 + 0.002 * v, 0.16))

    yield Plate(0.55, top, 1.08, paint, sway=Sway("water", 0.0035, 6.0))
    yield Live(0.55, _glitter(stage, top))
    if any(subject.sprite in STANDING for subject in stage.art.subjects):
        yield _bank(stage, h + (1 - h) * 0.72)


def _bank(stage: Stage, top: float) -> Plate:
    """Grass on the near shore, for whoever stands there."""

    def paint(canvas: skia.Canvas) -> None:
        left, right = stage.span(0.85)
        rng = stage.rng("bank")
        brush = stage.brush.lit(0.0)
        edge = [(x, top + 0.035 * (v - 0.5)) for x, v in ridge_line(stage, "bank", (left, right), 0.4, 0.7)]
        stops: list[Stop] = [(0, "#6f7f42", 1), (1, "#22331c", 1)]
        canvas.drawPath(outline([*edge, (right, 1.3), (left, 1.3)]), brush.linear((0, top), (0, 1.06), stops))
        for x, y in edge:
            for _ in range(5):
                blade(
                    canvas,
                    x + rng.uniform(-0.006, 0.006),
                    y + 0.008,
                    rng.uniform(0.012, 0.035),
                    rng.gauss(0, 0.008),
                    0.003,
                    brush.fill(mix("#7d8f48", "#33512a", rng.random())),
                )
        for row in range(5):
            base = top + 0.05 + row * 0.06
            grass_row(canvas, rng, brush, (left, right), base, 0.05 + 0.012 * row, 90, ("#5f7a3c", "#22401f"))

    return Plate(0.85, top - 0.06, 1.1, paint)


def _seabed(stage: Stage) -> Iterator[Layer]:
    """Hazy rock shelves, sand with light running over it."""
    h = stage.horizon
    rng = stage.rng("shelves")
    for number, (depth, base, tall, haze) in enumerate(((0.3, h, 0.34, 0.80), (0.48, h + 0.04, 0.24, 0.58))):
        height = tall * rng.uniform(0.45, 1.5)
        yield ridge_plate(
            stage,
            f"shelf{number}",
            depth=depth,
            base=base,
            height=height,
            ink="#2a5a6b",
            haze=haze,
            rough=rng.choice((0.45, 0.62)),
            scale=rng.uniform(0.25, 0.8),
            blur=0.003,
        )
    yield _sea_floor(stage, h + 0.04)
    yield Live(0.85, _caustics(stage, h + 0.08))


def _sea_floor(stage: Stage, top: float) -> Plate:
    def paint(canvas: skia.Canvas) -> None:
        left, right = stage.span(0.85)
        crest = [(x, top + 0.06 * (0.5 - v)) for x, v in ridge_line(stage, "floor", (left, right), 0.4, 0.7)]
        stops: list[Stop] = [(0, mix("#c9b88a", "#137298", 0.55), 1), (0.5, "#b8a677", 1), (1, "#5f6f66", 1)]
        canvas.drawPath(
            outline([*crest, (right, 1.3), (left, 1.3)]), stage.brush.lit(0.06).linear((0, top), (0, 1.08), stops)
        )
        rng = stage.rng("pebbles")
        for _ in range(220):
            x, v = rng.uniform(left, right), rng.random()
            y, size = top + 0.03 + v * (1.05 - top), rng.uniform(0.002, 0.008) * (0.4 + v)
            canvas.drawOval(
                skia.Rect(x - size, y - size * 0.5, x + size, y + size * 0.5),
                stage.brush.lit(0.1).fill(rng.choice(("#8a7a5c", "#e6d9b0", "#5d6a66")), 0.5),
            )

    return Plate(0.85, top - 0.05, 1.1, paint)


def _caustics(stage: Stage, top: float) -> LivePaint:
    rng = stage.rng("caustics")
    lines = [(rng.uniform(0, stage.aspect), rng.random(), rng.uniform(0, 6.3)) for _ in range(34)]

    def paint(canvas: skia.Canvas, t: float) -> None:
        for x, v, phase in lines:
            y = top + v * (1.02 - top)
            wide = 0.03 + 0.07 * v
            bright = 0.22 * max(0.0, math.sin(0.9 * t + phase))
            if bright < 0.01:
                continue
            dx = 0.012 * math.sin(0.6 * t + phase)
            wave = [
                (x + dx + wide * (k - 2) / 2, y + 0.012 * math.sin(1.3 * t + phase + 1.7 * k) * (0.4 + v))
                for k in range(5)
            ]
            canvas.drawPath(smooth(wave), stage.brush.stroke("#e6fff6", 0.002 + 0.003 * v, bright))

    return paint
