"""What came with the messages besides text: taken in, kept, named to the members, handed to tools.

Data in a request is decoded within bounds, recognised by its content (never by what the client calls it) and stored
under the caller's name. In the message a line takes its place that names the file and its URL, so that a member that
cannot see still knows of it and can hand it to a tool. Pictures are given to the members as well; short texts are shown
in full, as words of others, and so is a document whose text stands in the request. An address elsewhere is only named:
this server fetches nothing on a client's behalf.
"""

from __future__ import annotations

import asyncio
import base64
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from urllib.parse import unquote, unquote_to_bytes, urlsplit

from PIL import Image

from committee.schema import Message
from orchestrator.artifacts import Artifact, ArtifactStore
from orchestrator.chat.caller import Caller
from orchestrator.chat.media_types import kind_of, sniff
from orchestrator.chat.parts import Attached, Part, Quoted
from orchestrator.chat.schema import CompletionRequest
from orchestrator.errors import BadRequest, NotFound
from tools.registry import Attachment

MAX_TEXT_BYTES = 64 * 1024
MAX_ALL_TEXT_BYTES = 192 * 1024
MAX_PIXELS = 50_000_000
_SEEN = frozenset({"image/png", "image/jpeg", "image/webp"})
_KEPT_HERE = re.compile(r"/(?:uploads|artifacts)/(?P<sha256>[0-9a-f]{64})/(?P<name>[^/?#]{1,400})")
_DATA_URL = re.compile(r"data:(?P<type>[^;,]{0,200})(?P<more>(?:;[^;,]{0,200})*),", re.IGNORECASE)
_ENDINGS = {"text/plain": "txt", "text/markdown": "md", "image/jpeg": "jpg", "audio/mpeg": "mp3", "audio/x-wav": "wav"}


@dataclass(frozen=True, slots=True)
class _Held:
    """An attachment that is kept here; `text` and `picture` (base64) are what members may be shown of it."""

    attachment: Attachment
    text: str | None = None
    picture: str | None = None


@dataclass
class _Intake:
    """What one request's attachments have come to so far."""

    caller: Caller
    text_bytes: int = MAX_ALL_TEXT_BYTES
    held: list[_Held] = field(default_factory=list)


class Attachments:
    """Takes in the attachments of requests."""

    def __init__(self, store: ArtifactStore) -> None:
        self._store = store

    async def settle(self, request: CompletionRequest, caller: Caller, *, for_tools: bool = True) -> CompletionRequest:
        """`request` with every attachment stored, named in its message and listed in `attachments`.

        for_tools: whether a tool may be handed a file. Raises BadRequest for data that is not what it has to be, for
        an address of ours under which the caller has nothing, and (code `unsupported_content`) for what neither a
        tool nor a member can use.
        """
        if not request.parts:
            return request
        intake = _Intake(caller)
        messages: list[Message] = []
        for position, message in enumerate(request.messages):
            if (parts := request.parts.get(position)) is None:
                messages.append(message)
            else:
                messages += await self._message(message, parts, intake, for_tools)
        unique = {held.attachment.sha256: held.attachment for held in intake.held}
        return replace(request, messages=tuple(messages), attachments=tuple(unique.values()), parts={})

    async def _message(
        self, message: Message, parts: Sequence[Part], intake: _Intake, for_tools: bool
    ) -> list[Message]:
        pieces: list[str] = []
        texts: list[str] = []
        pictures: list[str] = []
        for part in parts:
            if isinstance(part, str):
                pieces.append(part)
                continue
            if isinstance(part, Quoted):
                # Not even its title may stand among the user's words.
                pieces.append("[a document, shown apart]")
                texts.append(part.text)
                continue
            if (held := await self._held(part, intake.caller)) is None:
                pieces.append(f"[{part.kind} at {part.url[:500]}, which was not fetched]")
                continue
            intake.held.append(held)
            line = f"[{_described(held.attachment, len(intake.held))}]"
            pieces.append(line)
            if held.text is not None and len(held.text) <= intake.text_bytes:
                intake.text_bytes -= len(held.text)
                texts.append(f"{line}\n{held.text}")
            elif held.picture is not None:
                pictures.append(held.picture)
            elif not for_tools:
                raise _useless(part, held.attachment)
        return _with_texts(replace(message, content="\n".join(pieces), images=tuple(pictures)), texts)

    async def _held(self, part: Attached, caller: Caller) -> _Held | None:
        """The attachment as it is kept here; None for one that lies elsewhere."""
        if part.data:
            data = await asyncio.to_thread(data_of, part)
            media_type = sniff(data)
            name = part.name or f"{kind_of(media_type)}.{_ending(media_type)}"
            artifact = await self._store.put_bytes(data, name=name, media_type=media_type, owner=caller.owner)
        else:
            found = await self._kept(part, caller)
            if found is None:
                return None
            artifact, data = found
        return await asyncio.to_thread(self._show, artifact, data, caller.base_url)

    async def _kept(self, part: Attached, caller: Caller) -> tuple[Artifact, bytes] | None:
        """The caller's own file that an address names. What has its digest is that file, whatever the host."""
        try:
            url = urlsplit(part.url)
        except ValueError:
            raise BadRequest(f"{part.where}: is not an address.", param=part.where) from None
        if url.scheme.lower() not in {"", "http", "https"}:
            raise BadRequest(
                f"{part.where}: only data and addresses of this server can be attached, not {url.scheme[:20]!r}.",
                code="unsupported_content",
                param=part.where,
            )
        if named := _KEPT_HERE.fullmatch(url.path):
            try:
                artifact, path = await self._store.find(named["sha256"], unquote(named["name"]), owner=caller.owner)
            except NotFound:
                if url.netloc in {"", urlsplit(caller.base_url).netloc}:
                    raise _missing(part) from None
                return None
            return artifact, await asyncio.to_thread(path.read_bytes)
        if not url.netloc:
            raise _missing(part)
        return None

    def _show(self, artifact: Artifact, data: bytes, base_url: str) -> _Held:
        attachment = Attachment(
            kind=kind_of(artifact.media_type),
            name=artifact.name,
            media_type=artifact.media_type,
            bytes=artifact.bytes,
            sha256=artifact.sha256,
            url=f"{base_url}{artifact.url_path}",
            path=self._store.path(artifact.sha256),
        )
        if artifact.media_type in _SEEN and _is_picture(data):
            return _Held(attachment, picture=_to_base64(data))
        if len(data) <= MAX_TEXT_BYTES and (text := readable_text(data)) is not None:
            return _Held(attachment, text=text)
        return _Held(attachment)


