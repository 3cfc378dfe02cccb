"""The job kind `image.generate`: one still picture, drawn by the preview renderer.

Its result says what it is (`fidelity: preview`) and which things of the prompt it shows and which it does not.
"""

from __future__ import annotations

import asyncio
from io import BytesIO
from typing import Any

from orchestrator.artifacts import ArtifactStore
from orchestrator.jobs.context import JobContext
from orchestrator.jobs.model import JobKind
from orchestrator.preview import FIDELITY, RENDERER, ShotArt, choose_art
from tools.image import IMAGE_KIND, ImageRequest
from tools.seeds import derive_seed

_MEDIA_TYPE = "image/png"


def image_kind(artifacts: ArtifactStore) -> JobKind:
    """The kind. Drawing takes seconds of CPU and happens in a thread of the worker."""

    async def run(job: JobContext) -> dict[str, Any]:
        request = ImageRequest.model_validate(job.job.payload)
        return await job.stage("draw", request.model_dump(mode="json"), lambda: _draw(request, job, artifacts))

    return JobKind(name=IMAGE_KIND, payload=ImageRequest, run=run)


async def _draw(request: ImageRequest, job: JobContext, artifacts: ArtifactStore) -> dict[str, Any]:
    seed = derive_seed("image", request.prompt) if request.seed is None else request.seed
    art, depiction = choose_art(request.prompt, seed=seed, style=request.style)
    png = await asyncio.to_thread(draw_png, art, request.width, request.height)
    artifact = await artifacts.put_bytes(
        png,
        name="image.png",
        media_type=_MEDIA_TYPE,
        owner=job.job.owner,
        job_id=job.job.id,
        meta={"width": request.width, "height": request.height, "seed": seed},
    )
    return {
        "prompt": request.prompt,
        "image": artifact.view() | {"width": request.width, "height": request.height},
        "seed": seed,
        "renderer": RENDERER,
        "fidelity": FIDELITY,
        "depicted": depiction.depicted,
        "not_depicted": depiction.not_depicted,
        "not_honoured": ["negative_prompt"] if request.negative_prompt else [],
    }


def draw_png(art: ShotArt, width: int, height: int) -> bytes:
    """The picture as PNG bytes."""
    from PIL import Image

    from orchestrator.preview import still

    buffer = BytesIO()
    Image.fromarray(still(art, width, height), "RGBA").convert("RGB").save(buffer, "PNG")
    return buffer.getvalue()
