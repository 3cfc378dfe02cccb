"""Everything above and behind: gradients, sun and moon, stars, clouds, water light, nebulae."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import skia

from orchestrator.preview.brush import Brush, Stop, smooth
from orchestrator.preview.layers import Layer, Live, LivePaint, Plate, Stage
from orchestrator.preview.palette import Ink, mix, rgb

Field = npt.NDArray[np.float32]
_HIDE_SKY = ("forest", "diner")  # no moon or clouds are seen from there
_CUBIC = skia.SamplingOptions(skia.CubicResampler.Mitchell())


def sky_layers(stage: Stage) -> Iterator[Layer]:
    """The backmost layers, the first of them opaque and covering the whole picture."""
    match stage.art.sky:
        case "underwater":
            yield from _underwater(stage)
        case "space":
            yield from _space(stage)
        case _:
            yield from _open_sky(stage)


def _open_sky(stage: Stage) -> Iterator[Layer]:
    palette = stage.palette
    indoors = stage.art.terrain in ("room", "diner")
    bottom = 1.0 if indoors else stage.horizon + 0.14  # the land hides the rest
    yield Plate(0.12, -0.1, bottom, lambda canvas: _paint_sky(canvas, stage), opaque=True)
    if stage.art.terrain in _HIDE_SKY:
        return
    if palette.stars:
        yield Live(0.12, _twinkle(stage, stage.horizon * 0.75))
    if palette.moon:
        yield Plate(0.14, -0.1, stage.horizon, lambda canvas: _paint_moon(canvas, stage))
    yield _cloud_plate(stage)
    if stage.art.sky == "storm":
        yield Live(0.2, _lightning(stage))


def _sky_stops(stage: Stage) -> list[Stop]:
    spread = (0.0, 0.30, 0.60, 0.86, 1.0)
    return [(p, ink, 1.0) for p, ink in zip(spread, stage.palette.sky, strict=True)]


def _paint_sky(canvas: skia.Canvas, stage: Stage) -> None:
    palette, brush = stage.palette, stage.brush
    left, right = -1.0, stage.aspect + 1.0
    canvas.drawRect(
        skia.Rect(left, -1, right, 2), brush.linear((0, -0.06), (0, stage.horizon + 0.02), _sky_stops(stage))
    )
    if palette.stars:
        _paint_stars(canvas, stage, stage.horizon * 0.8, round(260 * palette.stars * stage.aspect))
    if palette.sun_height < 0:
        _paint_soft_light(canvas, stage)
    elif not palette.moon:
        _paint_sun(canvas, stage)
    _paint_clouds(canvas, stage, 0, stage.horizon + 0.01)


def _paint_soft_light(canvas: skia.Canvas, stage: Stage) -> None:
    x, y = stage.sun[0], stage.horizon
    stops: list[Stop] = [(0, stage.palette.glow, 0.55), (1, stage.palette.glow, 0.0)]
    canvas.drawCircle(x, y, 0.8, stage.brush.radial((x, y), 0.8, stops))


def _paint_sun(canvas: skia.Canvas, stage: Stage) -> None:
    """A disc with a wide bloom: broad warmth along the horizon, then tighter and brighter towards the sun."""
    palette, brush = stage.palette, stage.brush
    x, y = stage.sun
    size = palette.sun_size
    canvas.save()
    canvas.translate(x, y)
    canvas.save()
    canvas.scale(2.4, 1.0)
    brush.glow(canvas, 0, 0, 0.55, palette.glow, 0.50)
    canvas.restore()
    brush.glow(canvas, 0, 0, size * 9, palette.glow, 0.55)
    brush.glow(canvas, 0, 0, size * 4.5, palette.sun, 0.75)
    disc: list[Stop] = [(0, "#ffffff", 1.0), (0.72, palette.sun, 1.0), (0.9, palette.sun, 0.75), (1, palette.sun, 0)]
    canvas.drawCircle(0, 0, size * 1.12, brush.radial((0, 0), size * 1.12, disc))
    canvas.restore()


def _paint_stars(canvas: skia.Canvas, stage: Stage, low: float, count: int) -> None:
    rng = stage.rng("stars")
    left, right = stage.span(0.2)
    for _ in range(count):
        x, depth = rng.uniform(left, right), rng.random() ** 1.4
        y = -0.08 + depth * (low + 0.08)
        bright = rng.random() ** 4
        alpha = (0.16 + 0.75 * bright) * (1 - depth) ** 0.7 * min(1.0, stage.palette.stars + 0.2)
        ink = rng.choice(("#ffffff", "#dfe8ff", "#fff1d8"))
        canvas.drawCircle(x, y, 0.0007 + 0.0014 * bright, stage.brush.fill(ink, alpha))


def _twinkle(stage: Stage, low: float, share: float = 14.0) -> LivePaint:
    rng = stage.rng("twinkle")
    stars = [
        (
            rng.uniform(0, stage.aspect),
            rng.uniform(0, low) * rng.random(),
            rng.uniform(1.2, 3.0),
            rng.uniform(0, 6.3),
            rng.uniform(0.0012, 0.0024),
        )
        for _ in range(round(share * stage.aspect))
    ]
    strength = min(1.0, stage.palette.stars)

    def paint(canvas: skia.Canvas, t: float) -> None:
        for x, y, rate, phase, radius in stars:
            shine = 0.5 + 0.5 * math.sin(rate * t + phase)
            canvas.drawCircle(
                x, y, radius * (0.7 + 0.5 * shine), stage.brush.fill("#ffffff", strength * shine**2 * 0.9)
            )

    return paint


def _paint_moon(canvas: skia.Canvas, stage: Stage) -> None:
    palette, brush = stage.palette, stage.brush
    x, y, r = stage.sun[0], max(0.14, stage.sun[1]), palette.sun_size
    brush.glow(canvas, x, y, r * 8, palette.glow, 0.38)
    brush.glow(canvas, x, y, r * 2.6, "#dfe9ff", 0.5)
    canvas.drawCircle(x, y, r, brush.fill(palette.sun))
    canvas.save()
    disc = skia.Path()
    disc.addCircle(x, y, r)
    canvas.clipPath(disc, True)
    rng = stage.rng("moon")
    for _ in range(9):
        angle, far = rng.uniform(0, 6.3), r * rng.random() ** 0.5 * 0.85
        mare = (x + far * math.cos(angle), y + far * math.sin(angle))
        canvas.drawCircle(*mare, r * rng.uniform(0.08, 0.28), brush.fill("#b9bfc9", 0.35))
    shade: list[Stop] = [(0, "#0a1330", 0.0), (0.7, "#0a1330", 0.05), (1, "#0a1330", 0.38)]
    canvas.drawCircle(x, y, r, brush.radial((x - r * 0.3, y - r * 0.3), r * 1.35, shade))
    canvas.restore()


# --- clouds ---


def fbm(rng: np.random.Generator, rows: int, cols: int, base: tuple[float, float], octaves: int = 5) -> Field:
    """Fractal value noise in 0..1; `base` is the cell count of the coarsest octave (down, across)."""
    total = np.zeros((rows, cols), np.float32)
    weight, reach = 1.0, 0.0
    for octave in range(octaves):
        down, across = max(2, round(base[0] * 2**octave)), max(2, round(base[1] * 2**octave))
        lattice = rng.random((down + 2, across + 2)).astype(np.float32)
        total += weight * _stretch(lattice, rows, cols, down, across)
        reach += weight
        weight *= 0.52
    return total / np.float32(reach)


def _stretch(lattice: Field, rows: int, cols: int, down: int, across: int) -> Field:
    """Smoothstep interpolation of a lattice onto a rows x cols grid."""
    y = np.linspace(0, down, rows, endpoint=False, dtype=np.float32)
    x = np.linspace(0, across, cols, endpoint=False, dtype=np.float32)
    yi, xi = y.astype(np.int32), x.astype(np.int32)
    fy, fx = y - yi, x - xi
    fy, fx = fy * fy * (3 - 2 * fy), fx * fx * (3 - 2 * fx)
    upper = lattice[yi][:, xi] * (1 - fx) + lattice[yi][:, xi + 1] * fx
    lower = lattice[yi + 1][:, xi] * (1 - fx) + lattice[yi + 1][:, xi + 1] * fx
    return np.asarray(upper * (1 - fy[:, None]) + lower * fy[:, None], dtype=np.float32)


def _smoothstep(low: float, high: float, value: Field) -> Field:
    x = np.clip((value - low) / (high - low), 0, 1)
    return np.asarray(x * x * (3 - 2 * x), dtype=np.float32)


def to_image(color: Field, alpha: Field) -> skia.Image:
    """A premultiplied image from float colour (rows, cols, 3) and alpha (rows, cols), both 0..1."""
    rows, cols = alpha.shape
    pixels = np.empty((rows, cols, 4), np.uint8)
    pixels[..., :3] = np.clip(color * alpha[..., None], 0, 1)[..., ::-1] * 255
    pixels[..., 3] = np.clip(alpha, 0, 1) * 255
    np.minimum(pixels[..., :3], pixels[..., 3:], out=pixels[..., :3])
    info = skia.ImageInfo.Make(cols, rows, skia.kBGRA_8888_ColorType, skia.kPremul_AlphaType)
    surface = skia.Surface.MakeRaster(info)
    surface.writePixels(skia.Pixmap(info, pixels, pixels.strides[0]), 0, 0)
    return surface.makeImageSnapshot()


def _cloud_plate(stage: Stage) -> Plate:
    """The fuller banks, drifting; the high thin streaks behind them are part of the sky plate."""
    bottom = stage.horizon + 0.01
    drift = 0.016 if stage.art.sky == "storm" else 0.010
    return Plate(0.2, -0.1, bottom, lambda canvas: _paint_clouds(canvas, stage, 1, bottom), drift=drift, detail=0.5)


def _paint_clouds(canvas: skia.Canvas, stage: Stage, plane: int, bottom: float) -> None:
    """Noise squeezed towards the horizon, lit from the sun's side."""
    cover = stage.palette.cloud_cover
    left, right = -0.5, stage.aspect + 0.5
    rows, cols = 256, round(256 * (right - left) / (bottom + 0.12) * 0.8)
    rng = stage.numbers(f"clouds{plane}")
    width = right - left
    base = ((4.5, width * 1.1), (2.6, width * 1.7))[plane]
    noise = fbm(rng, rows, cols, base, 6)
    warp = fbm(rng, rows, cols, (2.0, width * 0.8), 3)
    columns = np.clip(np.arange(cols)[None, :] + ((warp - 0.5) * cols * 0.10).astype(np.int32), 0, cols - 1)
    noise = noise[np.arange(rows)[:, None], columns]
    noise = (noise - noise.mean()) / (noise.std() + 1e-6)
    v = np.linspace(0, 1, rows, dtype=np.float32)[:, None]
    threshold = np.float32(1.25 - 2.0 * cover) + (0.15 if plane else 0.0)
    body = _smoothstep(0.0, 1.5 if plane == 0 or cover > 0.8 else 0.85, noise - threshold)
    fade = _smoothstep(0.0, 0.10, 1.0 - v) * (0.55 + 0.45 * v if plane else 1.0 - 0.35 * v)
    strength = (0.42, 0.80)[plane] if cover < 0.8 else (0.9, 0.88)[plane]
    if stage.palette.sun_height >= 0:
        fade = fade * (1 - 0.8 * _near_sun(stage, rows, cols, left, right, bottom))
    light = _cloud_light(stage, noise, rows, cols, left, right, bottom)
    lit, shade = (np.array(_graded(stage.brush, ink), np.float32) for ink in _cloud_inks(stage))
    color = shade + (lit - shade) * light[..., None]
    image = to_image(color, np.asarray(body * fade * strength, np.float32))
    canvas.drawImageRect(image, skia.Rect(left, -0.12, right, bottom), _CUBIC)


