"""Things that stay where they are: houses, towers, trees, lights, fires. What moves on them is drawn live."""

from __future__ import annotations

import math
import random

import skia

from orchestrator.preview.brush import Brush, Stop, outline, smooth
from orchestrator.preview.palette import Ink, mix
from orchestrator.preview.people import Variant, oval


def _pane(brush: Brush, on: bool) -> skia.Paint:
    return brush.unlit().fill("#ffd07a") if on else brush.fill("#5d7286")


def house(canvas: skia.Canvas, brush: Brush, t: float, v: Variant) -> None:
    """A cottage, or a red barn."""
    barn = v.pose == "barn"
    wall = "#a83a2e" if barn else v.pick(("#f0e2c8", "#d9c3a5", "#c9d3d8", "#e8cfae"))
    roof = "#5a3a34" if barn else v.pick(("#8f4032", "#5d4a4a", "#7a4a2c", "#4a5566"))
    lit = brush.palette.lamps
    side: list[Stop] = [(0, wall, 1), (1, mix(wall, "#2a2440", 0.35), 1)]
    if not barn:
        canvas.drawRect(skia.Rect(0.26, -0.98, 0.38, -0.60), brush.fill("#7d5a4c"))
        canvas.drawRect(skia.Rect(0.24, -1.0, 0.40, -0.96), brush.fill("#5d4036"))
    canvas.drawRect(skia.Rect(-0.58, -0.55, 0.58, 0), brush.linear((-0.58, 0), (0.58, 0), side))
    gable = outline([(-0.70, -0.52), (-0.44, -0.92), (0.44, -0.92), (0.70, -0.52)])
    tiles: list[Stop] = [(0, mix(roof, "#ffffff", 0.18), 1), (1, mix(roof, "#000000", 0.22), 1)]
    canvas.drawPath(gable, brush.linear((0, -0.92), (0, -0.52), tiles))
    for k in range(4):
        y = -0.85 + 0.09 * k
        canvas.drawLine(-0.5 - 0.06 * k, y, 0.5 + 0.06 * k, y, brush.stroke("#000000", 0.006, 0.18))
    canvas.drawRect(skia.Rect(-0.58, -0.52, 0.58, -0.47), brush.fill("#000000", 0.22))
    door = skia.Rect(-0.22, -0.42, 0.22, 0) if barn else skia.Rect(-0.09, -0.34, 0.09, 0)
    canvas.drawRect(door, brush.fill("#6b4a30"))
    if barn:
        canvas.drawLine(-0.22, -0.42, 0.22, 0, brush.stroke("#f0e6d8", 0.022))
        canvas.drawLine(0.22, -0.42, -0.22, 0, brush.stroke("#f0e6d8", 0.022))
        return
    canvas.drawCircle(0.055, -0.16, 0.012, brush.fill("#e0b04a"))
    for x in (-0.37, 0.37):
        frame = skia.Rect(x - 0.115, -0.40, x + 0.115, -0.18)
        canvas.drawRect(frame.makeOutset(0.02, 0.02), brush.fill("#f7f2e8"))
        canvas.drawRect(frame, _pane(brush, lit))
        canvas.drawLine(x, -0.40, x, -0.18, brush.stroke("#f7f2e8", 0.014))
        canvas.drawLine(x - 0.115, -0.29, x + 0.115, -0.29, brush.stroke("#f7f2e8", 0.014))
        if lit:
            brush.glow(canvas, x, -0.29, 0.34, "#ffb84a", 0.40)


def house_live(canvas: skia.Canvas, brush: Brush, t: float, v: Variant) -> None:
    """Chimney smoke."""
    if v.pose == "barn":
        return
    for k in range(7):
        age = (0.16 * t + k / 7 + v.b) % 1.0
        x = 0.32 + 0.26 * age + 0.05 * math.sin(5 * age + 6 * v.a)
        canvas.drawCircle(
            x, -1.02 - 0.75 * age, 0.03 + 0.10 * age, brush.fill("#e6e2e2", 0.26 * math.sin(math.pi * age))
        )


