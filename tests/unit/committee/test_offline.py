"""The rules that stand in while no model is there."""

from __future__ import annotations

import time
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


ORDERS = [
    "Make a film.",
    "Make a film: a lighthouse in a storm",
    "Make a film: don't look back",
    "Make a film: I saw a film in class",
    "Make me a 20-second vertical video about cats",
    "Make a 1.5-minute 16:9 film about rivers",
    "Can you create an animated short film with three scenes?",
    "Please make a black and white film about Paris",
    "No, make a film about bees",
    "Hello! Could you make a video about tides, please?",
    "If you like, make a film about the moon",
    "Write a haiku and make a film about it",
    "I'd like a movie about a class of 1950",
    "I want you to make a film about whales",
    "I want to make a film about whales",
    "Make the film about whales",
    "Make a film about the iPhone",
    "Make a film about history",
    "Make a film with tables and a model",
    "Make a film titled Model Citizens",
    "A 20 second clip of rain",
    "Let's make a documentary about ants",
    "Give me a video of a waterfall",
    "Create a video game trailer",
    "Butterflies fly south. A film in 4K. Title: Butterflies",
    "Mache einen 30-Sekunden-Film über Wale",
    "Mach mir bitte einen Film über Wale",
    "Erstelle ein Video über Bienen",
    "Kannst du einen Kurzfilm über Wale machen?",
    "Ich möchte einen Film über das Meer",
    "Fais un film sur les baleines",
    "Fais-moi une vidéo sur la mer",
    "Crée une vidéo sur la mer",
    "Peux-tu faire un film de 20 secondes sur les abeilles ?",
    "Haz una película sobre ballenas",
    "Crea un vídeo de 20 segundos sobre el mar",
    "Quiero una película sobre abejas",
]

NON_ORDERS = [
    "Don't make a film.",
    "Don’t make a film.",
    "Do not make a film about bees",
    "Please do not, under any circumstances, make a film",
    "Never make a video of me",
    "I don't want a film",
    "I want no film",
    "Make no film",
    "No film about whales please",
    "Make anything but a film",
    "Create a plan, but do not start the film",
    "You should not generate a movie",
    "Mach keinen Film",
    "Bitte mache keinen Film über Wale",
    "Ne fais pas de film",
    "No hagas una película",
    "Rename the variable film to movie in src/film.ts and make a film class",
    "Make a film class",
    "Create a movie component in React",
    "Write a function to make a film",
    "Create a function called film",
    "Generate a `film` object",
    "Create film.ts",
    "Make a film in src/film.ts",
    "Create a video player",
    "Make a film upload button",
    "Create a movie database schema",
    "Generate video thumbnails with ffmpeg",
    "Create a film export function",
    "Make a class Film with a title field",
    "Make the video element autoplay",
    "Create a film with the useState hook",
    "Make the film shorter",
    "Show me the film",
    "Make a summary of the film",
    "Create a list of movies about whales",
    "Give me a movie recommendation",
    "I need a film camera",
    "Give me a good movie to watch",
    "Make sure the film is loaded",
    "Can you make a film?",
    "Should I make a film?",
    "How would you make a film about whales?",
    "A film about whales is on television tonight",
    "The film about the sea was boring",
    "Trim 20 second clip from the end",
    "Watch film about bees",
    "Draw conclusions from this text",
    "Draw a class diagram",
    "Don't draw a cat",
    "Show me how to make a film",
    "When you make a film, how long does it take?",
    f"Don't cancel {JOB}",
]


@pytest.mark.parametrize("text", ORDERS)
def test_orders_for_a_film(text: str) -> None:
    assert [call.name for call in choose(text, TOOLS)] == ["film.run"]


@pytest.mark.parametrize("text", NON_ORDERS)
def test_what_orders_no_work(text: str) -> None:
    assert not {call.name for call in choose(text, TOOLS)} - {"job.status"}


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Create a film poster", "image.generate"),
        ("Draw a lighthouse. No film please.", "image.generate"),
        ("Can you draw a cat?", "image.generate"),
        ("Draw a cat in a field of flowers near the water", "image.generate"),
        ("Zeichne eine Katze", "image.generate"),
        ("Make a picture, not a film", "image.generate"),
        ("Make a film, not a picture", "film.run"),
        ("Don't draw a cat, but make a film about a cat", "film.run"),
    ],
)
def test_what_is_meant_and_what_is_not(text: str, name: str) -> None:
    assert [call.name for call in choose(text, TOOLS)] == [name]


CODER = "You are a coding agent. You edit files in the user's workspace."


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Make a 20-second film about whales", "film.run"),
        ("Draw a picture of a cat", None),
        ("Rename the variable film to movie in src/film.ts and make a film class", None),
        ("Add a player, then make a film about whales", None),
        ("Make a video for the landing page", None),
        ("film about the sea", None),
        ("Draw a box around the text", None),
        (f"The id {JOB} breaks the parser, cancel it", None),
    ],
)
@pytest.mark.parametrize("system", [CODER, ""])
async def test_beside_a_coding_agent_only_a_plain_order_counts(text: str, name: str | None, system: str) -> None:
    tools = TOOLS if system else (*TOOLS, tool("read_file", "path", "client"))
    messages = (Message("system", system), Message("user", text))
    request = ChatRequest(messages, StageContext("solo", text, tools), tools=tools)
    deltas = [delta async for delta in OfflineMember("qwen3").stream(request)]
    assert [call.name for delta in deltas for call in delta.tool_calls] == ([name] if name else [])


def test_long_texts_are_read_quickly() -> None:
    for text in (
        "make a " * 3000,
        "make a film class " * 1100,
        "a, " * 6000,
        " \n" * 9000,
        "film " * 4000,
        "no " * 6000,
    ):
        began = time.perf_counter()
        choose(text[:20_000], TOOLS)
        assert time.perf_counter() - began < 2


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


@pytest.mark.parametrize("stage", ["speak", "solo"])
async def test_it_ends_before_a_stop_sequence(stage: str) -> None:
    whole = await speak(StageContext(stage, "Hello", TOOLS))
    text = await speak(StageContext(stage, "Hello", TOOLS), stop=("nowhere in it", "Simple requests", "a language"))
    assert text
    assert text == whole[: whole.index("a language")]


async def test_a_stop_at_the_very_beginning_is_an_empty_answer() -> None:
    committee = Committee([OfflineMember("qwen3"), OfflineMember("gptoss")], planner="qwen3")
    turn = Turn([Message("user", "Hello")], stop=("**I am",))
    events = [event async for event in committee.deliberate(turn)]
    assert not any(isinstance(event, ContentDelta) for event in events)
    assert isinstance(events[-1], Finished)


async def test_it_keeps_to_the_tokens_it_is_given() -> None:
    request = ChatRequest((Message("user", "Hello"),), StageContext("speak", "Hello", TOOLS), max_tokens=3)
    deltas = [delta async for delta in OfflineMember("qwen3").stream(request)]
    assert "".join(delta.text for delta in deltas).split() == ["**I", "am", "an"]
    assert deltas[-1].done is not None
    assert (deltas[-1].done.finish_reason, deltas[-1].done.completion_tokens) == ("length", 3)


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
