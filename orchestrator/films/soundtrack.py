"""The task that makes the sound: music and narration mixed, brought to loudness and encoded. Runs in a child process.

Everything is worked through in blocks on files, so an hour of sound needs no more memory than a minute.
"""

from __future__ import annotations

import math
import os
import wave
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from orchestrator.films.loudness import SAMPLE_RATE, Meter, Samples
from orchestrator.films.score import Note, compose
from orchestrator.jobs.child import Report

TARGET_LUFS = -16.0
# AAC may overshoot the samples it was given; what is left up to -1.5 dBTP is for that.
_CEILING_DB = -2.6
_BLOCK = 1 << 18
_ENVELOPE_STEP = 48  # samples per envelope point: one millisecond
_VOICE_RMS = 0.2
_MUSIC_GAIN = 0.42
_DUCKED = 0.3
_DUCK_RAMP_MS = 250
_FADE_IN_S, _FADE_OUT_S = 0.6, 1.6
_BIT_RATE = 192_000


def soundtrack(arguments: dict[str, Any], report: Report) -> dict[str, Any]:
    """Write `samples` stereo samples as AAC at `path`: music of `mood` and `seed` under the spoken `lines`.

    `lines` are {path, start_s}; `music` False leaves the bed out. Returns what the mix measured before encoding.
    """
    total = arguments["samples"]
    mix = _scratch(Path(arguments["scratch"]), total)
    lines = [(round(line["start_s"] * SAMPLE_RATE), Path(line["path"])) for line in arguments["lines"]]
    if arguments["music"]:
        _play(mix, compose(total / SAMPLE_RATE, mood=arguments["mood"], seed=arguments["seed"]))
        _finish_music(mix, [(start, start + _length(path)) for start, path in lines])
    for start, path in lines:
        samples = _spoken(path)
        end = min(total, start + len(samples))
        mix[start:end] += samples[: end - start, None]
    report({"mixed": True})
    measured = _level(mix)
    _encode(Path(arguments["path"]), mix)
    return measured


def _scratch(path: Path, total: int) -> Samples:
    """Samples kept in a file. Its space is taken at once: a disk that fills up later would kill the process."""
    if hasattr(os, "posix_fallocate"):
        with path.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, total * 2 * np.dtype(np.float32).itemsize)
        return np.memmap(path, dtype=np.float32, mode="r+", shape=(total, 2))
    return np.memmap(path, dtype=np.float32, mode="w+", shape=(total, 2))


# --- music ---------------------------------------------------------------------------------------------------------


def _play(mix: Samples, notes: Iterator[Note]) -> None:
    for note in notes:
        start = round(note.start_s * SAMPLE_RATE)
        sound = _tone(note)[: max(0, len(mix) - start)]
        left, right = math.cos((note.pan + 1) * math.pi / 4), math.sin((note.pan + 1) * math.pi / 4)
        mix[start : start + len(sound)] += sound[:, None] * np.array([left, right], dtype=np.float32)


def _tone(note: Note) -> Samples:
    frequency = 440.0 * 2 ** ((note.pitch - 69) / 12)
    time: Samples = np.arange(round(note.length_s * SAMPLE_RATE), dtype=np.float32) / np.float32(SAMPLE_RATE)
    phase: Samples = np.float32(2 * np.pi * frequency) * time
    if note.voice == "bell":
        # Slightly inharmonic partials that die at their own pace: struck glass rather than an organ.
        parts = ((1.0, 1.0, 1.9), (2.003, 0.35, 3.2), (4.1, 0.12, 6.0))
        sound = sum(gain * np.sin(ratio * phase) * np.exp(-decay * time) for ratio, gain, decay in parts)
        return np.asarray(sound * np.minimum(1, time / 0.006) * note.gain, dtype=np.float32)
    if note.voice == "bass":
        sound = np.sin(phase) + 0.25 * np.sin(2 * phase)
        return np.asarray(sound * _swell(time, note.length_s, 0.25, 0.7) * note.gain, dtype=np.float32)
    drift = 1 + 0.0012 * np.sin(2 * np.pi * 0.21 * time + note.pitch)
    sound = sum(np.sin(phase * detune * drift) + 0.22 * np.sin(2 * phase * detune) for detune in (0.9982, 1.0, 1.0021))
    return np.asarray(sound / 3 * _swell(time, note.length_s, 1.1, 1.3) * note.gain, dtype=np.float32)


