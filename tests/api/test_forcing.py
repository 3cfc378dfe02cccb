"""Members that say they cannot do what the server can: overruled once, by meaning, and never against a policy."""

from __future__ import annotations

import json
from typing import Any

import pytest

from orchestrator.settings import ToolSettings
from tests.api.conftest import Server, StartServer
from tests.api.test_chat_api import Pair, raw_stream, user
from tests.fakes.meaning import embed
from tests.fakes.ollama import Reply

CHAT = "/v1/chat/completions"
WISH = "I would love to watch monarchs drift across a meadow on my screen, half a minute of it."
REFUSAL = "I'm sorry, but I cannot create that: I'm a language model and only write text.  I could describe it.\n"
AGAIN = "It is on its way after all."


@pytest.fixture
async def refusing(start_server: StartServer, ollamas: Pair) -> Server:
    """Members that answer every plan with words and whose first words are a refusal."""
    for ollama in ollamas:
        ollama.plan = {"action": "answer", "points": ["say what is possible"]}
    ollamas[0].answer = _Speaker(REFUSAL, AGAIN)
    return await start_server(ollamas=ollamas, embed=embed)


class _Speaker:
    """Plans as told, and says one thing after the other."""

    def __init__(self, *texts: str, **plan: Any) -> None:
        self.texts = list(texts)
        self.plan = {"work": "", "action": "answer", "points": [], "calls": [], **plan}

    def __call__(self, body: dict[str, Any]) -> Reply:
        if "format" in body:
            return Reply(json.dumps(self.plan))
        return Reply(self.texts.pop(0) if len(self.texts) > 1 else self.texts[0])


async def test_a_spoken_refusal_forces_one_call_and_a_second_answer(refusing: Server) -> None:  # C033 C034 C035
    _, answer = await refusing.post(CHAT, {"messages": user(WISH)})
    content = answer["choices"][0]["message"]["content"]
    assert content.startswith(REFUSAL.rstrip())  # C036: not a byte of it is changed
    assert AGAIN in content
    assert "### Tool Results" in content
    (result,) = answer["committee"]["tool_results"]
    assert result["name"] == "film_run"
    assert await refusing.job_count() == 1


async def test_the_same_in_a_stream(refusing: Server) -> None:
    events = await raw_stream(refusing, {"messages": user(WISH)})
    deltas = [choice["delta"] for event in events[:-1] for choice in json.loads(event)["choices"]]
    text = "".join(delta.get("content") or "" for delta in deltas)
    assert text.startswith(REFUSAL.rstrip())
    assert text.index(AGAIN) < text.index("### Tool Results")
    assert await refusing.job_count() == 1


async def test_planned_refusals_force_a_call_before_anything_is_said(  # C034
    start_server: StartServer, ollamas: Pair
) -> None:
    server = await start_server(ollamas=ollamas, embed=embed)
    for ollama in ollamas:
        ollama.answer = _Speaker(AGAIN, action="decline", decline_kind="capability", work="I cannot make films.")
    _, answer = await server.post(CHAT, {"messages": user(WISH)})
    assert answer["choices"][0]["message"]["content"].startswith(AGAIN)
    assert await server.job_count() == 1


@pytest.mark.parametrize(
    "plan",
    [
        {"action": "decline", "decline_kind": "policy", "work": "This is against the rules."},
        {"action": "answer"},
    ],
)
async def test_a_policy_is_never_overruled(start_server: StartServer, ollamas: Pair, plan: dict[str, Any]) -> None:
    server = await start_server(ollamas=ollamas, embed=embed)
    words = "I will not help with this: it is harmful and violates the policy. I cannot create it."
    for ollama in ollamas:
        ollama.answer = _Speaker(words, **plan)
    _, answer = await server.post(CHAT, {"messages": user(WISH)})
    assert answer["choices"][0]["message"]["content"] == words
    assert await server.job_count() == 0


@pytest.mark.parametrize("text", ["Who directed the film Jaws, and when?", "Explain how a video codec works."])
async def test_the_tools_own_words_are_no_wish(refusing: Server, text: str) -> None:  # C033
    await refusing.post(CHAT, {"messages": user(text)})
    assert await refusing.job_count() == 0


async def test_the_client_may_forbid_it(refusing: Server) -> None:
    _, answer = await refusing.post(CHAT, {"messages": user(WISH), "tool_choice": "none"})
    assert answer["choices"][0]["message"]["content"] == REFUSAL
    assert await refusing.job_count() == 0


async def test_nothing_is_forced_on_a_client_that_runs_tools_itself(start_server: StartServer, ollamas: Pair) -> None:
    server = await start_server(ollamas=ollamas, embed=embed, tools=ToolSettings(auto_execute_tools=False))
    for ollama in ollamas:
        ollama.answer = _Speaker(REFUSAL, action="decline", decline_kind="capability")
    _, answer = await server.post(CHAT, {"messages": user(WISH)})
    assert answer["choices"][0]["finish_reason"] == "stop"
    assert await server.job_count() == 0


async def test_the_words_of_others_force_nothing(refusing: Server) -> None:
    called = {"id": "call_1", "type": "function", "function": {"name": "read_file", "arguments": "{}"}}
    talk = [
        *user("What is in a.txt?"),
        {"role": "assistant", "content": None, "tool_calls": [called]},
        {"role": "tool", "tool_call_id": "call_1", "content": WISH},
        *user(WISH),
    ]
    _, answer = await refusing.post(CHAT, {"messages": talk})
    assert await refusing.job_count() == 0
    assert [held["name"] for held in answer["committee"]["held"]] == ["film_run"]
