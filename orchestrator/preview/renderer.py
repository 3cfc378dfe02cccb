"""Turns a spec into frames. Plates are painted once, then each frame only moves them and draws what is alive.

Everything inside is BGRA: that is the one pixel order for which Skia's raster backend keeps its SIMD bilinear
blitters (about ten times the speed of RGBA here). An encoder takes BGRA as it is; `frame` swaps the channels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import skia

from orchestrator.preview.camera import View
from orchestrator.preview.finish import finish_for
from orchestrator.preview.layers import Live, Plate, Stage, stage_for
from orchestrator.preview.scene import compose
from orchestrator.preview.spec import ShotArt
from orchestrator.preview.text import draw_caption, draw_note, draw_title

Pixels = npt.NDArray[np.uint8]

MIN_SIDE, MAX_SIDE = 16, 7680
_LINEAR = skia.SamplingOptions(skia.FilterMode.kLinear)
_STRIP_ROWS = 1 / 270  # stage heights per strip of a swaying plate


@dataclass(frozen=True)
class _Baked:
    """A painted plate: its image, and where the image's corners are in stage coordinates."""

    plate: Plate
    image: skia.Image
    left: float
    top: float
    right: float
    bottom: float


def _surface(width: int, height: int, *, opaque: bool) -> skia.Surface:
    alpha = skia.kOpaque_AlphaType if opaque else skia.kPremul_AlphaType
    return skia.Surface.MakeRaster(skia.ImageInfo.Make(width, height, skia.kBGRA_8888_ColorType, alpha))


def _bake(plate: Plate, stage: Stage, pixels: float) -> _Baked:
    """Paint one plate at `pixels` per stage height."""
    margin_x, margin_y = stage.camera.margin(plate.depth)
    margin_x += abs(plate.sway.amount * 1.5 if plate.sway else 0.0) + 2 * plate.blur
    margin_y += abs(plate.bob)
    travel = plate.drift * stage.art.duration_s
    left, right = -margin_x - max(0.0, travel), stage.aspect + margin_x - min(0.0, travel)
    top = plate.top - (margin_y if plate.top <= 0 else 0.0)
    bottom = plate.bottom + margin_y
    scale = pixels * plate.detail * stage.camera.detail
    width, height = max(1, math.ceil((right - left) * scale)), max(1, math.ceil((bottom - top) * scale))
    surface = _surface(width, height, opaque=plate.opaque)
    with surface as canvas:
        canvas.scale(width / (right - left), height / (bottom - top))
        canvas.translate(-left, -top)
        if plate.blur:
            soft = skia.Paint(ImageFilter=skia.ImageFilters.Blur(plate.blur, plate.blur))
            canvas.saveLayer(None, soft)
        plate.paint(canvas)
        if plate.blur:
            canvas.restore()
    baked = _Baked(plate, surface.makeImageSnapshot(), left, top, right, bottom)
    return baked if plate.opaque or plate.sway else _cropped(baked, surface)


def _cropped(baked: _Baked, surface: skia.Surface) -> _Baked:
    """The plate without its empty margins: clear pixels cost as much to blend as painted ones."""
    width, height = surface.width(), surface.height()
    pixels = np.empty((height, width, 4), np.uint8)
    surface.readPixels(surface.imageInfo(), pixels, width * 4, 0, 0)
    alpha = pixels[..., 3]
    rows, columns = np.flatnonzero(alpha.any(axis=1)), np.flatnonzero(alpha.any(axis=0))
    if rows.size == 0 or (rows.size == height and columns.size == width):
        return baked
    x0, x1 = max(0, int(columns[0]) - 1), min(width, int(columns[-1]) + 2)
    y0, y1 = max(0, int(rows[0]) - 1), min(height, int(rows[-1]) + 2)
    image = surface.makeImageSnapshot(skia.IRect(x0, y0, x1, y1))
    across, down = (baked.right - baked.left) / width, (baked.bottom - baked.top) / height
    return _Baked(
        baked.plate,
        image,
        baked.left + x0 * across,
        baked.top + y0 * down,
        baked.left + x1 * across,
        baked.top + y1 * down,
    )


