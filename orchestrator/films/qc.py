"""Quality control: what was measured from the finished file against what was planned.

A hard check that fails fails the job; a soft one is reported. A value that cannot be measured is None and says why.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Any, Literal

from orchestrator.films.plan import Plan, Shot
from tools.film import FilmRequest

TARGET_LUFS, LUFS_TOLERANCE, MAX_TRUE_PEAK = -16.0, 1.0, -1.5
# EBU R128 gates over 400 ms blocks; below a few of them the figure means nothing.
_MIN_LOUDNESS_S = 1.0
_MIN_FROZEN_S = 1.0
_MIN_SILENCE_S = 2.0
_MAX_LINE = 42
_CUT_TOLERANCE = 1
_BT709 = {"primaries": 1, "transfer": 1, "matrix": 1, "range": 1}


@dataclass(frozen=True)
class Check:
    """One comparison. `ok` is None when `measured` is, and then `reason` says why it could not be measured."""

    name: str
    level: Literal["hard", "soft"]
    ok: bool | None
    measured: Any
    expected: Any
    reason: str | None = None

    def view(self) -> dict[str, Any]:
        shown = {
            "name": self.name,
            "level": self.level,
            "ok": self.ok,
            "measured": self.measured,
            "expected": self.expected,
        }
        return shown | ({"reason": self.reason} if self.reason else {})


def review(
    measured: dict[str, Any],
    *,
    request: FilmRequest,
    plan: Plan,
    shots: Sequence[Shot],
    cues: Sequence[dict[str, Any]],
    with_audio: bool,
    sha256: str,
) -> dict[str, Any]:
    """The QC manifest: every check, the film's requested and delivered figures, and `ok` (no hard check failed)."""
    checks = [_same("sha256", measured["sha256"], sha256), _same("faststart", measured["faststart"], True)]
    if measured["video"] is None:
        checks.append(Check("video_stream", "hard", False, None, "one video stream"))
    else:
        checks += _picture_checks(measured, request, plan, shots)
    checks += _sound_checks(measured, plan, with_audio, expect_voice=bool(cues))
    checks += _subtitle_checks(measured, request, cues, plan)
    failed = [check.name for check in checks if check.ok is False and check.level == "hard"]
    return {
        "ok": not failed,
        "failed": failed,
        "warnings": [check.name for check in checks if check.ok is False and check.level == "soft"],
        "checks": [check.view() for check in checks],
        "delivered": _delivered(measured),
        "requested": _requested(request, plan),
        "measured": measured,
    }


def _same(name: str, measured: Any, expected: Any) -> Check:
    return Check(name, "hard", measured == expected, measured, expected)


def _picture_checks(
    measured: dict[str, Any], request: FilmRequest, plan: Plan, shots: Sequence[Shot]
) -> Iterator[Check]:
    video, outputs = measured["video"], plan.outputs
    yield _same("codec", video["codec"], outputs.codec)
    yield _same("resolution", [video["width"], video["height"]], [outputs.width, outputs.height])
    yield _same("frame_rate", video["rate"], list(outputs.rate))
    yield _same("frames", video["frames"], outputs.frames)
    yield _same("corrupt_frames", video["corrupt_frames"], 0)
    yield _same("uneven_timestamps", video["uneven_timestamps"], 0)
    yield _same("start_time_s", [measured["start_time_s"], video["start_s"]], [0.0, 0.0])
    yield _same("pix_fmt", video["pix_fmt"], "yuv420p")
    yield _same("color", video["color"], _BT709)
    black = [list(stretch) for stretch in video["black"] if not _planned_black(stretch, shots)]
    yield Check("unplanned_black", "hard", not black, black, [])
    yield _frozen(video, request, shots, outputs.fps)
    yield _cuts(video["cuts"], shots)


def _planned_black(stretch: Sequence[int], shots: Sequence[Shot]) -> bool:
    """Whether the stretch lies within the fades that meet at one cut (or at the film's ends)."""
    return any(
        boundary - before <= stretch[0] and stretch[1] <= boundary + after for boundary, before, after in _fades(shots)
    )


def _fades(shots: Sequence[Shot]) -> Iterator[tuple[int, int, int]]:
    """(frame of the cut, frames of fade before it, frames of fade after it)."""
    yield 0, 0, shots[0].fade_in
    for left, right in pairwise(shots):
        yield right.start, left.fade_out, right.fade_in
    yield shots[-1].end, shots[-1].fade_out, 0


