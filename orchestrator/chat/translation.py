"""Other dialects become chat completion requests here, so that one reader checks them all.

What a dialect says is put into chat's words without being decoded any further than needed; when the reader finds a
fault in it, the fault is reported under the name that the client used.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec
from msgspec import Raw

from orchestrator.chat.parts import Attached, Part
from orchestrator.chat.schema import CompletionRequest, parse_request
from orchestrator.errors import BadRequest

_MESSAGE = re.compile(r"messages\[(\d+)\](\.content(?:\[(\d+)\])?)?")
_BREATHE_EVERY = 64


@dataclass(frozen=True, slots=True)
class _Source:
    """Where a message came from: a field of the client's request, and the one in it that holds the content.

    parts: where in that field each part of the content stands, where some were left out.
    """

    where: str
    content: str
    parts: Sequence[int] = ()

    def name(self, found: re.Match[str]) -> str:
        if not found[2]:
            return self.where
        if not found[3]:
            return self.content
        position = int(found[3])
        return f"{self.content}[{self.parts[position] if position < len(self.parts) else position}]"


class ChatForm:
    """A chat completion request in the making.

    fields: the client's names for chat's fields, where they differ; the longer one first where one begins another.
    """

    def __init__(self, fields: Mapping[str, str]) -> None:
        self._fields = fields
        self._messages: list[dict[str, Any]] = []
        self._sources: list[_Source] = []
        self.body: dict[str, Any] = {}

    def say(
        self,
        role: str,
        content: Any,
        where: str,
        *,
        field: str = "content",
        parts: Sequence[int] = (),
        **more: Any,
    ) -> None:
        """Add a message that stands at `where` in the client's request, with its content in `field`.

        parts: the positions in that field of the parts in `content`.
        """
        self._messages.append({"role": role, "content": content, **more})
        self._sources.append(_Source(where, f"{where}.{field}" if field else where, parts))

    def call(self, call_id: str, name: str, arguments: str, where: str) -> None:
        """Add a call of the assistant's; calls that follow each other belong to one message."""
        if not self._messages or self._messages[-1]["role"] != "assistant":
            self.say("assistant", None, where)
        function = {"name": name, "arguments": arguments}
        self._messages[-1].setdefault("tool_calls", []).append(
            {"id": call_id, "type": "function", "function": function}
        )

    @property
    def last_role(self) -> str:
        """Who has the last word so far; empty when nobody has said anything."""
        return str(self._messages[-1]["role"]) if self._messages else ""

    async def parse(self) -> CompletionRequest:
        """Raises BadRequest with the client's own name as `param`."""
        encoded: list[Raw] = []
        for position, message in enumerate(self._messages):
            if position % _BREATHE_EVERY == 0:
                await asyncio.sleep(0)
            encoded.append(Raw(msgspec.json.encode(message)))
        try:
            request = await parse_request(msgspec.json.encode({**self.body, "messages": encoded}))
        except BadRequest as error:
            raise self._in_their_words(error) from None
        return replace(request, parts={n: tuple(map(self._placed, parts)) for n, parts in request.parts.items()})

    def _placed(self, part: Part) -> Part:
        """A part that will be looked into later, under the client's name for it."""
        return replace(part, where=self._name(part.where)) if isinstance(part, Attached) else part

    def _in_their_words(self, error: BadRequest) -> BadRequest:
        ours = error.param or ""
        theirs = self._name(ours)
        message = error.message.replace(ours, theirs, 1) if ours else error.message
        return BadRequest(message, code=error.code, param=theirs or None)

    def _name(self, param: str) -> str:
        if found := _MESSAGE.match(param):
            return self._sources[int(found[1])].name(found) + param[found.end() :]
        for ours, theirs in self._fields.items():
            if param == ours or param.startswith((f"{ours}.", f"{ours}[")):
                return theirs + param[len(ours) :]
        return param
