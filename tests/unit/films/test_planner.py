"""Planning by rules and by a member, whose answer is never trusted. C086, C093."""

import json
from collections.abc import AsyncGenerator
from dataclasses import dataclass

import pytest

from committee.schema import ChatRequest, Delta, Done, MemberHealth
from orchestrator.films.narration import PHRASES, phrases
from orchestrator.films.plan import TIMES_OF_DAY, Plan
from orchestrator.films.planner import WORDS_PER_S, MemberPlanner, plan_by_rules
from tools.film import FilmRequest


def request(prompt: str, **fields: object) -> FilmRequest:
    return FilmRequest.model_validate({"prompt": prompt, **fields})


@dataclass
class Scripted:
    """A member that answers with one text."""

    answer: str | Exception
    name: str = "qwen3"
    model: str = "qwen3:32b"
    stand_in: bool = False
    asked: ChatRequest | None = None

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Delta, None]:
        self.asked = request
        if isinstance(self.answer, Exception):
            raise self.answer
        yield Delta(text=self.answer[:10])
        yield Delta(text=self.answer[10:])
        yield Delta(done=Done("stop"))

    async def health(self) -> MemberHealth:
        return MemberHealth(self.name, "scripted", None, self.model, self.model, reachable=True)

    async def aclose(self) -> None: ...


STORY = {
    "logline": "A fox comes home.",
    "scenes": [
        {"prompt": "A fox wakes in the snow.", "time_of_day": "dawn", "mood": "calm", "narration": ["Cold again."]},
        {"prompt": "She finds the river.", "time_of_day": "brunch", "mood": "spicy", "narration": ["word " * 900]},
    ],
    "characters": [{"id": "C1", "name": "The fox"}],
}


async def test_a_members_plan_is_used_and_clamped() -> None:  # C093
    member = Scripted(json.dumps(STORY))
    plan = await MemberPlanner(member).plan(request("a fox comes home", duration=20))
    assert plan.planned_by == "qwen3:qwen3:32b"
    assert [scene.prompt for scene in plan.scenes] == ["A fox wakes in the snow.", "She finds the river."]
    assert plan.scenes[0].tod == "dawn"
    assert plan.scenes[1].tod in TIMES_OF_DAY
    assert plan.scenes[1].narration == [""]  # it could not be spoken in the time that there is
    assert plan.outputs.frames == 600
    assert member.asked is not None
    assert member.asked.response_schema is not None


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "I cannot.",
        "{}",
        '{"scenes": []}',
        '{"scenes": [{"prompt": 5}]}',
        r'{"scenes": [{"prompt": "a fox \u0000 at home"}]}',
        r'{"scenes": [{"prompt": "a fox"}], "characters": [{"id": "C1", "name": "half \ud83d"}]}',
        OSError("cut"),
        ValueError("bad"),
    ],
)
async def test_nonsense_falls_back_to_the_rules_and_says_so(answer: str | Exception) -> None:
    asked = request("a fox comes home", duration=20)
    plan = await MemberPlanner(Scripted(answer)).plan(asked)
    assert plan.planned_by == "rules"
    assert "qwen3" in (plan.fallback_reason or "")
    assert plan.scenes == plan_by_rules(asked).scenes


async def test_a_stand_in_is_not_asked() -> None:
    member = Scripted("never", stand_in=True)
    plan = await MemberPlanner(member).plan(request("a fox comes home"))
    assert (plan.planned_by, plan.fallback_reason, member.asked) == ("rules", None, None)


def test_each_sentence_of_a_story_becomes_a_scene() -> None:
    plan = plan_by_rules(request("A fox wakes up. She runs to the river. A storm comes. 40 seconds"))
    assert [scene.prompt for scene in plan.scenes] == ["A fox wakes up.", "She runs to the river.", "A storm comes"]


def test_the_named_hour_is_kept() -> None:
    plan = plan_by_rules(request("a film about a lighthouse at night", duration=60))
    assert {scene.tod for scene in plan.scenes} == {"night"}


@pytest.mark.parametrize("language", list(PHRASES))
def test_narration_is_told_in_its_language_and_fits(language: str) -> None:  # C050
    plan = plan_by_rules(request("a film about whales", duration=60, language=language))
    spoken = [line for scene in plan.scenes for line in scene.narration if line]
    known = phrases(language)
    assert spoken[1:]
    assert all(line in {*known.middles, *known.closings, *sum(known.times.values(), ())} for line in spoken[1:])
    assert sum(len(line.split()) for line in spoken) <= 60 * WORDS_PER_S


def test_a_language_without_phrases_is_told_in_english_and_recorded() -> None:
    assert plan_by_rules(request("a film about whales", language="fi")).language == "en"


def told(plan: Plan) -> str:
    return " ".join(scene.prompt for scene in plan.scenes)


def lines(plan: Plan) -> list[str]:
    return [line for scene in plan.scenes for line in scene.narration if line]


@pytest.mark.parametrize("seconds", [4, 12, 20, 60, 300])
def test_no_beat_of_the_story_is_lost(seconds: int) -> None:
    words = f"a boy finds a key. He opens a door; behind it is the sea\nA ship waits. {seconds} seconds, 480p"
    plan = plan_by_rules(request(words))
    beats = ["boy finds a key", "He opens a door", "ehind it is the sea", "A ship waits"]
    positions = [told(plan).find(beat) for beat in beats]
    assert -1 not in positions
    assert positions == sorted(positions)


def test_a_story_is_narrated_in_its_own_words() -> None:
    plan = plan_by_rules(request("a boy finds a key. He opens a door. Behind it is the sea. 12 seconds, 480p"))
    assert lines(plan) == ["A boy finds a key.", "He opens a door.", "Behind it is the sea."]


def test_a_scene_of_several_beats_tells_them_all() -> None:
    story = ". ".join(f"The {thing} falls" for thing in ("vase", "cup", "plate", "jug", "bowl", "pan", "pot", "lid"))
    plan = plan_by_rules(request(story, duration=25))
    assert all(f"The {thing} falls" in " ".join(lines(plan)) for thing in ("vase", "jug", "lid"))


@pytest.mark.parametrize("seconds", [1, 2, 5, 8, 20, 60, 600])
@pytest.mark.parametrize(
    "words",
    ["a film about whales", "a cat", "a detective, who has not slept for three days because of a case that will not let"
     " him go, walks through the rain to a diner, where nobody has ever seen the man in the photograph he shows them"],
)  # fmt: skip
def test_stock_lines_are_few_and_never_repeated(words: str, seconds: int) -> None:
    plan = plan_by_rules(request(words, duration=seconds))
    assert plan.scenes[0].narration[0]
    assert len(lines(plan)) == len(set(lines(plan)))
    assert len(lines(plan)) <= len(plan.scenes) + 2
