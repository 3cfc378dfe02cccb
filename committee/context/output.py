"""A long text in segments of a bounded size: a plan of where to cut, and one segment after the other by a cursor.

Nothing is kept between calls: the cursor names the text by its hash, so a cursor that belongs to another text is
noticed. All segments joined are the text, byte for byte.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from committee.context import icw, tokens
from committee.errors import InvalidPack, StaleCursor

_CURSOR = re.compile(r"(out_[0-9a-f]{24})\.(\d{1,6})")
_HEADING = re.compile(r"^#{1,6}\s+(.+)$", re.MULTILINE)
_FENCE = re.compile(r"^[ \t]*(?:```|~~~)", re.MULTILINE)
_LONGEST_CITATION = 132
# Where to cut, best first: before a heading, a blank line, a line's end, a sentence's end, a space.
_CUTS = tuple(re.compile(pattern) for pattern in (r"\n(?=#{1,6} )", r"\n\n+", r"\n", r"[.!?…。！？]\s+", r"\s"))


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment: `text[start:end]`, in characters."""

    index: int
    title: str
    start: int
    end: int
    estimated_tokens: int
    citations: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OutputPlan:
    """Where a text will be cut. `cursor` is that of the first segment."""

    run_id: str
    seed: int
    icw_version: str
    segment_tokens: int
    estimated_tokens: int
    segments: tuple[Segment, ...]
    cursor: str


@dataclass(frozen=True, slots=True)
class Rendered:
    """One segment's text; `cursor` is that of the next one, None after the last."""

    run_id: str
    index: int
    total: int
    text: str
    estimated_tokens: int
    citations: tuple[str, ...]
    cursor: str | None
    done: bool


def plan(text: str, *, segment_tokens: int, seed: int = 0, evidence: Iterable[str] | None = None) -> OutputPlan:
    """Where to cut `text` so that no segment is estimated to have more than `segment_tokens` tokens.

    evidence: the ids that the text may cite; None when citations are not to be checked. Raises CitationMismatch.
    """
    if evidence is not None:
        icw.check_citations(text, evidence)
    run_id = _run_id(text, segment_tokens, seed)
    segments: list[Segment] = []
    start = 0
    while start < len(text):
        end = _cut(text, start, segment_tokens)
        segments.append(_segment(text, len(segments), start, end))
        start = end
    return OutputPlan(
        run_id, seed, icw.VERSION, segment_tokens, tokens.estimate(text), tuple(segments), cursor=f"{run_id}.0"
    )


def render(
    text: str, *, segment_tokens: int, seed: int = 0, cursor: str | None = None, evidence: Iterable[str] | None = None
) -> Rendered:
    """The segment that `cursor` names (default: the first).

    Raises InvalidPack for what is no cursor, StaleCursor for one of another text, size or seed, CitationMismatch.
    """
    planned = plan(text, segment_tokens=segment_tokens, seed=seed, evidence=evidence)
    index = _index(cursor, planned)
    segment = planned.segments[index]
    done = index + 1 == len(planned.segments)
    return Rendered(
        run_id=planned.run_id,
        index=index,
        total=len(planned.segments),
        text=text[segment.start : segment.end],
        estimated_tokens=segment.estimated_tokens,
        citations=segment.citations,
        cursor=None if done else f"{planned.run_id}.{index + 1}",
        done=done,
    )


def _index(cursor: str | None, planned: OutputPlan) -> int:
    if cursor is None:
        return 0
    found = _CURSOR.fullmatch(cursor)
    if found is None:
        raise InvalidPack("This is no cursor of ours.", param="cursor")
    if found[1] != planned.run_id or int(found[2]) >= len(planned.segments):
        raise StaleCursor
    return int(found[2])


def _segment(text: str, index: int, start: int, end: int) -> Segment:
    part = text[start:end]
    heading = _HEADING.search(part)
    title = heading[1] if heading else part.strip().partition("\n")[0]
    return Segment(index, title.strip()[:80], start, end, tokens.estimate(part), tuple(icw.citations(part)))


def _cut(text: str, start: int, segment_tokens: int) -> int:
    """Where the segment that begins at `start` ends: at the best place in its second half."""
    limit = start + _most(text[start : start + int(segment_tokens * tokens.CHARS_PER_TOKEN)], segment_tokens)
    if limit >= len(text):
        return len(text)
    earliest = start + max(1, (limit - start) // 2)
    for pattern in _CUTS:
        places = [match.end() for match in pattern.finditer(text, earliest, limit)]
        for place in reversed(places):
            if not _in_fence(text, start, place) and not _in_citation(text, place):
                return place
    # A long block of code, or no space anywhere: at a line's end if there is one, never inside a citation.
    line = text.rfind("\n", earliest, limit) + 1
    end = line or limit
    if (mark := _in_citation(text, end)) and mark > start:
        return mark
    return end


def _most(window: str, segment_tokens: int) -> int:
    """How many characters of `window` are within the limit, one at least."""
    most = int(segment_tokens * tokens.CHARS_PER_TOKEN)
    if window.isascii():
        return len(window)
    return max(1, len(window.encode("utf-8", "replace")[:most].decode("utf-8", "ignore")))


def _in_fence(text: str, start: int, place: int) -> bool:
    return len(_FENCE.findall(text, start, place)) % 2 == 1


def _in_citation(text: str, place: int) -> int:
    """Where the citation begins that `place` would cut in two; 0 for none."""
    begin = text.rfind("[#", max(0, place - _LONGEST_CITATION), place + 1)
    if begin < 0 or begin >= place:
        return 0
    end = text.find("]", begin, begin + _LONGEST_CITATION)
    return begin if end >= place else 0


def _run_id(text: str, segment_tokens: int, seed: int) -> str:
    digest = hashlib.sha256(f"{seed}|{segment_tokens}|".encode() + text.encode("utf-8", "surrogatepass"))
    return f"out_{digest.hexdigest()[:24]}"
