"""`POST /v1/images/generations`: OpenAI's image generation, answered by `image.generate` jobs.

A request waits for its jobs for a while; when that is over it gets 504 with their ids, and the jobs go on, as they do
when the client goes away. A request that is sent again because its answer did not arrive gets the same jobs. What
the picture is worth stands beside it: `fidelity`, and what of the prompt it shows and what it does not.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
from collections.abc import Mapping
from contextlib import aclosing
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from orchestrator.api.jobs import checked_payload
from orchestrator.api.unary import Reply
from orchestrator.artifacts import ArtifactStore
from orchestrator.chat.caller import Caller
from orchestrator.chat.decoding import decode
from orchestrator.chat.runs import Run, Runs
from orchestrator.errors import BadRequest, NotFound, OrchestratorError, TookTooLong
from orchestrator.jobs.events import JobEvents
from orchestrator.jobs.model import Job, JobKind, job_urls
from orchestrator.jobs.store import JobStore
from tools.image import IMAGE_KIND
from tools.seeds import derive_seed

MODEL = IMAGE_KIND
# What clients send that let nobody choose; the answer names what drew the picture.
_ALIASES = frozenset({"", MODEL, "image_generate", "dall-e-2", "dall-e-3", "gpt-image-1", "gpt-image-1-mini"})
_SIZE = re.compile(r"([1-9][0-9]{1,3})x([1-9][0-9]{1,3})")


class _Body(Struct):
    prompt: str
    model: str | None = None
    n: Annotated[int, Meta(ge=1, le=4)] | None = None
    size: str | None = None
    response_format: Literal["url", "b64_json"] | None = None
    output_format: str | None = None
    seed: Annotated[int, Meta(ge=0, lt=2**32)] | None = None
    negative_prompt: str | None = None
    stream: bool | None = None


class ImageFailed(OrchestratorError):
    """The picture could not be drawn."""

    code = "image_failed"


class ImagesRoute:
    """Handles the requests; each waits at most `wait_s` for its jobs."""

    def __init__(
        self,
        jobs: JobStore,
        events: JobEvents,
        kinds: Mapping[str, JobKind],
        artifacts: ArtifactStore,
        *,
        wait_s: float,
    ) -> None:
        self._jobs = jobs
        self._events = events
        self._kinds = kinds
        self._artifacts = artifacts
        self._wait_s = wait_s
        self._runs = Runs()

    async def __call__(self, body: bytes, caller: Caller) -> Reply:
        asked = decode(body, _Body)
        payloads = self._payloads(asked)
        fingerprint = f"{caller.owner}/{hashlib.sha256(body).hexdigest()}"
        run = self._runs.begin(fingerprint, retry=caller.retry)
        delivered = False
        try:
            jobs = await self._draw(payloads, run, caller)
            reply = await self._reply(asked, jobs, caller)
            delivered = True
            return reply
        except ImageFailed:
            delivered = True  # to ask again is to try again
            raise
        finally:
            self._runs.end(fingerprint, run, delivered=delivered)

    def _payloads(self, asked: _Body) -> list[dict[str, Any]]:
        """One payload a picture, each with its own seed. Raises BadRequest that names the field."""
        _check(asked)
        if IMAGE_KIND not in self._kinds:
            raise NotFound("This server draws no pictures.", code="model_not_found", param="model")
        payload: dict[str, Any] = {"prompt": asked.prompt, "negative_prompt": asked.negative_prompt or ""}
        payload |= _size(asked.size)
        try:
            payload = checked_payload(self._kinds, IMAGE_KIND, payload)
        except BadRequest as error:
            param = (error.param or "").removeprefix("payload.") or None
            message = error.message.removeprefix("payload.")
            raise type(error)(message, code=error.code, param=param) from None
        first = derive_seed("image", payload["prompt"]) if asked.seed is None else asked.seed
        return [{**payload, "seed": (first + number) % 2**32} for number in range(asked.n or 1)]

    async def _draw(self, payloads: list[dict[str, Any]], run: Run, caller: Caller) -> list[Job]:
        jobs = [
            await self._jobs.submit(
                IMAGE_KIND, payload, owner=caller.owner, idempotency_key=f"images/{run.id}/{number}"
            )
            for number, payload in enumerate(payloads)
        ]
        try:
            async with asyncio.timeout(self._wait_s):
                return list(await asyncio.gather(*map(self._ended, jobs)))
        except TimeoutError:
            ids = [str(job.id) for job in jobs]
            raise TookTooLong(
                f"The picture is not ready after {self._wait_s:g} s; the job goes on and can be followed.",
                details={"job_id": ids[0], "job_ids": ids, "urls": [job_urls(job.id) for job in jobs]},
            ) from None

    async def _ended(self, job: Job) -> Job:
        """The job as it ended. Raises ImageFailed."""
        if not job.terminal:
            async with aclosing(self._events.watch(job.id, job.last_seq)) as watch:
                async for _, latest in watch:
                    job = latest
        if job.status != "succeeded":
            cause = (job.error or {}).get("message") or f"the job was {job.status}"
            code = str((job.error or {}).get("code") or ImageFailed.code)
            raise ImageFailed(f"No picture: {cause}", code=code, details={"job_id": str(job.id)})
        return job

    async def _reply(self, asked: _Body, jobs: list[Job], caller: Caller) -> Reply:
        as_base64 = asked.response_format == "b64_json"
        results = [job.result or {} for job in jobs]
        data = [
            {
                "url": None if as_base64 else f"{caller.base_url}{result['image']['url']}",
                "b64_json": await self._quoted(result["image"]["sha256"]) if as_base64 else None,
                "revised_prompt": None,
                "job_id": str(job.id),
                **{name: result[name] for name in _TOLD if name in result},
            }
            for job, result in zip(jobs, results, strict=True)
        ]
        body = {
            "created": int(jobs[0].created_at.timestamp()),
            "data": data,
            "model": MODEL,
            "fidelity": results[0].get("fidelity"),
            "renderer": results[0].get("renderer"),
            "output_format": "png",
            "size": f"{results[0]['image']['width']}x{results[0]['image']['height']}",
        }
        return Reply(msgspec.json.encode(body))

    async def _quoted(self, sha256: str) -> msgspec.Raw:
        """The file as base64 in quotes: megabytes that need no escaping are only copied on the event loop."""
        path = self._artifacts.path(sha256)
        return msgspec.Raw(await asyncio.to_thread(lambda: b'"%s"' % base64.b64encode(path.read_bytes())))


_TOLD = ("seed", "fidelity", "renderer", "depicted", "not_depicted", "not_honoured")


def _check(asked: _Body) -> None:
    if (asked.model or "") not in _ALIASES:
        raise NotFound(
            f"The image model {(asked.model or '')[:100]!r} does not exist; there is {MODEL!r}.",
            code="model_not_found",
            param="model",
        )
    if not asked.prompt.strip():
        raise BadRequest("prompt: must not be empty.", param="prompt")
    if asked.stream:
        raise BadRequest("stream: pictures are not streamed; follow the job instead.", param="stream")
    if asked.output_format not in (None, "png"):
        raise BadRequest("output_format: pictures are png.", param="output_format", code="unsupported_value")


def _size(text: str | None) -> dict[str, int]:
    if text in (None, "auto"):
        return {}
    match = _SIZE.fullmatch(text or "")
    if match is None or not all(64 <= int(side) <= 4096 for side in match.groups()):
        raise BadRequest("size: give WIDTHxHEIGHT with 64 to 4096 pixels each, or auto.", param="size")
    return {"width": int(match[1]), "height": int(match[2])}
