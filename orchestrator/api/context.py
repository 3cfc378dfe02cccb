"""The context packer (ICW) and segmented output over HTTP.

POST /context/pack     candidates for a question, packed within a budget of tokens, every chunk cited
POST /output/plan      where a long text will be cut into segments
POST /output/render    one segment of it; its `cursor` leads to the next

The same request gives the same bytes. 400: the request cannot be meant; 409: no candidate can be used (`GAPS` says what
is missing), or a cursor of another text; 422: citations that the evidence does not list.
"""

import asyncio
import re
from collections.abc import Callable
from dataclasses import asdict
from datetime import date, datetime
from typing import Annotated, Any, Literal, TypeVar

from fastapi import APIRouter
from pydantic import BaseModel, BeforeValidator, Field
from starlette.responses import JSONResponse

from committee.context import icw, output
from orchestrator.api.places import Places
from orchestrator.errors import NotFound

T = TypeVar("T")

_MAX_CANDIDATES = 2000
_MAX_BUDGET = 1_000_000
_HORIZON = re.compile(r"(\d{4}-\d{2}-\d{2})?\.\.(\d{4}-\d{2}-\d{2})?")
# As much text as is packed in a few milliseconds; more goes to a thread.
_INLINE_CHARS = 50_000
_THREADS, _WAITING = 2, 16


def _day(value: object) -> object:
    """The day of a date or a time as text; numbers are no dates, whatever they could mean."""
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise ValueError("must be a date like 2026-01-31")
    try:
        return datetime.fromisoformat(value).date()
    except ValueError:
        raise ValueError("must be a date like 2026-01-31") from None


def _horizon(value: object) -> object:
    found = _HORIZON.fullmatch(value) if isinstance(value, str) else None
    if value is None or value == "":
        return None
    if found is None or not any(found.groups()):
        raise ValueError("must be two dates like 2024-01-01..2025-12-31")
    try:
        return (date.fromisoformat(found[1] or "0001-01-01"), date.fromisoformat(found[2] or "9999-12-31"))
    except ValueError:
        raise ValueError("must be two dates like 2024-01-01..2025-12-31") from None


Short = Annotated[str, Field(max_length=500)]
Domains = Annotated[list[Annotated[str, Field(max_length=253)]], Field(max_length=1000)]


class Source(BaseModel):
    domain: Annotated[str, Field(max_length=253)] = ""
    owner: Short = ""


class Metadata(BaseModel):
    modality: Short = ""
    lang: Short = ""


class CandidateIn(BaseModel):
    """One piece of evidence as a client sends it."""

    id: Annotated[str, Field(min_length=1, max_length=128)]
    content: str = ""
    title: Annotated[str, Field(max_length=2000)] = ""
    url: Annotated[str, Field(max_length=4000)] = ""
    published_at: Annotated[date | None, BeforeValidator(_day)] = None
    source: Source = Source()
    hash: Annotated[str, Field(max_length=200)] = ""
    kind: Literal["primary", "code", "secondary", "media", "doc"] = "doc"
    metadata: Metadata = Metadata()

    def candidate(self) -> icw.Candidate:
        return icw.Candidate(
            id=self.id, content=self.content, title=self.title, url=self.url, published=self.published_at,
            domain=self.source.domain, owner=self.source.owner, hash=self.hash, kind=self.kind,
            modality=self.metadata.modality, lang=self.metadata.lang,
        )  # fmt: skip


class PoliciesIn(BaseModel):
    max_per_source: Annotated[int, Field(ge=1, le=1000)] = 2
    time_horizon: Annotated[tuple[date, date] | None, BeforeValidator(_horizon)] = None
    reserve_frac: Annotated[float, Field(ge=0, le=0.9, allow_inf_nan=False)] = 0.12
    decay: Annotated[float, Field(ge=0, le=10, allow_inf_nan=False)] = 1 / 365
    preferred_authority_delta: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = 0.05

    def policies(self) -> icw.Policies:
        return icw.Policies(
            self.max_per_source, self.time_horizon, self.reserve_frac, self.decay, self.preferred_authority_delta
        )