def data_of(part: Attached) -> bytes:
    """The bytes of an attachment that came as base64 or as a `data:` URL. Raises BadRequest."""
    encoded, plain = part.data, False
    if encoded[:5].lower() == "data:":
        head = _DATA_URL.match(encoded)
        if head is None:
            raise BadRequest(f"{part.where}: is not a valid data: URL.", param=part.where)
        encoded = encoded[head.end() :]
        plain = ";base64" not in head["more"].lower()
    if plain:
        data = unquote_to_bytes(encoded)
    else:
        try:
            data = _from_base64(encoded)
        except ValueError:
            raise BadRequest(f"{part.where}: is not valid base64.", param=part.where) from None
    if not data:
        raise BadRequest(f"{part.where}: is empty.", param=part.where)
    return data


def _from_base64(encoded: str) -> bytes:
    """Clients break lines, leave padding out and use either alphabet. Raises ValueError.

    Piece by piece, here and below, because a thread helps the event loop only as far as it lets go of the GIL.
    """
    clean = encoded.encode("ascii").translate(_URL_SAFE, b" \t\r\n\f\v").rstrip(b"=")
    if b"=" in clean:
        raise ValueError("padding in the middle")
    clean += b"=" * (-len(clean) % 4)
    return b"".join(
        base64.b64decode(clean[start : start + _PIECE], validate=True) for start in range(0, len(clean), _PIECE)
    )


def _to_base64(data: bytes) -> str:
    step = _PIECE // 4 * 3
    return "".join(base64.b64encode(data[start : start + step]).decode() for start in range(0, len(data), step))


_PIECE = 256 * 1024  # a multiple of 4
_URL_SAFE = bytes.maketrans(b"-_", b"+/")


def readable_text(data: bytes) -> str | None:
    """`data` as text, if it is any: UTF-8 without control characters."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return None
    return text if all(c.isprintable() or c in "\n\r\t\f" or ord(c) > 159 for c in text) else None


def _is_picture(data: bytes) -> bool:
    """Whether a member may be shown it: a picture whose size in pixels is no trap. Only the header is read."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            width, height = image.size
    except Exception:  # whatever Pillow's plugins raise on hostile bytes
        return False
    return 0 < width * height <= MAX_PIXELS


def _with_texts(message: Message, texts: Sequence[str]) -> list[Message]:
    """`message` and the texts of its files, which are words of others.

    They stand in a message of their own before what the user says, so that what the user says keeps its weight; a
    message of anybody else's is taken for words of others as a whole.
    """
    if not texts:
        return [message]
    shown = "\n\n".join(texts)
    if message.role == "user":
        return [Message("user", shown, tainted=True), message]
    return [replace(message, content=f"{message.content}\n\n{shown}", tainted=True)]


def _described(attachment: Attachment, number: int) -> str:
    kind = "picture" if attachment.kind == "image" else attachment.kind
    size = f"{max(1, attachment.bytes // 1024)} KiB"
    return f"{kind} {number}: {attachment.name} ({attachment.media_type}, {size}), {attachment.url}"


def _ending(media_type: str) -> str:
    return (
        _ENDINGS.get(media_type) or re.sub(r"[^a-z0-9]", "", media_type.partition("/")[2].removeprefix("x-")) or "bin"
    )


def _missing(part: Attached) -> BadRequest:
    return BadRequest(
        f"{part.where}: you have no file under that address; POST /upload gives one.",
        code="attachment_not_found",
        param=part.where,
    )


def _useless(part: Attached, attachment: Attachment) -> BadRequest:
    return BadRequest(
        f"{part.where}: no member can read {attachment.media_type}, and this request lets no tool take it.",
        code="unsupported_content",
        param=part.where,
    )
