"""ICW, the deterministic context packer: the best evidence for a question within a budget of tokens.

    screen ──► score ──► drop duplicates, cap sources ──► degrade from the tail until it fits ──► cite

Candidates are scored by topic, authority, recency and diversity; the best come first. What does not fit whole is
shortened from the tail on, in five tiers: full, summary, bullets, keylines, metadata. The order in which tiers are
lowered does not depend on the budget, so a larger budget never shows less of anything. Every chunk ends with `[#id]`.

Pure: no clock (age counts from the end of the time horizon, else from the newest candidate), no randomness, and the
order of the candidates does not matter.
"""

from __future__ import annotations

import hashlib
import math
import re
import zlib
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Literal, TypeAlias
from urllib.parse import urlsplit

import msgspec

from committee.context import tokens
from committee.errors import CitationMismatch, InvalidPack, NothingViable

VERSION = "1.0.0"
GUARD = 1.03
SLOPE = 8
Tier: TypeAlias = Literal["full", "summary", "bullets", "keylines", "metadata"]
TIERS: tuple[Tier, ...] = ("full", "summary", "bullets", "keylines", "metadata")

_TOPICAL, _AUTHORITY, _RECENCY, _DIVERSITY = 0.40, 0.25, 0.20, 0.15
_KINDS = {"primary": 1.0, "code": 0.8, "secondary": 0.7, "media": 0.6, "doc": 0.5}
_DOMAINS = {"gov": 1.0, "edu": 0.9, "org": 0.75}
_OTHER_DOMAIN = 0.6
_UNDATED = 0.3
_NO_QUESTION = 0.5

ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}")
_CITATION = re.compile(r"\[#([^\[\]\s]{1,128})\]")
_WORD = re.compile(r"\w{2,40}")
_TOKEN = re.compile(r"\w+")
# Words that say nothing about the topic.
_COMMON = frozenset(
    re.findall(
        r"\w+",
        """the an and or of to in on at is are was were be been it its this that these those with for from by as not no
        do does did how what when where which who why can could should would will may me my you your we our they their
        have has had but if so then than there here about into over under all any some please""",
    )
)
_SENTENCE = re.compile(r"(?<=[.!?…。！？])\s+|\n+")
# Ranking and shortening read this much of a text's beginning and end: a pack is no index of megabytes.
_READ_HEAD, _READ_TAIL = 8_000, 2_000
_SKETCH, _SHINGLE, _NEAR_DUPLICATE = 64, 3, 0.92
# Sentences kept, and characters of each.
_SHAPES: dict[Tier, tuple[int, int]] = {"summary": (6, 400), "bullets": (5, 160), "keylines": (2, 100)}


@dataclass(frozen=True, slots=True)
class Candidate:
    """One piece of evidence. `hash` identifies the content (default: its SHA-256).

    recency: 0 to 1 where the caller knows better than `published` tells, as for the messages of a conversation.
    """

    id: str
    content: str
    title: str = ""
    url: str = ""
    published: date | None = None
    domain: str = ""
    owner: str = ""
    hash: str = ""
    kind: str = "doc"
    modality: str = ""
    lang: str = ""
    recency: float | None = None


@dataclass(frozen=True, slots=True)
class Policies:
    """How strict to be.

    max_per_source: chunks of one owner or domain. horizon: first and last day. reserve_frac: share of the budget that
    stays free. decay: per day. preferred_authority_delta: what a preferred domain gains.
    """

    max_per_source: int = 2
    horizon: tuple[date, date] | None = None
    reserve_frac: float = 0.12
    decay: float = 1 / 365
    preferred_authority_delta: float = 0.05


@dataclass(frozen=True, slots=True)
class Hints:
    """Names that matter beside the query's words; domains (with their subdomains) to prefer or to leave out."""

    known_entities: tuple[str, ...] = ()
    preferred_domains: tuple[str, ...] = ()
    forbidden_domains: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PackRequest:
    """What to pack: `candidates` for the question `query`, asked for the sake of `goal`."""

    query: str
    candidates: tuple[Candidate, ...]
    goal: str = ""
    seed: int = 0
    budget_tokens: int = 3500
    policies: Policies = Policies()
    hints: Hints = Hints()


