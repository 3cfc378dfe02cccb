"""Things people made that move: on roads, rails, water, and in the air."""

from __future__ import annotations

import math

import skia

from orchestrator.preview.brush import Brush, Stop, outline, smooth
from orchestrator.preview.palette import mix
from orchestrator.preview.people import Variant, oval


def _wheel(canvas: skia.Canvas, brush: Brush, x: float, y: float, radius: float, turn: float) -> None:
    canvas.drawCircle(x, y, radius, brush.fill("#15161a"))
    canvas.drawCircle(x, y, radius * 0.58, brush.fill("#aeb6c0"))
    canvas.drawCircle(x, y, radius * 0.48, brush.fill("#5a626d"))
    for k in range(5):
        angle = turn + k * 1.2566
        dx, dy = math.cos(angle) * radius * 0.5, math.sin(angle) * radius * 0.5
        canvas.drawLine(x, y, x + dx, y + dy, brush.stroke("#c9d0d8", radius * 0.12))


def car(canvas: skia.Canvas, brush: Brush, t: float, v: Variant) -> None:
    """A saloon, 2.4 high-units long; headlights when the lamps are on."""
    ink = "#f2b51f" if v.pose == "taxi" else v.pick(("#b8322f", "#2f5f9e", "#3f7f6b", "#d8d4cb", "#c77b2a"))
    shake = 0.006 * math.sin(17 * t)
    canvas.save()
    canvas.translate(0, shake)
    body = skia.Path()
    body.moveTo(-1.18, -0.22)
    body.cubicTo(-1.22, -0.50, -1.12, -0.62, -0.80, -0.65)
    body.cubicTo(-0.55, -0.98, -0.36, -1.0, 0.02, -1.0)
    body.cubicTo(0.34, -1.0, 0.46, -0.90, 0.66, -0.64)
    body.cubicTo(1.02, -0.60, 1.20, -0.50, 1.20, -0.24)
    body.lineTo(1.14, -0.15)
    body.lineTo(-1.12, -0.15)
    body.close()
    stops: list[Stop] = [(0, mix(ink, "#ffffff", 0.35), 1), (0.45, ink, 1), (1, mix(ink, "#000000", 0.45), 1)]
    canvas.drawPath(body, brush.linear((0, -1.0), (0, -0.15), stops))
    glass: list[Stop] = [(0, "#bcd6e6", 1), (1, "#2c3a48", 1)]
    for pane in (
        [(-0.66, -0.66), (-0.46, -0.90), (-0.09, -0.92), (-0.09, -0.66)],
        [(-0.02, -0.66), (-0.02, -0.92), (0.26, -0.90), (0.52, -0.66)],
    ):
        canvas.drawPath(outline(pane), brush.linear((0, -0.95), (0, -0.6), glass))
    canvas.drawLine(-0.05, -0.62, -0.05, -0.22, brush.stroke("#000000", 0.012, 0.35))
    canvas.drawLine(-1.08, -0.40, 1.12, -0.40, brush.stroke("#ffffff", 0.014, 0.35))
    canvas.drawRoundRect(skia.Rect(-0.28, -0.54, -0.14, -0.51), 0.01, 0.01, brush.fill("#dfe4ea"))
    if v.pose == "taxi":
        canvas.drawRoundRect(skia.Rect(-0.18, -1.09, 0.14, -0.99), 0.03, 0.03, brush.unlit().fill("#fff4c4"))
    oval(canvas, 1.12, -0.46, 0.05, 0.07, brush.unlit().fill("#fff4d0"))
    canvas.drawRoundRect(skia.Rect(-1.19, -0.52, -1.11, -0.42), 0.02, 0.02, brush.unlit().fill("#e83a2c"))
    canvas.restore()
    for x in (-0.70, 0.72):
        canvas.drawCircle(x, -0.20, 0.235, brush.fill("#0c0d10"))
        _wheel(canvas, brush, x, -0.19, 0.19, 7 * t)
    if brush.palette.lamps:
        beam = outline([(1.16, -0.46), (3.2, -0.75), (3.2, 0.05), (1.16, -0.40)])
        light: list[Stop] = [(0, "#fff0b8", 0.5), (1, "#fff0b8", 0.0)]
        canvas.drawPath(beam, brush.unlit().linear((1.16, 0), (3.1, 0), light))
        brush.glow(canvas, 1.14, -0.46, 0.32, "#fff2c0", 0.8)
        brush.glow(canvas, -1.17, -0.47, 0.2, "#ff5040", 0.6)


