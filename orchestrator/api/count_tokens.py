"""`POST /v1/messages/count_tokens`: how large a prompt is, without asking any member."""

from __future__ import annotations

import msgspec

from orchestrator.api.unary import Reply
from orchestrator.chat.caller import Caller
from orchestrator.chat.messages import counted, prompt_tokens
from orchestrator.chat.model_ids import ModelIds


class CountTokens:
    """Handles the requests. The count is an estimate for one member's prompt."""

    def __init__(self, models: ModelIds) -> None:
        self._models = models

    async def __call__(self, body: bytes, _: Caller) -> Reply:
        request = await counted(body)
        self._models.mode_of(request.model)  # an unknown model is refused here as well
        return Reply(msgspec.json.encode({"input_tokens": prompt_tokens(request)}))
