"""A worker that makes films and notes what it draws; it can be told to die at a certain moment.

python -m tests.fakes.film_worker DSN FOLDER [STAGE]: with STAGE, the process kills itself (SIGKILL) in the job's first
attempt, after that stage's work is done and before it is recorded, which is the worst moment there is.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, cast

from orchestrator.artifacts import ArtifactStore
from orchestrator.db.pool import Database
from orchestrator.films.pipeline import FilmDeps, film_kind
from orchestrator.films.store import FilmStore
from orchestrator.jobs.context import JobContext
from orchestrator.jobs.farm import Farm
from orchestrator.jobs.model import JobKind
from orchestrator.jobs.worker import Worker


def film_kinds(db: Database, folder: Path) -> dict[str, JobKind]:
    """The kind `film.run` with everything it keeps below `folder`."""
    deps = FilmDeps(
        store=FilmStore(db), artifacts=ArtifactStore(folder / "artifacts", db), work_dir=folder / "work", processes=2
    )
    kind = film_kind(deps)
    return {kind.name: kind}


class _Mortal:
    """A job context whose owner dies at a certain stage, when the first shot of that stage has been recorded."""

    def __init__(self, context: JobContext, stage: str) -> None:
        self._context = context
        self._dies_at = stage
        self._first = f"{stage.split('/')[0]}/S01_SH01" if "/" in stage else ""
        self._first_recorded = asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)

    async def stage(self, name: str, inputs: Any, run: Callable[[], Awaitable[dict[str, Any]]]) -> dict[str, Any]:
        async def and_die() -> dict[str, Any]:
            output = await run()
            if name == self._dies_at and self._context.job.attempt == 1:
                if self._first:
                    await self._first_recorded.wait()
                os.kill(os.getpid(), signal.SIGKILL)
            return output

        output = await self._context.stage(name, inputs, and_die)
        if name == self._first:
            self._first_recorded.set()
        return output


class _NotedFarm(Farm):
    """Writes every task to the diary before it is done."""

    diary = Path()

    async def run(self, task: str, arguments: dict[str, Any], **options: Any) -> dict[str, Any]:
        with self.diary.open("a") as diary:
            diary.write(f"{task} {Path(str(arguments.get('path', ''))).name}\n")
        return await super().run(task, arguments, **options)


async def main(dsn: str, folder: Path, dies_at: str) -> None:
    from orchestrator.films import pipeline

    _NotedFarm.diary = folder / "diary"
    pipeline.Farm = _NotedFarm  # type: ignore[misc]
    db = await Database.open(dsn)
    kind = film_kinds(db, folder)["film.run"]

    async def run(context: JobContext) -> dict[str, Any]:
        return await kind.run(cast(JobContext, _Mortal(context, dies_at)))

    worker = Worker(db, {kind.name: JobKind(kind.name, kind.payload, run, kind.resource)}, concurrency=1)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, worker.stop)
    await worker.run()
    await db.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]), sys.argv[3] if len(sys.argv) > 3 else ""))
