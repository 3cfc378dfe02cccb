"""The figures as a table, and the budgets they have to keep."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.overhead.measure import Row

NAMES = {
    "direct": "no server between",
    "relay": "Python byte relay (floor)",
    "ollama": "ours, solo, Ollama member",
    "openai": "ours, solo, OpenAI member",
    "committee": "ours, committee that agrees",
    "litellm": "LiteLLM proxy",
}
COLUMNS = {
    "cpu_us_per_request": "CPU us/request",
    "requests_per_s": "req/s c=16",
    "cpu_us_per_paced_chunk": "CPU us/chunk",
    "added_json_ms_p50": "+ms JSON p50",
    "added_ttft_ms_p50": "+ms TTFT p50",
    "added_ttft_ms_p99": "+ms TTFT p99",
    "first_event_ms_p99": "1st event ms p99",
    "crowd_kib_per_stream": "KiB/stream",
    "base_mib": "base MiB",
}
BUDGETS = {
    ("ollama", "cpu_us_per_paced_chunk"): 45.0,
    ("openai", "cpu_us_per_paced_chunk"): 45.0,
    # 5,000 requests a second on one core.
    ("ollama", "cpu_us_per_request"): 200.0,
    ("openai", "cpu_us_per_request"): 200.0,
    ("ollama", "added_ttft_ms_p50"): 1.0,
    ("openai", "added_ttft_ms_p50"): 1.0,
    ("committee", "first_event_ms_p99"): 50.0,
    ("ollama", "crowd_kib_per_stream"): 30.0,
    ("openai", "crowd_kib_per_stream"): 30.0,
    ("ollama", "crowd_growth_percent"): 10.0,
    ("ollama", "soak_growth_mib"): 4.0,
    ("ollama", "soak_left_over_streams"): 0.0,
}


def table(figures: Mapping[str, Row]) -> str:
    """A Markdown table: one row per target, and how often the relay's and LiteLLM's CPU time it takes."""
    titles = ["target", *COLUMNS.values(), "CPU/req : relay", "CPU/req : LiteLLM"]
    lines = ["| " + " | ".join(titles) + " |", "|---" * len(titles) + "|"]
    for name, title in NAMES.items():
        row = figures.get(name)
        if row is None:
            lines.append(f"| {title} | " + " | ".join(["*not run*"] * (len(titles) - 1)) + " |")
            continue
        cells = [_shown(getattr(row, column)) for column in COLUMNS]
        ratios = [_ratio(row, figures.get(other)) for other in ("relay", "litellm")]
        lines.append(f"| {title} | " + " | ".join([*cells, *ratios]) + " |")
    return "\n".join(lines)


def misses(figures: Mapping[str, Row]) -> list[str]:
    """The budgets that are not kept."""
    found = []
    for (name, column), most in BUDGETS.items():
        value = getattr(figures[name], column) if name in figures else None
        if value is not None and value > most:
            found.append(f"{NAMES[name]}: {column} = {value:.2f} > {most:g}")
    return found


def _shown(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"


def _ratio(row: Row, other: Row | None) -> str:
    if other is None or not other.cpu_us_per_request or not row.cpu_us_per_request:
        return "–"
    ratio = row.cpu_us_per_request / other.cpu_us_per_request
    return f"{ratio:.3f}" if ratio < 0.1 else f"{ratio:.1f}"
