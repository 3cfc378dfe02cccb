"""Lettering: our own two families, measured and wrapped so that no line leaves its box.

EB Garamond for titles, Inter for captions; a character neither has is looked up in the system's fonts.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import skia

from orchestrator.preview.brush import Brush, Stop
from orchestrator.preview.camera import ease

_FONTS = Path(__file__).parent / "fonts"
_FILES = {"serif": "EBGaramond-Regular.ttf", "sans": "Inter-Regular.ttf", "bold": "Inter-SemiBold.ttf"}
_REFERENCE = 100.0  # fonts are set at this size and scaled: hinting never changes a layout
_lock = threading.Lock()


@lru_cache(maxsize=8)
def _typeface(family: str) -> skia.Typeface:
    with _lock:
        # an empty manager: reading our own files must not wake the system's font configuration
        return skia.FontMgr.New_Custom_Empty().makeFromFile(str(_FONTS / _FILES[family]))


@lru_cache(maxsize=512)
def _fallback(character: str) -> skia.Typeface | None:
    return skia.FontMgr().matchFamilyStyleCharacter("", skia.FontStyle(), [], ord(character))


def _font(typeface: skia.Typeface) -> skia.Font:
    font = skia.Font(typeface, _REFERENCE)
    font.setSubpixel(True)
    font.setHinting(skia.FontHinting.kNone)
    font.setLinearMetrics(True)
    return font


@lru_cache(maxsize=256)
def _runs(text: str, family: str) -> tuple[tuple[str, skia.Font, float], ...]:
    """The text cut where the font changes: (piece, font, advance at the reference size)."""
    own = _font(_typeface(family))
    runs: list[tuple[str, skia.Font]] = []
    for character in text:
        font = own
        if not character.isspace() and own.textToGlyphs(character) == [0]:
            other = _fallback(character)
            font = _font(other) if other is not None else own
        if runs and runs[-1][1].getTypeface().uniqueID() == font.getTypeface().uniqueID():
            runs[-1] = (runs[-1][0] + character, runs[-1][1])
        else:
            runs.append((character, font))
    return tuple((piece, font, font.measureText(piece)) for piece, font in runs)


def text_width(text: str, size: float, family: str = "sans", spacing: float = 0.0) -> float:
    """Width of one line in the unit of `size`; `spacing` is added after every character but the last."""
    width = sum(advance for _, _, advance in _runs(text, family)) * size / _REFERENCE
    return width + spacing * max(0, len(text) - 1)


def draw_text(
    canvas: skia.Canvas, text: str, x: float, y: float, size: float, paint: skia.Paint, family: str = "sans"
) -> None:
    """One line with its baseline's left end at (x, y)."""
    canvas.save()
    canvas.translate(x, y)
    canvas.scale(size / _REFERENCE, size / _REFERENCE)
    at = 0.0
    for piece, font, advance in _runs(text, family):
        canvas.drawString(piece, at, 0, font, paint)
        at += advance
    canvas.restore()


def draw_spaced(
    canvas: skia.Canvas, text: str, x: float, y: float, size: float, spacing: float, paint: skia.Paint, family: str
) -> None:
    for character in text:
        draw_text(canvas, character, x, y, size, paint, family)
        x += text_width(character, size, family) + spacing


def ellipsize(text: str, width: float, size: float, family: str = "sans") -> str:
    """The text if it fits, else its longest beginning that fits with an ellipsis."""
    if text_width(text, size, family) <= width:
        return text
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if text_width(text[:middle].rstrip() + "…", size, family) <= width:
            low = middle
        else:
            high = middle - 1
    return text[:low].rstrip() + "…"


def wrap(text: str, width: float, size: float, lines: int, family: str = "sans") -> list[str]:
    """At most `lines` lines that fit; an ellipsis says where text was left out. Long words are cut, never spilled."""
    words = " ".join(text.split()).split(" ")
    result: list[str] = []
    while words and words != [""]:
        if len(result) == lines - 1:
            result.append(ellipsize(" ".join(words), width, size, family))
            break
        count = 1
        while count < len(words) and text_width(" ".join(words[: count + 1]), size, family) <= width:
            count += 1
        result.append(ellipsize(" ".join(words[:count]), width, size, family))
        words = words[count:]
    return result


def _title_alpha(t: float, duration_s: float) -> float:
    """Fades in after a beat, stays, and is gone shortly before the cut."""
    fade = min(0.9, duration_s * 0.22)
    start = min(0.35, duration_s * 0.08)
    end = min(duration_s - start, 5.5)
    return min(ease((t - start) / fade), ease((end - t) / fade))


def draw_title(canvas: skia.Canvas, brush: Brush, title: str, aspect: float, t: float, duration_s: float) -> None:
    """A letter-spaced serif card, spreading slightly while it is up."""
    alpha = _title_alpha(t, duration_s)
    if alpha <= 0.002:
        return
    lines, size, spacing = _fit_title(title.upper(), aspect * 0.84)
    spacing *= 1.0 + 0.05 * t / max(duration_s, 0.1)
    y = 0.40 - 0.62 * size * (len(lines) - 1)
    _shade(canvas, brush, (y - size * 3.4, y - size * 0.3, y + size * (1.28 * len(lines) + 1.6)), aspect, 0.20 * alpha)
    for line in lines:
        width = text_width(line, size, "serif", spacing)
        x = (aspect - width) / 2
        shade = brush.fill("#120a14", 0.55 * alpha)
        shade.setMaskFilter(skia.MaskFilter.MakeBlur(skia.kNormal_BlurStyle, _REFERENCE * 0.10))
        draw_spaced(canvas, line, x, y + 0.004, size, spacing, shade, "serif")
        draw_spaced(canvas, line, x, y, size, spacing, brush.fill("#fff6e6", alpha), "serif")
        y += size * 1.28


