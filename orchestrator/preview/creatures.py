"""Animals, on the ground, in the air and under water."""

from __future__ import annotations

import math
from dataclasses import dataclass

import skia

from orchestrator.preview.brush import Brush, Stop, outline, smooth
from orchestrator.preview.palette import Ink, mix
from orchestrator.preview.people import Variant, oval

# --- in the air ---


def bird(canvas: skia.Canvas, brush: Brush, t: float, v: Variant) -> None:
    """A bird far off: two curved wings and a body, one wingspan wide."""
    flap = math.sin(2 * math.pi * (1.7 + 0.6 * v.b) * t + 6.28 * v.a) * (1.0 if v.c < 0.75 else 0.25)
    ink = "#2b2733"
    tip, bow = -0.20 * flap - 0.06, -0.16 - 0.05 * flap
    path = skia.Path()
    path.moveTo(-0.5, tip)
    path.quadTo(-0.25, bow - 0.05, 0, 0)
    path.quadTo(0.25, bow - 0.05, 0.5, tip)
    path.quadTo(0.26, bow + 0.05, 0.02, 0.07)
    path.quadTo(-0.26, bow + 0.05, -0.5, tip)
    path.close()
    canvas.drawPath(path, brush.fill(ink))
    oval(canvas, 0.01, 0.035, 0.085, 0.042, brush.fill(ink))


def gull(canvas: skia.Canvas, brush: Brush, t: float, v: Variant) -> None:
    """A large soaring bird from the side; `eagle` is brown with fingered wings."""
    eagle = v.pose == "eagle"
    glide = math.sin(1.4 * t + 6.28 * v.a)
    flap = math.sin(2 * math.pi * 1.1 * t + 6.28 * v.b) * (0.5 + 0.5 * glide)
    body, wing, tip = ("#4a3524", "#5d442e", "#2c1e14") if eagle else ("#fbfbfa", "#dfe4ea", "#3b414c")
    for side, shade in ((-1, 0.22), (1, 0.0)):
        lift = -0.24 * flap - 0.10
        ends = (side * 0.5 + 0.04, lift)
        path = skia.Path()
        path.moveTo(0.10, -0.02)
        path.quadTo(side * 0.18 + 0.10, lift - 0.10, *ends)
        path.quadTo(side * 0.20 - 0.02, lift * 0.3 + 0.06, -0.10, 0.02)
        path.close()
        canvas.drawPath(path, brush.fill(mix(wing, "#000000", shade)))
        end = skia.Path()
        end.moveTo(*ends)
        end.lineTo(ends[0] - side * 0.11, lift - 0.012)
        end.lineTo(ends[0] - side * 0.10 - 0.02, lift + 0.05)
        end.close()
        canvas.drawPath(end, brush.fill(tip))
    hull = smooth(
        [(0.22, -0.01), (0.12, -0.06), (-0.08, -0.035), (-0.26, 0.0), (-0.06, 0.045), (0.12, 0.045)], close=True
    )
    canvas.drawPath(hull, brush.fill(body))
    canvas.drawPath(outline([(-0.20, -0.01), (-0.33, -0.03), (-0.33, 0.03)]), brush.fill(body))
    canvas.drawCircle(0.2, -0.018, 0.044, brush.fill("#f6f1e4" if eagle else body))
    canvas.drawPath(outline([(0.235, -0.03), (0.29, -0.008), (0.235, 0.008)]), brush.fill("#e0a23a"))
    canvas.drawCircle(0.213, -0.026, 0.008, brush.fill("#16141a"))


