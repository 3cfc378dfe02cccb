"""What a task of the farm looks like from inside its child process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

Report: TypeAlias = Callable[[dict[str, Any]], None]  # tells the parent how far the task is
Task: TypeAlias = Callable[[dict[str, Any], Report], dict[str, Any]]