def lighthouse(canvas: skia.Canvas, brush: Brush, t: float, v: Variant) -> None:
    rock = smooth(
        [(-0.42, 0.06), (-0.34, -0.05), (-0.18, -0.09), (0.02, -0.07), (0.2, -0.10), (0.38, -0.03), (0.46, 0.06)],
        close=True,
    )
    canvas.drawPath(rock, brush.fill("#4d4a4e"))
    canvas.drawRect(skia.Rect(0.10, -0.20, 0.34, -0.05), brush.fill("#e8e2d6"))
    canvas.drawPath(outline([(0.07, -0.20), (0.22, -0.28), (0.37, -0.20)]), brush.fill("#9c3a30"))
    canvas.drawRect(skia.Rect(0.18, -0.16, 0.25, -0.10), _pane(brush, brush.palette.lamps))
    tower = outline([(-0.115, -0.05), (-0.072, -0.80), (0.072, -0.80), (0.115, -0.05)])
    stops: list[Stop] = [(0, "#ffffff", 1), (0.4, "#f3efe6", 1), (1, "#8c8a94", 1)]
    canvas.drawPath(tower, brush.linear((-0.11, 0), (0.11, 0), stops))
    canvas.save()
    canvas.clipPath(tower, True)
    for y in (-0.72, -0.46, -0.20):
        band: list[Stop] = [(0, "#d84a3c", 1), (1, "#7d2622", 1)]
        canvas.drawRect(skia.Rect(-0.13, y, 0.13, y + 0.125), brush.linear((-0.11, 0), (0.11, 0), band))
    canvas.restore()
    for y in (-0.62, -0.36):
        canvas.drawRoundRect(skia.Rect(-0.016, y, 0.016, y + 0.06), 0.012, 0.012, _pane(brush, brush.palette.lamps))
    canvas.drawRect(skia.Rect(-0.10, -0.825, 0.10, -0.80), brush.fill("#2a2c33"))
    canvas.drawRect(skia.Rect(-0.055, -0.91, 0.055, -0.825), brush.unlit().fill("#fff0b8"))
    for x in (-0.055, -0.018, 0.018, 0.055):
        canvas.drawLine(x, -0.91, x, -0.825, brush.stroke("#2a2c33", 0.008))
    canvas.drawPath(outline([(-0.075, -0.905), (0, -0.985), (0.075, -0.905)]), brush.fill("#9c3a30"))
    canvas.drawLine(0, -0.98, 0, -1.02, brush.stroke("#2a2c33", 0.01))


def lighthouse_live(canvas: skia.Canvas, brush: Brush, t: float, v: Variant) -> None:
    """The turning beam, brightest when it points at us."""
    angle = 1.15 * t + 6.28 * v.b
    strength = 0.62 if brush.palette.lamps else 0.16
    light = brush.unlit()
    for side in (0.0, math.pi):
        across, towards = math.cos(angle + side), math.sin(angle + side)
        reach = 3.4 * across
        flare = 0.05 + 0.34 * (0.35 + 0.65 * abs(across))
        beam = outline([(0, -0.885), (reach, -0.885 - flare), (reach, -0.85 + flare), (0, -0.85)])
        alpha = strength * (0.55 + 0.45 * towards) * min(1.0, abs(across) * 3)
        stops: list[Stop] = [(0, "#fff3c4", alpha), (0.3, "#fff3c4", alpha * 0.45), (1, "#fff3c4", 0.0)]
        canvas.drawPath(beam, light.linear((0, 0), (reach or 0.01, 0), stops))
        brush.glow(
            canvas, 0, -0.867, 0.16 + 0.16 * max(0.0, towards), "#fff3c4", strength * (0.6 + 0.4 * max(0.0, towards))
        )


