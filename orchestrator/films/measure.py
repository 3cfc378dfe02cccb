"""The task that looks at a finished film as a stranger would: by decoding every frame and every sample of it.

Nothing here knows what was asked for; `orchestrator.films.qc` compares.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt

from orchestrator.films.loudness import SAMPLE_RATE, Meter
from orchestrator.jobs.child import Report

_LOOK = 160  # pixels: the long side of the small picture that stretches and cuts are judged by
_BLACK_LUMA = 25
_BLACK_SHARE = 0.99
_MOTION_STEP_S = 0.2
_FROZEN_DIFFERENCE = 0.06  # of 255, over `_MOTION_STEP_S`
_MIN_BLACK_S = 0.1
_CUT_DIFFERENCE = 6.0
_CUT_RATIO = 3.0
_SILENCE_DBFS = -60.0
_LEVEL_STEP = SAMPLE_RATE // 10

Luma = npt.NDArray[np.uint8]


def measure(arguments: dict[str, Any], report: Report) -> dict[str, Any]:
    """Everything that can be read from the file at `path`. Raises what the decoder raises when it is broken."""
    path = Path(arguments["path"])
    measured: dict[str, Any] = {"bytes": path.stat().st_size, "sha256": _digest(path), "faststart": _faststart(path)}
    with av.open(str(path)) as film:
        measured["start_time_s"] = (film.start_time or 0) / av.time_base
        measured["container_duration_s"] = (film.duration or 0) / av.time_base
        measured["video"] = _video(film, report)
    with av.open(str(path)) as film:
        measured["audio"] = _audio(film)
    with av.open(str(path)) as film:
        measured["subtitles"] = _subtitles(film)
    return measured


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _faststart(path: Path) -> bool:
    """Whether the index comes before the pictures, so that playing can start before all is loaded."""
    with path.open("rb") as file:
        while header := file.read(8):
            size, name = int.from_bytes(header[:4], "big"), header[4:8]
            if name in {b"moov", b"mdat"}:
                return name == b"moov"
            if size == 1:
                size = int.from_bytes(file.read(8), "big") - 8
            if size < 8:
                return False
            file.seek(size - 8, 1)
    return False


# --- pictures ------------------------------------------------------------------------------------------------------


def _video(film: Any, report: Report) -> dict[str, Any] | None:
    if not film.streams.video:
        return None
    stream = film.streams.video[0]
    stream.thread_type = "AUTO"
    rate = Fraction(stream.average_rate)
    eye = _Eye(rate)
    uneven, broken, count = 0, 0, 0
    frame: Any = None
    decoder = _Decoder(film, stream)
    for frame in decoder:
        broken += bool(frame.is_corrupt)
        uneven += Fraction(frame.pts) * frame.time_base != count / rate
        eye.see(_small(frame))
        count += 1
        if count % 120 == 0:
            report({"frames": count})
    broken += decoder.broken
    if frame is None:
        return None
    context = stream.codec_context
    return {
        "codec": context.name,
        "width": frame.width,
        "height": frame.height,
        "pix_fmt": frame.format.name,
        "rate": [rate.numerator, rate.denominator],
        "frames": count,
        "duration_s": float(count / rate),
        "stream_duration_s": float((stream.duration or 0) * stream.time_base),
        "start_s": float((stream.start_time or 0) * stream.time_base),
        "uneven_timestamps": uneven,
        "corrupt_frames": broken,
        "color": {
            "primaries": int(context.color_primaries),
            "transfer": int(context.color_trc),
            "matrix": int(context.colorspace),
            "range": int(context.color_range),
        },
        **eye.findings(),
    }


class _Decoder:
    """A stream's frames up to the first damage; `broken` says whether there was any."""

    def __init__(self, film: Any, stream: Any) -> None:
        self._film, self._stream = film, stream
        self.broken = False

    def __iter__(self) -> Iterator[Any]:
        try:
            yield from self._film.decode(self._stream)
        except av.InvalidDataError:
            self.broken = True


def _small(frame: Any) -> Luma:
    scale = _LOOK / max(frame.width, frame.height)
    width, height = max(2, round(frame.width * scale / 2) * 2), max(2, round(frame.height * scale / 2) * 2)
    planes = frame.reformat(width=width, height=height, format="yuv420p", interpolation="AREA").to_ndarray()
    return np.asarray(planes[:height, :width])


