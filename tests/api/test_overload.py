"""Far more requests than the members can take: bounded queues, a clear refusal for the rest, nobody is forgotten."""

from __future__ import annotations

import asyncio
import functools
import gc
import json
import socket
from collections import Counter
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest

from committee import CommitteeConfig, MemberConfig
from committee.sitting import Sitting
from orchestrator.api import answering
from orchestrator.api.event_stream import EventStream
from tests.api.conftest import Server, StartServer
from tests.fakes.ollama import PLAN, FakeOllama, Fault, Reply, stage_of

CHAT = "/v1/chat/completions"
MEMBERS = {"qwen3": "qwen3:32b", "gptoss": "gpt-oss:20b"}
PATH = {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]}
EDIT_FILE = {"type": "function", "function": {"name": "edit_file", "parameters": PATH}}
Pair = tuple[FakeOllama, FakeOllama]


def one_slot(ollamas: Pair, slots: int = 1) -> list[MemberConfig]:
    """Members that take one request at a time, as Ollama does unless it is told otherwise."""
    for fake, model in zip(ollamas, MEMBERS.values(), strict=True):
        fake.loaded[model] = 8192
    return [
        MemberConfig(name, model, fake.base_url, "ollama", parallel=slots)
        for fake, (name, model) in zip(ollamas, MEMBERS.items(), strict=True)
    ]


@dataclass
class Got:
    status: int
    retry_after: str | None
    answer: Any

    @property
    def code(self) -> str:
        return str(self.answer["error"]["code"])

    @property
    def committee(self) -> dict[str, Any]:
        told: dict[str, Any] = self.answer["committee"]
        return told


async def ask(server: Server, text: str) -> Got:
    body = {"messages": [{"role": "user", "content": text}]}
    async with server.http.post(server.url + CHAT, json=body) as response:
        return Got(response.status, response.headers.get("retry-after"), await response.json())


def check_free(server: Server) -> None:
    """Every place, and every place in a queue, is free again."""
    for seat in server.api.turns.committee._house.seats:
        assert (seat._busy, len(seat._waiting), len(seat._begun)) == (0, 0, 0)
        assert seat.backend._server.connections.in_use == 0  # type: ignore[attr-defined]
    assert server.api.turns._active == 0


def check_honest(one: Got) -> None:
    """A member whose queue was full was not asked, and the answer says so; none was lost on the way."""
    lost = [name for name, state in one.committee["members"].items() if state != "ok"]
    assert one.committee["degraded"] == bool(lost) == (one.committee["agreement"] == "single"), one.committee


def dispute(ollamas: Pair) -> None:
    """The members differ about every question, and nothing settles it: all stages take place."""
    for fake, key in zip(ollamas, ("12", "15"), strict=True):
        fake.plan = {"key": key}
        fake.review = {"key": key}


@pytest.mark.parametrize("differ", [False, True])
async def test_three_hundred_at_once(start_server: StartServer, ollamas: Pair, differ: bool) -> None:
    if differ:
        dispute(ollamas)
    server = await start_server(configs=one_slot(ollamas), config=CommitteeConfig(queue_per_member=16))
    for fake in ollamas:
        fake.loaded.clear()
        fake.load_s = 1.0  # so that most of them are there before the first one is answered
    async with asyncio.timeout(60), aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as server.http:
        got = await asyncio.gather(*(ask(server, f"Question {number}?") for number in range(300)))
    counted = Counter(one.status for one in got)
    assert set(counted) == {200, 429}
    assert counted[200] >= 17  # one is worked on, and as many wait as may
    for one in got:
        if one.status == 429:
            assert one.code in {"committee_busy", "too_many_turns"}
            assert one.retry_after is not None
            assert int(one.retry_after) >= 1
        else:
            check_honest(one)
            assert one.committee["agreement"] in ("single", "decided" if differ else "compatible")
    check_free(server)
    gc.collect()
    assert not [one for one in gc.get_objects() if isinstance(one, Sitting)]


