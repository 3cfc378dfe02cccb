"""Typographic cards: what a board shows when no plate fits its subject. Cut paper and lettering; nothing is depicted.

Every shot's seed chooses a layout, a motif and its colours, so that the cards of one film differ and belong together.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import skia

from orchestrator.preview.brush import Stop, outline, smooth
from orchestrator.preview.camera import ease
from orchestrator.preview.layers import Layer, Live, LivePaint, Plate, Stage
from orchestrator.preview.palette import Ink, luminance, mix
from orchestrator.preview.text import draw_text, fit, text_width

_TEXT_DEPTH = -0.55  # lettering all but stays where it is, whatever the camera does
_LAYOUTS = ("left", "right", "centre", "initial", "number", "banner")
_ROMAN = ("I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII")
_DARK_HOURS = ("night", "dusk", "storm", "space", "underwater")


@dataclass(frozen=True)
class Paper:
    """The sheet, the letters, and three cut papers."""

    sheet: str
    letters: str
    cuts: tuple[str, str, str]


# mood -> (papers for the light hours, papers for the dark ones)
_PAPERS: dict[str, tuple[tuple[Paper, ...], tuple[Paper, ...]]] = {
    "neutral": (
        (
            Paper("#f1e9da", "#2a2630", ("#d8654a", "#2f6f73", "#e6b450")),
            Paper("#e9ece6", "#1f2d36", ("#3f7f8c", "#e08a5b", "#b9c6b2")),
            Paper("#f3e3d3", "#3a2030", ("#a83f55", "#f0a868", "#4d6a8c")),
        ),
        (
            Paper("#1d2433", "#f3ead7", ("#e0714f", "#3f8f95", "#e9bb5b")),
            Paper("#2b2030", "#f6e8d8", ("#c94f63", "#f0a868", "#6a6fa8")),
            Paper("#142a2c", "#efeadb", ("#e4a24a", "#3f8a78", "#d9644f")),
        ),
    ),
    "joyful": (
        (
            Paper("#fdf0d2", "#33243a", ("#f2634a", "#22a08c", "#f7b733")),
            Paper("#fbe6e0", "#2c2350", ("#f08a24", "#5a5bd0", "#f26b8a")),
        ),
        (Paper("#2c2350", "#fff2d8", ("#f7b733", "#f2637a", "#35b3a4")),),
    ),
    "calm": (
        (
            Paper("#e8eeea", "#28404a", ("#7fa9a3", "#c9d8c5", "#e3b79a")),
            Paper("#eee9f0", "#38344f", ("#9d94c4", "#e2c2b4", "#7f9fb8")),
        ),
        (Paper("#1c323d", "#eaf0ea", ("#5f9a98", "#d8b08c", "#33566a")),),
    ),
    "melancholy": (
        (Paper("#dfe0e2", "#2b3040", ("#68788f", "#a79a9a", "#b8c3cc")),),
        (
            Paper("#20283a", "#e4e6ea", ("#566a8c", "#9a8290", "#37486a")),
            Paper("#2a2a33", "#e9e4de", ("#7a6f7e", "#4f6470", "#a8937f")),
        ),
    ),
    "tense": (
        (Paper("#eadfd3", "#1d1618", ("#c22f2b", "#1d1d22", "#8c7f74")),),
        (
            Paper("#18161a", "#f2e6da", ("#c8322c", "#5a2426", "#8a8078")),
            Paper("#2a0f14", "#f6e2d2", ("#e0472f", "#6e1a22", "#d8a05a")),
        ),
    ),
    "mysterious": (
        (Paper("#dfe3ea", "#23244a", ("#5b5ea6", "#3f8f95", "#b9a7d0")),),
        (
            Paper("#14162e", "#ece8f4", ("#6a5bc0", "#2f8f94", "#c9a2e0")),
            Paper("#0f2630", "#e6f2ee", ("#2f9a8c", "#5a4f9c", "#e0c070")),
        ),
    ),
}


def is_card(stage: Stage) -> bool:
    return stage.art.board and not stage.art.subjects


def card_layers(stage: Stage) -> Iterator[Layer]:
    """The sheet, paper shapes on several planes, and the shot's words."""
    rng = stage.rng("card")
    papers = _PAPERS[stage.art.mood][stage.art.sky in _DARK_HOURS]
    paper = rng.choice(papers)
    layout = rng.choice(_LAYOUTS) if stage.aspect > 1.15 else rng.choice(("left", "centre", "banner"))
    motif = rng.choice(_MOTIFS)
    spot = _spot(stage, layout)
    yield Plate(0.1, -0.1, 1.1, lambda canvas: _sheet(canvas, stage, paper, spot), opaque=True)
    for number, shape in enumerate(motif(stage, paper, spot)):
        swing = (0.006 + 0.003 * number) * (1 if number % 2 else -1)
        yield Plate(0.25 + 0.22 * number, -0.1, 1.1, shape, bob=swing)
    yield Live(0.9, _scraps(stage, paper, spot))
    words = beat(stage.art.note, stage.art.part)
    if words and not stage.art.title:
        yield Live(_TEXT_DEPTH, _words(stage, paper, layout, words))


