"""`committee film`: one sentence in, the path of a film out."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from rich.console import Console
from rich.markup import escape

from committee import ToolSpec
from committee.backends.offline import choose
from orchestrator.cli.client import Client, FollowedJob
from orchestrator.errors import OrchestratorError, Unavailable
from orchestrator.settings import Settings

_START_WITHIN_S = 60.0
_STOP_WITHIN_S = 30.0

# Enough of the tool for the rules to see whether a text asks for it.
_FILM_TOOL = ToolSpec("film.run", "", {"properties": {"synopsis": {"type": "string"}}})


class NothingToFilm(OrchestratorError):
    """Say what the film is about, for example: committee film "a lighthouse in a storm\""""


def make_film(text: str, settings: Settings, *, output: Path | None, server: str | None, key: str | None) -> int:
    """Ask, follow, fetch. Returns the exit code: 0 only when the film lies on this disk."""
    if not text.strip():
        raise NothingToFilm
    console = Console(highlight=False)
    with _some_server(settings, server, console) as used:
        client = Client(used.base_url, key=key, console=console)
        try:
            return _ask_and_fetch(request_for(text), used, client, settings, output, console)
        except KeyboardInterrupt:
            _leave(used, client, console)
            raise
        finally:
            client.close()


def _ask_and_fetch(
    request: str, used: _Used, client: Client, settings: Settings, output: Path | None, console: Console
) -> int:
    console.print(f"[bold]You:[/] {escape(request)}\n")
    job_ids = client.ask(request)
    if not job_ids:
        console.print("\nThe committee answered without starting a film.")
        return 1
    console.print()
    job = client.follow(job_ids[0])
    if (film := _fetch(job, client, settings, output, console)) is None:
        return 1
    later = "" if used.stays else "make run, then "
    base_url = used.base_url if used.stays else settings.server.base_url
    page = f"{base_url}/#/jobs/{job.id}"
    console.print(f"Storyboard, timeline and quality report: {later}{page}", soft_wrap=True)
    console.print(film.resolve().as_uri(), soft_wrap=True)
    return 0


def _leave(used: _Used, client: Client, console: Console) -> None:
    """After Ctrl-C: a film on a server of our own ends with it; one on a server that stays goes on."""
    console.print("\nStopping…")
    for job_id in client.started:
        if used.stays:
            cancel = f".venv/bin/committee jobs cancel {job_id} --server {used.base_url}"
            console.print(f"The film goes on at {used.base_url}; to cancel it: {cancel}", soft_wrap=True)
            continue
        try:
            # Otherwise the next server on this data would go on with it.
            status = client.cancel_job(job_id)
        except OrchestratorError as error:
            console.print(f"The film could not be cancelled: {escape(error.message)}", soft_wrap=True)
        else:
            console.print("The film is cancelled." if status == "cancelled" else f"The film had {status} already.")


def request_for(text: str) -> str:
    """The user's words as an order for a film. Words that are one already are sent as they are."""
    return text if choose(text, (_FILM_TOOL,)) else f"Make a film: {text}"


def _fetch(job: FollowedJob, client: Client, settings: Settings, output: Path | None, console: Console) -> Path | None:
    """The film on this disk, or None and the reason printed."""
    if job.status != "succeeded" or job.result is None:
        reason = (job.error or {}).get("message", job.status)
        console.print(f"[bold red]The film was not made:[/] {escape(str(reason))}")
        return None
    master = job.result.get("master")
    if master is None:
        said = f"That was not a film; what was made instead: .venv/bin/committee jobs show {job.id}"
        console.print(said, soft_wrap=True)
        return None
    title = str(job.result.get("title") or "film")
    slug = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-") or "film"
    target = output or settings.server.data_dir / "films" / f"{slug}-{job.id[-6:]}.mp4"
    client.download(str(master["url"]), target)
    console.print(
        f"[bold green]“{escape(title)}”[/]  {master['duration_s']:g} s, {master['width']}x{master['height']},"
        f" {master['fps']:g} frames/s, {master['bytes'] / 1e6:.1f} MB"
        f"  ({job.result.get('renderer')}, fidelity: {job.result.get('fidelity')})",
        soft_wrap=True,
    )
    return target


@dataclass(frozen=True)
class _Used:
    """The server that makes the film; `stays` when it was there before and will be afterwards."""

    base_url: str
    stays: bool


@contextmanager
def _some_server(settings: Settings, server: str | None, console: Console) -> Iterator[_Used]:
    """A server: the one named, the one running, or one started for the occasion."""
    if server is not None:
        yield _Used(server.rstrip("/"), stays=True)
        return
    base_url = settings.server.base_url
    if _is_ours(base_url):
        console.print(f"Using the server at {base_url}\n")
        yield _Used(base_url, stays=True)
        return
    with _temporary_server(settings, console) as started:
        yield _Used(started, stays=False)


@contextmanager
def _temporary_server(settings: Settings, console: Console) -> Iterator[str]:
    wished = settings.server.port
    port = wished if wished and _is_free(wished) else _free_port()
    log = settings.server.data_dir / "server.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    console.print(f"Starting a server on http://127.0.0.1:{port} (log: {log})")
    command = [sys.executable, "-m", "orchestrator.cli", "serve", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--parent", str(os.getpid())]
    with log.open("ab") as output:
        # In a group of its own, so that Ctrl-C reaches only us and the server is there to cancel the film.
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, process_group=0)
    try:
        base_url = f"http://127.0.0.1:{port}"
        _wait_until_ready(process, base_url, log, console)
        yield base_url
    finally:
        _stop(process)


def _wait_until_ready(process: subprocess.Popen[bytes], base_url: str, log: Path, console: Console) -> None:
    started = time.monotonic()
    try:
        while not _is_ours(base_url):
            if process.poll() is not None or time.monotonic() - started > _START_WITHIN_S:
                raise Unavailable(f"The server did not start; its log: {log}")
            time.sleep(0.1)
    except KeyboardInterrupt:
        console.print("\nStopping…")
        raise
    console.print(f"It was ready after {time.monotonic() - started:.1f} s.\n")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(_STOP_WITHIN_S)
    except (subprocess.TimeoutExpired, KeyboardInterrupt):  # what runs below it ends with it
        process.kill()
        process.wait()


def _is_ours(base_url: str) -> bool:
    try:
        answer = httpx.get(f"{base_url}/healthz", timeout=2.0, trust_env=False)
        return bool(answer.json().get("openai_compat"))
    except (httpx.HTTPError, ValueError, AttributeError):
        return False


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        return probe.connect_ex(("127.0.0.1", port)) != 0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
