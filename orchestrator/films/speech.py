"""Speech without weights or network: espeak-ng from its wheel, spoken into a WAV file. Runs in a child process."""

from __future__ import annotations

import _ctypes
import ctypes
import re
import tempfile
import wave
from functools import cache
from pathlib import Path
from typing import Any

import espeakng_loader

from orchestrator.jobs.child import Report

_SYNCHRONOUS = 2
_DONT_EXIT = 0x8000
_UTF8 = 1
_RATE, _PITCH, _RANGE, _WORD_GAP = 1, 3, 4, 7
_WORDS_PER_MINUTE = 148
_SLOWEST, _FASTEST = 80, 450
_SEED = 1
_VARIANTS = {"female": "f3", "male": "m3", "whisper": "whisper"}
# espeak's own names differ from the codes that people use.
_VOICES = {"en": "en-us", "zh": "cmn", "no": "nb", "he": "he", "pt": "pt-br"}

_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)


def speak(arguments: dict[str, Any], report: Report) -> dict[str, Any]:
    """Speak each of `lines` ({id, text}) into `folder`/<id>.wav.

    Returns {voice, sample_rate, lines: [{id, path, duration_s}]}; a line that gives no sound is left out.
    """
    voice = _Voice(arguments["language"], arguments["voice"])
    spoken = []
    for line in arguments["lines"]:
        samples = voice.say(line["text"])
        if not samples:
            continue
        path = Path(arguments["folder"]) / f"{line['id']}.wav"
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(voice.sample_rate)
            file.writeframes(samples)
        spoken.append({"id": line["id"], "path": str(path), "duration_s": len(samples) / 2 / voice.sample_rate})
    return {"voice": voice.name, "sample_rate": voice.sample_rate, "lines": spoken}


