"""Places people made or went to: a city, rooms, a planet's surface, an orbit."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator

import skia

from orchestrator.preview.brush import Brush, Stop, outline, smooth
from orchestrator.preview.layers import Layer, Live, LivePaint, Plate, Stage, Sway
from orchestrator.preview.palette import Ink, mix
from orchestrator.preview.terrains import far_blur, ground_plate, peaks_plate, ridge_plate

PLACES = ("city", "room", "diner", "planet", "orbit")


def place_layers(stage: Stage) -> Iterator[Layer]:
    match stage.art.terrain:
        case "city":
            yield from _city(stage)
        case "room":
            yield from _room(stage)
        case "diner":
            yield from _diner(stage)
        case "planet":
            yield from _planet(stage)
        case _:
            yield from _orbit(stage)


# --- city ---


def _city(stage: Stage) -> Iterator[Layer]:
    h = stage.horizon + 0.03
    blur = far_blur(stage) * 1.3
    # From below, towers fill the sky; other streets are lower or taller, row by row.
    lift = (1.0 + 2.6 * max(0.0, stage.horizon - 0.68)) * stage.rng("skyline").uniform(0.72, 1.2)
    for row, (depth, tall, haze) in enumerate(((0.26, 0.38, 0.66), (0.4, 0.33, 0.44), (0.58, 0.46, 0.20))):
        tall *= lift * stage.rng(f"skyline{row}").uniform(0.85, 1.15)
        yield _blocks(stage, row, depth, h + 0.012 * row, tall, haze, blur)
    if stage.art.framing == "close" and stage.palette.lamps:
        yield Plate(0.6, 0.05, h + 0.06, lambda canvas: _city_bokeh(canvas, stage, h), detail=0.5)
    yield _street_plate(stage, h + 0.02)
    if stage.palette.lamps:
        yield Live(0.6, _window_life(stage, h))


def _blocks(stage: Stage, row: int, depth: float, base: float, tall: float, haze: float, blur: float) -> Plate:
    """A row of buildings, lower in the middle of the street so that the sky opens there."""

    def paint(canvas: skia.Canvas) -> None:
        rng = stage.rng(f"blocks{row}")
        left, right = stage.span(depth)
        x = left - 0.05
        brush = stage.brush.lit(haze)
        gap = stage.aspect - stage.side
        while x < right:
            wide = rng.uniform(0.07, 0.16) * (0.75 + 0.3 * stage.zoom) * (0.7 + 0.2 * row)
            open_sky = 0.45 + 0.75 * min(1.0, abs(x + wide / 2 - gap) / (0.75 * stage.aspect / 1.78))
            height = tall * rng.uniform(0.5, 1.05) * open_sky * (0.8 + 0.2 * stage.zoom)
            _tower(canvas, stage, rng, brush, skia.Rect(x, base - height, x + wide, base + 0.03))
            x += wide + (rng.uniform(-0.01, 0.02) if row < 2 else rng.uniform(0.0, 0.10))

    return Plate(depth, base - tall * 1.5 - 0.12, base + 0.03, paint, blur=blur)


def _tower(canvas: skia.Canvas, stage: Stage, rng: random.Random, brush: Brush, box: skia.Rect) -> None:
    wall = rng.choice(("#5d6270", "#6b5a55", "#4a5568", "#756a62", "#52606b"))
    stops: list[Stop] = [(0, mix(wall, "#ffffff", 0.10), 1), (1, mix(wall, "#0a0c18", 0.42), 1)]
    canvas.drawRect(box, brush.linear((box.left(), 0), (box.right(), 0), stops))
    style = rng.random()
    middle = box.centerX()
    if style < 0.3:
        inset = box.width() * 0.2
        top = skia.Rect(box.left() + inset, box.top() - 0.03, box.right() - inset, box.top())
        canvas.drawRect(top, brush.linear((box.left(), 0), (box.right(), 0), stops))
    elif style < 0.5:
        canvas.drawLine(middle, box.top(), middle, box.top() - rng.uniform(0.03, 0.09), brush.stroke("#3a3f4a", 0.003))
    elif style < 0.62:
        canvas.drawPath(
            outline([(box.left(), box.top()), (middle, box.top() - 0.05), (box.right(), box.top())]),
            brush.fill(mix(wall, "#0a0c18", 0.2)),
        )
    _windows(canvas, stage, rng, brush, box)


def _windows(canvas: skia.Canvas, stage: Stage, rng: random.Random, brush: Brush, box: skia.Rect) -> None:
    columns = max(3, round(box.width() / 0.017))
    pitch = box.width() / (columns + 0.6)
    rows = max(2, int(box.height() / (pitch * 1.45)))
    lit_share = {"night": 0.52, "dusk": 0.40, "storm": 0.36}.get(stage.art.sky, 0.0)
    glass = brush.fill("#8fa6ba" if not stage.palette.lamps else "#27304a", 0.75)
    for r in range(rows):
        dark_floor = rng.random() < 0.18
        for c in range(columns):
            x = box.left() + pitch * (c + 0.55)
            y = box.top() + pitch * 0.7 + r * pitch * 1.45
            pane = skia.Rect(x, y, x + pitch * 0.58, y + pitch * 0.85)
            if not dark_floor and rng.random() < lit_share:
                ink = rng.choice(("#ffd98a", "#ffc46a", "#ffe7b8", "#d8e8ff"))
                canvas.drawRect(pane, stage.brush.fill(ink, rng.uniform(0.55, 1.0)))
            else:
                canvas.drawRect(pane, glass)


def _city_bokeh(canvas: skia.Canvas, stage: Stage, base: float) -> None:
    """Lamps and windows out of focus: discs with a brighter rim."""
    rng = stage.rng("city bokeh")
    left, right = stage.span(0.6)
    for _ in range(round(26 * (right - left))):
        x, y = rng.uniform(left, right), base - 0.42 * rng.random() ** 1.6
        r = rng.uniform(0.012, 0.038)
        ink = rng.choice(("#ffb84a", "#ff6a5c", "#7fd0ff", "#ffd98a", "#ff9ad1", "#ffe7b8"))
        canvas.drawCircle(x, y, r, stage.brush.fill(ink, rng.uniform(0.12, 0.38)))
        canvas.drawCircle(x, y, r, stage.brush.stroke(ink, 0.0016, 0.30))


def _window_life(stage: Stage, base: float) -> LivePaint:
    """A few windows that go on and off, and red lights on the roofs."""
    rng = stage.rng("window life")
    panes = [
        (rng.uniform(0, stage.aspect), base - rng.uniform(0.04, 0.22), rng.uniform(0.2, 0.5), rng.uniform(0, 6.3))
        for _ in range(26)
    ]

    def paint(canvas: skia.Canvas, t: float) -> None:
        for x, y, rate, phase in panes:
            on = math.sin(rate * t + phase)
            if on > 0:
                glow = min(1.0, on * 3) * 0.35
                stage.brush.glow(canvas, x, y, 0.022, "#ffd08a", glow)

    return paint


def _street_plate(stage: Stage, top: float) -> Plate:
    """Pavement to the vanishing point; wet, it mirrors the lights."""
    wet = "rain" in stage.art.atmosphere

    def paint(canvas: skia.Canvas) -> None:
        left, right = stage.span(0.85)
        brush = stage.brush.lit(0.0)
        stops: list[Stop] = [(0, "#6a6c76", 1), (1, "#2b2d36", 1)]
        canvas.drawRect(skia.Rect(left, top, right, 1.3), brush.linear((0, top), (0, 1.05), stops))
        vanish = (stage.aspect - stage.side, top)
        for spread in (-1.9, -0.62, 0.62, 1.9):
            line = outline([vanish, (vanish[0] + spread - 0.02, 1.1), (vanish[0] + spread + 0.02, 1.1)])
            canvas.drawPath(line, brush.fill("#c9c4b0", 0.30))
        for k in range(9):
            near = ((k + 0.5) / 9) ** 1.8
            y = top + near * (1.1 - top)
            wide, long = 0.004 + 0.012 * near, 0.01 + 0.07 * near
            canvas.drawRect(skia.Rect(vanish[0] - wide, y, vanish[0] + wide, y + long), brush.fill("#e6e0c8", 0.5))
        if stage.palette.lamps:
            _reflections(canvas, stage, top, 0.5 if wet else 0.17)
        sheen: list[Stop] = [(0, stage.palette.haze, 0.55), (1, stage.palette.haze, 0.0)]
        canvas.drawRect(skia.Rect(left, top, right, top + 0.2), stage.brush.linear((0, top), (0, top + 0.16), sheen))

    return Plate(0.85, top, 1.1, paint, sway=Sway("water", 0.0018 if wet else 0.0, 3.0))


def _reflections(canvas: skia.Canvas, stage: Stage, top: float, strength: float) -> None:
    rng = stage.rng("reflections")
    left, right = stage.span(0.85)
    for _ in range(round(34 * (right - left))):
        x = rng.uniform(left, right)
        ink = rng.choice(("#ffc46a", "#ffd98a", "#ff6a5c", "#7fd0ff", "#ffe7b8", "#ff9ad1"))
        wide, long = rng.uniform(0.004, 0.022), rng.uniform(0.08, 0.34)
        stops: list[Stop] = [(0, ink, strength * rng.uniform(0.5, 1.0)), (1, ink, 0)]
        paint = stage.brush.linear((0, top), (0, top + long), stops)
        canvas.drawOval(skia.Rect(x - wide, top - long * 0.2, x + wide, top + long), paint)


# --- indoors ---


def _room(stage: Stage) -> Iterator[Layer]:
    """A quiet room: one tall window with the sky in it, a floor with its light, a lamp and a table."""
    floor = stage.horizon + 0.10
    x = stage.aspect - stage.side
    wide, top, low = 0.27 * (0.8 + 0.2 * stage.zoom), 0.12, floor - 0.12
    pane = skia.Rect(x - wide, top, x + wide, low)
    yield Plate(0.5, -0.1, 1.1, lambda canvas: _paint_room(canvas, stage, pane, floor))
    yield Live(0.52, _curtains(stage, pane))
    yield Live(0.6, _room_light(stage, pane, floor))


def _paint_room(canvas: skia.Canvas, stage: Stage, pane: skia.Rect, floor: float) -> None:
    left, right = stage.span(0.5)
    brush = stage.brush.lifted(0.15)
    walls = skia.Path()
    walls.addRect(skia.Rect(left, -0.2, right, floor))
    hole = skia.Path()
    hole.addRect(pane)
    walls.setFillType(skia.PathFillType.kEvenOdd)
    walls.addRect(pane)
    stops: list[Stop] = [(0, "#8f7f72", 1), (0.5, "#6d5f5c", 1), (1, "#3f3840", 1)]
    canvas.drawPath(walls, brush.radial((pane.centerX(), pane.centerY()), 1.5, stops))
    canvas.drawRect(skia.Rect(left, floor - 0.028, right, floor), brush.fill("#d8c9b5", 0.7))
    boards: list[Stop] = [(0, "#7a5538", 1), (1, "#33221a", 1)]
    canvas.drawRect(skia.Rect(left, floor, right, 1.3), brush.linear((0, floor), (0, 1.08), boards))
    for k in range(-14, 15):
        foot = pane.centerX() + k * 0.26
        top_x = pane.centerX() + k * 0.10
        canvas.drawLine(top_x, floor, foot, 1.2, brush.stroke("#22160f", 0.003, 0.45))
    patch = outline(
        [
            (pane.left() + 0.02, floor + 0.05),
            (pane.right() - 0.02, floor + 0.05),
            (pane.right() + 0.13, 1.02),
            (pane.left() - 0.02, 1.02),
        ]
    )
    light: list[Stop] = [(0, stage.palette.glow, 0.55), (1, stage.palette.glow, 0.05)]
    canvas.drawPath(patch, stage.brush.linear((0, floor), (0, 1.02), light))
    frame = brush.stroke("#e6dac6", 0.018)
    canvas.drawRect(pane, frame)
    canvas.drawLine(pane.centerX(), pane.top(), pane.centerX(), pane.bottom(), brush.stroke("#e6dac6", 0.011))
    for f in (0.36, 0.68):
        y = pane.top() + pane.height() * f
        canvas.drawLine(pane.left(), y, pane.right(), y, brush.stroke("#e6dac6", 0.008))
    sill = skia.Rect(pane.left() - 0.04, pane.bottom(), pane.right() + 0.04, pane.bottom() + 0.022)
    canvas.drawRect(sill, brush.fill("#efe4d0"))
    _picture_frames(canvas, stage, brush, pane)


def _picture_frames(canvas: skia.Canvas, stage: Stage, brush: Brush, pane: skia.Rect) -> None:
    rng = stage.rng("frames")
    x = stage.side
    for dx, dy, w, h in ((-0.15, 0.0, 0.13, 0.17), (0.03, 0.03, 0.10, 0.10), (0.16, -0.02, 0.09, 0.14)):
        rect = skia.Rect.MakeXYWH(x + dx, 0.20 + dy, w, h)
        if skia.Rect.Intersects(rect, pane.makeOutset(0.12, 0.0)):
            continue
        canvas.drawRect(rect.makeOutset(0.009, 0.009), brush.fill("#3a2a20"))
        tone = rng.choice(("#a8b5a0", "#c9a98a", "#8f9db5"))
        stops: list[Stop] = [
            (0, mix(tone, "#ffffff", 0.3), 1),
            (0.6, tone, 1),
            (0.62, mix(tone, "#2a2a30", 0.4), 1),
            (1, "#40403c", 1),
        ]
        canvas.drawRect(rect, brush.linear((0, rect.top()), (0, rect.bottom()), stops))


def _curtains(stage: Stage, pane: skia.Rect) -> LivePaint:
    brush = stage.brush.lifted(0.3)

    def paint(canvas: skia.Canvas, t: float) -> None:
        for side in (-1, 1):
            hang = pane.left() - 0.05 if side < 0 else pane.right() + 0.05
            for k in range(6):
                sway = 0.010 * math.sin(0.8 * t + 0.5 * k) * (1 if side < 0 else -1)
                x0 = hang - side * 0.022 * k
                fold = smooth(
                    [
                        (x0, pane.top() - 0.04),
                        (x0 + sway * 0.4, pane.top() + pane.height() * 0.5),
                        (x0 + sway, pane.bottom() + 0.10),
                    ]
                )
                ink = mix("#d9b8a0", "#7a5a58", k % 2 * 0.35)
                canvas.drawPath(fold, brush.stroke(ink, 0.027, 0.88))
        rail = brush.stroke("#3a2a20", 0.010)
        canvas.drawLine(pane.left() - 0.09, pane.top() - 0.04, pane.right() + 0.09, pane.top() - 0.04, rail)

    return paint


def _room_light(stage: Stage, pane: skia.Rect, floor: float) -> LivePaint:
    """Dust in the window's light, and a standing lamp when it is dark outside."""
    rng = stage.rng("room dust")
    motes = [(rng.uniform(-0.4, 0.5), rng.random(), rng.uniform(0.1, 0.3), rng.uniform(0, 6.3)) for _ in range(40)]
    x0 = stage.side + (0.36 if stage.side > stage.aspect / 2 else -0.36)
    brush = stage.brush.lifted(0.4)

    def paint(canvas: skia.Canvas, t: float) -> None:
        for dx, v, rate, phase in motes:
            x = pane.centerX() + dx + 0.05 * math.sin(rate * t + phase)
            y = 0.2 + 0.7 * ((v + 0.012 * t) % 1.0)
            canvas.drawCircle(x, y, 0.0016, stage.brush.fill("#fff3d8", 0.35 + 0.3 * math.sin(2 * rate * t + phase)))
        canvas.drawLine(x0, floor + 0.05, x0, floor - 0.34, brush.stroke("#2a2220", 0.008))
        canvas.drawOval(skia.Rect(x0 - 0.06, floor + 0.04, x0 + 0.06, floor + 0.06), brush.fill("#2a2220"))
        shade = outline(
            [
                (x0 - 0.05, floor - 0.42),
                (x0 + 0.05, floor - 0.42),
                (x0 + 0.085, floor - 0.30),
                (x0 - 0.085, floor - 0.30),
            ]
        )
        if stage.palette.lamps:
            stage.brush.glow(canvas, x0, floor - 0.34, 0.55 + 0.01 * math.sin(3 * t), "#ffc46a", 0.55)
            canvas.drawPath(shade, stage.brush.fill("#ffe2a8"))
        else:
            canvas.drawPath(shade, brush.fill("#e6d3b0"))

    return paint


