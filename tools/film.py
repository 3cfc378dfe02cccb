"""`film.run`: one film from one sentence, made by a durable job.

`FilmRequest` is the one place where a request becomes definite: aliases, string booleans and preferences that the text
states are read, limits are checked, and what is unstated gets its default. It is the payload of the job, so the chat
tool and `POST /jobs` refuse the same things with the same words, before anything is created.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    ModelWrapValidatorHandler,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError

from tools.errors import ToolRetry
from tools.preferences import (
    LANGUAGES,
    default_duration,
    exact_rate,
    parse_duration,
    parse_preferences,
    parse_rate,
    parse_resolution,
)
from tools.registry import Tool, ToolContext, ToolResult
from tools.seeds import derive_seed

FILM_KIND = "film.run"
RENDERER = "procedural-preview"
FIDELITY = "preview"

MAX_DURATION_S = 7200
MIN_SIDE, MAX_SIDE = 64, 7680
MAX_FPS = 120
# Two hours of 4K at 60 frames per second: weeks of work on a small machine, and beyond it nobody means it.
_MAX_PIXEL_FRAMES = 3840 * 2160 * 60 * MAX_DURATION_S
_MAX_TEXT = 20_000
_TITLE_CHARS = 48

# Measured on a two-core server: drawing and encoding one pixel, and building the plates and the board of one shot.
_CPU_S_PER_PIXEL = 4.2e-8
_CPU_S_PER_SHOT = 1.6
_QUALITY_COST = {"draft": 0.75, "standard": 1.0, "high": 1.6}

_ALIASES: dict[str, tuple[str, ...]] = {
    "synopsis": ("prompt", "idea", "ideas", "logline", "topic", "description", "text", "query"),
    "duration_s": ("duration_seconds", "duration", "duration_text", "length"),
    "fps": ("frame_rate", "framerate", "refresh", "base_fps"),
    "voice": ("voice_type",),
    "audio_enabled": ("audio_on",),
    "subtitles_enabled": ("subtitles_on",),
    "animation_enabled": ("animation_on",),
    "interpolate": ("interpolation",),
}
_RESOLUTION_KEYS = ("resolution", "res", "size")
# Understood, but the preview renderer has no use for them; the result says so instead of pretending.
_WITHOUT_EFFECT = ("bitrate", "safety", "audio")
_QUALITIES = {
    "low": "draft", "preview": "draft", "fast": "draft", "draft": "draft", "normal": "standard", "medium": "standard",
    "standard": "standard", "default": "standard", "best": "high", "max": "high", "ultra": "high", "high": "high",
}  # fmt: skip
_CODECS = {"h264", "h.264", "x264", "libx264", "avc", "avc1"}
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


def _plain_text(value: object) -> object:
    if isinstance(value, str) and _CONTROL.search(value):
        raise ValueError("contains control characters or half a surrogate pair")
    return value


def _quality(value: object) -> object:
    return _QUALITIES.get(value.strip().lower(), value) if isinstance(value, str) else value


def _language(value: object) -> object:
    if not isinstance(value, str):
        return value
    name = value.strip().lower()
    code = LANGUAGES.get(name, name)
    if not re.fullmatch(r"[a-z]{2,3}(?:-[a-z0-9]{2,8})*", code):
        raise ValueError(f"{value[:40]!r} is not a language; use a name or a code such as 'en' or 'de'")
    return code


# By the library's error type; "{…}" is filled from the error's context.
_PLAIN_WORDS = {
    "less_than_equal": "must be at most {le:g}", "greater_than_equal": "must be at least {ge:g}",
    "less_than": "must be less than {lt:g}", "greater_than": "must be more than {gt:g}",
    "finite_number": "must be a finite number", "literal_error": "must be {expected}",
    "int_type": "must be a whole number", "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number", "float_type": "must be a number", "float_parsing": "must be a number",
    "bool_type": "must be true or false", "bool_parsing": "must be true or false",
    "string_type": "must be text", "string_too_long": "must have at most {max_length} characters",
    "list_type": "must be a list", "too_long": "must have at most {max_length} items",
    "dict_type": "must be an object", "model_type": "must be an object", "model_attributes_type": "must be an object",
    "uuid_type": "must be a UUID", "uuid_parsing": "must be a UUID",
    "extra_forbidden": "is not a known field", "missing": "is missing",
}  # fmt: skip


def _in_plain_words(error: ValidationError) -> ValidationError:
    """The same problems, said to somebody who does not know the library that found them."""
    problems = [
        InitErrorDetails(
            type=PydanticCustomError("film_request", _plain_message(one)),
            loc=one["loc"],
            input=one["input"],
        )
        for one in error.errors(include_url=False)
    ]
    return ValidationError.from_exception_data(error.title, problems)


def _plain_message(problem: ErrorDetails) -> str:
    words = _PLAIN_WORDS.get(problem["type"])
    if words is not None:
        return words.format(**problem.get("ctx", {}))
    return problem["msg"].removeprefix("Value error, ").replace("Input should be", "must be")


Text = Annotated[str, BeforeValidator(_plain_text)]


class Rules(BaseModel):
    """How the film is cut."""

    model_config = ConfigDict(extra="forbid")

    avg_shot_len_s: float = Field(default=4.2, ge=1, le=30, allow_inf_nan=False)
    max_shots: int = Field(default=24, ge=1, le=720)


class FilmRequest(BaseModel):
    """A definite film: nothing is left open but the plan.

    With `film_id` an existing film is made again from its stored (and perhaps edited) plan; its preferences are
    changed with `PATCH /films/{film_id}`.
    """

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    film_id: UUID | None = None
    title: Text = Field(default="", max_length=200)
    synopsis: Text = Field(default="", max_length=_MAX_TEXT)
    subject: Text = Field(default="", max_length=_MAX_TEXT)
    duration_s: Annotated[float, BeforeValidator(parse_duration)] = Field(default=20.0, ge=1, le=MAX_DURATION_S)
    width: int = Field(default=1920, ge=MIN_SIDE, le=MAX_SIDE)
    height: int = Field(default=1080, ge=MIN_SIDE, le=MAX_SIDE)
    fps: Annotated[float, BeforeValidator(parse_rate)] = Field(default=30.0, ge=1, le=MAX_FPS)
    style: Text = Field(default="", max_length=200)
    style_refs: list[Annotated[Text, Field(max_length=500)]] = Field(default=[], max_length=12)
    character_images: list[dict[str, JsonValue]] = Field(default=[], max_length=12)
    language: Annotated[str, BeforeValidator(_language)] = Field(default="en", max_length=20)
    voice: Text = Field(default="", max_length=80)
    quality: Annotated[Literal["draft", "standard", "high"], BeforeValidator(_quality)] = "standard"
    audio_enabled: bool = True
    narration_enabled: bool = True
    music_enabled: bool = True
    subtitles_enabled: bool = False
    animation_enabled: bool = True
    interpolate: bool = False
    motion_smoothing: bool = False
    rules: Rules = Rules()
    seed: int = Field(default=0, ge=0, lt=2**32)
    not_applied: list[str] = Field(default=[], max_length=20)

    @property
    def rate(self) -> Fraction:
        """Exact frames per second."""
        return exact_rate(self.fps)

    @property
    def frames(self) -> int:
        """How many frames the film has: the asked length in whole frames."""
        return max(1, round(Fraction(str(self.duration_s)) * self.rate))

    @model_validator(mode="before")
    @classmethod
    def _read(cls, data: object) -> object:
        return _complete(canonical(data)) if isinstance(data, Mapping) else data

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.film_id is None and not self.synopsis:
            raise ValueError("synopsis: say what the film is about")
        if self.film_id is not None and self != FilmRequest.model_construct(film_id=self.film_id):
            raise ValueError(
                "film_id: stands alone; change an existing film with PATCH /films/{film_id}, then run it again"
            )
        for name in ("width", "height"):
            if getattr(self, name) % 2:
                raise ValueError(f"{name}: {getattr(self, name)} must be even")
        if self.frames * self.width * self.height > _MAX_PIXEL_FRAMES:
            raise ValueError(
                f"duration_s: {self.duration_s:g} s at {self.width}x{self.height} and {self.fps:g} fps is more than"
                " this server accepts; ask for a shorter film, a smaller picture or a lower rate"
            )
        return self

    @model_validator(mode="wrap")
    @classmethod
    def _say_plainly(cls, data: object, validate: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            return validate(data)
        except ValidationError as error:
            raise _in_plain_words(error) from None


def canonical(data: Mapping[str, Any]) -> dict[str, Any]:
    """`data` under our own field names; None means unstated. Raises ValueError for what cannot be understood."""
    given = {str(name): value for name, value in data.items() if value is not None}
    if isinstance(outputs := given.pop("outputs", None), Mapping):
        given = {**outputs, **given}
    for name, aliases in _ALIASES.items():
        for alias in aliases:
            if alias in given:
                value = given.pop(alias)
                given.setdefault(name, value)
    _read_resolution(given)
    _read_post(given)
    _read_container(given)
    if isinstance(given.get("synopsis"), list):
        given["synopsis"] = "\n".join(str(idea) for idea in given["synopsis"])
    ignored = [name for name in _WITHOUT_EFFECT if given.pop(name, None) is not None]
    if ignored:
        given["not_applied"] = [*given.get("not_applied", []), *ignored]
    return given


def _read_resolution(given: dict[str, Any]) -> None:
    for key in _RESOLUTION_KEYS:
        if key in given:
            try:
                width, height = parse_resolution(given.pop(key))
            except ValueError as error:
                raise ValueError(f"resolution: {error}") from None
            given.setdefault("width", width)
            given.setdefault("height", height)


def _read_post(given: dict[str, Any]) -> None:
    post = given.pop("post", None)
    if isinstance(post, Mapping):
        if post.get("interpolate"):
            given.setdefault("interpolate", True)
        if post.get("upscale"):
            # Frames are drawn at the asked size; there is nothing to scale up.
            given["not_applied"] = [*given.get("not_applied", []), "post.upscale"]
    elif post is not None:
        raise ValueError("post: must be an object")


def _read_container(given: dict[str, Any]) -> None:
    codec, container = given.pop("codec", "h264"), given.pop("container", "mp4")
    if str(codec).lower() not in _CODECS:
        raise ValueError(f"codec: {str(codec)[:20]!r} is not available; films are encoded as h264")
    if str(container).lower() != "mp4":
        raise ValueError(f"container: {str(container)[:20]!r} is not available; films are written as mp4")


def _complete(given: dict[str, Any]) -> dict[str, Any]:
    """Fill in what the text states, then the defaults that depend on the text."""
    text = given.get("synopsis")
    if not isinstance(text, str) or not text.strip() or len(text) > _MAX_TEXT:
        return given
    stated = parse_preferences(text).stated()
    if "width" in given or "height" in given:
        stated.pop("width", None), stated.pop("height", None)
    given = _over(stated, given)
    given.setdefault("subject", text.strip())
    given.setdefault("duration_s", default_duration(text))
    if not given.get("title"):
        given["title"] = title_of(str(given["subject"]))
    if "seed" not in given:
        given["seed"] = derive_seed("film", text.strip(), given["title"])
    return given


def _over(stated: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """What the words state, beaten by what is given; what could not be applied is kept from both."""
    unclear = [] if "duration_s" in given else list(stated.pop("not_applied", ()))
    if isinstance(known := given.get("not_applied", []), list) and (merged := list(dict.fromkeys([*known, *unclear]))):
        given = {**given, "not_applied": merged}
    return {**{name: value for name, value in stated.items() if name != "not_applied"}, **given}


def title_of(subject: str) -> str:
    """A title made of the subject's first words: "monarch butterflies at dusk" is "Monarch Butterflies at Dusk"."""
    words: list[str] = []
    for word in re.split(r"[.;:!?\n]", subject)[0].split():
        if sum(map(len, words)) + len(words) + len(word) > _TITLE_CHARS:
            break
        small = words and word.lower() in {"a", "an", "the", "of", "in", "on", "at", "and", "or", "to", "for", "with"}
        words.append(word.lower() if small else word[:1].upper() + word[1:])
    return " ".join(words).strip(" ,") or "Untitled"


