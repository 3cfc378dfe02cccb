"""The title that a conversation gets from the first thing that is said."""

from __future__ import annotations

import time

import pytest

from orchestrator.chat.conversations import _title


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("  Hello\n there ", "Hello there"),
        ("word " * 40, "word " * 11 + "word…"),
        ("\u732b" * 100, "\u732b" * 59 + "…"),
        ("   ", ""),
    ],
)
def test_the_beginning_is_the_title(text: str, title: str) -> None:
    assert _title(text) == title


@pytest.mark.parametrize("piece", ["word ", "x", "a-", " "])
def test_a_book_has_its_title_at_once(piece: str) -> None:
    started = time.process_time()
    _title(piece * (2_000_000 // len(piece)))
    assert time.process_time() - started < 0.1
