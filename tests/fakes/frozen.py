"""A Postgres that stops in the middle of whatever it is doing."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psutil

from orchestrator.db.embedded import EmbeddedPostgres


@contextmanager
def frozen(server: EmbeddedPostgres) -> Iterator[None]:
    """Stop every process of the server; let all of them go on at the end, whatever happened."""
    assert server.pid is not None
    root = psutil.Process(server.pid)
    family = [root, *root.children(recursive=True)]
    try:
        _signal(family, signal.SIGSTOP)
        yield
    finally:
        _signal(family, signal.SIGCONT)


def _signal(family: list[psutil.Process], signum: signal.Signals) -> None:
    for process in family:
        with suppress(psutil.NoSuchProcess):  # short-lived workers come and go
            process.send_signal(signum)
