"""The replay command on a recorded file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.committee.replay import main
from committee.measurement.records import Answer, Header, Item, MemberRecord, encode, read


def recorded(path: Path) -> Path:
    header = Header({"a": "model-a", "b": "model-b"}, "a")
    items = []
    for number in range(40):
        members = {
            "a": MemberRecord((Answer("1", True, tokens=50), Answer("1", True, tokens=50))),
            "b": MemberRecord((Answer("1" if number % 4 else "2", bool(number % 4), tokens=40),)),
        }
        synth = Answer("1", number % 8 != 0, tokens=200)
        items.append(Item(f"i{number}", "reasoning", members, "1", synth=synth))
    path.write_bytes(b"".join(encode(line) for line in (header, *items)))
    return path


def test_every_policy_is_evaluated(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(recorded(tmp_path / "run.jsonl"), tmp_path / "figures.json") == 0
    told = capsys.readouterr().out
    for word in ("a alone", "b alone", "a ×2", "third sample", "exit and verdicts", "mixed synthesis", "full protocol"):
        assert word in told
    figures = json.loads((tmp_path / "figures.json").read_text())[0]
    assert figures["agreement"] == 0.75
    assert figures["best_member"] == "a"
    synthesis = next(policy for policy in figures["policies"] if policy["name"] == "mixed synthesis")
    assert sum(synthesis["right"]) == 35


def test_what_is_no_record_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "run.jsonl").write_text("{}\n")
    assert main(tmp_path / "run.jsonl", None) == 2
    assert "line 1" in capsys.readouterr().err


def test_the_documented_file_is_one(tmp_path: Path) -> None:
    manual = Path(__file__).parents[3] / "docs" / "calibration.md"
    (tmp_path / "run.jsonl").write_text(manual.read_text().split("```json\n")[1].split("```")[0])
    assert [item.id for item in read(tmp_path / "run.jsonl").items] == ["1"]
