"""A stand-in for a member while no model server answers: rules, and it says so.

It chooses tools for plain requests ("make a film about …", "status of job …") and fills their arguments with the user's
own text; to everything else it answers with what this server is and how to connect a language model. It takes part in
the same protocol as a real member and streams word by word. It never pretends to understand.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any

from committee.backends.orders import ordered, talks_of_code
from committee.prompts import wire_name
from committee.schema import (
    ChatRequest,
    Delta,
    Done,
    FinishReason,
    MemberHealth,
    Message,
    ToolCall,
    ToolOutcome,
    ToolSpec,
)

_UUID = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", re.IGNORECASE)
_CANCEL = re.compile(r"\b(cancel|stop|abort|kill|abbrechen|annule)\b", re.IGNORECASE)
_NO = re.compile(r"\b(?:not|never|dont|nicht|ne)\b|n['’]t\b", re.IGNORECASE)
_JOB = re.compile(r"\bjobs?\b", re.IGNORECASE)
# Rules read a sentence, not a book: searching megabytes would hold up every other request for seconds.
_MOST_READ = 20_000
_FREE_TEXT = ("synopsis", "prompt", "text", "idea", "description", "query")
_JOB_ID = ("job_id", "id")

_ABOUT = """\
**I am an offline stand-in, not a language model.** No model server is connected, so I cannot discuss, translate or \
write for you. Simple requests for this server's tools do work:

{abilities}

