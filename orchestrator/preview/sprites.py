"""Subjects: from the names in a spec to layers around the foreground."""

from __future__ import annotations

from orchestrator.preview.butterflies import butterfly_layers
from orchestrator.preview.layers import Layer, Stage


def subject_layers(stage: Stage) -> tuple[list[Layer], list[Layer]]:
    """(behind, before) the foreground plates."""
    behind: list[Layer] = []
    before: list[Layer] = []
    for subject in stage.art.subjects:
        if subject.sprite == "butterfly":
            back, front = butterfly_layers(stage, subject.count, subject.pose)
            behind += back
            before += front
    return behind, before
