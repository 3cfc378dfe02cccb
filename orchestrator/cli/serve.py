"""`committee serve` and `committee worker`: the processes and who watches over whom.

serve
├── postgres      the embedded one, unless DATABASE_URL names another
├── the API       uvicorn, in this process
└── worker        a child; it runs the processes that draw

Every child is told by the kernel when its parent dies, so `kill -9` of any process leaves none behind.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Coroutine, Iterator
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from committee import Committee
from orchestrator.app import create_app
from orchestrator.db.embedded import DSN_FILE, EmbeddedPostgres
from orchestrator.db.migrations import migrate
from orchestrator.db.process import set_parent_death_signal
from orchestrator.errors import ConfigurationError, DatabaseUnavailable
from orchestrator.jobs.worker import Worker
from orchestrator.services import open_services
from orchestrator.settings import Settings, check_bind, parse_api_keys
from orchestrator.telemetry import configure_logging

log = logging.getLogger(__name__)

_DATABASE_START_S = 60.0
_DRAIN_S = 20.0
_MAX_RESTART_DELAY_S = 5.0


def serve(settings: Settings, *, parent: int | None = None) -> int:
    """Run until SIGTERM, Ctrl-C, or the end of `parent`.

    Raises ConfigurationError with one clear line when it cannot work.
    """
    if parent is not None:
        set_parent_death_signal(signal.SIGTERM, parent=parent)
    check_bind(settings.server)
    _start_logging(settings)
    listener = _listen(settings.server.host, settings.server.port)
    settings.server = settings.server.model_copy(update={"port": listener.getsockname()[1]})
    _make_data_dir(settings.server.data_dir)
    _run(_serve(settings, listener))
    return 0


def work(settings: Settings, *, parent: int | None) -> int:
    """Run jobs until SIGTERM, or until `parent` is gone."""
    if parent is not None:
        set_parent_death_signal(signal.SIGKILL, parent=parent)
    _start_logging(settings)
    _make_data_dir(settings.server.data_dir)
    _run(_work(settings, alone=parent is None))
    return 0


async def _serve(settings: Settings, listener: socket.socket) -> None:
    stopping = _stop_on_signals()
    async with _database(settings) as dsn, open_services(settings, dsn) as services:
        await services.artifacts.remove_stale()
        api = create_app(services)
        server = _Server(http_config(api.app))
        settle_memory()
        async with _child_worker(), _warming(services.committee):
            print(f"Committee server on {settings.server.base_url}", flush=True)  # noqa: T201
            served = asyncio.create_task(server.serve(sockets=[listener]))
            await asyncio.wait({served, asyncio.create_task(stopping.wait())}, return_when=asyncio.FIRST_COMPLETED)
            server.should_exit = True
            await served
        await api.aclose()


def http_config(app: ASGIApp) -> uvicorn.Config:
    """How the API is served; the caller gives the listening sockets."""
    return uvicorn.Config(
        app,
        http="httptools",
        access_log=False,
        log_config=None,
        lifespan="off",
        server_header=False,
        backlog=2048,
        timeout_graceful_shutdown=5,
        timeout_keep_alive=75,
    )


def settle_memory() -> None:
    """Spare the collector what was imported and built so far: it lives as long as the process."""
    gc.collect()
    gc.freeze()


async def _work(settings: Settings, *, alone: bool) -> None:
    stopping = _stop_on_signals()
    dsn = settings.database.external_dsn or _running_dsn(settings.server.data_dir)
    async with open_services(settings, dsn) as services:
        worker = Worker(services.db, services.kinds, concurrency=settings.jobs.worker_concurrency, dsn=dsn)
        running = asyncio.create_task(worker.run())
        if alone:
            _say_what_it_does(settings)
        await asyncio.wait({running, asyncio.create_task(stopping.wait())}, return_when=asyncio.FIRST_COMPLETED)
        worker.stop()
        await running


def _say_what_it_does(settings: Settings) -> None:
    if settings.database.external_dsn is None:
        database = f"the embedded database in {settings.server.data_dir}"
    else:
        database = f"your Postgres ({'DATABASE_URL' if settings.database.database_url else 'POSTGRES_HOST'})"
    count = settings.jobs.worker_concurrency
    print(  # noqa: T201
        f"Committee worker: runs up to {count} {'jobs' if count > 1 else 'job'} at a time from {database}", flush=True
    )


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: it re-raises the signal when it ends, before we have cleaned up."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.asynccontextmanager
async def _database(settings: Settings) -> AsyncIterator[str]:
    """The DSN of a migrated database: the user's, or the embedded one for as long as this lasts."""
    external = settings.database.external_dsn
    if external is not None:
        await _migrate_when_up(external)
        yield external
        return
    postgres = EmbeddedPostgres(settings.server.data_dir)
    await postgres.start()
    try:
        await migrate(postgres.dsn)
        yield postgres.dsn
    finally:
        await postgres.stop()


