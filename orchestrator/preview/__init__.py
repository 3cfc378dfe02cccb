"""The preview renderer: illustrations and animated shots drawn from a spec, without any model.

`choose_art` turns words into a `ShotArt` and says what it leaves out; `ShotRenderer` draws frames of it, `still` one
picture, `storyboard_panel` a board. It is a 2.5D multiplane illustration from a library of plates, and calls itself
that (`RENDERER`, `FIDELITY` belong in every manifest). May import nothing of the house but errors and settings.

The drawing library loads when a picture is first drawn; choosing and reading specs stays cheap.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchestrator.preview.choose import choose_art, move_named
from orchestrator.preview.spec import Depiction, ShotArt, Subject

if TYPE_CHECKING:
    from orchestrator.preview.board import storyboard_panel
    from orchestrator.preview.renderer import ShotRenderer, still

RENDERER = "procedural-preview"
FIDELITY = "preview"

__all__ = [
    "FIDELITY",
    "RENDERER",
    "Depiction",
    "ShotArt",
    "ShotRenderer",
    "Subject",
    "choose_art",
    "move_named",
    "still",
    "storyboard_panel",
]

_DRAWN_BY = {"ShotRenderer": "renderer", "still": "renderer", "storyboard_panel": "board"}


def __getattr__(name: str) -> Any:
    if name not in _DRAWN_BY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_DRAWN_BY[name]}"), name)
