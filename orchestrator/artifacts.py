"""Content-addressed files: what jobs produced, kept under the SHA-256 of their bytes.

A file is either wholly there or not there at all: bytes go to a temporary name in the same folder, are synced, and
then renamed. The row in `artifacts` is written last, so a row never points at a missing file.
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import re
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO
from urllib.parse import quote
from uuid import UUID

from orchestrator.db.pool import Database
from orchestrator.errors import NotFound, StorageFull

_SHA256 = re.compile(r"[0-9a-f]{64}")
_UNSAFE_IN_NAME = re.compile(r"[^A-Za-z0-9._ -]+")
_CHUNK = 1 << 20
_STALE_S = 24 * 3600


@dataclass(frozen=True)
class Artifact:
    """One stored file; `bytes` is its size."""

    sha256: str
    name: str
    media_type: str
    bytes: int
    meta: dict[str, object] = field(default_factory=dict)

    @property
    def url_path(self) -> str:
        return f"/artifacts/{self.sha256}/{quote(self.name)}"

    def view(self, base_url: str = "") -> dict[str, object]:
        """The JSON object that results and lists show."""
        return {
            "uri": f"{base_url}{self.url_path}",
            "url": f"{base_url}{self.url_path}",
            "sha256": self.sha256,
            "name": self.name,
            "media_type": self.media_type,
            "bytes": self.bytes,
        }


def safe_name(name: str) -> str:
    """`name` reduced to characters that are safe in a URL path and in every file system."""
    cleaned = _UNSAFE_IN_NAME.sub("-", name).strip(" .-")
    return cleaned[:120] or "file"


class ArtifactStore:
    """The artifact folder and its table."""

    def __init__(self, root: Path, db: Database) -> None:
        self._root = root
        self._db = db

    def path(self, sha256: str) -> Path:
        """Where the bytes with this digest lie; the digest is checked, so it can never climb out of the folder."""
        if not _SHA256.fullmatch(sha256):
            raise NotFound("There is no such artifact.", param="sha256")
        return self._root / sha256[:2] / sha256

    async def put_file(
        self,
        source: Path,
        *,
        name: str,
        media_type: str,
        owner: str,
        job_id: UUID | None = None,
        meta: dict[str, object] | None = None,
    ) -> Artifact:
        """Store a copy of `source`, which stays where it is.

        Raises StorageFull when the disk is full; nothing partial is left behind.
        """
        sha256, size = await asyncio.to_thread(self._adopt, source)
        return await self._record(sha256, size, name, media_type, owner, job_id, meta)

    async def put_bytes(
        self,
        data: bytes,
        *,
        name: str,
        media_type: str,
        owner: str,
        job_id: UUID | None = None,
        meta: dict[str, object] | None = None,
    ) -> Artifact:
        """Store `data`. Raises StorageFull when the disk is full."""
        sha256 = await asyncio.to_thread(self._write, data)
        return await self._record(sha256, len(data), name, media_type, owner, job_id, meta)

    async def find(self, sha256: str, name: str, *, owner: str) -> tuple[Artifact, Path]:
        """The owner's artifact and the file to serve. Raises NotFound."""
        path = self.path(sha256)
        row = await self._db.fetchrow(
            "select name, media_type, bytes, meta from artifacts where owner = $1 and sha256 = $2 and name = $3",
            owner,
            sha256,
            name,
        )
        if row is None or not await asyncio.to_thread(path.is_file):
            raise NotFound("There is no such artifact.")
        return Artifact(sha256, row["name"], row["media_type"], row["bytes"], row["meta"]), path

    async def _record(
        self,
        sha256: str,
        size: int,
        name: str,
        media_type: str,
        owner: str,
        job_id: UUID | None,
        meta: dict[str, object] | None,
    ) -> Artifact:
        artifact = Artifact(sha256, safe_name(name), media_type, size, meta or {})
        await self._db.execute(
            "insert into artifacts (owner, sha256, name, media_type, bytes, job_id, meta)"
            " values ($1, $2, $3, $4, $5, $6, $7)"
            " on conflict (owner, sha256, name) do nothing",
            owner,
            sha256,
            artifact.name,
            media_type,
            size,
            job_id,
            artifact.meta,
        )
        return artifact

    def _adopt(self, source: Path) -> tuple[str, int]:
        digest = hashlib.sha256()
        with source.open("rb") as read, self._temporary() as write:
            while chunk := read.read(_CHUNK):
                digest.update(chunk)
                write.write(chunk)
            size = write.tell()
            self._publish(write, self.path(digest.hexdigest()))
        return digest.hexdigest(), size

    def _write(self, data: bytes) -> str:
        sha256 = hashlib.sha256(data).hexdigest()
        # Conversations send the same pictures again with every turn.
        if not self.path(sha256).is_file():
            with self._temporary() as write:
                write.write(data)
                self._publish(write, self.path(sha256))
        return sha256

    @contextmanager
    def _temporary(self) -> Iterator[IO[bytes]]:
        incoming = self._root / "incoming"
        try:
            incoming.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=incoming, delete=False) as file:
                try:
                    yield file
                finally:
                    Path(file.name).unlink(missing_ok=True)
        except OSError as error:
            if error.errno in {errno.ENOSPC, errno.EDQUOT}:
                raise StorageFull("The artifact folder's disk is full.") from error
            raise

    @staticmethod
    def _publish(file: IO[bytes], target: Path) -> None:
        file.flush()
        os.fsync(file.fileno())
        target.parent.mkdir(exist_ok=True)
        Path(file.name).replace(target)
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    async def remove_stale(self) -> None:
        """Throw away what a crash left half written. Files of the last day stay: another worker may be writing them."""
        await asyncio.to_thread(self._remove_older_than, time.time() - _STALE_S)

    def _remove_older_than(self, moment: float) -> None:
        for file in (self._root / "incoming").glob("*"):
            with suppress(FileNotFoundError):
                if file.stat().st_mtime < moment:
                    file.unlink()
