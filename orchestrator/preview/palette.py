"""Colour: what the light does at each hour, what a mood does to it, and how a style treats the result."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

RGB = tuple[float, float, float]
Ink = str | RGB  # "#rrggbb" or three floats 0..1


@lru_cache(maxsize=4096)
def rgb(ink: Ink) -> RGB:
    """Floats 0..1 for an ink."""
    if isinstance(ink, str):
        value = int(ink.lstrip("#"), 16)
        return ((value >> 16 & 255) / 255, (value >> 8 & 255) / 255, (value & 255) / 255)
    return ink


def mix(a: Ink, b: Ink, amount: float) -> RGB:
    """`a` where amount is 0, `b` where it is 1."""
    (ar, ag, ab), (br, bg, bb) = rgb(a), rgb(b)
    return (ar + (br - ar) * amount, ag + (bg - ag) * amount, ab + (bb - ab) * amount)


def times(a: Ink, b: Ink) -> RGB:
    """The colour of a surface `a` under the light `b`."""
    (ar, ag, ab), (br, bg, bb) = rgb(a), rgb(b)
    return (ar * br, ag * bg, ab * bb)


def luminance(ink: Ink) -> float:
    r, g, b = rgb(ink)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def saturate(ink: Ink, amount: float) -> RGB:
    """Grey at 0, unchanged at 1, richer above."""
    grey = luminance(ink)
    return mix((grey, grey, grey), ink, amount)


@dataclass(frozen=True)
class Palette:
    """The light of one shot. `sky` runs from zenith to horizon; `ambient` multiplies every surface colour."""

    sky: tuple[str, str, str, str, str]
    sun: str
    sun_height: float  # stage heights above the horizon; negative means no disc is seen
    sun_size: float
    glow: str
    cloud_lit: str
    cloud_shade: str
    haze: str
    ambient: RGB
    water: tuple[str, str]
    stars: float = 0.0
    moon: bool = False
    lamps: bool = False  # windows and street lamps are on
    cloud_cover: float = 0.45


PALETTES: dict[str, Palette] = {
    "dusk": Palette(
        sky=("#120e36", "#3b1f5c", "#8f3a6b", "#f08250", "#ffd77e"),
        sun="#fff3b0",
        sun_height=0.055,
        sun_size=0.058,
        glow="#ffb347",
        cloud_lit="#ff9f7a",
        cloud_shade="#6d3a72",
        haze="#c9706e",
        ambient=(0.74, 0.50, 0.50),
        water=("#f39a5f", "#2c2150"),
        stars=0.7,
        lamps=True,
        cloud_cover=0.42,
    ),
    "dawn": Palette(
        sky=("#30406f", "#6d6a9c", "#d58fa0", "#f9bd9a", "#ffeac2"),
        sun="#fff6d8",
        sun_height=0.045,
        sun_size=0.05,
        glow="#ffc98f",
        cloud_lit="#ffd2bd",
        cloud_shade="#8d80ad",
        haze="#e6b3ad",
        ambient=(0.86, 0.72, 0.74),
        water=("#f7c3a2", "#47598a"),
        stars=0.12,
        cloud_cover=0.45,
    ),
    "day": Palette(
        sky=("#2470c4", "#4a93dc", "#7fb9ec", "#b4dbf5", "#e3f3fb"),
        sun="#fffdf0",
        sun_height=0.47,
        sun_size=0.035,
        glow="#fff6d6",
        cloud_lit="#ffffff",
        cloud_shade="#a9c0da",
        haze="#bfdcf0",
        ambient=(1.0, 1.0, 0.98),
        water=("#8ccbe6", "#1d6fa5"),
        cloud_cover=0.6,
    ),
    "golden_hour": Palette(
        sky=("#3f78b0", "#7ea3bf", "#d8c49a", "#fbc777", "#ffe9b5"),
        sun="#fffbe0",
        sun_height=0.15,
        sun_size=0.05,
        glow="#ffd27a",
        cloud_lit="#fff0cf",
        cloud_shade="#b39a91",
        haze="#f0cf9b",
        ambient=(1.0, 0.84, 0.62),
        water=("#f7d190", "#3f6f8f"),
        cloud_cover=0.48,
    ),
    "night": Palette(
        sky=("#050a1f", "#0a1533", "#12244b", "#1e3762", "#345379"),
        sun="#f4f1de",
        sun_height=0.40,
        sun_size=0.045,
        glow="#8fb0e0",
        cloud_lit="#3b557f",
        cloud_shade="#101a36",
        haze="#2c4468",
        ambient=(0.30, 0.37, 0.56),
        water=("#3c5d8a", "#0a1530"),
        stars=1.0,
        moon=True,
        lamps=True,
        cloud_cover=0.33,
    ),
    "overcast": Palette(
        sky=("#7d8a97", "#939fab", "#a9b4bd", "#bfc8cd", "#d3d8da"),
        sun="#ffffff",
        sun_height=-1,
        sun_size=0.04,
        glow="#e8ecee",
        cloud_lit="#d5dbdf",
        cloud_shade="#77838f",
        haze="#c0c9ce",
        ambient=(0.76, 0.79, 0.82),
        water=("#b4c0c7", "#5a6c7a"),
        cloud_cover=0.85,
    ),
    "storm": Palette(
        sky=("#171d28", "#262f3d", "#3a4756", "#566673", "#7f8e94"),
        sun="#ffffff",
        sun_height=-1,
        sun_size=0.04,
        glow="#a8b7bd",
        cloud_lit="#76848f",
        cloud_shade="#141a24",
        haze="#5f6f7a",
        ambient=(0.48, 0.54, 0.60),
        water=("#5d707b", "#16222e"),
        lamps=True,
        cloud_cover=0.95,
    ),
    "underwater": Palette(
        sky=("#4fd0d8", "#23a5c0", "#127da6", "#0b5585", "#083a66"),
        sun="#f2ffff",
        sun_height=-1,
        sun_size=0.04,
        glow="#d2fff6",
        cloud_lit="#8ff0ea",
        cloud_shade="#0b5585",
        haze="#137298",
        ambient=(0.62, 0.86, 0.92),
        water=("#23a5c0", "#083a66"),
        cloud_cover=0.0,
    ),
    "space": Palette(
        sky=("#04040f", "#080a20", "#0e1030", "#120f33", "#0a0a22"),
        sun="#fff8e6",
        sun_height=0.42,
        sun_size=0.022,
        glow="#b7c8ff",
        cloud_lit="#7a4fb0",
        cloud_shade="#1d5e86",
        haze="#241f4a",
        ambient=(0.86, 0.82, 0.86),
        water=("#27306a", "#05060f"),
        stars=1.6,
        lamps=True,
        cloud_cover=0.5,
    ),
}

_MOOD_TINT: dict[str, tuple[RGB, float, float]] = {  # light multiplier, saturation, lift
    "neutral": ((1.0, 1.0, 1.0), 1.0, 0.0),
    "joyful": ((1.06, 1.02, 0.94), 1.16, 0.02),
    "calm": ((0.98, 1.0, 1.03), 0.9, 0.03),
    "melancholy": ((0.90, 0.94, 1.04), 0.68, 0.0),
    "tense": ((0.94, 0.86, 0.84), 0.9, -0.03),
    "mysterious": ((0.86, 0.92, 1.06), 0.85, -0.02),
}


def palette_for(sky: str) -> Palette:
    return PALETTES[sky]


_WEATHER_GREY = ("#39424e", "#4b545f", "#646c75", "#838a90", "#a3a8ab")


def weathered(palette: Palette, amount: float) -> Palette:
    """The same hour behind a closed sky: no disc, no stars, little colour."""
    dim = luminance(palette.sky[3]) / 0.55
    sky = tuple(
        _hex(mix(ink, times(grey, (dim, dim, dim)), amount))
        for ink, grey in zip(palette.sky, _WEATHER_GREY, strict=True)
    )
    return replace(
        palette,
        sky=(sky[0], sky[1], sky[2], sky[3], sky[4]),
        sun_height=-1,
        stars=0.0,
        moon=False,
        glow=_hex(saturate(palette.glow, 0.35)),
        cloud_lit=_hex(mix(saturate(palette.cloud_lit, 0.4), sky[2], 0.45)),
        cloud_shade=_hex(mix(saturate(palette.cloud_shade, 0.5), sky[0], 0.5)),
        haze=_hex(mix(palette.haze, sky[3], amount)),
        ambient=times(saturate(palette.ambient, 0.55), (0.84, 0.87, 0.92)),
        water=(_hex(mix(palette.water[0], sky[3], amount)), _hex(saturate(palette.water[1], 0.6))),
        cloud_cover=0.9,
    )


def _hex(ink: Ink) -> str:
    r, g, b = (round(min(1.0, max(0.0, part)) * 255) for part in rgb(ink))
    return f"#{r:02x}{g:02x}{b:02x}"


def noon(palette: Palette) -> Palette:
    """The same sky without lamps, for places lit by themselves."""
    return replace(palette, lamps=False)


Grade = Callable[[RGB], RGB]


def grade_for(style: str, mood: str) -> Grade:
    """The colour treatment of a shot: the mood's tint, then the style's film stock. Results stay in 0..1."""
    tint, saturation, lift = _MOOD_TINT[mood]
    treat = _TREATMENTS[style]

    @lru_cache(maxsize=8192)
    def grade(color: RGB) -> RGB:
        r, g, b = saturate(times(color, tint), saturation)
        r, g, b = treat((r + lift, g + lift, b + lift))
        return (min(1.0, max(0.0, r)), min(1.0, max(0.0, g)), min(1.0, max(0.0, b)))

    return grade


def _same(color: RGB) -> RGB:
    return color


def _contrast(color: RGB, amount: float, pivot: float = 0.42) -> RGB:
    r, g, b = color
    return (pivot + (r - pivot) * amount, pivot + (g - pivot) * amount, pivot + (b - pivot) * amount)


def _watercolor(color: RGB) -> RGB:
    return mix(saturate(color, 0.86), "#f7f0e2", 0.27)


def _noir(color: RGB) -> RGB:
    grey = max(0.0, _contrast(saturate(color, 0.0), 1.25, 0.36)[0]) ** 0.78
    return mix((grey * 0.97, grey * 0.99, grey * 1.04), "#0b0d12", 0.08)


def _pastel(color: RGB) -> RGB:
    return mix(saturate(color, 0.78), "#fbeef2", 0.42)


def _retro(color: RGB) -> RGB:
    """Faded print: warm whites, teal blacks, a narrower range."""
    faded = times(saturate(color, 0.82), (1.02, 0.93, 0.76))
    grey = luminance(faded)
    return mix(mix(faded, "#1f3a3d", 0.20 * (1 - grey)), "#f2dcae", 0.12 + 0.08 * grey)


def _anime(color: RGB) -> RGB:
    return _contrast(saturate(color, 1.38), 1.08, 0.38)


def _minimal(color: RGB) -> RGB:
    """Few tones: close colours fall together."""
    grey = luminance(color)
    step = round(grey * 7) / 7
    scale = step / grey if grey > 0.02 else 1.0
    r, g, b = saturate(color, 0.62)
    return mix((r * scale, g * scale, b * scale), "#f4efe8", 0.14)


def _storyboard(color: RGB) -> RGB:
    return mix(saturate(color, 0.34), "#221d28", 0.10)


_TREATMENTS: dict[str, Grade] = {
    "illustration": _same,
    "watercolor": _watercolor,
    "noir": _noir,
    "pastel": _pastel,
    "retro": _retro,
    "anime": _anime,
    "minimal": _minimal,
    "storyboard": _storyboard,
}