def _diner(stage: Stage) -> Iterator[Layer]:
    """A long window on the night, a counter with stools, pendant lamps, a sign."""
    floor = stage.horizon + 0.14
    soft = far_blur(stage) * 0.6
    yield Plate(0.45, -0.1, 1.1, lambda canvas: _paint_diner(canvas, stage, floor), blur=soft)
    yield Live(0.6, _diner_lights(stage))
    yield Plate(0.85, floor - 0.24, 1.1, lambda canvas: _paint_counter(canvas, stage, floor))


def _paint_diner(canvas: skia.Canvas, stage: Stage, floor: float) -> None:
    left, right = stage.span(0.45)
    brush = stage.brush.lifted(0.42)
    top, low = 0.20, floor - 0.20
    _night_street(canvas, stage, left, right, top, low)
    wall: list[Stop] = [(0, "#3f6a66", 1), (1, "#23403f", 1)]
    canvas.drawRect(skia.Rect(left, -0.2, right, top), brush.linear((0, -0.05), (0, top), wall))
    lower: list[Stop] = [(0, "#8a3530", 1), (1, "#4d1d1e", 1)]
    canvas.drawRect(skia.Rect(left, low, right, floor), brush.linear((0, low), (0, floor), lower))
    for y in (top, low):
        canvas.drawRect(skia.Rect(left, y - 0.012, right, y + 0.012), brush.fill("#c9ced2"))
        canvas.drawRect(skia.Rect(left, y - 0.003, right, y + 0.003), brush.fill("#7a858c"))
    step = 0.46 * (0.72 + 0.28 * stage.zoom)
    x = left + step * stage.rng("mullions").uniform(0.1, 0.9)
    while x < right:
        canvas.drawRect(skia.Rect(x - 0.009, top, x + 0.009, low), brush.fill("#b8bec2"))
        x += step
    _checker_floor(canvas, stage, brush, left, right, floor)
    for lamp_x in _pendants(stage):
        stage.brush.glow(canvas, lamp_x, 0.13, 0.42, "#ffcf85", 0.5)
    stage.brush.glow(canvas, stage.aspect - stage.side, 0.38, 0.27, "#ff5a7a", 0.25)


