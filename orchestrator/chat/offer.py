"""Which tools a turn may use: the client's own, and those of this server that the caller may have beside them."""

from __future__ import annotations

from dataclasses import replace

from committee import ToolSpec
from orchestrator.chat.schema import CompletionRequest
from orchestrator.errors import BadRequest
from tools.registry import ToolRegistry

# What a key must hold before the members even see a tool of that effect.
_SCOPE_OF_EFFECT = {"read": "jobs:read", "write": "jobs:write", "job": "jobs:write"}


def tools_for(
    request: CompletionRequest, registry: ToolRegistry, scopes: frozenset[str], *, forceable: bool
) -> tuple[ToolSpec, ...]:
    """The client's tools, and those of ours that the caller may use.

    On a name clash the client's wins. Beside tools of the client ours may not write unless they were asked for by
    name: an editor must not find a second writer in its files. forceable: whether a refusal may be overruled at all.
    Raises BadRequest for a tool that is asked for, allowed or demanded, and not there.
    """
    offered = _allowed((*request.client_tools, *_ours(request, registry, scopes, forceable)), request, registry)
    choice = request.tool_choice
    if choice not in {"auto", "none", "required"} and not any(
        spec.name == choice and _may_be_demanded(spec, request) for spec in offered
    ):
        raise BadRequest(f"tool_choice names {choice[:100]!r}, which is not among the tools.", param="tool_choice")
    return offered


def _ours(
    request: CompletionRequest, registry: ToolRegistry, scopes: frozenset[str], forceable: bool
) -> tuple[ToolSpec, ...]:
    taken = {tool.name.replace(".", "_") for tool in request.client_tools}
    ours = tuple(
        spec if forceable else replace(spec, forceable=False)
        for spec in registry.specs()
        if spec.name not in taken
        and _SCOPE_OF_EFFECT.get(spec.effect, spec.effect) in scopes
        and (spec.effect != "write" or not request.client_tools or spec.name in request.opted_in)
    )
    if missing := request.opted_in - taken - {spec.name for spec in ours}:
        raise BadRequest(
            f"tools: this server has no tool {sorted(missing)[0][:100]!r} for you.", param="tools", code="unknown_tool"
        )
    return ours


def _allowed(specs: tuple[ToolSpec, ...], request: CompletionRequest, registry: ToolRegistry) -> tuple[ToolSpec, ...]:
    """Those that `tool_choice` leaves; it may name ours with a dot or without."""
    allowed = request.allowed_tools
    if allowed is None:
        return specs
    offered = tuple(
        spec
        for spec in specs
        if spec.effect == "client" or not allowed.isdisjoint({spec.name, registry.get(spec.name).name})
    )
    names = {spec.name for spec in offered}
    if unknown := {name for name in allowed if not {name, name.replace(".", "_")} & names}:
        raise BadRequest(
            f"tool_choice: {sorted(unknown)[0][:100]!r} is allowed, but is not among the tools.",
            param="tool_choice.allowed_tools.tools",
        )
    return offered


def _may_be_demanded(spec: ToolSpec, request: CompletionRequest) -> bool:
    """A client that has tools of its own demands one of those, or one of ours that it asked for by name."""
    return spec.effect == "client" or not request.client_tools or spec.name in request.opted_in
