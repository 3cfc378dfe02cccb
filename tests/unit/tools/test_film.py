"""`film.run` refuses what cannot be made and states precisely what will be. C029, C045-C055."""

from dataclasses import dataclass, field
from typing import Any

import pytest
from pydantic import ValidationError

from tools.film import FilmRequest, estimate_s, film_tool
from tools.registry import ToolContext, ToolRegistry


@dataclass
class _Job:
    kind: str
    id: str = "0190f5fe-0000-7000-8000-000000000001"
    status: str = "queued"
    progress: float = 0.0
    stage: str | None = None
    eta_s: float | None = None
    result: dict[str, Any] | None = None
    error: dict[str, Any] | None = None


@dataclass
class _Jobs:
    submitted: list[dict[str, Any]] = field(default_factory=list)

    async def submit(self, kind: str, payload: dict[str, Any], **_: Any) -> _Job:
        self.submitted.append(payload)
        return _Job(kind)

    async def get(self, job_id: str, *, owner: str) -> _Job:
        raise LookupError(job_id)

    async def cancel(self, job_id: str, *, owner: str) -> _Job:
        raise LookupError(job_id)


def _context(jobs: _Jobs, text: str, seed: int = 7) -> ToolContext:
    return ToolContext("local", "run", seed, text, jobs, "http://127.0.0.1:8000")


README = (
    "Make a 3-minute 4K 60fps film about monarch butterflies with interpolation and motion smoothing."
    " Title: Butterflies."
)


async def test_a_bare_call_takes_everything_from_the_words() -> None:  # C029
    jobs = _Jobs()
    result = await ToolRegistry([film_tool()]).invoke("film_run", {}, _context(jobs, README))
    assert result.error is None
    request = FilmRequest.model_validate(jobs.submitted[0])
    assert (request.duration_s, request.width, request.height, request.fps) == (180, 3840, 2160, 60)
    assert request.interpolate
    assert request.title == "Butterflies"
    assert request.frames == 10_800
    assert result.film_id == result.job_ids[0]
    assert result.data["renderer"] == "procedural-preview"
    assert float(str(result.data["estimate_s"])) > 60


async def test_arguments_beat_words_and_the_seed_is_fixed() -> None:  # C140
    jobs = _Jobs()
    registry = ToolRegistry([film_tool()])
    for _ in range(2):
        await registry.invoke("film.run", {"duration_seconds": "5", "synopsis": "whales"}, _context(jobs, README))
    first, second = jobs.submitted
    assert first == second
    assert (first["duration_s"], first["subject"], first["width"]) == (5, "whales", 3840)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"duration_seconds": 7201}, "duration_s"),
        ({"duration_seconds": 0}, "duration_s"),
        ({"resolution": "9000x9000"}, "width"),
        ({"resolution": "banana"}, "resolution"),
        ({"fps": 1000}, "fps"),
        ({"fps": 12.7}, "NTSC"),
        ({"duration_seconds": 7200, "resolution": "8K", "fps": 120}, "more than this server accepts"),
        ({"quality": "sublime"}, "quality"),
        ({"codec": "prores"}, "codec"),
        ({"synopsis": "a\x00b"}, "control characters"),
    ],
)
async def test_the_impossible_is_refused_and_nothing_is_created(arguments: dict[str, Any], words: str) -> None:
    jobs = _Jobs()
    result = await ToolRegistry([film_tool()]).invoke("film.run", arguments, _context(jobs, "a film about whales"))
    assert words in (result.error or "")
    assert jobs.submitted == []


@pytest.mark.parametrize(
    "words",
    [
        "Make a 10 hour film about snails",
        "Make a 10-year 1080p film about snails",
        "Make a film of 10 years about snails",
        "make a -5 second film about fog",
    ],
)
async def test_an_absurd_length_in_words_is_refused(words: str) -> None:
    jobs = _Jobs()
    result = await ToolRegistry([film_tool()]).invoke("film.run", {}, _context(jobs, words))
    assert "duration_s" in (result.error or "")
    assert jobs.submitted == []


async def test_a_length_that_is_not_understood_is_announced() -> None:
    jobs = _Jobs()
    words = "Make a film of a few minutes about snails"
    result = await ToolRegistry([film_tool()]).invoke("film.run", {}, _context(jobs, words))
    assert jobs.submitted[0]["not_applied"] == ['length "a few minutes"']
    assert result.data["not_applied"] == ['length "a few minutes"']
    assert "a few minutes" in str(result.data["note"])
    request = FilmRequest.model_validate(jobs.submitted[0])
    assert request.model_dump(mode="json") == jobs.submitted[0]


