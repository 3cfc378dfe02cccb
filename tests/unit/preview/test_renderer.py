"""Frames: deterministic, opaque, alive, the same picture at every size, and different from each other where asked."""

from random import Random

import numpy as np
import pytest

from orchestrator.preview import ShotArt, ShotRenderer, Subject, butterflies, choose_art, still, waters
from orchestrator.preview.camera import Camera
from orchestrator.preview.layers import stage_for
from orchestrator.preview.spec import FOREGROUNDS, MOVES, SKIES, SPRITES, STYLES, TERRAINS
from orchestrator.preview.sprites import SPRITES as DRAWN
from orchestrator.preview.sprites import _spots, _variant

W, H = 320, 180
NATURAL_SKY = {"seabed": "underwater", "planet": "space", "orbit": "space"}


def difference(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a[..., :3].astype(np.int16) - b[..., :3].astype(np.int16)).mean())


def art_for(terrain: str, **changes: object) -> ShotArt:
    values: dict[str, object] = {"seed": 5, "sky": NATURAL_SKY.get(terrain, "dusk"), "terrain": terrain, "move": "hold"}
    return ShotArt(**{**values, **changes})  # type: ignore[arg-type]


def test_every_named_sprite_can_be_drawn() -> None:
    assert set(DRAWN) | {"butterfly"} == set(SPRITES)


def test_frames_are_opaque_rgba_of_the_asked_size() -> None:
    frame = still(art_for("meadow"), W, H)
    assert frame.shape == (H, W, 4)
    assert frame.dtype == np.uint8
    assert (frame[..., 3] == 255).all()
    assert frame.flags.c_contiguous


def test_a_frame_depends_on_nothing_but_spec_size_and_time() -> None:
    art, _ = choose_art("monarch butterflies in a meadow at dusk with rain", seed=7, title="Dusk")
    one, two = ShotRenderer(art, W, H), ShotRenderer(art, W, H)
    forward = [one.frame(t) for t in (0.0, 1.0, 2.5)]
    backward = [two.frame(t) for t in (2.5, 1.0, 0.0)][::-1]
    for a, b in zip(forward, backward, strict=True):
        assert np.array_equal(a, b)


def test_frames_do_not_share_memory() -> None:
    renderer = ShotRenderer(art_for("meadow", subjects=(Subject("butterfly", 9),)), W, H)
    first = renderer.frame(0.0)
    kept = first.copy()
    renderer.frame(2.0)
    assert np.array_equal(first, kept)


