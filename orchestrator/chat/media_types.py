"""Which kind of file some bytes are, told by their beginning.

A short list on purpose: a type outside it is stored as bytes that no browser will run or show, so a client's word for
a file never decides how it is served.
"""

from __future__ import annotations

import codecs
from typing import Literal

UNKNOWN = "application/octet-stream"
_STARTS: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"BM", "image/bmp"),
    (b"ID3", "audio/mpeg"),
    (b"fLaC", "audio/flac"),
    (b"OggS", "audio/ogg"),
    (b"\x1aE\xdf\xa3", "video/webm"),
    (b"%PDF-", "application/pdf"),
    (b"PK\x03\x04", "application/zip"),
    (b"\x1f\x8b", "application/gzip"),
)
_RIFF = {b"WEBP": "image/webp", b"WAVE": "audio/x-wav", b"AVI ": "video/x-msvideo"}
_BRANDS = {b"avif": "image/avif", b"heic": "image/heic", b"M4A ": "audio/mp4", b"qt  ": "video/quicktime"}
_LOOKED_AT = 64 * 1024


def sniff(data: bytes) -> str:
    """The media type of `data`; `text/plain` for any text, `application/octet-stream` for what is not known."""
    if not data.startswith(b"%PDF-") and _is_text(data[:_LOOKED_AT]):
        return "text/plain"
    for start, media_type in _STARTS:
        if data.startswith(start):
            return media_type
    if data[:4] == b"RIFF" and (media := _RIFF.get(data[8:12])):
        return media
    if data[4:8] == b"ftyp":
        return _BRANDS.get(data[8:12], "video/mp4")
    if len(data) > 1 and data[0] == 0xFF and data[1] in {0xFB, 0xF3, 0xF2, 0xFA}:
        return "audio/mpeg"
    return UNKNOWN


def kind_of(media_type: str) -> Literal["image", "audio", "video", "file"]:
    match media_type.partition("/")[0]:
        case "image":
            return "image"
        case "audio":
            return "audio"
        case "video":
            return "video"
    return "file"


def _is_text(beginning: bytes) -> bool:
    if not beginning or any(byte < 32 and byte not in b"\t\n\r\f" for byte in beginning):
        return False
    try:
        # Incremental, because the window may end within a character.
        codecs.getincrementaldecoder("utf-8")().decode(beginning)
    except UnicodeDecodeError:
        return False
    return True
