"""Films in Postgres: what was planned, drawn and measured, and what a client changes about it.

A film's status is that of the job that made it last; it is not kept a second time.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal
from uuid import UUID, uuid5

from orchestrator.db.pool import Connection, Database, Record
from orchestrator.db.statements import named_statements
from orchestrator.errors import Conflict, NotFound
from orchestrator.films.plan import Plan, Scene, Shot

_SQL = named_statements("orchestrator.films", "store.sql")

ShotPart = Literal["storyboard", "animatic", "final", "nodes"]


class FilmStore:
    """The authoritative manifests. Every method sees one owner's films; any other raises NotFound.

    One job at a time works on a film, the one in its `job_id`, until it has ended; what another writes is refused with
    Conflict. All writes may be repeated: a stage that runs again after a crash leaves the same rows.
    """

    def __init__(self, db: Database) -> None:
        self._db = db

    # --- for the pipeline --------------------------------------------------------------------------------------

    async def begin(self, film_id: UUID, *, owner: str, title: str, synopsis: str, request: Any, job_id: UUID) -> None:
        """Create the film, or note what one that this job has taken is asked with. Raises NotFound for any other."""
        if await self._db.fetchval(_SQL["begin"], film_id, owner, title, synopsis, request, job_id) is None:
            raise _no("film")

    async def take(self, film_id: UUID, *, owner: str, job_id: UUID) -> None:
        """Make an existing film this job's. Raises Conflict (code `film_busy`) while another unfinished job has it."""
        if await self._db.fetchval(_SQL["take"], film_id, owner, job_id) is None:
            row = await self._db.fetchrow(_SQL["get"], film_id, owner)
            if row is None:
                raise _no("film")
            raise _busy(row["job_id"])

    async def save_plan(self, film_id: UUID, plan: Plan, *, owner: str, job_id: UUID) -> None:
        """The manifests `plan`, `scenes` and `characters`. Scenes and characters that exist keep what was edited."""
        async with self._writing(film_id, job_id) as connection:
            for index, scene in enumerate(plan.scenes):
                await connection.execute(
                    _SQL["put_scene"],
                    uuid5(film_id, f"scene:{scene.id}"),
                    film_id,
                    owner,
                    scene.id,
                    index,
                    scene.prompt,
                    scene.model_dump(mode="json", exclude={"prompt"}),
                    job_id,
                )
            await connection.execute(_SQL["drop_other_scenes"], film_id, [scene.id for scene in plan.scenes])
            for character in plan.characters:
                await connection.execute(
                    _SQL["put_character"],
                    uuid5(film_id, f"character:{character.id}"),
                    film_id,
                    owner,
                    character.id,
                    character.name,
                    character.description,
                    {"tags": character.tags},
                )
            for kind, manifest in (
                ("plan", plan.model_dump(mode="json")),
                ("scenes", [scene.model_dump(mode="json") for scene in plan.scenes]),
                ("characters", [character.model_dump(mode="json") for character in plan.characters]),
            ):
                await connection.execute(_SQL["put_manifest"], film_id, kind, owner, manifest, job_id)

    async def save_shots(self, film_id: UUID, shots: Sequence[Shot], *, owner: str, job_id: UUID) -> None:
        """The manifest `shots` with DSL and seeds, one row per shot."""
        async with self._writing(film_id, job_id) as connection:
            await connection.execute(_SQL["drop_other_shots"], film_id, [shot.id for shot in shots])
            # All at once: hundreds of round trips to a database elsewhere would outlast a transaction's time.
            rows = [
                (
                    film_id,
                    shot.id,
                    owner,
                    shot.scene_id,
                    shot.index,
                    shot.seed,
                    shot.dsl,
                    shot.model_dump(mode="json", exclude={"dsl"}),
                )
                for shot in shots
            ]
            await connection.executemany(_SQL["put_shot"], rows)
            manifest = [shot.model_dump(mode="json") for shot in shots]
            await connection.execute(_SQL["put_manifest"], film_id, "shots", owner, manifest, job_id)

    async def save_manifest(self, film_id: UUID, kind: str, manifest: Any, *, owner: str, job_id: UUID) -> None:
        async with self._writing(film_id, job_id) as connection:
            await connection.execute(_SQL["put_manifest"], film_id, kind, owner, manifest, job_id)

    async def save_shot_part(
        self, film_id: UUID, shot_id: str, part: ShotPart, manifest: dict[str, Any], *, job_id: UUID
    ) -> None:
        async with self._writing(film_id, job_id) as connection:
            await connection.execute(_SQL[f"put_{part}"], film_id, shot_id, manifest)

    async def save_scene_assets(self, film_id: UUID, scene_key: str, assets: dict[str, Any], *, job_id: UUID) -> None:
        async with self._writing(film_id, job_id) as connection:
            await connection.execute(_SQL["scene_assets"], film_id, scene_key, assets)

    @asynccontextmanager
    async def _writing(self, film_id: UUID, job_id: UUID) -> AsyncIterator[Connection]:
        """A transaction during which no other job can take the film. Raises Conflict when one has: ours has ended."""
        async with self._db.transaction() as connection:
            holder = await connection.fetchval(_SQL["hold"], film_id)
            if holder != job_id:
                raise _busy(holder)
            yield connection

    async def cached(self, owner: str, stage: str, input_hash: str) -> dict[str, Any] | None:
        """What was made from the same inputs before, in whatever film of this owner."""
        output = await self._db.fetchval(_SQL["cached"], owner, stage, input_hash)
        return None if output is None else dict(output)

    async def cache(self, owner: str, stage: str, input_hash: str, output: dict[str, Any]) -> None:
        await self._db.execute(_SQL["cache"], owner, stage, input_hash, output)

    async def edited_plan(self, film_id: UUID, *, owner: str) -> Plan:
        """The stored plan with the scenes as they are now. Raises NotFound when the film was never planned."""
        stored = next(
            (row for row in await self._db.fetch(_SQL["manifests"], film_id, owner) if row["kind"] == "plan"), None
        )
        if stored is None:
            raise _no("plan of this film")
        scenes = [
            Scene.model_validate({**row["plan"], "id": row["key"], "prompt": row["prompt"]})
            for row in await self._db.fetch(_SQL["scenes"], film_id, owner)
        ]
        return Plan.model_validate(stored["manifest"]).model_copy(update={"scenes": scenes})

    # --- for clients -------------------------------------------------------------------------------------------

    async def get(self, film_id: UUID, *, owner: str) -> dict[str, Any]:
        """The film with its manifests and the manifests of its shots."""
        row = await self._db.fetchrow(_SQL["get"], film_id, owner)
        if row is None:
            raise _no("film")
        manifests = {item["kind"]: item["manifest"] for item in await self._db.fetch(_SQL["manifests"], film_id, owner)}
        shots = [_shot_view(shot) for shot in await self._db.fetch(_SQL["shots"], film_id, owner)]
        return _film_view(row) | {"request": row["request"], "manifests": manifests, "shots": shots}

    async def request_of(self, film_id: UUID, *, owner: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """(what was asked for, what PATCH set since)."""
        row = await self._db.fetchrow(_SQL["get"], film_id, owner)
        if row is None:
            raise _no("film")
        return dict(row["request"]), dict(row["metadata"])

    async def list(self, *, owner: str, limit: int, offset: int) -> tuple[list[dict[str, Any]], int]:
        rows = await self._db.fetch(_SQL["list"], owner, limit, offset)
        return [_film_view(row) for row in rows], int(await self._db.fetchval(_SQL["count"], owner))

    async def scenes(self, film_id: UUID, *, owner: str) -> Sequence[dict[str, Any]]:
        await self.request_of(film_id, owner=owner)
        return [_scene_view(row) for row in await self._db.fetch(_SQL["scenes"], film_id, owner)]

    async def characters(self, film_id: UUID, *, owner: str) -> Sequence[dict[str, Any]]:
        await self.request_of(film_id, owner=owner)
        return [_character_view(row) for row in await self._db.fetch(_SQL["characters"], film_id, owner)]

    async def patch_film(
        self, film_id: UUID, metadata: Mapping[str, Any], *, owner: str, title: str | None = None
    ) -> dict[str, Any]:
        """Merge `metadata` shallowly into the film's; a value of None removes its key. Returns the merged metadata."""
        async with self._db.transaction() as connection:
            row = await connection.fetchrow(_SQL["lock_film"], film_id, owner)
            if row is None:
                raise _no("film")
            merged = {key: value for key, value in {**row["metadata"], **metadata}.items() if value is not None}
            await connection.execute(_SQL["set_metadata"], film_id, owner, merged, title or row["title"])
        return merged

    async def patch_scene(
        self, scene_id: UUID, *, owner: str, prompt: str | None, plan: Mapping[str, Any] | None
    ) -> dict[str, Any]:
        async with self._db.transaction() as connection:
            row = await connection.fetchrow(_SQL["lock_scene"], scene_id, owner)
            if row is None:
                raise _no("scene")
            merged = {**row["plan"], **(plan or {})}
            await connection.execute(_SQL["set_scene"], scene_id, owner, prompt or row["prompt"], merged)
        return _scene_view(row) | {"prompt": prompt or row["prompt"], "plan": merged, "edited": True}

    async def patch_character(
        self,
        character_id: UUID,
        *,
        owner: str,
        name: str | None,
        description: str | None,
        references: Mapping[str, Any] | None,
    ) -> dict[str, Any]:
        """`references` replaces all of the character's reference data."""
        async with self._db.transaction() as connection:
            row = await connection.fetchrow(_SQL["lock_character"], character_id, owner)
            if row is None:
                raise _no("character")
            changed = {
                "name": name if name is not None else row["name"],
                "description": description if description is not None else row["description"],
                "reference_data": dict(references) if references is not None else row["reference_data"],
            }
            await connection.execute(_SQL["set_character"], character_id, owner, *changed.values())
        return _character_view(row) | changed


def _no(thing: str) -> NotFound:
    return NotFound(f"There is no such {thing}.")


def _busy(job_id: UUID | None) -> Conflict:
    return Conflict(
        f"The job {job_id} is making this film; start another when it has ended.", code="film_busy", param="film_id"
    )


def _film_view(row: Record) -> dict[str, Any]:
    return {
        "id": str(row["id"]),
        "film_id": str(row["id"]),
        "title": row["title"],
        "synopsis": row["synopsis"],
        "status": row["status"],
        "job_id": str(row["job_id"]) if row["job_id"] else None,
        "metadata": row["metadata"],
        "created_at": row["created_at"].isoformat(),
        "updated_at": row["updated_at"].isoformat(),
    }


def _scene_view(row: Record) -> dict[str, Any]:
    return {
        "id": str(row["id"]),
        "film_id": str(row["film_id"]),
        "key": row["key"],
        "index_num": row["index_num"],
        "prompt": row["prompt"],
        "plan": row["plan"],
        "edited": row["edited"],
        "status": row["status"],
        "job_id": str(row["job_id"]) if row["job_id"] else None,
        "assets": row["assets"],
    }


def _character_view(row: Record) -> dict[str, Any]:
    return {
        "id": str(row["id"]),
        "film_id": str(row["film_id"]),
        "key": row["key"],
        "name": row["name"],
        "description": row["description"],
        "reference_data": row["reference_data"],
    }


def _shot_view(row: Record) -> dict[str, Any]:
    parts = {part: row[part] for part in ("storyboard", "animatic", "final", "nodes")}
    return {"shot_id": row["shot_id"], "seed": row["seed"], "dsl": row["dsl"], **row["shot"], **parts}


def present(path: Path, size: int) -> bool:
    """Whether a file that a manifest names is still there, whole."""
    try:
        return path.stat().st_size == size
    except OSError:
        return False
