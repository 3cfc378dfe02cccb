"""What the committee can look up, and the embeddings behind it.

Offers the port `Embedder`, the embedders behind it (`rag.embedders`) and their errors (`rag.errors`). Imports nothing
of ours.
"""

from rag.embedder import Embedder, Embeddings, Vector

__all__ = ["Embedder", "Embeddings", "Vector"]
