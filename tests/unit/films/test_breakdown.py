"""Shots add up to the film, whatever its length and rate. C087, C095, C140-C141."""

from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.films.breakdown import break_down, share_out
from orchestrator.films.plan import shot_budget
from orchestrator.films.planner import plan_by_rules, scene_count
from orchestrator.films.render import brightness
from tools.film import FilmRequest


def request(prompt: str = "a film about monarch butterflies", **fields: object) -> FilmRequest:
    return FilmRequest.model_validate({"prompt": prompt, **fields})


@given(
    duration=st.floats(1, 600),
    fps=st.sampled_from(["1", "12", "23.976", "24", "29.97", "30", "59.94", "60", "120"]),
    average=st.floats(1, 10),
)
@settings(max_examples=60, deadline=None)
def test_shots_add_up_to_the_frame(duration: float, fps: str, average: float) -> None:
    asked = request(duration=round(duration, 3), fps=fps, rules={"avg_shot_len_s": average})
    shots = break_down(plan_by_rules(asked))
    assert sum(shot.frames for shot in shots) == asked.frames == round(Fraction(str(asked.duration_s)) * asked.rate)
    assert [shot.start for shot in shots] == [sum(s.frames for s in shots[:i]) for i in range(len(shots))]
    assert len({shot.id for shot in shots}) == len(shots)
    assert all(shot.fade_in + shot.fade_out <= shot.frames for shot in shots)


@given(st.integers(0, 10**7), st.lists(st.floats(0.01, 100), min_size=1, max_size=50), st.integers(0, 3))
def test_sharing_is_exact(total: int, weights: list[float], minimum: int) -> None:
    if total < minimum * len(weights):
        with pytest.raises(ValueError, match="cannot share"):
            share_out(total, weights, minimum=minimum)
        return
    parts = share_out(total, weights, minimum=minimum)
    assert sum(parts) == total
    assert min(parts) >= minimum


def test_the_same_request_gives_the_same_film() -> None:  # C140 C141
    first, second = (plan_by_rules(request(duration=20)) for _ in range(2))
    assert first == second
    assert break_down(first) == break_down(second)


def test_another_seed_or_subject_gives_another_film() -> None:  # C093
    base = break_down(plan_by_rules(request(duration=20, seed=1)))
    assert [s.seed for s in base] != [s.seed for s in break_down(plan_by_rules(request(duration=20, seed=2)))]
    other = break_down(plan_by_rules(request("a film about a city at night", duration=20, seed=1)))
    assert [s.art["terrain"] for s in base] != [s.art["terrain"] for s in other]


@pytest.mark.parametrize(("duration", "shots"), [(1, 1), (4, 1), (20, 5), (100, 24), (180, 24), (600, 60), (7200, 720)])
def test_shots_stay_watchable(duration: float, shots: int) -> None:
    assert shot_budget(request(duration=duration)) == shots
    assert scene_count(duration) <= max(1, shots)


def test_style_and_stillness_reach_the_pictures() -> None:  # C049 C055
    shots = break_down(plan_by_rules(request(duration=10, style="noir")), animated=False)
    assert {shot.art["style"] for shot in shots} == {"noir"}
    assert {shot.art["move"] for shot in shots} == {"hold"}


def test_the_dsl_says_what_a_crew_needs() -> None:
    for shot in break_down(plan_by_rules(request(duration=20))):
        assert set(shot.dsl) == {
            "camera", "framing", "angle", "fps", "duration_s", "lighting", "palette", "action", "env", "style", "neg",
        }  # fmt: skip
        assert set(shot.dsl["camera"]) == {"type", "lens_mm", "fstop", "shutter", "move"}


def test_a_fade_rises_and_falls_within_its_frames() -> None:
    levels = [brightness(index, 20, 5, 5) for index in range(20)]
    assert levels[:6] == sorted(levels[:6])
    assert levels[5:15] == [1.0] * 10
    assert levels[14:] == sorted(levels[14:], reverse=True)


@pytest.mark.parametrize("duration", [8, 12, 20, 30, 60, 180])
def test_neighbouring_shots_differ(duration: int) -> None:
    shots = break_down(plan_by_rules(request(duration=duration)))
    for one, next_ in pairwise(shots):
        assert one.art["framing"] != next_.art["framing"]
        assert one.art["move"] != next_.art["move"]
        assert one.caption != next_.caption
    assert [shot.art["framing"] for shot in shots] == [shot.dsl["framing"] for shot in shots]


def test_a_short_film_of_one_subject_looks_at_it_in_every_way() -> None:
    shots = break_down(plan_by_rules(request(duration=20)))
    assert {shot.art["framing"] for shot in shots} == {"wide", "medium", "close"}
    assert len({shot.caption for shot in shots}) == len(shots)
    assert all("onarch butterflies" in shot.caption for shot in shots)
