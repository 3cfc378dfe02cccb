"""SQL files are split into named statements."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from orchestrator.db.migrations import available
from orchestrator.db.statements import named_statements


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "sql_of_a_test"
    folder.mkdir()
    (folder / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "sql_of_a_test", raising=False)
    return folder


def test_statements_go_by_their_names(package: Path) -> None:
    (package / "a.sql").write_text("-- about the file\n\n-- name: one\nSELECT 1\n\n-- name: two\n-- why\nSELECT\n  2\n")
    assert named_statements("sql_of_a_test", "a.sql") == {"one": "SELECT 1", "two": "-- why\nSELECT\n  2"}


def test_a_name_stands_once(package: Path) -> None:
    (package / "a.sql").write_text("-- name: one\nSELECT 1\n-- name: one\nSELECT 2\n")
    with pytest.raises(ValueError, match="two statements"):
        named_statements("sql_of_a_test", "a.sql")


def test_migrations_are_numbered_from_one_without_doubles() -> None:
    numbers = [int(name[:4]) for name in available()]
    assert numbers[0] == 1
    assert numbers == sorted(set(numbers))
