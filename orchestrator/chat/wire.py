"""OpenAI's chat completion answers as bytes: stream chunks, the whole object, usage.

Content deltas are spliced between two prepared pieces of JSON, which costs a tenth of building and encoding an object;
everything unusual goes through msgspec. No named SSE events: they break the official SDKs.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

import msgspec

from committee import Account, Finished, MemberUsage, TokenLogprob, ToolCall
from orchestrator.chat.dialect import Choice, ToolResultViews

DONE = b"data: [DONE]\n\n"
KEEP_ALIVE = b": keep-alive\n\n"

_encode = msgspec.json.Encoder().encode


def new_completion_id() -> str:
    return f"chatcmpl-{os.urandom(12).hex()}"


@dataclass(frozen=True)
class Head:
    """What all chunks of one answer share."""

    model: str
    id: str = field(default_factory=new_completion_id)
    created: int = field(default_factory=lambda: int(time.time()))

    def as_dict(self, kind: str) -> dict[str, Any]:
        return {
            "id": self.id,
            "object": kind,
            "created": self.created,
            "model": self.model,
            "system_fingerprint": None,
        }


class ChunkWriter:
    """Encodes the chunks of one streamed answer, each a complete SSE event.

    An answer may have several choices; reasoning, stages and calls belong to the first. `legacy`: the client knows
    `function_call` and no `tool_calls`.
    """

    def __init__(self, head: Head, *, include_usage: bool = False, legacy: bool = False) -> None:
        self._include_usage = include_usage
        self._legacy = legacy
        self._begun = 1
        self._head = head.as_dict("chat.completion.chunk")
        prefix = b"data: " + _encode(self._head)[:-1] + b',"choices":[{"index":0,"delta":{'
        self._content = prefix + b'"content":'
        self._reasoning = prefix + b'"reasoning_content":'
        self._end = b'},"logprobs":null,"finish_reason":null}]}\n\n'

    def begin(self) -> bytes:
        return self._chunk({"role": "assistant", "content": ""})

    def content(self, text: str, index: int = 0, logprobs: Sequence[TokenLogprob] = ()) -> bytes:
        if not (index or logprobs):
            return self._content + _encode(text) + self._end
        begun = self._begin_until(index)
        return begun + self._chunk({"content": text}, index=index, logprobs=logprobs_of(logprobs))

    def _begin_until(self, index: int) -> bytes:
        """The beginnings of the choices up to `index` that have none yet."""
        begun = [self._chunk({"role": "assistant", "content": ""}, index=new) for new in range(self._begun, index + 1)]
        self._begun = max(self._begun, index + 1)
        return b"".join(begun)

    def reasoning(self, text: str) -> bytes:
        """Thoughts under both names that clients read."""
        encoded = _encode(text)
        return self._reasoning + encoded + b',"reasoning":' + encoded + self._end

    def stage(self, committee: Mapping[str, Any], reasoning: str = "") -> bytes:
        """The deliberation's progress as an extra field, with a line of reasoning if it is to be shown."""
        delta = {"reasoning_content": reasoning, "reasoning": reasoning} if reasoning else {}
        return self._chunk(delta, committee=committee)

    def tool_calls(self, calls: Sequence[ToolCall]) -> bytes:
        """Every call in two fragments, as the SDKs put them together."""
        if self._legacy:
            return self._chunk({"function_call": _called(calls[0])})
        pieces = []
        for index, call in enumerate(calls):
            function = {"name": call.name, "arguments": ""}
            pieces.append(
                self._chunk({"tool_calls": [{"index": index, "id": call.id, "type": "function", "function": function}]})
            )
            arguments = {"arguments": _encode(call.arguments).decode()}
            pieces.append(self._chunk({"tool_calls": [{"index": index, "function": arguments}]}))
        return b"".join(pieces)

    def end(self, finished: Finished, tool_results: ToolResultViews) -> bytes:
        reason, *further = reasons_of(finished)
        end = self._begin_until(len(further)) + self._chunk(
            {}, finish_reason=_reason(reason, self._legacy), committee=committee_of(finished, tool_results)
        )
        for index in range(1, self._begun):
            reason = further[index - 1] if index <= len(further) else "stop"
            end += self._chunk({}, index=index, finish_reason=reason)
        if self._include_usage:
            end += self._event({**self._head, "choices": [], "usage": usage_of(finished.usage)})
        return end

    def last(self) -> bytes:
        return DONE

    def keep_alive(self) -> bytes:
        return KEEP_ALIVE

    def error(self, error: Mapping[str, Any]) -> bytes:
        """The last thing in a stream that breaks: nothing may follow it."""
        return self._event({"error": error})

    def _chunk(
        self,
        delta: Mapping[str, Any],
        *,
        index: int = 0,
        finish_reason: str | None = None,
        logprobs: Mapping[str, Any] | None = None,
        committee: Mapping[str, Any] | None = None,
    ) -> bytes:
        choice = {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish_reason}
        chunk = {**self._head, "choices": [choice]}
        if committee is not None:
            chunk["committee"] = committee
        return self._event(chunk)

    @staticmethod
    def _event(data: Mapping[str, Any]) -> bytes:
        return b"data: " + _encode(data) + b"\n\n"