def bee(canvas: skia.Canvas, brush: Brush, t: float, v: Variant) -> None:
    beat = 0.5 + 0.5 * math.sin(60 * t + 6 * v.a)
    for lean in (-0.16, 0.02):
        canvas.save()
        canvas.translate(lean, -0.16)
        canvas.rotate(-50 - 30 * beat)
        oval(canvas, 0.18, 0, 0.2, 0.085, brush.fill("#eaf4ff", 0.55))
        canvas.restore()
    body = skia.Path()
    body.addOval(skia.Rect(-0.34, -0.19, 0.28, 0.19))
    canvas.drawPath(body, brush.fill("#f3b62c"))
    canvas.save()
    canvas.clipPath(body, True)
    for x in (-0.22, -0.06, 0.1):
        canvas.drawRect(skia.Rect(x - 0.035, -0.2, x + 0.035, 0.2), brush.fill("#2a1d14"))
    canvas.restore()
    canvas.drawCircle(0.29, -0.02, 0.12, brush.fill("#2a1d14"))
    canvas.drawCircle(0.33, -0.05, 0.028, brush.fill("#ffffff"))
    for x in (0.36, 0.42):
        canvas.drawPath(smooth([(0.33, -0.1), (x, -0.2), (x + 0.05, -0.24)]), brush.stroke("#2a1d14", 0.02))


def dragon(canvas: skia.Canvas, brush: Brush, t: float, v: Variant) -> None:
    flap = math.sin(2.6 * t + 6 * v.a)
    ink, belly, skin = "#5c2434", "#a8563f", "#7d3340"
    for shade, shift in ((0.35, 0.06), (0.0, 0.0)):
        tip_y = -0.42 - 0.26 * flap
        wing = skia.Path()
        wing.moveTo(0.12 + shift, -0.05)
        wing.quadTo(0.08 + shift, tip_y * 0.9, -0.16 + shift, tip_y)
        wing.quadTo(-0.20 + shift, tip_y * 0.55, -0.42 + shift, tip_y * 0.5)
        wing.quadTo(-0.30 + shift, tip_y * 0.3, -0.36 + shift, tip_y * 0.08)
        wing.quadTo(-0.16 + shift, -0.06, -0.08 + shift, 0.0)
        wing.close()
        canvas.drawPath(wing, brush.fill(mix(skin, "#000000", shade)))
        rib = smooth([(0.10 + shift, -0.05), (0.02 + shift, tip_y * 0.7), (-0.16 + shift, tip_y)])
        canvas.drawPath(rib, brush.stroke(mix(ink, "#000000", shade), 0.022))
    wave = [(-0.55 + 0.09 * k, 0.05 + 0.05 * math.sin(2.2 * t + k * 0.9) * (1 - k / 7)) for k in range(7)]
    canvas.drawPath(smooth([*wave, (0.14, 0.0)]), brush.stroke(ink, 0.055))
    canvas.drawPath(
        outline([wave[0], (wave[0][0] - 0.08, wave[0][1] - 0.05), (wave[0][0] - 0.06, wave[0][1] + 0.05)]),
        brush.fill(ink),
    )
    body = smooth([(-0.18, 0.0), (0.0, -0.08), (0.18, -0.06), (0.26, 0.0), (0.12, 0.09), (-0.06, 0.08)], close=True)
    canvas.drawPath(body, brush.fill(ink))
    oval(canvas, 0.06, 0.055, 0.12, 0.03, brush.fill(belly))
    neck = smooth([(0.18, -0.01), (0.30, -0.06), (0.34, -0.17), (0.42, -0.22)])
    canvas.drawPath(neck, brush.stroke(ink, 0.07))
    head = outline([(0.36, -0.27), (0.45, -0.28), (0.58, -0.22), (0.57, -0.19), (0.44, -0.175), (0.37, -0.2)])
    canvas.drawPath(head, brush.fill(ink))
    for x in (0.38, 0.42):
        canvas.drawPath(outline([(x, -0.265), (x - 0.07, -0.35), (x + 0.03, -0.27)]), brush.fill("#d8c29a"))
    canvas.drawCircle(0.45, -0.245, 0.012, brush.unlit().fill("#ffd84a"))


# --- on four legs ---


@dataclass(frozen=True)
class _Beast:
    """Proportions of a four-legged animal whose shoulder is near y = -0.62 and whose length is about 1."""

    coat: Ink
    dark: Ink
    belly: float  # y of the belly
    girth: float
    leg: float  # stroke width
    neck: tuple[float, float]  # where the head sits
    head: tuple[float, float]  # length, height
    tail: str
    ears: str
    stride: float
    pace: float
    mane: bool = False
    antlers: bool = False


