"""What the doctor says about a member."""

from __future__ import annotations

from committee import MemberHealth
from orchestrator.cli.doctor import _member

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