def _pendants(stage: Stage) -> list[float]:
    count = {"wide": 5, "medium": 4, "close": 2}[stage.art.framing]
    shift = stage.rng("pendants").uniform(-0.22, 0.22)
    return [stage.aspect * (k + 0.5 + shift) / count for k in range(count)]


def _night_street(canvas: skia.Canvas, stage: Stage, left: float, right: float, top: float, low: float) -> None:
    """Out of focus lights behind the glass."""
    rng = stage.rng("bokeh")
    stops: list[Stop] = [(0, "#0d1430", 0.75), (1, "#1a2244", 0.92)]
    canvas.drawRect(skia.Rect(left, top, right, low), stage.brush.linear((0, top), (0, low), stops))
    canvas.save()
    canvas.clipRect(skia.Rect(left, top, right, low), True)
    for _ in range(round(34 * (right - left))):
        x, y, r = rng.uniform(left, right), rng.uniform(top + 0.06, low), rng.uniform(0.008, 0.030)
        ink = rng.choice(("#ffb84a", "#ff6a5c", "#7fd0ff", "#ffd98a", "#ff9ad1", "#8affc0"))
        canvas.drawCircle(x, y, r, stage.brush.fill(ink, rng.uniform(0.10, 0.34)))
        canvas.drawCircle(x, y, r, stage.brush.stroke(ink, 0.0015, 0.25))
    gleam = outline([(left + 0.5, top), (left + 0.8, top), (left + 0.5, low), (left + 0.2, low)])
    canvas.drawPath(gleam, stage.brush.fill("#ffffff", 0.035))
    canvas.restore()


