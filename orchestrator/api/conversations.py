"""The chat page's conversations, kept on the server.

POST /api/conversations      {"title": "..."}? -> 201 Conversation
GET /api/conversations       ?limit=50&offset=0 -> {"data": [Conversation], "total": n}, latest first
DELETE /api/conversations/{id}            -> 204
GET /api/conversations/{id}/messages      -> {"data": [Message]}, oldest first
POST /api/conversations/{id}/messages     {"content": "...", "model": "..."?, "attachments": [{"url", "name"?}]?,
    "committee": {"mode", "confirm": [id], "leave": [id]}?} (urls from POST /upload; ids of held calls that the user
    wants, or does not) -> an SSE stream of chat completion chunks, exactly as `/v1/chat/completions` streams them
    with usage, deliberation in full

Conversation: {"id", "title", "created_at", "updated_at"}
Message: {"id", "role": "user" | "assistant", "content", "reasoning", "job_ids": [...],
          "finish_reason": "stop" | "length" | "tool_calls" | "cancelled" | "error" | "",
          "committee": {as in the last chunk; of a broken answer only "tool_results" and "held"; of what the user said
          "confirm" and "leave"} or {}, "attachments": [{"url", "name"}], "steps": [Step], "created_at"}
Step: {"stage", "member", "event", "detail"}, as in the chunks

What the user says is stored before the members are asked; what was produced is stored even when the reader goes away
in the middle (`finish_reason` "cancelled"), and jobs that were started go on.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Annotated, Any
from urllib.parse import unquote
from uuid import UUID

import msgspec
from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from committee import Message as ModelMessage
from orchestrator.api.answering import Pacing, caller_of, stream_turn
from orchestrator.api.auth import principal_of
from orchestrator.api.event_stream import EventStream, unless_gone
from orchestrator.chat.attachments import Attachments
from orchestrator.chat.confirmation import confirmed_ids
from orchestrator.chat.conversations import Conversation, ConversationStore, StoredMessage
from orchestrator.chat.dialect import Answer
from orchestrator.chat.model_ids import COMMITTEE_MODEL
from orchestrator.chat.narrator import Narrator
from orchestrator.chat.parts import Attached, Part
from orchestrator.chat.schema import MAX_CONFIRMED, CompletionRequest, asked_of_committee
from orchestrator.chat.turn import RunningTurn, Turns
from orchestrator.chat.wire import ChunkWriter, Head, calls_of, committee_of
from orchestrator.errors import NotFound, OrchestratorError

log = logging.getLogger(__name__)

_SAVE_TIMEOUT_S = 15.0


class NewConversation(BaseModel):
    model_config = ConfigDict(str_strip_whitespace=True)

    title: str = Field(default="", max_length=200)


class NewAttachment(BaseModel):
    url: str = Field(min_length=1, max_length=2000)
    name: str = Field(default="", max_length=200)


class AskedOfCommittee(BaseModel):
    mode: str | None = None
    confirm: list[str] = Field(default=[], max_length=MAX_CONFIRMED)
    leave: list[Annotated[str, Field(min_length=1, max_length=200)]] = Field(default=[], max_length=MAX_CONFIRMED)


class NewMessage(BaseModel):
    content: str = Field(min_length=1, max_length=2_000_000)
    model: str = Field(default=COMMITTEE_MODEL, max_length=200)
    attachments: list[NewAttachment] = Field(default=[], max_length=16)
    committee: AskedOfCommittee = AskedOfCommittee()


ConversationId = Annotated[UUID, Path(description="The conversation's id.")]


def conversations_router(store: ConversationStore, turns: Turns, attachments: Attachments, pacing: Pacing) -> APIRouter:
    """Conversations and their messages, under `/conversations`."""
    router = APIRouter(prefix="/conversations", tags=["conversations"])

    @router.post("", status_code=201)
    async def create(request: Request, body: NewConversation | None = None) -> JSONResponse:
        created = await store.create(owner=principal_of(request).owner, title=body.title if body else "")
        return JSONResponse(_conversation_view(created), 201)

    @router.get("")
    async def list_(
        request: Request,
        limit: Annotated[int, Query(ge=1, le=500)] = 50,
        offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
    ) -> JSONResponse:
        found, total = await store.list(owner=principal_of(request).owner, limit=limit, offset=offset)
        return JSONResponse({"data": [_conversation_view(one) for one in found], "total": total})

    @router.delete("/{conversation_id}", status_code=204)
    async def delete(request: Request, conversation_id: ConversationId) -> Response:
        await store.delete(conversation_id, owner=principal_of(request).owner)
        return Response(status_code=204)

    @router.get("/{conversation_id}/messages")
    async def messages(request: Request, conversation_id: ConversationId) -> JSONResponse:
        found = await store.messages(conversation_id, owner=principal_of(request).owner)
        return JSONResponse({"data": [_message_view(message) for message in found]})

    @router.post("/{conversation_id}/messages")
    async def say(request: Request, conversation_id: ConversationId, body: NewMessage) -> Response:
        history = await store.messages(conversation_id, owner=principal_of(request).owner)
        return _AnswerResponse(store, turns, attachments, pacing, conversation_id, history, body)

    return router


class _AnswerResponse(Response):
    """Streams one turn of a conversation and stores it."""

    def __init__(
        self,
        store: ConversationStore,
        turns: Turns,
        attachments: Attachments,
        pacing: Pacing,
        conversation_id: UUID,
        history: Sequence[StoredMessage],
        said: NewMessage,
    ) -> None:
        super().__init__()
        self._store = store
        self._turns = turns
        self._attachments = attachments
        self._pacing = pacing
        self._conversation_id = conversation_id
        self._history = history
        self._said = said

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        caller = caller_of(Request(scope))
        question = self._question()
        request = await self._attachments.settle(self._completion_request(question), caller)
        with self._turns.begin(request, caller) as turn:
            await self._store.add(self._conversation_id, question, owner=caller.owner)
            answer = Answer()
            saving: list[asyncio.Task[None]] = []

            async def save() -> None:
                """Once, and to its end also when this request is being cancelled."""
                if not saving:
                    saving.append(asyncio.create_task(self._save(turn, answer)))
                await asyncio.shield(saving[0])

            writer, stream = ChunkWriter(Head(self._said.model), include_usage=True), EventStream(send)
            work = stream_turn(turn, writer, Narrator("full"), stream, answer, self._pacing, before_end=save)
            try:
                await unless_gone(work, receive)
            finally:
                await save()

    def _question(self) -> StoredMessage:
        """What the user says, with what it decides about calls that wait: read from a plain yes too."""
        said, asked = self._said, self._said.committee
        talk = [ModelMessage(one.role, one.content) for one in self._history[-1:]]  # type: ignore[arg-type]
        confirm = list(dict.fromkeys((*asked.confirm, *confirmed_ids([*talk, ModelMessage("user", said.content)]))))
        answered = {"confirm": confirm, "leave": asked.leave}
        decided = {key: ids for key, ids in answered.items() if ids}
        return StoredMessage("user", said.content, attachments=_named(said.attachments), committee=decided)

    def _completion_request(self, question: StoredMessage) -> CompletionRequest:
        spoken = [*self._history, question]
        mode, confirm = asked_of_committee(self._said.committee.mode, self._said.committee.confirm)
        words = [question.role, question.content, *(one["url"] for one in question.attachments)]
        return CompletionRequest(
            model=self._said.model,
            messages=tuple(ModelMessage(one.role, one.content) for one in spoken),  # type: ignore[arg-type]
            fingerprint=msgspec.json.encode([str(self._conversation_id), words, len(spoken)]).decode(),
            parts={position: _parts(one) for position, one in enumerate(spoken) if one.attachments},
            stream=True,
            include_usage=True,
            mode=mode,
            confirm=confirm,
        )

    async def _save(self, turn: RunningTurn, answer: Answer) -> None:
        await turn.settle()
        message = _stored_answer(turn, answer)
        if not message.content and not message.job_ids and not turn.held:
            return
        try:
            async with asyncio.timeout(_SAVE_TIMEOUT_S):
                await self._store.add(self._conversation_id, message, owner=turn.caller.owner)
        except NotFound:
            log.info("the conversation was deleted while it was being answered")
        except (OrchestratorError, TimeoutError):
            log.exception("an answer could not be stored", extra={"conversation": str(self._conversation_id)})


def _named(attachments: Sequence[NewAttachment]) -> tuple[dict[str, str], ...]:
    """As they are stored; without a name of its own a file is called as its address ends."""
    return tuple({"url": one.url, "name": one.name or unquote(one.url.rpartition("/")[2])} for one in attachments)


def _parts(message: StoredMessage) -> tuple[Part, ...]:
    attached = (
        Attached("file", f"attachments[{position}].url", url=one["url"], name=one["name"])
        for position, one in enumerate(message.attachments)
    )
    return (message.content, *attached)


def _stored_answer(turn: RunningTurn, answer: Answer) -> StoredMessage:
    finished = answer.finished
    results = turn.tool_results()
    reason: str
    if finished is not None:
        reason, committee = finished.finish_reason, committee_of(finished, results)
    else:
        reason, committee = "error" if answer.failed else "cancelled", {"tool_results": results}
        if turn.held:
            committee["held"] = calls_of(turn.held)
    return StoredMessage(
        role="assistant",
        content=answer.text,
        reasoning="".join(answer.reasoning),
        job_ids=tuple(turn.job_ids()),
        finish_reason=reason,
        committee=committee,
        steps=tuple(answer.steps),
    )


def _conversation_view(conversation: Conversation) -> dict[str, Any]:
    return {
        "id": str(conversation.id),
        "title": conversation.title,
        "created_at": conversation.created_at.isoformat(),
        "updated_at": conversation.updated_at.isoformat(),
    }


def _message_view(message: StoredMessage) -> dict[str, Any]:
    return {
        "id": str(message.id),
        "role": message.role,
        "content": message.content,
        "reasoning": message.reasoning,
        "job_ids": list(message.job_ids),
        "finish_reason": message.finish_reason,
        "committee": message.committee,
        "attachments": list(message.attachments),
        "steps": list(message.steps),
        "created_at": message.created_at.isoformat() if message.created_at else None,
    }
