"""What can go wrong with an embedder.

EmbeddingError
├── EmbedderUnavailable   its server does not answer, fails, or has not got the model
├── EmbedderBusy          too many requests wait for it
├── EmbeddingRejected     the texts or the dimensions cannot be embedded; asking again changes nothing
└── BadEmbedding          the server answered, but not with embeddings

`code` is stable and goes to clients; `retry_after` is in seconds.
"""

from __future__ import annotations


class EmbeddingError(Exception):
    """The texts could not be embedded."""

    code = "embedding_failed"

    def __init__(
        self, message: str | None = None, *, param: str | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(message or (type(self).__doc__ or "").strip())
        self.param = param
        self.retry_after = retry_after

    @property
    def message(self) -> str:
        return str(self.args[0])


class EmbedderUnavailable(EmbeddingError):
    """The embedding model's server does not answer."""

    code = "embedder_unavailable"


class EmbedderBusy(EmbeddingError):
    """Too many requests wait for the embedding model."""

    code = "embedder_busy"


class EmbeddingRejected(EmbeddingError):
    """The embedding model cannot take this input."""

    code = "embedding_rejected"


class BadEmbedding(EmbeddingError):
    """The embedding model's server did not answer with embeddings."""

    code = "malformed_embedding"