@dataclass(frozen=True, slots=True)
class Evidence:
    """One line of the evidence index. `char_count` is the chunk's in the pack."""

    id: str
    url: str
    hash: str
    kind: str
    authority: float
    recency: float
    diversity: float
    compression_tier: Tier
    char_count: int


@dataclass(frozen=True, slots=True)
class Pack:
    """The packed context. `sections` has QUERY, GOAL and PACK; `audit` says what was left out or shortened and why."""

    run_id: str
    seed: int
    icw_version: str
    budget_tokens: int
    estimated_tokens: int
    scores_summary: Mapping[str, float]
    evidence_index: tuple[Evidence, ...]
    sections: Mapping[str, str]
    audit: Mapping[str, object]
    telemetry: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Scored:
    """A candidate with its marks, each 0 to 1, rounded to 1e-6."""

    candidate: Candidate
    digest: str
    topical: float
    authority: float
    recency: float
    diversity: float = 1.0

    @property
    def score(self) -> float:
        parts = self.topical * _TOPICAL, self.authority * _AUTHORITY, self.recency * _RECENCY
        return _round(sum(parts) + self.diversity * _DIVERSITY)

    @property
    def rank(self) -> tuple[float, float, float, str, str]:
        """Best first when sorted; the id only tells apart what is equal in everything else."""
        return (-self.score, -self.authority, -self.recency, self.digest, self.candidate.id)


@dataclass(frozen=True, slots=True)
class Selection:
    """What is worth packing, best first, and the ids that are not, by reason."""

    ranked: tuple[Scored, ...]
    excluded: Mapping[str, tuple[str, ...]]
    terms: frozenset[str]


class Chunk:
    """A candidate's text in each tier, made when it is looked at."""

    def __init__(self, id: str, head: str, content: str, terms: frozenset[str]) -> None:
        self.id = id
        self._head = _defused(head)
        self._content = content.strip()
        self._terms = terms
        self._texts: list[str] = []

    def text(self, tier: int) -> str:
        """The chunk in that tier (an index into TIERS), its citation included; never longer than in the tier above."""
        while len(self._texts) <= tier:
            made = self._make(TIERS[len(self._texts)])
            above = self._texts[-1] if self._texts else None
            self._texts.append(made if above is None or tokens.weigh(made) <= tokens.weigh(above) else above)
        return self._texts[tier]

    def weight(self, tier: int) -> int:
        return tokens.weigh(self.text(tier))

    def _make(self, tier: Tier) -> str:
        if tier == "full":
            body = self._content
        elif tier == "metadata":
            body = f"({len(self._content)} characters left out)" if self._content else ""
        else:
            body = _shorten(self._sentences, self._order, tier)
        return "\n".join(part for part in (self._head, _defused(body)) if part) + f" [#{self.id}]"

    @cached_property
    def _sentences(self) -> list[str]:
        return [part for part in (" ".join(p.split()) for p in _SENTENCE.split(_readable(self._content))) if part]

    @cached_property
    def _order(self) -> list[int]:
        """The sentences' places, those first that say most about the question."""
        worth = [_worth(sentence, self._terms, at) for at, sentence in enumerate(self._sentences)]
        return sorted(range(len(worth)), key=lambda at: (-worth[at], at))