def beat(note: str, part: int) -> str:
    """The words of one card: the whole text first, then its phrases in turn."""
    note = " ".join(note.split())
    sentences = [piece.strip() for piece in re.split(r"(?<=[.!?;:])\s+|,\s+", note) if piece.strip()]
    phrases = [phrase for sentence in sentences for phrase in _phrases(sentence)]
    texts = [note, *phrases] if len(phrases) > 1 else [note]
    text = texts[part % len(texts)].rstrip(" .,;:")
    return text[:1].upper() + text[1:]


def _phrases(sentence: str) -> list[str]:
    """Cut before prepositions and before "-ing a ...", but leave no piece of one short word."""
    cuts = re.split(r"\s+(?=(?:in|with|of|for|from|by|at|on|over|under|through|and|who|where|when|while)\s)", sentence)
    pieces = [piece for cut in cuts for piece in re.split(r"\s+(?=\w+ing\s+(?:an?|the|its|their|his|her)\s)", cut)]
    joined: list[str] = []
    for piece in pieces:
        if joined and (len(joined[-1]) < 6 or len(piece) < 6):
            joined[-1] += " " + piece
        else:
            joined.append(piece)
    return joined


def _spot(stage: Stage, layout: str) -> tuple[float, float, float]:
    """Where the shapes gather, and how large: away from the words."""
    a = stage.aspect
    if a <= 1.15:
        return (a * 0.5, 0.74 if layout != "banner" else 0.30, 0.26 * min(1.0, a / 0.7))
    side = {"left": 0.77, "right": 0.23, "centre": 0.5, "initial": 0.86, "number": 0.74, "banner": 0.5}[layout]
    return (a * side, {"centre": 0.80, "banner": 0.34}.get(layout, 0.5), 0.33)


def _sheet(canvas: skia.Canvas, stage: Stage, paper: Paper, spot: tuple[float, float, float]) -> None:
    """Toned paper, lighter about the shapes, with fibres."""
    brush = stage.brush
    dark = luminance(paper.sheet) < 0.4
    canvas.drawPaint(brush.fill(paper.sheet))
    light: list[Stop] = [(0, mix(paper.sheet, "#ffffff", 0.16 if dark else 0.5), 0.9), (1, paper.sheet, 0)]
    canvas.drawCircle(spot[0], spot[1], 1.0, brush.radial((spot[0], spot[1]), 1.0, light))
    rng = stage.rng("fibres")
    for _ in range(round(420 * stage.aspect)):
        x, y, turn = rng.uniform(-0.1, stage.aspect + 0.1), rng.uniform(-0.1, 1.1), rng.uniform(0, 3.14)
        length = rng.uniform(0.004, 0.018)
        ink = "#ffffff" if rng.random() < 0.5 else "#000000"
        end = (x + length * math.cos(turn), y + length * math.sin(turn))
        canvas.drawLine(x, y, *end, brush.stroke(ink, 0.0008, 0.06 if dark else 0.05))


