"""Words to plates, and the honest account of what was left out."""

import pytest

from orchestrator.preview import Depiction, ShotArt, choose_art, lexicon, move_named
from orchestrator.preview.spec import FOREGROUNDS, SKIES, SPRITES, STYLES, TERRAINS, Subject

HONESTY = [
    ("monarch butterflies in a meadow at dusk", {"monarch", "butterflies", "meadow", "dusk"}, set()),
    ("a lighthouse in a storm", {"lighthouse", "storm"}, set()),
    ("a night city in rain with a lone person", {"night", "city", "rain", "person"}, set()),
    ("fishes over a coral reef", {"fishes", "coral", "reef"}, set()),
    ("a snowy mountain village", {"mountain", "village"}, set()),
    ("a train crossing a desert at sunrise", {"train", "desert", "sunrise"}, set()),
    ("a detective enters a diner at midnight", {"detective", "diner", "midnight"}, set()),
    ("a dog running on a beach", {"dog", "beach"}, set()),
    ("a forest with a cat and lanterns", {"forest", "cat", "lanterns"}, set()),
    ("the history of mathematics", set(), {"history", "mathematics"}),
    ("quantum computing explained", set(), {"computing"}),
    ("a violinist plays on a beach at sunset", {"beach", "sunset"}, {"violinist"}),
    ("the king's crown in a castle", {"castle"}, {"king", "crown"}),
    ("a lone fisherman on a lake at dawn", {"lake", "dawn"}, {"fisherman"}),
]


@pytest.mark.parametrize(("text", "drawn", "missing"), HONESTY)
def test_says_what_it_draws_and_what_it_does_not(text: str, drawn: set[str], missing: set[str]) -> None:
    _, depiction = choose_art(text, seed=1)
    assert set(depiction.depicted) == drawn
    assert set(depiction.not_depicted) == missing


# What a text states about the light holds, whatever hour the day's cycle has come to.
@pytest.mark.parametrize(
    ("text", "context", "hour", "sky", "air"),
    [
        ("a lighthouse in a storm", "", "golden hour", "storm", "rain"),
        ("a lighthouse", "a lighthouse in a storm", "dusk", "storm", "rain"),
        ("a boat on a rainy sea", "", "dawn", "overcast", "rain"),
        ("a boat in fog", "", "golden hour", "overcast", "fog"),
        ("snow on a village", "", "dusk", "overcast", "snow"),
        ("rain in the city", "", "night", "night", "rain"),
        ("an owl and a cat", "a cat at night", "day", "night", ""),
        ("a lighthouse at dusk", "", "day", "dusk", ""),
        ("the sea at dawn", "a night on the sea", "dusk", "dawn", ""),
        ("a village", "a village from dawn to dusk", "dusk", "dusk", ""),
        ("a village", "a day in a village", "night", "night", ""),
    ],
)
def test_stated_weather_and_hours_come_before_the_cycle(text: str, context: str, hour: str, sky: str, air: str) -> None:
    art, _ = choose_art(text, seed=1, context=context, time_of_day=hour)
    assert art.sky == sky
    assert not air or air in art.atmosphere


def test_a_storm_that_is_not_drawn_is_not_claimed() -> None:
    _, depiction = choose_art("a storm over a coral reef", seed=1)
    assert "storm" in depiction.not_depicted


@pytest.mark.parametrize("verb", ["Draw", "Paint", "Make me", "Show", "Film", "Please sketch", "Imagine", "Picture"])
def test_a_request_s_verb_is_no_subject(verb: str) -> None:
    _, depiction = choose_art(f"{verb} a lighthouse at dusk", seed=1)
    assert depiction == Depiction(["lighthouse", "dusk"], [])


def test_drawn_words_are_in_the_spec() -> None:
    art, _ = choose_art("two cats and a horse near a lighthouse at night", seed=4)
    assert {subject.sprite for subject in art.subjects} == {"cat", "horse", "lighthouse"}
    assert Subject("cat", 2) in art.subjects
    assert art.sky == "night"


def test_negated_things_are_neither_drawn_nor_missed() -> None:
    art, depiction = choose_art("an empty beach with no people and a dog", seed=2)
    assert [subject.sprite for subject in art.subjects] == ["dog"]
    assert "people" not in depiction.depicted + depiction.not_depicted


def test_a_word_whose_plate_lost_is_reported_missing() -> None:
    """Only one place fits a picture; the other must not be claimed."""
    art, depiction = choose_art("a desert and a city", seed=3)
    assert art.terrain == "desert"
    assert "city" in depiction.not_depicted


@pytest.mark.parametrize(
    "text", ["the history of mathematics", "quantum computing explained", "", "…", "tax law reform"]
)
def test_unknown_subjects_become_a_board_not_a_wrong_picture(text: str) -> None:
    art, depiction = choose_art(text, seed=9)
    assert art.board
    assert not art.subjects
    assert art.note == text
    assert depiction.depicted == []


