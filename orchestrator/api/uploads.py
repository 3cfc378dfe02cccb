"""`POST /upload`: a file by multipart form, kept as an artifact of the caller.

Field `file`; answers 201 `{"url", "name", "sha256", "media_type", "bytes"}`. The url is served under `/uploads/` and
may stand in a message's content (`image_url`, `input_file`, ...) or in a tool's arguments. What a file is, is told by
its content.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from pathlib import Path

from fastapi import APIRouter
from starlette.datastructures import UploadFile
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse

from orchestrator.api.auth import base_url_of, principal_of
from orchestrator.artifacts import Artifact, ArtifactStore
from orchestrator.chat.media_types import sniff
from orchestrator.errors import BadRequest, PayloadTooLarge

_LOOKED_AT = 64 * 1024


def uploads_router(store: ArtifactStore, *, max_bytes: int) -> APIRouter:
    """The route; the gate has limited the size and the time of the body."""
    router = APIRouter(tags=["uploads"])

    @router.post("/upload", status_code=201)
    async def upload(request: Request) -> JSONResponse:
        try:
            async with request.form(max_files=1, max_fields=16) as form:
                file = form.get("file")
                if not isinstance(file, UploadFile):
                    raise BadRequest("The form has no file in its field 'file'.", param="file")
                stored = await _keep(store, file, principal_of(request).owner, max_bytes)
        except ClientDisconnect:
            raise BadRequest("The client went away before its file was complete.", code="client_disconnected") from None
        url = f"{base_url_of(request)}{stored.url_path.replace('/artifacts/', '/uploads/', 1)}"
        return JSONResponse({**stored.view(), "uri": url, "url": url}, 201)

    return router


async def _keep(store: ArtifactStore, file: UploadFile, owner: str, max_bytes: int) -> Artifact:
    if not file.size:
        raise BadRequest("The file is empty.", param="file")
    if file.size > max_bytes:
        raise PayloadTooLarge(f"The file is larger than {max_bytes} bytes.", param="file")
    media_type = sniff(await file.read(_LOOKED_AT))
    await file.seek(0)
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "upload"
        await asyncio.to_thread(_copy, file, source)
        return await store.put_file(source, name=file.filename or "file", media_type=media_type, owner=owner)


def _copy(file: UploadFile, target: Path) -> None:
    with target.open("wb") as write:
        shutil.copyfileobj(file.file, write)
