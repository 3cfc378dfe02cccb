"""The rules that stand in while no model is there."""

from __future__ import annotations

from typing import Any

import pytest

from committee import (
    ChatRequest,
    Committee,
    Message,
    StageContext,
    ToolCall,
    ToolOutcome,
    ToolSpec,
    Turn,
)
from committee.backends.offline import OfflineMember, choose
from committee.schema import ContentDelta, Finished, ToolResults

JOB = "01980000-0000-7000-8000-000000000001"
TEXT = {"type": "string"}


def tool(name: str, field: str, effect: Any) -> ToolSpec:
    return ToolSpec(
        name, "", {"type": "object", "properties": {"title": TEXT, field: TEXT}, "required": [field]}, effect
    )


TOOLS = (
    tool("film.run", "synopsis", "job"),
    tool("image.generate", "prompt", "job"),
    tool("job.status", "job_id", "read"),
    tool("job.cancel", "job_id", "job"),
)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Make a 3-minute film about butterflies in 4K 60fps. Title: Butterflies", "film.run"),
        ("create a short video of a lighthouse", "film.run"),
        ("I want a trailer for my game", "film.run"),
        ("A 20 second clip of rain", "film.run"),
        ("Please generate a film about a painter and her picture", "film.run"),
        ("film about the sea", "film.run"),
        ("Can you make a video that explains how bees live?", "film.run"),
        ("Make a film about a man who watched the sea", "film.run"),
        ("Erstelle einen Film über Bienen", "film.run"),
        ("Generate an image of a castle", "image.generate"),
        ("draw a cat", "image.generate"),
        ("Paint me a harbour at dusk", "image.generate"),
        ("Create a poster for a film festival", "image.generate"),
        (f"How far is {JOB}?", "job.status"),
        (JOB.upper(), "job.status"),
        (f"cancel {JOB}", "job.cancel"),
        (f"Please stop job {JOB} now", "job.cancel"),
    ],
)
def test_plain_requests_find_their_tool(text: str, name: str) -> None:
    calls = choose(text, TOOLS)
    assert [call.name for call in calls] == [name]
    expected = JOB if name.startswith("job.") else text
    assert list(calls[0].arguments.values()) == [expected]


@pytest.mark.parametrize(
    "text",
    [
        "Hello",
        "What is a film?",
        "Who directed the movie Alien?",
        "Recommend a good film",
        "Explain how video compression works",
        "Translate 'good morning' into French",
        "I saw a film yesterday",
        "Could you tell me about the film Alien?",
        "I want to watch a movie tonight",
        "How do I make a film?",
        "",
    ],
)
def test_everything_else_is_left_alone(text: str) -> None:
    assert choose(text, TOOLS) == ()


def test_a_tool_that_is_not_offered_is_not_chosen() -> None:
    assert choose("make a film", TOOLS[2:]) == ()


async def speak(context: StageContext, **options: Any) -> str:
    request = ChatRequest(messages=(Message("user", context.user_text),), context=context, **options)
    member = OfflineMember("qwen3", configured_model="qwen3:32b")
    return "".join([delta.text async for delta in member.stream(request)])


async def test_it_says_what_it_is_and_how_to_connect_a_model() -> None:
    text = await speak(StageContext("speak", "Hello", TOOLS))
    assert "not a language model" in text
    assert "ollama pull qwen3:32b" in text
    assert "Make a 20-second 1080p film" in text


async def test_it_reports_what_tools_did() -> None:
    call = ToolCall("c", "film.run", {})
    text = await speak(StageContext("speak", "film", TOOLS, (ToolOutcome(call, {"job_id": JOB}),)))
    assert JOB in text
    text = await speak(StageContext("speak", "film", TOOLS, (ToolOutcome(call, None, "the queue is full"),)))
    assert "the queue is full" in text


async def test_a_json_answer_has_the_form_that_was_asked_for() -> None:
    schema = {
        "type": "object",
        "properties": {"n": {"type": "integer"}, "s": {"$ref": "#/$defs/S"}, "l": {"type": "array"}},
        "required": ["n", "s", "l"],
        "$defs": {"S": {"enum": ["a", "b"]}},
    }
    assert await speak(StageContext("speak", "x"), response_schema=schema) == '{"n": 0, "s": "a", "l": []}'


async def test_two_stand_ins_agree_on_a_film() -> None:
    ran: list[ToolCall] = []

    async def act(calls: Any) -> list[ToolOutcome]:
        ran.extend(calls)
        return [ToolOutcome(call, {"job_id": JOB}) for call in calls]

    committee = Committee([OfflineMember("qwen3"), OfflineMember("gptoss")], planner="qwen3")
    turn = Turn([Message("user", "Make a film about bees")], tools=TOOLS, act=act, seed=5)
    events = [event async for event in committee.deliberate(turn)]
    assert [call.arguments for call in ran] == [{"synopsis": "Make a film about bees"}]
    assert any(isinstance(event, ToolResults) for event in events)
    assert JOB in "".join(event.text for event in events if isinstance(event, ContentDelta))
    assert isinstance(events[-1], Finished)
    assert events[-1].agreement == "agreed"
    assert not events[-1].degraded
    # Word by word, not in one piece.
    assert sum(isinstance(event, ContentDelta) for event in events) > 5


async def test_alone_it_calls_tools_natively_once() -> None:
    async def act(calls: Any) -> list[ToolOutcome]:
        return [ToolOutcome(call, {"job_id": JOB}) for call in calls]

    committee = Committee([OfflineMember("qwen3"), OfflineMember("gptoss")], planner="qwen3")
    turn = Turn([Message("user", "draw a cat")], tools=TOOLS, act=act, mode="solo:gptoss")
    events = [event async for event in committee.deliberate(turn)]
    assert sum(isinstance(event, ToolResults) for event in events) == 1
    assert isinstance(events[-1], Finished)
    assert events[-1].speaker == "gptoss"