def _swell(time: Samples, length_s: float, attack_s: float, release_s: float) -> Samples:
    attack, release = min(attack_s, length_s / 2), min(release_s, length_s / 2)
    ramp = np.minimum(np.minimum(time / attack, (length_s - time) / release), 1).clip(0, 1)
    return np.asarray(ramp * ramp * (3 - 2 * ramp), dtype=np.float32)


def _finish_music(mix: Samples, voices: list[tuple[int, int]]) -> None:
    """Add a room, the fades, and make way for the `voices`, each from one sample to another."""
    total = len(mix)
    tail = np.zeros((0, 2), dtype=np.float32)
    room = _room()
    room_spectrum = np.fft.rfft(room, _BLOCK + len(room) - 1, axis=0)
    duck = _duck(total, voices)
    for start in range(0, total, _BLOCK):
        dry = np.array(mix[start : start + _BLOCK])
        length = len(room) + _BLOCK - 1
        wet = np.fft.irfft(np.fft.rfft(dry, length, axis=0) * room_spectrum, length, axis=0).astype(np.float32)
        wet[: len(tail)] += tail
        tail = wet[_BLOCK:]
        gain = _at_samples(duck, start, len(dry)) * _fades(start, len(dry), total) * _MUSIC_GAIN
        mix[start : start + len(dry)] = (dry + 0.55 * wet[: len(dry)]) * gain[:, None]


def _room(length_s: float = 1.8) -> Samples:
    """The echo of a large soft room: noise that decays, with its highs taken off. The same room in every film."""
    rng = np.random.default_rng(1337)
    time = np.arange(round(length_s * SAMPLE_RATE)) / SAMPLE_RATE
    noise = rng.standard_normal((len(time), 2)) * np.exp(-3.4 * time)[:, None]
    spectrum = np.fft.rfft(noise, axis=0)
    frequency = np.fft.rfftfreq(len(time), 1 / SAMPLE_RATE)
    spectrum *= (1 / (1 + (frequency / 2400) ** 2) * (frequency > 140))[:, None]
    room = np.fft.irfft(spectrum, len(time), axis=0)
    return np.asarray(room / np.sqrt((room**2).sum(axis=0)), dtype=np.float32)


def _fades(start: int, count: int, total: int) -> Samples:
    position = np.arange(start, start + count, dtype=np.float32) / SAMPLE_RATE
    end = total / SAMPLE_RATE
    fade_in, fade_out = min(_FADE_IN_S, end / 4), min(_FADE_OUT_S, end / 3)
    return np.minimum(np.minimum(position / fade_in, (end - position) / fade_out), 1).clip(0, 1).astype(np.float32)