def _frozen(video: dict[str, Any], request: FilmRequest, shots: Sequence[Shot], rate: Fraction) -> Check:
    if not request.animation_enabled:
        return Check("unplanned_freeze", "hard", True, video["frozen"], "still pictures were asked for")
    long = [list(stretch) for stretch in video["frozen"] if stretch[1] - stretch[0] >= _MIN_FROZEN_S * rate]
    unplanned = [stretch for stretch in long if not _planned_black(stretch, shots)]
    return Check("unplanned_freeze", "hard", not unplanned, unplanned, [])


def _cuts(found: Sequence[int], shots: Sequence[Shot]) -> Check:
    """The cuts that are seen must be cuts of the list; a cut between alike pictures or in a dip may go unseen."""
    planned = [shot.start for shot in shots[1:]]
    stray = [frame for frame in found if all(abs(frame - cut) > _CUT_TOLERANCE for cut in planned)]
    return Check("cuts_match_edl", "soft", not stray, {"seen": list(found), "not_in_edl": stray}, planned)


def _sound_checks(measured: dict[str, Any], plan: Plan, with_audio: bool, *, expect_voice: bool) -> Iterator[Check]:
    audio = measured["audio"]
    yield _same("audio_stream", audio is not None, with_audio)
    if audio is None:
        return
    length = measured["video"]["duration_s"] if measured["video"] else None
    if length is None:
        yield Check("av_difference_s", "hard", None, None, None, "there is no video to compare with")
    else:
        apart, frame = abs(length - audio["duration_s"]), float(1 / plan.outputs.fps)
        yield Check("av_difference_s", "hard", apart <= frame, round(apart, 6), f"<= {frame:.6f}")
    yield _same("corrupt_sound", audio["corrupt"], False)
    yield from _loudness_checks(audio)
    long = [stretch for stretch in audio["silence"] if stretch[1] - stretch[0] >= _MIN_SILENCE_S]
    whole = bool(audio["levels_dbfs"]) and all(level < -60 for level in audio["levels_dbfs"])
    yield Check("silent", "hard", not whole, whole, False)
    yield Check("silence_stretches", "soft", not long, long, [])


def _loudness_checks(audio: dict[str, Any]) -> Iterator[Check]:
    lufs, peak = audio["integrated_lufs"], audio["true_peak_dbtp"]
    wanted = f"{TARGET_LUFS:g} ± {LUFS_TOLERANCE:g} LUFS"
    if lufs is None or audio["duration_s"] < _MIN_LOUDNESS_S:
        reason = "too short or too quiet for a gated measurement"
        yield Check("integrated_lufs", "soft", None, None, wanted, reason)
    else:
        yield Check("integrated_lufs", "soft", abs(lufs - TARGET_LUFS) <= LUFS_TOLERANCE, lufs, wanted)
    if peak is None:
        yield Check("true_peak_dbtp", "soft", None, None, f"<= {MAX_TRUE_PEAK:g}", "there is no sound")
    else:
        yield Check("true_peak_dbtp", "soft", peak <= MAX_TRUE_PEAK, peak, f"<= {MAX_TRUE_PEAK:g}")


def _subtitle_checks(
    measured: dict[str, Any], request: FilmRequest, cues: Sequence[dict[str, Any]], plan: Plan
) -> Iterator[Check]:
    wanted = request.subtitles_enabled and bool(cues)
    found = measured["subtitles"]
    yield _same("subtitle_stream", found is not None, wanted)
    if found is None:
        return
    yield _same("subtitle_cues", [cue["text"] for cue in found["cues"]], [cue["text"] for cue in cues])
    late = [cue["text"] for cue in found["cues"] if cue["end_s"] > plan.outputs.duration_s + 0.05]
    yield Check("subtitles_within_film", "hard", not late, late, [])
    wide = [line for cue in found["cues"] for line in cue["text"].splitlines() if len(line) > _MAX_LINE]
    yield Check("subtitle_line_length", "soft", not wide, wide, f"<= {_MAX_LINE} characters")


def _delivered(measured: dict[str, Any]) -> dict[str, Any]:
    video, audio = measured["video"], measured["audio"]
    return {
        "duration_s": video and video["duration_s"],
        "resolution": video and f"{video['width']}x{video['height']}",
        "fps": video and round(float(Fraction(*video["rate"])), 6),
        "frames": video and video["frames"],
        "audio": audio is not None,
        "subtitles": measured["subtitles"] is not None,
    }


def _requested(request: FilmRequest, plan: Plan) -> dict[str, Any]:
    return {
        "duration_s": request.duration_s,
        "resolution": f"{request.width}x{request.height}",
        "fps": request.fps,
        "frames": plan.outputs.frames,
        "audio": request.audio_enabled,
        "subtitles": request.subtitles_enabled,
    }
