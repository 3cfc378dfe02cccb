"""`job.status` and `job.cancel`: the committee's view of durable work."""

from __future__ import annotations

from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from tools.errors import ToolFailed
from tools.registry import JobView, Tool, ToolContext, ToolResult


class JobArguments(BaseModel):
    model_config = ConfigDict(extra="forbid")

    job_id: UUID = Field(description="The id that was returned when the job was started.")


def job_status_tool() -> Tool:
    return Tool(
        name="job.status",
        description="Look up how far a running or finished job is.",
        arguments=JobArguments,
        run=_status,
        effect="read",
    )


def job_cancel_tool() -> Tool:
    return Tool(
        name="job.cancel",
        description="Stop a queued or running job. A finished job is left as it is.",
        arguments=JobArguments,
        run=_cancel,
        effect="job",
    )


async def _status(arguments: JobArguments, ctx: ToolContext) -> ToolResult:
    try:
        job = await ctx.jobs.get(str(arguments.job_id), owner=ctx.owner)
    except LookupError:
        raise ToolFailed(f"There is no job {arguments.job_id}.") from None
    return ToolResult(job_summary(job), job_ids=(str(job.id),))


async def _cancel(arguments: JobArguments, ctx: ToolContext) -> ToolResult:
    try:
        job = await ctx.jobs.cancel(str(arguments.job_id), owner=ctx.owner)
    except LookupError:
        raise ToolFailed(f"There is no job {arguments.job_id}.") from None
    return ToolResult(job_summary(job), job_ids=(str(job.id),))


def job_summary(job: JobView) -> dict[str, JsonValue]:
    """What a member is told about a job."""
    return {
        "job_id": str(job.id),
        "kind": job.kind,
        "status": job.status,
        "progress": job.progress,
        "stage": job.stage,
        "eta_s": job.eta_s,
        "result": job.result,
        "error": job.error,
    }
