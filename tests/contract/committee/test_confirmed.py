"""Calls that the user has confirmed run first, exactly as they are."""

from __future__ import annotations

from committee import StageEvent, ToolCall, ToolResults
from tests.contract.committee.conftest import FILM, STATUS, Table

CALL = ToolCall("call_held", "film.run", {"synopsis": "Bees", "fps": 25})


async def test_a_confirmed_call_runs_as_it_was_shown(table: Table) -> None:
    for fake in (table.qwen, table.gptoss):
        fake.plan = {"action": "call", "calls": [{"tool": "film_run", "args": {"synopsis": "Wasps"}}]}
    told = await table.ask("yes", tools=[FILM, STATUS], confirmed=(CALL,))
    assert table.act.calls == [CALL]
    assert [event.outcomes[0].call for event in told.events if isinstance(event, ToolResults)] == [CALL]
    assert any(isinstance(event, StageEvent) and event.stage == "act" for event in told.events)
    assert "0198-job" in str(table.qwen.speeches[-1]["messages"][-1])
    assert told.text == "Hello from the model."