def utter(arguments: dict[str, Any], report: Report) -> dict[str, Any]:
    """Speak `text` with espeak's voice `voice`, `speed` times as fast as usual, into the sound file `path`.

    `format` is one of `sound.FORMATS`. Returns {duration_s}. A text without a sound gives a moment of silence.
    """
    from orchestrator.films import sound

    speaker = _Voice("en", arguments["voice"])
    try:
        if speaker.name != arguments["voice"]:
            raise LookupError(f"espeak-ng has no voice {arguments['voice']!r}")
        remaining = speaker.hurry(arguments["speed"])
        samples = speaker.say(arguments["text"]) or bytes(2 * (speaker.sample_rate // 10))
    finally:
        speaker.close()
    duration_s = sound.write(
        samples, speaker.sample_rate, Path(arguments["path"]), arguments["format"], tempo=remaining
    )
    return {"duration_s": duration_s}


@cache
def languages() -> dict[str, str]:
    """Every code of a language that the library speaks, with the code that it goes by there ("zh": "cmn").

    Reads the library's data without loading it.
    """
    data = Path(espeakng_loader.get_data_path())
    found: dict[str, str] = {}
    for file in sorted(path for path in Path(data, "lang").rglob("*") if path.is_file()):
        fields = dict(re.findall(r"(?m)^(language|dictionary)\s+(\S+)", text := file.read_text("utf-8", "replace")))
        # A language whose dictionary was not packed gives noise; Klingon letters are asked for by nobody.
        if file.name == "piqd" or not Path(data, f"{fields.get('dictionary', file.name.split('-')[0])}_dict").exists():
            continue
        codes = [code.lower() for code in re.findall(r"(?m)^language\s+(\S+)", text)]
        found |= {file.name.lower(): file.name} | {code: file.name for code in codes if code not in found}
    return found | {code: name for code, name in _VOICES.items() if name in found}


@cache
def variants() -> frozenset[str]:
    """Names of the ways in which every language can be spoken: "f1", "m3", "whisper", ..."""
    folder = Path(espeakng_loader.get_data_path(), "voices", "!v")
    return frozenset(file.name for file in folder.iterdir() if re.fullmatch(r"[a-z0-9]+", file.name))


def voice_names(language: str, voice: str) -> list[str]:
    """espeak voices to try, the best first: language with variant, language alone, its base language, English."""
    base = language.split("-")[0]
    variant = _VARIANTS.get(voice.strip().lower(), "")
    languages = list(dict.fromkeys([_VOICES.get(language, language), _VOICES.get(base, base), "en-us"]))
    named = [voice] if re.fullmatch(r"[a-z]{2,3}(?:-[A-Za-z0-9-]+)?(?:\+[a-z0-9]+)?", voice) else []
    return named + [f"{name}+{variant or 'f2'}" for name in languages] + languages


def _fresh_library() -> ctypes.CDLL:
    """A copy of its own: the library keeps phases and noise from what it said before, and a line must not depend on it.

    The loader tells libraries apart by file, so a copied file starts from nothing; it may go once it is loaded.
    """
    with tempfile.NamedTemporaryFile(prefix="espeak-", suffix=".so") as copy:
        copy.write(Path(espeakng_loader.get_library_path()).read_bytes())
        copy.flush()
        try:
            return ctypes.CDLL(copy.name)
        except OSError:
            # A temporary folder that forbids programs: speech that differs by a breath is better than none.
            return ctypes.CDLL(str(espeakng_loader.get_library_path()))


class _Voice:
    def __init__(self, language: str, voice: str) -> None:
        self._library = _fresh_library()
        data = espeakng_loader.get_data_path().encode()
        self.sample_rate = int(self._library.espeak_Initialize(_SYNCHRONOUS, 0, data, _DONT_EXIT))
        if self.sample_rate <= 0:
            raise RuntimeError("espeak-ng did not start")
        self._samples = bytearray()
        self._callback = _Callback(self._collect)  # kept: the library holds only a bare pointer
        self._library.espeak_SetSynthCallback(self._callback)
        self._library.espeak_Synth.argtypes = [
            ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint, ctypes.c_int, ctypes.c_uint, ctypes.c_uint,
            ctypes.c_void_p, ctypes.c_void_p,
        ]  # fmt: skip
        self.name = next(
            name for name in voice_names(language, voice) if self._library.espeak_SetVoiceByName(name.encode()) == 0
        )
        # A little slower and less sing-song than the defaults: it is a narrator, not a screen reader.
        for parameter, value in ((_RATE, _WORDS_PER_MINUTE), (_PITCH, 42), (_RANGE, 58), (_WORD_GAP, 1)):
            self._library.espeak_SetParameter(parameter, value, 0)

    def close(self) -> None:
        """Let go of the library; a process that speaks for hours would otherwise keep a copy for every text."""
        self._library.espeak_Terminate()
        _ctypes.dlclose(self._library._handle)

    def hurry(self, speed: float) -> float:
        """Speak `speed` times as fast, as far as the library can; returns the factor that remains."""
        rate = min(_FASTEST, max(_SLOWEST, round(_WORDS_PER_MINUTE * speed)))
        self._library.espeak_SetParameter(_RATE, rate, 0)
        return speed * _WORDS_PER_MINUTE / rate

    def say(self, text: str) -> bytes:
        """16-bit mono samples."""
        self._samples.clear()
        # Breath and hiss are drawn by chance, and the library takes its seed from the clock.
        self._library.espeak_ng_SetRandSeed(ctypes.c_long(_SEED))
        encoded = text.replace("…", ".").encode("utf-8")
        if self._library.espeak_Synth(encoded, len(encoded) + 1, 0, 1, 0, _UTF8, None, None) != 0:
            raise RuntimeError("espeak-ng refused the text")
        self._library.espeak_Synchronize()
        return bytes(self._samples)

    def _collect(self, samples: Any, count: int, _events: Any) -> int:
        if samples and count > 0:
            self._samples.extend(ctypes.string_at(samples, count * 2))
        return 0