async def _migrate_when_up(dsn: str) -> None:
    """A database that starts beside us may need a moment; one that stays away is a configuration error."""
    deadline = time.monotonic() + _DATABASE_START_S
    while True:
        try:
            await migrate(dsn)
        except DatabaseUnavailable as error:
            if time.monotonic() > deadline:
                raise ConfigurationError(f"DATABASE_URL does not answer: {error.message}") from error
            log.warning("The database does not answer yet", extra={"reason": error.message})
            await asyncio.sleep(1.0)
        else:
            return


@contextlib.asynccontextmanager
async def _warming(committee: Committee) -> AsyncIterator[None]:
    """Have the members load their models while the server already answers."""
    loading = asyncio.create_task(committee.warm())
    try:
        yield
    finally:
        loading.cancel()
        await asyncio.gather(loading, return_exceptions=True)


@contextlib.asynccontextmanager
async def _child_worker() -> AsyncIterator[None]:
    """One worker process, started again whenever it ends by itself; drained at the end."""
    process = await _start_worker()

    async def keep_running() -> None:
        nonlocal process
        delay_s = 0.0
        while True:
            started = time.monotonic()
            code = await process.wait()
            log.error("The worker ended unexpectedly and is started again", extra={"exit_code": code})
            lived_s = time.monotonic() - started
            delay_s = 0.0 if lived_s > _MAX_RESTART_DELAY_S else min(_MAX_RESTART_DELAY_S, delay_s * 2 + 0.2)
            await asyncio.sleep(delay_s)
            with contextlib.suppress(OSError):  # out of memory or processes for now: the dead one is looked at again
                process = await _start_worker()

    watching = asyncio.create_task(keep_running())
    try:
        yield
    finally:
        watching.cancel()
        await asyncio.wait({watching})
        await _end(process)


async def _start_worker() -> asyncio.subprocess.Process:
    command = [sys.executable, "-m", "orchestrator.cli", "worker", "--parent", str(os.getpid())]
    return await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.DEVNULL)


async def _end(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), _DRAIN_S)
        except TimeoutError:
            process.kill()
            await process.wait()


def _running_dsn(data_dir: Path) -> str:
    try:
        return (data_dir / DSN_FILE).read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        raise ConfigurationError(
            f"No server runs with DATA_DIR={data_dir}, and DATABASE_URL is not set: a worker needs one of the two."
        ) from None


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host.strip("[]"), port), family=family, backlog=2048, reuse_port=False)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise ConfigurationError(
                f"Port {port} is taken. Stop what uses it, or choose another: PORT=8010."
            ) from error
        raise ConfigurationError(f"Cannot listen on HOST={host} PORT={port}: {error.strerror or error}.") from error


def _make_data_dir(data_dir: Path) -> None:
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"DATA_DIR={data_dir} cannot be used: {error.strerror or error}.") from error


def _start_logging(settings: Settings) -> None:
    secrets = [key.secret for key in parse_api_keys(settings.server.api_keys.get_secret_value())]
    secrets += [
        settings.committee.qwen_api_key.get_secret_value(),
        settings.committee.gptoss_api_key.get_secret_value(),
    ]
    secrets.append(settings.database.postgres_password.get_secret_value())
    configure_logging(settings.server.log_level, secrets=secrets)


def _stop_on_signals() -> asyncio.Event:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stopping.set)
    return stopping


def _run(main: Coroutine[None, None, None]) -> None:
    if sys.platform == "win32":
        asyncio.run(main)
    else:
        import uvloop

        uvloop.run(main)
