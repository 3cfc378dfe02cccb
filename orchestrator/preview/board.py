"""Storyboard panels: a dark card with the shot's art, camera frames, an arrow for the move, and its lines of text."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import skia

from orchestrator.preview.brush import Brush
from orchestrator.preview.camera import MOVE_LABELS
from orchestrator.preview.palette import grade_for, palette_for
from orchestrator.preview.renderer import Pixels, still
from orchestrator.preview.spec import ShotArt
from orchestrator.preview.text import draw_text, ellipsize, text_width, wrap

_CARD = "#1d1c21"
_ARROW = "#ffd23f"

Box = tuple[float, float, float, float]  # left, top, right, bottom, as fractions of the art


@dataclass(frozen=True)
class _Frames:
    """Where the camera starts (A) and ends (B)."""

    a: Box
    b: Box


def _frames_for(move: str, focus_x: float) -> _Frames:
    wide, tight = (0.05, 0.07, 0.93, 0.92), _around(focus_x, 0.5, 0.56)
    match move:
        case "push_in":
            return _Frames(wide, tight)
        case "pull_out":
            return _Frames(tight, wide)
        case "pan_right":
            return _Frames((0.04, 0.10, 0.70, 0.78), (0.32, 0.20, 0.97, 0.88))
        case "pan_left":
            return _Frames((0.30, 0.10, 0.96, 0.78), (0.03, 0.20, 0.68, 0.88))
        case "tilt_up":
            return _Frames((0.12, 0.28, 0.80, 0.96), (0.20, 0.05, 0.88, 0.73))
        case "tilt_down":
            return _Frames((0.12, 0.05, 0.80, 0.73), (0.20, 0.28, 0.88, 0.96))
        case "drift":
            return _Frames((0.06, 0.08, 0.84, 0.86), (0.16, 0.15, 0.94, 0.93))
        case _:
            return _Frames((0.06, 0.07, 0.94, 0.93), (0.08, 0.09, 0.92, 0.91))


def _around(x: float, y: float, size: float) -> Box:
    half = size / 2
    x = min(0.97 - half, max(0.03 + half, x))
    return (x - half, y - half * 0.9, x + half, y + half * 1.1)


def storyboard_panel(
    art: ShotArt,
    *,
    width: int = 1920,
    height: int = 1080,
    slug: str,
    timecode_in: str,
    timecode_out: str,
    lens_mm: int,
    seed: int,
    caption: str,
    narration: str,
    move: str | None = None,
) -> Pixels:
    """One panel as (height, width, 4) uint8 RGBA. Text is wrapped, and cut with an ellipsis where it cannot fit.

    `move` labels the arrow (default: the shot's own move). Titles and burned captions of the shot are left out.
    """
    aspect = width / height
    art_top, art_bottom = 0.056, 0.868
    art_height = art_bottom - art_top
    art_width = min(aspect * 0.86, art_height * 16 / 9)
    left = (aspect - art_width) / 2
    picture = still(
        replace(art, style="storyboard", title="", caption=""),
        max(16, round(art_width * height)),
        max(16, round(art_height * height)),
    )
    surface = skia.Surface.MakeRaster(
        skia.ImageInfo.Make(width, height, skia.kRGBA_8888_ColorType, skia.kOpaque_AlphaType)
    )
    ink = Brush(palette_for("day"), grade_for("illustration", "neutral"))
    with surface as canvas:
        canvas.clear(ink.color(_CARD))
        canvas.scale(height, height)
        image = skia.Image.fromarray(np.ascontiguousarray(picture), colorType=skia.kRGBA_8888_ColorType)
        area = skia.Rect(left, art_top, left + art_width, art_bottom)
        canvas.drawImageRect(image, area, skia.SamplingOptions(skia.FilterMode.kLinear))
        _draw_camera(canvas, ink, area, art, move)
        _draw_header(canvas, ink, area, art, slug, f"{timecode_in} - {timecode_out}", lens_mm, seed)
        _draw_lines(canvas, ink, area, caption, narration)
    out = np.empty((height, width, 4), np.uint8)
    surface.readPixels(
        skia.ImageInfo.Make(width, height, skia.kRGBA_8888_ColorType, skia.kOpaque_AlphaType), out, width * 4, 0, 0
    )
    return out


def _draw_header(
    canvas: skia.Canvas,
    ink: Brush,
    area: skia.Rect,
    art: ShotArt,
    slug: str,
    timecodes: str,
    lens_mm: int,
    seed: int,
) -> None:
    size = min(0.0235, area.width() / 55)
    y = 0.037
    facts = f"{timecodes}    {art.duration_s:.1f} s    {lens_mm} mm    seed {seed}"
    facts = ellipsize(facts, area.width() * 0.66, size * 0.92)
    facts_width = text_width(facts, size * 0.92)
    draw_text(canvas, facts, area.right() - facts_width, y, size * 0.92, ink.fill("#a3a1ab"))
    slug = ellipsize(slug, area.width() - facts_width - size * 2, size, "bold")
    draw_text(canvas, slug, area.left(), y, size, ink.fill("#f5f4f7"), "bold")


def _draw_lines(canvas: skia.Canvas, ink: Brush, area: skia.Rect, caption: str, narration: str) -> None:
    """Caption and narration below the art: one line each when both are there, two when one stands alone."""
    size = min(0.029, area.width() / 48)
    y = area.bottom() + size * 1.32
    spoken = f'NARRATOR: "{narration.strip()}"' if narration.strip() else ""
    for line in wrap(caption, area.width(), size, 1 if spoken else 2):
        draw_text(canvas, line, area.left(), y, size, ink.fill("#f2f1f4"))
        y += size * 1.4
    room = max(1, math.floor((0.985 - y) / (size * 1.1)) + 1)
    for line in wrap(spoken, area.width(), size * 0.82, min(2, room)):
        draw_text(canvas, line, area.left(), y, size * 0.82, ink.fill("#97959f"))
        y += size * 1.12


def _place(box: Box, area: skia.Rect) -> skia.Rect:
    return skia.Rect(
        area.left() + box[0] * area.width(),
        area.top() + box[1] * area.height(),
        area.left() + box[2] * area.width(),
        area.top() + box[3] * area.height(),
    )


def _draw_camera(canvas: skia.Canvas, ink: Brush, area: skia.Rect, art: ShotArt, move: str | None) -> None:
    frames = _frames_for(art.move, 0.6)
    for name, box, dashed in (("A", frames.a, False), ("B", frames.b, True)):
        rect = _place(box, area)
        for color, width, alpha in (("#000000", 0.0045, 0.25), ("#ffffff", 0.0022, 0.9)):
            paint = ink.stroke(color, width, alpha)
            if dashed:
                paint.setStrokeCap(skia.Paint.kButt_Cap)
                paint.setPathEffect(skia.DashPathEffect.Make([0.014, 0.009], 0))
            canvas.drawRect(rect, paint)
        draw_text(canvas, name, rect.left() + 0.011, rect.top() + 0.033, 0.03, ink.fill("#000000", 0.4), "bold")
        draw_text(canvas, name, rect.left() + 0.010, rect.top() + 0.032, 0.03, ink.fill("#ffffff"), "bold")
    label = (move or MOVE_LABELS[art.move]).replace("_", " ").upper()
    a, b = _place(frames.a, area), _place(frames.b, area)
    if art.move == "hold":
        _label(canvas, ink, label, area, a.centerX(), a.bottom() - 0.03)
        return
    _draw_arrow(canvas, ink, a, b, art.move)
    _label(canvas, ink, label, area, (a.centerX() + b.centerX()) / 2, min(a.centerY(), b.centerY()) - 0.075)


def _label(canvas: skia.Canvas, ink: Brush, label: str, area: skia.Rect, x: float, y: float) -> None:
    size = 0.027
    label = ellipsize(label, area.width() * 0.8, size, "bold")
    width = text_width(label, size, "bold")
    x = min(area.right() - width - 0.02, max(area.left() + 0.02, x - width / 2))
    draw_text(canvas, label, x + 0.0015, y + 0.002, size, ink.fill("#000000", 0.45), "bold")
    draw_text(canvas, label, x, y, size, ink.fill(_ARROW), "bold")


def _draw_arrow(canvas: skia.Canvas, ink: Brush, a: skia.Rect, b: skia.Rect, move: str) -> None:
    """A swept arrow from the middle of A towards the middle of B, thickening into its head."""
    start, end = (a.centerX(), a.centerY()), (b.centerX(), b.centerY())
    if move in ("push_in", "pull_out"):
        corner = (b.left() + 0.02, b.top() + 0.05) if move == "push_in" else (a.left() + 0.02, a.top() + 0.05)
        outer = (a.left() + 0.07, a.top() + 0.16) if move == "push_in" else (b.left() + 0.07, b.top() + 0.16)
        start, end = (outer, corner) if move == "push_in" else (corner, outer)
    dx, dy = end[0] - start[0], end[1] - start[1]
    length = math.hypot(dx, dy) or 1.0
    if length < 0.22:
        stretch = 0.22 / length
        start = (end[0] - dx * stretch, end[1] - dy * stretch)
        dx, dy, length = end[0] - start[0], end[1] - start[1], 0.22
    bend = min(0.10, length * 0.26)
    control = (start[0] + dx * 0.55 + dy / length * bend, start[1] + dy * 0.55 - dx / length * bend)
    hx, hy = end[0] - control[0], end[1] - control[1]
    norm = math.hypot(hx, hy) or 1.0
    hx, hy = hx / norm, hy / norm
    head = 0.042
    neck = (end[0] - hx * head, end[1] - hy * head)
    path = skia.Path()
    path.moveTo(*start)
    path.quadTo(*control, *neck)
    tip = skia.Path()
    tip.moveTo(*end)
    tip.lineTo(neck[0] - hy * head * 0.55 - hx * 0.004, neck[1] + hx * head * 0.55 - hy * 0.004)
    tip.lineTo(neck[0] + hy * head * 0.55 - hx * 0.004, neck[1] - hx * head * 0.55 - hy * 0.004)
    tip.close()
    canvas.drawPath(path, ink.stroke("#000000", 0.015, 0.22))
    canvas.drawPath(path, ink.stroke(_ARROW, 0.0105))
    canvas.drawPath(tip, ink.fill(_ARROW))
