"""Reading one piece of a request's JSON: what does not fit its type is a 400 that names the field."""

from __future__ import annotations

import asyncio
import functools
import re
from collections.abc import Callable, Hashable
from typing import Any, TypeVar, cast

import msgspec
from msgspec import Raw

from orchestrator.errors import BadRequest

T = TypeVar("T")

NULL = Raw(b"null")

_AT = re.compile(r" - at `\$\.?(?P<path>[^`]*)`")
_BREATHE_EVERY = 64


def decode(raw: bytes | Raw, kind: type[T], where: str = "") -> T:
    """Decode one piece of a request, which stands at `where` in it. Raises BadRequest with the field as `param`."""
    try:
        decoded: T = _decoder(cast(Hashable, kind))(raw)
    except msgspec.ValidationError as error:
        text = str(error)
        found = _AT.search(text)
        path = found["path"] if found else ""
        param = f"{where}.{path}".strip(".").replace(".[", "[") or None
        message = _AT.sub("", text).replace("`", "'")
        if missing := re.search(r"missing required field '(\w+)'", message):
            param, message = f"{param}.{missing[1]}" if param else missing[1], "is required"
        raise BadRequest(f"{param}: {message}." if param else f"{message}.", param=param) from None
    except msgspec.DecodeError as error:
        raise BadRequest(f"The body is not valid JSON: {error}.", code="invalid_json") from None
    return decoded


@functools.lru_cache(maxsize=256)
def _decoder(kind: Hashable) -> Callable[[bytes | Raw], Any]:
    # Looking at a type costs more than decoding a small value of it.
    return msgspec.json.Decoder(cast(Any, kind)).decode


async def decode_each(items: list[Raw], kind: type[T], where: str) -> list[T]:
    """Decode a list's items one by one, so that a long list does not hold the event loop."""
    decoded: list[T] = []
    for position, item in enumerate(items):
        if position % _BREATHE_EVERY == 0:
            await asyncio.sleep(0)
        decoded.append(decode(item, kind, f"{where}[{position}]"))
    return decoded


def needed(value: str | None, param: str) -> str:
    """`value`, which must be there. Raises BadRequest."""
    if not value:
        raise BadRequest(f"{param}: is required.", param=param)
    return value
