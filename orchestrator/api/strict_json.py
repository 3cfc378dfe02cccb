"""The door for JSON: what later code or Postgres would choke on is refused here, with a precise 400.

Refused: bytes that are not UTF-8, NaN and infinite numbers, U+0000, lone surrogates, a key that stands twice in one
object, nesting deeper than 64, arrays longer than 10,000, more than 300,000 values.

A legal body may be megabytes large and the standard decoders never let go of the GIL, so a thread would not help. The
checks are therefore written to be interruptible: they work through a few tens of kilobytes at a time and let the event
loop breathe in between.
"""

from __future__ import annotations

import asyncio
import codecs
import json
import math
import re
from collections.abc import Iterator

import msgspec

from orchestrator.errors import BadRequest

MAX_DEPTH = 64
MAX_ITEMS = 10_000
MAX_VALUES = 300_000

_WINDOW = 64 * 1024
_SMALL = 64 * 1024
_STRINGS_PER_STEP = 2_000
_LARGEST = 10**300
_LONGEST_ESCAPE = 6
_RISKY_ESCAPE = re.compile(rb"\\u(?:0000|[dD][89abABcdefCDEF][0-9a-fA-F]{2})")
_LOW_SURROGATE = re.compile(rb"\\u[dD][c-fC-F][0-9a-fA-F]{2}")
_LARGE_NUMBER = re.compile(rb"-?[0-9]{300,}(?:\.[0-9]*)?|-?[0-9]+(?:\.[0-9]*)?[eE]\+?[0-9]{3,}")
_NOT_STRUCTURAL = bytes(set(range(256)) - set(b"{}[],"))
_OPEN_OBJECT, _OPEN_ARRAY, _COMMA, _BACKSLASH = b"{[,\\"


async def check_json(body: bytes) -> None:
    """Raise BadRequest (code `invalid_json`) unless `body` is JSON that everything behind this door can take."""
    if not is_plain(body):
        await look_closely(body)


async def look_closely(body: bytes) -> None:
    """As `check_json`, without the glance that is enough for most bodies."""
    for check in (_check_text(body), _check_structure(body)):
        for _ in check:
            await asyncio.sleep(0)
    try:
        msgspec.json.decode(body, type=msgspec.Raw)
    except msgspec.DecodeError as error:
        raise _refused(f"The body is not valid JSON: {error}.") from None


def _refused(message: str) -> BadRequest:
    return BadRequest(message, code="invalid_json")


def is_plain(body: bytes) -> bool:
    """Whether a small body can be seen at a glance to keep all the rules; when in doubt, it is looked at closely.

    Nearly all bodies are small and plain, and the standard decoder is many times faster than the careful checks.
    """
    brackets = body.count(b"{") + body.count(b"[")
    if len(body) > _SMALL or brackets > MAX_DEPTH or body.count(b",") >= MAX_ITEMS or b"\\u" in body:
        return False
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    # The decoder keeps one of two equal keys; every key has its colon, so one that was lost is missed here.
    return _keys_and_colons(value) == body.count(b":")


def _keys_and_colons(value: object) -> int:
    """How many keys there are, and colons in texts; -1 when a number is too large."""
    found = 0
    waiting = [value]
    for one in waiting:  # which grows on the way
        if isinstance(one, str):
            found += one.count(":")
        elif isinstance(one, dict):
            found += len(one) + "".join(one).count(":")
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one
        elif isinstance(one, int) and not -_LARGEST < one < _LARGEST:
            return -1
    return found