def test_aliases_and_string_booleans() -> None:
    request = FilmRequest.model_validate(
        {
            "prompt": "whales",
            "duration_text": "1m30s",
            "frame_rate": "29.97",
            "res": "720p",
            "voice_type": "female",
            "audio_on": "off",
            "subtitles_on": "yes",
            "language": "German",
            "post": {"interpolate": {"factor": 2}, "upscale": {"scale": 2}},
            "bitrate": "8M",
        }
    )
    assert (request.duration_s, request.width, request.height) == (90, 1280, 720)
    assert request.rate.as_integer_ratio() == (30000, 1001)
    assert (request.audio_enabled, request.subtitles_enabled, request.interpolate) == (False, True, True)
    assert (request.voice, request.language) == ("female", "de")
    assert request.not_applied == ["post.upscale", "bitrate"]


def test_a_stored_payload_is_read_back_unchanged() -> None:
    request = FilmRequest.model_validate({"prompt": README})
    assert FilmRequest.model_validate(request.model_dump(mode="json")) == request


@pytest.mark.parametrize("payload", [{}, {"title": "x"}, {"prompt": ""}, {"prompt": 5}, {"prompt": "x", "wdth": 5}])
def test_a_payload_that_says_nothing_is_refused(payload: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        FilmRequest.model_validate(payload)


def test_an_existing_film_is_named_alone() -> None:
    film_id = "0190f5fe-0000-7000-8000-000000000001"
    request = FilmRequest.model_validate({"film_id": film_id})
    assert FilmRequest.model_validate(request.model_dump(mode="json")) == request
    with pytest.raises(ValidationError, match="PATCH"):
        FilmRequest.model_validate({"film_id": film_id, "fps": 24})


def test_the_estimate_grows_with_the_film() -> None:
    small = FilmRequest.model_validate({"prompt": "whales", "duration": 10, "res": "720p"})
    large = FilmRequest.model_validate({"prompt": "whales", "duration": 180, "res": "4K", "fps": 60})
    assert estimate_s(small, processes=2) < 30
    assert 900 < estimate_s(large, processes=2) < 3600


@pytest.mark.parametrize(
    ("fields", "where", "message"),
    [
        ({"duration": "soon"}, ("duration_s",),
         "'soon' is not a length; use e.g. 90, '90 seconds', '1m30s' or '00:01:30'"),
        ({"duration": 7201}, ("duration_s",), "must be at most 7200"),
        ({"duration": -5}, ("duration_s",), "must be at least 1"),
        ({"rules": 5}, ("rules",), "must be an object"),
        ({"rules": {"max_shots": 0}}, ("rules", "max_shots"), "must be at least 1"),
        ({"width": "wide"}, ("width",), "must be a whole number"),
        ({"width": 65}, (), "width: 65 must be even"),
        ({"subtitles_enabled": "perhaps"}, ("subtitles_enabled",), "must be true or false"),
        ({"style": 5}, ("style",), "must be text"),
        ({"style": "x" * 201}, ("style",), "must have at most 200 characters"),
        ({"style_refs": 5}, ("style_refs",), "must be a list"),
        ({"quality": "sublime"}, ("quality",), "must be 'draft', 'standard' or 'high'"),
        ({"wdth": 5}, ("wdth",), "is not a known field"),
        ({"film_id": "x"}, ("film_id",), "must be a UUID"),
        ({"res": "banana"}, (), "resolution: 'banana' is not a resolution; use e.g. '4K', '1080p' or '1280x720'"),
    ],
)  # fmt: skip
def test_errors_are_in_plain_words(fields: dict[str, Any], where: tuple[str, ...], message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        FilmRequest.model_validate({"prompt": "whales", **fields})
    first = caught.value.errors()[0]
    assert (first["loc"], first["msg"]) == (where, message)


@pytest.mark.parametrize("payload", [5, "a film", [], None])
def test_a_payload_that_is_no_object_is_named_so(payload: object) -> None:
    with pytest.raises(ValidationError) as caught:
        FilmRequest.model_validate(payload)
    assert caught.value.errors()[0]["msg"] == "must be an object"


async def test_wrong_arguments_are_told_plainly() -> None:
    jobs = _Jobs()
    result = await ToolRegistry([film_tool()]).invoke("film.run", {"seed": []}, _context(jobs, "a film about whales"))
    assert result.error == "Invalid arguments: seed: must be a whole number"