def completion(
    head: Head,
    choices: Sequence[Choice],
    *,
    reasoning: str,
    tool_calls: Sequence[ToolCall],
    finish_reasons: Sequence[str],
    usage: Mapping[str, Any],
    committee: Mapping[str, Any],
    legacy: bool = False,
) -> bytes:
    """The whole answer of a request that does not stream; reasoning and calls stand in the first choice.

    finish_reasons: one per choice; a choice that nothing was said in may be missing from `choices`.
    """
    entries = []
    for index, (choice, reason) in enumerate(zip_longest(choices, finish_reasons)):
        choice, reason = choice or Choice(), reason or "stop"
        first = index == 0
        message: dict[str, Any] = {"role": "assistant", "content": choice.text, "refusal": None}
        if first and reasoning:
            message |= {"reasoning_content": reasoning, "reasoning": reasoning}
        if first and tool_calls:
            message |= {"content": choice.text or None, **_calls(tool_calls, legacy)}
        entries.append(
            {
                "index": index,
                "message": message,
                "logprobs": logprobs_of(choice.logprobs),
                "finish_reason": _reason(reason, legacy),
            }
        )
    return _encode({**head.as_dict("chat.completion"), "choices": entries, "usage": usage, "committee": committee})


def _calls(calls: Sequence[ToolCall], legacy: bool) -> dict[str, Any]:
    if legacy:
        return {"function_call": _called(calls[0])}
    return {"tool_calls": [{"id": call.id, "type": "function", "function": _called(call)} for call in calls]}


def _called(call: ToolCall) -> dict[str, str]:
    return {"name": call.name, "arguments": _encode(call.arguments).decode()}


def reasons_of(finished: Finished) -> tuple[str, ...]:
    """Why each of the answers ended."""
    return (finished.finish_reason, *finished.further_reasons)


def _reason(finish_reason: str, legacy: bool) -> str:
    return "function_call" if legacy and finish_reason == "tool_calls" else finish_reason


def logprobs_of(tokens: Sequence[TokenLogprob]) -> dict[str, Any] | None:
    """OpenAI's logprobs object; None when the speaker's server gave none."""
    if not tokens:
        return None
    content = [
        {**_token(one.token, one.logprob), "top_logprobs": [_token(token, logprob) for token, logprob in one.top]}
        for one in tokens
    ]
    return {"content": content, "refusal": None}


def _token(token: str, logprob: float) -> dict[str, Any]:
    return {"token": token, "logprob": logprob, "bytes": list(token.encode("utf-8", "replace"))}


def usage_of(members: Mapping[str, MemberUsage]) -> dict[str, Any]:
    """OpenAI's usage object: the prompt as one member read it, and what all members wrote, hidden tokens told apart.

    Coding agents take the prompt's tokens for how full the window is: the sum over all members, each asked several
    times, would have them shorten a conversation that fits well. `committee.usage` has everything by member.
    """
    prompt = max((math.ceil(one.prompt_tokens / one.calls) for one in members.values() if one.calls), default=0)
    written = sum(member.completion_tokens for member in members.values())
    hidden = sum(member.hidden_tokens for member in members.values())
    return {
        "prompt_tokens": prompt,
        "completion_tokens": written,
        "total_tokens": prompt + written,
        "completion_tokens_details": {"reasoning_tokens": hidden},
        "prompt_tokens_details": {"cached_tokens": 0},
    }


def committee_of(finished: Finished, tool_results: ToolResultViews) -> dict[str, Any]:
    """The extra field `committee`: how the answer came about."""
    return {
        "agreement": finished.agreement,
        "degraded": finished.degraded,
        "members": finished.members,
        "speaker": finished.speaker,
        "model": finished.model,
        **_account(finished.account),
        "usage": {name: _spent(usage) for name, usage in finished.usage.items()},
        "causes": finished.causes,
        "tool_results": list(tool_results),
    }


def _spent(usage: MemberUsage) -> dict[str, int]:
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "hidden_tokens": usage.hidden_tokens,
        "calls": usage.calls,
    }


def _account(account: Account) -> dict[str, Any]:
    return {
        "mode": account.mode,
        "route": account.route,
        "decided_by": account.decided_by,
        "agreed": account.agreed,
        "dissent": account.dissent,
        "spoke_because": account.spoke_because,
        "context": {"fit": account.context.fit, "detail": account.context.detail},
        "held": calls_of(account.held),
    }


def calls_of(calls: Sequence[ToolCall]) -> list[dict[str, Any]]:
    """Calls as they stand in the field `committee`."""
    return [{"id": call.id, "name": call.name, "arguments": call.arguments} for call in calls]
