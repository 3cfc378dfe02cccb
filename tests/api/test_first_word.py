"""When the first word comes: after one probe of every member, whatever the client's tools; and what the modes add."""

from __future__ import annotations

import json
from typing import Any

import pytest

from orchestrator.services import deliberation_config
from orchestrator.settings import CommitteeSettings
from tests.api.conftest import Server, StartServer
from tests.api.test_overload import CHAT, EDIT_FILE, Pair, dispute, one_slot

CALL = {"action": "call", "calls": [{"tool": "edit_file", "args": {"path": "a"}, "purpose": ""}]}
DEEP = {"committee": {"mode": "deep"}}
PROBE, NATIVE = ["probe"], ["native"]


async def asked_before_the_first_word(server: Server, ollamas: Pair, **more: Any) -> list[list[str]]:
    """The stages that each member was asked for when the first content or call came."""
    body = {"messages": [{"role": "user", "content": "Hi"}], "stream": True, **more}
    async with server.http.post(server.url + CHAT, json=body) as response:
        assert response.status == 200
        async for line in response.content:
            choices = json.loads(line[6:])["choices"] if line.startswith(b"data: {") else []
            if any(choice["delta"].get("content") or choice["delta"].get("tool_calls") for choice in choices):
                return [list(fake.stages) for fake in ollamas]
    raise AssertionError("nothing was said")


@pytest.mark.parametrize(
    ("more", "plan", "asked"),
    [
        ({}, {}, [[*PROBE, "speak"], PROBE]),
        ({"tools": [EDIT_FILE]}, {}, [NATIVE, NATIVE]),
        ({"tools": [EDIT_FILE]}, CALL, [NATIVE, NATIVE]),
        ({"tools": [EDIT_FILE], "tool_choice": "required"}, CALL, [PROBE, PROBE]),
        (DEEP, {}, [[*PROBE, "cross-check", "speak"], [*PROBE, "cross-check"]]),
        ({**DEEP, "tools": [EDIT_FILE]}, CALL, [[*NATIVE, "cross-check"], [*NATIVE, "cross-check"]]),
        ({"model": "gptoss"}, {}, [[], NATIVE]),
    ],
)
async def test_who_agrees_speaks_after_one_probe(
    start_server: StartServer, ollamas: Pair, more: dict[str, Any], plan: dict[str, Any], asked: list[list[str]]
) -> None:
    for fake in ollamas:
        fake.plan = plan
        fake.token_ms = 1
    server = await start_server(configs=one_slot(ollamas))
    assert await asked_before_the_first_word(server, ollamas, **more) == asked


@pytest.mark.parametrize(("enabled", "turns", "rounds"), [(True, 1, 1), (True, 2, 2), (False, 2, 0)])
async def test_the_debate_can_be_switched_off(  # C014 C015
    start_server: StartServer, ollamas: Pair, enabled: bool, turns: int, rounds: int
) -> None:
    dispute(ollamas)
    config = deliberation_config(CommitteeSettings(enable_debate=enabled, max_debate_turns=turns))
    server = await start_server(configs=one_slot(ollamas), config=config)
    for mode in ({}, DEEP):
        await asked_before_the_first_word(server, ollamas, **mode)
        for fake in ollamas:
            assert len(fake.of("cross-check")) == rounds
            assert fake.of("verdict")
            fake.chats.clear()