class _Eye:
    """Notes where the picture is black, where it stands still and where it jumps."""

    def __init__(self, rate: Fraction) -> None:
        self._rate = rate
        self._step = max(1, round(_MOTION_STEP_S * rate))
        self._recent: list[Luma] = []
        self._black: list[bool] = []
        self._frozen: list[bool] = []
        self._jumps: list[float] = []
        self._luma = 0.0

    def see(self, luma: Luma) -> None:
        self._luma += float(luma.mean())
        self._black.append(float((luma <= _BLACK_LUMA).mean()) >= _BLACK_SHARE)
        self._jumps.append(_difference(luma, self._recent[-1]) if self._recent else 0.0)
        still = len(self._recent) >= self._step and _difference(luma, self._recent[-self._step]) < _FROZEN_DIFFERENCE
        self._frozen.append(still)
        self._recent = [*self._recent[-self._step :], luma]

    def findings(self) -> dict[str, Any]:
        frames = len(self._black)
        return {
            "mean_luma": round(self._luma / max(1, frames), 2),
            "black": [[a, b] for a, b in stretches(self._black) if b - a >= _MIN_BLACK_S * self._rate],
            # A frame counts as still by looking back one step, so the stretch began one step earlier.
            "frozen": [[max(0, a - self._step), b] for a, b in stretches(self._frozen)],
            "cuts": self._cuts(),
        }

    def _cuts(self) -> list[int]:
        """Frames that differ from the one before far more than their neighbours do."""
        found = []
        for index, jump in enumerate(self._jumps):
            around = [*self._jumps[max(1, index - 3) : index], *self._jumps[index + 1 : index + 4]]
            if jump > _CUT_DIFFERENCE and around and jump > _CUT_RATIO * max(around):
                found.append(index)
        return found


def _difference(one: Luma, other: Luma) -> float:
    return float(np.abs(one.astype(np.int16) - other.astype(np.int16)).mean())


def stretches(flags: list[bool]) -> Iterator[tuple[int, int]]:
    """(first, end) of every run of True."""
    start = None
    for index, flag in enumerate([*flags, False]):
        if flag and start is None:
            start = index
        elif not flag and start is not None:
            yield start, index
            start = None


# --- sound ---------------------------------------------------------------------------------------------------------


def _audio(film: Any) -> dict[str, Any] | None:
    if not film.streams.audio:
        return None
    stream = film.streams.audio[0]
    meter, levels = Meter(), []
    resampler = av.AudioResampler(format="flt", layout="stereo", rate=SAMPLE_RATE)
    rest = np.zeros((0, 2), dtype=np.float32)
    samples = 0
    decoder = _Decoder(film, stream)
    for frame in decoder:
        samples += frame.samples
        for piece in resampler.resample(frame):
            block = np.asarray(piece.to_ndarray(), dtype=np.float32).reshape(-1, 2)
            meter.add(block)
            rest = np.concatenate([rest, block])
            whole = len(rest) // _LEVEL_STEP * _LEVEL_STEP
            levels += [_dbfs(part) for part in rest[:whole].reshape(-1, _LEVEL_STEP, 2)]
            rest = rest[whole:]
    meter.finish()
    step = _LEVEL_STEP / SAMPLE_RATE
    return {
        "codec": stream.codec_context.name,
        "sample_rate": stream.codec_context.sample_rate,
        "channels": stream.codec_context.channels,
        "samples": samples,
        "corrupt": decoder.broken,
        "duration_s": float((stream.duration or 0) * stream.time_base),
        "start_s": float((stream.start_time or 0) * stream.time_base),
        "integrated_lufs": meter.integrated_lufs,
        "loudness_range_lu": meter.range_lu,
        "true_peak_dbtp": meter.true_peak_dbtp,
        "silence": [
            [round(a * step, 2), round(b * step, 2)] for a, b in stretches([v < _SILENCE_DBFS for v in levels])
        ],
        "levels_dbfs": [round(level, 1) for level in levels],
    }


def _dbfs(samples: Any) -> float:
    power = float(np.mean(np.square(samples, dtype=np.float64)))
    return 10 * math.log10(power) if power > 1e-12 else -120.0


def _subtitles(film: Any) -> dict[str, Any] | None:
    if not film.streams.subtitles:
        return None
    stream = film.streams.subtitles[0]
    cues = []
    for packet in film.demux(stream):
        text = bytes(packet)[2:].decode("utf-8", "replace") if packet.size > 2 else ""
        if text and packet.pts is not None:
            start = float(packet.pts * packet.time_base)
            cues.append(
                {"start_s": start, "end_s": start + float((packet.duration or 0) * packet.time_base), "text": text}
            )
    return {"codec": stream.codec_context.name, "language": stream.metadata.get("language"), "cues": cues}
