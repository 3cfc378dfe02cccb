"""Who turns an idea into scenes: rules that work offline, or a member of the committee whose JSON is checked."""

from __future__ import annotations

import asyncio
import json
import logging
import random
import re
from itertools import takewhile
from typing import Annotated, Protocol

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from committee.schema import ChatBackend, ChatRequest, Message, StageContext
from orchestrator.films.narration import phrases, spoken_language
from orchestrator.films.plan import MOODS, TIMES_OF_DAY, Beat, Character, Plan, Scene, outputs_of, shot_budget
from tools.film import FilmRequest, Text
from tools.seeds import derive_seed

log = logging.getLogger(__name__)

WORDS_PER_S = 2.3
_PLAN_TIMEOUT_S = 90.0
_MAX_SCENES = 40

_TIME_WORDS = (
    ("dawn", r"dawn|sunrise|daybreak|early\s+morning"),
    ("golden hour", r"golden\s+hour|sunset|late\s+afternoon"),
    ("dusk", r"dusk|twilight|evening|nightfall"),
    ("night", r"nights?|midnight|moonlit|moonlight|starry|stars|nocturnal"),
    ("day", r"noon|midday|daylight|daytime|sunny|morning|afternoon"),
)
_MOOD_WORDS = (
    ("tense", r"detective|crime|chase|storm|war|battle|escape|danger|thriller|noir|hunt|race|fire"),
    ("melancholy", r"rain|lonely|alone|lost|goodbye|farewell|autumn|sad|grief|abandoned|last"),
    ("joyful", r"party|kids?|child(?:ren)?|birthday|dance|dancing|festival|puppy|kitten|happy|joy|summer|play"),
    ("mysterious", r"mystery|mysterious|ghost|secret|deep\s+sea|abyss|space|galaxy|alien|forest|fog|robots?|dream"),
    ("calm", r"butterfl(?:y|ies)|meadow|lake|river|sea|ocean|whales?|garden|snow|mountains?|tea|cat|birds?|flowers?"),
)
_ARCS: dict[int, tuple[tuple[str, ...], ...]] = {
    2: (("golden hour", "dusk"), ("dawn", "day"), ("day", "golden hour")),
    3: (("dawn", "day", "golden hour"), ("day", "golden hour", "dusk"), ("dawn", "golden hour", "dusk")),
    5: (("dawn", "day", "golden hour", "dusk", "night"),),
}
_BEATS = ("arrival", "discovery", "closer", "turning point", "release", "farewell")


class Planner(Protocol):
    async def plan(self, request: FilmRequest) -> Plan: ...


class RulePlanner:
    """Plans from the words alone: the same request gives the same plan, and it says `planned_by: rules`."""

    async def plan(self, request: FilmRequest) -> Plan:
        return plan_by_rules(request)


def scene_count(duration_s: float) -> int:
    """One scene for a few seconds, three for half a minute, then one more every twenty seconds."""
    for limit, count in ((6, 1), (14, 2), (40, 3)):
        if duration_s < limit:
            return count
    return min(_MAX_SCENES, 3 + round((duration_s - 40) / 20))


def plan_by_rules(request: FilmRequest, *, fallback_reason: str | None = None) -> Plan:
    """A plan that needs no model; pure and deterministic."""
    rng = random.Random(derive_seed("stage", "plan", master=request.seed))
    budget = shot_budget(request)
    told = _beats(request.subject or request.synopsis)
    count = min(max(scene_count(request.duration_s), min(len(told), _MAX_SCENES)), budget)
    language = spoken_language(request.language)
    times, mood = _times_of_day(request.subject, count, rng), _mood(request.subject)
    scenes = []
    for index, beats in enumerate(_dealt(told, count)):
        prompt = " ".join(map(_ended, beats)) if len(beats) > 1 else beats[0]
        prompt = prompt if len(told) > 1 else _shorten(prompt)
        scenes.append(
            Scene(id=f"S{index + 1:02d}", beat_id=f"B{index + 1}", tod=times[index], mood=mood, prompt=prompt)
        )
    scenes = _narrate(scenes, request, budget, language, rng)
    return Plan(
        planned_by="rules",
        fallback_reason=fallback_reason,
        seed=request.seed,
        title=request.title,
        logline=_sentence(_shorten(request.subject or request.synopsis)),
        language=language,
        style=request.style,
        beats=[Beat(id=scene.beat_id, desc=_beat(i, count), weight=1.0) for i, scene in enumerate(scenes)],
        scenes=scenes,
        characters=_characters(request),
        outputs=outputs_of(request),
        shot_budget=budget,
    )


