"""A member that says it cannot do what a tool does: one tool is forced, once; a refusal for policy never."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from committee import Committee, Message, ToolResults
from committee.refusals import _CAPABILITY
from tests.contract.committee.conftest import FILM, QUICK, Table

FORCEABLE = replace(FILM, forceable=True, description="Make a film.")
DECLINE = {"action": "decline", "decline_kind": "capability", "work": "I cannot make films."}
REFUSAL = "I cannot create a film, I can only write text."


async def meaning(texts: Sequence[str]) -> list[list[float]]:
    """Embeds by three topics: films, refusing for want of ability, and everything else."""
    return [[float("film" in t.lower()), float(t in _CAPABILITY or t.startswith("I cannot")), 0.2] for t in texts]


def with_meaning(table: Table) -> None:
    table.committee = Committee(table.committee.members, planner="qwen3", config=QUICK, embed=meaning)


async def test_a_plan_that_declines_is_overruled_once(table: Table) -> None:  # C034 C035
    with_meaning(table)
    table.qwen.plan = table.gptoss.plan = DECLINE
    told = await table.ask("A film about bees, please", tools=[FORCEABLE])
    assert [(c.name, c.arguments) for c in table.act.calls] == [("film.run", {"synopsis": "A film about bees, please"})]
    assert "0198-job" in table.qwen.speeches[-1]["messages"][-1]["content"]
    assert told.text == "Hello from the model."


async def test_a_spoken_refusal_is_kept_and_followed_by_what_was_done(table: Table) -> None:  # C034 C035 C036
    with_meaning(table)
    table.qwen.text = REFUSAL
    told = await table.ask("A film about bees, please", tools=[FORCEABLE])
    assert len(table.act.calls) == 1
    assert told.text.startswith(REFUSAL + "\n\n")
    assert len(table.qwen.speeches) == 2
    assert len(told.of(ToolResults)) == 1


@pytest.mark.parametrize(
    "options",
    [
        {"plan": {**DECLINE, "decline_kind": "policy"}},
        {"tools": [FILM]},
        {"tool_choice": "none"},
        {"act": None},
        {"text": "How is the weather?"},
        {"tainted": True},
        {"response_schema": {"type": "object", "properties": {}}, "plan": {}},
    ],
)
async def test_otherwise_nothing_is_forced(table: Table, options: dict[str, Any]) -> None:
    with_meaning(table)
    table.qwen.plan = table.gptoss.plan = options.pop("plan", DECLINE)
    table.qwen.text = REFUSAL if "policy" not in str(table.qwen.plan) else "I will not do that: it is against a policy."
    text = options.pop("text", "A film about bees, please")
    messages = [Message("user", text, tainted=options.pop("tainted", False))]
    told = await table.ask(messages=messages, **{"tools": [FORCEABLE], **options})
    assert table.act.calls == []
    assert told.text == table.qwen.text


async def test_without_an_embedder_nothing_is_forced(table: Table) -> None:
    table.qwen.plan = table.gptoss.plan = DECLINE
    await table.ask("A film about bees, please", tools=[FORCEABLE])
    assert table.act.calls == []