def _duck(total: int, voices: list[tuple[int, int]]) -> Samples:
    """The music's gain per millisecond: low while someone speaks, with slow ramps on both sides."""
    points = total // _ENVELOPE_STEP + 2
    gain = np.ones(points, dtype=np.float32)
    for start, end in voices:
        first = max(0, start // _ENVELOPE_STEP - _DUCK_RAMP_MS)
        gain[first : end // _ENVELOPE_STEP + _DUCK_RAMP_MS] = _DUCKED
    kernel = np.hanning(2 * _DUCK_RAMP_MS + 1).astype(np.float32)
    padded = np.pad(gain, _DUCK_RAMP_MS, mode="edge")
    return np.convolve(padded, kernel / kernel.sum(), mode="valid").astype(np.float32)


def _at_samples(envelope: Samples, start: int, count: int) -> Samples:
    position = np.arange(start, start + count) / _ENVELOPE_STEP
    return np.interp(position, np.arange(len(envelope)), envelope).astype(np.float32)


# --- voice ---------------------------------------------------------------------------------------------------------


def _length(path: Path) -> int:
    """A spoken line's samples at 48 kHz."""
    with wave.open(str(path), "rb") as file:
        return file.getnframes() * SAMPLE_RATE // file.getframerate()


def _spoken(path: Path) -> Samples:
    """A spoken line at 48 kHz, brought to one level, without clicks at its ends."""
    with wave.open(str(path), "rb") as file:
        rate = file.getframerate()
        raw = np.frombuffer(file.readframes(file.getnframes()), dtype=np.int16)
    frame = av.AudioFrame.from_ndarray(raw.reshape(1, -1), format="s16", layout="mono")
    frame.sample_rate = rate
    resampler = av.AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE)
    parts = [part.to_ndarray().reshape(-1) for piece in (frame, None) for part in resampler.resample(piece)]
    samples = np.concatenate(parts).astype(np.float32)
    active = samples[np.abs(samples) > 0.01]
    rms = float(np.sqrt(np.mean(active**2))) if len(active) else 0.0
    samples *= _VOICE_RMS / rms if rms else 0.0
    ramp = min(240, len(samples) // 2)
    samples[:ramp] *= np.linspace(0, 1, ramp, dtype=np.float32)
    samples[len(samples) - ramp :] *= np.linspace(1, 0, ramp, dtype=np.float32)
    return samples


# --- level ---------------------------------------------------------------------------------------------------------


def _level(mix: Samples) -> dict[str, Any]:
    """Bring the whole programme to the target loudness under the ceiling, in place."""
    before = _measure(mix).integrated_lufs
    if before is None:
        return {"integrated_lufs": None, "true_peak_dbtp": None, "gain_db": 0.0}
    gain_db = TARGET_LUFS - before
    limiter = _limiter(mix, 10 ** (gain_db / 20), 10 ** (_CEILING_DB / 20))
    for start in range(0, len(mix), _BLOCK):
        block = mix[start : start + _BLOCK]
        block *= (_at_samples(limiter, start, len(block)) * np.float32(10 ** (gain_db / 20)))[:, None]
    after = _measure(mix)
    return {
        "integrated_lufs": after.integrated_lufs,
        "true_peak_dbtp": after.true_peak_dbtp,
        "gain_db": round(gain_db, 2),
    }


def _measure(mix: Samples) -> Meter:
    meter = Meter()
    for start in range(0, len(mix), _BLOCK):
        meter.add(np.array(mix[start : start + _BLOCK]))
    meter.finish()
    return meter


def _limiter(mix: Samples, gain: float, ceiling: float, reach_ms: int = 6) -> Samples:
    """Gain per millisecond that keeps every peak below the ceiling, looking ahead and back by `reach_ms`."""
    points = len(mix) // _ENVELOPE_STEP + 2
    peaks = np.zeros(points, dtype=np.float32)
    step = _BLOCK // _ENVELOPE_STEP * _ENVELOPE_STEP
    for start in range(0, len(mix), step):
        block = np.abs(mix[start : start + step]).max(axis=1)
        padded = np.pad(block, (0, -len(block) % _ENVELOPE_STEP)).reshape(-1, _ENVELOPE_STEP).max(axis=1)
        peaks[start // _ENVELOPE_STEP : start // _ENVELOPE_STEP + len(padded)] = padded
    wanted = np.minimum(1, ceiling / np.maximum(peaks * gain, 1e-9))
    held = np.lib.stride_tricks.sliding_window_view(np.pad(wanted, reach_ms + 1, mode="edge"), 2 * reach_ms + 3).min(
        axis=1
    )
    smooth = np.convolve(
        np.pad(held, reach_ms, mode="edge"), np.full(2 * reach_ms + 1, 1 / (2 * reach_ms + 1)), "valid"
    )
    return smooth.astype(np.float32)


def _encode(path: Path, mix: Samples) -> None:
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=SAMPLE_RATE, layout="stereo")
        stream.bit_rate = _BIT_RATE
        for start in range(0, len(mix), _BLOCK):
            planar = np.ascontiguousarray(mix[start : start + _BLOCK].T, dtype=np.float32)
            frame = av.AudioFrame.from_ndarray(planar, format="fltp", layout="stereo")
            frame.sample_rate, frame.pts, frame.time_base = SAMPLE_RATE, start, Fraction(1, SAMPLE_RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
