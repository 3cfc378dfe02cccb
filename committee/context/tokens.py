"""How many tokens a text will be, without a tokenizer: a weight, and how much of it one token carries.

The weight is the length in UTF-8. For English that is the number of characters, of which about four make a token; for
scripts of two to four bytes a character, whose tokens are shorter, it comes close where counting characters would be
wrong by a factor of three. What a member's server really counted corrects the ratio as the talk goes on.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from types import MappingProxyType

import msgspec

from committee.errors import ContextTooLong, MemberError
from committee.schema import ChatBackend, ChatRequest, Message, ToolSpec

CHARS_PER_TOKEN = 4.0
PER_MESSAGE = 4  # what a chat template puts around a message
PER_IMAGE = 1000  # of the order of what vision models spend on a picture

_LOWEST, _HIGHEST = 1.0, 6.0
# A server with a warm prompt cache may count only what it newly read: such ratios are no news of the text.
_CREDIBLE = 10.0
_FEWEST_TOKENS = 200
_WEIGHT_OF_NEWS = 0.25


def weigh(text: str) -> int:
    """The text's weight: its length in UTF-8."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def of_weight(weight: float, chars_per_token: float = CHARS_PER_TOKEN) -> int:
    """Tokens of a text that weighs so much."""
    return math.ceil(weight / chars_per_token)


def estimate(text: str, chars_per_token: float = CHARS_PER_TOKEN) -> int:
    """About how many tokens `text` is. Takes microseconds, also for megabytes."""
    return of_weight(weigh(text), chars_per_token)


def as_json(value: object) -> str:
    """`value` as its shortest JSON, whatever text is in it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)


def weigh_message(message: Message) -> int:
    """The weight of a message's text and tool calls; pictures and the template come on top."""
    if not (message.tool_calls or message.name):
        return weigh(message.content)
    calls = sum(weigh(call.name) + _weigh_json(call.arguments) + 16 for call in message.tool_calls)
    return weigh(message.content) + weigh(message.name or "") + calls


def of_messages(messages: Iterable[Message], chars_per_token: float = CHARS_PER_TOKEN) -> int:
    """About how many tokens a prompt of these messages is."""
    weight = fixed = 0
    for message in messages:
        weight += weigh_message(message)
        fixed += PER_MESSAGE + PER_IMAGE * len(message.images)
    return of_weight(weight, chars_per_token) + fixed


def weigh_tools(tools: Iterable[ToolSpec]) -> int:
    """The weight of these tools' declarations."""
    return sum(_weigh_own(tool) if tool.effect != "client" else _weigh_tool(tool) for tool in tools)


def _weigh_tool(tool: ToolSpec) -> int:
    return weigh(tool.name) + weigh(tool.description) + _weigh_json(tool.parameters) + 40


def _weigh_own(tool: ToolSpec) -> int:
    """Our own tools are the same objects in every turn, so each is weighed once."""
    known = _weighed.get(id(tool))
    if known is None or known[0] is not tool:
        if len(_weighed) >= _MOST_WEIGHED:
            _weighed.clear()
        known = _weighed[id(tool)] = (tool, _weigh_tool(tool))
    return known[1]


def of_tools(tools: Iterable[ToolSpec], chars_per_token: float = CHARS_PER_TOKEN) -> int:
    """About how many tokens the declarations of these tools are."""
    return of_weight(weigh_tools(tools), chars_per_token)


# By identity; holding the tool keeps its id from being given to another one.
_weighed: dict[int, tuple[ToolSpec, int]] = {}
_MOST_WEIGHED = 500


class Ratios:
    """Each member's characters per token, learned from what its server counted; bounded and smoothed."""

    def __init__(self) -> None:
        self._known: dict[str, float] = {}

    @property
    def known(self) -> Mapping[str, float]:
        """The ratios learned so far; a member that is missing has `CHARS_PER_TOKEN`."""
        return MappingProxyType(self._known)

    def of(self, member: str) -> float:
        return self._known.get(member, CHARS_PER_TOKEN)

    def learn(self, member: str, *, weight: int, tokens: int) -> None:
        """A prompt of that weight was counted as `tokens`. Prompts too short to tell are passed over."""
        if tokens < _FEWEST_TOKENS or weight / tokens > _CREDIBLE:
            return
        news = _bounded(weight / tokens)
        self._known[member] = _bounded(self.of(member) + _WEIGHT_OF_NEWS * (news - self.of(member)))

    def counted(self, member: str, request: ChatRequest, prompt_tokens: int) -> None:
        """The member's server counted the prompt of `request`. Tools and pictures would blur what text costs."""
        if prompt_tokens < _FEWEST_TOKENS:  # spares the weighing
            return
        if not request.tools and not any(message.images for message in request.messages):
            self.learn(member, weight=_weigh_request(request), tokens=prompt_tokens)

    def failed(self, member: ChatBackend, request: ChatRequest, error: MemberError) -> None:
        """The member could not answer `request`; if it was too long for it, that is remembered."""
        if isinstance(error, ContextTooLong) and member.window is not None:
            self.refused(member.name, weight=_weigh_request(request), window=member.window)

    def refused(self, member: str, *, weight: int, window: int) -> None:
        """A prompt of that weight was refused as longer than the window: there are more tokens in it than thought."""
        at_most = weight / max(window, 1)
        self._known[member] = _bounded(min(self.of(member), at_most) * 0.9)


def _weigh_request(request: ChatRequest) -> int:
    return sum(map(weigh_message, request.messages)) + weigh_tools(request.tools)


def _weigh_json(value: object) -> int:
    try:
        return len(msgspec.json.encode(value))
    except (TypeError, UnicodeEncodeError):  # what only the slower encoder takes
        return weigh(as_json(value))


def _bounded(ratio: float) -> float:
    return min(max(ratio, _LOWEST), _HIGHEST)
