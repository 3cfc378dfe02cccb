"""Every fault of a member, in every stage, for one member and for both, over HTTP in every dialect.

Whatever the members do, a client gets a whole answer or one error, within the deadline and a second, and nothing is
left running.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import re
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import CoroutineType
from typing import Any, Literal

import pytest
from pydantic import BaseModel

from committee import CommitteeConfig, MemberConfig
from tests.api.conftest import Server, StartServer
from tests.fakes.ollama import PLAN, REVIEW, FakeOllama, Fault, Reply, stage_of
from tests.fakes.openai import FakeOpenAI
from tests.unit.chat.test_messages import read_events
from tests.unit.chat.test_responses import check_events
from tools.registry import Tool, ToolContext, ToolResult

# Hidden stages have one second together, and a speaker half a second: two of them are done in two.
CONFIG = CommitteeConfig(
    probe_timeout_s=0.5,
    cross_check_timeout_s=0.4,
    verdict_timeout_s=0.4,
    choose_timeout_s=0.4,
    grace_s=0.3,
    first_byte_timeout_s=0.4,
    speak_idle_timeout_s=0.4,
    speak_timeout_s=0.5,
    cold_load_timeout_s=0.5,
    queue_timeout_s=0.5,
    turn_timeout_s=1.0,
    # These have tests of their own; here one turn's faults must not be another's.
    breaker_failures=1_000_000,
    queue_per_member=1_000,
)
DEADLINE_S = CONFIG.turn_timeout_s + 2 * CONFIG.speak_timeout_s

FAULTS = (
    Fault.STALL, Fault.DRIP, Fault.CUT, Fault.NO_DONE, Fault.MALFORMED, Fault.HTTP_500, Fault.HTTP_404,
    Fault.WRONG_MODEL, Fault.EMPTY, Fault.THINK_ONLY, Fault.BROKEN_CALL, Fault.SLOW_LOAD, Fault.REFUSAL, Fault.GARBAGE,
)  # fmt: skip
MEMBERS = {"qwen3": "qwen3:32b", "gptoss": "gpt-oss:20b"}
WHO = (("qwen3",), ("gptoss",), ("qwen3", "gptoss"))
# What the turn is about, and the stage in which the fault strikes; None for all of them.
COURSES: tuple[tuple[str, str | None], ...] = (
    ("plain", None), ("dispute", None), ("tool", None), ("plain", "probe"), ("dispute", "cross-check"),
    ("dispute", "verdict"), ("tool", "choose"), ("tool", "replan"), ("plain", "speak"), ("native", "native"),
)  # fmt: skip
FEWER = [COURSES[0], COURSES[4], COURSES[8], COURSES[9]]
BREAKING = ("speak", "native")
ROOT = Path(__file__).parents[2]
EDIT = {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]}
# Turns at once: so few that the machine is waiting for deadlines rather than working.
AT_ONCE = 40


@dataclass(frozen=True)
class Case:
    """One turn, and what befalls it."""

    number: int
    fault: Fault
    who: tuple[str, ...]
    course: str
    stage: str | None

    @property
    def text(self) -> str:
        return f"(case {self.number}) Look after the {self.course} question."

    def strikes(self, member: str, stage: str) -> bool:
        return member in self.who and self.stage in (None, stage)


@dataclass
class Ended:
    """How one request ended. `late_s`: how much later than asked for the machine woke up its timers meanwhile."""

    case: Case
    status: int
    raw: bytes
    retry_after: str | None
    took_s: float
    late_s: float = 0.0


def cases(faults: Iterable[Fault], courses: Sequence[tuple[str, str | None]] = COURSES) -> list[Case]:
    product = itertools.product(faults, WHO, courses)
    return [Case(number, fault, who, *course) for number, (fault, who, course) in enumerate(product)]


class Text(BaseModel):
    text: str = ""


async def _look(arguments: Text, _: ToolContext) -> ToolResult:
    return ToolResult({"note": f"about {arguments.text}"})


LOOK = Tool("note.look", "Look up a note.", Text, _look, "read")


@dataclass
class Cast:
    """The two members of one server, who act by the case that a chat belongs to."""

    known: dict[int, Case]
    fakes: dict[str, FakeOllama | FakeOpenAI] = field(default_factory=dict)

    def play(self, name: str, fake: FakeOllama | FakeOpenAI) -> None:
        self.fakes[name] = fake
        fake.fault_of = lambda body: self._fault(name, body)
        fake.answer = lambda body: self._answer(name, body)

    def _case(self, body: dict[str, Any]) -> Case:
        found = (re.search(r"\(case (\d+)\)", message["content"] or "") for message in body["messages"])
        return next(self.known[int(match[1])] for match in found if match)

    def _fault(self, name: str, body: dict[str, Any]) -> Fault | None:
        case = self._case(body)
        return case.fault if case.strikes(name, _stage(body)) else None

    def _answer(self, name: str, body: dict[str, Any]) -> Reply:
        course = self._case(body).course
        key = {"qwen3": "12", "gptoss": "15"}[name] if course == "dispute" else ""
        match _stage(body):
            case "probe" if course == "tool":
                call = {"tool": "note_look", "args": {"text": name}, "purpose": ""}
                return Reply(json.dumps({**PLAN, "action": "call", "calls": [call]}))
            case "probe" | "replan":
                return Reply(json.dumps({**PLAN, "key": key}))
            case "cross-check":
                return Reply(json.dumps({**REVIEW, "key": key}))
            case "verdict":
                return Reply(json.dumps({"reason": "Both look alike.", "pick": "tie"}))
            case "choose":
                return Reply(json.dumps({"1.text": "gptoss"}))
            case "native":
                call = {"function": {"name": "edit_file", "arguments": {"path": f'{name} "ü".txt'}}}
                return Reply("I'll edit it.", tool_calls=[call])
        return Reply("Hello from the model, which has a few more words to say.")


def _stage(body: dict[str, Any]) -> str:
    """The stage of a chat on either wire."""
    bound = body.get("response_format", {}).get("json_schema", {}).get("schema")
    return stage_of({**body, "format": body.get("format") or bound})


@asynccontextmanager
async def troupe(
    start_server: StartServer, known: Sequence[Case], kind: type[FakeOllama] | type[FakeOpenAI] = FakeOllama
) -> AsyncIterator[tuple[Server, Cast]]:
    """A server whose two members act by these cases; at the end nothing of them may be left."""
    cast = Cast({case.number: case for case in known})
    async with AsyncExitStack() as stack:
        configs = []
        for name, model in MEMBERS.items():
            fake = await stack.enter_async_context(kind(model))
            cast.play(name, fake)
            if isinstance(fake, FakeOllama):
                fake.loaded[model] = 8192
            options: dict[str, Any] = {"parallel": 1_000, "cold_load_s": CONFIG.cold_load_timeout_s}
            api: Literal["ollama", "openai"] = "ollama" if kind is FakeOllama else "openai"
            configs.append(MemberConfig(name, model, fake.base_url, api, **options))
        server = await start_server(configs=configs, config=CONFIG, more_tools=[LOOK])
        before = our_tasks()
        yield server, cast
        await check_nothing_is_left(server, cast, before)


class Timers:
    """Watches how late this process is woken up, so that a busy machine is told from a slow server."""

    STEP_S = 0.02

    def __init__(self) -> None:
        self._late_s = 0.0
        self._task = asyncio.create_task(self._watch())

    @property
    def late_s(self) -> float:
        return self._late_s

    async def _watch(self) -> None:
        now = asyncio.get_running_loop().time
        while True:
            due = now() + self.STEP_S
            await asyncio.sleep(self.STEP_S)
            self._late_s += max(0.0, now() - due)

    async def stop(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


async def send_all(
    server: Server, known: Sequence[Case], path: str, body_of: Callable[[Case], dict[str, Any]]
) -> list[Ended]:
    """Send a request a case, some at a time; every one must end by itself."""
    now = asyncio.get_running_loop().time
    gate = asyncio.Semaphore(AT_ONCE)
    timers = Timers()

    async def send(case: Case) -> Ended:
        async with gate:
            began, late = now(), timers.late_s
            async with server.http.post(server.url + path, json=body_of(case)) as response:
                raw = await response.read()
            return Ended(
                case, response.status, raw, response.headers.get("retry-after"), now() - began, timers.late_s - late
            )

    try:
        async with asyncio.timeout(90):
            return list(await asyncio.gather(*(send(case) for case in known)))
    finally:
        await timers.stop()


def chat_body(case: Case, **more: Any) -> dict[str, Any]:
    body = {"messages": [{"role": "user", "content": case.text}], "seed": case.number, **more}
    if case.course == "native":
        body["tools"] = [{"type": "function", "function": {"name": "edit_file", "parameters": EDIT}}]
    return body


def check_ends(ended: Sequence[Ended], how: Callable[[Ended], str]) -> None:
    """Every request has ended properly, in time, and not worse than its members' faults made it."""
    for one in ended:
        code = how(one)
        assert one.took_s - one.late_s <= DEADLINE_S + 1, one
        if len(one.case.who) == 1 and one.late_s < 0.2:
            # Somebody was there to answer; only words that were shown already cannot be taken back.
            assert code == "done" or (code == "member_stream_broken" and one.case.stage in BREAKING), (code, one)
    slowest = max(ended, key=lambda one: one.took_s)
    print(f"{len(ended)} requests; the slowest took {slowest.took_s:.2f} s ({slowest.late_s:.2f} s late timers)")


