"""What the committee may do: tools with typed arguments, deterministic seeds and stated effects.

Offers `ToolRegistry`, `Tool`, `ToolContext`, `ToolResult`. May import `committee`; reaches durable jobs only through
the `JobsPort` that it is handed.
"""
