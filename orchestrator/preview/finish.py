"""The last layer over a frame: vignette, paper and grain, painted once and laid on without scaling."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import skia

from orchestrator.preview.layers import Stage

_GRAIN_STYLES = {"noir": 9.0, "retro": 7.0}
_PAPER_STYLES = {"watercolor": 9.0, "pastel": 4.0, "storyboard": 4.0}
_VIGNETTE = {
    "noir": 0.45,
    "retro": 0.42,
    "watercolor": 0.0,
    "pastel": 0.10,
    "minimal": 0.0,
    "anime": 0.18,
    "storyboard": 0.16,
}


@dataclass(frozen=True)
class Finish:
    """An overlay image larger than the picture by `slack` pixels; grain moves it about within that slack."""

    image: skia.Image | None
    slack: int
    moving: bool

    def draw(self, canvas: skia.Canvas, t: float) -> None:
        if self.image is None:
            return
        x = y = self.slack // 2
        if self.moving:
            beat = math.floor(t * 24)
            x = (beat * 7919) % (self.slack + 1)
            y = (beat * 104729 + 13) % (self.slack + 1)
        canvas.drawImage(self.image, -x, -y)


def finish_for(stage: Stage, width: int, height: int) -> Finish:
    style = stage.art.style
    grain, paper = _GRAIN_STYLES.get(style, 0.0), _PAPER_STYLES.get(style, 0.0)
    if stage.art.board:
        grain = max(grain, 4.0)
    strength = _VIGNETTE.get(style, 0.34)
    if not (grain or paper or strength):
        return Finish(None, 0, False)
    slack = max(4, height // 30) if grain else 0
    pixels = _overlay(stage, width + slack, height + slack, strength, grain, paper)
    info = skia.ImageInfo.Make(width + slack, height + slack, skia.kBGRA_8888_ColorType, skia.kPremul_AlphaType)
    surface = skia.Surface.MakeRaster(info)
    surface.writePixels(skia.Pixmap(info, pixels, pixels.strides[0]), 0, 0)
    return Finish(surface.makeImageSnapshot(), slack, bool(grain))


def _overlay(stage: Stage, width: int, height: int, vignette: float, grain: float, paper: float) -> np.ndarray:
    """Premultiplied grey: dark where alpha hides light, light where paper shows through."""
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
    radius = (x * x * 0.80 + y * y * 0.62).astype(np.float32)
    dark = vignette * np.clip(radius - 0.32, 0, None) ** 1.3
    light = np.zeros_like(dark)
    rng = stage.numbers("finish")
    if grain:
        noise = rng.standard_normal((height, width), dtype=np.float32) * (grain / 255)
        dark += np.clip(-noise, 0, None)
        light += np.clip(noise, 0, None)
    if paper:
        fibre = _paper(rng, height, width) * (paper / 255)
        dark += np.clip(-fibre, 0, None)
        light += np.clip(fibre, 0, None)
    if stage.art.style == "watercolor":
        light += _paper_edge(rng, x, y)
    light = np.clip(light, 0, 1)
    alpha = np.clip(dark + light, 0, 1)
    overlay = np.empty((height, width, 4), np.uint8)
    overlay[..., :3] = (np.minimum(light, alpha) * 255)[..., None]
    overlay[..., 3] = alpha * 255 + rng.random((height, width), dtype=np.float32)
    np.minimum(overlay[..., :3], overlay[..., 3:], out=overlay[..., :3])
    return overlay


def _paper(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """A tooth of about two thousandths of the height, the same at every resolution."""
    rows, cols = 430, max(2, round(430 * width / height))
    coarse = rng.standard_normal((rows, cols)).astype(np.float32)
    yi = np.linspace(0, rows - 1, height).astype(np.int32)
    xi = np.linspace(0, cols - 1, width).astype(np.int32)
    tooth = coarse + np.roll(coarse, 1, 0) + np.roll(coarse, 1, 1)
    return np.asarray(tooth[np.ix_(yi, xi)] / 1.8)


def _paper_edge(rng: np.random.Generator, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Bare paper around a wash, with an uneven rim."""
    wobble_x = _ripple(rng, y) * 0.018
    wobble_y = _ripple(rng, x) * 0.022
    inside = np.minimum(1 - np.abs(x) - wobble_x - 0.02, 1 - np.abs(y) - wobble_y - 0.03)
    return np.asarray(np.clip(0.98 - inside * 55, 0, 0.94), dtype=np.float32)


def _ripple(rng: np.random.Generator, axis: np.ndarray) -> np.ndarray:
    total = np.zeros_like(axis)
    for frequency in (3, 7, 16, 37):
        total += np.sin(axis * frequency + rng.uniform(0, 6.3)) / math.sqrt(frequency)
    return total
