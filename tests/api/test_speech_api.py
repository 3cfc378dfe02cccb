"""`/v1/audio/speech` with the official client, and what it refuses."""

from __future__ import annotations

import asyncio
from io import BytesIO
from typing import Any

import av
import openai
import pytest
from openai import AsyncOpenAI

from orchestrator.api.speech import VOICES, espeak_voice
from orchestrator.errors import BadRequest
from tests.api.conftest import Server

CONTENT_TYPES = {
    "mp3": "audio/mpeg",
    "opus": "audio/ogg",
    "aac": "audio/aac",
    "flac": "audio/flac",
    "wav": "audio/wav",
    "pcm": "audio/pcm",
}


def client(server: Server) -> AsyncOpenAI:
    return AsyncOpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0)


async def test_the_official_client_in_every_format(server: Server) -> None:  # K009
    async with client(server) as sdk:
        for name, content_type in CONTENT_TYPES.items():
            spoken = await sdk.audio.speech.create(
                model="tts-1",
                voice="alloy",
                input="Good morning.",
                response_format=name,  # type: ignore[arg-type]
            )
            assert spoken.response.headers["content-type"] == content_type
            assert spoken.response.headers["x-speech-model"] == "espeak-ng"
            assert len(spoken.content) > 1000
            if name != "pcm":
                with av.open(BytesIO(spoken.content)) as file:
                    assert sum(frame.samples for frame in file.decode(audio=0)) > 10_000


async def test_voices_and_speed_are_heard(server: Server) -> None:
    async def length(**more: Any) -> bytes:
        body = {"input": "One two three.", "response_format": "pcm", "voice": "alloy", **more}
        async with server.http.post(f"{server.url}/audio/speech", json=body) as response:
            assert response.status == 200, await response.text()
            return await response.read()

    usual, fast, other, german = await asyncio.gather(
        length(), length(speed=2.0), length(voice="onyx"), length(voice="de+m3")
    )
    assert len(fast) < 0.7 * len(usual)
    assert len({usual, fast, other, german}) == 4
    assert await length() == usual


async def test_an_unknown_voice_is_told_the_others(server: Server) -> None:
    async with client(server) as sdk:
        with pytest.raises(openai.BadRequestError) as unknown:
            await sdk.audio.speech.create(model="espeak-ng", voice="morgan", input="Hello.")
    assert (unknown.value.code, unknown.value.param) == ("unknown_voice", "voice")
    assert all(voice in unknown.value.message for voice in VOICES)


@pytest.mark.parametrize(
    ("voice", "language", "espeak"),
    [
        ("", None, "en-US+f2"),
        ("Alloy", None, "en-US+f2"),
        ("nova", "de", "de+f3"),
        ("whisper", "zh", "cmn+whisper"),
        ("fr", None, "fr+f2"),
        ("pt-br+m3", None, "pt-BR+m3"),
    ],
)
def test_names_of_voices(voice: str, language: str | None, espeak: str) -> None:
    assert espeak_voice(voice, language) == espeak


@pytest.mark.parametrize("voice", ["xx", "de+nobody", "../../etc", "de+", "en-us+../f2", "a" * 5000])
def test_names_of_no_voice(voice: str) -> None:
    with pytest.raises(BadRequest):
        espeak_voice(voice, None)


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        ({"voice": "alloy"}, 400, "input"),
        ({"input": ""}, 400, "input"),
        ({"input": "x" * 4097}, 400, "input"),
        ({"input": "x", "speed": 9}, 400, "speed"),
        ({"input": "x", "speed": "fast"}, 400, "speed"),
        ({"input": "x", "response_format": "midi"}, 400, "response_format"),
        ({"input": "x", "voice": {"id": "v"}}, 400, "voice"),
        ({"input": "x", "language": "tlh-x"}, 400, "language"),
        ({"input": "x", "stream_format": "sse"}, 400, "stream_format"),
        ({"input": "x", "model": "xtts"}, 404, "model"),
    ],
)
async def test_bad_input(server: Server, body: dict[str, Any], status: int, param: str) -> None:
    answered, answer = await server.post("/v1/audio/speech", body)
    assert (answered, answer["error"]["param"]) == (status, param)


async def test_what_stands_beside_the_committee_is_listed(server: Server) -> None:
    async with client(server) as sdk:
        listed = {model.id: (model.model_extra or {})["capabilities"] for model in (await sdk.models.list()).data}
    assert listed["lexical"] == ["embeddings"]
    assert listed["image.generate"] == ["images"]
    assert listed["espeak-ng"] == ["speech"]
    assert listed["committee"] == ["chat", "tools", "reasoning"]