def pack(request: PackRequest) -> Pack:
    """Pack the candidates. CPU work in proportion to the text: call it in a thread when there is much of it.

    Raises InvalidPack for a request that cannot be meant, NothingViable (with `gaps`) when no candidate can be used,
    CitationMismatch when the pack would cite what the index does not list.
    """
    _check(request)
    selection = select(request)
    policies = request.policies
    frame = {"QUERY": _defused(request.query.strip()), "GOAL": _defused(request.goal.strip())}
    fixed = sum(tokens.weigh(text) for text in frame.values())
    room = request.budget_tokens * (1 - policies.reserve_frac) * tokens.CHARS_PER_TOKEN / GUARD - fixed
    by_id = {scored.candidate.id: scored for scored in selection.ranked}
    chunks = [chunk_of(scored.candidate, selection.terms) for scored in selection.ranked]
    shown = shrink(chunks, room)
    if not shown:
        raise NothingViable(_gaps(request, selection, fixed))
    sections = {**frame, "PACK": "\n\n".join(chunk.text(tier) for chunk, tier in shown)}
    evidence = tuple(_evidence(by_id[chunk.id], tier, chunk.text(tier)) for chunk, tier in shown)
    check_citations(sections["PACK"], [entry.id for entry in evidence], all_cited=True)
    left_out = tuple(chunk.id for chunk in chunks[len(shown) :])
    return Pack(
        run_id=_run_id(request),
        seed=request.seed,
        icw_version=VERSION,
        budget_tokens=request.budget_tokens,
        estimated_tokens=tokens.of_weight(sum(tokens.weigh(text) for text in sections.values())),
        scores_summary=_summary(request, selection, [by_id[chunk.id] for chunk, _ in shown]),
        evidence_index=evidence,
        sections=sections,
        audit=_audit(request, selection, shown, by_id, left_out),
        telemetry=_telemetry(request, sections, evidence),
    )


def select(request: PackRequest) -> Selection:
    """Score the candidates and leave out those that must not, or need not, be packed."""
    terms = _terms_of(request)
    out: dict[str, list[str]] = {"forbidden": [], "horizon": [], "empty": [], "duplicate": [], "source_cap": []}
    kept = []
    for candidate in sorted(request.candidates, key=lambda c: c.id):
        reason = _unfit(candidate, request)
        if reason:
            out[reason].append(candidate.id)
        else:
            kept.append(candidate)
    ranked = _diversified(_without_duplicates(_scored(kept, request, terms), out["duplicate"]))
    ranked = _capped(ranked, request.policies.max_per_source, out["source_cap"])
    return Selection(tuple(ranked), {reason: tuple(ids) for reason, ids in out.items() if ids}, terms)


def shrink(chunks: Sequence[Chunk], room: float, *, slope: int = SLOPE, separator: int = 2) -> list[tuple[Chunk, int]]:
    """The chunks (best first) with the tier that each is shown in, so that all together weigh `room` at most.

    Under pressure the tail goes down first, tier by tier and then out; a chunk enters a tier one step after the chunk
    behind it, and leaves it `slope` steps later. So the best stay full, some are shortened, and the worst are out. The
    least pressure that fits is the answer: more room never shows less.
    """
    count = len(chunks)

    def state(pressure: int) -> list[tuple[Chunk, int]]:
        tiers = (_tier(pressure - (count - 1 - rank), slope) for rank in range(count))
        return [(chunk, tier) for chunk, tier in zip(chunks, tiers, strict=True) if tier < len(TIERS)]

    def too_large(pressure: int) -> bool:
        shown = state(pressure)
        return sum(chunk.weight(tier) + separator for chunk, tier in shown) - separator > room and bool(shown)

    # No tier is longer than the one above it, so sizes fall as the pressure grows.
    return state(bisect_left(range(count + len(TIERS) * slope), True, key=lambda p: not too_large(p)))