def train(canvas: skia.Canvas, brush: Brush, t: float, v: Variant) -> None:
    """A steam locomotive with three carriages; the origin is under the locomotive."""
    canvas.drawRect(skia.Rect(-14, -0.03, 14, 0.02), brush.fill("#4a3d36"))
    for number in range(4):
        _carriage(canvas, brush, -2.72 - 2.5 * number, t, v)
    _locomotive(canvas, brush, t, v)
    for k in range(16):
        age = (t * 0.9 + k / 5.0) % 3.2
        x, y = 0.98 - age * 2.6, -1.34 - 0.34 * math.sqrt(age) - 0.12 * age + 0.05 * math.sin(5 * k)
        alpha = 0.50 * (1 - age / 3.2)
        canvas.drawCircle(x, y, 0.12 + 0.20 * age, brush.fill("#efe9e6", alpha))


def _locomotive(canvas: skia.Canvas, brush: Brush, t: float, v: Variant) -> None:
    ink = v.pick(("#2f4a44", "#6e2a2a", "#2c3750"))
    metal: list[Stop] = [(0, mix(ink, "#ffffff", 0.45), 1), (0.4, ink, 1), (1, mix(ink, "#000000", 0.6), 1)]
    canvas.drawRoundRect(skia.Rect(-0.35, -0.92, 1.15, -0.40), 0.12, 0.12, brush.linear((0, -0.92), (0, -0.4), metal))
    canvas.drawRect(skia.Rect(-1.25, -0.44, 1.22, -0.30), brush.fill(mix(ink, "#000000", 0.5)))
    cab = outline([(-1.2, -0.42), (-1.2, -1.18), (-0.36, -1.18), (-0.36, -0.42)])
    canvas.drawPath(cab, brush.linear((0, -1.2), (0, -0.4), metal))
    canvas.drawRoundRect(skia.Rect(-1.3, -1.25, -0.28, -1.16), 0.04, 0.04, brush.fill("#22252b"))
    canvas.drawRect(skia.Rect(-1.02, -1.06, -0.58, -0.80), brush.unlit().fill("#ffd27a", 0.9))
    canvas.drawPath(outline([(0.84, -0.9), (0.80, -1.3), (1.12, -1.3), (1.06, -0.9)]), brush.fill("#22252b"))
    oval(canvas, 0.20, -0.93, 0.13, 0.12, brush.fill("#b58a3a"))
    for x in (0.0, 0.45, 0.72):
        canvas.drawLine(x, -0.91, x, -0.42, brush.stroke("#c79b4a", 0.022))
    canvas.drawPath(outline([(1.15, -0.34), (1.46, -0.04), (1.12, -0.04)]), brush.fill("#22252b"))
    canvas.drawCircle(1.17, -0.68, 0.09, brush.unlit().fill("#fff3c4"))
    brush.glow(canvas, 1.2, -0.68, 0.6, "#fff0b8", 0.5)
    turn = 6 * t
    for x, r in ((-0.85, 0.27), (-0.22, 0.27), (0.42, 0.27), (0.92, 0.17)):
        _wheel(canvas, brush, x, -r, r, turn)
    rod = 0.13
    dx, dy = rod * math.cos(turn), rod * math.sin(turn)
    canvas.drawLine(-0.85 + dx, -0.27 + dy, 0.42 + dx, -0.27 + dy, brush.stroke("#c9ccd2", 0.05))