def _check_text(body: bytes) -> Iterator[None]:
    """Encoding and escapes, one window at a time; yields between windows."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    expected_low = -1
    for start in range(0, len(body), _WINDOW):
        end = start + _WINDOW
        try:
            decoder.decode(body[start:end], final=end >= len(body))
        except UnicodeDecodeError:
            raise _refused("The body is not UTF-8.") from None
        # The overlap makes an escape that straddles two windows visible in the first.
        for match in _RISKY_ESCAPE.finditer(body, start, min(len(body), end + _LONGEST_ESCAPE - 1)):
            at = match.start()
            if _backslashes_before(body, at) % 2:
                continue
            if match.group().endswith(b"0000"):
                raise _refused("The body contains the character U+0000.")
            if _LOW_SURROGATE.match(body, at):
                if at != expected_low:
                    raise _refused("The body contains half of a surrogate pair.")
            elif _LOW_SURROGATE.match(body, at + _LONGEST_ESCAPE):
                expected_low = at + _LONGEST_ESCAPE
            else:
                raise _refused("The body contains half of a surrogate pair.")
        if end < len(body):
            yield


def _check_structure(body: bytes) -> Iterator[None]:
    """Depth, sizes and doubled keys; yields now and then. Malformed JSON is left to the decoder."""
    containers = _Containers()
    position, steps = 0, 0
    while True:
        quote = body.find(b'"', position)
        stop = quote if quote >= 0 else len(body)
        for start in range(position, stop, _WINDOW):
            between = body[start : min(stop, start + _WINDOW)]
            _check_numbers(between)
            containers.feed(between.translate(None, _NOT_STRUCTURAL))
            if stop - start > _WINDOW:
                yield
        if quote < 0:
            return
        end = quote + 1
        while (end := body.find(b'"', end)) >= 0 and _backslashes_before(body, end) % 2:
            end += 1
            if (steps := steps + 1) % _STRINGS_PER_STEP == 0:
                yield
        if end < 0:
            return
        if containers.expect_key:
            containers.key(body[quote + 1 : end])
        position = end + 1
        if (steps := steps + 1) % _STRINGS_PER_STEP == 0:
            yield


def _check_numbers(between: bytes) -> None:
    """Refuse numbers that become infinite; `between` is a piece of the body outside strings."""
    if len(between) < 300 and b"e" not in between and b"E" not in between:
        return
    for match in _LARGE_NUMBER.finditer(between):
        if math.isinf(float(match.group())):
            raise _refused("The body contains a number that is too large.")


def _backslashes_before(body: bytes, end: int) -> int:
    """How many backslashes stand directly before `end`."""
    if body[end - 1] != _BACKSLASH:
        return 0
    if body[end - 2] != _BACKSLASH:  # by far the most usual case: one escaped quote in a text
        return 1
    count, step = 0, 16
    while end > 0:
        piece = body[max(0, end - step) : end]
        rest = piece.rstrip(b"\\")
        count += len(piece) - len(rest)
        if rest:
            break
        end -= len(piece)
        step *= 4
    return count


class _Containers:
    """The arrays and objects that are open at some point of the body."""

    def __init__(self) -> None:
        self.expect_key = False
        # One entry per open container: its keys for an object, None for an array; and how many commas it has had.
        self._keys: list[set[bytes] | None] = []
        self._commas: list[int] = []
        self._values = 0

    def feed(self, structural: bytes) -> None:
        """Take in the next brackets, braces and commas."""
        self._values += len(structural)
        if self._values > MAX_VALUES:
            raise _refused(f"The body has more than {MAX_VALUES} values.")
        for byte in structural:
            if byte == _COMMA:
                self._comma()
            elif byte in (_OPEN_OBJECT, _OPEN_ARRAY):
                self._open(is_object=byte == _OPEN_OBJECT)
            elif self._keys:
                self._keys.pop()
                self._commas.pop()
                self.expect_key = False

    def key(self, raw: bytes) -> None:
        """Take in an object's key as it is written."""
        self.expect_key = False
        keys = self._keys[-1] if self._keys else None
        if keys is None:
            return
        name = _unescaped(raw) if b"\\" in raw else raw
        if name in keys:
            shown = name[:60].decode("utf-8", "replace")
            raise _refused(f"The body has the key {shown!r} twice in one object.")
        keys.add(name)

    def _comma(self) -> None:
        if not self._keys:
            return
        self._commas[-1] += 1
        if self._commas[-1] >= MAX_ITEMS:
            raise _refused(f"The body has an array or object with more than {MAX_ITEMS} items.")
        self.expect_key = self._keys[-1] is not None

    def _open(self, *, is_object: bool) -> None:
        if len(self._keys) >= MAX_DEPTH:
            raise _refused(f"The body is nested deeper than {MAX_DEPTH} levels.")
        self._keys.append(set() if is_object else None)
        self._commas.append(0)
        self.expect_key = is_object


def _unescaped(raw: bytes) -> bytes:
    try:
        return str(json.loads(b'"' + raw + b'"')).encode("utf-8", "surrogatepass")
    except ValueError:
        return raw
