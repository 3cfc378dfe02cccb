"""The job kind `image.generate`: one still picture, drawn by the preview renderer.

Its result says what it is (`fidelity: preview`) and which things of the prompt it shows and which it does not.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from orchestrator.artifacts import ArtifactStore
from orchestrator.jobs.context import JobContext
from orchestrator.jobs.farm import Farm, TaskFailed, scratch_folder
from orchestrator.jobs.model import JobFailed, JobKind
from orchestrator.preview import FIDELITY, RENDERER, choose_art
from tools.image import IMAGE_KIND, ImageRequest
from tools.seeds import derive_seed

_CHILD = "orchestrator.images.process"
_MEDIA_TYPE = "image/png"
# The largest picture takes seconds on one core; a machine under load may need a hundred times that.
_DRAW_TIMEOUT_S = 600.0


def image_kind(artifacts: ArtifactStore, work_dir: Path) -> JobKind:
    """The kind. Drawing takes seconds of CPU and happens in a process of its own, which a cancellation ends."""

    async def run(job: JobContext) -> dict[str, Any]:
        request = ImageRequest.model_validate(job.job.payload)
        try:
            return await job.stage(
                "draw", request.model_dump(mode="json"), lambda: _draw(request, job, artifacts, work_dir)
            )
        except TaskFailed as error:
            raise JobFailed("render_failed", str(error)) from error

    return JobKind(name=IMAGE_KIND, payload=ImageRequest, run=run)


async def _draw(request: ImageRequest, job: JobContext, artifacts: ArtifactStore, work_dir: Path) -> dict[str, Any]:
    seed = derive_seed("image", request.prompt) if request.seed is None else request.seed
    art, depiction = choose_art(request.prompt, seed=seed, style=request.style)
    async with scratch_folder(work_dir, job.job) as work, Farm(_CHILD, 1) as farm:
        path = work / "image.png"
        task = {"art": art.to_dict(), "width": request.width, "height": request.height, "path": str(path)}
        await farm.run("still", task, timeout_s=_DRAW_TIMEOUT_S)
        artifact = await artifacts.put_file(
            path,
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
