"""Logs are JSON, know the request and the job, and never hold a secret."""

import json
import logging

import pytest

from orchestrator import telemetry
from orchestrator.telemetry import JsonFormatter, Redactor

PLANTED = (
    "sk-0123456789abcdef",
    "hunter2-hunter2",
    "s3cr3t-p4ssword",
    "serp-key-12345",
    "ticket-98765",
)


def _logged(message: str, *, secrets: tuple[str, ...] = (), **extra: object) -> str:
    record = logging.makeLogRecord({"name": "test", "levelname": "INFO", "msg": message, **extra})
    return JsonFormatter(Redactor(secrets)).format(record)


def test_a_line_is_one_json_object_with_the_ids() -> None:
    request, job = telemetry.request_id.set("req_1"), telemetry.job_id.set("job_1")
    try:
        entry = json.loads(_logged("two\nlines", shot="S01_SH02"))
    finally:
        telemetry.request_id.reset(request)
        telemetry.job_id.reset(job)
    assert entry["message"] == "two\nlines"
    assert (entry["request_id"], entry["job_id"], entry["shot"]) == ("req_1", "job_1", "S01_SH02")
    assert entry["ts"].endswith("Z")


@pytest.mark.parametrize(
    "text",
    [
        f"Authorization: Bearer {PLANTED[0]}",
        f"key {PLANTED[0]} refused",
        f"header bearer {PLANTED[1]}",
        f"postgresql://rag:{PLANTED[2]}@db:5432/ragdb does not answer",
        f"GET https://serpapi.com/search?q=x&api_key={PLANTED[3]}&num=5",
        f"wss://host/ws?token={PLANTED[4]}",
    ],
)
def test_everything_with_the_shape_of_a_secret_is_replaced(text: str) -> None:
    for line in (_logged(text), _logged("x", detail=text), _logged("x", nested={"deep": [text]})):
        assert not any(secret in line for secret in PLANTED)
        assert "[redacted]" in line


def test_known_secrets_of_any_shape_are_replaced_in_tracebacks_too() -> None:
    secret = "correct horse battery"
    try:
        raise ValueError(f"could not log in with {secret}")
    except ValueError as error:
        line = _logged("failed", secrets=(secret,), exc_info=(type(error), error, error.__traceback__))
    assert "could not log in with [redacted]" in line
    assert secret not in line
