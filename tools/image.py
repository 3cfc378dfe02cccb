"""`image.generate`: one still picture, drawn by a job."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from tools.jobs import job_summary
from tools.registry import Tool, ToolContext, ToolResult
from tools.seeds import derive_seed

IMAGE_KIND = "image.generate"


class ImageRequest(BaseModel):
    """The tool's arguments and the payload of the job."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    prompt: str = Field(min_length=1, max_length=8000, description="What the picture shows.")
    width: int = Field(default=1024, ge=64, le=4096, description="Pixels.")
    height: int = Field(default=1024, ge=64, le=4096, description="Pixels.")
    seed: int | None = Field(default=None, ge=0, lt=2**32, description="Leave out to derive it from the request.")
    style: str = Field(default="", max_length=200)
    negative_prompt: str = Field(default="", max_length=2000, description="What must not be in the picture.")


def image_tool() -> Tool:
    return Tool(
        name=IMAGE_KIND,
        description="Draw one still picture from a description. Starts a job and returns its id.",
        arguments=ImageRequest,
        run=_run,
        effect="job",
        forceable=True,
    )


async def _run(request: ImageRequest, ctx: ToolContext) -> ToolResult:
    if request.seed is None:
        request = request.model_copy(update={"seed": derive_seed("tool", IMAGE_KIND, request.prompt, master=ctx.seed)})
    payload = request.model_dump(mode="json")
    job = await ctx.jobs.submit(
        IMAGE_KIND, payload, owner=ctx.owner, idempotency_key=ctx.effect_key(IMAGE_KIND, payload)
    )
    return ToolResult(job_summary(job), job_ids=(str(job.id),))