def _checker_floor(canvas: skia.Canvas, stage: Stage, brush: Brush, left: float, right: float, floor: float) -> None:
    vanish_x, vanish_y = stage.aspect / 2, floor - 0.35
    rows = [floor + (1.12 - floor) * (k / 7) ** 1.3 for k in range(8)]
    canvas.drawRect(skia.Rect(left, floor, right, 1.3), brush.fill("#d8d2c4"))

    def at(column: float, y: float) -> tuple[float, float]:
        return vanish_x + column * 0.16 * (y - vanish_y) / (floor - vanish_y), y

    for r in range(7):
        for c in range(-16, 16):
            if (r + c) % 2:
                tile = outline([at(c, rows[r]), at(c + 1, rows[r]), at(c + 1, rows[r + 1]), at(c, rows[r + 1])])
                canvas.drawPath(tile, brush.fill("#2b2a30"))
    shade: list[Stop] = [(0, "#0c0a12", 0.15), (1, "#0c0a12", 0.65)]
    canvas.drawRect(skia.Rect(left, floor, right, 1.3), stage.brush.linear((0, floor), (0, 1.06), shade))


def _paint_counter(canvas: skia.Canvas, stage: Stage, floor: float) -> None:
    """The counter runs in from the side away from the subject."""
    brush = stage.brush.lifted(0.42)
    left, right = stage.span(0.85)
    on_left = stage.side > stage.aspect / 2
    start, end = (left, stage.side - 0.36) if on_left else (stage.side + 0.36, right)
    top = floor - 0.13
    front: list[Stop] = [(0, "#b0413a", 1), (0.5, "#8a2f2c", 1), (1, "#4a1a1c", 1)]
    canvas.drawRect(skia.Rect(start, top, end, floor + 0.09), brush.linear((0, top), (0, floor + 0.09), front))
    chrome: list[Stop] = [(0, "#ffffff", 1), (0.4, "#aab2b8", 1), (1, "#5d666c", 1)]
    for y, h in ((top - 0.018, 0.022), (top + 0.05, 0.008), (floor + 0.05, 0.008)):
        canvas.drawRect(skia.Rect(start, y, end, y + h), brush.linear((0, y), (0, y + h), chrome))
    x = start + 0.10
    while x < end - 0.04:
        canvas.drawLine(x, floor + 0.13, x, floor - 0.03, brush.stroke("#8f989e", 0.014))
        canvas.drawOval(skia.Rect(x - 0.05, floor + 0.12, x + 0.05, floor + 0.145), brush.fill("#6d767c"))
        seat = skia.RRect.MakeRectXY(skia.Rect(x - 0.055, floor - 0.06, x + 0.055, floor - 0.022), 0.018, 0.018)
        canvas.drawRRect(seat, brush.fill("#c8473f"))
        canvas.drawLine(x - 0.05, floor - 0.024, x + 0.05, floor - 0.024, brush.stroke("#d8dde0", 0.007))
        x += 0.20
    for dx in (0.22, 0.5):
        cup = start + dx if on_left else end - dx
        canvas.drawRoundRect(
            skia.Rect(cup - 0.014, top - 0.045, cup + 0.014, top - 0.018), 0.004, 0.004, brush.fill("#f4efe4")
        )