# text, is it a board, terrain, sprites, words claimed, words owned up to
SETTINGS = [
    ("the history of mathematics in ancient cities", True, "horizon", [], [], ["history", "mathematics", "cities"]),
    ("a medieval city at night", True, "horizon", [], ["night"], ["city"]),
    ("ancient rome at sunset", True, "horizon", [], ["sunset"], ["rome"]),
    ("a stone age village", True, "horizon", [], [], ["stone", "age", "village"]),
    ("a futuristic city with flying cars", True, "horizon", [], [], ["city", "cars"]),
    ("a roman street with a horse", True, "horizon", ["horse"], ["horse"], ["street"]),
    ("a victorian street with a train", True, "horizon", ["train"], ["train"], ["street"]),
    ("a prehistoric hunter by a fire", False, "forest", ["fire"], ["fire"], ["hunter"]),
    ("an egyptian temple in the desert", False, "desert", [], ["desert"], ["temple"]),
    ("a viking ship on the sea", False, "sea", [], ["sea"], ["ship"]),
    ("a rocket over medieval fields", False, "meadow", [], ["fields"], ["rocket"]),
    ("a city under the sea", False, "sea", [], ["sea"], ["city"]),
    ("an astronaut on the moon", True, "horizon", ["astronaut"], ["astronaut"], ["moon"]),
    ("a magnetic field", True, "horizon", [], [], ["magnetic", "field"]),
    ("a binary tree", True, "horizon", [], [], ["binary", "tree"]),
    ("points on the complex plane", True, "horizon", [], [], ["points", "plane"]),
    ("an ancient castle by the sea", False, "coast", ["castle"], ["castle", "sea"], []),
    ("an ancient forest with deer", False, "forest", ["deer"], ["forest", "deer"], []),
    ("a modern city street with cars", False, "city", ["car"], ["city", "street", "cars"], []),
    ("a wolf howls at the moon", False, "meadow", ["dog"], ["wolf", "moon"], []),
]


@pytest.mark.parametrize(("text", "board", "terrain", "sprites", "drawn", "missing"), SETTINGS)
def test_a_period_never_gets_the_wrong_plates(
    text: str, board: bool, terrain: str, sprites: list[str], drawn: list[str], missing: list[str]
) -> None:
    art, depiction = choose_art(text, seed=1)
    assert (art.board, art.terrain) == (board, terrain)
    assert [subject.sprite for subject in art.subjects] == sprites
    assert (depiction.depicted, depiction.not_depicted) == (drawn, missing)
    assert art.note == (text if board or (missing and not set(sprites) - lexicon.FIXTURES) else "")


def test_the_film_s_period_holds_for_each_of_its_shots() -> None:
    art, depiction = choose_art("the city wakes at dawn", seed=1, context="a day in ancient Egypt")
    assert (art.board, art.terrain) == (True, "horizon")
    assert depiction == Depiction(["dawn"], ["city"])


@pytest.mark.parametrize(
    ("text", "noted"),
    [
        ("mathematics in a city", True),
        ("a violinist plays on a beach at sunset", True),
        ("the king's crown in a castle", True),
        ("dinosaurs in a jungle", True),
        ("a dog runs on a beach", False),
        ("the journey of a fox", False),
        ("a flock of birds over the sea", False),
        ("silence over the sea", False),
        ("golden light spills across the meadow", False),
        ("a knight rides a horse through a meadow", False),
    ],
)
def test_a_bare_setting_carries_the_text_as_a_note(text: str, noted: bool) -> None:
    art, _ = choose_art(text, seed=2)
    assert art.note == (text if noted else "")


def test_context_fills_in_what_a_shot_leaves_open() -> None:
    context = "a fox in a snowy forest at night"
    art, depiction = choose_art("she stops and listens", seed=5, context=context)
    assert (art.terrain, art.sky, art.board) == ("forest", "night", False)
    assert [subject.pose for subject in art.subjects] == ["fox"]
    assert depiction == Depiction([], [])


# C049
@pytest.mark.parametrize("style", [name for name in STYLES if name != "illustration"])
def test_style_words_reach_the_spec(style: str) -> None:
    art, _ = choose_art("a boat on a lake", seed=1, style=f"soft {style} look")
    assert art.style == style


@pytest.mark.parametrize(
    ("words", "move"),
    [
        ("Slow dolly in", "push_in"),
        ("PUSH IN + PAN RIGHT", "push_in"),
        ("camera pulls back", "pull_out"),
        ("pan left across the valley", "pan_left"),
        ("tilt up to the stars", "tilt_up"),
        ("static", "hold"),
        ("drift", "drift"),
        ("pan_right", "pan_right"),
        ("", None),
    ],
)
def test_names_camera_moves(words: str, move: str | None) -> None:
    assert move_named(words) == move


def test_same_words_and_seed_give_the_same_spec() -> None:
    first = choose_art("birds over a village", seed=77, shot_index=2)
    assert first == choose_art("birds over a village", seed=77, shot_index=2)
    assert first[0] != choose_art("birds over a village", seed=77, shot_index=3)[0]


def test_numbers_and_plurals_count() -> None:
    def count(text: str) -> int:
        return choose_art(text, seed=1)[0].subjects[0].count

    assert count("three boats on the sea") == 3
    assert count("a boat on the sea") == 1
    assert count("butterflies") > 10
    assert count("a hot-air balloon festival") > 4
    assert count("900 balloons") == 40


@pytest.mark.parametrize("text", ["x" * 100_000, "\x00cat", "🦊 🌲", "猫と月", "a " * 5000 + "cat"])
def test_odd_text_is_only_text(text: str) -> None:
    art, _ = choose_art(text, seed=1)
    assert ShotArt.from_dict(art.to_dict()) == art


def test_tables_name_only_what_exists() -> None:
    assert {sprite for sprite, _ in lexicon.SPRITES.values()} == set(SPRITES)
    assert set(lexicon.TERRAINS.values()) <= set(TERRAINS)
    assert set(lexicon.SKIES.values()) <= set(SKIES)
    assert set(lexicon.FOREGROUNDS.values()) <= set(FOREGROUNDS)
    assert set(lexicon.TERRAIN_SKY) == set(lexicon.TERRAIN_FOREGROUND) == set(TERRAINS)
