"""The lexical embedder: the same everywhere, of unit length, and near means sharing words."""

from __future__ import annotations

import hashlib
import math
import struct
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.embedders import EmbedderConfig, open_embedder
from rag.embedders import lexical as module
from rag.embedders.lexical import LexicalEmbedder
from rag.errors import EmbeddingRejected

ROOT = Path(__file__).parents[3]
# Whoever changes how texts are hashed changes every stored vector: that must be meant.
KNOWN = "A castle on a hill, drawn by hand. 山の上の城 parseHttpResponse"
KNOWN_DIGEST = "e36342fd9885393e"


def cosine(left: Sequence[float], right: Sequence[float]) -> float:
    return sum(a * b for a, b in zip(left, right, strict=True))


async def embed(*texts: str, dimensions: int | None = None) -> list[list[float]]:
    return (await LexicalEmbedder().embed(texts, dimensions=dimensions)).vectors


@given(st.lists(st.text(max_size=300), min_size=1, max_size=4), st.sampled_from([None, 16, 100, 256, 4096]))
async def test_every_text_has_a_vector_of_unit_length(texts: list[str], dimensions: int | None) -> None:
    for vector in await embed(*texts, dimensions=dimensions):
        assert len(vector) == (dimensions or 1024)
        assert math.isclose(cosine(vector, vector), 1.0, abs_tol=1e-5)


@given(st.text(max_size=300), st.lists(st.text(max_size=100), max_size=3))
async def test_a_vector_depends_on_its_text_alone(text: str, others: list[str]) -> None:
    assert (await embed(text))[0] == (await embed(*others, text))[-1]


WORDS = st.lists(st.from_regex(r"[a-z]{5,10}", fullmatch=True), min_size=8, max_size=8, unique=True)


@given(WORDS, WORDS, st.randoms())
async def test_more_common_words_are_nearer(mine: list[str], foreign: list[str], random: object) -> None:
    most = " ".join([*mine[:6], *foreign[6:]])
    few = " ".join([*mine[:1], *foreign[1:]])
    text, near, far, turned = await embed(" ".join(mine), most, few, " ".join(reversed(mine)))
    if set(mine) & set(foreign):
        return
    assert cosine(text, turned) > 0.999
    assert cosine(text, near) > cosine(text, far)


@pytest.mark.parametrize(
    ("text", "near", "far"),
    [
        ("make a film about butterflies", "filming of butterfly scenes", "the weather in Lisbon tomorrow"),
        ("parse_http_response", "parseHttpResponse", "open_database_pool"),
        ("Donaudampfschifffahrt", "Dampfschiff", "Wetterbericht"),
        ("restaurant reservation", "resturant reservations", "compiler optimisation"),
        ("日本語のテキストを検索する", "日本語の文章の検索", "天気予報は晴れです"),
        ("ＦＵＬＬ width", "full WIDTH", "half height"),
    ],
)
async def test_kindred_texts_are_nearer(text: str, near: str, far: str) -> None:
    vectors = await embed(text, near, far)
    assert cosine(vectors[0], vectors[1]) > cosine(vectors[0], vectors[2]) + 0.15


async def test_it_is_the_same_in_another_process() -> None:
    code = (
        "import asyncio, sys; from rag.embedders.lexical import LexicalEmbedder;"
        "print(asyncio.run(LexicalEmbedder().embed([sys.argv[1]])).vectors[0])"
    )
    environment = {"PYTHONHASHSEED": "7", "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1"}
    output = subprocess.run(
        [sys.executable, "-c", code, KNOWN], env=environment, capture_output=True, text=True, check=True, timeout=60
    )
    assert output.stdout.strip() == str((await embed(KNOWN))[0])


async def test_it_is_the_same_as_ever() -> None:
    [vector] = await embed(KNOWN)
    assert hashlib.sha256(struct.pack("<1024f", *vector)).hexdigest()[:16] == KNOWN_DIGEST


async def test_large_inputs_leave_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    threads = []
    original = module._embed

    def noting(texts: Sequence[str], size: int) -> object:
        threads.append(threading.current_thread() is threading.main_thread())
        return original(texts, size)

    monkeypatch.setattr(module, "_embed", noting)
    await embed("short")
    await embed("long " * 5_000)
    assert threads == [True, False]


async def test_it_counts_words_and_refuses_odd_sizes() -> None:
    assert (await LexicalEmbedder().embed(["one two", "three"])).tokens == 3
    for size in (0, 15, 4097):
        with pytest.raises(EmbeddingRejected, match="16 to 4096"):
            await embed("x", dimensions=size)


async def test_a_word_without_end_is_no_burden() -> None:
    [vector] = await embed("ab" * 100_000)
    assert math.isclose(cosine(vector, vector), 1.0, abs_tol=1e-5)


def test_without_a_model_the_lexical_embedder_answers_under_its_name() -> None:
    assert open_embedder(EmbedderConfig()).name == "lexical"
    assert open_embedder(EmbedderConfig(model="nomic-embed-text", api="lexical")).name == "lexical"
    assert open_embedder(EmbedderConfig(model="nomic-embed-text")).name == "nomic-embed-text"