_BEASTS = {
    "dog": _Beast("#b5793f", "#6b4322", -0.36, 0.24, 0.062, (0.50, -0.80), (0.20, 0.15), "up", "flop", 0.20, 9.0),
    "wolf": _Beast("#7d828c", "#43474f", -0.34, 0.25, 0.06, (0.54, -0.72), (0.22, 0.15), "bush", "point", 0.20, 6.0),
    "fox": _Beast("#d2692a", "#3a2620", -0.34, 0.20, 0.05, (0.52, -0.68), (0.19, 0.13), "bush", "point", 0.18, 7.5),
    "horse": _Beast(
        "#7a4a2c", "#2a1a14", -0.46, 0.27, 0.058, (0.62, -1.0), (0.24, 0.13), "long", "point", 0.22, 6.5, True
    ),
    "deer": _Beast(
        "#a8734a", "#5d3d28", -0.48, 0.22, 0.04, (0.54, -0.98), (0.18, 0.11), "stub", "point", 0.0, 0.0, antlers=True
    ),
}


def _leg(
    canvas: skia.Canvas, brush: Brush, beast: _Beast, x: float, phase: float, t: float, shade: float, hind: bool
) -> None:
    swing = math.sin(beast.pace * t + phase)
    lift = max(0.0, math.cos(beast.pace * t + phase)) * beast.stride * 0.35
    hip = (x, beast.belly - 0.06)
    foot = (x + swing * beast.stride, -lift - 0.01)
    bend = (-0.045 if hind else 0.03) + swing * beast.stride * 0.35
    knee = (x + bend + (0.05 if hind else 0.0) * swing, beast.belly * 0.5 - lift * 0.4)
    ink = mix(beast.coat, "#000000", shade)
    path = skia.Path()
    path.moveTo(*hip)
    path.lineTo(*knee)
    path.lineTo(*foot)
    canvas.drawPath(path, brush.stroke(ink, beast.leg))
    thigh = smooth(
        [(x - 0.01, beast.belly - beast.girth * 0.45), hip, ((hip[0] * 2 + knee[0]) / 3, (hip[1] * 2 + knee[1]) / 3)]
    )
    canvas.drawPath(thigh, brush.stroke(mix(ink, "#000000", 0.12), beast.leg * (1.8 if hind else 1.4)))
    canvas.drawLine(
        foot[0], foot[1], foot[0] + 0.035, foot[1], brush.stroke(mix(beast.dark, "#000000", shade), beast.leg * 0.8)
    )


def _tail(canvas: skia.Canvas, brush: Brush, beast: _Beast, t: float) -> None:
    wag = math.sin(7 * t)
    match beast.tail:
        case "up":
            path = smooth([(-0.40, -0.60), (-0.52, -0.70), (-0.56 + 0.04 * wag, -0.88)])
            canvas.drawPath(path, brush.stroke(beast.coat, 0.05))
        case "bush":
            path = smooth([(-0.38, -0.56), (-0.62, -0.50 + 0.02 * wag), (-0.86, -0.42 + 0.04 * wag)])
            canvas.drawPath(path, brush.stroke(beast.coat, 0.13))
            canvas.drawCircle(-0.84, -0.43 + 0.04 * wag, 0.06, brush.fill("#f3ece2"))
        case "long":
            path = smooth([(-0.42, -0.68), (-0.60, -0.62 + 0.02 * wag), (-0.70, -0.42), (-0.72 + 0.04 * wag, -0.26)])
            canvas.drawPath(path, brush.stroke(beast.dark, 0.085))
        case _:
            canvas.drawLine(-0.40, -0.64, -0.46, -0.60, brush.stroke("#f3ece2", 0.06))


