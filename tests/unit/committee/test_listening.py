"""Answers that are still arriving."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from committee.listening import Lines


@given(st.lists(st.text("ab \n", max_size=5), max_size=40))
def test_lines_are_whole_and_nothing_is_lost(pieces: list[str]) -> None:
    lines = Lines()
    fed = [lines.feed(piece) for piece in pieces]
    assert all(not text or text.endswith("\n") for text in fed)
    text = "".join(pieces)
    whole, newline, rest = text.rpartition("\n")
    assert "".join(fed) == whole + newline
    assert lines.flush() == (rest + "\n" if rest.strip() else "")
    assert lines.flush() == ""


def test_a_line_without_an_end_is_shown_all_the_same() -> None:
    lines = Lines()
    shown = [text for _ in range(5000) if (text := lines.feed("word "))]
    assert len(shown) >= 4
    assert "".join(shown).split() == ["word"] * len("".join(shown).split())
