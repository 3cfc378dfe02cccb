"""The chat page at `/`: files that `make setup` built, under a policy that lets them talk to this server only."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response

from orchestrator.errors import NotFound

BUILT_PAGE = Path(__file__).resolve().parent.parent / "ui" / "dist"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; img-src 'self' blob:; "
    "media-src 'self' blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {"content-security-policy": POLICY}
_METHODS = ["GET", "HEAD"]
_NOT_BUILT = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Committee</title></head><body>
<h1>The server runs; its chat page has not been built.</h1>
<p>Build it with <code>make setup</code> and reload. The API is here all the same: <code>/v1/chat/completions</code>,
<code>/jobs</code>, <a href="/healthz">/healthz</a>, <a href="/capabilities.json">/capabilities.json</a>.</p>
</body></html>
"""


def page_router(folder: Path = BUILT_PAGE) -> APIRouter:
    """The page and its files."""
    router = APIRouter(include_in_schema=False)

    @router.api_route("/", methods=_METHODS)
    @router.api_route("/index.html", methods=_METHODS)
    async def index() -> Response:
        page = folder / "index.html"
        if not page.is_file():
            return HTMLResponse(_NOT_BUILT, headers=_HEADERS)
        return FileResponse(page, headers=_HEADERS | {"cache-control": "no-cache"})

    @router.api_route("/assets/{name}", methods=_METHODS)
    async def asset(name: str) -> Response:
        # Built names carry a hash of the content.
        return _file(folder / "assets", name, "public, max-age=31536000, immutable")

    # One by one: a route for any name would answer for the ones that take POST only.
    @router.api_route("/favicon.svg", methods=_METHODS)
    @router.api_route("/favicon.ico", methods=_METHODS)
    @router.api_route("/favicon.png", methods=_METHODS)
    async def favicon(request: Request) -> Response:
        return _file(folder, request.url.path.lstrip("/"), "public, max-age=3600")

    return router


def _file(folder: Path, name: str, caching: str) -> Response:
    path = (folder / name).resolve()
    if path.parent != folder.resolve() or not path.is_file():
        raise NotFound("There is no such file.")
    return FileResponse(path, headers=_HEADERS | {"cache-control": caching})
