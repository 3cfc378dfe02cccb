"""Who answers a turn, decided in code before any model is asked."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from committee.schema import Message, Turn

# Editors and chat pages ask for titles, tags and commit messages on the side; nobody needs a committee for those.
_SIDE_REQUEST = re.compile(
    r"\A\s*#{2,3} Task:|"
    r"\b(?:generate|create|write|suggest|provide)\b[^.\n]{0,60}"
    r"\b(?:title|tags|summary|commit message|follow-?up questions)\b"
    r"[^.\n]{0,80}\b(?:conversation|chat|thread|history|diff|messages)\b",
    re.IGNORECASE,
)
_TINY_ANSWER_TOKENS = 48
_MOST_READ = 4000

# Editors that describe their tools in the prompt expect one answer in one voice, with nothing before or after it.
_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9_-]{1,40})>")
_MOST_PROMPT = 200_000
_WORD_TOOL = re.compile(r"\btools?\b|\bfunctions?\b", re.IGNORECASE)
_CALL_TAGS = frozenset({"tool_call", "function_call", "function_calls", "invoke", "use_mcp_tool", "tool_use"})
_FEWEST_TOOLS = 2


@dataclass(frozen=True, slots=True)
class Route:
    """How a turn is answered.

    way: "together" (plans as JSON, then one speaks), "native" (members answer with the client's tools), or "solo"
    (one member alone, the first of `order`). why: in words, for the account; empty for a committee. tools: whether any
    are offered. asked_for: the client chose to hear this one member.
    """

    way: Literal["together", "native", "solo"]
    why: str = ""
    member: str = ""
    tools: bool = True
    asked_for: bool = False


def route(
    turn: Turn,
    *,
    members: Sequence[str],
    planner: str,
    must_call: bool,
    client_tools: bool,
    user_text: str,
    switched_off: Callable[[], str | None] = lambda: None,
) -> Route:
    """The way for `turn`. switched_off: the member that answers this kind of question alone, because measurement has
    shown that the committee does not help there. Raises ValueError for an unknown mode or member."""
    kind, _, name = turn.mode.partition(":")
    if kind not in ("solo", "auto", "deep"):
        raise ValueError(f"unknown mode {turn.mode!r}")
    if kind == "solo" and name not in members:
        raise ValueError(f"there is no member {name!r}")
    in_text = not client_tools and tools_in_text(turn.messages)
    if kind == "solo":
        return Route("solo", "asked for", name, tools=not in_text, asked_for=True)
    if in_text:
        return Route("solo", "tools described in the prompt", planner, tools=False)
    if must_call:
        return Route("together")
    if kind == "auto" and (found := _for_one(turn, planner, client_tools, user_text, switched_off)) is not None:
        return found
    return Route("native" if client_tools and turn.n == 1 else "together")


def _for_one(
    turn: Turn, planner: str, client_tools: bool, user_text: str, switched_off: Callable[[], str | None]
) -> Route | None:
    if turn.messages and turn.messages[-1].role == "tool":
        return Route("solo", "tool result", planner)
    if not client_tools and is_side_request(turn, user_text):
        return Route("solo", "side request", planner, tools=False)
    if (better := switched_off()) is not None:
        return Route("solo", "measured: alone is better here", better)
    return None


def is_side_request(turn: Turn, user_text: str) -> bool:
    """A title, tags, a commit message, or a word or two: not worth a committee."""
    tiny = turn.max_tokens is not None and turn.max_tokens <= _TINY_ANSWER_TOKENS
    return tiny or _SIDE_REQUEST.search(user_text[:_MOST_READ]) is not None


def tools_in_text(messages: Sequence[Message]) -> bool:
    """Whether the client describes tools as tags in its prompt instead of declaring them.

    Found are a tag for calls, or two different tags that are named like functions and have tags for parameters inside,
    in a text that speaks of tools.
    Some clients put that into the first user message.
    """
    instructions = [message.content for message in messages if message.role == "system"]
    instructions += [message.content for message in messages if message.role == "user"][:1]
    return any(_describes_tools(text[:_MOST_PROMPT]) for text in instructions if "</" in text)


def _describes_tools(text: str) -> bool:
    if not _WORD_TOOL.search(text):
        return False
    found: set[str] = set()
    opened: list[str] = []
    nested: set[str] = set()
    for closing, name in _TAG.findall(text):
        if not closing:
            opened = [*opened[-7:], name]
        elif name in opened:
            while opened.pop() != name:
                pass
            if name in _CALL_TAGS:
                return True
            if name in nested:
                nested.discard(name)
                # Prompts structured with tags are common; tools are called like functions.
                found |= {name} if "_" in name else set()
            if opened:
                nested.add(opened[-1])
    return len(found) >= _FEWEST_TOOLS
