"""Who asks."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Caller:
    """Who asks, what they may do, and the address that links for them start with.

    retry: the client says that it has sent this request before.
    """

    owner: str
    scopes: frozenset[str]
    base_url: str
    retry: bool = False
