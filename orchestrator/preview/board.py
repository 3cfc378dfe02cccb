"""Storyboard panels: a dark card with the shot's art, camera frames, an arrow for the move, and its lines of text."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import skia

from orchestrator.preview.brush import Brush
from orchestrator.preview.camera import MOVE_LABELS, Box
from orchestrator.preview.layers import stage_for
from orchestrator.preview.palette import grade_for, palette_for
from orchestrator.preview.renderer import Pixels, still
from orchestrator.preview.spec import ShotArt
from orchestrator.preview.text import draw_text, ellipsize, text_width, wrap

_CARD = "#1d1c21"
_ARROW = "#ffd23f"
_LINE = 0.004  # frames are drawn just inside what they frame


def camera_frames(art: ShotArt, aspect: float = 16 / 9) -> tuple[Box, Box]:
    """What the shot shows at its first (A) and last (B) moment, as fractions of the board's art."""
    camera = stage_for(art, aspect).camera
    return camera.frame(0.0), camera.frame(art.duration_s)


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
        replace(art, style="storyboard", title="", caption="", move="hold"),
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
    frames = camera_frames(art, area.width() / area.height())
    for name, box, dashed in (("A", frames[0], False), ("B", frames[1], True)):
        if art.move == "hold" and dashed:
            continue
        rect = _place(box, area)
        rect.inset(_LINE, _LINE)
        for color, width, alpha in (("#000000", 0.0045, 0.25), ("#ffffff", 0.0022, 0.9)):
            paint = ink.stroke(color, width, alpha)
            if dashed:
                paint.setStrokeCap(skia.Paint.kButt_Cap)
                paint.setPathEffect(skia.DashPathEffect.Make([0.014, 0.009], 0))
            canvas.drawRect(rect, paint)
        draw_text(canvas, name, rect.left() + 0.011, rect.top() + 0.033, 0.03, ink.fill("#000000", 0.4), "bold")
        draw_text(canvas, name, rect.left() + 0.010, rect.top() + 0.032, 0.03, ink.fill("#ffffff"), "bold")
    label = (move or MOVE_LABELS[art.move]).replace("_", " ").upper()
    a, b = _place(frames[0], area), _place(frames[1], area)
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