def _beast_head(canvas: skia.Canvas, brush: Brush, beast: _Beast) -> None:
    x, y = beast.neck
    length, height = beast.head
    skull = smooth(
        [
            (x - length * 0.35, y - height * 0.4),
            (x + length * 0.1, y - height * 0.62),
            (x + length * 0.75, y - height * 0.05),
            (x + length * 0.95, y + height * 0.22),
            (x + length * 0.7, y + height * 0.5),
            (x, y + height * 0.55),
            (x - length * 0.4, y + height * 0.3),
        ],
        close=True,
    )
    canvas.drawPath(skull, brush.fill(beast.coat))
    canvas.drawCircle(x + length * 0.86, y + height * 0.2, height * 0.13, brush.fill(beast.dark))
    canvas.drawCircle(x + length * 0.2, y - height * 0.18, height * 0.085, brush.fill("#120d0b"))
    if beast.ears == "flop":
        ear = smooth(
            [(x - 0.07, y - 0.08), (x - 0.13, y + 0.02), (x - 0.08, y + 0.12), (x - 0.02, y - 0.02)], close=True
        )
    else:
        ear = outline([(x - 0.075, y - height * 0.4), (x - 0.06, y - height * 1.15), (x + 0.015, y - height * 0.5)])
    canvas.drawPath(ear, brush.fill(mix(beast.coat, beast.dark, 0.6)))
    if beast.antlers:
        for lean in (-0.06, 0.06):
            path = skia.Path()
            path.moveTo(x - 0.02, y - height * 0.5)
            path.quadTo(x - 0.14 + lean, y - 0.20, x - 0.02 + lean * 2, y - 0.36)
            for at, reach in ((0.16, 0.10), (0.25, 0.10)):
                path.moveTo(x - 0.075 + lean, y - at)
                path.lineTo(x + reach + lean, y - at - 0.10)
            canvas.drawPath(path, brush.stroke("#d9c19a", 0.018))


def _beast(canvas: skia.Canvas, brush: Brush, t: float, v: Variant, beast: _Beast) -> None:
    t += v.b * 3
    bounce = abs(math.sin(beast.pace * t)) * beast.stride * 0.10
    canvas.save()
    canvas.translate(0, -bounce)
    for x, phase, shade, hind in ((-0.28, 1.9, 0.35, True), (0.24, 4.4, 0.35, False)):
        _leg(canvas, brush, beast, x, phase, t, shade, hind)
    _tail(canvas, brush, beast, t)
    shoulder = beast.belly - beast.girth
    trunk = smooth(
        [
            (-0.40, shoulder + 0.06),
            (-0.26, shoulder - 0.02),
            (0.0, shoulder + 0.02),
            (0.24, shoulder - 0.02),
            (0.38, shoulder + 0.10),
            (0.30, beast.belly + 0.02),
            (-0.05, beast.belly - 0.02),
            (-0.34, beast.belly - 0.02),
        ],
        close=True,
    )
    stops: list[Stop] = [(0, mix(beast.coat, "#fff0d8", 0.16), 1), (1, mix(beast.coat, "#000000", 0.34), 1)]
    canvas.drawPath(trunk, brush.linear((0, shoulder), (0, beast.belly), stops))
    nx, ny = beast.neck
    neck = smooth(
        [
            (0.10, shoulder + 0.03),
            (nx - 0.16, ny - 0.02),
            (nx + 0.02, ny - 0.04),
            (nx, ny + 0.09),
            (0.36, shoulder + 0.20),
        ]
    )
    canvas.drawPath(neck, brush.linear((0, ny), (0, beast.belly), stops))
    if beast.mane:
        flow = 0.03 * math.sin(6 * t)
        mane = smooth(
            [(nx - 0.02, ny - 0.10), (nx - 0.18, ny + 0.02), (0.16 + flow, shoulder - 0.06), (0.06, shoulder + 0.04)]
        )
        canvas.drawPath(mane, brush.stroke(beast.dark, 0.075))
    _beast_head(canvas, brush, beast)
    for x, phase, shade, hind in ((-0.33, 0.3, 0.08, True), (0.29, 2.7, 0.08, False)):
        _leg(canvas, brush, beast, x, phase, t, shade, hind)
    canvas.restore()


def dog(canvas: skia.Canvas, brush: Brush, t: float, v: Variant) -> None:
    _beast(canvas, brush, t, v, _BEASTS[v.pose if v.pose in ("wolf", "fox") else "dog"])


def horse(canvas: skia.Canvas, brush: Brush, t: float, v: Variant) -> None:
    _beast(canvas, brush, t, v, _BEASTS["horse"])


def deer(canvas: skia.Canvas, brush: Brush, t: float, v: Variant) -> None:
    _beast(canvas, brush, t, v, _BEASTS["deer"])


