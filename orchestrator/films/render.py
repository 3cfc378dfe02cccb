"""Tasks that draw: one storyboard panel, one segment. They run in a child process."""

from __future__ import annotations

import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from orchestrator.films.video import Pixels, encode
from orchestrator.jobs.child import Report
from orchestrator.preview import ShotArt, ShotRenderer, storyboard_panel

_REPORT_EVERY_S = 0.25


def panel(arguments: dict[str, Any], report: Report) -> dict[str, Any]:
    """Draw a shot's board as a PNG at `path`."""
    pixels = storyboard_panel(ShotArt.from_dict(arguments["art"]), **arguments["board"])
    Image.fromarray(pixels[..., :3]).save(arguments["path"], format="PNG", compress_level=3)
    return {"width": pixels.shape[1], "height": pixels.shape[0]}


def segment(arguments: dict[str, Any], report: Report) -> dict[str, Any]:
    """Draw a shot's frames and encode them as MP4 at `path`.

    `frames` frames at `rate` ([numerator, denominator]); the first `fade_in` and last `fade_out` of them come from and
    go to black; `still` holds the first picture.
    """
    started = time.process_time()
    width, height, frames = arguments["width"], arguments["height"], arguments["frames"]
    rate = Fraction(*arguments["rate"])
    renderer = ShotRenderer(ShotArt.from_dict(arguments["art"]), width, height)
    pictures = _pictures(renderer, frames, rate, arguments, report)
    written = encode(
        Path(arguments["path"]), pictures, width=width, height=height, rate=rate, quality=arguments["quality"]
    )
    return {"frames": written, "cpu_s": round(time.process_time() - started, 3)}


def _pictures(
    renderer: ShotRenderer, frames: int, rate: Fraction, arguments: dict[str, Any], report: Report
) -> Iterator[Pixels]:
    fade_in, fade_out, still = arguments["fade_in"], arguments["fade_out"], arguments["still"]
    held = renderer.draw(0.5 * frames / float(rate)) if still else None
    last_report = time.monotonic()
    for index in range(frames):
        pixels = held if held is not None else renderer.draw(float(index / rate))
        yield _dimmed(pixels, brightness(index, frames, fade_in, fade_out))
        if time.monotonic() - last_report > _REPORT_EVERY_S:
            last_report = time.monotonic()
            report({"frames": index + 1})


def brightness(index: int, frames: int, fade_in: int, fade_out: int) -> float:
    """0 to 1: how bright frame `index` is within the shot's planned fades."""
    level = 1.0
    if index < fade_in:
        level = min(level, (index + 1) / (fade_in + 1))
    if index >= frames - fade_out:
        level = min(level, (frames - index) / (fade_out + 1))
    return level


def _dimmed(pixels: Pixels, level: float) -> Pixels:
    if level >= 1.0:
        return pixels
    # A square law looks even to the eye; a straight line would seem to hang and then drop.
    factor = np.uint16(round(level * level * 256))
    return ((pixels.astype(np.uint16) * factor) >> 8).astype(np.uint8)