def castle(canvas: skia.Canvas, brush: Brush, t: float, v: Variant) -> None:
    stone = "#9b93a0"
    lit = brush.palette.lamps
    for x, wide, tall, roof in (
        (-0.30, 0.10, 0.62, True),
        (0.34, 0.11, 0.70, True),
        (0.0, 0.36, 0.46, False),
        (-0.08, 0.085, 0.80, True),
        (0.15, 0.075, 0.66, True),
        (-0.46, 0.09, 0.44, False),
        (0.50, 0.09, 0.46, False),
    ):
        stops: list[Stop] = [(0, mix(stone, "#ffffff", 0.15), 1), (1, mix(stone, "#1a1430", 0.45), 1)]
        canvas.drawRect(skia.Rect(x - wide, -tall, x + wide, 0), brush.linear((x - wide, 0), (x + wide, 0), stops))
        if roof:
            cone = outline([(x - wide * 1.25, -tall), (x, -tall - 0.24), (x + wide * 1.25, -tall)])
            canvas.drawPath(cone, brush.fill("#4d5f8f"))
        else:
            for k in range(5):
                left = x - wide + 2 * wide * k / 5
                canvas.drawRect(skia.Rect(left, -tall - 0.03, left + wide * 0.24, -tall), brush.fill(stone))
        for k in range(2):
            y = -tall * (0.80 - 0.3 * k)
            canvas.drawRoundRect(skia.Rect(x - 0.014, y, x + 0.014, y + 0.05), 0.012, 0.012, _pane(brush, lit))
    canvas.drawRect(skia.Rect(-0.08, -0.14, 0.08, 0), brush.fill("#2a2228"))
    canvas.drawCircle(0, -0.14, 0.08, brush.fill("#2a2228"))


def windmill(canvas: skia.Canvas, brush: Brush, t: float, v: Variant) -> None:
    tower = outline([(-0.17, 0), (-0.105, -0.66), (0.105, -0.66), (0.17, 0)])
    stops: list[Stop] = [(0, "#f7efe0", 1), (1, "#a08a78", 1)]
    canvas.drawPath(tower, brush.linear((-0.16, 0), (0.17, 0), stops))
    canvas.drawPath(
        smooth([(-0.13, -0.65), (-0.09, -0.76), (0.0, -0.80), (0.09, -0.76), (0.13, -0.65)], close=True),
        brush.fill("#7a4632"),
    )
    canvas.drawRoundRect(skia.Rect(-0.05, -0.16, 0.05, 0), 0.04, 0.04, brush.fill("#5d3d28"))
    for y in (-0.52, -0.34):
        canvas.drawRect(skia.Rect(-0.025, y, 0.025, y + 0.07), _pane(brush, brush.palette.lamps))


def windmill_live(canvas: skia.Canvas, brush: Brush, t: float, v: Variant) -> None:
    canvas.save()
    canvas.translate(0, -0.68)
    canvas.rotate(26 * t + 90 * v.b)
    for _ in range(4):
        canvas.rotate(90)
        canvas.drawLine(0, 0, 0, -0.48, brush.stroke("#5d4030", 0.018))
        canvas.drawRect(skia.Rect(0.008, -0.48, 0.095, -0.10), brush.fill("#f3e6cf", 0.92))
        for k in range(5):
            canvas.drawLine(0.0, -0.14 - 0.08 * k, 0.095, -0.14 - 0.08 * k, brush.stroke("#5d4030", 0.006))
    canvas.drawCircle(0, 0, 0.028, brush.fill("#3d2a1e"))
    canvas.restore()


def tree(canvas: skia.Canvas, brush: Brush, t: float, v: Variant) -> None:
    """A broad crown of leaf clusters: shade below, light on the upper left."""
    rng = random.Random(f"tree{v.a}{v.b}")
    bark: list[Stop] = [(0, "#7a5a3e", 1), (1, "#38271c", 1)]
    trunk = skia.Path()
    trunk.moveTo(-0.075, 0.01)
    trunk.quadTo(-0.03, -0.25, -0.045, -0.5)
    trunk.lineTo(0.05, -0.5)
    trunk.quadTo(0.035, -0.22, 0.085, 0.01)
    trunk.close()
    canvas.drawPath(trunk, brush.linear((-0.07, 0), (0.08, 0), bark))
    for x, y in ((-0.24, -0.62), (0.22, -0.60), (0.04, -0.72)):
        canvas.drawPath(smooth([(0, -0.34), (x * 0.4, -0.5), (x, y)]), brush.stroke("#4d3626", 0.035))
    leaf = v.pick(("#4f8a3c", "#5f9440", "#7a9a3a", "#c97b2e"))
    clusters = []
    for _ in range(46):
        angle, far = rng.uniform(0, 6.28), rng.random() ** 0.6
        clusters.append((0.40 * far * math.cos(angle), -0.68 + 0.27 * far * math.sin(angle), rng.uniform(0.07, 0.13)))
    for tone, lift, shrink in ((0.52, 0.03, 1.15), (0.26, 0.0, 1.0), (0.0, -0.03, 0.72)):
        for x, y, r in clusters:
            light = tone + max(0.0, (y + 0.66)) * 0.7 + max(0.0, x) * 0.25
            ink = mix(leaf, "#101c18", min(0.8, light)) if tone else mix(leaf, "#f4f0a0", max(0.0, 0.30 - light))
            _leaves(canvas, brush, rng, x - 0.02 * (1 - tone), y + lift, r * shrink, ink)


