"""Any operations in any order: the state machine of a job, checked against a model of a few lines."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.db.pool import Database
from orchestrator.jobs.store import Claim, JobStore
from tests.fakes.job_kinds import KINDS

LOCAL = "local"

_OPERATIONS = st.lists(
    st.sampled_from(["claim", "progress", "stage", "succeed", "fail", "requeue", "cancel", "old claim succeeds"]),
    max_size=14,
)
_ENDS = {"succeed": "succeeded", "fail": "failed"}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(operations=_OPERATIONS)
async def test_the_state_machine_holds_in_every_order(db: Database, operations: list[str]) -> None:
    """Queued, running and three ends: no operation leaves an end, and each change is one event."""
    store = JobStore(db, KINDS)
    job = await store.submit("test.nothing", {}, owner=LOCAL)
    state, seq, attempt, progress = "queued", 1, 0, 0.0
    claims: list[Claim] = []
    for number, operation in enumerate(operations):
        mine = claims[-1] if claims else Claim(job.id, 0)
        over = state in {"succeeded", "failed", "cancelled"}
        works = state == "running"
        match operation:
            case "claim":
                claimed = await store.claim(job.id)
                works = not over
                assert (claimed is not None) == works
                if claimed:
                    claims.append(Claim.of(claimed))
                    state, attempt = "running", attempt + 1
            case "cancel":
                works = not over
                state = "cancelled" if works else state
                assert (await store.cancel(job.id, owner=LOCAL)).status == state
            case "progress":
                progress = max(progress, number / 20) if works else progress
                assert await store.write_event(mine, "progress", progress=number / 20) == works
            case "stage":
                assert await store.write_event(mine, "stage") == works
            case "requeue":
                assert await store.requeue(mine, delay_s=0, handed_back=False, data={}) == works
                state = "queued" if works else state
            case "old claim succeeds":
                works = False
                assert not await store.succeed(Claim(job.id, attempt - 1), {})
            case _:
                end = store.succeed(mine, {}) if operation == "succeed" else store.fail(mine, "c", "m")
                assert await end == works
                state = _ENDS[operation] if works else state
                progress = 1.0 if works and operation == "succeed" else progress
        seq += works
        now = await store.get(job.id, owner=LOCAL)
        assert (now.status, now.attempt, now.last_seq) == (state, attempt, seq)
        assert now.progress == pytest.approx(progress)
    assert [event.seq for event in await store.events_after(job.id, 0)] == list(range(1, seq + 1))