def _cut(canvas: skia.Canvas, stage: Stage, path: skia.Path, ink: Ink, alpha: float = 1.0) -> None:
    """A piece of paper lying on another: soft shadow, a little light from above, a bright edge."""
    bounds = path.getBounds()
    shadow = stage.brush.fill("#05040a", 0.30 * alpha)
    shadow.setMaskFilter(skia.MaskFilter.MakeBlur(skia.kNormal_BlurStyle, 0.010))
    canvas.save()
    canvas.translate(0.004, 0.010)
    canvas.drawPath(path, shadow)
    canvas.restore()
    stops: list[Stop] = [
        (0, mix(ink, "#ffffff", 0.14), alpha),
        (0.6, ink, alpha),
        (1, mix(ink, "#000000", 0.14), alpha),
    ]
    canvas.drawPath(path, stage.brush.linear((0, bounds.top()), (0, bounds.bottom()), stops))
    canvas.drawPath(path, stage.brush.stroke(mix(ink, "#ffffff", 0.5), 0.0012, 0.35 * alpha))


def _disc(x: float, y: float, r: float) -> skia.Path:
    path = skia.Path()
    path.addCircle(x, y, r)
    return path


Shape = Callable[[skia.Canvas], None]
Spot = tuple[float, float, float]


def _discs(stage: Stage, paper: Paper, spot: Spot) -> list[Shape]:
    x, y, r = spot
    rng = stage.rng("discs")
    turn = rng.uniform(0, 6.3)

    def ring(canvas: skia.Canvas) -> None:
        for k in range(4):
            size = r * (1.12 + 0.16 * k)
            canvas.drawCircle(x, y, size, stage.brush.stroke(paper.letters, 0.0016, 0.30 - 0.06 * k))

    def at(angle: float, far: float, size: float, ink: str) -> Shape:
        cx, cy = x + far * math.cos(turn + angle), y + far * math.sin(turn + angle)
        return lambda canvas: _cut(canvas, stage, _disc(cx, cy, size), ink)

    first, second, third = paper.cuts
    return [ring, at(0, 0, r, first), at(0.4, r * 0.75, r * 0.48, second), at(2.8, r * 0.95, r * 0.26, third)]


def _strata(stage: Stage, paper: Paper, spot: Spot) -> list[Shape]:
    """Sheets torn in waves, one before the other."""
    lean = 0.16 * (1 if spot[0] > stage.aspect / 2 else -1 if spot[0] < stage.aspect / 2 - 0.1 else 0)
    rng = stage.rng("strata")
    inks = (paper.cuts[2], paper.cuts[0], paper.cuts[1], mix(paper.cuts[1], "#000000", 0.35))

    def layer(number: int) -> Shape:
        base, tall, phase = 0.76 + 0.075 * number, rng.uniform(0.02, 0.05), rng.uniform(0, 6.3)
        waves = rng.uniform(2.2, 4.2)
        line = []
        for k in range(-4, 45):
            u = k / 40
            rise = lean * (2 * u - 1) * (1 - 0.2 * number)
            line.append((u * stage.aspect, base - rise + tall * math.sin(waves * u * 3 + phase)))
        path = smooth([*line, (stage.aspect * 1.15, 1.3), (-0.2, 1.3)], close=True)
        return lambda canvas: _cut(canvas, stage, path, inks[number])

    def sun(canvas: skia.Canvas) -> None:
        _cut(canvas, stage, _disc(spot[0], 0.50 - 0.1 * abs(lean), 0.12), mix(paper.cuts[2], "#ffffff", 0.3))

    return [sun, layer(0), layer(1), layer(2), layer(3)]


def _rays(stage: Stage, paper: Paper, spot: Spot) -> list[Shape]:
    """A fan of wedges opening from an edge of the sheet."""
    x = spot[0]
    y = 1.12 if spot[1] > 0.4 else -0.12
    rng = stage.rng("rays")
    start = rng.uniform(0, 0.3)

    def fan(inks: tuple[Ink, Ink], reach: float, count: int, shift: float, alpha: float) -> Shape:
        def paint(canvas: skia.Canvas) -> None:
            for k in range(count):
                a0 = start + shift + 2 * math.pi * k / count
                a1 = a0 + math.pi / count
                wedge = outline(
                    [
                        (x, y),
                        (x + reach * math.cos(a0), y + reach * math.sin(a0)),
                        (x + reach * math.cos(a1), y + reach * math.sin(a1)),
                    ]
                )
                _cut(canvas, stage, wedge, inks[k % 2], alpha)

        return paint

    def hub(canvas: skia.Canvas) -> None:
        for size, ink in ((0.40, paper.cuts[1]), (0.30, paper.cuts[2]), (0.19, paper.cuts[0])):
            _cut(canvas, stage, _disc(x, y, size), ink)

    soft = mix(paper.cuts[0], paper.sheet, 0.35)
    return [
        fan((mix(paper.cuts[2], paper.sheet, 0.72), mix(paper.cuts[2], paper.sheet, 0.82)), 2.6, 22, 0.0, 0.8),
        fan((soft, paper.cuts[0]), 0.62, 18, 0.1, 1.0),
        hub,
    ]