def _carriage(canvas: skia.Canvas, brush: Brush, x: float, t: float, v: Variant) -> None:
    canvas.save()
    canvas.translate(x, 0.005 * math.sin(9 * t + x))
    ink = v.pick(("#8a3b32", "#3e5d4c", "#6b4a33"))
    stops: list[Stop] = [(0, mix(ink, "#ffffff", 0.25), 1), (1, mix(ink, "#000000", 0.35), 1)]
    canvas.drawRoundRect(skia.Rect(-1.15, -1.06, 1.15, -0.30), 0.06, 0.06, brush.linear((0, -1.06), (0, -0.3), stops))
    canvas.drawRoundRect(skia.Rect(-1.2, -1.14, 1.2, -1.02), 0.06, 0.06, brush.fill("#3a3d42"))
    canvas.drawLine(-1.12, -0.52, 1.12, -0.52, brush.stroke("#e0c27a", 0.02))
    for k in range(6):
        left = -1.0 + k * 0.345
        canvas.drawRoundRect(
            skia.Rect(left, -0.92, left + 0.25, -0.64), 0.03, 0.03, brush.unlit().fill("#ffdc90", 0.92)
        )
    canvas.drawLine(1.15, -0.28, 1.4, -0.28, brush.stroke("#22252b", 0.06))
    for wx in (-0.8, -0.45, 0.45, 0.8):
        _wheel(canvas, brush, wx, -0.15, 0.15, 8 * t)
    canvas.restore()


def bicycle(canvas: skia.Canvas, brush: Brush, t: float, v: Variant) -> None:
    """A rider on a bicycle; height 1 is the top of the rider's head."""
    ink = v.pick(("#c0392b", "#2f6f9f", "#2d2f36"))
    frame = brush.stroke(ink, 0.026)
    turn = 4.5 * t
    for x in (-0.30, 0.32):
        canvas.drawCircle(x, -0.21, 0.2, brush.stroke("#1b1c20", 0.024))
        for k in range(6):
            angle = turn + k * 1.047
            canvas.drawLine(
                x, -0.21, x + 0.19 * math.cos(angle), -0.21 + 0.19 * math.sin(angle), brush.stroke("#8f959c", 0.005)
            )
    crank = (0.0, -0.21)
    for a, b in (
        ((-0.30, -0.21), crank),
        (crank, (0.20, -0.46)),
        ((-0.10, -0.50), (0.20, -0.46)),
        ((-0.10, -0.50), crank),
        ((-0.30, -0.21), (-0.09, -0.46)),
        ((0.32, -0.21), (0.20, -0.52)),
    ):
        canvas.drawLine(*a, *b, frame)
    canvas.drawLine(-0.16, -0.52, -0.04, -0.52, brush.stroke("#1b1c20", 0.035))
    canvas.drawPath(smooth([(0.20, -0.52), (0.26, -0.56), (0.30, -0.53)]), brush.stroke("#1b1c20", 0.026))
    for phase, shade in ((math.pi, 0.3), (0.0, 0.0)):
        foot = (crank[0] + 0.08 * math.cos(turn + phase), crank[1] + 0.08 * math.sin(turn + phase))
        knee = ((foot[0] - 0.09) / 2 + 0.13, (foot[1] - 0.54) / 2 - 0.03)
        path = outline([(-0.09, -0.55), knee, foot], close=False)
        canvas.drawPath(path, brush.stroke(mix("#33405c", "#000000", shade), 0.062))
    canvas.drawPath(smooth([(-0.10, -0.55), (-0.02, -0.70), (0.06, -0.80)]), brush.stroke("#c9963f", 0.13))
    canvas.drawPath(smooth([(0.06, -0.79), (0.16, -0.68), (0.27, -0.57)]), brush.stroke("#a87a30", 0.048))
    canvas.drawCircle(0.12, -0.92, 0.068, brush.fill("#d9a883"))
    cap = skia.Path()
    cap.addArc(skia.Rect(0.045, -1.0, 0.195, -0.85), 170, 200)
    cap.close()
    canvas.drawPath(cap, brush.fill("#3a2a20"))


