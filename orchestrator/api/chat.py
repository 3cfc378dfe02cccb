"""`POST /v1/chat/completions`: OpenAI's chat completions as a dialect."""

from __future__ import annotations

from orchestrator.chat.dialect import Answer, Asked, ToolResultViews
from orchestrator.chat.schema import parse_request
from orchestrator.chat.turn import COMMITTEE_MODEL
from orchestrator.chat.wire import ChunkWriter, Head, committee_of, completion, usage_of


async def chat_completion(body: bytes) -> Asked:
    """Raises BadRequest, with `param`, for a body that is none."""
    request = await parse_request(body)
    head = Head(request.model or COMMITTEE_MODEL)

    def whole(answer: Answer, tool_results: ToolResultViews) -> bytes:
        finished = answer.finished
        assert finished is not None
        return completion(
            head,
            content=answer.text or (None if answer.calls else ""),
            reasoning="".join(answer.reasoning),
            tool_calls=answer.calls,
            finish_reason=finished.finish_reason,
            usage=usage_of(finished.usage),
            committee=committee_of(finished, tool_results),
        )

    return Asked(request, ChunkWriter(head, include_usage=request.include_usage), whole)