def _arches(stage: Stage, paper: Paper, spot: Spot) -> list[Shape]:
    """Gates of paper, one within the other."""
    x = spot[0]
    foot = 1.3 if spot[1] > 0.4 else 0.62
    size = 0.36 * min(1.0, stage.aspect / 1.2)
    inks = (paper.cuts[1], paper.cuts[0], paper.cuts[2], mix(paper.sheet, "#000000", 0.3))

    def gate(number: int) -> Shape:
        wide, top = size * (1 - 0.25 * number), (0.30 if foot > 1 else 0.06) + 0.10 * number
        path = skia.Path()
        path.addRRect(skia.RRect.MakeRectXY(skia.Rect(x - wide, top, x + wide, foot + 0.6), wide, wide))
        if foot < 1:
            path = skia.Op(path, outline([(-1, -1), (4, -1), (4, foot), (-1, foot)]), skia.kIntersect_PathOp)
        return lambda canvas: _cut(canvas, stage, path, inks[number])

    return [gate(k) for k in range(4)]


def _tiles(stage: Stage, paper: Paper, spot: Spot) -> list[Shape]:
    """Quarter circles on a grid, as in old pattern books."""
    rng = stage.rng("tiles")
    step = 0.165
    across = 3 if stage.aspect > 1.15 and 0.3 < spot[0] / stage.aspect < 0.7 else 4
    across, down = (9, 2) if across == 3 else (4, 5)
    left, top = spot[0] - across * step / 2, spot[1] - down * step / 2
    planes: list[list[tuple[skia.Path, Ink]]] = [[], []]
    for c in range(across):
        for r in range(down):
            cell = skia.Rect.MakeXYWH(left + c * step, top + r * step, step * 0.96, step * 0.96)
            ink = rng.choice(paper.cuts)
            kind = rng.choice(("quarter", "quarter", "half", "disc", "none", "square"))
            path = skia.Path()
            if kind == "quarter":
                corner = rng.choice(
                    ((cell.left(), cell.top()), (cell.right(), cell.top()), (cell.left(), cell.bottom()))
                )
                path.addCircle(*corner, step * 0.96)
            elif kind == "half":
                path.addCircle(cell.centerX(), cell.bottom(), step * 0.48)
            elif kind == "disc":
                path.addCircle(cell.centerX(), cell.centerY(), step * 0.34)
            elif kind == "square":
                path.addRect(cell)
            if kind != "none":
                square = skia.Path()
                square.addRect(cell)
                planes[(c + r) % 2].append((skia.Op(path, square, skia.kIntersect_PathOp), ink))

    def plane(pieces: list[tuple[skia.Path, Ink]]) -> Shape:
        def paint(canvas: skia.Canvas) -> None:
            for path, ink in pieces:
                _cut(canvas, stage, path, ink)

        return paint

    return [plane(pieces) for pieces in planes]


def _columns(stage: Stage, paper: Paper, spot: Spot) -> list[Shape]:
    """Bars with round heads, rising and falling."""
    rng = stage.rng("columns")
    hanging = spot[1] < 0.4

    def row(number: int) -> Shape:
        bars = []
        for k in range(7):
            x = spot[0] + (k - 3 + 0.4 * (number - 0.5)) * 0.105
            tall = rng.uniform(0.22, 0.62) * (1 - 0.25 * number) * (0.75 if hanging else 1.0)
            wide = 0.036
            rect = (
                skia.Rect(x - wide, -0.3, x + wide, tall) if hanging else skia.Rect(x - wide, 1 - tall, x + wide, 1.3)
            )
            path = skia.Path()
            path.addRRect(skia.RRect.MakeRectXY(rect, wide, wide))
            bars.append((path, paper.cuts[(k + number) % 3]))

        def paint(canvas: skia.Canvas) -> None:
            for path, ink in bars:
                _cut(canvas, stage, path, mix(ink, paper.sheet, 0.45 - 0.45 * number))

        return paint

    return [row(0), row(1)]


