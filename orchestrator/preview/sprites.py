"""Subjects: from the names in a spec to layers around the foreground, with places to stand and ways to move."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

import skia

from orchestrator.preview import buildings, creatures, machines, people
from orchestrator.preview.brush import Brush, Stop
from orchestrator.preview.butterflies import butterfly_layers
from orchestrator.preview.layers import Layer, Live, Plate, Stage
from orchestrator.preview.people import Variant
from orchestrator.preview.spec import Subject

Drawing = Callable[[skia.Canvas, Brush, float, Variant], None]


@dataclass(frozen=True)
class Sprite:
    """A drawing one unit high, and how it lives in a scene."""

    draw: Drawing
    height: float  # stage heights in a shot of zoom 1
    place: str  # ground | air | water | under
    motion: str = "still"  # still | stand | cross | hover | school | float
    width: float = 1.0  # relative to its height, to keep neighbours apart
    speed: float = 0.0  # sprite heights per second
    alive: Drawing | None = None  # what moves on a still sprite


SPRITES: dict[str, Sprite] = {
    "bird": Sprite(creatures.bird, 0.042, "air", "cross", speed=0.9),
    "gull": Sprite(creatures.gull, 0.15, "air", "cross", speed=0.30),
    "bee": Sprite(creatures.bee, 0.05, "air", "hover"),
    "dragon": Sprite(creatures.dragon, 0.34, "air", "hover"),
    "kite": Sprite(buildings.kite, 0.13, "air", "hover"),
    "lantern": Sprite(buildings.lantern, 0.075, "air", "float"),
    "plane": Sprite(machines.plane, 0.30, "air", "cross", speed=0.16),
    "balloon": Sprite(machines.balloon, 0.27, "air", "float"),
    "rocket": Sprite(machines.rocket, 0.36, "air", "hover"),
    "person": Sprite(people.person, 0.27, "ground", "stand", width=0.5, speed=0.25),
    "child": Sprite(people.child, 0.20, "ground", "stand", width=0.5),
    "couple": Sprite(people.couple, 0.27, "ground", "stand", width=0.9),
    "astronaut": Sprite(people.astronaut, 0.30, "ground", "stand", width=0.6),
    "robot": Sprite(people.robot, 0.30, "ground", "stand", width=0.6),
    "dog": Sprite(creatures.dog, 0.19, "ground", "cross", width=1.6, speed=0.75),
    "cat": Sprite(creatures.cat, 0.17, "ground", "stand", width=1.0),
    "horse": Sprite(creatures.horse, 0.25, "ground", "cross", width=1.5, speed=0.6),
    "deer": Sprite(creatures.deer, 0.25, "ground", "stand", width=1.2),
    "car": Sprite(machines.car, 0.105, "ground", "cross", width=2.8, speed=0.75),
    "train": Sprite(machines.train, 0.105, "ground", "cross", width=9.0, speed=0.9),
    "bicycle": Sprite(machines.bicycle, 0.20, "ground", "cross", width=1.0, speed=0.4),
    "house": Sprite(buildings.house, 0.20, "ground", width=1.5, alive=buildings.house_live),
    "lighthouse": Sprite(buildings.lighthouse, 0.52, "ground", width=0.7, alive=buildings.lighthouse_live),
    "castle": Sprite(buildings.castle, 0.40, "ground", width=1.3),
    "windmill": Sprite(buildings.windmill, 0.40, "ground", width=0.9, alive=buildings.windmill_live),
    "tree": Sprite(buildings.tree, 0.38, "ground", width=0.9),
    "lamp": Sprite(buildings.lamp, 0.34, "ground", width=0.5, alive=buildings.lamp_live),
    "tent": Sprite(buildings.tent, 0.13, "ground", width=1.9),
    "fire": Sprite(buildings.fire, 0.10, "ground", "stand", width=1.0),
    "sailboat": Sprite(machines.sailboat, 0.22, "water", "float", width=0.9),
    "ship": Sprite(machines.ship, 0.14, "water", "cross", width=3.2, speed=0.12),
    "fish": Sprite(creatures.fish, 0.075, "under", "school"),
    "whale": Sprite(creatures.whale, 0.44, "under", "school"),
    "turtle": Sprite(creatures.turtle, 0.22, "under", "school"),
    "jellyfish": Sprite(creatures.jellyfish, 0.17, "under", "float"),
}
_FACES_US = ("cat", "robot", "astronaut", "person", "child", "couple")


@dataclass(frozen=True)
class Spot:
    """One sprite in the picture: feet or middle at (x, y), `size` stage heights tall."""

    x: float
    y: float
    size: float
    facing: int
    variant: Variant
    haze: float = 0.0


def subject_layers(stage: Stage) -> tuple[list[Layer], list[Layer]]:
    """(behind, before) the foreground plates."""
    behind: list[Layer] = []
    before: list[Layer] = []
    for number, subject in enumerate(stage.art.subjects):
        if subject.sprite == "butterfly":
            back, front = butterfly_layers(stage, subject.count, subject.pose)
            behind += back
            before += front
        elif subject.sprite in SPRITES:
            behind += _sprite_layers(stage, subject, number)
    return behind, before


def _sprite_layers(stage: Stage, subject: Subject, number: int) -> list[Layer]:
    sprite = SPRITES[subject.sprite]
    rng = stage.rng(f"{subject.sprite}{number}")
    spots = _spots(stage, subject, sprite, rng, number)
    depth = 0.85 if sprite.place in ("ground", "water") else 0.8
    moving = sprite.motion != "still"
    layers: list[Layer] = []
    if not moving:
        top = min(spot.y - spot.size * 1.15 for spot in spots)
        layers.append(Plate(depth, top, max(spot.y for spot in spots) + 0.06, _still(stage, sprite, spots)))
    if moving or sprite.alive:
        layers.append(Live(depth, _moving(stage, sprite, spots, sprite.draw if moving else sprite.alive)))
    return layers


def _still(stage: Stage, sprite: Sprite, spots: list[Spot]) -> Callable[[skia.Canvas], None]:
    def paint(canvas: skia.Canvas) -> None:
        for spot in spots:
            _shadow(canvas, stage, sprite, spot.x, spot)
            _place(canvas, stage, sprite, sprite.draw, spot, (spot.x, spot.y, 0.0), 0.0)

    return paint


def _place(
    canvas: skia.Canvas,
    stage: Stage,
    sprite: Sprite,
    draw: Drawing | None,
    spot: Spot,
    at: tuple[float, float, float],
    t: float,
) -> None:
    """Draw one sprite at (x, y, tilt)."""
    x, y, tilt = at
    assert draw is not None
    canvas.save()
    canvas.translate(x, y)
    canvas.rotate(tilt)
    canvas.scale(spot.size * spot.facing, spot.size)
    if sprite.place == "under" and stage.art.sky != "underwater":
        canvas.clipRect(skia.Rect(-3, -3, 3, 0.06), True)  # half of it is still in the sea
    draw(canvas, stage.brush.lifted(0.38 if stage.palette.moon else 0.22).hazed(spot.haze), t, spot.variant)
    canvas.restore()


def _shadow(canvas: skia.Canvas, stage: Stage, sprite: Sprite, x: float, spot: Spot) -> None:
    """A soft contact shadow, or nothing stands on the ground it is drawn on."""
    if sprite.place != "ground":
        return
    wide = spot.size * min(sprite.width, 3.0) * 0.42
    stops: list[Stop] = [(0, "#050409", 0.50), (0.6, "#050409", 0.25), (1, "#050409", 0.0)]
    canvas.save()
    canvas.translate(x, spot.y)
    canvas.scale(1.0, 0.16)
    canvas.drawCircle(0, 0, wide, stage.brush.unlit().radial((0, 0), wide, stops))
    canvas.restore()


def _wake(canvas: skia.Canvas, stage: Stage, sprite: Sprite, spot: Spot, x: float, t: float) -> None:
    """Broken water along the hull."""
    foam = stage.brush.lifted(0.45)
    for k in range(9):
        f = (k - 4) / 4
        wide = spot.size * sprite.width * 0.10 * (1.2 - abs(f) * 0.5)
        cx = x + f * spot.size * sprite.width * 0.46 + 0.003 * math.sin(1.7 * t + k)
        cy = spot.y + spot.size * 0.035 + 0.0015 * math.sin(2.1 * t + 2 * k)
        canvas.drawOval(skia.Rect(cx - wide, cy - wide * 0.13, cx + wide, cy + wide * 0.13), foam.fill("#f4fbff", 0.34))


def _moving(
    stage: Stage, sprite: Sprite, spots: list[Spot], draw: Drawing | None
) -> Callable[[skia.Canvas, float], None]:
    middle = stage.art.duration_s / 2

    def paint(canvas: skia.Canvas, t: float) -> None:
        for spot in spots:
            x, y, tilt = _motion(sprite, spot, t, middle)
            if draw is sprite.draw and sprite.motion != "still":
                _shadow(canvas, stage, sprite, x, spot)
            _place(canvas, stage, sprite, draw, spot, (x, y, tilt), t)
            if sprite.place in ("water", "under") and stage.art.sky != "underwater":
                _wake(canvas, stage, sprite, spot, x, t)

    return paint


def _motion(sprite: Sprite, spot: Spot, t: float, middle: float) -> tuple[float, float, float]:
    """(x, y, tilt in degrees) at t; crossing sprites are where they were placed in the middle of the shot."""
    x, y = spot.x, spot.y
    phase = 6.28 * spot.variant.b
    match sprite.motion:
        case "cross":
            x += spot.facing * sprite.speed * spot.size * (t - middle)
            if sprite.place == "air":
                y += spot.size * 0.12 * math.sin(1.1 * t + phase)
            return x, y, 0.0
        case "stand" if spot.variant.pose == "walking":
            return x + spot.facing * 0.22 * spot.size * (t - middle), y, 0.0
        case "hover":
            x += spot.size * (0.16 * math.sin(0.9 * t + phase) + 0.06 * math.sin(2.1 * t))
            y += spot.size * 0.12 * math.sin(1.3 * t + phase)
            return x, y, 4 * math.sin(0.8 * t + phase)
        case "school":
            x += spot.facing * (0.03 + 0.02 * spot.variant.c) * (t - middle)
            y += spot.size * 0.10 * math.sin(0.9 * t + phase)
            return x, y, 3 * math.sin(0.7 * t + phase)
        case "float":
            x += 0.012 * math.sin(0.35 * t + phase)
            y += (0.010 if sprite.place == "air" else 0.004) * math.sin(0.8 * t + phase)
            return x, y, 1.6 * math.sin(0.7 * t + phase)
        case _:
            return x, y, 0.0


def _variant(rng: Random, pose: str) -> Variant:
    return Variant(pose, rng.random(), rng.random(), rng.random())


def _cast(stage: Stage, subject: Subject, number: int, k: int, rng: Random) -> Variant:
    """The k-th of its kind. Whoever is first looks the same in every shot of a film, whatever the shot's seed."""
    own = _variant(rng, subject.pose)  # drawn for everyone, so that who comes next does not change
    if k:
        return own
    return _variant(Random(f"{subject.sprite}:{subject.pose}:{number}:{stage.art.style}"), subject.pose)


