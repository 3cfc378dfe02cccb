"""The embedded server: started, shared, killed, and kept out of places that are not its own."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from orchestrator.db import embedded, home
from orchestrator.db.embedded import DSN_FILE, EmbeddedPostgres
from orchestrator.db.pool import Database
from orchestrator.errors import ConfigurationError, DatabaseUnavailable

pytestmark = pytest.mark.slow

_OWNER = """
import asyncio, sys
from pathlib import Path
from orchestrator.db.embedded import EmbeddedPostgres
async def main():
    server = EmbeddedPostgres(Path(sys.argv[1]), fast=True)
    await server.start()
    print(server.pid, flush=True)
    await asyncio.sleep(600)
asyncio.run(main())
"""


async def until(holds: Callable[[], Any], timeout_s: float = 20) -> None:
    async with asyncio.timeout(timeout_s):
        while not holds():
            await asyncio.sleep(0.01)


@pytest.fixture
def owner(data_dir: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Another process that owns the server of `data_dir`, and the server's pid."""
    process = subprocess.Popen([sys.executable, "-c", _OWNER, str(data_dir)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    yield process, int(process.stdout.readline())
    process.kill()
    process.wait()
    process.stdout.close()


def cluster_of(data_dir: Path) -> Path:
    return home.prepare_home(data_dir).cluster


async def test_data_survive_a_stop_and_the_address_stays(data_dir: Path) -> None:
    server = EmbeddedPostgres(data_dir)
    await server.start()
    note = data_dir / DSN_FILE
    assert note.read_text() == server.dsn
    assert stat.S_IMODE(note.stat().st_mode) == 0o600
    db = await Database.open(server.dsn)
    await db.execute("CREATE TABLE kept (i int)")
    assert await db.fetchval("SELECT current_setting('server_version')") >= "18"
    assert await db.fetchval("SELECT count(*) FROM pg_available_extensions WHERE name = 'vector'") == 1
    assert await db.fetchval("SHOW listen_addresses") == ""
    await server.stop()
    assert not note.exists()
    with pytest.raises(DatabaseUnavailable):
        await db.fetchval("SELECT 1")

    again = EmbeddedPostgres(data_dir)
    await again.start()
    assert again.dsn == server.dsn
    assert await db.fetchval("SELECT count(*) FROM kept") == 0  # the same pool has healed
    await db.close()
    await again.stop()


async def test_a_second_owner_is_told_who_the_first_is(data_dir: Path) -> None:
    first = EmbeddedPostgres(data_dir, fast=True)
    await first.start()
    with pytest.raises(ConfigurationError, match=f"in use by another server .pid {os.getpid()}."):
        await EmbeddedPostgres(data_dir, fast=True).start()
    db = await Database.open(first.dsn)  # and the first is none the worse
    await db.close()
    await first.stop()
    await EmbeddedPostgres(data_dir, fast=True).stop()


async def test_a_killed_owner_takes_its_server_along(data_dir: Path, owner: tuple[subprocess.Popen[str], int]) -> None:
    process, pid = owner
    assert psutil.pid_exists(pid)
    process.kill()
    process.wait()
    pid_file = cluster_of(data_dir) / "postmaster.pid"
    await until(lambda: not pid_file.exists(), timeout_s=10)  # a clean shutdown removes it
    server = EmbeddedPostgres(data_dir, fast=True)
    await server.start()
    await server.stop()


async def test_a_successor_waits_for_a_server_that_is_still_going_down(
    data_dir: Path, owner: tuple[subprocess.Popen[str], int]
) -> None:
    process, _ = owner
    process.kill()
    process.wait()
    server = EmbeddedPostgres(data_dir, fast=True)  # at once
    await server.start()
    db = await Database.open(server.dsn)
    assert await db.fetchval("SELECT 1") == 1
    await db.close()
    await server.stop()


async def test_marks_of_a_dead_server_are_not_believed(data_dir: Path) -> None:
    server = EmbeddedPostgres(data_dir, fast=True)
    await server.start()
    await server.stop()
    # After a crash the pid in the file may by now be any program's of that user.
    account = home.prepare_home(data_dir).account
    other = subprocess.Popen(["/bin/sleep", "600"], user=account.uid if account else None)
    (cluster_of(data_dir) / "postmaster.pid").write_text(f"{other.pid}\n{cluster_of(data_dir)}\n0\n5432\n")
    await server.start()
    await server.stop()
    assert other.poll() is None
    other.kill()
    other.wait()


async def test_a_killed_server_comes_back_with_everything_committed(data_dir: Path) -> None:
    server = EmbeddedPostgres(data_dir)
    await server.start()
    db = await Database.open(server.dsn)
    await db.execute("CREATE TABLE kept (i int)")
    for number in range(50):
        await db.execute("INSERT INTO kept VALUES ($1)", number)
    killed = server.pid
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    await until(lambda: server.pid != killed)
    async with asyncio.timeout(20):
        while True:
            try:
                assert await db.fetchval("SELECT count(*) FROM kept") == 50
                break
            except DatabaseUnavailable:
                await asyncio.sleep(0.05)
    await db.close()
    await server.stop()


async def test_an_interrupted_creation_is_begun_again(data_dir: Path) -> None:
    base = home.prepare_home(data_dir).base
    (base / "cluster.new").mkdir()
    (base / "cluster.new" / "PG_VERSION").write_text("18")
    server = EmbeddedPostgres(data_dir, fast=True)
    await server.start()
    await server.stop()


async def test_a_cluster_of_another_version_is_left_alone(data_dir: Path) -> None:
    cluster = cluster_of(data_dir)
    cluster.mkdir()
    (cluster / "PG_VERSION").write_text("16\n")
    with pytest.raises(ConfigurationError, match="Postgres 16"):
        await EmbeddedPostgres(data_dir).start()
    assert [path.name for path in cluster.iterdir()] == ["PG_VERSION"]


async def test_a_server_that_cannot_start_says_why(data_dir: Path) -> None:
    server = EmbeddedPostgres(data_dir, fast=True)
    await server.start()
    await server.stop()
    (cluster_of(data_dir) / "postgresql.conf").write_text("no_such_setting = 1\n")
    with pytest.raises(ConfigurationError, match=r"postgresql\.conf"):
        await server.start()


async def test_a_long_path_gets_a_short_socket(data_dir: Path) -> None:
    deep = data_dir / ("x" * 60) / ("y, z" * 10)
    server = EmbeddedPostgres(deep, fast=True)
    await server.start()
    first = server.dsn
    db = await Database.open(first)
    await db.close()
    await server.stop()
    await server.start()
    assert server.dsn == first
    await server.stop()
    sockets = Path(first.split("host=")[1].split("&")[0])
    assert stat.S_IMODE(sockets.stat().st_mode) == 0o700
    shutil.rmtree(sockets)


async def test_a_closed_directory_is_not_opened_for_the_server(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    place = home.prepare_home(closed / "data")
    try:
        server = EmbeddedPostgres(closed / "data", fast=True)
        await server.start()
        db = await Database.open(server.dsn)
        await db.close()
        await server.stop()
        assert stat.S_IMODE(closed.stat().st_mode) == 0o700
        if os.geteuid() == 0:
            assert place.account is not None
            assert not place.base.is_relative_to(tmp_path)
            assert "its data is in" in caplog.text
            assert place.cluster.stat().st_uid == place.account.uid
        else:
            assert place.base.is_relative_to(closed)
    finally:
        shutil.rmtree(place.base)


def test_programs_that_the_servers_user_cannot_reach_are_copied(
    tmp_path: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = tmp_path / "site-packages"
    home._copy(home._installed_files(), installed, home._NEEDED)
    tmp_path.chmod(0o700)
    monkeypatch.setattr(home, "_installed_files", lambda: installed)
    with tempfile.TemporaryDirectory() as shared:
        Path(shared).chmod(0o755)
        monkeypatch.setattr(home, "_SHARED_PLACES", (Path(shared),))
        place = home.prepare_home(data_dir)
        if os.geteuid() == 0:
            assert place.binaries.is_relative_to(shared)
            assert home.prepare_home(data_dir) == place  # copied once
        else:
            assert place.binaries.is_relative_to(installed)
        embedded._ensure_cluster(place, fast=True)
        assert (place.cluster / "PG_VERSION").exists()


def test_a_child_ends_with_its_parent() -> None:
    child = (
        "import os, time; from orchestrator.db.process import set_parent_death_signal;"
        "set_parent_death_signal(); print(os.getpid(), flush=True); time.sleep(60)"
    )
    parent = (
        "import subprocess, sys, time;"
        f"p = subprocess.Popen([sys.executable, '-c', {child!r}], stdout=subprocess.PIPE);"
        "print(p.stdout.readline().decode(), flush=True); time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    pid = int(process.stdout.readline())
    grandchild = psutil.Process(pid)
    process.kill()
    process.wait()
    process.stdout.close()
    # Where nobody reaps orphans a zombie remains; it is dead all the same.
    _, alive = psutil.wait_procs([grandchild], timeout=5)
    assert not alive or grandchild.status() == psutil.STATUS_ZOMBIE
