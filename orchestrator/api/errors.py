"""The single table from error class to status code and OpenAI error object.

Every route answers errors as `{"error": {"message", "type", "param", "code"}}`, unknown routes, wrong methods and
invalid bodies included; the routes in Anthropic's dialect have that API's form of the same. Nothing else in the server
chooses a status for an error.
"""

from __future__ import annotations

import http
import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Send

from committee.errors import (
    CitationMismatch,
    CommitteeBusy,
    CommitteeError,
    CommitteeUnavailable,
    ContextLengthExceeded,
    InvalidPack,
    NothingViable,
    StaleCursor,
    ToolChoiceUnsatisfied,
)
from orchestrator.chat.messages import error_body
from orchestrator.errors import (
    BadRequest,
    Conflict,
    Forbidden,
    NotFound,
    OrchestratorError,
    PayloadTooLarge,
    QueueFull,
    StorageFull,
    TookTooLong,
    Unauthorized,
    Unavailable,
    Unprocessable,
    UnsupportedMedia,
)
from rag.errors import EmbedderBusy, EmbedderUnavailable, EmbeddingError, EmbeddingRejected

log = logging.getLogger(__name__)

_INVALID = "invalid_request_error"
_SERVER = "server_error"


class RequestTimeout(BadRequest):
    """The request's body did not arrive in time."""

    code = "request_timeout"


# The SDKs repeat a request that failed here unless they are told not to; a repetition has the same seed, and so the
# same end.
_AGAIN_THE_SAME = frozenset({"json_validation_failed"})
_NO_RETRY = {"x-should-retry": "false"}

# Subclasses stand before their bases: the first match wins.
_TABLE: tuple[tuple[type[Exception], int, str], ...] = (
    (PayloadTooLarge, 413, _INVALID),
    (UnsupportedMedia, 415, _INVALID),
    (RequestTimeout, 408, _INVALID),
    (Unprocessable, 422, _INVALID),
    (BadRequest, 400, _INVALID),
    (Unauthorized, 401, _INVALID),
    (Forbidden, 403, "permission_error"),
    (NotFound, 404, _INVALID),
    (Conflict, 409, _INVALID),
    (QueueFull, 429, "rate_limit_error"),
    (Unavailable, 503, _SERVER),
    (TookTooLong, 504, _SERVER),
    (StorageFull, 507, _SERVER),
    (OrchestratorError, 500, _SERVER),
    (ContextLengthExceeded, 400, _INVALID),
    (ToolChoiceUnsatisfied, 400, _INVALID),
    (InvalidPack, 400, _INVALID),
    (NothingViable, 409, _INVALID),
    (StaleCursor, 409, _INVALID),
    (CitationMismatch, 422, _INVALID),
    (CommitteeBusy, 429, "rate_limit_error"),
    (CommitteeUnavailable, 503, _SERVER),
    (CommitteeError, 502, _SERVER),
    (EmbeddingRejected, 400, _INVALID),
    (EmbedderBusy, 429, "rate_limit_error"),
    (EmbedderUnavailable, 503, _SERVER),
    (EmbeddingError, 502, _SERVER),
)


_OBJECT, _WHOLE, _NUMBER, _TRUTH = (
    "must be an object",
    "must be a whole number",
    "must be a number",
    "must be true or false",
)
_TIME = "must be a time in ISO 8601 with its zone"
_PLAIN = {
    "missing": "is required",
    "extra_forbidden": "is not a known field",
    "model_attributes_type": _OBJECT,
    "model_type": _OBJECT,
    "dict_type": _OBJECT,
    "list_type": "must be a list",
    "string_type": "must be a string",
    "int_type": _WHOLE,
    "int_parsing": _WHOLE,
    "int_parsing_size": "is too large",
    "int_from_float": _WHOLE,
    "float_type": _NUMBER,
    "float_parsing": _NUMBER,
    "finite_number": "must be a finite number",
    "bool_type": _TRUTH,
    "bool_parsing": _TRUTH,
    "datetime_type": _TIME,
    "datetime_parsing": _TIME,
    "datetime_from_date_parsing": _TIME,
    "timezone_aware": _TIME,
    "uuid_type": "must be a UUID",
    "uuid_parsing": "must be a UUID",
    "literal_error": "must be {expected}",
    "enum": "must be {expected}",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "string_too_short": "must have {min_length} or more characters",
    "string_too_long": "must have {max_length} or fewer characters",
    "too_short": "must have {min_length} or more entries",
    "too_long": "must have {max_length} or fewer entries",
}


