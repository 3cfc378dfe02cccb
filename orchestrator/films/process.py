"""The child's side of the farm: `python -m orchestrator.films.process <parent pid>`.

Reads tasks from stdin until it closes. Whatever libraries print goes to stderr, so that stdout carries only the
protocol. The process is niced and dies with its parent, however that ends.
"""

from __future__ import annotations

import errno
import json
import os
import signal
import sys
from typing import Any

from orchestrator.db.process import set_parent_death_signal
from orchestrator.films.task import Task

_NICENESS = 10


def find_task(name: str) -> Task:
    """The task of that name; heavy libraries are imported only by the task that needs them."""
    if name in {"panel", "segment"}:
        from orchestrator.films import render

        return {"panel": render.panel, "segment": render.segment}[name]
    if name == "speak":
        from orchestrator.films import speech

        return speech.speak
    if name == "soundtrack":
        from orchestrator.films import soundtrack

        return soundtrack.soundtrack
    if name in {"join", "poster"}:
        from orchestrator.films import mux

        return {"join": mux.join, "poster": mux.poster}[name]
    if name == "measure":
        from orchestrator.films import measure

        return measure.measure
    raise LookupError(f"there is no task {name!r}")


def main() -> None:
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


if __name__ == "__main__":
    main()