def estimate_s(request: FilmRequest, *, processes: int | None = None) -> float:
    """An honest guess of the seconds a film takes on this machine; the job measures and corrects it."""
    cores = processes or min(os.cpu_count() or 1, 4)
    pixels = request.frames * request.width * request.height * _QUALITY_COST[request.quality]
    scale = max(0.25, request.width * request.height / (1920 * 1080))
    shots = min(request.rules.max_shots, request.duration_s / request.rules.avg_shot_len_s) + 1
    return round(5 + (pixels * _CPU_S_PER_PIXEL + shots * _CPU_S_PER_SHOT * scale) / cores, 1)


class FilmArguments(BaseModel):
    """What the members may state. Everything else is read from the user's words or gets a default."""

    model_config = ConfigDict(extra="allow")

    synopsis: str | None = Field(default=None, description="What the film is about, in the user's words.")
    title: str | None = None
    duration_seconds: float | str | None = Field(default=None, description="Seconds, 1 to 7200.")
    resolution: str | None = Field(default=None, description="'4K', '1080p', '720p' or 'WIDTHxHEIGHT'.")
    fps: float | str | None = Field(default=None, description="Frames per second, 1 to 120.")
    style: str | None = Field(default=None, description="A visual style, e.g. 'watercolour'.")
    language: str | None = Field(default=None, description="Language of narration and subtitles.")
    voice: str | None = Field(default=None, description="'female', 'male' or the name of a voice.")
    quality: str | None = Field(default=None, description="'draft', 'standard' or 'high'.")
    audio_enabled: bool | None = Field(default=None, description="Default true.")
    subtitles_enabled: bool | None = Field(default=None, description="Default false.")
    animation_enabled: bool | None = Field(default=None, description="Default true; false gives still pictures.")
    interpolation: bool | None = None
    motion_smoothing: bool | None = None
    seed: int | None = None

    @model_validator(mode="wrap")
    @classmethod
    def _say_plainly(cls, data: object, validate: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            return validate(data)
        except ValidationError as error:
            raise _in_plain_words(error) from None


def film_tool() -> Tool:
    return Tool(
        name=FILM_KIND,
        description=(
            "Make a film (video, movie, clip, animation) from a description: plans it, draws a storyboard, renders,"
            " narrates and exports an MP4. Starts a job and returns its id, the film's id and an estimate of the time."
        ),
        arguments=FilmArguments,
        run=_run,
        effect="job",
        forceable=True,
    )


def request_from(arguments: Mapping[str, Any], *, user_text: str, seed: int) -> FilmRequest:
    """The film that a call means: what it states, else what the user's words state, else the defaults.

    Raises ToolRetry that names every field that is wrong.
    """
    try:
        given = canonical(arguments)
        if "film_id" in given:
            return FilmRequest.model_validate(given)
        stated = {name: value for name, value in parse_preferences(user_text).stated().items() if name != "subject"}
        if "width" in given or "height" in given:
            stated.pop("width", None), stated.pop("height", None)
        if not given.get("synopsis"):
            given["synopsis"] = user_text[:_MAX_TEXT]
        given = _over(stated, given)
        given.setdefault("seed", derive_seed("tool", FILM_KIND, str(given.get("synopsis", "")), master=seed))
        return FilmRequest.model_validate(given)
    except ValidationError as error:
        raise ToolRetry(_explain(error)) from None
    except ValueError as error:
        raise ToolRetry(str(error)) from None


async def _run(arguments: FilmArguments, ctx: ToolContext) -> ToolResult:
    request = request_from(arguments.model_dump(exclude_none=True), user_text=ctx.user_text, seed=ctx.seed)
    payload = request.model_dump(mode="json")
    job = await ctx.jobs.submit(FILM_KIND, payload, owner=ctx.owner, idempotency_key=ctx.effect_key(FILM_KIND, payload))
    # A film is named after the job that first makes it, so its id is known before any work is done.
    film_id = str(request.film_id or job.id)
    return ToolResult(_announcement(request, job.status, film_id, str(job.id)), job_ids=(str(job.id),), film_id=film_id)


def _announcement(request: FilmRequest, status: str, film_id: str, job_id: str) -> dict[str, JsonValue]:
    return {
        "job_id": job_id,
        "film_id": film_id,
        "status": status,
        "title": request.title,
        "about": request.subject,
        "duration_s": request.duration_s,
        "resolution": f"{request.width}x{request.height}",
        "fps": request.fps,
        "frames": request.frames,
        "audio": request.audio_enabled,
        "subtitles": request.subtitles_enabled,
        "not_applied": list(request.not_applied),
        "seed": request.seed,
        "estimate_s": estimate_s(request),
        "renderer": RENDERER,
        "fidelity": FIDELITY,
        "note": _note(request),
    }


def _note(request: FilmRequest) -> str:
    note = "A procedural preview: an illustrated, animated film drawn without an image model."
    return f"{note} Not applied: {', '.join(request.not_applied)}." if request.not_applied else note


def _explain(error: ValidationError) -> str:
    problems = []
    for problem in error.errors(include_url=False)[:5]:
        where = ".".join(str(part) for part in problem["loc"])
        problems.append(f"{where}: {problem['msg']}" if where else problem["msg"])
    return "; ".join(problems)
