"""The child's side of the farm.

Reads tasks from stdin until it closes. Whatever libraries print goes to stderr, so that stdout carries only the
protocol. The process is niced and dies with its parent, however that ends.
"""

from __future__ import annotations

import errno
import json
import os
import signal
import sys
from collections.abc import Callable
from typing import Any, TypeAlias

from orchestrator.db.process import set_parent_death_signal

Report: TypeAlias = Callable[[dict[str, Any]], None]  # tells the parent how far the task is
Task: TypeAlias = Callable[[dict[str, Any], Report], dict[str, Any]]

_NICENESS = 10


def serve(find_task: Callable[[str], Task]) -> None:
    """Do tasks until stdin closes; the first argument on the command line is the parent's pid."""
    set_parent_death_signal(signal.SIGKILL, parent=int(sys.argv[1]))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which stops us in order
    os.nice(_NICENESS)
    protocol = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def send(message: dict[str, Any]) -> None:
        protocol.write(json.dumps(message) + "\n")
        protocol.flush()

    for line in sys.stdin:
        message = json.loads(line)
        try:
            result = find_task(message["task"])(message["arguments"], lambda value: send({"progress": value}))
            send({"done": result})
        except BrokenPipeError:
            return
        except Exception as error:
            # The parent decides what a failed task means; this loop only reports it.
            full = getattr(error, "errno", None) in {errno.ENOSPC, errno.EDQUOT}
            send({"error": f"{type(error).__name__}: {error}", "storage_full": full})
