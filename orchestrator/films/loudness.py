"""Loudness after EBU R128, measured by FFmpeg's own meter."""

from __future__ import annotations

import math
from fractions import Fraction

import av
import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.float32]
SAMPLE_RATE = 48_000


class Meter:
    """Feed it stereo samples (n, 2) at 48 kHz; ask for LUFS and dBTP at the end.

    A figure is None when there was too little (or too quiet) sound to measure it.
    """

    def __init__(self) -> None:
        self._graph = av.filter.Graph()
        source = self._graph.add_abuffer(
            sample_rate=SAMPLE_RATE, format="flt", layout="stereo", time_base=Fraction(1, SAMPLE_RATE)
        )
        meter = self._graph.add("ebur128", "metadata=1:peak=true:framelog=quiet")
        sink = self._graph.add("abuffersink")
        source.link_to(meter)
        meter.link_to(sink)
        self._graph.configure()
        self._position = 0
        self._last: dict[str, str] = {}

    def add(self, samples: Samples) -> None:
        packed = np.ascontiguousarray(samples, dtype=np.float32).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(packed, format="flt", layout="stereo")
        frame.sample_rate, frame.pts = SAMPLE_RATE, self._position
        self._position += len(samples)
        self._graph.push(frame)
        self._drain()

    def finish(self) -> None:
        self._graph.push(None)
        self._drain()

    @property
    def integrated_lufs(self) -> float | None:
        value = self._value("I")
        return None if value is None or value <= -70 else value

    @property
    def range_lu(self) -> float | None:
        return self._value("LRA")

    @property
    def true_peak_dbtp(self) -> float | None:
        peak = self._value("true_peak")
        return None if not peak else round(20 * math.log10(peak), 2)

    def _value(self, name: str) -> float | None:
        text = self._last.get(f"lavfi.r128.{name}")
        value = float(text) if text is not None else math.nan
        return value if math.isfinite(value) else None

    def _drain(self) -> None:
        while True:
            try:
                frame = self._graph.pull()
            except (av.BlockingIOError, av.EOFError):
                return
            self._last = dict(frame.metadata) or self._last