def check_chat_stream(one: Ended) -> str:
    """How a streamed chat ended: "done", or the code of its error. Everything in it must be whole."""
    if one.status != 200:
        return check_error(one)
    text = one.raw.decode()
    assert text.endswith("\n\n"), one
    data = [block.removeprefix("data: ") for block in text[:-2].split("\n\n") if not block.startswith(":")]
    ended = data[-1] == "[DONE]"
    events = [json.loads(line) for line in (data[:-1] if ended else data)]
    errors = [event for event in events if "error" in event]
    assert errors == ([] if ended else events[-1:]), one
    chunks = [event for event in events if "error" not in event]
    reasons = [choice["finish_reason"] for chunk in chunks for choice in chunk["choices"] if choice["finish_reason"]]
    assert len(reasons) == ended, one
    check_calls(fragment for chunk in chunks for choice in chunk["choices"] for fragment in _fragments(choice))
    if errors:
        assert set(errors[0]) == {"error"}
        return code_of(errors[0]["error"])
    said = [choice["delta"].get("content") or _fragments(choice) for chunk in chunks for choice in chunk["choices"]]
    assert any(said), one
    return "done"


def _fragments(choice: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = choice["delta"].get("tool_calls", [])
    return found


def check_calls(fragments: Iterable[dict[str, Any]]) -> None:
    """Joined, the arguments of every call are a JSON object."""
    joined: dict[int, str] = {}
    for fragment in fragments:
        joined[fragment["index"]] = joined.get(fragment["index"], "") + fragment["function"]["arguments"]
    for arguments in joined.values():
        assert isinstance(json.loads(arguments), dict)


def check_error(one: Ended) -> str:
    """An answer that is no stream: the status fits the code, and says when to come back."""
    code = code_of(json.loads(one.raw)["error"])
    assert one.status == {"committee_unavailable": 503, "member_stream_broken": 502}[code], one
    assert (one.retry_after is not None) == (one.status == 503), one
    return code


def code_of(error: dict[str, Any]) -> str:
    assert {"message", "type", "param", "code"} <= set(error)
    assert error["message"]
    assert error["code"] in {"committee_unavailable", "member_stream_broken"}, error
    return str(error["code"])


def check_chat_whole(one: Ended) -> str:
    if one.status != 200:
        return check_error(one)
    answer = json.loads(one.raw)
    (choice,) = answer["choices"]
    for call in choice["message"].get("tool_calls", []):
        assert isinstance(json.loads(call["function"]["arguments"]), dict)
    assert choice["message"]["content"] or choice["message"].get("tool_calls"), one
    return "done"


def check_response_stream(one: Ended) -> str:
    if one.status != 200:
        return check_error(one)
    last = check_events(one.raw)[-1]
    if last["type"] == "response.completed":
        return "done"
    return code_of({"type": "", "param": None, **last["response"]["error"]})


def check_message_stream(one: Ended) -> str:
    if one.status != 200:
        document = json.loads(one.raw)
        assert document["type"] == "error", one
        assert document["error"]["message"], one
        return "committee_unavailable"
    reader = read_events(one.raw)
    assert reader.over
    return "member_stream_broken" if reader.failed else "done"


def our_tasks() -> set[str]:
    """The names of the tasks that run code of the server; those of idle connections are the libraries'."""
    own = {f"{ROOT}/{package}/" for package in ("committee", "orchestrator", "tools")}
    tasks = [(task.get_name(), task.get_coro()) for task in asyncio.all_tasks()]
    files = [(name, coro.cr_code.co_filename) for name, coro in tasks if isinstance(coro, CoroutineType)]
    return {name for name, file in files if any(file.startswith(folder) for folder in own)}


async def check_nothing_is_left(server: Server, cast: Cast, before: set[str]) -> None:
    """No connection, no place, no task."""
    committee = server.api.turns.committee
    async with asyncio.timeout(5):
        while any(fake.open for fake in cast.fakes.values()) or our_tasks() - before:
            await asyncio.sleep(0.02)
    in_use = [backend._server.connections.in_use for backend in committee.members]  # type: ignore[attr-defined]
    assert in_use == [0, 0]
    assert server.api.turns._active == 0
    assert [(seat._busy, len(seat._waiting)) for seat in committee._house.seats] == [(0, 0), (0, 0)]


async def test_a_streamed_chat_ends_properly(start_server: StartServer) -> None:
    known = cases(FAULTS)
    assert len(known) == 14 * 3 * 10
    async with troupe(start_server, known) as (server, _):
        ended = await send_all(server, known, "/v1/chat/completions", lambda case: chat_body(case, stream=True))
        check_ends(ended, check_chat_stream)


async def test_a_chat_in_one_piece_ends_properly(start_server: StartServer) -> None:
    known = cases(FAULTS, FEWER)
    async with troupe(start_server, known) as (server, _):
        check_ends(await send_all(server, known, "/v1/chat/completions", chat_body), check_chat_whole)


def response_body(case: Case, **more: Any) -> dict[str, Any]:
    tool = {"type": "function", "name": "edit_file", "parameters": EDIT}
    return {"input": case.text, "tools": [tool] if case.course == "native" else [], **more}


def message_body(case: Case, **more: Any) -> dict[str, Any]:
    tools = [{"name": "edit_file", "input_schema": EDIT}] if case.course == "native" else []
    messages = [{"role": "user", "content": case.text}]
    return {"model": "committee", "max_tokens": 500, "messages": messages, "tools": tools, **more}


def check_response_whole(one: Ended) -> str:
    if one.status != 200:
        return check_error(one)
    answer = json.loads(one.raw)
    assert (answer["object"], answer["status"], answer["error"]) == ("response", "completed", None), one
    assert answer["output"], one
    return "done"


def check_message_whole(one: Ended) -> str:
    if one.status != 200:
        document = json.loads(one.raw)
        assert (document["type"], one.status) in {("error", 502), ("error", 503), ("error", 529)}, one
        assert document["error"]["message"], one
        return "member_stream_broken" if one.status == 502 else "committee_unavailable"
    answer = json.loads(one.raw)
    assert answer["stop_reason"] in {"end_turn", "tool_use"}, one
    assert answer["content"], one
    return "done"


@pytest.mark.parametrize("stream", [True, False])
async def test_a_response_ends_properly(start_server: StartServer, stream: bool) -> None:
    known = cases(FAULTS, FEWER)
    async with troupe(start_server, known) as (server, _):
        ended = await send_all(server, known, "/v1/responses", lambda case: response_body(case, stream=stream))
        check_ends(ended, check_response_stream if stream else check_response_whole)


@pytest.mark.parametrize("stream", [True, False])
async def test_a_message_ends_properly(start_server: StartServer, stream: bool) -> None:
    known = cases(FAULTS, FEWER)
    async with troupe(start_server, known) as (server, _):
        ended = await send_all(server, known, "/v1/messages", lambda case: message_body(case, stream=stream))
        check_ends(ended, check_message_stream if stream else check_message_whole)


async def test_members_of_the_other_kind_fail_as_well(start_server: StartServer) -> None:
    known = cases(FAULTS, FEWER)
    async with troupe(start_server, known, FakeOpenAI) as (server, _):
        ended = await send_all(server, known, "/v1/chat/completions", lambda case: chat_body(case, stream=True))
        check_ends(ended, check_chat_stream)


class Repeated:
    """Members who want a film, each time in other words, and whose faults follow the attempt that a chat belongs to."""

    def __init__(self) -> None:
        self.now: dict[int, tuple[Fault | None, str]] = {}
        self.attempts: dict[int, int] = {}
        self.spoken: dict[int, asyncio.Event] = {}

    def fault(self, body: dict[str, Any]) -> Fault | None:
        number = self._number(body)
        fault, stage = self.now[number]
        if stage_of(body) == "speak":
            self.spoken[number].set()
        return fault if stage_of(body) == stage else None

    def answer(self, body: dict[str, Any]) -> Reply:
        if stage_of(body) != "probe":
            return Reply("Your film about butterflies is on its way, and a few more words.")
        number = self._number(body)
        args = {"synopsis": f"Butterflies {number}, in the words of attempt {self.attempts[number]}"}
        return Reply(
            json.dumps({**PLAN, "action": "call", "calls": [{"tool": "film_run", "args": args, "purpose": ""}]})
        )

    def _number(self, body: dict[str, Any]) -> int:
        return next(int(n) for m in body["messages"] for n in re.findall(r"\(film (\d+)\)", m["content"] or ""))


async def test_blind_repetitions_make_one_film_each(start_server: StartServer) -> None:
    """The answer is lost in the middle; repetitions meet members that cannot plan, the last one members that cannot
    speak: whatever the fault, there is one film, and the client gets to know of it."""
    cast = Repeated()
    async with FakeOllama(*MEMBERS.values()) as fake:
        fake.loaded = dict.fromkeys(MEMBERS.values(), 8192)
        fake.fault_of, fake.answer = cast.fault, cast.answer
        configs = [
            MemberConfig(name, model, fake.base_url, "ollama", parallel=1_000, cold_load_s=0.5)
            for name, model in MEMBERS.items()
        ]
        server = await start_server(configs=configs, config=CONFIG)

        async def send(number: int, fault: Fault | None, stage: str) -> tuple[int, bytes]:
            cast.now[number] = fault, stage
            cast.attempts[number] = cast.attempts.get(number, 0) + 1
            body = {"messages": [{"role": "user", "content": f"(film {number}) Make a film about butterflies."}]}
            body["stream"] = number % 2 == 0  # type: ignore[assignment]
            async with server.http.post(server.url + "/v1/chat/completions", json=body) as response:
                return response.status, await response.read()

        async def story(number: int, fault: Fault) -> None:
            cast.spoken[number] = asyncio.Event()
            lost = asyncio.create_task(send(number, Fault.STALL, "speak"))
            await cast.spoken[number].wait()
            lost.cancel()
            await asyncio.gather(lost, return_exceptions=True)
            for stage in ("probe", "probe", "speak"):
                status, raw = await send(number, fault, stage)
                if status == 200 and b'"error":{' not in raw:
                    assert b"### Tool Results" in raw  # whatever was planned this time
                    return
                assert stage == "probe"
            raise AssertionError("a request has failed after it had acted")

        async with asyncio.timeout(60):
            await asyncio.gather(*(story(number, fault) for number, fault in enumerate((*FAULTS, *FAULTS))))
        assert await server.job_count() == 2 * len(FAULTS)