def sailboat(canvas: skia.Canvas, brush: Brush, t: float, v: Variant) -> None:
    belly = 0.03 * math.sin(0.9 * t + 6 * v.b)
    sail = v.pick(("#fbf6ea", "#f3e0c0", "#e9705a", "#f6f3ee"))
    canvas.drawLine(0, -0.12, 0, -1.0, brush.stroke("#6b4a2e", 0.018))
    main = skia.Path()
    main.moveTo(-0.015, -0.97)
    main.quadTo(-0.32 - belly, -0.55, -0.40 - belly, -0.20)
    main.lineTo(-0.015, -0.18)
    main.close()
    jib = skia.Path()
    jib.moveTo(0.02, -0.92)
    jib.quadTo(0.22 + belly, -0.5, 0.40, -0.17)
    jib.lineTo(0.02, -0.20)
    jib.close()
    stops: list[Stop] = [(0, mix(sail, "#6a6f8a", 0.35), 1), (0.7, sail, 1), (1, mix(sail, "#6a6f8a", 0.15), 1)]
    canvas.drawPath(main, brush.linear((-0.42, 0), (0.0, 0), stops))
    canvas.drawPath(jib, brush.linear((0.42, 0), (0.0, 0), stops))
    hull = skia.Path()
    hull.moveTo(-0.46, -0.14)
    hull.lineTo(0.50, -0.16)
    hull.quadTo(0.40, 0.03, 0.22, 0.04)
    hull.lineTo(-0.30, 0.04)
    hull.quadTo(-0.42, 0.02, -0.46, -0.14)
    hull.close()
    wood: list[Stop] = [(0, "#b5713d", 1), (0.5, "#8a4f29", 1), (1, "#3d2416", 1)]
    canvas.drawPath(hull, brush.linear((0, -0.16), (0, 0.05), wood))
    canvas.drawLine(-0.46, -0.135, 0.5, -0.155, brush.stroke("#f2e6cf", 0.014))


def ship(canvas: skia.Canvas, brush: Brush, t: float, v: Variant) -> None:
    """A liner; 1 is the height of its funnels, it is three long."""
    hull = outline([(-1.5, -0.40), (1.6, -0.46), (1.36, 0.04), (-1.36, 0.04)])
    steel: list[Stop] = [(0, "#33415a", 1), (0.72, "#1e2738", 1), (0.74, "#8f3a30", 1), (1, "#6b2a24", 1)]
    canvas.drawPath(hull, brush.linear((0, -0.44), (0, 0.05), steel))
    for left, right, top, bottom in (
        (-1.15, 1.05, -0.60, -0.42),
        (-0.95, 0.80, -0.74, -0.58),
        (-0.6, 0.6, -0.86, -0.72),
    ):
        canvas.drawRoundRect(skia.Rect(left, top, right, bottom), 0.02, 0.02, brush.fill("#f0ede6"))
        count = int((right - left) / 0.11)
        glass = brush.unlit().fill("#ffd98a", 0.95) if brush.palette.lamps else brush.fill("#4d6076")
        for k in range(count):
            x = left + 0.05 + k * 0.11
            canvas.drawRect(skia.Rect(x, top + 0.045, x + 0.05, top + 0.09), glass)
    for x in (-0.3, 0.05, 0.4):
        canvas.drawPath(
            outline([(x - 0.08, -0.84), (x - 0.11, -1.1), (x + 0.05, -1.1), (x + 0.08, -0.84)]), brush.fill("#c0492f")
        )
        canvas.drawRect(skia.Rect(x - 0.115, -1.12, x + 0.055, -1.04), brush.fill("#22252c"))
        for k in range(6):
            age = (0.35 * t + k / 6 + x) % 1.0
            canvas.drawCircle(
                x - 0.05 - age * 0.9, -1.14 - 0.3 * age, 0.04 + 0.14 * age, brush.fill("#d6d2d0", 0.34 * (1 - age))
            )
    canvas.drawLine(1.2, -0.45, 1.2, -0.95, brush.stroke("#c9c2b4", 0.02))


