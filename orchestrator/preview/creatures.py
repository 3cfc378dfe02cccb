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
    "dog": _Beast("#b5793f", "#6b4322", -0.36, 0.27, 0.066, (0.46, -0.77), (0.24, 0.20), "up", "flop", 0.19, 9.0),
    "wolf": _Beast("#7d828c", "#43474f", -0.36, 0.27, 0.06, (0.50, -0.72), (0.24, 0.17), "bush", "point", 0.20, 6.0),
    "fox": _Beast("#d2692a", "#3a2620", -0.33, 0.21, 0.05, (0.48, -0.64), (0.21, 0.15), "bush", "point", 0.18, 7.5),
    "horse": _Beast(
        "#7a4a2c", "#2a1a14", -0.46, 0.31, 0.062, (0.58, -0.98), (0.26, 0.15), "long", "point", 0.22, 6.5, True
    ),
    "deer": _Beast(
        "#a8734a", "#5d3d28", -0.46, 0.24, 0.044, (0.50, -0.92), (0.18, 0.12), "stub", "point", 0.0, 0.0, antlers=True
    ),
}


@dataclass(frozen=True)
class _Stride:
    """One leg: where it hangs and when it steps."""

    x: float
    phase: float
    hind: bool
    near: bool


_STRIDES = (
    _Stride(-0.27, 1.9, True, False),
    _Stride(0.22, 4.4, False, False),
    _Stride(-0.30, 0.3, True, True),
    _Stride(0.26, 2.7, False, True),
)


def _taper(canvas: skia.Canvas, points: list[tuple[float, float]], widths: list[float], paint: skia.Paint) -> None:
    """A limb through the points, as thick at each as told, in one outline so that no joint shows."""
    path = skia.Path()
    for (ax, ay), (bx, by), wa, wb in zip(points, points[1:], widths, widths[1:], strict=False):
        length = math.hypot(bx - ax, by - ay) or 1e-6
        nx, ny = -(by - ay) / length / 2, (bx - ax) / length / 2
        corners = [
            (ax - nx * wa, ay - ny * wa),
            (bx - nx * wb, by - ny * wb),
            (bx + nx * wb, by + ny * wb),
            (ax + nx * wa, ay + ny * wa),
        ]
        path.addPath(outline(corners))
    for (x, y), width in zip(points, widths, strict=True):
        path.addCircle(x, y, width / 2)
    canvas.drawPath(path, paint)


def _curve(points: list[tuple[float, float]], steps: int = 10) -> list[tuple[float, float]]:
    """Points along a quadratic through three control points."""
    (ax, ay), (bx, by), (cx, cy) = points
    result = []
    for k in range(steps + 1):
        f = k / steps
        u, v, w = (1 - f) ** 2, 2 * f * (1 - f), f * f
        result.append((u * ax + v * bx + w * cx, u * ay + v * by + w * cy))
    return result


def _leg(canvas: skia.Canvas, brush: Brush, beast: _Beast, stride: _Stride, t: float, paint: skia.Paint) -> None:
    """Thigh, shank and foot; a hind leg bends at the hock, backwards, a fore leg a little forwards."""
    x, hind = stride.x, stride.hind
    swing = math.sin(beast.pace * t + stride.phase)
    lift = max(0.0, math.cos(beast.pace * t + stride.phase)) * beast.stride * 0.35
    hip = (x, beast.belly - beast.girth * 0.42)
    foot = (x + swing * beast.stride + (0.02 if hind else 0.0), -lift - beast.leg * 0.25)
    if hind:
        stifle = (x + 0.06 + swing * beast.stride * 0.30, beast.belly * 0.86 - lift * 0.2)
        hock = (x - 0.055 + swing * beast.stride * 0.62, beast.belly * 0.45 - lift * 0.7)
        points = [hip, stifle, hock, foot]
        widths = [beast.girth * 0.74, beast.leg * 2.1, beast.leg * 1.0, beast.leg * 0.78]
    else:
        elbow = (x - 0.015 + swing * beast.stride * 0.12, beast.belly * 0.94)
        knee = (x + 0.02 + swing * beast.stride * 0.55, beast.belly * 0.50 - lift * 0.8)
        points = [hip, elbow, knee, foot]
        widths = [beast.girth * 0.56, beast.leg * 1.7, beast.leg * 1.0, beast.leg * 0.78]
    _taper(canvas, points, widths, paint)
    shoe = brush.fill(mix(beast.dark, "#000000", 0.1 if stride.near else 0.35))
    toe = (foot[0] + beast.leg * 0.55, foot[1] + beast.leg * 0.05)
    _taper(canvas, [foot, toe], [beast.leg * 0.86, beast.leg * 0.70], shoe)


