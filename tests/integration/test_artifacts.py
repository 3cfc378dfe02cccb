"""Artifacts are whole or absent, found by their owner only, and never outside their folder."""

from __future__ import annotations

import errno
import hashlib
import os
import time
from pathlib import Path

import pytest

from orchestrator.artifacts import ArtifactStore, safe_name
from orchestrator.db.pool import Database
from orchestrator.errors import NotFound, StorageFull

CONTENT = b"moving pictures" * 1000
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def store(tmp_path: Path, db: Database) -> ArtifactStore:
    return ArtifactStore(tmp_path / "artifacts", db)


async def test_a_file_is_kept_under_the_hash_of_its_bytes(store: ArtifactStore, tmp_path: Path) -> None:
    source = tmp_path / "master.mp4"
    source.write_bytes(CONTENT)
    kept = await store.put_file(source, name="Butterflies.mp4", media_type="video/mp4", owner="anna")
    assert (kept.sha256, kept.bytes) == (DIGEST, len(CONTENT))
    assert kept.url_path == f"/artifacts/{DIGEST}/Butterflies.mp4"
    found, path = await store.find(DIGEST, "Butterflies.mp4", owner="anna")
    assert found == kept
    assert path.read_bytes() == CONTENT
    assert source.exists()
    assert list((tmp_path / "artifacts" / "incoming").iterdir()) == []


async def test_the_same_bytes_again_change_nothing(store: ArtifactStore, db: Database) -> None:
    for _ in range(2):
        await store.put_bytes(CONTENT, name="a.png", media_type="image/png", owner="anna")
    await store.put_bytes(CONTENT, name="b.png", media_type="image/png", owner="bob")
    assert await db.fetchval("select count(*) from artifacts") == 2


async def test_an_artifact_belongs_to_its_owner(store: ArtifactStore) -> None:
    await store.put_bytes(CONTENT, name="a.png", media_type="image/png", owner="anna")
    for owner, name in (("bob", "a.png"), ("anna", "b.png")):
        with pytest.raises(NotFound):
            await store.find(DIGEST, name, owner=owner)


@pytest.mark.parametrize("digest", ["", "..", "../../etc/passwd", DIGEST.upper(), DIGEST + "0", DIGEST[:-1] + "/"])
async def test_only_a_digest_is_a_path(store: ArtifactStore, digest: str) -> None:
    with pytest.raises(NotFound):
        store.path(digest)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
async def test_a_full_disk_leaves_nothing(
    store: ArtifactStore, db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def full(_: int) -> None:
        raise OSError(code, "no room")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageFull):
        await store.put_bytes(CONTENT, name="a.png", media_type="image/png", owner="anna")
    assert await db.fetchval("select count(*) from artifacts") == 0
    assert not any(path.is_file() for path in (tmp_path / "artifacts").rglob("*"))


async def test_half_written_files_of_a_crash_go_after_a_day(store: ArtifactStore, tmp_path: Path) -> None:
    incoming = tmp_path / "artifacts" / "incoming"
    incoming.mkdir(parents=True)
    old, fresh = incoming / "old", incoming / "fresh"
    for file in (old, fresh):
        file.write_bytes(b"half")
    os.utime(old, (time.time() - 2 * 86400,) * 2)
    await store.remove_stale()
    assert list(incoming.iterdir()) == [fresh]


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("../../etc/passwd", "etc-passwd"),
        ("film\r\nX-Evil: 1.mp4", "film-X-Evil- 1.mp4"),
        ("", "file"),
        ("...", "file"),
        ("Größe.png", "Gr-e.png"),
        ("x" * 500, "x" * 120),
    ],
)
def test_names_are_safe_in_urls_and_folders(name: str, safe: str) -> None:
    assert safe_name(name) == safe