class HintsIn(BaseModel):
    known_entities: Annotated[list[Short], Field(max_length=1000)] = []
    preferred_domains: Domains = []
    forbidden_domains: Domains = []

    def hints(self) -> icw.Hints:
        return icw.Hints(tuple(self.known_entities), tuple(self.preferred_domains), tuple(self.forbidden_domains))


class PackIn(BaseModel):
    """The body of /context/pack."""

    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] = 0
    budget_tokens: Annotated[int, Field(ge=1, le=_MAX_BUDGET)] = 3500
    goal: str = ""
    query: str = ""
    candidates: Annotated[list[CandidateIn], Field(max_length=_MAX_CANDIDATES)]
    policies: PoliciesIn = PoliciesIn()
    context_hints: HintsIn = HintsIn()

    def request(self) -> icw.PackRequest:
        return icw.PackRequest(
            query=self.query,
            candidates=tuple(candidate.candidate() for candidate in self.candidates),
            goal=self.goal,
            seed=self.seed,
            budget_tokens=self.budget_tokens,
            policies=self.policies.policies(),
            hints=self.context_hints.hints(),
        )

    @property
    def size(self) -> int:
        return len(self.query) + len(self.goal) + sum(200 + len(candidate.content) for candidate in self.candidates)


class Cited(BaseModel):
    """An entry of an evidence index; only its id matters here."""

    id: str


class OutputIn(BaseModel):
    """The body of /output/plan."""

    text: Annotated[str, Field(min_length=1)]
    segment_tokens: Annotated[int, Field(ge=40, le=100_000)] = 1000
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] = 0
    evidence_index: Annotated[list[Cited], Field(max_length=10_000)] | None = None

    @property
    def evidence(self) -> list[str] | None:
        return None if self.evidence_index is None else [entry.id for entry in self.evidence_index]


class RenderIn(OutputIn):
    """The body of /output/render."""

    cursor: Annotated[str, Field(max_length=200)] | None = None


class _Desk:
    """CPU work beside the event loop: small pieces at once, large ones in a thread, a few at a time."""

    def __init__(self) -> None:
        self._threads = asyncio.Semaphore(_THREADS)
        self._places = Places(_THREADS + _WAITING, "Too many large texts are waiting to be packed.")

    async def do(self, size: int, work: Callable[[], T]) -> T:
        if size <= _INLINE_CHARS:
            return work()
        with self._places.one():
            async with self._threads:
                return await asyncio.to_thread(work)


def context_router(*, enabled: bool) -> APIRouter:
    """The packer's routes; while it is switched off they answer 404 and say how to switch it on."""
    router = APIRouter(tags=["context"])
    desk = _Desk()

    def check() -> None:
        if not enabled:
            raise NotFound("The context packer is switched off (ICW_ENABLED=false).", code="icw_disabled")

    @router.post("/context/pack")
    async def pack(body: PackIn) -> JSONResponse:
        check()
        return _reply(await desk.do(body.size, lambda: asdict(icw.pack(body.request()))))

    @router.post("/output/plan")
    async def plan(body: OutputIn) -> JSONResponse:
        check()

        def work() -> dict[str, Any]:
            planned = output.plan(body.text, segment_tokens=body.segment_tokens, seed=body.seed, evidence=body.evidence)
            return asdict(planned)

        return _reply(await desk.do(len(body.text), work))

    @router.post("/output/render")
    async def render(body: RenderIn) -> JSONResponse:
        check()

        def work() -> dict[str, Any]:
            rendered = output.render(
                body.text, segment_tokens=body.segment_tokens, seed=body.seed, cursor=body.cursor,
                evidence=body.evidence,
            )  # fmt: skip
            return asdict(rendered)

        return _reply(await desk.do(len(body.text), work))

    return router


def _reply(document: dict[str, Any]) -> JSONResponse:
    return JSONResponse(document)
