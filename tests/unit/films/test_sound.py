"""The music is deterministic, in time, and pleasant by rule; the mix meets its loudness."""

import tracemalloc
import wave
from pathlib import Path

import av
import numpy as np
import pytest

from orchestrator.films.loudness import SAMPLE_RATE, Meter
from orchestrator.films.plan import MOODS
from orchestrator.films.score import compose
from orchestrator.films.soundtrack import soundtrack
from orchestrator.films.speech import speak, voice_names


def quiet(_news: dict[str, object]) -> None: ...


@pytest.mark.parametrize("mood", MOODS)
def test_music_repeats_itself_only_for_the_same_seed(mood: str) -> None:  # C141
    notes = list(compose(30, mood=mood, seed=1))
    assert notes == list(compose(30, mood=mood, seed=1))
    assert notes != list(compose(30, mood=mood, seed=2))
    assert {note.voice for note in notes} == {"pad", "bass", "bell"}
    assert all(24 <= note.pitch <= 100 for note in notes)


def test_a_line_sounds_the_same_whatever_was_said_before(tmp_path: Path) -> None:  # C141
    def said(text: str) -> bytes:
        lines = [{"id": "a", "text": text}]
        spoken = speak({"language": "en", "voice": "", "folder": str(tmp_path), "lines": lines}, quiet)
        return Path(spoken["lines"][0]["path"]).read_bytes()

    first = said("Whales.")
    said("This is a story about something else.")
    assert said("Whales.") == first


def test_the_mix_meets_its_loudness(tmp_path: Path) -> None:
    lines = [{"id": "a", "text": "Nothing is in a hurry."}]
    spoken = speak({"language": "en", "voice": "", "folder": str(tmp_path), "lines": lines}, quiet)
    assert 1 < spoken["lines"][0]["duration_s"] < 4
    mixed = soundtrack(
        {
            "samples": 6 * SAMPLE_RATE, "scratch": str(tmp_path / "f32"), "path": str(tmp_path / "a.m4a"),
            "music": True, "mood": "calm", "seed": 3, "lines": [{"path": spoken["lines"][0]["path"], "start_s": 1.0}],
        },
        quiet,
    )  # fmt: skip
    assert abs(mixed["integrated_lufs"] + 16) < 0.7
    meter = Meter()
    with av.open(str(tmp_path / "a.m4a")) as file:
        stream = file.streams.audio[0]
        assert stream.duration * stream.time_base == 6
        for frame in file.decode(stream):
            meter.add(frame.to_ndarray().T)
    meter.finish()
    assert meter.integrated_lufs is not None
    assert abs(meter.integrated_lufs + 16) < 1
    assert meter.true_peak_dbtp is not None
    assert meter.true_peak_dbtp <= -1.5


def test_a_long_narration_needs_no_more_memory_than_a_short_one(tmp_path: Path) -> None:
    with wave.open(str(tmp_path / "line.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(22_050)
        file.writeframes((np.sin(np.arange(4 * 22_050) / 20) * 9000).astype(np.int16).tobytes())
    task = {"samples": 5 * SAMPLE_RATE, "scratch": str(tmp_path / "f32"), "path": str(tmp_path / "a.m4a")}
    line = {"path": str(tmp_path / "line.wav"), "start_s": 0.5}
    peaks = []
    for count in (2, 60):
        tracemalloc.start()
        soundtrack({**task, "music": True, "mood": "calm", "seed": 3, "lines": [line] * count}, quiet)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 10_000_000  # the samples of sixty lines are 46 MB


def test_silence_has_no_loudness() -> None:
    meter = Meter()
    meter.add(np.zeros((SAMPLE_RATE, 2), dtype=np.float32))
    meter.finish()
    assert meter.integrated_lufs is None
    assert meter.true_peak_dbtp is None


def test_language_and_voice_choose_the_speaker() -> None:  # C050 C051
    assert voice_names("de", "female")[0] == "de+f3"
    assert voice_names("en", "male")[0] == "en-us+m3"
    assert voice_names("en", "en-gb+f4")[0] == "en-gb+f4"
    assert voice_names("xx", "")[-1] == "en-us"


def test_another_language_sounds_different(tmp_path: Path) -> None:  # C050
    def say(language: str) -> tuple[str, bytes]:
        folder = tmp_path / language
        folder.mkdir()
        told = speak(
            {"language": language, "voice": "", "folder": str(folder), "lines": [{"id": "a", "text": "Information"}]},
            quiet,
        )
        return told["voice"], (folder / "a.wav").read_bytes()

    (english, one), (german, other) = say("en"), say("de")
    assert english.startswith("en")
    assert german.startswith("de")
    assert one != other
