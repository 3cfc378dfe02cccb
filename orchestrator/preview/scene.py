"""Puts a shot together: sky, land, subjects and foreground in the order the camera sees them."""

from __future__ import annotations

from orchestrator.preview.foreground import foreground_layers
from orchestrator.preview.layers import Layer, Stage
from orchestrator.preview.skies import sky_layers
from orchestrator.preview.sprites import subject_layers
from orchestrator.preview.terrains import terrain_layers


def compose(stage: Stage) -> list[Layer]:
    """Layers from back to front; the first one is opaque and fills the picture."""
    layers = [*sky_layers(stage), *terrain_layers(stage)]
    behind, before = subject_layers(stage)
    return [*layers, *behind, *foreground_layers(stage), *before]