def _leaves(canvas: skia.Canvas, brush: Brush, rng: random.Random, x: float, y: float, r: float, ink: Ink) -> None:
    """A ragged clump: overlapping small ovals."""
    paint = brush.fill(ink)
    oval(canvas, x, y, r * 0.8, r * 0.62, paint)
    for _ in range(9):
        angle = rng.uniform(0, 6.28)
        oval(canvas, x + r * 0.75 * math.cos(angle), y + r * 0.6 * math.sin(angle), r * 0.28, r * 0.2, paint)


def lamp(canvas: skia.Canvas, brush: Brush, t: float, v: Variant) -> None:
    """A street lamp with a pool of light."""
    iron = brush.fill("#1d2026")
    lit = brush.palette.lamps
    canvas.drawRect(skia.Rect(-0.012, -0.84, 0.012, 0), iron)
    canvas.drawPath(outline([(-0.045, 0), (-0.02, -0.10), (0.02, -0.10), (0.045, 0)]), iron)
    canvas.drawLine(-0.06, -0.79, 0.06, -0.79, brush.stroke("#1d2026", 0.012))
    glass = outline([(-0.04, -0.84), (-0.055, -0.95), (0.055, -0.95), (0.04, -0.84)])
    canvas.drawPath(glass, brush.unlit().fill("#ffe2a0") if lit else brush.fill("#aeb9bf"))
    canvas.drawPath(outline([(-0.07, -0.95), (0, -1.0), (0.07, -0.95)]), iron)
    if lit:
        pool: list[Stop] = [(0, "#ffcf7a", 0.45), (1, "#ffcf7a", 0.0)]
        canvas.save()
        canvas.scale(1.0, 0.22)
        canvas.drawCircle(0, 0, 0.55, brush.unlit().radial((0, 0), 0.55, pool))
        canvas.restore()


def lamp_live(canvas: skia.Canvas, brush: Brush, t: float, v: Variant) -> None:
    if brush.palette.lamps:
        shimmer = 0.88 + 0.06 * math.sin(2.7 * t + 6 * v.a) + 0.03 * math.sin(11 * t + v.b)
        brush.glow(canvas, 0, -0.9, 0.46, "#ffcf7a", 0.75 * shimmer)


def tent(canvas: skia.Canvas, brush: Brush, t: float, v: Variant) -> None:
    ink = v.pick(("#d9763a", "#3f7f8c", "#b8a13f"))
    canvas.drawPath(outline([(-0.9, 0), (-0.1, -0.98), (0.9, 0)]), brush.fill(mix(ink, "#000000", 0.3)))
    canvas.drawPath(outline([(-0.9, 0), (-0.1, -0.98), (0.28, 0)]), brush.fill(ink))
    canvas.drawPath(outline([(-0.42, 0), (-0.1, -0.78), (0.02, 0)]), brush.fill("#2b1d18"))
    if brush.palette.lamps:
        brush.glow(canvas, -0.2, -0.2, 0.8, "#ffc46a", 0.45)
        canvas.drawPath(outline([(-0.42, 0), (-0.1, -0.78), (0.02, 0)]), brush.unlit().fill("#ffcf85", 0.85))