def _leaves(stage: Stage, paper: Paper, spot: Spot) -> list[Shape]:
    """Long cut leaves that spread from one foot."""
    rng = stage.rng("leaves")
    x, hanging = spot[0], spot[1] < 0.4
    y, up = (-0.08, -1.0) if hanging else (1.08, 1.0)

    def spray(number: int) -> Shape:
        leaves = []
        for k in range(7):
            angle = (k - 3) * 0.34 + 0.14 * number + rng.uniform(-0.06, 0.06)
            long = rng.uniform(0.46, 0.82) * (0.72 if hanging else 1.0) * (1 - 0.20 * number)
            dx, dy = math.sin(angle), -math.cos(angle) * up
            wide = 0.062
            middle = (x + dx * long * 0.55, y + dy * long * 0.55)
            path = skia.Path()
            path.moveTo(x, y)
            path.quadTo(middle[0] - dy * wide * 1.6, middle[1] + dx * wide * 1.6, x + dx * long, y + dy * long)
            path.quadTo(middle[0] + dy * wide * 1.6, middle[1] - dx * wide * 1.6, x, y)
            leaves.append((path, paper.cuts[(k + number) % 3]))

        def paint(canvas: skia.Canvas) -> None:
            for path, ink in leaves:
                _cut(canvas, stage, path, mix(ink, paper.sheet, 0.3 if number == 0 else 0.0))

        return paint

    return [spray(0), spray(1)]


_MOTIFS = (_discs, _strata, _rays, _arches, _tiles, _columns, _leaves)


def _scraps(stage: Stage, paper: Paper, spot: Spot) -> LivePaint:
    """A few flecks of the same papers, sinking and turning."""
    rng = stage.rng("scraps")
    scraps = [
        (
            spot[0] + rng.gauss(0, 0.24 if spot[1] == 0.5 else 0.5),
            rng.random(),
            rng.uniform(0.005, 0.013),
            rng.uniform(0.012, 0.03),
            rng.uniform(0, 6.3),
            rng.choice(paper.cuts),
            rng.random() < 0.5,
        )
        for _ in range(16)
    ]

    top, reach = (-0.1, 1.2) if spot[1] == 0.5 else (-0.1, 0.72) if spot[1] < 0.5 else (0.56, 0.54)

    def paint(canvas: skia.Canvas, t: float) -> None:
        for x, v, size, fall, phase, ink, round_ in scraps:
            canvas.save()
            canvas.translate(x + 0.03 * math.sin(0.5 * t + phase), top + reach * ((v + fall * t) % 1.0))
            canvas.rotate(math.degrees(phase) + 24 * t)
            canvas.scale(1.0, 0.45 + 0.4 * math.sin(0.9 * t + phase))
            fill = stage.brush.fill(mix(ink, paper.letters, 0.15), 0.85)
            if round_:
                canvas.drawCircle(0, 0, size, fill)
            else:
                canvas.drawRect(skia.Rect(-size, -size, size, size), fill)
            canvas.restore()

    return paint


# --- the words ---


@dataclass(frozen=True)
class _Block:
    """A set text: its lines, size, and where it stands."""

    lines: list[str]
    size: float
    x: float
    top: float
    width: float
    align: str


def _block(stage: Stage, layout: str, words: str) -> _Block:
    a = stage.aspect
    tall = a <= 1.15
    x, width, align = {
        "left": (0.085 * a, 0.48 * a, "left"),
        "right": (0.435 * a, 0.48 * a, "right"),
        "centre": (0.16 * a, 0.68 * a, "centre"),
        "initial": (0.36 * a, 0.40 * a, "left"),
        "number": (0.085 * a, 0.46 * a, "left"),
        "banner": (0.12 * a, 0.76 * a, "centre"),
    }[layout]
    if tall:
        x, width = 0.09 * a, 0.82 * a
    rows = 2 if layout == "banner" else 4 if layout != "centre" else 3
    lines, size = fit(words, width, rows, _SIZES)
    height = size * 1.16 * (len(lines) - 1) + size * 0.7
    middle = {"centre": 0.36, "banner": 0.79, "number": 0.62}.get(layout, 0.5)
    if tall:
        middle = 0.78 if layout == "banner" else 0.28
    return _Block(lines, size, x, middle - height / 2, width, align)