def _diner_lights(stage: Stage) -> LivePaint:
    brush = stage.brush.lifted(0.42)
    lamps = _pendants(stage)
    sign_x, sign = stage.aspect - stage.side, 0.09 * (0.75 + 0.25 * stage.zoom)

    def paint(canvas: skia.Canvas, t: float) -> None:
        for k, x in enumerate(lamps):
            warm = 0.62 + 0.02 * math.sin(2 * t + k)
            canvas.drawLine(x, -0.1, x, 0.09, brush.stroke("#1d1d22", 0.004))
            stage.brush.glow(canvas, x, 0.13, 0.13, "#ffcf85", warm)
            shade = outline([(x - 0.018, 0.085), (x + 0.018, 0.085), (x + 0.06, 0.13), (x - 0.06, 0.13)])
            canvas.drawPath(shade, brush.fill("#b0413a"))
            canvas.drawOval(skia.Rect(x - 0.05, 0.122, x + 0.05, 0.14), stage.brush.fill("#fff0c8"))
        flick = 0.25 if math.sin(9.1 * t) > 0.96 else 1.0
        _neon_cup(canvas, stage, sign_x, 0.36, sign, flick)

    return paint


def _neon_cup(canvas: skia.Canvas, stage: Stage, x: float, y: float, size: float, power: float) -> None:
    """A steaming cup in neon, hung in the window."""
    cup = smooth(
        [(x - size * 0.5, y), (x - size * 0.4, y + size * 0.55), (x + size * 0.4, y + size * 0.55), (x + size * 0.5, y)]
    )
    handle = skia.Path()
    handle.addArc(skia.Rect(x + size * 0.30, y + size * 0.05, x + size * 0.72, y + size * 0.42), -80, 200)
    rim = outline([(x - size * 0.5, y), (x + size * 0.5, y)], close=False)
    steam = [
        smooth(
            [
                (x + d, y - size * 0.15),
                (x + d + 0.02, y - size * 0.32),
                (x + d - 0.015, y - size * 0.48),
                (x + d, y - size * 0.65),
            ]
        )
        for d in (-size * 0.22, 0.0, size * 0.22)
    ]
    pairs: list[tuple[skia.Path, Ink]] = [(cup, "#ff5a7a"), (handle, "#ff5a7a"), (rim, "#ff5a7a")]
    pairs += [(path, "#6fe3ff") for path in steam]
    stage.brush.glow(canvas, x, y + 0.02, size * 1.2, "#ff5a7a", 0.20 * power)
    for path, ink in pairs:
        canvas.drawPath(path, stage.brush.stroke(ink, 0.016, 0.28 * power))
        canvas.drawPath(path, stage.brush.stroke(mix(ink, "#ffffff", 0.55), 0.0055, 0.35 + 0.65 * power))


