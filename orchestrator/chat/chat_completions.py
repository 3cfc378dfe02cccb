"""`POST /v1/chat/completions`: OpenAI's chat completions as a dialect.

`POST /run` is the same and takes `{"prompt": "..."}` in the place of messages as well.
"""

from __future__ import annotations

from orchestrator.chat.dialect import Answer, Asked, ToolResultViews
from orchestrator.chat.model_ids import COMMITTEE_MODEL
from orchestrator.chat.schema import CompletionRequest, parse_request
from orchestrator.chat.wire import ChunkWriter, Head, committee_of, completion, reasons_of, usage_of


async def chat_completion(body: bytes) -> Asked:
    """Raises BadRequest, with `param`, for a body that is none."""
    return _asked(await parse_request(body))


async def run(body: bytes) -> Asked:
    """Raises BadRequest, with `param`, for a body that is neither a prompt nor a chat."""
    return _asked(await parse_request(body, prompt=True))


def _asked(request: CompletionRequest) -> Asked:
    head = Head(request.model or COMMITTEE_MODEL)

    def whole(answer: Answer, tool_results: ToolResultViews) -> bytes:
        finished = answer.finished
        assert finished is not None
        return completion(
            head,
            answer.choices,
            reasoning="".join(answer.reasoning),
            tool_calls=answer.calls,
            finish_reasons=reasons_of(finished),
            usage=usage_of(finished.usage),
            committee=committee_of(finished, tool_results),
            legacy=request.legacy_functions,
        )

    writer = ChunkWriter(head, include_usage=request.include_usage, legacy=request.legacy_functions)
    return Asked(request, writer, whole)