class ShotRenderer:
    """Draws the frames of one shot at one size.

    `frame(t)` is a pure function of (art, size, t); frames may be asked for in any order and at any rate. Building
    one paints the plates (seconds at 4K); a frame then costs milliseconds. Use each renderer from one thread.
    Raises ValueError for sizes outside 16..7680.
    """

    def __init__(self, art: ShotArt, width: int, height: int) -> None:
        if not (MIN_SIDE <= width <= MAX_SIDE and MIN_SIDE <= height <= MAX_SIDE):
            raise ValueError(f"width and height must be {MIN_SIDE}..{MAX_SIDE} pixels")
        self.art = art
        self.width, self.height = width, height
        self._stage = stage_for(art, width / height)
        self._layers = [
            _bake(layer, self._stage, height) if isinstance(layer, Plate) else layer for layer in compose(self._stage)
        ]
        self._finish = finish_for(self._stage, width, height)
        self._pixels: Pixels = np.empty((height, width, 4), np.uint8)
        info = skia.ImageInfo.Make(width, height, skia.kBGRA_8888_ColorType, skia.kOpaque_AlphaType)
        self._target = skia.Surface.MakeRasterDirect(info, self._pixels, width * 4)

    def frame(self, t: float) -> Pixels:
        """The picture `t` seconds into the shot: a new (height, width, 4) uint8 array, RGBA, opaque."""
        self.draw(t)
        out = np.empty((self.height, self.width, 4), np.uint8)
        info = skia.ImageInfo.Make(self.width, self.height, skia.kRGBA_8888_ColorType, skia.kOpaque_AlphaType)
        self._target.readPixels(info, out, self.width * 4, 0, 0)
        return out

    def draw(self, t: float) -> Pixels:
        """The same picture as BGRA in the renderer's own memory: no copy is made, and the next call overwrites it."""
        canvas = self._target.getCanvas()
        canvas.clear(skia.ColorBLACK)
        view = self._stage.camera.at(t)
        for layer in self._layers:
            if isinstance(layer, Live):
                self._draw_live(canvas, layer, view, t)
            else:
                self._draw_plate(canvas, layer, view, t)
        self._finish.draw(canvas, t)
        self._draw_text(canvas, t)
        return self._pixels

    def _draw_live(self, canvas: skia.Canvas, layer: Live, view: View, t: float) -> None:
        scale, dx, dy = view.place(layer.depth, self._stage.camera.anchor)
        canvas.save()
        canvas.scale(self.height, self.height)
        canvas.translate(dx, dy)
        canvas.scale(scale, scale)
        layer.paint(canvas, t)
        canvas.restore()

    def _draw_plate(self, canvas: skia.Canvas, baked: _Baked, view: View, t: float) -> None:
        plate = baked.plate
        scale, dx, dy = view.place(plate.depth, self._stage.camera.anchor)
        dx += plate.drift * t
        dy += plate.bob * math.sin(1.3 * t)
        size = self.height
        left, right = (baked.left * scale + dx) * size, (baked.right * scale + dx) * size
        top, bottom = (baked.top * scale + dy) * size, (baked.bottom * scale + dy) * size
        if plate.sway is None:
            self._blit(canvas, baked.image, 0.0, 1.0, skia.Rect(left, top, right, bottom))
            return
        first, last = max(0, math.floor(top)), min(self.height, math.ceil(bottom))
        step = max(1, round(self.height * _STRIP_ROWS))
        for row in range(first, last, step):
            end = min(row + step, last)
            v0, v1 = (row - top) / (bottom - top), (end - top) / (bottom - top)
            shift = plate.sway.shift((v0 + v1) / 2, t) * size * scale
            self._blit(canvas, baked.image, v0, v1, skia.Rect(left + shift, row, right + shift, end))

    @staticmethod
    def _blit(canvas: skia.Canvas, image: skia.Image, v0: float, v1: float, target: skia.Rect) -> None:
        height = image.height()
        source = skia.Rect(0, v0 * height, image.width(), v1 * height)
        canvas.drawImageRect(image, source, target, _LINEAR, None, skia.Canvas.kFast_SrcRectConstraint)

    def _draw_text(self, canvas: skia.Canvas, t: float) -> None:
        art, stage = self.art, self._stage
        if not (art.title or art.caption or art.note):
            return
        canvas.save()
        canvas.scale(self.height, self.height)
        if art.title:
            draw_title(canvas, stage.brush, art.title, stage.aspect, t, art.duration_s)
        if (art.board and art.subjects) or (art.note and not art.board):
            draw_note(canvas, stage.brush, "" if art.caption else art.note, stage.aspect)
        if art.caption:
            draw_caption(canvas, stage.brush, art.caption, stage.aspect)
        canvas.restore()


def still(art: ShotArt, width: int, height: int, *, at: float | None = None) -> Pixels:
    """One picture of the shot, by default from its middle, when the title is fully shown."""
    return ShotRenderer(art, width, height).frame(art.duration_s / 2 if at is None else at)