# --- off the earth ---


def _planet(stage: Stage) -> Iterator[Layer]:
    """A red desert world with a ringed neighbour above it."""
    h = stage.horizon
    yield Plate(0.1, 0.0, 0.7, lambda canvas: _neighbour(canvas, stage))
    glow: list[Stop] = [(0, "#ff9a6a", 0.0), (1, "#ff9a6a", 0.42)]

    def dust(canvas: skia.Canvas) -> None:
        left, right = stage.span(0.15)
        canvas.drawRect(skia.Rect(left, h - 0.34, right, h + 0.02), stage.brush.linear((0, h - 0.34), (0, h), glow))

    yield Plate(0.15, h - 0.34, h + 0.02, dust)
    yield peaks_plate(
        stage,
        "red peaks",
        depth=0.3,
        base=h,
        height=0.16,
        haze=0.30,
        blur=far_blur(stage),
        snow=0.0,
        rock=("#b8623f", "#6b3024"),
    )
    yield ridge_plate(stage, "red hills", depth=0.45, base=h + 0.02, height=0.07, ink="#a8563a", haze=0.16, scale=0.5)
    yield ground_plate(stage, "#c06a45", "#4a2018", haze=0.10)
    yield Plate(0.88, h, 1.1, lambda canvas: _craters(canvas, stage, h))


