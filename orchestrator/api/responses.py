"""`/v1/responses/{id}`: no response is stored, so there is none under any id."""

from __future__ import annotations

from fastapi import APIRouter

from orchestrator.errors import NotFound


def responses_router() -> APIRouter:
    """What asks for a stored response is told that there is none; `POST /responses` itself is a dialect of the chat."""
    router = APIRouter(prefix="/responses", include_in_schema=False)

    @router.get("/{response_id}")
    @router.get("/{response_id}/input_items")
    @router.delete("/{response_id}")
    @router.post("/{response_id}/cancel")
    async def stored(response_id: str) -> None:
        raise NotFound(
            f"There is no response {response_id[:100]!r}: nothing is stored here (store is always false).",
            code="response_not_found",
            param="response_id",
        )

    return router