def _near_sun(stage: Stage, rows: int, cols: int, left: float, right: float, bottom: float) -> Field:
    """1 at the sun, fading to 0 about two discs away: cloud in front of it would only look like dirt."""
    y = np.linspace(-0.12, bottom, rows, dtype=np.float32)[:, None]
    x = np.linspace(left, right, cols, dtype=np.float32)[None, :]
    sun_x, sun_y = stage.sun
    return np.asarray(np.exp(-((x - sun_x) ** 2 + (y - sun_y) ** 2) / 0.022), np.float32)


def _cloud_inks(stage: Stage) -> tuple[Ink, Ink]:
    return stage.palette.cloud_lit, stage.palette.cloud_shade


def _graded(brush: Brush, ink: Ink) -> tuple[float, float, float]:
    return rgb(f"#{brush.color(ink) & 0xFFFFFF:06x}")


def _cloud_light(stage: Stage, noise: Field, rows: int, cols: int, left: float, right: float, bottom: float) -> Field:
    """1 where the cloud faces the sun: thin edges, the sun's neighbourhood, the side towards it."""
    y = np.linspace(-0.12, bottom, rows, dtype=np.float32)[:, None]
    x = np.linspace(left, right, cols, dtype=np.float32)[None, :]
    sun_x, sun_y = stage.sun
    distance = np.sqrt((x - sun_x) ** 2 * 0.35 + (y - sun_y) ** 2)
    step = max(1, rows // 40)
    towards = np.sign(sun_y - stage.horizon * 0.5)
    slope = np.roll(noise, round(towards * step), axis=0) - noise
    return np.asarray(np.clip(0.62 - 0.5 * distance - 0.28 * slope * towards - 0.10 * noise, 0, 1), np.float32)


def _lightning(stage: Stage) -> LivePaint:
    """A soft flash every few seconds, the bolt only for an instant."""
    rng = stage.rng("lightning")
    first, every = rng.uniform(0.6, 1.4), rng.uniform(3.1, 4.3)
    bolts = [_bolt(stage, k) for k in range(3)]
    wide = stage.aspect + 1.0

    def paint(canvas: skia.Canvas, t: float) -> None:
        strike, since = divmod(t - first, every)
        if t < first or since > 0.7:
            return
        power = math.exp(-7 * since) * (0.75 + 0.25 * math.cos(60 * since))
        path, x = bolts[int(strike) % len(bolts)]
        flash: list[Stop] = [(0, "#dfeaff", 0.55 * power), (1, "#dfeaff", 0.04 * power)]
        canvas.drawRect(skia.Rect(-0.5, -0.5, wide, stage.horizon), stage.brush.radial((x, 0.1), 0.9, flash))
        if since < 0.28:
            canvas.drawPath(path, stage.brush.stroke("#bcd0ff", 0.012, 0.35 * power))
            canvas.drawPath(path, stage.brush.stroke("#ffffff", 0.0035, power))

    return paint


def _bolt(stage: Stage, number: int) -> tuple[skia.Path, float]:
    rng = stage.rng(f"bolt{number}")
    x = start = stage.aspect * rng.uniform(0.15, 0.85)
    path = skia.Path()
    path.moveTo(x, -0.05)
    y = -0.05
    while y < stage.horizon:
        y += rng.uniform(0.03, 0.07)
        x += rng.uniform(-0.035, 0.035)
        path.lineTo(x, min(y, stage.horizon))
        if rng.random() < 0.18:
            path.lineTo(x + rng.uniform(-0.09, 0.09), y + 0.06)
            path.moveTo(x, min(y, stage.horizon))
    return path, start


# --- under water and beyond the air ---


def _underwater(stage: Stage) -> Iterator[Layer]:
    yield Plate(0.1, -0.1, 1.0, lambda canvas: _paint_water_column(canvas, stage), opaque=True)
    yield Live(0.2, _shafts(stage))


def _paint_water_column(canvas: skia.Canvas, stage: Stage) -> None:
    brush, palette = stage.brush, stage.palette
    spread = (0.0, 0.22, 0.48, 0.76, 1.0)
    stops: list[Stop] = [(p, ink, 1.0) for p, ink in zip(spread, palette.sky, strict=True)]
    canvas.drawRect(skia.Rect(-1, -1, stage.aspect + 1, 2), brush.linear((0, -0.08), (0, 1.05), stops))
    x = stage.sun[0]
    canvas.save()
    canvas.translate(x, -0.06)
    canvas.scale(1.7, 1.0)
    brush.glow(canvas, 0, 0, 0.75, palette.glow, 0.75)
    canvas.restore()
    rng = stage.rng("surface")
    for _ in range(70):
        cx, cy = rng.uniform(-0.2, stage.aspect + 0.2), rng.uniform(-0.08, 0.05)
        line = smooth([(cx + 0.05 * k, cy + rng.uniform(-0.006, 0.006)) for k in range(5)])
        canvas.drawPath(line, brush.stroke("#eafffb", rng.uniform(0.001, 0.004), rng.uniform(0.06, 0.22)))


def _shafts(stage: Stage) -> LivePaint:
    """Light shafts that lean away from the sun and wander."""
    rng = stage.rng("shafts")
    shafts = [
        (rng.uniform(-0.55, 0.55), rng.uniform(0.03, 0.11), rng.uniform(0.25, 0.5), rng.uniform(0, 6.3))
        for _ in range(9)
    ]
    x0 = stage.sun[0]

    def paint(canvas: skia.Canvas, t: float) -> None:
        for lean, width, rate, phase in shafts:
            bright = 0.075 * (0.55 + 0.45 * math.sin(rate * 1.7 * t + phase))
            top = x0 + lean * 0.7 + 0.015 * math.sin(rate * t + phase)
            foot = x0 + lean * 2.1 + 0.05 * math.sin(rate * t + phase)
            path = skia.Path()
            path.moveTo(top - width * 0.3, -0.1)
            path.lineTo(top + width * 0.3, -0.1)
            path.lineTo(foot + width, 0.9)
            path.lineTo(foot - width, 0.9)
            path.close()
            stops: list[Stop] = [(0, "#e8fff8", bright), (0.55, "#c8fff4", bright * 0.5), (1, "#c8fff4", 0)]
            canvas.drawPath(path, stage.brush.linear((0, -0.05), (0, 0.85), stops))

    return paint


def _space(stage: Stage) -> Iterator[Layer]:
    yield Plate(0.06, -0.1, 1.1, lambda canvas: _paint_space(canvas, stage), opaque=True)
    yield Live(0.06, _twinkle(stage, 1.0, 64.0))


def _paint_space(canvas: skia.Canvas, stage: Stage) -> None:
    brush, palette = stage.brush, stage.palette
    spread = (0.0, 0.25, 0.5, 0.75, 1.0)
    stops: list[Stop] = [(p, ink, 1.0) for p, ink in zip(spread, palette.sky, strict=True)]
    canvas.drawRect(skia.Rect(-1, -1, stage.aspect + 1, 2), brush.linear((0, 0), (0, 1), stops))
    rng = stage.numbers("nebula")
    left, right = stage.span(0.3)
    for ink, strength in (("#3d6fd1", 0.42), ("#b2489c", 0.40), ("#f0a05a", 0.20)):
        rows, cols = 240, round(240 * (right - left) / 1.3)
        noise = fbm(rng, rows, cols, (2.2, 3.4), 6)
        noise = (noise - noise.mean()) / noise.std()
        y = np.linspace(-1, 1, rows, dtype=np.float32)[:, None]
        x = np.linspace(-1, 1, cols, dtype=np.float32)[None, :]
        band = np.exp(-(((y + 0.45 * x * (-1 if stage.flip else 1)) / 0.55) ** 2))
        alpha = np.asarray(_smoothstep(-0.3, 2.4, noise) * band * strength, np.float32)
        color = np.broadcast_to(np.array(_graded(brush, ink), np.float32), (rows, cols, 3))
        canvas.drawImageRect(to_image(color, alpha), skia.Rect(left, -0.15, right, 1.15), _CUBIC)
    _paint_stars(canvas, stage, 1.9, round(520 * stage.aspect))
    bright = stage.rng("bright stars")
    for _ in range(9):
        x1, y1, r = bright.uniform(0, stage.aspect), bright.uniform(0, 0.9), bright.uniform(0.002, 0.0035)
        brush.glow(canvas, x1, y1, r * 7, mix("#9fc0ff", "#ffe2b8", bright.random()), 0.6)
        canvas.drawCircle(x1, y1, r, brush.fill("#ffffff"))
