"""What the doctor says about a member."""

from __future__ import annotations

from committee import MemberHealth
from orchestrator.cli.doctor import _completion, _embeddings, _member
from orchestrator.settings import EmbedderSettings, InfillSettings, Settings
from tests.fakes.ollama import FakeOllama

HEALTHY = MemberHealth(
    "qwen3", "ollama", "http://127.0.0.1:11434", "qwen3:32b", "qwen3:32b", reachable=True, loaded=True,
    context_length=16384, size_vram=22 << 30, size=22 << 30, window=16384,
)  # fmt: skip


def test_a_healthy_member_tells_its_window() -> None:
    finding = _member(HEALTHY)
    assert finding.state == "ok"
    assert "context really loaded: 16384 tokens" in finding.detail
    assert "window: 16384 tokens" in finding.detail


def test_what_is_unusual_asks_to_be_looked_at() -> None:
    spilled = MemberHealth(
        "qwen3", "ollama", None, "qwen3:32b", "qwen3:32b", reachable=True, loaded=True, size_vram=15 << 30,
        size=20 << 30, note="Only 75 % of it are in GPU memory (size_vram < size)",
    )  # fmt: skip
    finding = _member(spilled)
    assert finding.state == "warn"
    assert "75 %" in finding.detail


async def test_models_beside_the_committee_are_tried() -> None:
    assert (await _embeddings(Settings())).state == "embedded"
    assert await _completion(Settings()) is None
    async with FakeOllama("nomic-embed-text", "coder:7b") as ollama:
        ollama.installed["coder:7b"] = {"capabilities": ["completion", "insert"]}
        settings = Settings(
            embedder=EmbedderSettings(embed_model_id="nomic-embed-text", embed_base_url=ollama.base_url),
            infill=InfillSettings(fim_model_id="coder:7b", fim_base_url=ollama.base_url),
        )
        embeddings, completion = await _embeddings(settings), await _completion(settings)
        assert completion is not None
        assert (embeddings.state, completion.state) == ("ok", "ok")
        assert "8 dimensions" in embeddings.detail
        await ollama.stop()
        embeddings, completion = await _embeddings(settings), await _completion(settings)
    assert completion is not None
    assert (embeddings.state, completion.state) == ("broken", "broken")
    assert "FIM_MODEL_ID" in completion.next_step
