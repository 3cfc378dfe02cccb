"""A look at a check that may hang or break: what it says, and when it stops saying so."""

from __future__ import annotations

import pytest

from orchestrator.api.system import Glance
from orchestrator.errors import DatabaseUnavailable


@pytest.mark.parametrize("fault", [DatabaseUnavailable(), RuntimeError("nobody thought of this")])
async def test_a_check_that_fails_is_no_sign_of_health(fault: Exception) -> None:
    faults: list[Exception | None] = [None, fault, None]

    async def check() -> int:
        if (now := faults.pop(0)) is not None:
            raise now
        return 7

    glance = Glance(check, fresh_s=-1)
    try:
        assert await glance.look(1) == (7, True)
        assert await glance.look(1) == (7, False)
        assert await glance.look(1) == (7, True)
    finally:
        await glance.aclose()