def _spots(stage: Stage, subject: Subject, sprite: Sprite, rng: Random, number: int) -> list[Spot]:
    if sprite.place == "ground":
        return _ground_spots(stage, subject, sprite, rng, number)
    if sprite.place == "water" or (sprite.place == "under" and stage.art.sky != "underwater"):
        return _water_spots(stage, subject, sprite, rng, number)
    return _air_spots(stage, subject, sprite, rng, number)


def _ground_spots(stage: Stage, subject: Subject, sprite: Sprite, rng: Random, number: int) -> list[Spot]:
    """The first at the subject's place, the rest further off to both sides, smaller with distance."""
    spots = []
    toward = -1 if stage.side > stage.aspect / 2 else 1
    indoors = stage.art.terrain in ("room", "diner") and stage.art.framing != "close"
    size = sprite.height * stage.zoom * (1.9 if indoors else 1.0)
    limit = (stage.ground - 0.06) / size  # keep heads in the picture
    size *= min(1.0, max(0.3, limit))
    for k in range(subject.count):
        back = 0.0 if k == 0 else rng.uniform(0.12, 0.62)
        offset = number * (0.26 + 0.5 * size * sprite.width)
        x = stage.side + toward * offset * stage.unit
        if k:
            x += (1 if k % 2 else -1) * ((k + 1) // 2) * size * max(0.55, sprite.width) * rng.uniform(0.75, 1.05)
        far = 0.5 if sprite.motion == "still" and len(stage.art.subjects) > 1 else 0.8 * back
        y = stage.ground - far * (stage.ground - stage.horizon)
        facing = toward if sprite.motion == "cross" or rng.random() < 0.7 else -toward
        if subject.sprite == "lighthouse" and stage.art.terrain == "coast":
            out = 1 if stage.side > stage.aspect / 2 else -1
            x = min(stage.aspect - 0.12, max(0.12, stage.side + 0.16 * out * stage.unit))
            y = stage.horizon - 0.125 * (0.85 + 0.2 * stage.zoom)
            size = min(size, (y - 0.05) / 1.02)
        if stage.art.terrain in ("room", "diner") and stage.art.framing == "close":
            size, y = _near_by(sprite, stage), 1.30 if sprite.height > 0.19 else 0.97
        spots.append(
            Spot(x, y, size * (1 - 0.62 * back), facing, _cast(stage, subject, number, k, rng), haze=0.22 * back)
        )
    return sorted(spots, key=lambda spot: spot.y)


def _near_by(sprite: Sprite, stage: Stage) -> float:
    """Indoors a close shot shows people from the waist up, a cat nearly as large."""
    return (3.7 if sprite.height > 0.19 else 3.2) * sprite.height * stage.unit


def _water_spots(stage: Stage, subject: Subject, sprite: Sprite, rng: Random, number: int) -> list[Spot]:
    spots = []
    size = sprite.height * stage.zoom
    toward = -1 if stage.side > stage.aspect / 2 else 1
    for k in range(subject.count):
        back = 0.35 if k == 0 else rng.uniform(0.45, 0.92)
        x = stage.side + toward * number * 0.3
        if k:
            x = stage.aspect * ((k * 0.618 + 0.2 * rng.random()) % 1.0)
        y = stage.horizon + (1 - stage.horizon) * 0.55 * (1 - back)
        spots.append(Spot(x, y, size * (1.15 - back), toward, _cast(stage, subject, number, k, rng), haze=0.35 * back))
    return sorted(spots, key=lambda spot: spot.y)


def _air_spots(stage: Stage, subject: Subject, sprite: Sprite, rng: Random, number: int) -> list[Spot]:
    """One hero on the subject's side; a crowd fills the sky by depth, the far ones first."""
    under = stage.art.sky == "underwater"
    low = 0.80 if under or stage.art.sky == "space" else stage.horizon - 0.06
    size = sprite.height * (0.5 + 0.5 * stage.zoom)
    toward = -1 if stage.side > stage.aspect / 2 else 1
    if subject.count == 1:
        y = low * (0.62 if sprite.height > 0.3 else 0.48) + 0.1 * sprite.height
        x = stage.side + toward * number * 0.3
        return [
            Spot(
                x,
                y + _drop(subject),
                min(size * (3.0 if sprite.height < 0.06 else 1.15), 0.62),
                toward,
                _cast(stage, subject, number, 0, rng),
            )
        ]
    if subject.count <= 5 and sprite.height < 0.06:
        size *= 2.4  # a few birds are the subject; a flock is weather
    spots = []
    for k in range(subject.count):
        near = ((k + 0.5) / subject.count) ** 1.6
        golden = (k * 0.618034 + rng.uniform(-0.05, 0.05)) % 1.0
        x = stage.aspect * (0.16 + 0.68 * golden if subject.count <= 5 else -0.02 + 1.04 * golden)
        y = 0.10 + (low - 0.10) * ((k * 0.754878 + rng.uniform(-0.08, 0.08)) % 1.0) * (0.92 if under else 1.0)
        scale = 0.30 + 0.80 * near
        haze = (1 - near) * (0.45 if under else 0.32)
        facing = toward if rng.random() < 0.85 else -toward
        spots.append(Spot(x, y + _drop(subject) * scale, size * scale, facing, _variant(rng, subject.pose), haze=haze))
    return sorted(spots, key=lambda spot: spot.size)


def _drop(subject: Subject) -> float:
    """Balloons and rockets are drawn upwards from their foot, other flyers about their middle."""
    return {"balloon": 0.10, "rocket": 0.12}.get(subject.sprite, 0.0)
