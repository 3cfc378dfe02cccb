"""The port behind which every embedder stands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

Vector: TypeAlias = list[float]


@dataclass(frozen=True, slots=True)
class Embeddings:
    """One vector per text, in the texts' order, all of the same length; `tokens` is how much was read."""

    vectors: list[Vector]
    tokens: int


class Embedder(Protocol):
    """Turns texts into vectors whose cosine says how near they are. Vectors of two embedders never compare."""

    @property
    def name(self) -> str:
        """What the vectors were made by: a model's id, or "lexical"."""

    @property
    def dimensions(self) -> int | None:
        """How long the vectors are; None until a model's first answer."""

    async def embed(self, texts: Sequence[str], *, dimensions: int | None = None) -> Embeddings:
        """Embed `texts`; shorter vectors when `dimensions` says so and the embedder can make them.

        Nothing is cut: a text that is too long is refused. Raises EmbeddingError.
        """

    async def aclose(self) -> None:
        """Release connections."""
