"""`GET /artifacts/{sha256}/{name}`: files that jobs produced or that were uploaded, to their owner only, with Range.

`/uploads/{sha256}/{name}` is the same, for what came by `POST /upload`.

The bytes under a digest never change, so browsers may keep them for ever. Only types that a browser cannot run as a
page of ours are shown in place; everything else is a download.
"""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from orchestrator.api.auth import principal_of
from orchestrator.artifacts import Artifact, ArtifactStore

_SHOWN_IN_PLACE = frozenset(
    {"image/png", "image/jpeg", "image/webp", "image/gif", "text/vtt", "text/plain", "application/json"}
)
# A browser that opens a film by itself makes a page around it, and that page must be allowed to load the film.
_IN_PLACE_POLICY = (
    "default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'; frame-ancestors 'none'"
)
_DOWNLOAD_POLICY = "default-src 'none'; sandbox; frame-ancestors 'none'"


def artifacts_router(store: ArtifactStore) -> APIRouter:
    """The route. Raises NotFound for what does not exist and for what belongs to somebody else."""
    router = APIRouter(tags=["artifacts"])

    @router.api_route("/artifacts/{sha256}/{name}", methods=["GET", "HEAD"])
    @router.api_route("/uploads/{sha256}/{name}", methods=["GET", "HEAD"], include_in_schema=False)
    async def serve(request: Request, sha256: str, name: str) -> Response:
        artifact, path = await store.find(sha256, name, owner=principal_of(request).owner)
        in_place = _is_harmless(artifact)
        headers = {
            "etag": f'"{sha256}"',
            "cache-control": "private, max-age=31536000, immutable",
            "content-security-policy": _IN_PLACE_POLICY if in_place else _DOWNLOAD_POLICY,
        }
        if _is_known(request, sha256):
            return Response(status_code=304, headers=headers)
        return FileResponse(
            path,
            media_type=artifact.media_type,
            filename=artifact.name,
            content_disposition_type="inline" if in_place else "attachment",
            headers=headers,
        )

    return router


def _is_known(request: Request, sha256: str) -> bool:
    tags = {tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")}
    return f'"{sha256}"' in tags


def _is_harmless(artifact: Artifact) -> bool:
    kind = artifact.media_type.partition(";")[0].strip().lower()
    return kind in _SHOWN_IN_PLACE or kind.startswith(("video/", "audio/"))
