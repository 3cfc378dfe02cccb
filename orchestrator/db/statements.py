"""SQL as named statements in `.sql` files beside the store that runs them."""

from __future__ import annotations

import re
from importlib.resources import files

_HEADING = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


def named_statements(package: str, filename: str) -> dict[str, str]:
    """The statements of a file, each introduced by a line `-- name: <name>`."""
    text = (files(package) / filename).read_text(encoding="utf-8")
    pieces = _HEADING.split(text)[1:]
    names = pieces[::2]
    if len(set(names)) != len(names):
        raise ValueError(f"{filename} has two statements of one name")
    return {name: sql.strip() for name, sql in zip(names, pieces[1::2], strict=True)}
