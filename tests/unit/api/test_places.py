"""How many requests a route takes in."""

from __future__ import annotations

import pytest

from orchestrator.api.places import Places
from orchestrator.errors import QueueFull


def test_who_finds_no_place_is_told_when_to_come_back() -> None:
    places = Places(2, "Too many at once.")
    with places.one():
        with places.one():
            with pytest.raises(QueueFull, match="Too many at once") as full, places.one():
                pass
            assert full.value.retry_after == 2.0
        with places.one():
            pass


def test_a_place_is_free_again_after_a_failure() -> None:
    places = Places(1, "Too many at once.")
    for _ in range(3):
        with pytest.raises(ValueError, match="broken"), places.one():
            raise ValueError("broken")
