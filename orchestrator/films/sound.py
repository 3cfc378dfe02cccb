"""Samples of speech as a sound file in the format that somebody asked for.

The codecs are loaded by the process that writes; the table of formats costs nothing to read.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import av
    from av.filter.context import FilterContext

SAMPLE_RATE = 24_000
_FRAME = 4096
_UNHEARD = 0.01


@dataclass(frozen=True)
class Format:
    """A kind of sound file: its media type, container and codec, and the sample format that the codec takes."""

    media_type: str
    container: str
    codec: str
    samples: str = "s16"
    options: dict[str, str] = field(default_factory=dict)


# All of one voice at 24 kHz; `pcm` is bare 16-bit little-endian samples.
FORMATS = {
    "mp3": Format("audio/mpeg", "mp3", "libmp3lame", "s16p", {"b": "64k"}),
    "opus": Format("audio/ogg", "ogg", "libopus", "s16", {"b": "48k"}),
    "aac": Format("audio/aac", "adts", "aac", "fltp", {"b": "64k"}),
    "flac": Format("audio/flac", "flac", "flac"),
    "wav": Format("audio/wav", "wav", "pcm_s16le"),
    "pcm": Format("audio/pcm", "s16le", "pcm_s16le"),
}


def write(samples: bytes, sample_rate: int, path: Path, format_name: str, *, tempo: float = 1.0) -> float:
    """Write 16-bit mono `samples` to `path`, `tempo` times as fast at the same pitch; returns its seconds."""
    import av

    format_ = FORMATS[format_name]
    heard = 0
    with av.open(str(path), "w", format=format_.container) as file:
        stream = file.add_stream(format_.codec, rate=SAMPLE_RATE, options=dict(format_.options))
        assert isinstance(stream, av.AudioStream)
        stream.layout = "mono"
        stream.format = format_.samples
        for frame in _at_tempo(_frames(samples, sample_rate), sample_rate, tempo):
            heard += frame.samples
            file.mux(stream.encode(frame))  # resamples, and cuts to the codec's frames
        file.mux(stream.encode(None))
    return heard / sample_rate


def _frames(samples: bytes, sample_rate: int) -> Iterator[av.AudioFrame]:
    import av

    values = np.frombuffer(samples, dtype="<i2")
    for start in range(0, len(values), _FRAME):
        frame = av.AudioFrame.from_ndarray(values[None, start : start + _FRAME], format="s16", layout="mono")
        frame.sample_rate = sample_rate
        frame.pts = start
        frame.time_base = Fraction(1, sample_rate)
        yield frame


def _at_tempo(frames: Iterator[av.AudioFrame], sample_rate: int, tempo: float) -> Iterator[av.AudioFrame]:
    if abs(tempo - 1.0) < _UNHEARD:
        yield from frames
        return
    from av.filter import Graph

    graph = Graph()
    source = graph.add_abuffer(sample_rate=sample_rate, format="s16", layout="mono", time_base=Fraction(1, sample_rate))
    last = source
    # One filter slows down to a half at most.
    steps = max(1, math.ceil(-math.log2(tempo)))
    for _ in range(steps):
        stretched = graph.add("atempo", f"{tempo ** (1 / steps):.6f}")
        last.link_to(stretched)
        last = stretched
    sink = graph.add("abuffersink")
    last.link_to(sink)
    graph.configure()
    for frame in chain(frames, [None]):
        source.push(frame)
        while (pulled := _pull(sink)) is not None:
            yield pulled


def _pull(sink: FilterContext) -> av.AudioFrame | None:
    import av

    try:
        frame = sink.pull()
    except (av.BlockingIOError, av.EOFError):
        return None
    assert isinstance(frame, av.AudioFrame)
    return frame
