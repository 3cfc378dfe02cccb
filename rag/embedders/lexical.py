"""An embedder without weights: hashed words and pieces of words.

It finds texts that share words or parts of words (inflections, compounds, misspellings, identifiers). It knows no
meaning: "car" and "automobile" are strangers to it. Therefore it goes by the name "lexical" wherever it answers.

The same text gives the same vector in every process and on every machine: the hash is BLAKE2b, and all arithmetic
beyond addition is what IEEE 754 rounds exactly (division, square roots, an exact sum).
"""

from __future__ import annotations

import asyncio
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache
from hashlib import blake2b
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from rag.embedder import Embeddings, Vector
from rag.embedders.places import Places
from rag.errors import EmbeddingRejected

NAME = "lexical"
DIMENSIONS = 1024
MIN_DIMENSIONS, MAX_DIMENSIONS = 16, 4096

# Below this many characters a thread costs more than it spares the event loop.
_INLINE_CHARS = 8_000
_LONGEST_WORD = 40
_PIECES = (3, 4, 5)
# Share of a word's squared weight that its pieces have together: a related word is near, the same word nearer.
_PIECES_SHARE = 0.5
# Short words are mostly grammar in any language that is written with spaces.
_FULL_WEIGHT_CHARS = 5
_TOKEN = re.compile(r"\w+")
_PART = re.compile(r"[^\W\d_]+|\d+")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
# Scripts whose words are not told apart by spaces, or hardly: kana, Han, Hangul, Thai, Lao, Khmer, Burmese.
_UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff]+")


class LexicalEmbedder:
    """Implements the `Embedder` port on the CPU; large inputs are worked on in a thread."""

    name = NAME
    dimensions = DIMENSIONS

    def __init__(self) -> None:
        self._places = Places(at_once=2, waiting=64)

    async def embed(self, texts: Sequence[str], *, dimensions: int | None = None) -> Embeddings:
        """Vectors of unit length. `tokens` counts words. Raises EmbeddingRejected, EmbedderBusy."""
        size = DIMENSIONS if dimensions is None else dimensions
        if not MIN_DIMENSIONS <= size <= MAX_DIMENSIONS:
            raise EmbeddingRejected(
                f"dimensions must be {MIN_DIMENSIONS} to {MAX_DIMENSIONS} for {NAME!r}.", param="dimensions"
            )
        if sum(map(len, texts)) <= _INLINE_CHARS:
            return _embed(texts, size)
        async with self._places.one():
            return await asyncio.to_thread(_embed, list(texts), size)

    async def aclose(self) -> None:
        """Nothing is held."""


def _embed(texts: Sequence[str], size: int) -> Embeddings:
    counted = [Counter(_words(text)) for text in texts]
    return Embeddings([_vector(words, size) for words in counted], sum(map(Counter.total, counted)))


def _vector(words: Counter[str], size: int) -> Vector:
    hashes, weights = [], []
    for word, count in sorted(words.items()):  # the order of additions must not depend on the text's
        hashed, weight = _features(word)
        hashes.append(hashed)
        weights.append(weight * math.sqrt(count))
    hashed = np.concatenate(hashes)
    # The top bit is the sign, so that texts without a common word are at about 0 however often places collide.
    signs = np.where(hashed >> np.uint64(63), -1.0, 1.0)
    places = (hashed % np.uint64(size)).astype(np.int64)
    sums = np.bincount(places, weights=np.concatenate(weights) * signs, minlength=size)
    length = math.sqrt(math.fsum((sums * sums).tolist()))
    if length == 0.0:  # everything cancelled out
        sums[0] = length = 1.0
    return (sums / length).astype(np.float32).tolist()  # type: ignore[no-any-return]


def _words(text: str) -> Iterator[str]:
    """Words as they are compared; at least one."""
    found = False
    for token in _TOKEN.findall(unicodedata.normalize("NFKC", text)):
        for word in _split(token):
            found = True
            yield word
    if not found:
        yield text.strip()[:_LONGEST_WORD]


def _split(token: str) -> Iterator[str]:
    """A token as words: identifiers also by their parts, unspaced scripts by characters and pairs of them."""
    if _UNSPACED.search(token):
        for run in _UNSPACED.findall(token):
            yield from run
            yield from map("".join, pairwise(run))
        token = _UNSPACED.sub(" ", token)
        for rest in token.split():
            yield from _split(rest)
        return
    parts = [part for piece in _CAMEL.split(token) for part in _PART.findall(piece)]
    for word in dict.fromkeys([token, *parts] if len(parts) > 1 else [token]):
        word = word.casefold()
        for start in range(0, len(word), _LONGEST_WORD):
            yield word[start : start + _LONGEST_WORD]


@lru_cache(maxsize=8192)
def _features(word: str) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.float64]]:
    """Hashes and weights of a word and its pieces."""
    marked = f"^{word}$"
    pieces = [marked[at : at + size] for size in _PIECES for at in range(len(marked) - size + 1)]
    each = math.sqrt(_PIECES_SHARE / len(pieces)) if pieces else 0.0
    counts_fully = len(word) >= _FULL_WEIGHT_CHARS or not word.isalpha() or _UNSPACED.match(word)
    scale = 1.0 if counts_fully else len(word) / _FULL_WEIGHT_CHARS
    hashes = [_hash(f"w{word}"), *(_hash(f"p{piece}") for piece in pieces)]
    weights = np.array([1.0, *[each] * len(pieces)]) * scale
    return np.array(hashes, dtype=np.uint64), weights


def _hash(feature: str) -> int:
    digest = blake2b(feature.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little")
