"""The registry: names, validation, failures that come back as results."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict

from tools.errors import ToolFailed, ToolRetry, UnknownTool
from tools.film import film_tool
from tools.image import image_tool
from tools.jobs import job_cancel_tool, job_status_tool
from tools.registry import FILM1_TOOLS, Tool, ToolContext, ToolRegistry, ToolResult
from tools.seeds import derive_seed


class Echo(BaseModel):
    model_config = ConfigDict(extra="forbid")

    text: str
    times: int = 1


def echo(run: Any = None, **options: Any) -> Tool:
    async def say(arguments: Echo, ctx: ToolContext) -> ToolResult:
        return ToolResult({"said": arguments.text * arguments.times, "seed": ctx.seed})

    return Tool("test.echo", "Says it again.", Echo, run or say, "read", **options)


class NoJobs:
    """A port behind which there is nothing."""

    async def submit(self, *_: Any, **__: Any) -> Any:
        raise AssertionError

    async def get(self, job_id: str, *, owner: str) -> Any:
        raise LookupError(job_id)

    async def cancel(self, job_id: str, *, owner: str) -> Any:
        raise LookupError(job_id)


CTX = ToolContext(owner="ann", run_id="r", seed=7, user_text="hi", jobs=NoJobs(), base_url="http://x")


@pytest.mark.parametrize("name", ["test.echo", "test_echo"])
async def test_dotted_and_wire_names(name: str) -> None:
    registry = ToolRegistry([echo()])
    assert (await registry.invoke(name, {"text": "a", "times": "2"}, CTX)).data["said"] == "aa"
    assert registry.names() == ["test.echo"]
    assert [spec.name for spec in registry.specs()] == ["test_echo"]


async def test_arguments_are_validated() -> None:
    result = await ToolRegistry([echo()]).invoke("test.echo", {"times": 2, "other": 1}, CTX)
    assert result.error is not None
    assert "text: Field required" in result.error
    assert "other" in result.error


@pytest.mark.parametrize("name", sorted(FILM1_TOOLS))
async def test_film1_is_refused_with_its_reason(name: str) -> None:  # C044
    registry = ToolRegistry([film_tool()])
    assert name not in {spec.name for spec in registry.specs()}
    result = await registry.invoke(name, {"title": "x"}, CTX)
    assert result.data == {"name": name, "skipped": True, "reason": "film1_disabled"}
    assert result.error
    with pytest.raises(ValueError, match="taken"):
        ToolRegistry([Tool(name, "", Echo, echo().run, "read")])


async def test_unknown_tools_are_refused() -> None:
    registry = ToolRegistry([])
    result = await registry.invoke("run.shell", {}, CTX)
    assert result.data["reason"] == "unknown_tool"
    with pytest.raises(UnknownTool):
        registry.get("run_shell")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ToolFailed("no luck"), "no luck"),
        (ToolRetry("try b"), "try b"),
        (RuntimeError("secret path"), "The tool failed unexpectedly; the server's log has the details."),
    ],
)
async def test_failures_come_back_as_results(error: Exception, said: str) -> None:
    async def fail(_arguments: Echo, _ctx: ToolContext) -> ToolResult:
        raise error

    assert (await ToolRegistry([echo(fail)]).invoke("test.echo", {"text": "a"}, CTX)).error == said


async def test_a_tool_has_a_deadline() -> None:
    async def hang(_arguments: Echo, _ctx: ToolContext) -> ToolResult:
        await asyncio.Event().wait()
        raise AssertionError

    result = await ToolRegistry([echo(hang, timeout_s=0.01)]).invoke("test.echo", {"text": "a"}, CTX)
    assert result.error == "test.echo took longer than 0.01 s."


async def test_cancellation_passes() -> None:
    async def cancel(_arguments: Echo, _ctx: ToolContext) -> ToolResult:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await ToolRegistry([echo(cancel)]).invoke("test.echo", {"text": "a"}, CTX)


@pytest.mark.parametrize("name", ["job.status", "job.cancel"])
async def test_unknown_jobs(name: str) -> None:
    registry = ToolRegistry([job_status_tool(), job_cancel_tool()])
    job_id = "0190a000-0000-7000-8000-000000000000"
    assert (await registry.invoke(name, {"job_id": job_id}, CTX)).error == f"There is no job {job_id}."
    assert "job_id" in str((await registry.invoke(name, {"job_id": "x"}, CTX)).error)


async def test_absurd_pictures_are_refused_before_anything_is_created() -> None:
    registry = ToolRegistry([image_tool()])
    for arguments in ({"prompt": ""}, {"prompt": "x", "width": 10**6}, {"prompt": "x", "height": -1}):
        assert (await registry.invoke("image.generate", arguments, CTX)).error


def test_seeds_are_deterministic_and_told_apart() -> None:  # C140
    assert derive_seed("tool", "a", 1, master=7) == derive_seed("tool", "a", 1, master=7)
    seeds = {
        derive_seed("tool", "a", "bc"),
        derive_seed("tool", "ab", "c"),
        derive_seed("shot", "a", "bc"),
        derive_seed("tool", "a", "bc", master=8),
    }
    assert len(seeds) == 4
    assert all(0 <= seed < 2**32 for seed in seeds)
    assert derive_seed("shot", "S1_SH01", master=1337) == 1802679315  # a change here redraws every film


def test_the_members_learn_what_may_be_forced_and_what_taints() -> None:
    specs = {
        spec.name: spec
        for spec in ToolRegistry([film_tool(), image_tool(), dataclasses.replace(echo(), taints=True)]).specs()
    }
    assert {name for name, spec in specs.items() if spec.forceable} == {"film_run", "image_generate"}
    assert {name for name, spec in specs.items() if spec.taints} == {"test_echo"}