To talk to real models, start [Ollama](https://ollama.com) and pull them:

```
ollama serve
ollama pull {model}
```

I look for it again every few seconds; no restart is needed. Any OpenAI-compatible server works too. \
`committee doctor` shows what is connected and what to do next."""

_ABILITIES = {
    "film.run": '- a film: "Make a 20-second 1080p film about butterflies"',
    "image.generate": '- a picture: "Draw a lighthouse at dusk"',
    "job.status": "- the state of a job: its id is enough",
    "job.cancel": '- stopping a job: "cancel" and its id',
}


class OfflineMember:
    """Implements the `ChatBackend` port with rules. Deterministic: the same request gives the same answer."""

    stand_in = True
    window: int | None = None
    parallel: int | None = None

    def __init__(self, name: str, *, model: str = "offline-rules", configured_model: str = "", note: str = "") -> None:
        self.name = name
        self.model = model
        self._configured = configured_model or model
        self._note = note or "Offline stand-in (rules, no language model)."

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Delta, None]:
        text = request.context.user_text[:_MOST_READ]
        calls = () if request.context.outcomes else choose(text, request.context.tools, wary=_wary(request))
        if request.tools and calls and not _answers_tools(request.messages):
            yield Delta(tool_calls=calls)
            yield Delta(done=Done("tool_calls", _tokens(text), 1))
            return
        if request.context.stage in ("probe", "replan"):
            reply = json.dumps(_plan(text, calls, done=bool(request.context.outcomes)), ensure_ascii=False)
        elif request.response_schema is not None:
            reply = json.dumps(_fill(request.response_schema, request.response_schema), ensure_ascii=False)
        else:
            reply = self._reply(request)
        reply = _until(reply, request.stop)
        words = re.findall(r"\S+\s*|\s+", reply)
        limit = len(words) if request.max_tokens is None else request.max_tokens
        for word in words[:limit]:
            yield Delta(text=word)
            await asyncio.sleep(0)
        reason: FinishReason = "stop" if len(words) <= limit else "length"
        yield Delta(done=Done(reason, _tokens(text), min(len(words), limit)))

    async def health(self) -> MemberHealth:
        return MemberHealth(
            name=self.name, kind="offline", base_url=None, configured_model=self._configured, model=self.model,
            reachable=False, note=self._note, stand_in=True,
        )  # fmt: skip

    async def warm(self) -> None:
        return None

    async def aclose(self) -> None:
        return None

    def _reply(self, request: ChatRequest) -> str:
        outcomes = request.context.outcomes
        if outcomes:
            return "\n\n".join(_tell(outcome) for outcome in outcomes)
        if request.messages and request.messages[-1].role == "tool":
            return f"The tool answered:\n\n```\n{request.messages[-1].content[:4000]}\n```"
        names = {tool.name for tool in request.context.tools}
        abilities = [line for name, line in _ABILITIES.items() if name in names] or list(_ABILITIES.values())
        return _ABOUT.format(abilities="\n".join(abilities), model=self._configured)


def choose(text: str, tools: Sequence[ToolSpec], *, wary: bool = False) -> tuple[ToolCall, ...]:
    """The call that the rules see in `text`, or none. wary: the talk is probably about code."""
    by_name = {wire_name(tool.name): tool for tool in tools}
    if job := _UUID.search(text):
        if wary and not _JOB.search(text):
            return ()
        cancels = (order := _CANCEL.search(text)) is not None and not _NO.search(text[: order.start()])
        return _call(by_name.get("job_cancel" if cancels else "job_status"), _JOB_ID, job[0].lower())
    match ordered(text, wary=wary):
        case "film":
            return _call(by_name.get("film_run"), _FREE_TEXT, text)
        case "picture":
            return _call(by_name.get("image_generate"), _FREE_TEXT, text)
    return ()


def _wary(request: ChatRequest) -> bool:
    """Whether a coding agent asks: it has tools of its own, or a system prompt about code."""
    if any(tool.effect == "client" for tool in request.context.tools):
        return True
    return any(talks_of_code(message.content[:_MOST_READ]) for message in request.messages if message.role == "system")


def _call(tool: ToolSpec | None, fields: Sequence[str], value: str) -> tuple[ToolCall, ...]:
    if tool is None:
        return ()
    properties = tool.parameters.get("properties") or {}
    field = next((name for name in fields if name in properties), None)
    if field is None:
        return ()
    return (ToolCall("call_offline", tool.name, {field: value}),)


def _plan(text: str, calls: Sequence[ToolCall], *, done: bool = False) -> dict[str, Any]:
    """The same JSON that a model answers in a probe; `done` when tools have run already."""
    if done:
        work = "Rule-based stand-in: the results are in."
    elif calls:
        work = f"Rule-based stand-in: the request fits {wire_name(calls[0].name)}."
    else:
        work = "Rule-based stand-in: no rule fits, so I explain what I am."
    return {
        "work": work,
        "action": "call" if calls else "answer",
        "decline_kind": "",
        "calls": [{"tool": wire_name(c.name), "args": c.arguments, "purpose": "asked for by the user"} for c in calls],
        "key": "",
        "points": [],
        "risks": [],
        "confidence": 1.0 if calls else 0.0,
    }


def _tell(outcome: ToolOutcome) -> str:
    name = wire_name(outcome.call.name)
    if outcome.error is not None:
        return f"`{name}` failed: {outcome.error}"
    data = outcome.data or {}
    if name == "film_run" and "title" in data:
        return _tell_of_film(data)
    started = name in {"film_run", "image_generate"}
    head = f"I started `{name}` for you. It runs as a job:" if started else f"`{name}` answered:"
    lines = [
        f"- {key}: `{value}`" for key, value in data.items() if isinstance(value, str | int | float) and value != ""
    ]
    return "\n".join([head, "", *lines[:12]]) if lines else head


def _tell_of_film(data: Mapping[str, Any]) -> str:
    facts = [f"{data['duration_s']:g} seconds"] if "duration_s" in data else []
    facts += [str(data["resolution"])] if "resolution" in data else []
    facts += [f"{data['fps']:g} frames a second"] if "fps" in data else []
    sentences = [f"I started the film **{data['title']}**" + (f": {', '.join(facts)}." if facts else ".")]
    if estimate_s := data.get("estimate_s"):
        minutes = round(estimate_s / 60)
        sentences.append(f"It should be ready in about {f'{minutes} minutes' if minutes > 1 else 'a minute'}.")
    return " ".join([*sentences, str(data.get("note", ""))]).strip()


def _fill(rule: Mapping[str, Any], root: Mapping[str, Any], depth: int = 0) -> Any:
    """The emptiest value that a JSON schema allows: honest, since rules have nothing to say."""
    if depth > 8:
        return None
    reference = rule.get("$ref")
    if isinstance(reference, str):
        target: Any = root
        for part in reference.removeprefix("#/").split("/"):
            target = target.get(part, {}) if isinstance(target, Mapping) else {}
        return _fill(target, root, depth + 1)
    for key in ("const", "default"):
        if key in rule:
            return rule[key]
    if rule.get("enum"):
        return rule["enum"][0]
    for key in ("anyOf", "oneOf"):
        if rule.get(key):
            return _fill(rule[key][0], root, depth + 1)
    kind = rule.get("type")
    kind = kind[0] if isinstance(kind, list) and kind else kind
    if kind == "object" or "properties" in rule:
        properties = rule.get("properties") or {}
        return {k: _fill(properties.get(k, {}), root, depth + 1) for k in rule.get("required") or ()}
    if kind == "array":
        return [_fill(rule.get("items") or {}, root, depth + 1) for _ in range(min(int(rule.get("minItems", 0)), 8))]
    return {"string": "offline stand-in", "integer": 0, "number": 0, "boolean": False}.get(str(kind))


def _until(text: str, stops: Sequence[str]) -> str:
    """The text before the first stop sequence, which is not part of the answer."""
    return text[: min((at for stop in stops if stop and (at := text.find(stop)) >= 0), default=len(text))]


def _answers_tools(messages: Sequence[Message]) -> bool:
    return bool(messages) and messages[-1].role == "tool"


def _tokens(text: str) -> int:
    return len(text) // 4 + 1