def plane(canvas: skia.Canvas, brush: Brush, t: float, v: Variant) -> None:
    """An airliner from the side, one long; origin at its middle."""
    canvas.rotate(-4 + 1.2 * math.sin(0.8 * t))
    white, shade = "#f4f6f9", "#9aa6b5"
    canvas.drawPath(outline([(-0.40, -0.03), (-0.54, -0.20), (-0.46, -0.20), (-0.30, -0.03)]), brush.fill("#d2452f"))
    canvas.drawPath(outline([(0.10, -0.02), (-0.12, -0.18), (-0.05, -0.18), (0.20, -0.02)]), brush.fill(shade))
    hull = smooth(
        [
            (0.50, 0.0),
            (0.40, -0.05),
            (0.1, -0.055),
            (-0.3, -0.05),
            (-0.52, -0.03),
            (-0.4, 0.02),
            (0, 0.05),
            (0.4, 0.045),
        ],
        close=True,
    )
    stops: list[Stop] = [(0, "#ffffff", 1), (0.5, white, 1), (1, shade, 1)]
    canvas.drawPath(hull, brush.linear((0, -0.06), (0, 0.05), stops))
    for k in range(15):
        canvas.drawCircle(0.33 - 0.045 * k, -0.015, 0.007, brush.fill("#3d4a5c"))
    canvas.drawPath(outline([(0.12, 0.02), (-0.20, 0.20), (-0.11, 0.20), (0.24, 0.02)]), brush.fill("#c4ccd6"))
    oval(canvas, 0.03, 0.085, 0.06, 0.025, brush.fill("#6d7988"))
    canvas.drawPath(outline([(-0.40, 0.0), (-0.54, 0.07), (-0.48, 0.07), (-0.31, 0.0)]), brush.fill("#c4ccd6"))
    blink = 1.0 if math.sin(5 * t) > 0.6 else 0.0
    if brush.palette.lamps and blink:
        brush.glow(canvas, -0.15, 0.2, 0.06, "#ff4a3c", 1.0)


def balloon(canvas: skia.Canvas, brush: Brush, t: float, v: Variant) -> None:
    """A hot-air balloon, 1 high from basket to crown; the burner breathes."""
    sets = (
        ("#e2453c", "#f7d154", "#f4f0e6"),
        ("#2f7fc1", "#f2f2ee", "#f29b38"),
        ("#7a4fa3", "#f3b6cf", "#ffd75e"),
        ("#2b9a84", "#f6e7b4", "#e8663d"),
        ("#ef8b2c", "#c8342f", "#ffe08a"),
    )
    inks = sets[min(4, int(v.a * 5))]
    fire = 0.5 + 0.5 * math.sin(1.9 * t + 6.28 * v.b)
    for x in (-0.055, 0.055):
        canvas.drawLine(x * 1.7, -0.25, x, -0.10, brush.stroke("#4a3a2c", 0.006))
    envelope = skia.Path()
    envelope.moveTo(-0.085, -0.245)
    envelope.cubicTo(-0.20, -0.38, -0.365, -0.50, -0.365, -0.66)
    envelope.cubicTo(-0.365, -0.88, -0.19, -1.0, 0, -1.0)
    envelope.cubicTo(0.19, -1.0, 0.365, -0.88, 0.365, -0.66)
    envelope.cubicTo(0.365, -0.50, 0.20, -0.38, 0.085, -0.245)
    envelope.close()
    canvas.drawPath(envelope, brush.fill(inks[0]))
    canvas.save()
    canvas.clipPath(envelope, True)
    gores = 5
    for k in range(gores):
        wide = 0.40 * math.sin(math.pi / 2 * (1 - k / gores))
        gore = skia.Path()
        gore.addOval(skia.Rect(-wide, -1.02, wide, -0.20))
        canvas.drawPath(gore, brush.fill(inks[k % 2]))
    canvas.drawRect(skia.Rect(-0.4, -0.63, 0.4, -0.55), brush.fill(inks[2]))
    shade: list[Stop] = [(0, "#ffffff", 0.28), (0.45, "#ffffff", 0.0), (0.6, "#1a0f2a", 0.0), (1, "#1a0f2a", 0.50)]
    canvas.drawRect(skia.Rect(-0.4, -1.05, 0.4, -0.2), brush.radial((-0.14, -0.78), 0.56, shade))
    glow: list[Stop] = [(0, "#ffd27a", 0.65 * fire), (1, "#ffb347", 0.0)]
    canvas.drawCircle(0, -0.28, 0.36, brush.unlit().radial((0, -0.28), 0.36, glow))
    canvas.restore()
    basket: list[Stop] = [(0, "#b27a42", 1), (1, "#5f3b1e", 1)]
    canvas.drawRoundRect(skia.Rect(-0.062, -0.105, 0.062, 0), 0.015, 0.015, brush.linear((0, -0.1), (0, 0), basket))
    canvas.drawLine(-0.065, -0.1, 0.065, -0.1, brush.stroke("#3a2515", 0.014))
    oval(canvas, 0, -0.2, 0.014, 0.03 + 0.012 * fire, brush.unlit().fill("#fff0b0", 0.5 + 0.5 * fire))


