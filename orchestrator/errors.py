"""Every error that crosses a room's door.

OrchestratorError
├── BadRequest            400  the request itself is wrong; `param` names the field
│   ├── PayloadTooLarge   413
│   ├── UnsupportedMedia  415
│   └── Unprocessable     422
├── Unauthorized          401
├── Forbidden             403
├── NotFound              404  also a LookupError, so that tools need not know us
├── Conflict              409
├── QueueFull             429  come back after `retry_after` seconds
├── Unavailable           503  a part we need does not answer
│   └── DatabaseUnavailable
├── TookTooLong           504  what was asked for goes on; `details` says where to find it
├── StorageFull           507
└── ConfigurationError         start-up only: one clear line, exit code 2

`orchestrator/api/errors.py` is the single table from these to status codes and OpenAI error objects.
"""

from __future__ import annotations

from collections.abc import Mapping


class OrchestratorError(Exception):
    """Something went wrong inside the server."""

    code = "internal_error"

    def __init__(
        self,
        message: str | None = None,
        *,
        code: str | None = None,
        param: str | None = None,
        retry_after: float | None = None,
        details: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(message or (type(self).__doc__ or "").strip())
        if code is not None:
            self.code = code
        self.details = dict(details or {})  # more fields for the error object that the client gets
        self.param = param
        self.retry_after = retry_after

    @property
    def message(self) -> str:
        return str(self.args[0])


class BadRequest(OrchestratorError):
    """The request is not valid."""

    code = "invalid_request"


class PayloadTooLarge(BadRequest):
    """The request is too large."""

    code = "payload_too_large"


class UnsupportedMedia(BadRequest):
    """The request's content type or encoding is not supported."""

    code = "unsupported_media_type"


class Unprocessable(BadRequest):
    """The request is well formed but contradicts an earlier one."""

    code = "unprocessable"


class Unauthorized(OrchestratorError):
    """No valid API key was given."""

    code = "invalid_api_key"


class Forbidden(OrchestratorError):
    """This key may not do that."""

    code = "insufficient_scope"


class NotFound(OrchestratorError, LookupError):
    """There is no such thing here."""

    code = "not_found"


class Conflict(OrchestratorError):
    """The request conflicts with the present state."""

    code = "conflict"


class QueueFull(OrchestratorError):
    """The queue is full; try again later."""

    code = "queue_full"


class Unavailable(OrchestratorError):
    """A part that this needs does not answer."""

    code = "unavailable"


class DatabaseUnavailable(Unavailable):
    """The database does not answer."""

    code = "database_unavailable"


class TookTooLong(OrchestratorError):
    """The work goes on, but the request has waited long enough."""

    code = "timeout"


class StorageFull(OrchestratorError):
    """The disk is full."""

    code = "storage_full"


class ConfigurationError(OrchestratorError):
    """The configuration cannot work as it stands."""

    code = "configuration_error"