def test_channels_are_red_green_blue() -> None:
    sky = still(art_for("horizon", sky="day", style="illustration"), W, H)[4:12, W // 2 : W // 2 + 20].mean(axis=(0, 1))
    assert sky[2] > sky[0] + 30  # a day sky is blue, not brown


def test_other_seeds_give_other_pictures() -> None:
    assert difference(still(art_for("meadow", seed=1), W, H), still(art_for("meadow", seed=2), W, H)) > 4


# A held shot must never look frozen to a viewer or to a freeze detector (tolerance 0.001, i.e. 0.255 of 255).
@pytest.mark.parametrize("terrain", TERRAINS)
def test_no_plate_set_freezes(terrain: str) -> None:
    renderer = ShotRenderer(art_for(terrain), W, H)
    first = renderer.frame(0.0)
    later = [difference(first, renderer.frame(t)) for t in (0.5, 1.0, 2.0)]
    assert max(later) > 0.3, later
    assert first[..., :3].std() > 8  # and it is not an empty card


@pytest.mark.parametrize("sky", SKIES)
def test_every_sky_is_alive_and_fills_the_picture(sky: str) -> None:
    renderer = ShotRenderer(art_for("horizon", sky=sky), W, H)
    first = renderer.frame(0.0)
    assert difference(first, renderer.frame(2.0)) > 0.25
    assert first[: H // 3, :, :3].max() > 15


@pytest.mark.parametrize("foreground", [name for name in FOREGROUNDS if name != "none"])
def test_every_foreground_is_seen(foreground: str) -> None:
    bare = still(art_for("snow", sky="day"), W, H)
    changed = still(art_for("snow", sky="day", foreground=foreground), W, H).astype(np.int16) - bare
    assert (np.abs(changed).max(axis=2) > 12).mean() > 0.008


@pytest.mark.parametrize("sprite", SPRITES)
def test_every_sprite_is_seen(sprite: str) -> None:
    where = "seabed" if sprite in ("fish", "whale", "turtle", "jellyfish") else "horizon"
    bare = still(art_for(where, framing="medium"), W, H)
    with_it = still(art_for(where, framing="medium", subjects=(Subject(sprite, 1),)), W, H)
    changed = (np.abs(bare.astype(np.int16) - with_it.astype(np.int16)).max(axis=2) > 12).mean()
    assert changed > 0.0006


# C049
def test_styles_look_different_from_each_other() -> None:
    base = art_for("village", subjects=(Subject("house", 2),))
    pictures = {style: still(ShotArt(**{**base.__dict__, "style": style}), W, H) for style in STYLES}
    names = list(pictures)
    for i, one in enumerate(names):
        for other in names[i + 1 :]:
            assert difference(pictures[one], pictures[other]) > 3, (one, other)
    noir = pictures["noir"][..., :3].astype(np.int16)
    assert np.abs(noir[..., 0] - noir[..., 2]).mean() < 12  # black and white


def test_framings_of_one_place_differ() -> None:
    pictures = [still(art_for("mountains", framing=framing), W, H) for framing in ("wide", "medium", "close")]
    assert difference(pictures[0], pictures[1]) > 5
    assert difference(pictures[1], pictures[2]) > 5


PLACES = ("meadow", "sea", "coast", "desert", "forest", "snow", "seabed", "city", "village", "mountains", "lake")


@pytest.mark.parametrize("terrain", PLACES)
def test_shots_of_one_place_and_hour_do_not_look_alike(terrain: str) -> None:
    """Land, sky and framing differ even when the place, the light and the subject stay."""
    foreground = "flowers" if terrain == "meadow" else "none"
    sky = NATURAL_SKY.get(terrain, "golden_hour") if terrain != "seabed" else "underwater"
    pictures = [
        still(art_for(terrain, seed=60 + k, sky=sky, framing=framing, foreground=foreground), W // 2, H // 2)
        for k, framing in enumerate(("wide", "medium", "close", "wide", "medium", "close"))
    ]
    apart = [difference(one, other) for k, one in enumerate(pictures) for other in pictures[k + 1 :]]
    assert min(apart) > 2.5
    assert np.mean(apart) > 8


def test_a_close_shot_of_a_meadow_lies_in_the_grass() -> None:
    art = art_for("meadow", framing="close", foreground="flowers", subjects=(Subject("butterfly", 24),))
    assert stage_for(art, 16 / 9).view == "macro"
    renderer = ShotRenderer(art, W, H)
    assert difference(renderer.frame(0.0), renderer.frame(1.5)) > 0.5
    for changes in ({"sky": "night"}, {"subjects": (Subject("horse"),)}, {"foreground": "rocks"}):
        other = ShotArt(**{**art.__dict__, **changes})
        assert stage_for(other, 16 / 9).view != "macro"  # stars, a horse or rocks would not be seen


def test_a_cat_keeps_its_coat_from_shot_to_shot() -> None:
    cat = Subject("cat")
    for seed in (1, 2, 3):
        stage = stage_for(art_for("horizon", seed=seed, subjects=(cat,)), 16 / 9)
        (spot,) = _spots(stage, cat, DRAWN["cat"], stage.rng("cat0"), 0)
        assert spot.variant == _variant(Random("cat::0:illustration"), "")


@pytest.mark.parametrize("seed", range(6))
def test_no_butterfly_is_seen_edge_on(seed: int) -> None:
    """Both wings keep some width, each on its own side of the body, through every beat."""
    stage = stage_for(art_for("meadow", seed=seed, subjects=(Subject("butterfly", 24),)), 16 / 9)
    for flight in butterflies._flights(stage, stage.rng("test"), 24, (0.1, 0.1), 0.1):
        for k in range(60):
            _, _, tail, sides = butterflies._pose(flight, k / 12)
            for side, out in sides:
                assert (out[1] * tail[0] - out[0] * tail[1]) * side > 0.12


def test_drawing_in_place_gives_the_same_picture() -> None:
    renderer = ShotRenderer(art_for("lake", subjects=(Subject("lantern", 4),)), W, H)
    rgba = renderer.frame(1.0)
    assert np.array_equal(renderer.draw(1.0)[..., [2, 1, 0, 3]], rgba)
    assert renderer.draw(2.0) is renderer.draw(1.0)


def test_composition_does_not_depend_on_resolution() -> None:
    art, _ = choose_art("a lighthouse on a coast at sunset", seed=3)
    small, large = still(art, W, H), still(art, W * 3, H * 3)
    shrunk = large.reshape(H, 3, W, 3, 4).mean(axis=(1, 3))
    assert difference(small, shrunk.astype(np.uint8)) < 4


@pytest.mark.parametrize(("width", "height"), [(16, 16), (64, 64), (180, 320), (426, 100), (130, 98)])
def test_any_shape_works(width: int, height: int) -> None:
    art, _ = choose_art("a dog and a kite on a beach", seed=3, title="The kite", caption="On the beach")
    assert still(art, width, height).shape == (height, width, 4)


@pytest.mark.parametrize(("width", "height"), [(0, 100), (100, 8000), (-4, 4)])
def test_refuses_impossible_sizes(width: int, height: int) -> None:
    with pytest.raises(ValueError, match="pixels"):
        ShotRenderer(art_for("meadow"), width, height)


@pytest.mark.parametrize("move", MOVES)
def test_no_move_shows_the_edge_of_a_plate(move: str) -> None:
    """A plate painted too small would let the black canvas or a hard seam show at the border."""
    renderer = ShotRenderer(art_for("meadow", sky="day", move=move, foreground="flowers"), W, H)
    for t in (0.0, 2.0, 4.0):
        frame = renderer.frame(t)[..., :3].astype(np.int16)
        for edge, inside in ((frame[:, 0], frame[:, 4]), (frame[:, -1], frame[:, -5])):
            assert np.abs(edge[: H // 2] - inside[: H // 2]).mean() < 10
        assert frame[:, 0].max(axis=1).min() > 0


@pytest.mark.parametrize("move", MOVES)
def test_moves_are_smooth(move: str) -> None:
    camera = Camera(move, 4.0)
    views = [camera.at(k / 60) for k in range(241)]
    for name in ("x", "y", "zoom"):
        path = np.array([getattr(view, name) for view in views])
        assert np.abs(np.diff(path)).max() < 0.006
        assert np.abs(np.diff(path, 2)).max() < 0.0004


@pytest.mark.parametrize("air", ["rain", "snow", "fog"])
def test_no_sun_shines_through_falling_weather(air: str) -> None:
    clear, closed = art_for("sea", sky="golden_hour"), art_for("sea", sky="golden_hour", atmosphere=(air,))
    assert stage_for(clear, 16 / 9).palette.sun_height > 0
    assert stage_for(closed, 16 / 9).palette.sun_height < 0
    assert difference(still(clear, W, H), still(closed, W, H)) > 8


def test_a_headland_stands_in_the_water() -> None:
    """Its foot is level, at the water line, and foam moves along it."""
    stage = stage_for(art_for("coast", subjects=(Subject("lighthouse"),)), 16 / 9)
    foot = [y - stage.horizon for _, y in waters._cliff_foot(stage)]
    assert min(foot) > 0.02
    assert max(foot) < 0.09
    renderer = ShotRenderer(stage.art, W, H)
    top, low = round(H * (stage.horizon + 0.02)), round(H * (stage.horizon + 0.10))
    at = slice(round(W * stage.side / stage.aspect) - 20, round(W * stage.side / stage.aspect) + 20)
    assert difference(renderer.frame(0.0)[top:low, at], renderer.frame(1.4)[top:low, at]) > 2


def test_a_storm_is_dark_and_its_sea_is_rough() -> None:
    calm, storm = (ShotRenderer(art_for("coast", sky=sky), W, H) for sky in ("golden_hour", "storm"))
    assert storm.frame(0.2)[: H // 2, :, :3].mean() < 0.6 * calm.frame(0.2)[: H // 2, :, :3].mean()
    moved = [difference(one.frame(0.2)[H // 2 :], one.frame(0.5)[H // 2 :]) for one in (calm, storm)]
    assert moved[1] > moved[0]


def test_the_title_fades_in_and_out() -> None:
    plain, titled = art_for("meadow"), art_for("meadow", title="Butterflies")
    without, with_title = ShotRenderer(plain, W, H), ShotRenderer(titled, W, H)
    marks = [difference(without.frame(t), with_title.frame(t)) for t in (0.0, 2.0, 4.0)]
    assert marks[0] == 0
    assert marks[1] > 0.5
    assert marks[2] == 0


def test_captions_are_burned_only_when_asked() -> None:
    plain = still(art_for("meadow"), W, H)
    burned = still(art_for("meadow", caption="A meadow."), W, H)
    changed = np.argwhere(np.abs(plain.astype(np.int16) - burned.astype(np.int16)).max(axis=2) > 20)
    assert len(changed) > 40
    assert changed[:, 0].min() > H * 0.8