def _neighbour(canvas: skia.Canvas, stage: Stage) -> None:
    x, y, r = stage.aspect - stage.side, 0.24, 0.13
    toward = -1 if stage.flip else 1
    for back in (True, False):
        canvas.save()
        canvas.translate(x, y)
        canvas.rotate(-18 * toward)
        canvas.clipRect(skia.Rect(-1, -1, 1, 0) if back else skia.Rect(-1, 0, 1, 1), True)
        for k, (size, ink) in enumerate(((1.55, "#d8b890"), (1.75, "#b08a68"), (1.95, "#e6cfa8"))):
            oval = skia.Rect(-r * size, -r * size * 0.24, r * size, r * size * 0.24)
            canvas.drawOval(oval, stage.brush.stroke(ink, 0.010 - 0.002 * k, 0.75))
        canvas.restore()
        if back:
            ball: list[Stop] = [(0, "#f2d2a0", 1), (0.5, "#c98a5c", 1), (1, "#3d2030", 1)]
            canvas.drawCircle(x, y, r, stage.brush.radial((x + 0.05 * toward, y - 0.05), r * 1.5, ball))


def _craters(canvas: skia.Canvas, stage: Stage, top: float) -> None:
    rng = stage.rng("craters")
    left, right = stage.span(0.88)
    brush = stage.brush.lit(0.0)
    for _ in range(26):
        v = rng.random() ** 1.4
        x, y, wide = rng.uniform(left, right), top + 0.02 + v * (1.02 - top), (0.012 + 0.09 * v) * rng.uniform(0.5, 1.2)
        tall = wide * (0.18 + 0.16 * v)
        canvas.drawOval(skia.Rect(x - wide, y - tall, x + wide, y + tall), brush.fill("#e08a60", 0.6))
        canvas.drawOval(
            skia.Rect(x - wide * 0.92, y - tall * 0.7, x + wide * 0.92, y + tall), brush.fill("#6b2f22", 0.85)
        )
    for _ in range(260):
        v = rng.random()
        x, y, size = rng.uniform(left, right), top + 0.01 + v * (1.05 - top), rng.uniform(0.001, 0.006) * (0.3 + v)
        canvas.drawOval(skia.Rect(x, y, x + size * 2, y + size), brush.fill("#4d2018", 0.7))


