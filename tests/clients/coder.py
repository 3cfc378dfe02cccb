"""A scripted programmer behind a fake Ollama: it edits one file with whatever tools a coding agent offers.

For client libraries it also knows the weather in Paris, through a tool, and one person, as JSON.

No language model: it looks the file up, changes one line, and says that it is done. It proves that an agent's requests
reach the members and that their calls come back in a form which the agent can carry out, and nothing about quality.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from tests.fakes.ollama import PLAN, Reply, is_probe

FILE = "hello.py"
OLD = 'print("hello")'
NEW = 'print("good morning")'
TASK = f"In {FILE}, change the greeting from hello to good morning. Edit the file, then say that you are done."
PERSON = {"name": "Ada", "age": 36}
DONE = f"I changed the greeting in {FILE} to good morning."

_PATH = re.compile(r"(?:file|path|filename)", re.IGNORECASE)
_PATCH = f"*** Begin Patch\n*** Update File: {FILE}\n@@\n-{OLD}\n+{NEW}\n*** End Patch\n"
_SED = f"sed -i s/hello/'good morning'/ {FILE}"
_READERS = ("read", "read_file", "Read", "view", "read_files")
_EDITORS = (
    "edit",
    "Edit",
    "replace",
    "edit_file",
    "replace_in_file",
    "str_replace",
    "single_find_and_replace",
    "editor",
)
_WRITERS = ("write", "Write", "write_file", "write_to_file", "create_new_file")
_SHELLS = ("shell", "exec_command", "shell_command", "local_shell", "bash", "Bash", "run_shell_command", "run_commands")
_AIDER = f"{FILE}\n```python\n<<<<<<< SEARCH\n{OLD}\n=======\n{NEW}\n>>>>>>> REPLACE\n```\n"


def answer(body: dict[str, Any], *, path: str = FILE) -> Reply:
    """What the programmer says to one `/api/chat` request; `path` is where the file lies."""
    text = "\n".join(str(message.get("content") or "") for message in body["messages"])
    tools = _offered(body)
    call = _next_call(body, text, tools, path)
    if is_probe(body):
        if call is None:
            return Reply(json.dumps({**PLAN, "points": [DONE]}))
        name, arguments = call
        plan = {**PLAN, "action": "call", "calls": [{"tool": name, "args": arguments, "purpose": "edit the file"}]}
        return Reply(json.dumps(plan))
    if call is not None:
        name, arguments = call
        return Reply("I edit the file.", tool_calls=[{"function": {"name": name, "arguments": arguments}}])
    if isinstance(body.get("format"), dict):
        return Reply(json.dumps(PERSON))
    if "get_weather" in tools:
        return Reply("It is 21 degrees in Paris.")
    if TASK in text and "*file listing*" in text:
        return Reply(f"{FILE}\n```\n{NEW}\n```\n")
    return Reply(_AIDER if TASK in text and "*SEARCH/REPLACE" in text else DONE)


def _offered(body: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The tools by name: offered natively, or listed in the instruction of a probe."""
    native = {tool["function"]["name"]: tool["function"].get("parameters") or {} for tool in body.get("tools") or ()}
    if native or not is_probe(body):
        return native
    listed = re.findall(r"^- (\w+): .*?\n  args: (\{[^\n]*\})$", str(body["messages"][-1]["content"]), re.M | re.S)
    names = body["format"]["properties"]["calls"]["items"]["properties"]["tool"].get("enum") or ()
    schemas = {name: json.loads(schema) for name, schema in listed}
    return {name: schemas.get(name, {}) for name in names}


def _next_call(
    body: Mapping[str, Any], text: str, tools: Mapping[str, Any], path: str
) -> tuple[str, dict[str, Any]] | None:
    """Read, then edit, then nothing: told apart by how many results there are since the task was set."""
    if "weather" in text and "get_weather" in tools and body["messages"][-1]["role"] != "tool":
        return "get_weather", {"city": "Paris"}
    if TASK not in text:
        return None
    results = sum(message["role"] == "tool" for message in body["messages"])
    steps = [step for step in (_first(_READERS, tools), _edit(tools)) if step is not None]
    if results >= len(steps):
        return None
    name = steps[results]
    return name, _arguments(name, tools[name], path)


def _edit(tools: Mapping[str, Any]) -> str | None:
    return _first(_EDITORS, tools) or _first(("apply_patch", *_WRITERS), tools) or _first(_SHELLS, tools)


def _first(names: Iterable[str], tools: Mapping[str, Any]) -> str | None:
    return next((name for name in names if name in tools), None)


def _arguments(name: str, schema: Mapping[str, Any], path: str) -> dict[str, Any]:
    """Every required argument, filled by what its name says."""
    properties: Mapping[str, Any] = schema.get("properties") or {}
    wanted = [
        *(schema.get("required") or ()),
        *(p for p in properties if re.search(r"old|new|search|replace", p, re.I)),
    ]
    return {key: _value(key, properties.get(key) or {}, name, path) for key in dict.fromkeys(wanted)}


def _value(key: str, rule: Mapping[str, Any], name: str, path: str) -> Any:
    lower = key.lower()
    if rule.get("type") == "boolean":
        return False
    if rule.get("type") in {"integer", "number"}:
        return rule.get("minimum", 1)
    if rule.get("enum"):
        return rule["enum"][0]
    if name in _SHELLS and lower in {"command", "cmd", "commands"}:
        return ["bash", "-lc", _SED] if rule.get("type") == "array" else _SED
    if name == "apply_patch" and lower in {"input", "patch"}:
        return _PATCH
    if lower == "diff":
        return f"------- SEARCH\n{OLD}\n=======\n{NEW}\n+++++++ REPLACE"
    if re.search(r"old|search", lower):
        return OLD
    if re.search(r"new|replace", lower):
        return NEW
    if _PATH.search(lower):
        return [path] if rule.get("type") == "array" else path
    if lower in {"content", "contents", "text"}:
        return NEW + "\n"
    return FILE