def fire(canvas: skia.Canvas, brush: Brush, t: float, v: Variant) -> None:
    """A campfire: logs, tongues of flame, sparks."""
    for lean in (-1, 1):
        canvas.drawLine(-0.42 * lean, -0.02, 0.34 * lean, -0.15, brush.stroke("#4a3222", 0.10))
    light = brush.unlit()
    flick = 0.9 + 0.07 * math.sin(9 * t) + 0.05 * math.sin(14.3 * t + 1)
    light.glow(canvas, 0, -0.3, 1.9 * flick, "#ff8a2a", 0.45)
    for ink, wide, tall, rate in (
        ("#f2541b", 0.34, 0.95, 5.1),
        ("#ff9a2a", 0.25, 0.74, 6.7),
        ("#ffe08a", 0.14, 0.46, 8.3),
    ):
        sway = 0.10 * math.sin(rate * t + tall * 9)
        high = tall * (0.9 + 0.10 * math.sin(rate * 1.7 * t))
        flame = skia.Path()
        flame.moveTo(-wide, -0.08)
        flame.cubicTo(-wide * 1.2, -high * 0.45, -wide * 0.1 + sway * 0.5, -high * 0.55, sway, -high)
        flame.cubicTo(wide * 0.3 + sway * 0.6, -high * 0.6, wide * 1.25, -high * 0.4, wide, -0.08)
        flame.quadTo(0, 0.04, -wide, -0.08)
        flame.close()
        canvas.drawPath(flame, light.fill(ink, 0.92))
    for k in range(12):
        age = (0.5 * t + k * 0.137) % 1.0
        x = 0.28 * math.sin(k * 2.4 + 3 * age) * (0.4 + age)
        canvas.drawCircle(x, -0.5 - 1.1 * age, 0.016 * (1.2 - age), light.fill("#ffc46a", 1 - age))


def lantern(canvas: skia.Canvas, brush: Brush, t: float, v: Variant) -> None:
    """A glowing paper lantern, origin at its middle, 1 high."""
    light = brush.unlit()
    glow = 0.9 + 0.08 * math.sin(2.2 * t + 6.28 * v.a)
    ink = v.pick(("#ff9a3c", "#ffb84a", "#ff7a4a"))
    light.glow(canvas, 0, 0.05, 1.15, ink, 0.7 * glow)
    shape = skia.Path()
    shape.moveTo(-0.26, 0.42)
    shape.cubicTo(-0.42, 0.05, -0.44, -0.36, -0.20, -0.48)
    shape.quadTo(0, -0.54, 0.20, -0.48)
    shape.cubicTo(0.44, -0.36, 0.42, 0.05, 0.26, 0.42)
    shape.quadTo(0, 0.48, -0.26, 0.42)
    shape.close()
    stops: list[Stop] = [(0, "#fff3c0", 1), (0.4, "#ffc860", 1), (1, ink, 1)]
    canvas.drawPath(shape, light.radial((0, 0.26), 0.85, stops))
    for x in (-0.15, 0.15):
        canvas.drawPath(smooth([(x, 0.42), (x * 1.6, 0.0), (x * 0.8, -0.48)]), light.stroke("#b8521c", 0.012, 0.4))
    canvas.drawPath(smooth([(-0.26, 0.42), (0, 0.47), (0.26, 0.42)]), light.stroke("#8a3d16", 0.035))


def kite(canvas: skia.Canvas, brush: Brush, t: float, v: Variant) -> None:
    """A diamond with a tail, origin at its middle; the line runs down out of the picture."""
    sway = math.sin(1.3 * t + 6 * v.a)
    line = smooth([(0, 0.1), (-0.6 + 0.2 * sway, 2.2), (-1.6, 5.0)])
    canvas.drawPath(line, brush.stroke("#f4f4f4", 0.012, 0.7))
    canvas.rotate(14 * sway + 18)
    inks = (("#e2453c", "#f7c23c"), ("#2f7fc1", "#8fd0f2"), ("#7a4fa3", "#f3a6c8"))[min(2, int(v.a * 3))]
    top, right, low, left = (0, -0.5), (0.34, -0.08), (0, 0.5), (-0.34, -0.08)
    for a, b, ink in ((top, right, inks[0]), (right, low, inks[1]), (low, left, inks[0]), (left, top, inks[1])):
        canvas.drawPath(outline([a, b, (0, -0.08)]), brush.fill(ink))
    tail = [(0.07 * math.sin(4 * t + k), 0.5 + 0.16 * k) for k in range(8)]
    canvas.drawPath(smooth(tail), brush.stroke("#f4f4f4", 0.018))
    for k in range(1, 8, 2):
        x, y = tail[k]
        canvas.drawPath(
            outline([(x - 0.08, y - 0.04), (x + 0.08, y + 0.04), (x + 0.08, y - 0.04), (x - 0.08, y + 0.04)]),
            brush.fill(inks[k % 4 // 2]),
        )
