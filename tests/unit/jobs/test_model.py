"""Jobs as values."""

from __future__ import annotations

import asyncio
import json
import math
from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID

import pytest
from pydantic import ValidationError

from orchestrator.jobs.context import JobContext
from orchestrator.jobs.model import Job
from orchestrator.jobs.store import JobStore, canonical_hash
from orchestrator.jobs.worker import _describe
from tests.fakes.job_kinds import Steps

NOW = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
JOB = Job(UUID(int=1), "me", "k", "running", 0, 1, 0.25, None, None, {}, None, None, NOW, NOW, NOW, False)


class Recorder:
    """A store that keeps what is written to it."""

    def __init__(self) -> None:
        self.written: list[tuple[str, dict[str, Any]]] = []

    async def write_event(self, _claim: object, type_: str, **fields: Any) -> bool:
        self.written.append((type_, fields))
        return True


def context() -> tuple[JobContext, Recorder]:
    recorder = Recorder()
    return JobContext(JOB, cast(JobStore, recorder)), recorder


def test_the_view_is_json_with_links() -> None:
    view = json.loads(json.dumps(JOB.view()))
    assert view["id"] == view["job_id"] == str(UUID(int=1))
    assert view["created_at"] == "2030-01-02T03:04:05+00:00"
    assert view["urls"] == {
        "self": f"/jobs/{JOB.id}",
        "stream": f"/jobs/{JOB.id}/stream",
        "watch": f"/#/jobs/{JOB.id}",
        "cancel": f"/jobs/{JOB.id}/cancel",
    }


def test_equal_inputs_have_equal_hashes() -> None:
    assert canonical_hash({"a": 1, "b": [1, "ü"]}) == canonical_hash({"b": [1, "ü"], "a": 1})
    assert canonical_hash({"a": 1}) != canonical_hash({"a": 1.5})
    for no_json in (math.nan, {1, 2}, object()):
        with pytest.raises((TypeError, ValueError)):
            canonical_hash(no_json)


async def test_progress_never_goes_back_and_ends_at_one() -> None:
    job, recorder = context()
    writer = asyncio.create_task(job.write_progress())
    for fraction in (0.5, 0.1, 7.0):
        written = len(recorder.written)
        await job.progress(fraction)
        async with asyncio.timeout(5):
            while len(recorder.written) == written:
                await asyncio.sleep(0.01)
    writer.cancel()
    assert [fields["progress"] for _, fields in recorder.written] == [0.5, 0.5, 1.0]
    with pytest.raises(ValueError, match="nan"):
        await job.progress(math.nan)


@pytest.mark.parametrize("name", ["succeeded", "progress", "stage", "two words", "", "UPPER", "x" * 65])
async def test_event_names_of_the_engine_are_its_own(name: str) -> None:
    job, recorder = context()
    with pytest.raises(ValueError, match="event"):
        await job.event(name, {})
    await job.event("shot.rendered", {"shot": "S1"})
    assert [type_ for type_, _ in recorder.written] == ["shot.rendered"]


def test_failures_tell_clients_nothing_of_our_insides() -> None:
    code, message, retryable = _describe(ZeroDivisionError("/secret/path"))
    assert (code, retryable) == ("internal_error", True)
    assert "secret" not in message
    with pytest.raises(ValidationError) as refusal:
        Steps.model_validate({"steps": "x"})
    assert _describe(refusal.value)[::2] == ("invalid_payload", False)
