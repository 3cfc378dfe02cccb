"""What a film's child processes can do: `python -m orchestrator.films.process <parent pid>`."""

from __future__ import annotations

from orchestrator.jobs.child import Task, serve


def find_task(name: str) -> Task:
    """The task of that name; heavy libraries are imported only by the task that needs them."""
    if name in {"panel", "segment"}:
        from orchestrator.films import render

        return {"panel": render.panel, "segment": render.segment}[name]
    if name in {"speak", "utter"}:
        from orchestrator.films import speech

        return {"speak": speech.speak, "utter": speech.utter}[name]
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


if __name__ == "__main__":
    serve(find_task)
