"""The embedders: Ollama, any OpenAI-compatible server, and a lexical one that needs no weights.

`open_embedder` picks one by its configuration.
"""

from rag.embedders.configured import EmbedderConfig, open_embedder

__all__ = ["EmbedderConfig", "open_embedder"]
