"""Every shape in which clients send what is no text."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.chat.attachments import data_of, readable_text
from orchestrator.chat.media_types import UNKNOWN, kind_of, sniff
from orchestrator.chat.parts import Attached, read_parts, text_of
from orchestrator.errors import BadRequest

T = TypeVar("T")
DATA = "data:image/png;base64,iVBORw0KGgo="
URL = "https://example.org/a.png"


def attempt(work: Callable[[], T]) -> tuple[T | None, str | None]:
    """What `work` gives, or the field that its refusal names."""
    try:
        return work(), None
    except BadRequest as error:
        return None, error.param or ""


def only(part: dict[str, Any]) -> Any:
    (found,) = read_parts([part], "content")
    return found


@pytest.mark.parametrize(
    ("part", "kind", "data", "url", "name"),
    [
        ({"type": "image_url", "image_url": {"url": DATA, "detail": "low"}}, "image", DATA, "", ""),
        ({"type": "image_url", "image_url": DATA}, "image", DATA, "", ""),
        ({"type": "image_url", "image_url": {"url": URL}}, "image", "", URL, ""),
        ({"type": "input_image", "image_url": URL, "cache_control": {"type": "ephemeral"}}, "image", "", URL, ""),
        ({"type": "input_image", "image_base64": "AAAA"}, "image", "AAAA", "", ""),
        ({"type": "image", "image_url": URL}, "image", "", URL, ""),
        ({"type": "image", "image": DATA}, "image", DATA, "", ""),
        ({"type": "image", "image": {"data": "AAAA", "name": "a.png"}}, "image", "AAAA", "", "a.png"),
        (
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA"}},
            "image",
            "AA",
            "",
            "",
        ),
        ({"type": "image", "source": {"type": "url", "url": URL}}, "image", "", URL, ""),
        (
            {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
            "audio",
            "AAAA",
            "",
            "audio.wav",
        ),
        ({"type": "audio", "audio_base64": "AAAA"}, "audio", "AAAA", "", ""),
        ({"type": "audio_url", "audio_url": {"url": URL}}, "audio", "", URL, ""),
        ({"type": "input_video", "video_url": URL}, "video", "", URL, ""),
        ({"type": "video", "video_base64": "AAAA"}, "video", "AAAA", "", ""),
        ({"type": "video_url", "video_url": {"url": URL}}, "video", "", URL, ""),
        ({"type": "file", "file": {"file_data": "AAAA", "filename": "a.pdf"}}, "file", "AAAA", "", "a.pdf"),
        ({"type": "input_file", "file_data": "AAAA", "filename": "a.pdf"}, "file", "AAAA", "", "a.pdf"),
        ({"type": "input_file", "file_url": "/uploads/x"}, "file", "", "/uploads/x", ""),
        ({"type": "file", "file_base64": "AAAA"}, "file", "AAAA", "", ""),
        ({"type": "document", "source": {"type": "base64", "data": "AAAA"}, "title": "T"}, "file", "AAAA", "", "T"),
    ],
)
def test_every_shape_is_understood(part: dict[str, Any], kind: str, data: str, url: str, name: str) -> None:
    found = only(part)
    assert (found.kind, found.data, found.url, found.name) == (kind, data, url, name)


def test_text_in_its_forms() -> None:
    parts = [{"text": "a"}, {"type": "input_text", "text": "b"}, {"type": "output_text", "text": "c"}]
    assert read_parts(parts, "") == ("a", "b", "c")
    assert read_parts([{"type": "refusal", "refusal": "no"}], "") == ("no",)
    assert read_parts([{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "a"}], "") == ("a",)
    assert (read_parts(None, ""), read_parts("", ""), read_parts("a", "")) == ((), (), ("a",))


def test_what_is_attached_is_named() -> None:
    text = text_of(("Look:", Attached("image", "", data="A" * 8192), Attached("file", "", url=URL)))
    assert text == f"Look:\n[attachment 1: image, about 6 KiB]\n[attachment 2: file, {URL}]"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.sampled_from([DATA, URL]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "text", "url", "data", "image_url", "file", "source", "input_audio", "file_id"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
types = st.sampled_from(["text", "image", "image_url", "input_audio", "file", "document", "video_url", "thinking", "x"])


@given(st.dictionaries(st.sampled_from(["image_url", "file", "source", "image", "text", "audio"]), json_values), types)
def test_a_part_is_understood_or_refused_with_its_place(fields: dict[str, Any], kind: str) -> None:
    parts, refused = attempt(lambda: read_parts([{**fields, "type": kind}], "messages[0].content"))
    assert (refused or "messages[0].content[0]").startswith("messages[0].content[0]")
    for part in parts or ():
        assert isinstance(part, str) or bool(part.data) != bool(part.url)


@given(st.binary(min_size=1, max_size=300), st.sampled_from(["", "data:;base64,", "data:image/png;x=y;base64,"]))
def test_base64_is_read_however_it_is_written(data: bytes, prefix: str) -> None:
    for encoded in (base64.b64encode(data).decode(), base64.urlsafe_b64encode(data).decode()):
        for form in (encoded, encoded.rstrip("="), "\n".join(encoded), encoded + "\r\n"):
            assert data_of(Attached("file", "x", data=prefix + form)) == data


@given(st.text(max_size=40))
def test_no_data_raises_anything_else(data: str) -> None:
    for text in (data, f"data:{data}", f"data:text/plain,{data}"):
        data_read, refused = attempt(lambda text=text: data_of(Attached("file", "x", data=text)))  # type: ignore[misc]
        assert data_read or refused == "x"


@given(st.binary(max_size=200))
def test_any_bytes_have_a_kind_and_only_text_is_text(data: bytes) -> None:
    media_type = sniff(data)
    assert kind_of(media_type) in {"image", "audio", "video", "file"}
    if readable_text(data) and not data.startswith(b"%PDF-"):
        assert media_type == "text/plain"


@pytest.mark.parametrize(
    ("data", "media_type"),
    [
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "image/webp"),
        (b"RIFF\x00\x00\x00\x00WAVEfmt ", "audio/x-wav"),
        (b"\x00\x00\x00\x18ftypmp42", "video/mp4"),
        (b"\x00\x00\x00\x18ftypM4A ", "audio/mp4"),
        (b"ID3\x04\x00", "audio/mpeg"),
        (b"%PDF-1.7", "application/pdf"),
        (b"BMW is a maker of cars", "text/plain"),
        (b"<script>alert(1)</script>", "text/plain"),
        ("é\n".encode(), "text/plain"),
        (b"\x00\x01\x02", UNKNOWN),
        (b"", UNKNOWN),
    ],
)
def test_files_are_told_by_their_beginning(data: bytes, media_type: str) -> None:
    assert sniff(data) == media_type
