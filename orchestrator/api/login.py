"""Signing in from the chat page: a cookie session that stands for a key.

POST /api/session            {"api_key": "sk-..."} -> {"owner": "...", "keyless": false} and an HttpOnly cookie
GET /api/session             -> {"owner": "...", "keyless": bool}; 401 when a key is needed
DELETE /api/session          -> 204, the session is over
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from pydantic import AliasChoices, BaseModel, Field, SecretStr
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from orchestrator.api.auth import SESSION_COOKIE, Authenticator, Principal
from orchestrator.api.sessions import SESSION_LIFETIME


class Login(BaseModel):
    api_key: SecretStr = Field(validation_alias=AliasChoices("api_key", "key"))


def session_router(authenticator: Authenticator) -> APIRouter:
    """Trading a key for a cookie that scripts cannot read, under `/session`."""
    router = APIRouter(prefix="/session", tags=["session"])

    @router.post("")
    async def login(request: Request, body: Login) -> JSONResponse:
        if authenticator.keyless:
            return JSONResponse(_session_view(await authenticator.identify({}), keyless=True))
        key = body.api_key.get_secret_value()
        principal = authenticator.check_key(key)
        token = await authenticator.open_session(key)
        response = JSONResponse(_session_view(principal, keyless=False))
        response.set_cookie(
            SESSION_COOKIE,
            token,
            max_age=int(SESSION_LIFETIME.total_seconds()),
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
        )
        return response

    @router.get("")
    async def current(request: Request) -> JSONResponse:
        principal = await authenticator.identify(request.headers)
        return JSONResponse(_session_view(principal, keyless=authenticator.keyless))

    @router.delete("", status_code=204)
    async def logout(request: Request) -> Response:
        await authenticator.close_session(request.headers)
        response = Response(status_code=204)
        response.delete_cookie(SESSION_COOKIE, httponly=True, samesite="strict")
        return response

    return router


def _session_view(principal: Principal, *, keyless: bool) -> dict[str, Any]:
    return {"owner": principal.owner, "keyless": keyless}