_SIZES = (0.118, 0.104, 0.092, 0.080, 0.070, 0.060, 0.050, 0.042)


def _words(stage: Stage, paper: Paper, layout: str, words: str) -> LivePaint:
    """Set in the serif; the words come up softly and keep drifting, the rules draw themselves."""
    block = _block(stage, layout, words)
    brush, length = stage.brush, stage.art.duration_s
    phase = stage.rng("words").uniform(0, 6.3)
    leading = block.size * 1.16
    low = block.top + block.size * 0.7 + leading * (len(block.lines) - 1)
    accent = max(paper.cuts, key=lambda ink: abs(luminance(ink) - luminance(paper.sheet)))

    def rule(canvas: skia.Canvas, x0: float, x1: float, y: float, shown: float) -> None:
        canvas.drawLine(x0, y, x0 + (x1 - x0) * shown, y, brush.stroke(paper.letters, 0.0022, 0.75))

    def ornaments(canvas: skia.Canvas, shown: float, alpha: float) -> None:
        left, right = block.x, block.x + block.width
        match layout:
            case "initial":
                letter = next((c for c in words if c.isalnum()), words[0]).upper()
                size = 0.78
                wide = text_width(letter, size, "serif")
                scale = min(1.0, stage.aspect * 0.27 / wide)
                at = left - 0.05 * stage.aspect - wide * scale
                draw_text(
                    canvas, letter, at, 0.5 + size * scale * 0.33, size * scale, brush.fill(accent, alpha), "serif"
                )
                rule(canvas, left, left + 0.16, low + 0.06, shown)
            case "number":
                numeral = _ROMAN[stage.art.part % len(_ROMAN)]
                draw_text(canvas, numeral, left - 0.008, block.top - 0.10, 0.20, brush.fill(accent, alpha), "serif")
                rule(canvas, left, left + 0.30, block.top - 0.055, shown)
            case "banner":
                rule(canvas, left, right, block.top - 0.055, shown)
                rule(canvas, right, left, low + 0.060, shown)
            case "centre":
                middle = (left + right) / 2
                rule(canvas, middle, middle - 0.11, block.top - 0.06, shown)
                rule(canvas, middle, middle + 0.11, block.top - 0.06, shown)
                canvas.drawCircle(middle, block.top - 0.06, 0.006, brush.fill(accent, alpha))
            case "left":
                canvas.drawLine(
                    left - 0.05,
                    block.top,
                    left - 0.05,
                    block.top + (low - block.top) * shown,
                    brush.stroke(accent, 0.006),
                )
            case _:
                rule(canvas, right, right - 0.22, low + 0.06, shown)

    def paint(canvas: skia.Canvas, t: float) -> None:
        alpha = ease((t + 0.25) / min(0.9, length * 0.3))
        shown = ease((t + 0.1) / (length * 0.55))
        canvas.save()
        canvas.translate(0.005 * math.sin(0.42 * t + phase), 0.004 * math.cos(0.35 * t + phase) + 0.012 * (1 - alpha))
        ornaments(canvas, shown, alpha)
        y = block.top + block.size * 0.7
        glow = brush.stroke(paper.sheet, block.size * 0.16, 0.75 * alpha)
        for line in block.lines:
            wide = text_width(line, block.size, "serif")
            shift = {"left": 0.0, "right": block.width - wide, "centre": (block.width - wide) / 2}[block.align]
            glow.setStrokeWidth(16)
            draw_text(canvas, line, block.x + shift, y, block.size, glow, "serif")
            draw_text(canvas, line, block.x + shift, y, block.size, brush.fill(paper.letters, alpha), "serif")
            y += leading
        canvas.restore()

    return paint