@dataclass(frozen=True)
class ErrorReply:
    """An error as it goes out."""

    status: int
    message: str
    type: str
    code: str
    param: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    beside: Mapping[str, Any] = field(default_factory=dict)
    details: Mapping[str, object] = field(default_factory=dict)

    def body(self) -> bytes:
        return msgspec.json.encode({"error": self.object(), **self.beside})

    def object(self) -> dict[str, Any]:
        """The inner error object, as it also stands in a stream that has already begun."""
        known = {"message": self.message, "type": self.type, "param": self.param, "code": self.code}
        return {**self.details, **known}


def reply_for(error: BaseException) -> ErrorReply:
    """The reply for any exception. What we do not know becomes a 500 that tells nothing of our insides."""
    if isinstance(error, RequestValidationError):
        return _validation_reply(error)
    if isinstance(error, HTTPException):
        return _http_reply(error)
    for known, status, kind in _TABLE:
        if isinstance(error, known) and isinstance(error, OrchestratorError | CommitteeError | EmbeddingError):
            headers = _retry_header(error.retry_after) | (_NO_RETRY if error.code in _AGAIN_THE_SAME else {})
            beside = {"GAPS": list(error.gaps)} if isinstance(error, NothingViable) else {}
            param, details = getattr(error, "param", None), getattr(error, "details", {})
            return ErrorReply(status, error.message, kind, error.code, param, headers, beside, details)
    return ErrorReply(500, "The server failed unexpectedly; its log has the details.", _SERVER, "internal_error")


def _retry_header(retry_after: float | None) -> dict[str, str]:
    return {} if retry_after is None else {"retry-after": str(max(1, math.ceil(retry_after)))}


def _validation_reply(error: RequestValidationError) -> ErrorReply:
    problems = error.errors()
    if not problems:
        return ErrorReply(400, "The request is not valid.", _INVALID, "invalid_request")
    first = problems[0]
    if first["type"] == "json_invalid":
        return ErrorReply(400, "The body is not valid JSON.", _INVALID, "invalid_json")
    where = [str(part) for part in first["loc"] if part not in {"body", "query", "path", "header"}]
    param = ".".join(where) or None
    if param is None and first["type"] == "missing":
        return ErrorReply(400, "The request has no body; it must be a JSON object.", _INVALID, "invalid_request")
    return ErrorReply(400, f"{param or 'The body'}: {plainly(first)}", _INVALID, "invalid_request", param)


def plainly(problem: Mapping[str, Any]) -> str:
    """What is wrong with a field, for a reader who does not know which library found it.

    problem: one of a pydantic error's `errors()`, with its context.
    """
    kind, context = problem["type"], problem.get("ctx") or {}
    if kind in {"value_error", "assertion_error"}:
        text = str(problem["msg"]).partition(", ")[2]
    else:
        text = _PLAIN[kind].format_map(context) if kind in _PLAIN else _as_demand(str(problem["msg"]))
    return text if text.endswith((".", "?", "!")) else f"{text}."


def _as_demand(message: str) -> str:
    message = message.replace("Input should", "must", 1)
    return message[:1].lower() + message[1:]


def _http_reply(error: HTTPException) -> ErrorReply:
    """What Starlette and FastAPI raise themselves."""
    codes = {404: "not_found", 405: "method_not_allowed", 400: "invalid_request"}
    phrase = http.HTTPStatus(error.status_code).phrase
    messages = {404: "There is no such route.", 405: "This route does not know that method."}
    return ErrorReply(
        error.status_code,
        messages.get(error.status_code, str(error.detail or phrase)),
        _SERVER if error.status_code >= 500 else _INVALID,
        codes.get(error.status_code, phrase.lower().replace(" ", "_")),
        headers=dict(error.headers or {}),
    )


def install(app: FastAPI) -> None:
    """Make every error of the FastAPI application go out through the table."""

    async def answer(_request: Request, error: Exception) -> Response:
        reply = reply_for(error)
        if reply.code == "internal_error":
            log.error("request failed", exc_info=error)
        return Response(reply.body(), reply.status, dict(reply.headers), "application/json")

    for kind in (OrchestratorError, CommitteeError, RequestValidationError, HTTPException, Exception):
        app.add_exception_handler(kind, answer)


async def send_error(send: Send, reply: ErrorReply, *, anthropic_id: str | None = None) -> None:
    """Answer a plain ASGI request with an error, in OpenAI's form; in Anthropic's with that id of the request."""
    body = reply.body()
    if anthropic_id is not None:
        body = msgspec.json.encode({**error_body(reply.object(), reply.status), "request_id": anthropic_id})
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    headers += [(name.lower().encode(), value.encode("latin-1", "replace")) for name, value in reply.headers.items()]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
