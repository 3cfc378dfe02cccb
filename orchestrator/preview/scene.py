"""Puts a shot together: sky, land, subjects and foreground in the order the camera sees them."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.preview.atmosphere import air_layers, haze_layers
from orchestrator.preview.cards import card_layers, is_card
from orchestrator.preview.foreground import foreground_layers
from orchestrator.preview.grammar import board_layers
from orchestrator.preview.layers import Layer, Stage
from orchestrator.preview.macro import macro_before, macro_behind
from orchestrator.preview.places import PLACES, place_layers
from orchestrator.preview.skies import sky_layers
from orchestrator.preview.sprites import subject_layers
from orchestrator.preview.terrains import land_layers
from orchestrator.preview.vistas import flare_layers
from orchestrator.preview.waters import WATERS, water_layers


def compose(stage: Stage) -> list[Layer]:
    """Layers from back to front; the first one is opaque and fills the picture."""
    if is_card(stage):
        return list(card_layers(stage))
    behind, before = subject_layers(stage)
    if stage.art.board:
        behind = [*board_layers(stage), *behind]
    indoors = stage.art.terrain in ("room", "diner")
    weather = list(air_layers(stage))
    if stage.view == "macro":
        return [*macro_behind(stage), *behind, *macro_before(stage), *before, *weather]
    return [
        *sky_layers(stage),
        *(weather if indoors else []),  # it rains behind the window
        *_terrain(stage),
        *haze_layers(stage),
        *behind,
        *foreground_layers(stage),
        *before,
        *flare_layers(stage),
        *([] if indoors else weather),
    ]


def _terrain(stage: Stage) -> Iterator[Layer]:
    if stage.art.terrain in WATERS:
        yield from water_layers(stage)
    elif stage.art.terrain in PLACES:
        yield from place_layers(stage)
    else:
        yield from land_layers(stage)
