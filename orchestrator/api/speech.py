"""`POST /v1/audio/speech`: a text read aloud by the offline voice (eSpeak NG), in the sound format asked for.

Speaking and encoding happen in a child process, which the library's licence and its global state both ask for.
"""

from __future__ import annotations

import asyncio
import re
import tempfile
from pathlib import Path
from typing import Annotated, Literal, get_args

import msgspec
from msgspec import Meta, Raw, Struct

from orchestrator.api.places import Places
from orchestrator.api.unary import Reply
from orchestrator.chat.caller import Caller
from orchestrator.chat.decoding import decode
from orchestrator.errors import BadRequest, NotFound, OrchestratorError
from orchestrator.films.sound import FORMATS
from orchestrator.films.speech import languages, variants
from orchestrator.jobs.farm import Farm, TaskFailed

MODEL = "espeak-ng"
MAX_CHARS = 4096
# What clients send that let nobody choose a model.
_ALIASES = frozenset({"", MODEL, "tts-1", "tts-1-hd", "gpt-4o-mini-tts"})
# OpenAI's names, told apart as far as this voice can.
VOICES = {
    "alloy": "f2",
    "ash": "m2",
    "ballad": "m4",
    "cedar": "m8",
    "coral": "f4",
    "echo": "m3",
    "fable": "m1",
    "marin": "f1",
    "nova": "f3",
    "onyx": "m7",
    "sage": "f1",
    "shimmer": "f5",
    "verse": "m5",
}
_ALSO = {"female": "f3", "male": "m3", "whisper": "whisper"}
_VOICE = re.compile(r"(?P<language>[a-z]{2,4}(?:-[a-z0-9-]{1,20})?)(?:\+(?P<variant>\w{1,20}))?")
_TIMEOUT_S = 60.0
_WAITING = 16
Name = Literal["mp3", "opus", "aac", "flac", "wav", "pcm"]
assert frozenset(get_args(Name)) == frozenset(FORMATS)


class _Body(Struct):
    input: str
    model: str | None = None
    voice: Raw = Raw(b"null")
    response_format: Name | None = None
    speed: Annotated[float, Meta(ge=0.25, le=4.0)] | None = None
    language: str | None = None
    stream_format: str | None = None


class SpeechFailed(OrchestratorError):
    """The text could not be spoken."""

    code = "speech_failed"


class SpeechRoute:
    """Handles the requests, two at a time; further ones wait, and too many are sent away."""

    def __init__(self) -> None:
        self._farm = Farm("orchestrator.films.process", 2)
        self._places = Places(self._farm.processes + _WAITING, "Too many texts wait to be spoken.")

    async def aclose(self) -> None:
        """Stop the child processes."""
        await self._farm.__aexit__(None, None, None)

    async def __call__(self, body: bytes, _: Caller) -> Reply:
        asked = decode(body, _Body)
        _check(asked)
        format_name = asked.response_format or "mp3"
        task = {
            "text": asked.input,
            "voice": espeak_voice(_text(asked.voice), asked.language),
            "speed": asked.speed or 1.0,
            "format": format_name,
        }
        with self._places.one():
            return Reply(await self._spoken(task), FORMATS[format_name].media_type, {"x-speech-model": MODEL})

    async def _spoken(self, task: dict[str, object]) -> bytes:
        with tempfile.TemporaryDirectory(prefix="speech-") as folder:
            path = Path(folder) / "speech"
            try:
                await self._farm.run("utter", {**task, "path": str(path)}, timeout_s=_TIMEOUT_S)
            except TaskFailed as error:
                raise SpeechFailed(f"The text could not be spoken: {error}") from error
            return await asyncio.to_thread(path.read_bytes)


def espeak_voice(voice: str, language: str | None) -> str:
    """espeak's name for a voice: OpenAI's names, "female", "male", "whisper", or a language code with "+variant".

    Raises BadRequest that lists what there is.
    """
    spoken = languages().get((language or "en-us").lower())
    if spoken is None:
        known = ", ".join(sorted(languages()))
        raise BadRequest(
            f"language: {(language or '')[:60]!r} is not spoken here; there are {known}.", param="language"
        )
    name = voice.lower() or "alloy"
    if variant := {**VOICES, **_ALSO}.get(name):
        return f"{spoken}+{variant}"
    if (match := _VOICE.fullmatch(voice)) and match["language"] in languages():
        variant = match["variant"] or "f2"
        if variant in variants():
            return f"{languages()[match['language']]}+{variant}"
    names = ", ".join([*VOICES, *_ALSO])
    raise BadRequest(
        f"voice: {voice[:60]!r} does not exist; there are {names}, and languages by their code, also with a variant"
        f" ('de', 'fr+f3').",
        code="unknown_voice",
        param="voice",
    )


def _text(raw: Raw) -> str:
    voice = msgspec.json.decode(raw)
    if voice is None or isinstance(voice, str):
        return voice or ""
    raise BadRequest("voice: must be a name.", param="voice")


def _check(asked: _Body) -> None:
    if (asked.model or "") not in _ALIASES:
        raise NotFound(
            f"The speech model {(asked.model or '')[:100]!r} does not exist; there is {MODEL!r}.",
            code="model_not_found",
            param="model",
        )
    if not asked.input.strip():
        raise BadRequest("input: must not be empty.", param="input")
    if len(asked.input) > MAX_CHARS:
        raise BadRequest(f"input: has {len(asked.input)} characters; at most {MAX_CHARS} are accepted.", param="input")
    if asked.stream_format not in (None, "audio"):
        raise BadRequest("stream_format: only audio is sent.", param="stream_format", code="unsupported_value")
