"""Which embedder the configuration asks for."""

from __future__ import annotations

from dataclasses import dataclass, field

from rag.embedder import Embedder
from rag.embedders.http import HttpEmbedder
from rag.embedders.lexical import LexicalEmbedder


@dataclass(frozen=True, slots=True)
class EmbedderConfig:
    """An embedding model and where it is served. api: "auto", "ollama", "openai" or "lexical"."""

    model: str = ""
    base_url: str = "http://127.0.0.1:11434"
    api: str = "auto"
    api_key: str = field(default="", repr=False)
    keep_alive: str = "24h"
    timeout_s: float = 60.0


def open_embedder(config: EmbedderConfig) -> Embedder:
    """The configured model's embedder; without a model the lexical one.

    A model whose server is down is never replaced by the lexical embedder: their vectors do not compare.
    """
    if config.api == "lexical" or not config.model:
        return LexicalEmbedder()
    return HttpEmbedder(
        config.model,
        config.base_url,
        api=config.api,
        api_key=config.api_key,
        keep_alive=config.keep_alive,
        timeout_s=config.timeout_s,
    )