def cat(canvas: skia.Canvas, brush: Brush, t: float, v: Variant) -> None:
    """A sitting cat; only the tail and the ears move."""
    coat = v.pick(("#3a3640", "#c9803f", "#8b8f99", "#e9e2d6"))
    swish = math.sin(1.5 * t + 6 * v.b)
    tail = smooth([(-0.22, -0.06), (-0.46, -0.04), (-0.58, -0.20), (-0.50 + 0.07 * swish, -0.42)])
    canvas.drawPath(tail, brush.stroke(mix(coat, "#000000", 0.12), 0.085))
    body = smooth(
        [
            (0.16, 0.0),
            (-0.28, 0.0),
            (-0.32, -0.22),
            (-0.16, -0.46),
            (0.02, -0.66),
            (0.18, -0.62),
            (0.20, -0.30),
            (0.24, -0.02),
        ],
        close=True,
    )
    stops: list[Stop] = [(0, mix(coat, "#000000", 0.25), 1), (1, mix(coat, "#ffffff", 0.10), 1)]
    canvas.drawPath(body, brush.linear((-0.3, 0), (0.25, 0), stops))
    canvas.drawLine(0.15, -0.42, 0.17, -0.03, brush.stroke(mix(coat, "#ffffff", 0.08), 0.085))
    for x, twitch in ((0.0, 0.0), (0.20, 0.02 * max(0.0, math.sin(2.3 * t)))):
        ear = outline([(x - 0.02, -0.82), (x + 0.02 + twitch, -1.0), (x + 0.12, -0.84)])
        canvas.drawPath(ear, brush.fill(coat))
    oval(canvas, 0.14, -0.76, 0.175, 0.15, brush.fill(coat))
    for x in (0.10, 0.22):
        oval(canvas, x, -0.775, 0.024, 0.032, brush.unlit().fill("#d7e65a"))
        oval(canvas, x, -0.775, 0.008, 0.028, brush.fill("#101010"))
    canvas.drawPath(outline([(0.15, -0.72), (0.185, -0.72), (0.168, -0.70)]), brush.fill("#d98a86"))


# --- under water ---

_FISH = (
    ("#ff8a2a", "#ffffff", "#1d1a24"),
    ("#ffd23a", "#fff3b8", "#2c3f8f"),
    ("#3fa3ff", "#bfe6ff", "#13356b"),
    ("#ff5d7a", "#ffc4c9", "#7a1f45"),
    ("#7a5cff", "#ffd84a", "#33208a"),
)


def fish(canvas: skia.Canvas, brush: Brush, t: float, v: Variant) -> None:
    if v.pose == "shark":
        _shark(canvas, brush, t, v)
        return
    body, band, line = ("#ff9a3a", "#ffd9a0", "#a84a14") if v.pose == "gold" else _FISH[min(4, int(v.a * 5))]
    wag = math.sin(7 * t + 6.28 * v.b)
    tall = 0.20 + 0.14 * v.c
    tail = outline([(-0.30, 0), (-0.52, -0.17 + 0.05 * wag), (-0.45 + 0.02 * wag, 0.01), (-0.52, 0.17 + 0.05 * wag)])
    canvas.drawPath(tail, brush.fill(mix(body, line, 0.25)))
    for sign in (-1, 1):
        fin = smooth(
            [
                (-0.18, sign * tall * 0.6),
                (-0.06, sign * tall * 1.6),
                (0.10, sign * tall * 1.1),
                (0.16, sign * tall * 0.6),
            ]
        )
        canvas.drawPath(fin, brush.fill(mix(body, line, 0.35)))
    hull = skia.Path()
    hull.moveTo(0.42, 0.01)
    hull.cubicTo(0.26, -tall * 1.25, -0.16, -tall * 1.1, -0.34, 0)
    hull.cubicTo(-0.16, tall * 1.1, 0.26, tall * 1.25, 0.42, 0.01)
    hull.close()
    stops: list[Stop] = [(0, mix(body, "#000000", 0.18), 1), (0.45, body, 1), (1, band, 1)]
    canvas.drawPath(hull, brush.linear((0, -tall), (0, tall), stops))
    canvas.save()
    canvas.clipPath(hull, True)
    for x in (0.17, -0.10) if v.c > 0.45 else ():
        canvas.drawLine(x, -tall, x - 0.03, tall, brush.stroke(line, 0.10))
        canvas.drawLine(x, -tall, x - 0.03, tall, brush.stroke(band, 0.07))
    canvas.restore()
    canvas.drawPath(
        smooth([(0.10, 0.04), (-0.04, 0.13 + 0.03 * wag), (-0.02, 0.03)], close=True), brush.fill(line, 0.5)
    )
    canvas.drawCircle(0.29, -0.035, 0.036, brush.fill("#ffffff"))
    canvas.drawCircle(0.298, -0.035, 0.021, brush.fill("#0d0d14"))