def _shade(canvas: skia.Canvas, brush: Brush, band: tuple[float, float, float], aspect: float, alpha: float) -> None:
    """Darken a band softly, so that letters are read over anything; it runs from edge to edge to have no shape."""
    top, middle, low = band
    at = (middle - top) / (low - top)
    ink = "#0b0810"
    stops: list[Stop] = [(0, ink, 0), (at * 0.5, ink, alpha * 0.42), (at, ink, alpha)]
    stops += [(0.5 + at / 2, ink, alpha * 0.5), (1, ink, 0 if low < 1.0 else alpha)]
    canvas.drawRect(skia.Rect(0, top, aspect, low), brush.unlit().linear((0, top), (0, low), stops))


def _fit_title(title: str, width: float) -> tuple[list[str], float, float]:
    """Lines, size and spacing: the largest lettering whose lines all fit."""
    for size, count in ((0.098, 1), (0.084, 1), (0.084, 2), (0.066, 2), (0.055, 3), (0.042, 4), (0.03, 4)):
        spacing = size * 0.34
        lines = balance(title, width - spacing * 2, size, count, "serif", spacing)
        if lines is not None:
            return lines, size, spacing
    size = 0.03
    return [ellipsize(title, width * 0.6, size, "serif")], size, size * 0.3


def _greedy(words: list[str], width: float, size: float, family: str, spacing: float) -> list[str]:
    lines: list[str] = []
    for word in words:
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and text_width(longer, size, family, spacing) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def balance(
    text: str, width: float, size: float, count: int, family: str = "sans", spacing: float = 0.0
) -> list[str] | None:
    """As few lines as will do, broken so that the longest is as short as it can be; None if `count` are not enough."""
    words = text.split()
    lines = _greedy(words, width, size, family, spacing)
    if len(lines) > count or any(text_width(line, size, family, spacing) > width for line in lines):
        return None
    low, high = 0.0, width
    for _ in range(12 if len(lines) > 1 else 0):
        middle = (low + high) / 2
        tried = _greedy(words, middle, size, family, spacing)
        if len(tried) > len(lines) or any(text_width(line, size, family, spacing) > middle for line in tried):
            low = middle
        else:
            lines, high = tried, middle
    return lines


def fit(text: str, width: float, count: int, sizes: Sequence[float], family: str = "serif") -> tuple[list[str], float]:
    """Balanced lines in the largest of `sizes` that lets them fit; cut with an ellipsis at the smallest."""
    for size in sizes:
        lines = balance(text, width, size, count, family)
        if lines is not None:
            return lines, size
    return wrap(text, width, sizes[-1], count + 1, family), sizes[-1]


def draw_caption(canvas: skia.Canvas, brush: Brush, caption: str, aspect: float) -> None:
    """A lower third: at most two lines on a soft dark band, inside the title-safe area."""
    size = 0.038 * min(1.0, aspect / 1.2)
    lines = wrap(caption, aspect * 0.82, size, 2)
    _draw_lines(canvas, brush, lines, aspect, size)


def _draw_lines(canvas: skia.Canvas, brush: Brush, lines: Sequence[str], aspect: float, size: float) -> None:
    leading = size * 1.35
    y = 0.93 - leading * (len(lines) - 1)
    for line in lines:
        width = text_width(line, size)
        x = (aspect - width) / 2
        pad = size * 0.5
        band = skia.RRect.MakeRectXY(skia.Rect(x - pad, y - size * 1.02, x + width + pad, y + size * 0.42), pad, pad)
        canvas.drawRRect(band, brush.fill("#08070c", 0.55))
        draw_text(canvas, line, x, y, size, brush.fill("#ffffff", 0.97))
        y += leading


def draw_note(canvas: skia.Canvas, brush: Brush, note: str, aspect: float) -> None:
    """What a board is about, in words, because the picture cannot say it; thin corners mark it as a board."""
    inset, arm = 0.045, 0.05
    line = brush.stroke("#fff6e6", 0.0022, 0.65)
    for x, dx in ((inset, arm), (aspect - inset, -arm)):
        for y, dy in ((inset, arm), (1 - inset, -arm)):
            canvas.drawLine(x, y, x + dx, y, line)
            canvas.drawLine(x, y, x, y + dy, line)
    if not note:
        return
    size = 0.046 * min(1.0, aspect / 1.3)
    lines = wrap(note, aspect * 0.74, size, 3, "serif")
    leading = size * 1.3
    y = 0.905 - leading * (len(lines) - 1)
    _shade(canvas, brush, (y - size * 4.2, 0.93, 1.0), aspect, 0.50)
    rule = brush.stroke("#fff6e6", 0.0016, 0.5)
    canvas.drawLine(aspect / 2 - 0.05, y - size * 1.35, aspect / 2 + 0.05, y - size * 1.35, rule)
    for text in lines:
        x = (aspect - text_width(text, size, "serif")) / 2
        draw_text(canvas, text, x + 0.001, y + 0.0025, size, brush.fill("#08060c", 0.6), "serif")
        draw_text(canvas, text, x, y, size, brush.fill("#fff6e6", 0.96), "serif")
        y += leading