def _beat(index: int, count: int) -> str:
    return _BEATS[0] if index == 0 else _BEATS[-1] if index == count - 1 else _BEATS[1 + (index - 1) % 4]


def _narrate(scenes: list[Scene], request: FilmRequest, budget: int, language: str, rng: random.Random) -> list[Scene]:
    """Give each scene as many lines as can be spoken in its time: the story's own words, else a few of ours."""
    told = _beats(request.subject or request.synopsis)
    words_left = request.duration_s * WORDS_PER_S * 0.72
    per_scene = max(1, budget // len(scenes))
    if len(told) > 1 and language == "en":
        wanted = _story_lines(told, len(scenes), per_scene)
    else:
        wanted = _stock_lines(scenes, request, per_scene, language, rng)
    narrated: list[Scene] = []
    for index, (scene, lines) in enumerate(zip(scenes, wanted, strict=True)):
        # What an early scene leaves unsaid, a later one may say; the first must not take it all.
        allowance = words_left / (len(scenes) - index)
        if index == 0:
            lines[0] = _fitting([lines[0], *_clauses(told[0])], allowance)
        kept = _within(lines, allowance)
        words_left -= sum(len(line.split()) for line in kept)
        narrated.append(scene.model_copy(update={"narration": kept}))
    return narrated


def _story_lines(told: list[str], scenes: int, per_scene: int) -> list[list[str]]:
    """Each beat is told once, where it begins; a scene with more beats than shots tells several over one shot."""
    wanted = []
    before: list[str] = []
    for beats in _dealt(told, scenes):
        new = beats if beats != before else []
        shots = _dealt(new, per_scene) if len(new) > per_scene else [[beat] for beat in new]
        wanted.append([" ".join(map(_sentence, shot)) for shot in shots] + [""] * (per_scene - len(shots)))
        before = beats
    return wanted


def _stock_lines(
    scenes: list[Scene], request: FilmRequest, per_scene: int, language: str, rng: random.Random
) -> list[list[str]]:
    """The subject first, a closing last, in between at most one line a scene; none is said twice."""
    spoken = phrases(language)
    unsaid = [*rng.sample(spoken.middles, len(spoken.middles))]
    lights = {time: rng.sample(lines, len(lines)) for time, lines in spoken.times.items()}
    wanted = []
    for index, scene in enumerate(scenes):
        pool = lights[scene.tod] or unsaid
        line = _opening(request, language) if index == 0 else pool.pop() if pool else ""
        wanted.append([line] + [""] * (per_scene - 1))
    if len(scenes) > 1 or per_scene > 1:
        wanted[-1][-1] = rng.choice(spoken.closings)
    return wanted


def _fitting(candidates: list[str], words: float) -> str:
    """The first that can be said in time, else the beginning of the last: a film does not open in silence."""
    for line in candidates:
        if len(line.split()) <= words + 1:
            return line
    return _sentence(" ".join(candidates[-1].split()[: max(1, int(words) + 1)]).rstrip(".,;:"))


def _clauses(beat: str) -> list[str]:
    """The beat as a sentence, then without its last clause, and so on."""
    parts = beat.split(", ")
    return [_sentence(", ".join(parts[:size])) for size in range(len(parts), 0, -1)]


def _within(lines: list[str], words: float) -> list[str]:
    """Blank the lines that cannot be spoken in time, the first ones being the dearest."""
    kept = []
    for line in lines:
        words -= len(line.split())
        kept.append(line if words >= -1 else "")
    return kept


def _opening(request: FilmRequest, language: str) -> str:
    subject = _shorten(_beats(request.subject or request.synopsis)[0]).rstrip(".!?")
    if language != "en" and request.language.split("-")[0] == language:
        return phrases(language).about.format(subject=subject)
    # "about X" tells that X is a noun phrase; anything else is told as it was written.
    if re.search(rf"\babout\s+{re.escape(subject)}", request.synopsis, re.IGNORECASE):
        return phrases("en").about.format(subject=subject)
    return _sentence(subject)


def _beats(text: str) -> list[str]:
    """The steps of the story as they are written: sentences, and what semicolons and line ends part."""
    found = (part.strip(" \t;") for part in re.split(r"(?<=[.!?])\s+|;|\n+", text))
    return [part for part in found if re.search(r"\w", part)] or [text.strip() or "A quiet place"]


def _dealt(beats: list[str], count: int) -> list[list[str]]:
    """The beats in `count` groups, in order: several in one when there are more of them, else one in several."""
    size = len(beats)
    return [
        beats[index * size // count : max(index * size // count + 1, (index + 1) * size // count)]
        for index in range(count)
    ]


def _ended(beat: str) -> str:
    return beat if beat.endswith((".", "!", "?", "…")) else f"{beat}."


def _shorten(text: str, words: int = 28) -> str:
    parts = text.split()
    return " ".join(parts[:words]) + (" …" if len(parts) > words else "")


def _sentence(text: str) -> str:
    text = text.strip().rstrip(",;:")
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?", "…")) else ".")


def _times_of_day(text: str, count: int, rng: random.Random) -> list[str]:
    """The light of each scene: what the text names, else a day that moves on."""
    for name, pattern in _TIME_WORDS:
        if re.search(rf"\b(?:{pattern})\b", text, re.IGNORECASE):
            return [name] * count
    if count == 1:
        return [rng.choice(("golden hour", "dusk", "day"))]
    arc = rng.choice(_ARCS[min((size for size in _ARCS if size >= count), default=5)])
    return [arc[index * len(arc) // count] for index in range(count)]


def _mood(text: str) -> str:
    for name, pattern in _MOOD_WORDS:
        if re.search(rf"\b(?:{pattern})\b", text, re.IGNORECASE):
            return name
    return "neutral"


def _characters(request: FilmRequest) -> list[Character]:
    """Whoever the film is about, up to the first verb or place that the rules can tell."""
    head = re.split(r"\b(?:who|that|which|in|on|at|of|with|over|under|through|during|and)\b|[,.;]", request.subject)[0]
    words = head.split()
    if words and words[0].lower() in {"a", "an", "the", "my", "our"}:
        # After "a detective" a word such as "enters" or "running" is what the character does, not its name.
        words = words[1:2] + list(takewhile(lambda word: not re.search(r"(?:s|ed|ing)$", word), words[2:]))
    words = words[:3]
    if not words:
        return []
    name = " ".join(word[:1].upper() + word[1:] for word in words)
    return [Character(id="C1", name=name, description=_shorten(request.subject), tags=[word.lower() for word in words])]


class _ScenePlan(BaseModel):
    """One scene as a member may write it; everything is clamped, nothing is trusted."""

    model_config = ConfigDict(extra="ignore")

    prompt: Text = Field(min_length=3, max_length=600)
    location: Text = Field(default="", max_length=120)
    time_of_day: Text = Field(default="day", max_length=40)
    mood: Text = Field(default="neutral", max_length=40)
    narration: list[Text] = Field(default=[], max_length=12)


class _CharacterPlan(BaseModel):
    model_config = ConfigDict(extra="ignore")

    id: Text = Field(min_length=1, max_length=40)
    name: Text = Field(min_length=1, max_length=200)
    description: Text = Field(default="", max_length=4000)
    tags: list[Annotated[Text, Field(max_length=80)]] = Field(default=[], max_length=20)


class _MemberPlan(BaseModel):
    model_config = ConfigDict(extra="ignore")

    logline: Text = Field(default="", max_length=600)
    scenes: list[_ScenePlan] = Field(min_length=1, max_length=_MAX_SCENES)
    characters: list[_CharacterPlan] = Field(default=[], max_length=8)


class MemberPlanner:
    """Asks a member of the committee for the story; what it answers is validated, clamped and cut to the film's length.

    When it fails, is late or answers nonsense, the rules plan the film and the plan records the reason.
    """

    def __init__(self, member: ChatBackend, *, timeout_s: float = _PLAN_TIMEOUT_S) -> None:
        self._member = member
        self._timeout_s = timeout_s

    async def plan(self, request: FilmRequest) -> Plan:
        if self._member.stand_in:
            return plan_by_rules(request)
        try:
            async with asyncio.timeout(self._timeout_s):
                text = await self._ask(request)
            answer = _MemberPlan.model_validate(json.loads(text))
        except asyncio.CancelledError:
            raise
        except TimeoutError:
            return plan_by_rules(request, fallback_reason=f"{self._member.name} gave no plan in {self._timeout_s:g} s")
        except (ValidationError, ValueError) as error:
            reason = f"{self._member.name} answered with an invalid plan ({type(error).__name__})"
            return plan_by_rules(request, fallback_reason=reason)
        except Exception as error:
            # Whatever the member's trouble is, a film must not depend on it.
            log.warning("planning member failed", extra={"member": self._member.name}, exc_info=True)
            return plan_by_rules(request, fallback_reason=f"{self._member.name} failed ({type(error).__name__})")
        return _merge(request, answer, f"{self._member.name}:{self._member.model}")

    async def _ask(self, request: FilmRequest) -> str:
        count = min(scene_count(request.duration_s), shot_budget(request))
        per_scene_words = int(request.duration_s * WORDS_PER_S * 0.6 / count)
        prompt = (
            f"Plan a film of {request.duration_s:g} seconds titled {request.title!r}. Idea: {request.synopsis}\n"
            f"Style: {request.style or 'free'}. Write exactly {count} scenes. time_of_day is one of"
            f" {', '.join(TIMES_OF_DAY)}; mood is one of {', '.join(MOODS)}. Each prompt says what is seen, in one"
            f" sentence. Each scene's narration has short spoken sentences in the language {request.language!r}, at"
            f" most {per_scene_words} words in all."
        )
        question = ChatRequest(
            messages=(Message("user", prompt),),
            context=StageContext("film.plan", user_text=request.synopsis),
            response_schema=_MemberPlan.model_json_schema(),
            seed=request.seed,
            temperature=0.3,
            total_s=self._timeout_s,
        )
        return "".join([delta.text async for delta in self._member.stream(question)])


def _merge(request: FilmRequest, answer: _MemberPlan, planned_by: str) -> Plan:
    base = plan_by_rules(request)
    scenes = []
    for index, told in enumerate(answer.scenes[: shot_budget(request)]):
        default = base.scenes[min(index, len(base.scenes) - 1)]
        words = request.duration_s * WORDS_PER_S * 0.8 / max(1, len(answer.scenes))
        scenes.append(
            Scene(
                id=f"S{index + 1:02d}",
                beat_id=f"B{index + 1}",
                location=told.location,
                tod=told.time_of_day if told.time_of_day in TIMES_OF_DAY else default.tod,
                mood=told.mood if told.mood in MOODS else default.mood,
                prompt=told.prompt.strip(),
                narration=_within([" ".join(line.split())[:300] for line in told.narration], words),
            )
        )
    return base.model_copy(
        update={
            "planned_by": planned_by,
            "logline": answer.logline.strip() or base.logline,
            "language": request.language,
            "scenes": scenes,
            "beats": [Beat(id=s.beat_id, desc=_beat(i, len(scenes)), weight=1.0) for i, s in enumerate(scenes)],
            "characters": [Character.model_validate(one.model_dump()) for one in answer.characters] or base.characters,
        }
    )
