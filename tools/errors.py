"""What can go wrong when the committee acts.

ToolError
├── ToolFailed   give up: another try with other arguments will not help
├── ToolRetry    the model may try again with better arguments
└── UnknownTool  nothing is registered under that name (also a LookupError)
"""

from __future__ import annotations


class ToolError(Exception):
    """A tool did not do what was asked."""


class ToolFailed(ToolError):
    """The tool failed and trying again will not help."""


class ToolRetry(ToolError):
    """The tool refused these arguments; better ones may work."""


class UnknownTool(ToolError, LookupError):
    """There is no tool of that name."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"There is no tool named {name!r} ({reason}).")
        self.name = name
        self.reason = reason
