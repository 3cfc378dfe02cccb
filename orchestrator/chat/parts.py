"""The content of a message, in the many shapes in which clients send it.

Text comes as `text`, `input_text` or `output_text`. Pictures, sound, films and files come under OpenAI's names of
both APIs, under Anthropic's, under vLLM's, and in the plain forms `<kind>_url` and `<kind>_base64`, each as a string
or as an object. All of these become one `Attached`; nothing is decoded or looked up here. A document whose text stands
in the request itself becomes `Quoted`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from orchestrator.errors import BadRequest

Kind: TypeAlias = Literal["image", "audio", "video", "file"]

# What a member once thought, echoed back by the client: not meant for the next turn.
_DROPPED = frozenset({"thinking", "redacted_thinking", "reasoning", "reasoning_text"})
_KINDS: dict[str, Kind] = {"image": "image", "audio": "audio", "video": "video", "file": "file", "document": "file"}
_TYPE = re.compile(r"(?:input_)?(image|audio|video|file|document)(?:_url|_base64|_data)?")
_LONGEST_NAME = 120


@dataclass(frozen=True, slots=True)
class Attached:
    """Something in a message that is no text. Exactly one of `data` (base64 or a `data:` URL) and `url` is given.

    where: the request's field, for messages to humans.
    """

    kind: Kind
    where: str
    data: str = field(default="", repr=False)
    url: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class Quoted:
    """A document's or a search result's text: words of others, which the user shows and does not say."""

    text: str


Part: TypeAlias = str | Attached | Quoted


def read_parts(content: str | list[dict[str, Any]] | None, where: str) -> tuple[Part, ...]:
    """The parts of a message's content in their order. Raises BadRequest for one that cannot be understood."""
    if content is None or isinstance(content, str):
        return (content,) if content else ()
    read = (_part(part, f"{where}[{position}]") for position, part in enumerate(content))
    return tuple(part for part in read if part is not None)


def text_of(parts: tuple[Part, ...]) -> str:
    """The text; what else there is is named, so that no member believes that nothing was attached."""
    pieces: list[str] = []
    attachments = 0
    for part in parts:
        if isinstance(part, Attached):
            attachments += 1
            part = f"[attachment {attachments}: {_description(part)}]"
        elif isinstance(part, Quoted):
            part = part.text
        pieces.append(part)
    return "\n".join(pieces)


def _description(attached: Attached) -> str:
    if attached.url:
        return f"{attached.kind}, {attached.url[:200]}"
    size = f"about {max(1, len(attached.data) * 3 // 4096)} KiB"
    return ", ".join(filter(None, (attached.kind, attached.name, size)))


def _part(part: Mapping[str, Any], where: str) -> Part | None:
    kind = part.get("type", "text")
    if not isinstance(kind, str):
        raise BadRequest(f"{where}.type: must be a string.", param=f"{where}.type")
    if kind in _DROPPED:
        return None
    if kind == "document" and (quoted := _quoted(part, where)) is not None:
        return quoted
    if found := _TYPE.fullmatch(kind):
        return _attached(_KINDS[found[1]], part, where)
    for key in ("text", "refusal"):
        if (text := part.get(key)) is not None:
            if not isinstance(text, str):
                raise BadRequest(f"{where}.{key}: must be a string.", param=f"{where}.{key}")
            return text
    raise BadRequest(
        f"{where}: parts of type {str(kind)[:40]!r} are not understood here.",
        code="unsupported_content",
        param=f"{where}.type",
    )


def _quoted(part: Mapping[str, Any], where: str) -> Quoted | None:
    """A document that is text in Anthropic's form; None for one in any other form."""
    source, title = part.get("source"), part.get("title")
    if not isinstance(source, Mapping) or source.get("type") != "text":
        return None
    text = source.get("data")
    if not isinstance(text, str):
        raise BadRequest(f"{where}.source.data: must be a string.", param=f"{where}.source.data")
    return Quoted(f"[{title[:_LONGEST_NAME]}]\n{text}" if isinstance(title, str) and title else text)


def _attached(kind: Kind, part: Mapping[str, Any], where: str) -> Attached:
    fields = _flat(kind, part)
    name = _first(fields, "filename", "file_name", "name", "title")[:_LONGEST_NAME]
    data = _first(fields, f"{kind}_base64", f"{kind}_data", "base64", "data")
    url = "" if data else _first(fields, f"{kind}_url", "url")
    if url[:5].lower() == "data:":
        data, url = url, ""
    if data or url:
        return Attached(kind, where, data, url, name or _named_by_format(kind, fields))
    if fields.get("file_id"):
        raise BadRequest(
            f"{where}: there is no store of files with ids here; send the data, or a URL from POST /upload.",
            code="unsupported_content",
            param=f"{where}.file_id",
        )
    raise BadRequest(f"{where}: neither data nor a URL is given.", param=where)


def _flat(kind: Kind, part: Mapping[str, Any]) -> dict[str, Any]:
    """The part's fields and those of the object that some shapes put around them."""
    fields = dict(part)
    for key in (kind, f"input_{kind}", f"{kind}_url", f"{kind}_base64", "source", "document"):
        inner = part.get(key)
        if isinstance(inner, Mapping):
            fields |= inner
        elif isinstance(inner, str) and key in (kind, f"input_{kind}", "source", "document"):
            fields.setdefault("url" if ":" in inner[:16] or inner.startswith("/") else "data", inner)
    return fields


def _first(fields: Mapping[str, Any], *names: str) -> str:
    return next((value for name in names if isinstance(value := fields.get(name), str) and value), "")


def _named_by_format(kind: Kind, fields: Mapping[str, Any]) -> str:
    form = fields.get("format")
    return f"{kind}.{form}" if isinstance(form, str) and re.fullmatch(r"[a-z0-9]{1,8}", form) else ""
