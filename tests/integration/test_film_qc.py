"""Quality control measures the file: a good film passes, a broken one is caught by the right check. C091."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from orchestrator.films import measure, mux, qc, soundtrack
from orchestrator.films.breakdown import break_down
from orchestrator.films.plan import Plan, Shot
from orchestrator.films.planner import plan_by_rules
from orchestrator.films.video import Pixels, encode
from tools.film import FilmRequest

REQUEST = FilmRequest.model_validate(
    {"prompt": "a film about whales", "duration": 4, "resolution": "160x90", "fps": 12, "rules": {"avg_shot_len_s": 2}}
)
PLAN: Plan = plan_by_rules(REQUEST)
SHOTS: list[Shot] = break_down(PLAN)


def quiet(_news: dict[str, Any]) -> None: ...


def moving(frames: int, offset: int = 0) -> Iterator[Pixels]:
    for index in range(frames):
        ramp = (np.arange(160)[None, :, None] * 3 + (index + offset) * 9) % 256
        yield np.broadcast_to(ramp, (90, 160, 4)).astype(np.uint8)


def black(frames: int) -> Iterator[Pixels]:
    for _ in range(frames):
        yield np.zeros((90, 160, 4), dtype=np.uint8)


def still(frames: int) -> Iterator[Pixels]:
    for _ in range(frames):
        yield next(moving(1))


class Cutter:
    """Makes the files that the checks look at."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def segments(self, second: Any = None, rate: int = 12) -> list[dict[str, Any]]:
        found = []
        for shot in SHOTS:
            path = self.folder / f"{shot.id}.mp4"
            pictures = second(shot.frames) if second and shot.index else moving(shot.frames, shot.index * 40)
            frames = encode(path, pictures, width=160, height=90, rate=Fraction(rate), quality="draft")
            found.append({"path": str(path), "frames": frames})
        return found

    def sound(self, *, music: bool = True) -> str:
        path = self.folder / "sound.m4a"
        task = {"samples": 4 * 48_000, "scratch": str(self.folder / "f32"), "path": str(path), "music": music}
        soundtrack.soundtrack(task | {"mood": "calm", "seed": 1, "lines": []}, quiet)
        return str(path)

    def film(self, segments: list[dict[str, Any]], audio: str | None, rate: int = 12) -> Path:
        path = self.folder / "film.mp4"
        task = {"path": str(path), "rate": [rate, 1], "segments": segments, "audio": audio, "language": "en"}
        mux.join(task, quiet)
        return path


@pytest.fixture
def cutter(tmp_path: Path) -> Cutter:
    return Cutter(tmp_path)


def review(path: Path, *, sha256: str | None = None, with_audio: bool = True) -> dict[str, Any]:
    measured = measure.measure({"path": str(path)}, quiet)
    return qc.review(
        measured, request=REQUEST, plan=PLAN, shots=SHOTS, cues=[], with_audio=with_audio,
        sha256=sha256 or measured["sha256"],
    )  # fmt: skip


def test_a_good_film_passes(cutter: Cutter) -> None:
    report = review(cutter.film(cutter.segments(), cutter.sound()))
    assert report["failed"] == []
    assert report["warnings"] == []
    assert report["delivered"] == {
        "duration_s": 4.0, "resolution": "160x90", "fps": 12.0, "frames": 48, "audio": True, "subtitles": False,
    }  # fmt: skip
    assert all(check["ok"] is not None or check["reason"] for check in report["checks"])


@pytest.mark.parametrize(
    ("picture", "caught_by"), [(black, "unplanned_black"), (still, "unplanned_freeze")], ids=["black", "frozen"]
)
def test_a_dead_picture_is_caught(cutter: Cutter, picture: Any, caught_by: str) -> None:
    assert caught_by in review(cutter.film(cutter.segments(picture), cutter.sound()))["failed"]


def test_a_wrong_rate_is_caught(cutter: Cutter) -> None:
    failed = review(cutter.film(cutter.segments(rate=24), cutter.sound(), rate=24))["failed"]
    assert {"frame_rate", "av_difference_s"} <= set(failed)


def test_a_missing_shot_is_caught(cutter: Cutter) -> None:
    assert "frames" in review(cutter.film(cutter.segments()[:1], cutter.sound()))["failed"]


def test_silence_is_caught(cutter: Cutter) -> None:
    assert "silent" in review(cutter.film(cutter.segments(), cutter.sound(music=False)))["failed"]


def test_missing_sound_is_caught(cutter: Cutter) -> None:
    assert "audio_stream" in review(cutter.film(cutter.segments(), None))["failed"]


def test_another_file_is_caught(cutter: Cutter) -> None:
    assert review(cutter.film(cutter.segments(), cutter.sound()), sha256="0" * 64)["failed"] == ["sha256"]


def test_a_truncated_file_is_caught(cutter: Cutter) -> None:
    path = cutter.film(cutter.segments(), cutter.sound())
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3])
    assert {"frames", "corrupt_frames"} & set(review(path)["failed"])
    path.write_bytes(data[:200])
    assert "video_stream" in review(path)["failed"]
    path.write_bytes(b"not a film")
    with pytest.raises((OSError, ValueError), match=r".+"):  # the task fails, and with it the job
        review(path)