def _tail(canvas: skia.Canvas, brush: Brush, beast: _Beast, t: float, paint: skia.Paint) -> None:
    wag = math.sin(7 * t) if beast.tail == "up" else math.sin(2.2 * t)
    rump = beast.belly - beast.girth * 0.86
    match beast.tail:
        case "up":
            points = _curve([(-0.36, rump), (-0.56, rump - 0.02), (-0.60 + 0.05 * wag, rump - 0.24)])
            _taper(canvas, points, [0.062 - 0.0042 * k for k in range(11)], paint)
        case "bush":
            points = _curve([(-0.34, rump + 0.02), (-0.58, rump + 0.02), (-0.88, rump + 0.16 + 0.05 * wag)])
            widths = [0.05, 0.07, 0.09, 0.11, 0.125, 0.132, 0.132, 0.12, 0.10, 0.07, 0.03]
            _taper(canvas, points, widths, paint)
            tip = brush.fill(
                "#f3ece2" if beast.ears == "point" and beast.girth < 0.22 else mix(beast.coat, "#000", 0.2)
            )
            _taper(canvas, points[8:], widths[8:], tip)
        case "long":
            points = _curve([(-0.38, rump), (-0.64, rump - 0.02), (-0.60 + 0.06 * wag, rump + 0.48)])
            widths = [0.05, 0.065, 0.08, 0.09, 0.10, 0.105, 0.10, 0.09, 0.075, 0.05, 0.02]
            _taper(canvas, points, widths, brush.fill(beast.dark))
        case _:
            points = [(-0.38, rump), (-0.44, rump + 0.05)]
            _taper(canvas, points, [0.07, 0.04], brush.fill("#f3ece2"))


def _beast_head(canvas: skia.Canvas, brush: Brush, beast: _Beast, coat: skia.Paint) -> None:
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
    canvas.drawPath(skull, coat)
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
            path.quadTo(x - 0.12 + lean, y - 0.15, x - 0.02 + lean * 2, y - 0.27)
            for at, reach in ((0.11, 0.05), (0.18, 0.05)):
                path.moveTo(x - 0.065 + lean, y - at)
                path.lineTo(x + reach + lean, y - at - 0.06)
            canvas.drawPath(path, brush.stroke("#d9c19a", 0.018))


def _beast(canvas: skia.Canvas, brush: Brush, t: float, v: Variant, beast: _Beast) -> None:
    t += v.b * 3
    bounce = abs(math.sin(beast.pace * t)) * beast.stride * 0.10
    shoulder, belly = beast.belly - beast.girth, beast.belly
    light, shade = mix(beast.coat, "#fff0d8", 0.18), mix(beast.coat, "#000000", 0.30)
    # One gradient for every near part: head, neck, trunk and legs run into each other without a seam.
    near = brush.linear((0, beast.neck[1]), (0, -0.05), [(0, light, 1), (0.45, beast.coat, 1), (1, shade, 1)])
    far = brush.fill(mix(beast.coat, "#000000", 0.42))
    canvas.save()
    canvas.translate(0, -bounce)
    for stride in _STRIDES[:2]:
        _leg(canvas, brush, beast, stride, t, far)
    _tail(canvas, brush, beast, t, near)
    nx, ny = beast.neck
    trunk = smooth(
        [
            (-0.41, shoulder + 0.12),
            (-0.36, shoulder + 0.01),
            (-0.16, shoulder - 0.01),
            (0.04, shoulder + 0.025),
            (0.24, shoulder - 0.02),
            (0.37, shoulder + 0.07),
            (0.37, belly - 0.05),
            (0.24, belly + 0.035),
            (0.0, belly - 0.015),
            (-0.22, belly - 0.045),
            (-0.38, belly - 0.05),
        ],
        close=True,
    )
    canvas.drawPath(trunk, near)
    rise = (0.30, shoulder + beast.girth * 0.42)
    neck = _curve([rise, ((rise[0] + nx) / 2 + 0.05, (rise[1] + ny) / 2 + 0.02), (nx, ny + 0.02)])
    thick, thin = beast.girth * 0.92, beast.head[1] * 1.02
    _taper(canvas, neck, [thick + (thin - thick) * (k / 10) ** 0.75 for k in range(11)], near)
    if beast.mane:
        flow = 0.02 * math.sin(3.1 * t)
        points = _curve([(nx + 0.03, ny - 0.09), (nx - 0.09, ny + 0.02), (0.19 + flow, shoulder + 0.02)])
        widths = [0.035, 0.05, 0.065, 0.075, 0.08, 0.08, 0.075, 0.068, 0.055, 0.04, 0.02]
        _taper(canvas, points, widths, brush.fill(beast.dark))
    _beast_head(canvas, brush, beast, near)
    for stride in _STRIDES[2:]:
        _leg(canvas, brush, beast, stride, t, near)
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
