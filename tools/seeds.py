"""Deterministic seeds: the same request gives the same turn, tool calls, stages and shots.

A seed is derived from what it belongs to, never from the clock, so a job that is resumed or repeated draws the same
pictures.
"""

from __future__ import annotations

import hashlib

MASTER_SEED = 1337
_SEPARATOR = b"\x1f"


def derive_seed(kind: str, *parts: object, master: int = MASTER_SEED) -> int:
    """A 32-bit seed for one thing of a `kind` ("turn", "tool", "stage", "shot"), named by `parts`, under `master`.

    Parts are told apart: ("a", "bc") and ("ab", "c") give different seeds.
    """
    texts = [str(part).encode("utf-8", "surrogatepass") for part in (kind, *parts, master)]
    named = b"".join([len(text).to_bytes(8, "big") + text + _SEPARATOR for text in texts])
    return int.from_bytes(hashlib.sha256(named).digest()[:4], "big")