def _shark(canvas: skia.Canvas, brush: Brush, t: float, v: Variant) -> None:
    wag = 0.05 * math.sin(3 * t + 6 * v.b)
    ink = "#5f7285"
    canvas.drawPath(outline([(-0.42, 0), (-0.58, -0.20 + wag), (-0.50, wag), (-0.56, 0.12 + wag)]), brush.fill(ink))
    canvas.drawPath(outline([(-0.04, -0.10), (-0.02, -0.27), (0.12, -0.11)]), brush.fill(ink))
    canvas.drawPath(outline([(0.12, 0.06), (-0.02, 0.22), (0.18, 0.09)]), brush.fill(mix(ink, "#000000", 0.2)))
    hull = smooth(
        [(0.52, -0.01), (0.32, -0.11), (0.0, -0.13), (-0.28, -0.05), (-0.46, 0.0), (-0.2, 0.06), (0.2, 0.10)],
        close=True,
    )
    stops: list[Stop] = [(0, ink, 1), (0.62, mix(ink, "#ffffff", 0.1), 1), (0.75, "#e2e9ee", 1)]
    canvas.drawPath(hull, brush.linear((0, -0.13), (0, 0.12), stops))
    canvas.drawCircle(0.38, -0.035, 0.012, brush.fill("#0b0d12"))
    for k in range(3):
        canvas.drawLine(0.24 - 0.03 * k, -0.03, 0.23 - 0.03 * k, 0.04, brush.stroke("#3c4a5a", 0.006))


def whale(canvas: skia.Canvas, brush: Brush, t: float, v: Variant) -> None:
    dolphin = v.pose == "dolphin"
    ink, belly = ("#6d8aa3", "#dfe9f0") if dolphin else ("#33506b", "#a8bccb")
    wave = math.sin((3.4 if dolphin else 1.3) * t + 6 * v.b)
    fluke = (-0.56, -0.04 - 0.07 * wave)
    stock = smooth([(-0.22, 0.0), (-0.40, -0.02 - 0.02 * wave), fluke])
    canvas.drawPath(stock, brush.stroke(ink, 0.07))
    for sign in (-1, 1):
        lobe = smooth(
            [
                fluke,
                (fluke[0] - 0.07, fluke[1] + sign * 0.05),
                (fluke[0] - 0.14, fluke[1] + sign * 0.12 - 0.03),
                (fluke[0] - 0.03, fluke[1] + sign * 0.05),
            ],
            close=True,
        )
        canvas.drawPath(lobe, brush.fill(ink))
    if dolphin:
        hull = [
            (0.58, 0.02),
            (0.44, -0.05),
            (0.30, -0.12),
            (0.0, -0.14),
            (-0.26, -0.05),
            (-0.36, 0.0),
            (-0.1, 0.08),
            (0.3, 0.09),
        ]
        canvas.drawPath(outline([(-0.04, -0.13), (-0.14, -0.27), (0.08, -0.13)]), brush.fill(ink))
    else:
        hull = [
            (0.52, 0.02),
            (0.44, -0.12),
            (0.18, -0.18),
            (-0.12, -0.12),
            (-0.34, -0.02),
            (-0.2, 0.06),
            (0.1, 0.17),
            (0.44, 0.14),
        ]
    stops: list[Stop] = [(0, mix(ink, "#ffffff", 0.14), 1), (0.55, ink, 1), (0.75, belly, 1), (1, belly, 1)]
    canvas.drawPath(smooth(hull, close=True), brush.linear((0, -0.18), (0, 0.16), stops))
    if not dolphin:
        for k in range(5):
            line = smooth([(0.46 - 0.02 * k, 0.07 + 0.017 * k), (0.26, 0.09 + 0.018 * k), (0.02, 0.08 + 0.012 * k)])
            canvas.drawPath(line, brush.stroke(mix(belly, ink, 0.5), 0.006))
    fin = smooth([(0.20, 0.09), (0.08, 0.24 + 0.03 * wave), (-0.02, 0.28 + 0.04 * wave), (0.10, 0.10)], close=True)
    canvas.drawPath(fin, brush.fill(mix(ink, "#000000", 0.2)))
    canvas.drawCircle(0.36, 0.0, 0.014, brush.fill("#0c0f14"))
    canvas.drawPath(smooth([(0.52, 0.03), (0.44, 0.05), (0.34, 0.045)]), brush.stroke("#22364a", 0.007))


