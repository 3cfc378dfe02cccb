"""Cards for what no plate knows: their own words, no people, never two alike, never still."""

import numpy as np
import pytest

from orchestrator.preview import ShotArt, ShotRenderer, choose_art, still
from orchestrator.preview.cards import beat, card_layers, is_card
from orchestrator.preview.layers import stage_for
from orchestrator.preview.spec import MOODS, MOVES, SKIES
from orchestrator.preview.text import _fit_title, balance, fit, text_width

W, H = 320, 180
TEXTS = ("Tardigrades debugging a COBOL mainframe", "a violin maker in Cremona", "quantum computing explained")


def difference(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a[..., :3].astype(np.int16) - b[..., :3].astype(np.int16)).mean())


@pytest.mark.parametrize("text", TEXTS)
def test_the_cards_of_a_film_differ(text: str) -> None:
    arts = [choose_art(text, seed=900 + k, shot_index=k % 4, time_of_day="day")[0] for k in range(12)]
    assert all(is_card(stage_for(art, 16 / 9)) for art in arts)
    pictures = [still(art, W // 2, H // 2) for art in arts]
    apart = [difference(one, other) for k, one in enumerate(pictures) for other in pictures[k + 1 :]]
    assert min(apart) > 4
    assert np.mean(apart) > 15


def test_a_card_has_the_shot_s_own_words() -> None:
    assert [beat(TEXTS[0], part) for part in range(3)] == [TEXTS[0], "Tardigrades", "Debugging a COBOL mainframe"]
    assert [beat(TEXTS[1], part) for part in range(3)] == ["A violin maker in Cremona", "A violin maker", "In Cremona"]
    assert beat(TEXTS[2], 5) == "Quantum computing explained"
    assert beat("", 3) == ""
    assert beat("…", 1) == "…"


@pytest.mark.parametrize("move", MOVES)
def test_a_card_is_never_still(move: str) -> None:
    renderer = ShotRenderer(ShotArt(seed=4, board=True, note=TEXTS[0], move=move), W, H)
    frames = [renderer.frame(t) for t in (0.0, 0.5, 2.0)]
    assert min(difference(frames[0], frame) for frame in frames[1:]) > 0.3
    assert np.array_equal(frames[1], renderer.frame(0.5))
    assert frames[2].min(axis=2).max() > 0


@pytest.mark.parametrize("mood", MOODS)
@pytest.mark.parametrize("sky", ["day", "night"])
def test_letters_stand_out_from_their_sheet(mood: str, sky: str) -> None:
    assert sky in SKIES
    art = ShotArt(seed=8, board=True, note=TEXTS[1], mood=mood, sky=sky)
    with_words, without = still(art, W, H), still(ShotArt.from_dict(art.to_dict() | {"note": ""}), W, H)
    assert np.abs(with_words.astype(np.int16) - without).max() > 110


@pytest.mark.parametrize(("width", "height"), [(180, 320), (64, 64), (426, 100), (16, 16)])
@pytest.mark.parametrize("note", ["", "…", "W" * 300, "雨の街を一人で歩く", "word " * 80])
def test_any_text_and_shape_makes_a_card(width: int, height: int, note: str) -> None:
    for seed in range(3):
        art = ShotArt(seed=seed, board=True, note=note, part=seed)
        assert still(art, width, height).shape == (height, width, 4)


def test_a_title_takes_the_place_of_the_words() -> None:
    art = ShotArt(seed=3, board=True, note=TEXTS[0])
    titled = ShotArt.from_dict(art.to_dict() | {"title": "Tardigrades"})
    counts = [len(list(card_layers(stage_for(each, 16 / 9)))) for each in (art, titled)]
    assert counts[0] == counts[1] + 1


@pytest.mark.parametrize("title", ["A LIGHTHOUSE IN A STORM", "THE LAST TRAIN TO THE SEA", "A VERY LONG ROAD HOME"])
def test_title_lines_are_balanced(title: str) -> None:
    lines, size, spacing = _fit_title(title, 16 / 9 * 0.84)
    widths = [text_width(line, size, "serif", spacing) for line in lines]
    assert " ".join(lines) == title
    assert min(widths) > 0.45 * max(widths)


def test_balancing_adds_no_lines_and_says_when_they_are_not_enough() -> None:
    assert balance("one two three four", 100, 0.1, 1) == ["one two three four"]
    assert balance("one two three four", 0.2, 0.1, 2) is None
    lines, _ = fit("one two three four five six seven eight nine ten", 0.8, 3, (0.2, 0.1, 0.05))
    assert len(lines) <= 3