async def test_who_comes_back_is_served_in_the_end(start_server: StartServer, ollamas: Pair) -> None:
    server = await start_server(configs=one_slot(ollamas), config=CommitteeConfig(queue_per_member=4))
    served: list[Got] = []

    async def persist(number: int) -> None:
        while (got := await ask(server, f"Question {number}?")).status == 429:
            await asyncio.sleep(0.05)  # as an impatient client does
        served.append(got)

    async with asyncio.timeout(60):
        await asyncio.gather(*(persist(number) for number in range(40)))
    assert {got.status for got in served} == {200}
    for got in served:
        check_honest(got)
    assert sum(len(fake.speeches) for fake in ollamas) == 40
    check_free(server)


async def test_a_queue_is_no_outage(start_server: StartServer, ollamas: Pair) -> None:
    config = CommitteeConfig(probe_timeout_s=1.2, queue_per_member=64, breaker_failures=1, turn_timeout_s=3)
    for fake in ollamas:
        fake.answer = lambda body: Reply(json.dumps(PLAN) if stage_of(body) == "probe" else "Hello.")
        fake.token_ms = 12  # some three hundred milliseconds a plan
    server = await start_server(configs=one_slot(ollamas), config=config)
    async with asyncio.timeout(30):
        got = await asyncio.gather(*(ask(server, f"Question {number}?") for number in range(12)))
    assert {one.status for one in got} == {200, 429}
    assert {one.code for one in got if one.status == 429} == {"committee_busy"}
    assert not any(seat._is_open() for seat in server.api.turns.committee._house.seats)
    check_free(server)


STAGES = ("probe", "cross-check", "verdict", "choose", "replan", "speak", "native")


@pytest.mark.parametrize("stage", STAGES)
async def test_a_client_that_leaves_frees_everything(start_server: StartServer, ollamas: Pair, stage: str) -> None:
    body: dict[str, Any] = {"messages": [{"role": "user", "content": "Leave me."}], "stream": True}
    if stage in ("cross-check", "verdict"):
        dispute(ollamas)
    elif stage in ("choose", "replan"):
        for fake, job in zip(ollamas, ("1", "2"), strict=True):
            fake.plan = {"action": "call", "calls": [{"tool": "job_status", "args": {"job_id": job}, "purpose": ""}]}
    elif stage == "native":
        body["tools"] = [EDIT_FILE]
    for fake in ollamas:
        fake.fault_of = lambda chat: Fault.DRIP if stage_of(chat) == stage and "Leave me." in str(chat) else None
    server = await start_server(configs=one_slot(ollamas))
    qwen, _ = ollamas

    async def leave() -> None:
        async with server.http.post(server.url + CHAT, json=body) as response:
            await response.read()

    leaving = [asyncio.create_task(leave()) for _ in range(3)]  # one is worked on, two wait
    await qwen.until(lambda: bool(qwen.of(stage)), timeout_s=10)
    for task in leaving:
        task.cancel()
    await asyncio.gather(*leaving, return_exceptions=True)
    for fake in ollamas:
        await fake.until(lambda fake=fake: fake.open == 0)  # type: ignore[misc]
    check_free(server)
    assert (await ask(server, "Stay.")).status == 200


async def test_a_client_that_does_not_read_holds_no_place(
    start_server: StartServer, ollamas: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answering, "EventStream", functools.partial(EventStream, keep_alive_s=0.2, unread_s=0.4))
    server = await start_server(configs=one_slot(ollamas))
    for fake in ollamas:
        fake.text = " ".join(["w" * 500] * 20_000)  # more than the buffers on the way take
    body = json.dumps({"messages": [{"role": "user", "content": "Write a lot."}], "stream": True}).encode()
    host, port = server.url.removeprefix("http://").split(":")
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.setblocking(False)
        await asyncio.get_running_loop().sock_connect(connection, (host, int(port)))
        head = f"POST {CHAT} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(body)}\r\n\r\n"
        await asyncio.get_running_loop().sock_sendall(connection, head.encode() + body)
        qwen, _ = ollamas
        await qwen.until(lambda: bool(qwen.speeches), timeout_s=5)
        qwen.text = "Here I am."
        async with asyncio.timeout(10):
            got = await ask(server, "And me?")
        assert got.status == 200
        assert got.answer["choices"][0]["message"]["content"] == "Here I am."
        assert got.committee["members"] == {"qwen3": "ok", "gptoss": "ok"}
