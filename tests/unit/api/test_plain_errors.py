"""Messages about invalid requests name what to change, in plain words."""

from __future__ import annotations

import re
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from fastapi.exceptions import RequestValidationError
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
)

from orchestrator.api.errors import reply_for

FOREIGN = re.compile(r"Input|Value error|Field required|valid dictionary|extract|unable to parse|Extra inputs|pydantic")


def _never(value: str) -> str:
    raise ValueError("is never right")


class Size(StrEnum):
    SMALL = "small"


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(min_length=2, max_length=3)] = "ab"
    number: Annotated[int, Field(ge=1, le=9)] = 1
    ratio: Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)] = 0.5
    flag: bool = True
    items: Annotated[list[int], Field(max_length=1)] = []
    inner: dict[str, Any] = {}
    when: AwareDatetime | None = None
    day: datetime | None = None
    kind: Literal["a", "b"] = "a"
    size: Size = Size.SMALL
    id: UUID | None = None
    wrong: Annotated[str, AfterValidator(_never)] = ""
    pattern: Annotated[str, Field(pattern="^a$")] = "a"


def message_for(body: object) -> str:
    with pytest.raises(ValidationError) as caught:
        Body.model_validate(body)
    problems = [{**problem, "loc": ("body", *problem["loc"])} for problem in caught.value.errors()]
    return reply_for(RequestValidationError(problems)).message


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ([], "The body: must be an object."),
        ({"other": 1}, "other: is not a known field."),
        ({"name": 7}, "name: must be a string."),
        ({"name": "a"}, "name: must have 2 or more characters."),
        ({"name": "abcd"}, "name: must have 3 or fewer characters."),
        ({"number": "x"}, "number: must be a whole number."),
        ({"number": 1.5}, "number: must be a whole number."),
        ({"number": 0}, "number: must be at least 1."),
        ({"number": 10}, "number: must be at most 9."),
        ({"ratio": "x"}, "ratio: must be a number."),
        ({"ratio": 0}, "ratio: must be more than 0.0."),
        ({"flag": "x"}, "flag: must be true or false."),
        ({"items": 1}, "items: must be a list."),
        ({"items": [1, 2]}, "items: must have 1 or fewer entries."),
        ({"items": ["x"]}, "items.0: must be a whole number."),
        ({"inner": []}, "inner: must be an object."),
        ({"when": "soon"}, "when: must be a time in ISO 8601 with its zone."),
        ({"when": "2026-01-01T00:00:00"}, "when: must be a time in ISO 8601 with its zone."),
        ({"kind": "c"}, "kind: must be 'a' or 'b'."),
        ({"size": "huge"}, "size: must be 'small'."),
        ({"id": "x"}, "id: must be a UUID."),
        ({"wrong": "x"}, "wrong: is never right."),
    ],
)
def test_plain_words(body: object, message: str) -> None:
    assert message_for(body) == message


def test_what_has_no_words_of_its_own_still_reads_plainly() -> None:
    said = message_for({"pattern": "b"})
    assert not FOREIGN.search(said)


def test_an_absent_body_is_said_to_be_absent() -> None:
    problem = {"type": "missing", "loc": ("body",), "msg": "Field required", "input": None}
    assert reply_for(RequestValidationError([problem])).message == "The request has no body; it must be a JSON object."
