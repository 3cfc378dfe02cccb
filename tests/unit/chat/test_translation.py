"""A request with anything wrong in any place is refused with a precise error; it never fails in another way."""

from __future__ import annotations

import asyncio
import copy
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from orchestrator.chat.dialect import Dialect
from orchestrator.chat.messages import message
from orchestrator.chat.responses import response
from orchestrator.errors import BadRequest
from tests.api.test_messages_api import PIXEL, agent_request
from tests.api.test_responses_api import codex_request

ANSWER_AND_RESULT = (
    {"type": "reasoning", "summary": []},
    {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Well."}]},
    {"type": "function_call", "call_id": "a", "name": "read_file", "arguments": '{"path": "a.txt"}'},
    {"type": "function_call_output", "call_id": "a", "output": [{"type": "input_text", "text": "text"}]},
    {"type": "custom_tool_call", "call_id": "b", "name": "apply_patch", "input": "x"},
    {"type": "custom_tool_call_output", "call_id": "b", "output": "done"},
    {"role": "user", "content": [{"type": "input_image", "image_url": f"data:image/png;base64,{PIXEL}"}]},
)
USES = [
    {"type": "thinking", "thinking": "Hm.", "signature": "unsigned"},
    {"type": "text", "text": "Well."},
    {"type": "tool_use", "id": "a", "name": "Read", "input": {"file_path": "/a.txt"}},
]
RESULTS = [
    {"type": "tool_result", "tool_use_id": "a", "content": [{"type": "text", "text": "text"}], "is_error": True},
    {"type": "document", "title": "t", "source": {"type": "text", "media_type": "text/plain", "data": "x"}},
    {"type": "search_result", "title": "t", "source": "s", "content": [{"type": "text", "text": "x"}]},
    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}},
]
REQUESTS: dict[str, tuple[Dialect, dict[str, Any]]] = {
    "responses": (
        response,
        {**codex_request(*ANSWER_AND_RESULT), "text": {"format": {"type": "json_schema", "name": "a", "schema": {}}}},
    ),
    "messages": (
        message,
        {
            **agent_request({"role": "assistant", "content": USES}, {"role": "user", "content": RESULTS}),
            "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
            "output_config": {"effort": "high", "format": {"type": "json_schema", "schema": {}}},
            "stop_sequences": ["x"],
        },
    ),
}

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8) | st.sampled_from(["auto", "user", "text", "image", "tool_result", "function"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(["type", "text", "role", "name", "content", "source", "id"]), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a request."""
    if path:
        yield path
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in entries:
        yield from places(inner, (*path, key))


def put(request: dict[str, Any], path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    changed: Any = copy.deepcopy(request)
    place = changed
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return changed  # type: ignore[no-any-return]


@pytest.mark.parametrize("name", REQUESTS)
def test_the_requests_themselves_are_fine(name: str) -> None:
    dialect, request = REQUESTS[name]
    asked = asyncio.run(dialect(json.dumps(request).encode()))
    assert asked.request.user_text
    assert asked.request.response_schema == {}
    assert [call.id for said in asked.request.messages for call in said.tool_calls][:1] == ["a"]


@pytest.mark.parametrize("name", REQUESTS)
@settings(deadline=None)
@given(data=st.data())
def test_anything_anywhere_is_taken_or_refused(name: str, data: st.DataObject) -> None:
    dialect, request = REQUESTS[name]
    path = data.draw(st.sampled_from(list(places(request))))
    changed = put(request, path, data.draw(values))
    refused = refusal(dialect, changed)
    if refused is not None:
        # One of the client's own fields is named, though not always this one: it may have made another one wrong.
        assert refused.param
        assert re.split(r"[.\[]", refused.param)[0] in {*request, "output_format", "top_p", "top_k"}
        assert len(refused.message) > 10


def refusal(dialect: Dialect, request: dict[str, Any]) -> BadRequest | None:
    try:
        asyncio.run(dialect(json.dumps(request).encode()))
    except BadRequest as refused:
        return refused
    return None


@given(values)
@example([])
def test_a_body_that_is_no_object_is_refused(value: Any) -> None:
    for dialect, _ in REQUESTS.values():
        if not isinstance(value, dict):
            with pytest.raises(BadRequest):
                asyncio.run(dialect(json.dumps(value).encode()))


def test_a_request_sent_again_is_known_again() -> None:
    """Ids and hints that change from one attempt to the next take no part in what a request is."""
    for _, (dialect, request) in REQUESTS.items():
        first = asyncio.run(dialect(json.dumps(request).encode()))
        again = asyncio.run(dialect(json.dumps({**request, "metadata": {}, "prompt_cache_key": "x"}).encode()))
        other = asyncio.run(dialect(json.dumps({**request, "model": "gpt-oss:20b"}).encode()))
        assert first.request.fingerprint == again.request.fingerprint != other.request.fingerprint