def _orbit(stage: Stage) -> Iterator[Layer]:
    """A great curved limb below, with air along its edge."""
    red = any(word in stage.art.note for word in ("mars", "red")) or stage.art.foreground == "rocks"
    yield Plate(0.35, 0.35, 1.2, lambda canvas: _limb(canvas, stage, red))


def _limb(canvas: skia.Canvas, stage: Stage, red: bool) -> None:
    radius = 1.9
    x, y = stage.aspect / 2 + (0.3 if stage.flip else -0.3), 0.70 + radius
    air = "#ff9a6a" if red else "#6fc3ff"
    for k in range(14):
        canvas.drawCircle(x, y, radius + 0.055 * (1 - k / 14), stage.brush.fill(air, 0.035))
    lit = (x + (0.9 if stage.sun[0] > stage.aspect / 2 else -0.9), y - radius * 0.95)
    ground: list[Stop] = (
        [(0, "#e89a68", 1), (0.35, "#b8583a", 1), (0.75, "#4a1d1c", 1), (1, "#12070c", 1)]
        if red
        else [(0, "#8fd0ff", 1), (0.30, "#2f7fc8", 1), (0.70, "#0f2f66", 1), (1, "#050a1c", 1)]
    )
    ball = skia.Path()
    ball.addCircle(x, y, radius)
    canvas.drawPath(ball, stage.brush.radial(lit, 1.9, ground))
    canvas.save()
    canvas.clipPath(ball, True)
    rng = stage.rng("limb")
    for _ in range(170):
        angle, depth = rng.uniform(-2.3, -0.84), rng.random() ** 1.6 * 0.4
        px, py = x + (radius - depth) * math.cos(angle), y + (radius - depth) * math.sin(angle)
        wide = rng.uniform(0.03, 0.14) * (0.4 + depth * 2)
        ink = ("#7d3222" if rng.random() < 0.6 else "#f0b080") if red else "#ffffff"
        canvas.save()
        canvas.translate(px, py)
        canvas.rotate(math.degrees(angle) + 90)
        canvas.drawOval(
            skia.Rect(-wide, -wide * 0.16, wide, wide * 0.16), stage.brush.fill(ink, rng.uniform(0.06, 0.24))
        )
        canvas.restore()
    canvas.restore()
    canvas.drawCircle(x, y, radius, stage.brush.stroke(mix(air, "#ffffff", 0.5), 0.0035, 0.8))
