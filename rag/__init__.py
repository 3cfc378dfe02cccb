"""What the committee can look up, and the embeddings behind it.

Offers the port `Embedder` and its implementations (`rag.embedders`). Imports nothing of ours.
"""