def _tier(steps: int, slope: int) -> int:
    """The tier of a chunk that has been under pressure for so many steps; len(TIERS) is out."""
    return 0 if steps <= 0 else min(len(TIERS), (steps - 1) // slope + 1)


def citations(text: str) -> list[str]:
    """The ids that `text` cites as `[#id]`, in order of first appearance."""
    return list(dict.fromkeys(_CITATION.findall(text)))


def check_citations(text: str, ids: Iterable[str], *, all_cited: bool = False) -> None:
    """Raise CitationMismatch when `text` cites what is not in `ids`, or (all_cited) leaves one of them out."""
    known = set(ids)
    cited = set(citations(text))
    unknown, missing = sorted(cited - known), sorted(known - cited) if all_cited else []
    if unknown or missing:
        raise CitationMismatch(unknown=unknown, missing=missing)


def chunk_of(candidate: Candidate, terms: frozenset[str]) -> Chunk:
    facts = [candidate.kind, candidate.domain or _host(candidate.url), candidate.modality, candidate.lang]
    facts += [candidate.published.isoformat()] if candidate.published else []
    about = ", ".join(_line(fact, 80) for fact in facts if fact)
    return Chunk(candidate.id, f"{_line(candidate.title or candidate.id, 160)} ({about})", candidate.content, terms)


# -- screening and scoring ------------------------------------------------------------------------------------------


def _check(request: PackRequest) -> None:
    seen: set[str] = set()
    for candidate in request.candidates:
        if not ID.fullmatch(candidate.id):
            raise InvalidPack(f"The candidate id {candidate.id[:60]!r} cannot be cited.", param="candidates.id")
        if candidate.id in seen:
            raise InvalidPack(f"Two candidates have the id {candidate.id!r}.", param="candidates.id")
        seen.add(candidate.id)
    horizon = request.policies.horizon
    if horizon is not None and horizon[0] > horizon[1]:
        raise InvalidPack("The time horizon ends before it begins.", param="policies.time_horizon")


def _unfit(candidate: Candidate, request: PackRequest) -> str:
    """Why a candidate must not be packed; empty when it may."""
    if _within(_domain(candidate), request.hints.forbidden_domains):
        return "forbidden"
    horizon, day = request.policies.horizon, candidate.published
    if horizon is not None and day is not None and not horizon[0] <= day <= horizon[1]:
        return "horizon"
    return "" if candidate.content.strip() or candidate.title.strip() else "empty"


def _scored(candidates: Sequence[Candidate], request: PackRequest, terms: frozenset[str]) -> list[Scored]:
    days = [candidate.published for candidate in candidates if candidate.published is not None]
    horizon = request.policies.horizon
    today = horizon[1] if horizon is not None else max(days, default=None)
    topical = _topical(candidates, terms)
    return [
        Scored(
            candidate,
            candidate.hash or _sha256(candidate.content),
            _round(topic),
            _authority(candidate, request),
            _recency(candidate, today, request.policies.decay),
        )
        for candidate, topic in zip(candidates, topical, strict=True)
    ]


def _topical(candidates: Sequence[Candidate], terms: frozenset[str]) -> list[float]:
    """The share of the question's words that each candidate has; rare words among the candidates count more."""
    if not terms:
        return [_NO_QUESTION] * len(candidates)
    found = [terms & words(f"{c.title}\n{_readable(c.content)}") for c in candidates]
    frequency = Counter(term for hits in found for term in hits)
    worth = {term: math.log(1 + len(candidates) / (1 + frequency[term])) + 0.1 for term in sorted(terms)}
    total = sum(worth.values())
    return [sum(worth[term] for term in sorted(hits)) / total for hits in found]


def _authority(candidate: Candidate, request: PackRequest) -> float:
    domain = _domain(candidate)
    mark = 0.6 * _KINDS.get(candidate.kind, _KINDS["doc"])
    mark += 0.4 * _DOMAINS.get(domain.rpartition(".")[2], _OTHER_DOMAIN)
    if _within(domain, request.hints.preferred_domains):
        mark += request.policies.preferred_authority_delta
    return _round(min(1.0, mark))


def _recency(candidate: Candidate, today: date | None, decay: float) -> float:
    if candidate.recency is not None:
        return _round(min(1.0, max(0.0, candidate.recency)))
    if candidate.published is None or today is None:
        return _UNDATED
    return _round(math.exp(-decay * max(0, (today - candidate.published).days)))


def _without_duplicates(scored: Iterable[Scored], dropped: list[str]) -> list[Scored]:
    """Of texts that are the same, or nearly, the best-ranked one."""
    kept: list[Scored] = []
    known = _Sketches()
    for one in sorted(scored, key=lambda s: s.rank):
        if known.has(one):
            dropped.append(one.candidate.id)
        else:
            kept.append(one)
    return kept


class _Sketches:
    """Remembers texts by their hashes and by samples of their word sequences."""

    def __init__(self) -> None:
        self._digests: set[str] = set()
        self._samples: list[frozenset[int]] = []
        self._holders: dict[int, list[int]] = {}

    def has(self, one: Scored) -> bool:
        """Whether a text like this one was seen before; it is remembered if not."""
        sample = _sample(one.candidate.content)
        if one.digest in self._digests or any(_alike(sample, self._samples[at]) for at in self._sharing(sample)):
            return True
        self._digests.add(one.digest)
        for shingle in sample:
            self._holders.setdefault(shingle, []).append(len(self._samples))
        self._samples.append(sample)
        return False

    def _sharing(self, sample: frozenset[int]) -> list[int]:
        """The earlier samples that share the most shingles with this one."""
        shared = Counter(at for shingle in sample for at in self._holders.get(shingle, ())[:50])
        return [at for at, count in shared.items() if count >= 0.8 * len(sample)]


def _sample(text: str) -> frozenset[int]:
    found = _TOKEN.findall(_readable(text).casefold())
    if len(found) < 8:
        return frozenset()  # too short to be alike by chance or by right
    shingles = {
        zlib.crc32(" ".join(found[at : at + _SHINGLE]).encode("utf-8", "surrogatepass"))
        for at in range(len(found) - _SHINGLE + 1)
    }
    return frozenset(sorted(shingles)[:_SKETCH])


def _alike(left: frozenset[int], right: frozenset[int]) -> bool:
    lowest = frozenset(sorted(left | right)[:_SKETCH])
    return len(lowest & left & right) >= _NEAR_DUPLICATE * len(lowest)


def _diversified(scored: Iterable[Scored]) -> list[Scored]:
    """Ranked anew with diversity: the second chunk of a source is worth half as much there, the third a third."""
    seen: Counter[str] = Counter()
    marked = []
    for one in sorted(scored, key=lambda s: s.rank):
        source = _source(one.candidate)
        seen[source] += 1
        marked.append(
            Scored(one.candidate, one.digest, one.topical, one.authority, one.recency, _round(1 / seen[source]))
        )
    return sorted(marked, key=lambda s: s.rank)


def _capped(ranked: Iterable[Scored], most: int, dropped: list[str]) -> list[Scored]:
    seen: Counter[str] = Counter()
    kept = []
    for one in ranked:
        source = _source(one.candidate)
        seen[source] += 1
        if seen[source] > most:
            dropped.append(one.candidate.id)
        else:
            kept.append(one)
    return kept


# -- words ----------------------------------------------------------------------------------------------------------


def words(text: str) -> frozenset[str]:
    """The words of a text, without regard to case."""
    return frozenset(_WORD.findall(text.casefold()))


def _terms_of(request: PackRequest) -> frozenset[str]:
    asked = f"{_readable(request.query)}\n{_readable(request.goal)}\n{' '.join(request.hints.known_entities)}"
    return words(asked) - _COMMON


def _shorten(sentences: Sequence[str], order: Sequence[int], tier: Tier) -> str:
    """The best sentences, in their own order; what is left out shows as an ellipsis."""
    count, length = _SHAPES[tier]
    chosen = sorted(order[:count])
    lines = [_line(sentences[at], length) for at in chosen]
    whole = len(chosen) == len(sentences)
    if tier == "bullets":
        return "\n".join(f"- {line}" for line in lines) + ("" if whole else "\n- …")
    joined = " ".join(lines) if whole else " … ".join(lines)
    return joined if whole or joined.endswith("…") else f"{joined} …"


def _worth(sentence: str, terms: frozenset[str], at: int) -> float:
    # The first sentence usually says what a text is about.
    return len(terms & words(sentence)) + (0.5 if at == 0 else 0.0)


def _readable(text: str) -> str:
    if len(text) <= _READ_HEAD + _READ_TAIL:
        return text
    return f"{text[:_READ_HEAD]}\n…\n{text[-_READ_TAIL:]}"


def _line(text: str, most: int) -> str:
    text = " ".join(text[: 4 * most].split())
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def _defused(text: str) -> str:
    """`text` without anything that reads as one of our citations: only the packer cites."""
    return text.replace("[#", "[ #")


# -- what is told ---------------------------------------------------------------------------------------------------


def _evidence(scored: Scored, tier: int, text: str) -> Evidence:
    candidate = scored.candidate
    return Evidence(
        id=candidate.id, url=candidate.url, hash=scored.digest, kind=candidate.kind, authority=scored.authority,
        recency=scored.recency, diversity=scored.diversity, compression_tier=TIERS[tier], char_count=len(text),
    )  # fmt: skip


def _summary(request: PackRequest, selection: Selection, shown: Sequence[Scored]) -> dict[str, float]:
    sources = len({_source(scored.candidate) for scored in shown})
    duplicates = len(selection.excluded.get("duplicate", ()))
    return {
        "selected": len(shown),
        "independence_index": _round(sources / len(shown)),
        "dup_rate": _round(duplicates / len(request.candidates)),
    }


def _audit(
    request: PackRequest,
    selection: Selection,
    shown: Sequence[tuple[Chunk, int]],
    by_id: Mapping[str, Scored],
    left_out: tuple[str, ...],
) -> dict[str, object]:
    return {
        "considered": len(request.candidates),
        "excluded": {**selection.excluded, **({"budget": left_out} if left_out else {})},
        "degraded": {chunk.id: TIERS[tier] for chunk, tier in shown if tier},
        "scores": {chunk.id: by_id[chunk.id].score for chunk, _ in shown},
        "reserve_frac": request.policies.reserve_frac,
        "guard": GUARD,
    }


def _telemetry(request: PackRequest, sections: Mapping[str, str], evidence: Sequence[Evidence]) -> dict[str, object]:
    return {
        "chars_in": sum(len(candidate.content) for candidate in request.candidates),
        "chars_out": sum(len(text) for text in sections.values()),
        "chars_per_token": tokens.CHARS_PER_TOKEN,
        "tiers": {tier: sum(entry.compression_tier == tier for entry in evidence) for tier in TIERS},
        "pack_hash": f"sha256:{_sha256(sections['PACK'])}",
    }


def _gaps(request: PackRequest, selection: Selection, fixed: int) -> list[str]:
    """What is missing, a sentence each."""
    if not request.candidates:
        return ["There are no candidates."]
    reasons = {
        "forbidden": "{} of the candidates come from forbidden domains.",
        "horizon": "{} of the candidates lie outside the time horizon.",
        "empty": "{} of the candidates have no text.",
        "source_cap": "{} of the candidates exceed what one source may contribute.",
    }
    gaps = [text.format(len(ids)) for reason, text in reasons.items() if (ids := selection.excluded.get(reason))]
    if selection.ranked:
        needed = min(chunk_of(scored.candidate, selection.terms).weight(4) for scored in selection.ranked) + fixed
        least = math.ceil(needed * GUARD / tokens.CHARS_PER_TOKEN / (1 - request.policies.reserve_frac))
        gaps.append(f"The budget of {request.budget_tokens} tokens holds no candidate; about {least} are needed.")
    return gaps


def _run_id(request: PackRequest) -> str:
    ordered = sorted(request.candidates, key=lambda candidate: candidate.id)
    facts = [request.seed, request.budget_tokens, request.query, request.goal, request.policies, request.hints]
    return f"icw_{_sha256_bytes(msgspec.json.encode([*facts, ordered], order='deterministic'))[:24]}"


# -- small facts ----------------------------------------------------------------------------------------------------


def _source(candidate: Candidate) -> str:
    return candidate.owner.casefold() or _domain(candidate) or candidate.id


def _domain(candidate: Candidate) -> str:
    return (candidate.domain or _host(candidate.url)).casefold().strip(".").removeprefix("www.")


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _within(domain: str, listed: Iterable[str]) -> bool:
    names = (name.casefold().strip(".").removeprefix("www.") for name in listed)
    return bool(domain) and any(domain == name or domain.endswith(f".{name}") for name in names if name)


def _sha256(text: str) -> str:
    return _sha256_bytes(text.encode("utf-8", "surrogatepass"))


def _sha256_bytes(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _round(value: float) -> float:
    return round(value, 6)
