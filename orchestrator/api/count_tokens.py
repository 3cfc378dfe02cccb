"""`POST /v1/messages/count_tokens`: how large a prompt is, without asking any member."""

from __future__ import annotations

import msgspec
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from orchestrator.api.answering import body_of, send_json
from orchestrator.chat.messages import counted, prompt_tokens
from orchestrator.chat.turn import Turns


class CountTokens:
    """The route, as an ASGI application. The count is an estimate for one member's prompt."""

    def __init__(self, turns: Turns) -> None:
        self._turns = turns

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "POST":
            raise HTTPException(405, headers={"allow": "POST"})
        request = await counted(await body_of(receive))
        self._turns.models.mode_of(request.model)  # an unknown model is refused here as well
        await send_json(send, msgspec.json.encode({"input_tokens": prompt_tokens(request)}))