def rocket(canvas: skia.Canvas, brush: Brush, t: float, v: Variant) -> None:
    """A finned rocket pointing up, its flame below y = 0."""
    flick = 0.06 * math.sin(23 * t) + 0.04 * math.sin(37 * t + 1)
    light = brush.unlit()
    light.glow(canvas, 0, 0.16, 0.55, "#ff9a3c", 0.6)
    for width, length, ink in ((0.11, 0.50, "#ff7a2a"), (0.075, 0.36, "#ffc04a"), (0.04, 0.22, "#fff6d0")):
        flame = skia.Path()
        flame.moveTo(-width, -0.02)
        flame.quadTo(-width * 0.9, length * 0.5, 0, length + flick)
        flame.quadTo(width * 0.9, length * 0.5, width, -0.02)
        flame.close()
        canvas.drawPath(flame, light.fill(ink, 0.92))
    for side in (-1, 1):
        fin = skia.Path()
        fin.moveTo(side * 0.12, -0.36)
        fin.quadTo(side * 0.30, -0.22, side * 0.29, 0.05)
        fin.lineTo(side * 0.12, -0.04)
        fin.close()
        canvas.drawPath(fin, brush.fill("#c8382e" if side < 0 else "#8f231e"))
    hull = skia.Path()
    hull.moveTo(0, -1.0)
    hull.cubicTo(0.16, -0.86, 0.20, -0.50, 0.13, 0)
    hull.lineTo(-0.13, 0)
    hull.cubicTo(-0.20, -0.50, -0.16, -0.86, 0, -1.0)
    hull.close()
    stops: list[Stop] = [(0, "#ffffff", 1), (0.45, "#e6ebf1", 1), (1, "#77839a", 1)]
    canvas.drawPath(hull, brush.linear((-0.16, 0), (0.17, 0), stops))
    canvas.save()
    canvas.clipPath(hull, True)
    canvas.drawRect(skia.Rect(-0.3, -1.0, 0.3, -0.80), brush.fill("#c8382e"))
    canvas.drawRect(skia.Rect(-0.3, -0.20, 0.3, -0.14), brush.fill("#c8382e"))
    canvas.drawRect(skia.Rect(0.05, -1.0, 0.3, 0), brush.fill("#1a2238", 0.22))
    canvas.restore()
    canvas.drawCircle(0, -0.60, 0.07, brush.fill("#5d6a80"))
    canvas.drawCircle(0, -0.60, 0.052, brush.linear((0, -0.66), (0, -0.54), [(0, "#bfe9ff", 1), (1, "#2f6fa0", 1)]))
    canvas.drawRect(skia.Rect(-0.10, -0.02, 0.10, 0.03), brush.fill("#3a4150"))
