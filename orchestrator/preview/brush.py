"""Paints in the light of a shot: every colour that reaches a canvas passes through here once.

Units are stage heights (the picture is 1 high), so line widths and radii scale with the resolution.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import skia

from orchestrator.preview.palette import Grade, Ink, Palette, mix, rgb, times

Stop = tuple[float, Ink, float]  # position, ink, alpha


class Brush:
    """Makes graded paints. `lit()` gives surfaces the ambient light, `hazed()` puts them behind air."""

    def __init__(self, palette: Palette, grade: Grade, *, ambient: bool = False, haze: float = 0.0) -> None:
        self.palette = palette
        self.grade = grade
        self._ambient = ambient
        self._haze = haze

    def lit(self, haze: float | None = None) -> Brush:
        return Brush(self.palette, self.grade, ambient=True, haze=self._haze if haze is None else haze)

    def lifted(self, amount: float) -> Brush:
        """Lit, but keeping `amount` of its own colour: blossoms and wings would turn to mud in a plain dusk light."""
        r, g, b = self.palette.ambient
        ambient = (amount + (1 - amount) * r, amount + (1 - amount) * g, amount + (1 - amount) * b)
        return Brush(replace(self.palette, ambient=ambient), self.grade, ambient=True, haze=self._haze)

    def unlit(self) -> Brush:
        return Brush(self.palette, self.grade)

    def hazed(self, amount: float) -> Brush:
        return Brush(self.palette, self.grade, ambient=self._ambient, haze=amount)

    def color(self, ink: Ink, alpha: float = 1.0) -> int:
        """The final ARGB of an ink."""
        value = rgb(ink)
        if self._ambient:
            value = times(value, self.palette.ambient)
        if self._haze:
            value = mix(value, self.palette.haze, self._haze)
        r, g, b = self.grade(value)
        a = min(1.0, max(0.0, alpha))
        return round(a * 255) << 24 | round(r * 255) << 16 | round(g * 255) << 8 | round(b * 255)

    def fill(self, ink: Ink, alpha: float = 1.0) -> skia.Paint:
        return skia.Paint(AntiAlias=True, Color=self.color(ink, alpha))

    def stroke(self, ink: Ink, width: float, alpha: float = 1.0) -> skia.Paint:
        return skia.Paint(
            AntiAlias=True,
            Color=self.color(ink, alpha),
            Style=skia.Paint.kStroke_Style,
            StrokeWidth=width,
            StrokeCap=skia.Paint.kRound_Cap,
            StrokeJoin=skia.Paint.kRound_Join,
        )

    def linear(self, start: tuple[float, float], end: tuple[float, float], stops: Sequence[Stop]) -> skia.Paint:
        """A dithered gradient from `start` to `end`."""
        shader = skia.GradientShader.MakeLinear(
            points=[skia.Point(*start), skia.Point(*end)],
            colors=[self.color(ink, alpha) for _, ink, alpha in stops],
            positions=[position for position, _, _ in stops],
        )
        return skia.Paint(AntiAlias=True, Dither=True, Shader=shader)

    def radial(self, center: tuple[float, float], radius: float, stops: Sequence[Stop]) -> skia.Paint:
        shader = skia.GradientShader.MakeRadial(
            center=skia.Point(*center),
            radius=radius,
            colors=[self.color(ink, alpha) for _, ink, alpha in stops],
            positions=[position for position, _, _ in stops],
        )
        return skia.Paint(AntiAlias=True, Dither=True, Shader=shader)

    def glow(self, canvas: skia.Canvas, x: float, y: float, radius: float, ink: Ink, alpha: float = 1.0) -> None:
        """A soft round light that fades to nothing at `radius`; never dimmed by the ambient light."""
        stops: list[Stop] = [(0.0, ink, alpha), (0.25, ink, alpha * 0.55), (0.55, ink, alpha * 0.16), (1.0, ink, 0.0)]
        paint = self.unlit().radial((x, y), radius, stops)
        canvas.drawCircle(x, y, radius, paint)


def outline(points: Sequence[tuple[float, float]], *, close: bool = True) -> skia.Path:
    """A polygon through the points."""
    path = skia.Path()
    path.addPoly([skia.Point(x, y) for x, y in points], close)
    return path


def smooth(points: Sequence[tuple[float, float]], *, close: bool = False) -> skia.Path:
    """A curve that passes near every point: quadratic pieces between the midpoints."""
    path = skia.Path()
    rest: Sequence[tuple[float, float]]
    if close:
        points = [*points, points[0], points[1]]
        first = ((points[0][0] + points[1][0]) / 2, (points[0][1] + points[1][1]) / 2)
        path.moveTo(*first)
        rest = points[1:]
    else:
        path.moveTo(*points[0])
        rest = points
    for (ax, ay), (bx, by) in pairwise(rest):
        path.quadTo(ax, ay, (ax + bx) / 2, (ay + by) / 2)
    if close:
        path.close()
    else:
        path.lineTo(*points[-1])
    return path
