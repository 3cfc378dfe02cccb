"""Refuses to build a wheel without the chat page, instead of shipping one that serves nothing at `/`."""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class PageHook(BuildHookInterface):  # type: ignore[type-arg]
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        page = Path(self.root) / "orchestrator" / "ui" / "dist" / "index.html"
        if version == "standard" and not page.is_file():
            raise RuntimeError("The chat page is not built. Run first: python scripts/build_ui.py")
