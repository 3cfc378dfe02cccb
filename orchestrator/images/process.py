"""What a picture's child process can do: `python -m orchestrator.images.process <parent pid>`."""

from __future__ import annotations

from typing import Any

from orchestrator.jobs.child import Report, Task, serve


def find_task(name: str) -> Task:
    """The task of that name."""
    if name == "still":
        return still
    raise LookupError(f"there is no task {name!r}")


def still(arguments: dict[str, Any], report: Report) -> dict[str, Any]:
    """Draw a picture as a PNG at `path`."""
    from PIL import Image

    from orchestrator import preview

    pixels = preview.still(preview.ShotArt.from_dict(arguments["art"]), arguments["width"], arguments["height"])
    Image.fromarray(pixels[..., :3]).save(arguments["path"], "PNG")
    return {"width": pixels.shape[1], "height": pixels.shape[0]}


if __name__ == "__main__":
    serve(find_task)
