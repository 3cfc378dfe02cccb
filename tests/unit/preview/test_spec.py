"""A spec survives JSON, and refuses values the renderer would not know."""

import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.preview.spec import (
    ATMOSPHERES,
    FOREGROUNDS,
    FRAMINGS,
    MOODS,
    MOVES,
    SKIES,
    SPRITES,
    STYLES,
    TERRAINS,
    ShotArt,
    Subject,
)

subjects = st.builds(Subject, st.sampled_from(SPRITES), st.integers(1, 40), st.text(max_size=8))
arts = st.builds(
    ShotArt,
    seed=st.integers(0, 2**32 - 1),
    duration_s=st.floats(0.01, 3600),
    sky=st.sampled_from(SKIES),
    terrain=st.sampled_from(TERRAINS),
    foreground=st.sampled_from(FOREGROUNDS),
    subjects=st.lists(subjects, max_size=5).map(tuple),
    atmosphere=st.lists(st.sampled_from(ATMOSPHERES), max_size=3).map(tuple),
    mood=st.sampled_from(MOODS),
    style=st.sampled_from(STYLES),
    framing=st.sampled_from(FRAMINGS),
    move=st.sampled_from(MOVES),
    title=st.text(max_size=40),
    caption=st.text(max_size=40),
    board=st.booleans(),
    note=st.text(max_size=40),
)


@given(arts)
def test_round_trips_through_json(art: ShotArt) -> None:
    assert ShotArt.from_dict(json.loads(json.dumps(art.to_dict()))) == art


def test_ignores_fields_of_later_versions() -> None:
    data = ShotArt(seed=1).to_dict() | {"weather_model": "v9"}
    assert ShotArt.from_dict(data) == ShotArt(seed=1)


@pytest.mark.parametrize(
    "wrong",
    [
        {"sky": "plaid"},
        {"terrain": ""},
        {"atmosphere": ["confetti"]},
        {"style": "cubist"},
        {"move": "barrel_roll"},
        {"duration_s": 0},
        {"duration_s": float("nan")},
    ],
)
def test_refuses_unknown_values(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="must be"):
        ShotArt.from_dict(ShotArt(seed=1).to_dict() | wrong)


def test_needs_a_seed() -> None:
    with pytest.raises(ValueError, match="seed"):
        ShotArt.from_dict({"sky": "dusk"})


def test_choosing_does_not_load_the_drawing_library() -> None:
    script = "import sys, orchestrator.preview as p; p.choose_art('a cat', seed=1); print('skia' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
