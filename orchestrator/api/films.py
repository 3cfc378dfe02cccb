"""Films over HTTP: what was planned, drawn and measured, and the edits that the next run of a film follows."""

# No `from __future__ import annotations` here: FastAPI reads the dependencies, which are local names, from the
# annotations of the routes.

import json
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Body, Depends, Query
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, ValidationError, model_validator

from orchestrator.api.auth import Principal
from orchestrator.api.errors import plainly
from orchestrator.errors import NotFound, Unprocessable
from orchestrator.films.plan import MOODS, TIMES_OF_DAY
from orchestrator.films.store import FilmStore
from tools.film import FilmRequest, Text, canonical

_MAX_METADATA = 64 * 1024
_MAX_OFFSET = 1_000_000
# What the film was asked with that an edit cannot change: another idea is another film.
_FIXED = frozenset({"film_id", "synopsis", "subject", "seed"})


def _reject_empty(value: object) -> object:
    if isinstance(value, Mapping) and not any(field is not None for field in value.values()):
        raise ValueError("name at least one field to change")
    return value


class ScenePlan(BaseModel):
    """The parts of a scene's plan that the film follows; other keys are kept as they are."""

    model_config = ConfigDict(extra="allow")

    location: Annotated[Text, Field(max_length=200)] | None = None
    tod: Literal[TIMES_OF_DAY] | None = None  # type: ignore[valid-type]
    mood: Literal[MOODS] | None = None  # type: ignore[valid-type]
    narration: list[Annotated[Text, Field(max_length=500)]] | None = Field(default=None, max_length=50)
    weight: float | None = Field(default=None, gt=0, le=100, allow_inf_nan=False)


class SceneEdit(BaseModel):
    model_config = ConfigDict(extra="forbid")

    prompt: Annotated[Text, Field(min_length=1, max_length=4000)] | None = None
    plan: ScenePlan | None = None

    _some = model_validator(mode="before")(_reject_empty)


class CharacterEdit(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: Annotated[Text, Field(min_length=1, max_length=200)] | None = None
    description: Annotated[Text, Field(max_length=4000)] | None = None
    references: dict[str, JsonValue] | None = None

    _some = model_validator(mode="before")(_reject_empty)


def _parse_id(value: object) -> UUID:
    try:
        return UUID(str(value))
    except ValueError:
        # Not a client's mistake to be explained: such a thing simply does not exist.
        raise NotFound from None


def films_router(store: FilmStore, principal: Callable[..., Principal]) -> APIRouter:
    """The routes under `/films`, `/scenes` and `/characters`; `principal` is the FastAPI dependency for callers."""
    router = APIRouter(tags=["films"])
    Who = Annotated[Principal, Depends(principal)]
    Id = Annotated[UUID, BeforeValidator(_parse_id)]

    @router.get("/films")
    async def listing(
        who: Who,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
        offset: Annotated[int, Query(ge=0, le=_MAX_OFFSET)] = 0,
    ) -> dict[str, Any]:
        """The caller's films, latest change first."""
        films, total = await store.list(owner=who.owner, limit=limit, offset=offset)
        return {"data": films, "total": total}

    @router.get("/films/{film_id}")
    async def read(who: Who, film_id: Id) -> dict[str, Any]:
        """One film with its manifests (plan, shots, edl, qc, export, …) and each shot's own."""
        return await store.get(film_id, owner=who.owner)

    @router.get("/films/{film_id}/scenes")
    async def scenes(who: Who, film_id: Id) -> dict[str, Any]:
        return {"data": await store.scenes(film_id, owner=who.owner)}

    @router.get("/films/{film_id}/characters")
    async def characters(who: Who, film_id: Id) -> dict[str, Any]:
        return {"data": await store.characters(film_id, owner=who.owner)}

    @router.patch("/films/{film_id}")
    async def edit_film(who: Who, film_id: Id, body: Annotated[dict[str, Any], Body()]) -> dict[str, Any]:
        """Merge `{"metadata": {…}}` (or the bare object) into the film's; null removes a key.

        Preferences (`duration_seconds`, `resolution`, `style`, …) are checked here and followed by the film's next run.
        """
        asked, metadata = await store.request_of(film_id, owner=who.owner)
        change = _checked_metadata(asked, metadata, body.get("metadata", body))
        title = change.get("title")
        return {"ok": True, "metadata": await store.patch_film(film_id, change, owner=who.owner, title=title)}

    @router.patch("/scenes/{scene_id}")
    async def edit_scene(who: Who, scene_id: Id, edit: SceneEdit) -> dict[str, Any]:
        """Change what a scene shows or how it is planned; the next run of its film draws only its shots again."""
        plan = edit.plan.model_dump(exclude_none=True) if edit.plan else None
        _check_storable(plan, "plan")
        scene = await store.patch_scene(scene_id, owner=who.owner, prompt=edit.prompt, plan=plan)
        return {"ok": True, "scene": scene}

    @router.patch("/characters/{character_id}")
    async def edit_character(who: Who, character_id: Id, edit: CharacterEdit) -> dict[str, Any]:
        """Change a character; `references` replaces all of its reference data."""
        _check_storable(edit.references, "references")
        character = await store.patch_character(
            character_id,
            owner=who.owner,
            name=edit.name,
            description=edit.description,
            references=edit.references,
        )
        return {"ok": True, "character": character}

    return router


def _checked_metadata(asked: dict[str, Any], present: dict[str, Any], change: object) -> dict[str, Any]:
    """The change under our own field names. Raises Unprocessable for a preference that no film could follow."""
    if not isinstance(change, dict) or not change:
        raise Unprocessable("metadata: must be an object with at least one key", param="metadata")
    removed = {key: None for key, value in change.items() if value is None}
    try:
        given = canonical(change)
        if fixed := sorted(_FIXED & set(given)):
            raise Unprocessable(f"{fixed[0]}: cannot be changed; another idea is another film", param=fixed[0])
        preferences = set(FilmRequest.model_fields) - _FIXED
        wanted = {key: value for key, value in {**present, **given}.items() if key in preferences}
        checked = FilmRequest.model_validate({**asked, **wanted}).model_dump(mode="json")
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        param = ".".join(map(str, first["loc"])) or "metadata"
        raise Unprocessable(f"{param}: {plainly(first)}", param=param) from None
    except ValueError as error:
        raise Unprocessable(str(error), param="metadata") from None
    merged = removed | {key: checked[key] if key in preferences else value for key, value in given.items()}
    _check_storable(merged, "metadata")
    return merged


def _check_storable(value: object, name: str) -> None:
    try:
        size = len(json.dumps(value, allow_nan=False))
    except ValueError:
        raise Unprocessable(f"{name}: numbers must be finite", param=name) from None
    if size > _MAX_METADATA:
        raise Unprocessable(f"{name}: is larger than {_MAX_METADATA // 1024} KiB", param=name)
