"""Which tool a refusal may force: by meaning, one, and never against a policy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from committee.proposal import Proposal
from committee.refusals import cosine, derived_arguments, is_capability_refusal, tool_to_force
from committee.schema import ToolSpec
from tests.fakes.meaning import embed

TEXT = {"type": "string"}
FILM = ToolSpec(
    "film_run", "Make a film (video, movie, clip, animation) from a description: plans it and renders it.",
    {"type": "object", "properties": {"synopsis": TEXT}}, "job", forceable=True,
)  # fmt: skip
IMAGE = ToolSpec(
    "image_generate", "Create a picture (image, drawing, poster) from a description.",
    {"type": "object", "properties": {"prompt": {**TEXT, "maxLength": 8000}}, "required": ["prompt"]}, "job",
    forceable=True,
)  # fmt: skip
STATUS = ToolSpec(
    "job_status", "Look up how far a running or finished job is.",
    {"type": "object", "properties": {"job_id": {**TEXT, "format": "uuid"}}, "required": ["job_id"]},
)  # fmt: skip
SHELL = ToolSpec("run_shell", "Make a film.", {"type": "object", "properties": {}}, "write", forceable=True)
TOOLS = (FILM, IMAGE, STATUS)

DECLINE = Proposal("decline", work="I am a language model and cannot do this.", decline_kind="capability")

FILM_WISHES = [
    "I would love to watch monarchs drift across a meadow on my screen, half a minute of it.",
    "Please bring to life the morning of a lighthouse keeper, with a voice-over.",
    "Ich möchte meine Geschichte auf der Leinwand sehen.",
    "Turn this into moving pictures: two foxes meet at a frozen lake.",
    "Put together forty seconds of footage about the tide for me.",
]
PICTURE_WISHES = [
    "I'd like a wallpaper of a heron at dawn.",
    "Give me a portrait of my cat as an admiral.",
    "Ich hätte gern ein Bild von einem Leuchtturm.",
]
# The tools' own words, and yet an answer in words is wanted.
DECOYS = [
    "Who directed the film Jaws, and when?",
    "Explain how a video codec works.",
    "Why does film grain appear, and what came from it in history?",
    "Recommend me a movie, and explain which director is behind it.",
    "What is the difference between an image and a photo, and who cares?",
    "Fix the bug in the function film_run of this code.",
    "Thank you, that was all.",
    "What is the capital of Australia?",
    "Write a poem.",
]


@pytest.mark.parametrize(("text", "tool"), [*((w, FILM) for w in FILM_WISHES), *((w, IMAGE) for w in PICTURE_WISHES)])
async def test_a_wish_in_other_words_reaches_the_tool(text: str, tool: ToolSpec) -> None:  # C033
    found = await tool_to_force(turn_tools=TOOLS, proposal_or_text=DECLINE, user_text=text, embed=embed)
    assert found is not None
    assert found[0] is tool
    assert found[1] == ({} if tool is FILM else {"prompt": text})


@pytest.mark.parametrize("text", DECOYS)
async def test_the_tools_words_alone_force_nothing(text: str) -> None:  # C033
    assert await tool_to_force(turn_tools=TOOLS, proposal_or_text=DECLINE, user_text=text, embed=embed) is None


@pytest.mark.parametrize(
    "said",
    [
        replace(DECLINE, decline_kind="policy"),
        replace(DECLINE, decline_kind=""),
        replace(DECLINE, action="answer"),
        replace(DECLINE, action="clarify"),
        "I will not help with this, it is harmful. I cannot make it.",
        "Our content policy says that I cannot create this.",
        "Here is your answer: the tide is caused by the moon.",
        "",
    ],
)
async def test_only_a_capability_refusal_forces(said: Proposal | str) -> None:
    assert await tool_to_force(turn_tools=TOOLS, proposal_or_text=said, user_text=FILM_WISHES[0], embed=embed) is None


@pytest.mark.parametrize(
    "said",
    [
        "I'm sorry, but I cannot create videos. I could write a script instead.",
        "As a language model I'm unable to produce movies.",
        "That is beyond what I can do here: I only write text.",
    ],
)
async def test_a_refusal_in_prose_is_understood(said: str) -> None:
    found = await tool_to_force(turn_tools=TOOLS, proposal_or_text=said, user_text=FILM_WISHES[1], embed=embed)
    assert found == (FILM, {})


async def test_a_refusal_of_something_else_is_no_refusal_of_the_tool() -> None:
    said = "I am not able to stop a job that is running, only to look how far a job is."
    assert await tool_to_force(turn_tools=TOOLS, proposal_or_text=said, user_text=FILM_WISHES[0], embed=embed) is None


@pytest.mark.parametrize(
    ("text", "refusal"),
    [
        ("I cannot create videos, I can only write text.", True),
        ("Leider unable: I am a language model and lack the ability.", True),
        ("You cannot divide by zero, because no number works.", False),
        ("Here is the value; a null value cannot be divided.", False),
        ("The weather is fine.", False),
        ("x " * 400 + "I cannot create videos, I can only write text.", False),
    ],
)
async def test_what_is_a_capability_refusal(text: str, refusal: bool) -> None:
    assert await is_capability_refusal(text, embed) is refusal


async def test_without_an_embedder_nothing_is_forced() -> None:
    assert await tool_to_force(turn_tools=TOOLS, proposal_or_text=DECLINE, user_text="a film", embed=None) is None


@pytest.mark.parametrize(
    "tools",
    [
        (),
        (STATUS,),
        (replace(FILM, forceable=False), IMAGE),
        (replace(FILM, effect="client"),),
        (replace(FILM, effect="write"),),
        (replace(FILM, name="mcp_film"),),
        (SHELL,),
    ],
)
async def test_only_forceable_tools_are_forced(tools: Sequence[ToolSpec]) -> None:
    found = await tool_to_force(turn_tools=tools, proposal_or_text=DECLINE, user_text=FILM_WISHES[0], embed=embed)
    assert found is None


async def test_two_tools_that_fit_alike_force_neither() -> None:
    twin = replace(FILM, name="other_film")
    found = await tool_to_force(
        turn_tools=(FILM, twin), proposal_or_text=DECLINE, user_text=FILM_WISHES[0], embed=embed
    )
    assert found is None


@pytest.mark.parametrize(
    ("properties", "required", "expected"),
    [
        ({"prompt": TEXT}, ["prompt"], {"prompt": "words"}),
        ({"prompt": TEXT}, [], {}),
        ({"prompt": {**TEXT, "maxLength": 3}}, ["prompt"], None),
        ({"id": {**TEXT, "format": "uuid"}}, ["id"], None),
        ({"n": {"type": "integer"}}, ["n"], None),
        ({"a": TEXT, "b": TEXT}, ["a", "b"], None),
        ({"a": {"enum": ["x"]}}, ["a"], None),
    ],
)
def test_arguments_come_from_the_users_text_alone(properties: dict, required: list, expected: dict | None) -> None:
    spec = ToolSpec("t", "", {"type": "object", "properties": properties, "required": required})
    assert derived_arguments(spec, "words") == expected


def test_a_vector_without_direction_is_like_nothing() -> None:
    assert cosine([0.0, 0.0], [1.0, 0.0]) == 0
    assert cosine([1.0, 1.0], [2.0, 2.0]) == pytest.approx(1)
