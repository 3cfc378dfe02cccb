"""A spoken text as a sound file: every format, every speed, the same each time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import av
import pytest

from orchestrator.films import sound, speech

TEXT = "One voice reads this aloud."


def utter(path: Path, **arguments: Any) -> float:
    task = {"text": TEXT, "voice": "en-us+f2", "speed": 1.0, "format": "wav", "path": str(path), **arguments}
    return float(speech.utter(task, lambda _: None)["duration_s"])


def seconds_of(path: Path, format_name: str) -> float:
    if format_name == "pcm":
        return path.stat().st_size / 2 / sound.SAMPLE_RATE
    with av.open(str(path)) as file:
        stream = file.streams.audio[0]
        return sum(frame.samples for frame in file.decode(stream)) / stream.rate


@pytest.mark.parametrize("format_name", sound.FORMATS)
def test_every_format_holds_the_whole_text(tmp_path: Path, format_name: str) -> None:
    path = tmp_path / "speech"
    told = utter(path, format=format_name)
    assert told > 1
    assert seconds_of(path, format_name) == pytest.approx(told, abs=0.12)  # codecs pad to whole frames
    if format_name != "pcm":
        with av.open(str(path)) as file:
            assert file.streams.audio[0].channels == 1
            assert file.streams.audio[0].rate in (sound.SAMPLE_RATE, 48_000)  # Opus is always told as 48 kHz


@pytest.mark.parametrize("speed", [0.25, 0.5, 2.0, 4.0])
def test_speed_is_a_factor(tmp_path: Path, speed: float) -> None:
    usual, hurried = utter(tmp_path / "a"), utter(tmp_path / "b", speed=speed)
    assert usual / hurried == pytest.approx(speed, rel=0.35)  # pauses between words shrink less than words


def test_the_same_text_sounds_the_same(tmp_path: Path) -> None:
    for name in "ab":
        utter(tmp_path / name)
        utter(tmp_path / "between", text="Something else entirely.")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    utter(tmp_path / "c", voice="en-us+m3")
    assert (tmp_path / "a").read_bytes() != (tmp_path / "c").read_bytes()


def test_a_text_without_a_sound_is_a_moment_of_silence(tmp_path: Path) -> None:
    assert 0 < utter(tmp_path / "a", text="…") < 1


def test_languages_and_variants_are_read_without_the_library() -> None:
    code = (
        "import sys; from orchestrator.films import speech, sound;"
        "assert 'de' in speech.languages() and 'f3' in speech.variants();"
        "assert 'av' not in sys.modules;"
        "assert not any('espeak' in line for line in open('/proc/self/maps'))"
    )
    subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parents[3],
        check=True,
        timeout=60,
    )


def test_every_language_that_is_named_is_spoken(tmp_path: Path) -> None:
    """The library answers a name that it does not know with English, so each is tried."""
    for name in sorted(set(speech.languages().values())):
        utter(tmp_path / "a", voice=f"{name}+f2", text="1")
    with pytest.raises(LookupError):
        utter(tmp_path / "a", voice="tlh-nowhere+f2")
