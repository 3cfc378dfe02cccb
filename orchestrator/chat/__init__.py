"""One conversation turn: committee, tools, answer."""
