"""Long texts in segments: nothing lost, nothing doubled, and a cursor that knows its text."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from committee.context import output, tokens
from committee.errors import CitationMismatch, InvalidPack, StaleCursor

BOOK = "\n\n".join(f"## Chapter {n}\n\n" + f"Sentence {n} about roses [#r{n % 3}]. " * 40 for n in range(12))


def test_segments_begin_at_headings() -> None:
    planned = output.plan(BOOK, segment_tokens=1000)
    assert len(planned.segments) > 3
    assert all(BOOK[segment.start :].startswith("## Chapter") for segment in planned.segments)
    assert planned.segments[1].title.startswith("Chapter")
    assert planned.segments[0].citations == ("r0", "r1", "r2")


def test_following_the_cursor_gives_the_whole_text() -> None:
    cursor, parts = None, []
    while True:
        piece = output.render(BOOK, segment_tokens=300, cursor=cursor)
        parts.append(piece.text)
        if piece.done:
            assert piece.cursor is None
            break
        cursor = piece.cursor
    assert "".join(parts) == BOOK
    assert len(parts) == piece.total


def test_a_cursor_of_another_text_is_noticed() -> None:
    cursor = output.render(BOOK, segment_tokens=300).cursor
    for text, size, seed in ((BOOK + "!", 300, 0), (BOOK, 301, 0), (BOOK, 300, 1)):
        with pytest.raises(StaleCursor):
            output.render(text, segment_tokens=size, seed=seed, cursor=cursor)
    with pytest.raises(StaleCursor):
        output.render(BOOK, segment_tokens=300, cursor=f"{output.plan(BOOK, segment_tokens=300).run_id}.999")


@pytest.mark.parametrize("cursor", ["", "x", "out_1.2", "out_" + "0" * 24, "out_" + "0" * 24 + ".-1"])
def test_what_is_no_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(InvalidPack):
        output.render(BOOK, segment_tokens=300, cursor=cursor)


def test_citations_must_be_in_the_evidence() -> None:
    output.plan(BOOK, segment_tokens=300, evidence=["r0", "r1", "r2"])
    with pytest.raises(CitationMismatch, match="r2"):
        output.plan(BOOK, segment_tokens=300, evidence=["r0", "r1"])


def test_code_blocks_stay_in_one_piece_where_they_can() -> None:
    text = "Intro words. " * 20 + "\n\n```python\n" + "x = 1\n\n" * 30 + "```\n\n" + "Outro words. " * 40
    for segment in output.plan(text, segment_tokens=120).segments:
        assert text[segment.start : segment.end].count("```") % 2 == 0


PIECES = st.lists(
    st.sampled_from(["word ", "水やり", "[#abc]", "\n", "\n\n", "# Head\n", "```\n", ". ", "x" * 70]),
    min_size=1,
    max_size=300,
)


@settings(max_examples=300, deadline=None)
@given(PIECES, st.integers(40, 300))
def test_segments_are_bounded_and_lose_nothing(pieces: list[str], size: int) -> None:
    text = "".join(pieces)
    planned = output.plan(text, segment_tokens=size)
    assert "".join(text[s.start : s.end] for s in planned.segments) == text
    assert all(0 < s.estimated_tokens <= size for s in planned.segments)
    assert sum(len(text[s.start : s.end].split("[#abc]")) - 1 for s in planned.segments) == text.count("[#abc]")
    assert tokens.estimate(text) == planned.estimated_tokens