def turtle(canvas: skia.Canvas, brush: Brush, t: float, v: Variant) -> None:
    row = math.sin(1.8 * t + 6 * v.b)
    skin = "#6f9460"
    for x, reach, sign in ((0.16, 0.36, 1.0), (-0.24, 0.18, -0.6)):
        flipper = smooth(
            [
                (x, 0.03),
                (x - 0.10, 0.10 + reach * 0.5 * row * sign),
                (x - reach * 0.7, 0.12 + reach * 0.7 * row * sign),
                (x - 0.14, 0.04),
            ],
            close=True,
        )
        canvas.drawPath(flipper, brush.fill(mix(skin, "#000000", 0.15)))
    oval(canvas, 0.40, -0.06, 0.10, 0.07, brush.fill(skin))
    canvas.drawLine(0.24, -0.02, 0.36, -0.05, brush.stroke(skin, 0.09))
    canvas.drawCircle(0.44, -0.08, 0.014, brush.fill("#101410"))
    shell = skia.Path()
    shell.moveTo(0.30, 0.03)
    shell.cubicTo(0.22, -0.26, -0.26, -0.26, -0.36, 0.04)
    shell.cubicTo(-0.2, 0.13, 0.16, 0.13, 0.30, 0.03)
    shell.close()
    stops: list[Stop] = [(0, "#8a6f3c", 1), (0.6, "#5b4a2a", 1), (1, "#d8c38a", 1)]
    canvas.drawPath(shell, brush.linear((0, -0.2), (0, 0.12), stops))
    canvas.save()
    canvas.clipPath(shell, True)
    for k in range(5):
        canvas.drawCircle(-0.26 + 0.13 * k, -0.07, 0.075, brush.stroke("#3d3019", 0.012, 0.8))
    canvas.restore()


def jellyfish(canvas: skia.Canvas, brush: Brush, t: float, v: Variant) -> None:
    ink = v.pick(("#ff9ad1", "#a4b8ff", "#9af0e6", "#ffc9a3"))
    pulse = math.sin(2.1 * t + 6.28 * v.b)
    wide, tall = 0.32 * (1 + 0.12 * pulse), 0.32 * (1 - 0.10 * pulse)
    brush = brush.unlit()
    for k in range(7):
        x = wide * (k - 3) / 3.4
        line = [(x * (1 - 0.06 * j) + 0.035 * math.sin(2 * t + j + k + 6 * v.a), -0.02 + 0.105 * j) for j in range(6)]
        canvas.drawPath(smooth(line), brush.stroke(ink, 0.016 if k % 2 else 0.03, 0.45))
    bell = skia.Path()
    bell.moveTo(-wide, 0)
    bell.cubicTo(-wide, -tall * 1.5, wide, -tall * 1.5, wide, 0)
    bell.quadTo(wide * 0.5, 0.07, 0, 0.02)
    bell.quadTo(-wide * 0.5, 0.07, -wide, 0)
    bell.close()
    stops: list[Stop] = [(0, "#ffffff", 0.85), (0.5, ink, 0.6), (1, ink, 0.75)]
    canvas.drawPath(bell, brush.radial((-0.06, -tall * 0.7), 0.5, stops))
    brush.glow(canvas, 0, -0.08, 0.55, ink, 0.25)
