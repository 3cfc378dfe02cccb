"""A small server that speaks the page's API, so that a test decides when each token and each event arrives.

Everything the page asks for is kept in `requests`. The server runs in a thread of its own; the methods of `PageServer`
may be called from the test's thread.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, TypeVar
from uuid import uuid4

from aiohttp import web

from orchestrator.api.page import BUILT_PAGE, POLICY

COOKIE = "committee_session"

T = TypeVar("T")


@dataclass(frozen=True)
class Hold:
    """In an answer's script: stop here until `PageServer.release(name)`."""

    name: str


BREAK = object()  # in an answer's script: the connection is cut


def chunk(content: str = "", *, reasoning: str = "", finish: str | None = None, **extra: Any) -> dict[str, Any]:
    """One `chat.completion.chunk` as the server sends it."""
    delta = {"content": content} if content else {}
    if reasoning:
        delta |= {"reasoning_content": reasoning, "reasoning": reasoning}
    choices = [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "choices": choices, **extra}


@dataclass
class FakeJob:
    row: dict[str, Any]
    events: list[dict[str, Any]] = field(default_factory=list)

    @property
    def over(self) -> bool:
        return self.row["status"] in {"succeeded", "failed", "cancelled"}


class PageServer:
    """See the module. `url` is its address; `key`, when set, is asked for; `answer` is what the committee says next."""

    def __init__(self) -> None:
        self.url = ""
        self.key: str | None = None
        self.answer: list[Any] = [chunk("Hello."), chunk(finish="stop")]
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.faults: dict[str, tuple[int, dict[str, str], Any]] = {}
        self.health: dict[str, Any] = {
            "ok": True,
            "degraded": False,
            "database": {"ok": True},
            "members": [_member("qwen"), _member("gptoss")],
        }
        self.models = ["committee-qwen3-gpt-oss", "committee", "qwen", "gptoss"]
        self.conversations: dict[str, dict[str, Any]] = {}
        self.films: dict[str, dict[str, Any]] = {}
        self.messages: dict[str, list[dict[str, Any]]] = {}
        self.said: list[dict[str, Any]] = []  # the bodies of all messages, as they came
        self.uploads: Hold | None = None  # every upload stops there
        self.jobs: dict[str, FakeJob] = {}
        self.files: dict[str, tuple[str, bytes]] = {}
        self._released: set[str] = set()
        self._streams: set[asyncio.Transport] = set()
        self._loop = asyncio.new_event_loop()
        self._changed = asyncio.Condition()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._runner: web.AppRunner = self._call(self._start).result()

    # what tests do

    def close(self) -> None:
        async def stop() -> None:
            self.drop_now()
            await self._runner.cleanup()

        self._call(stop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def release(self, name: str) -> None:
        """Let an answer go on past `Hold(name)`."""
        self._change(lambda: self._released.add(name))

    def add_job(self, *, title: str = "Butterflies", kind: str = "film.run") -> str:
        job_id = str(uuid4())
        row = {
            "id": job_id,
            "job_id": job_id,
            "kind": kind,
            "status": "queued",
            "progress": 0.0,
            "stage": None,
            "eta_s": None,
            "payload": {"title": title},
            "result": None,
            "error": None,
            "created_at": "2026-01-01T00:00:00+00:00",
            "updated_at": "2026-01-01T00:00:00+00:00",
        }
        self._change(lambda: self.jobs.__setitem__(job_id, FakeJob(row)))
        return job_id

    def push(self, job_id: str, type: str, *, data: dict[str, Any] | None = None, **row: Any) -> None:
        """A new event of a job, which also changes its row."""

        def change() -> None:
            job = self.jobs[job_id]
            job.row |= row
            shown = {"seq": len(job.events) + 1, "type": type, "data": data or {}, "job": dict(job.row)}
            job.events.append(shown | {"stage": job.row["stage"], "progress": job.row["progress"]})

        self._change(change)

    def drop_streams(self) -> None:
        """Cut every open job stream, as a server that dies does."""
        self._change(self.drop_now)

    def drop_now(self) -> None:
        for transport in list(self._streams):
            transport.abort()

    def count(self, method: str, path: str) -> int:
        return sum(1 for seen in self.requests if seen[:2] == (method, path))

    # the server

    def _call(self, function: Callable[[], Any]) -> Future[Any]:
        return asyncio.run_coroutine_threadsafe(function(), self._loop)

    def _change(self, function: Callable[[], Any]) -> None:
        async def change() -> None:
            async with self._changed:
                function()
                self._changed.notify_all()

        self._call(change).result()

    async def _until(self, test: Callable[[], bool]) -> None:
        async with self._changed:
            await self._changed.wait_for(test)

    async def _start(self) -> web.AppRunner:
        app = web.Application(middlewares=[self._gate])
        app.add_routes(
            [
                web.get("/", self._page),
                web.get("/favicon.svg", self._page_file),
                web.get("/assets/{name}", self._page_file),
                web.get("/healthz", _json(lambda: self.health)),
                web.get("/v1/models", _json(lambda: {"data": [{"id": model} for model in self.models]})),
                web.post("/api/session", self._sign_in),
                web.get("/api/conversations", _json(lambda: {"data": list(self.conversations.values())[::-1]})),
                web.post("/api/conversations", self._new_conversation),
                web.delete("/api/conversations/{id}", self._delete_conversation),
                web.get("/api/conversations/{id}/messages", self._list_messages),
                web.post("/api/conversations/{id}/messages", self._say),
                web.get("/api/jobs", self._list_jobs),
                web.get("/api/jobs/{id}", self._job),
                web.get("/api/jobs/{id}/stream", self._job_stream),
                web.get("/api/films/{id}", self._film),
                web.post("/api/jobs/{id}/cancel", self._cancel_job),
                web.get("/artifacts/{name}", self._artifact),
                web.get("/uploads/{name}", self._artifact),
                web.post("/api/upload", self._upload),
            ]
        )
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        return runner

    @web.middleware
    async def _gate(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.requests.append((request.method, request.path, dict(request.headers)))
        if request.path in self.faults:
            status, headers, body = self.faults[request.path]
            return web.json_response(body, status=status, headers=headers)
        protected = request.path.startswith(("/api/", "/v1/", "/artifacts/")) and request.path != "/api/session"
        if self.key and protected and request.cookies.get(COOKIE) != "token":
            return web.json_response({"error": {"message": "No valid API key was given."}}, status=401)
        answer: web.StreamResponse = await handler(request)
        return answer

    async def _page(self, _: web.Request) -> web.FileResponse:
        return web.FileResponse(BUILT_PAGE / "index.html", headers={"Content-Security-Policy": POLICY})

    async def _page_file(self, request: web.Request) -> web.FileResponse:
        return web.FileResponse(BUILT_PAGE / request.path.lstrip("/"), headers={"X-Content-Type-Options": "nosniff"})

    async def _sign_in(self, request: web.Request) -> web.Response:
        if (await request.json()).get("api_key") != self.key:
            return web.json_response({"error": {"message": "No valid API key was given."}}, status=401)
        response = web.json_response({"ok": True})
        response.set_cookie(COOKIE, "token", httponly=True, samesite="Strict")
        return response

    async def _new_conversation(self, _: web.Request) -> web.Response:
        row = {"id": str(uuid4()), "title": None}
        self.conversations[row["id"] or ""] = row
        return web.json_response(row, status=201)

    async def _delete_conversation(self, request: web.Request) -> web.Response:
        self.conversations.pop(request.match_info["id"], None)
        return web.Response(status=204)

    async def _list_messages(self, request: web.Request) -> web.Response:
        return web.json_response({"data": self.messages.get(request.match_info["id"], [])})

    async def _say(self, request: web.Request) -> web.StreamResponse:
        conversation = request.match_info["id"]
        body = await request.json()
        question = body["content"]
        self.conversations.setdefault(conversation, {"id": conversation})["title"] = question[:60]
        stored = self.messages.setdefault(conversation, [])
        self.said.append(body)
        kept = {key: body.get(key, {}) for key in ("attachments", "committee")}
        stored.append({"id": str(uuid4()), "role": "user", "content": question, **kept})
        said: dict[str, Any] = {"id": str(uuid4()), "role": "assistant", "content": "", "reasoning": "", "job_ids": []}
        stored.append(said)
        response = await _event_stream(request)
        for step in list(self.answer):
            if isinstance(step, Hold):
                await self._until(lambda name=step.name: name in self._released)  # type: ignore[misc]
            elif step is BREAK:
                assert request.transport is not None
                request.transport.abort()
                return response
            else:
                _remember(said, step)
                await response.write(f"data: {json.dumps(step)}\n\n".encode())
        if not any("error" in step for step in self.answer if isinstance(step, dict)):
            await response.write(b"data: [DONE]\n\n")
        return response

    async def _upload(self, request: web.Request) -> web.Response:
        field = (await request.post())["file"]
        if self.uploads is not None:
            await self._until(lambda: self.uploads is None or self.uploads.name in self._released)
        assert isinstance(field, web.FileField)
        self.files[field.filename] = (field.content_type, field.file.read())
        url = f"https://films.example/uploads/{field.filename}"  # the public name, which is not the page's own
        return web.json_response({"url": url, "name": field.filename}, status=201)

    async def _list_jobs(self, _: web.Request) -> web.Response:
        rows = [job.row for job in self.jobs.values()][::-1]
        return web.json_response({"data": rows, "total": len(rows)})

    async def _job(self, request: web.Request) -> web.Response:
        job = self.jobs.get(request.match_info["id"])
        if job is None:
            return web.json_response({"error": {"message": "There is no such job."}}, status=404)
        return web.json_response(job.row)

    async def _job_stream(self, request: web.Request) -> web.StreamResponse:
        job = self.jobs.get(request.match_info["id"])
        if job is None:
            return web.json_response({"error": {"message": "There is no such job."}}, status=404)
        transport = request.transport
        assert isinstance(transport, asyncio.Transport)
        self._streams.add(transport)
        try:
            response = await _event_stream(request)
            sent = int(request.headers.get("Last-Event-ID") or len(job.events))
            snapshot = {"seq": sent, "type": "snapshot", "stage": job.row["stage"], "job": job.row}
            await response.write(f"id: {sent}\ndata: {json.dumps(snapshot)}\n\n".encode())
            while True:
                for event in job.events[sent:]:
                    await response.write(f"id: {event['seq']}\ndata: {json.dumps(event)}\n\n".encode())
                sent = max(sent, len(job.events))
                if transport.is_closing():
                    return response
                if job.over:
                    break
                await self._until(lambda seen=sent: len(job.events) > seen or transport.is_closing())  # type: ignore[misc]
            await response.write(b"data: [DONE]\n\n")
            return response
        finally:
            self._streams.discard(transport)

    async def _film(self, request: web.Request) -> web.Response:
        return web.json_response(self.films[request.match_info["id"]])

    async def _cancel_job(self, request: web.Request) -> web.Response:
        job_id = request.match_info["id"]
        job = self.jobs[job_id]
        job.row["status"] = "cancelled"
        job.events.append({"seq": len(job.events) + 1, "type": "cancelled", "job": dict(job.row)})
        async with self._changed:
            self._changed.notify_all()
        return web.json_response({"ok": True, "status": "cancelled"})

    async def _artifact(self, request: web.Request) -> web.Response:
        media_type, body = self.files[request.match_info["name"]]
        span = request.http_range
        if span.start is None and span.stop is None:
            return web.Response(body=body, content_type=media_type, headers={"Accept-Ranges": "bytes"})
        start, stop = span.start or 0, min(span.stop or len(body), len(body))
        headers = {"Content-Range": f"bytes {start}-{stop - 1}/{len(body)}", "Accept-Ranges": "bytes"}
        return web.Response(status=206, body=body[start:stop], content_type=media_type, headers=headers)


def _json(read: Callable[[], Any]) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(_: web.Request) -> web.Response:
        return web.json_response(read())

    return answer


async def _event_stream(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
    await response.prepare(request)
    await response.write(b": keep-alive\n\n")
    return response


def _remember(said: dict[str, Any], step: dict[str, Any]) -> None:
    """What a stored message keeps of a chunk."""
    delta = (step.get("choices") or [{}])[0].get("delta", {})
    said["content"] += delta.get("content", "")
    said["reasoning"] += delta.get("reasoning_content", "")
    committee = step.get("committee", {})
    if "seq" in committee:
        said.setdefault("steps", []).append(committee)
    if "agreement" in committee:
        said["committee"] = committee


def _member(name: str) -> dict[str, Any]:
    return {"name": name, "model": f"{name}:latest", "reachable": True, "stand_in": False, "note": ""}
