"""Panels: everything in its box, whatever the length of the text."""

import numpy as np
import pytest
import skia

from orchestrator.preview import ShotRenderer, choose_art, still, storyboard_panel
from orchestrator.preview.board import camera_frames
from orchestrator.preview.spec import MOVES, ShotArt
from orchestrator.preview.text import ellipsize, text_width, wrap

W, H = 480, 270
LONG = "and then the long road turned once more towards the hills " * 12


def panel(art: ShotArt, **changes: object) -> np.ndarray:
    words: dict[str, object] = {
        "slug": "SC 01 / SHOT 010",
        "timecode_in": "00:00:00:00",
        "timecode_out": "00:00:08:00",
        "lens_mm": 24,
        "seed": 7,
        "caption": "At dusk, monarchs rise from the meadow.",
        "narration": "At dusk, the monarchs rise.",
    }
    return storyboard_panel(art, width=W, height=H, **{**words, **changes})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def art() -> ShotArt:
    return choose_art("a train in the desert at noon", seed=3)[0]


def test_is_an_opaque_card_with_art_and_text(art: ShotArt) -> None:
    picture = panel(art)
    assert picture.shape == (H, W, 4)
    assert (picture[..., 3] == 255).all()
    card = picture[2, 2, :3]
    assert card.max() < 60
    assert picture[int(H * 0.3) : int(H * 0.7), W // 4 : W // 2, :3].std() > 10
    caption = picture[int(H * 0.885) : int(H * 0.93), : W // 2, :3]
    assert caption.max() > 180


def test_the_art_is_desaturated(art: ShotArt) -> None:
    region = panel(art, move="x")[int(H * 0.1) : int(H * 0.8), int(W * 0.1) : int(W * 0.9), :3].astype(np.int16)
    assert np.median(region.max(axis=2) - region.min(axis=2)) < 60


@pytest.mark.parametrize(
    "changes",
    [
        {"slug": LONG},
        {"caption": LONG},
        {"narration": LONG},
        {"caption": "W" * 900, "narration": "W" * 900, "slug": "W" * 300},
        {"timecode_in": "9" * 200},
        {"move": LONG},
        {"caption": "", "narration": ""},
        {"caption": "雨の街を一人で歩く", "narration": "Ω 🦋 \n\t two lines"},
    ],
)
def test_text_never_leaves_the_card(art: ShotArt, changes: dict[str, object]) -> None:
    """The outer rim of the card stays the card's own colour."""
    picture = panel(art, **changes)[..., :3].astype(np.int16)
    card = picture[0, 0]
    for rim in (picture[:2], picture[-2:], picture[:, : W // 16], picture[:, -W // 16 :]):
        assert np.abs(rim - card).max() <= 2


@pytest.mark.parametrize("move", MOVES)
def test_every_move_has_its_frames_and_label(art: ShotArt, move: str) -> None:
    marked = ShotArt.from_dict(art.to_dict() | {"move": move})
    picture = panel(marked)[..., :3].astype(np.int16)
    yellow = (picture[..., 0] > 200) & (picture[..., 1] > 150) & (picture[..., 2] < 110)
    assert yellow.sum() > 30


def _moved(move: str) -> ShotArt:
    return ShotArt(seed=11, sky="day", terrain="mountains", framing="medium", move=move)


@pytest.mark.parametrize("move", [move for move in MOVES if move != "hold"])
def test_the_frames_are_what_the_film_shows(move: str) -> None:
    """A cut out of the board's art is the first picture of the shot, B the last; either is nearer than the other."""
    art = _moved(move)
    whole = skia.Image.fromarray(still(_moved("hold"), W, H), colorType=skia.kRGBA_8888_ColorType)
    renderer = ShotRenderer(art, W, H)
    first, last = (renderer.frame(t)[..., :3].astype(np.int16) for t in (0.0, art.duration_s))
    cuts = []
    for left, top, right, bottom in camera_frames(art, W / H):
        surface = skia.Surface(W, H)
        part = skia.Rect(left * W, top * H, right * W, bottom * H)
        with surface as canvas:
            canvas.drawImageRect(whole, part, skia.Rect(W, H), skia.SamplingOptions(skia.FilterMode.kLinear))
        cuts.append(surface.toarray(colorType=skia.kRGBA_8888_ColorType)[..., :3].astype(np.int16))
    for mine, film, other in ((cuts[0], first, last), (cuts[1], last, first)):
        assert np.abs(mine - film).mean() < 0.8 * np.abs(mine - other).mean()


def test_a_move_is_large_enough_to_see() -> None:
    a, b = camera_frames(_moved("push_in"))
    assert a[2] - a[0] > 0.97
    assert 0.70 < b[2] - b[0] < 0.78
    assert camera_frames(_moved("pull_out"))[0] == pytest.approx(b, abs=0.01)
    a, b = camera_frames(_moved("pan_right"))
    assert b[0] - a[0] > 0.19
    assert camera_frames(_moved("pan_left"))[0] == pytest.approx(b, abs=0.01)
    a, b = camera_frames(_moved("tilt_up"))
    assert a[1] - b[1] > 0.16


def test_wrapping_is_honest_about_what_it_cut() -> None:
    lines = wrap(LONG, 3.0, 0.2, 2)
    assert len(lines) == 2
    assert lines[-1].endswith("…")
    assert all(text_width(line, 0.2) <= 3.0 for line in lines)
    assert wrap("short", 3.0, 0.2, 2) == ["short"]
    assert wrap("", 3.0, 0.2, 2) == []
    assert ellipsize("word", 100, 0.2) == "word"
