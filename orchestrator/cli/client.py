"""What the command line does as a client: ask for a film, follow jobs, list and cancel them."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from orchestrator.errors import OrchestratorError, Unavailable

_RECONNECT_S = 1.0
_GIVE_UP_AFTER_S = 60.0
_NOT_NOW = frozenset({429, 500, 502, 503, 504})
_TERMINAL = frozenset({"succeeded", "failed", "cancelled"})
# The most telling ones first.
_COLUMNS: tuple[str, ...] = ("id", "status", "kind", "progress", "stage", "updated")

# Stage, share done from 0 to 1, seconds left if known.
_Show = Callable[[str, float, float | None], None]


class RequestRefused(OrchestratorError):
    """The server refused the request."""


class _NotNow(Exception):
    """The server is there and cannot serve the request at the moment."""


@dataclass(frozen=True)
class FollowedJob:
    """The last state of a job that was followed to its end."""

    id: str
    status: str
    result: dict[str, Any] | None
    error: dict[str, Any] | None


class Client:
    """One server, spoken to over HTTP."""

    def __init__(self, base_url: str, *, key: str | None, console: Console) -> None:
        headers = {"authorization": f"Bearer {key}"} if key else {}
        # The server sends a comment at least every 15 s, so a minute of silence means that it is gone.
        self._http = httpx.Client(
            base_url=base_url, headers=headers, timeout=httpx.Timeout(60.0, connect=5.0), trust_env=False
        )
        self._console = console
        self.started: list[str] = []  # the jobs of our requests, known even when an answer is cut short

    def close(self) -> None:
        self._http.close()

    def ask(self, text: str) -> list[str]:
        """Send one chat turn, print it as it streams, and return the ids of the jobs it started."""
        body = {
            "model": "committee-qwen3-gpt-oss",
            "messages": [{"role": "user", "content": text}],
            "stream": True,
        }
        jobs: list[str] = []
        thinking = False
        with self._answering(), self._http.stream("POST", "/v1/chat/completions", json=body) as response:
            self._raise_for_status(response)
            for _, data in _events(response):
                chunk = json.loads(data)
                if "error" in chunk:
                    raise RequestRefused(chunk["error"].get("message"))
                new = [job for job in dict.fromkeys(_job_ids(chunk.get("committee"))) if job not in jobs]
                jobs += new
                self.started += new
                delta = chunk["choices"][0]["delta"] if chunk.get("choices") else {}
                if reasoning := delta.get("reasoning_content"):
                    thinking = True
                    self._console.print(reasoning, style="dim", end="", markup=False, highlight=False)
                if content := delta.get("content"):
                    if thinking:
                        self._console.print()
                        thinking = False
                    self._console.print(content, end="", markup=False, highlight=False, soft_wrap=True)
        self._console.print()
        return jobs

    def follow(self, job_id: str) -> FollowedJob:
        """Show its progress until the job ends, over lost connections and server restarts."""
        job: dict[str, Any] = {"id": job_id, "status": "queued"}
        with _progress(self._console) as show:
            for job in self._job_states(job_id):
                stage = str(job.get("stage") or job["status"]).partition("/")[0]
                show(stage, float(job.get("progress") or 0.0), job.get("eta_s"))
        return FollowedJob(job_id, job["status"], job.get("result"), job.get("error"))

    def print_jobs(self, status: str | None, limit: int) -> None:
        """A line per job. A pipe gets everything and no heading; a terminal gets the columns that fit."""
        params: dict[str, str | int] = {"limit": limit}
        if status:
            params["status"] = status
        rows = [_row(job) for job in self._json("GET", "/jobs", params=params)["data"]]
        columns = _COLUMNS
        if self._console.is_terminal:
            rows.insert(0, dict(zip(_COLUMNS, _COLUMNS, strict=True)))
            columns = _that_fit(rows, self._console.width)
        widths = {column: max((len(row[column]) for row in rows), default=0) for column in columns}
        for row in rows:
            line = "  ".join(row[column].ljust(widths[column]) for column in columns).rstrip()
            self._console.print(line, markup=False, highlight=False, soft_wrap=True)

    def show_job(self, job_id: str) -> dict[str, Any]:
        return self._json("GET", f"/jobs/{job_id}")

    def cancel_job(self, job_id: str) -> str:
        return str(self._json("POST", f"/jobs/{job_id}/cancel", timeout=5.0)["status"])

    def download(self, url: str, target: Path) -> None:
        """Fetch an artifact whole, or leave no file."""
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(target.name + ".part")
        try:
            with self._answering(), self._http.stream("GET", url) as response, part.open("wb") as file:
                self._raise_for_status(response)
                for block in response.iter_bytes(1 << 20):
                    file.write(block)
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)

    @contextmanager
    def _answering(self) -> Iterator[None]:
        try:
            yield
        except httpx.HTTPError as error:
            raise Unavailable(f"The server at {self._http.base_url} does not answer: {error}") from error

    def _json(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        with self._answering():
            response = self._http.request(method, path, **options)
        self._raise_for_status(response)
        body: dict[str, Any] = response.json()
        return body

    def _job_states(self, job_id: str) -> Iterator[dict[str, Any]]:
        last_id: str | None = None
        lost_since: float | None = None
        while True:
            headers = {"last-event-id": last_id} if last_id else {}
            try:
                with self._http.stream(
                    "GET", f"/jobs/{job_id}/stream", params={"interval_ms": 250}, headers=headers
                ) as response:
                    if response.status_code in _NOT_NOW:
                        raise _NotNow
                    self._raise_for_status(response)
                    for event_id, data in _events(response):
                        lost_since = None
                        last_id = event_id or last_id
                        event = json.loads(data)
                        state: dict[str, Any] = event.get("job") or event
                        yield state
                        if state.get("status") in _TERMINAL:
                            return
            except (httpx.HTTPError, _NotNow) as error:
                lost_since = lost_since or time.monotonic()
                if time.monotonic() - lost_since > _GIVE_UP_AFTER_S:
                    raise Unavailable(
                        "The server has been gone for a minute; the job goes on when it is back."
                    ) from error
            # A stream that ends before its job does comes from a server that is stopping.
            time.sleep(_RECONNECT_S)

    def _raise_for_status(self, response: httpx.Response) -> None:
        if response.is_success:
            return
        response.read()
        message = response.text
        with suppress(ValueError, KeyError, TypeError):
            message = response.json()["error"]["message"]
        raise RequestRefused(f"{response.status_code}: {message}")


@contextmanager
def _progress(console: Console) -> Iterator[_Show]:
    """Show how far a job is: a live bar on a terminal, a line now and then in logs and pipes."""
    if not console.is_terminal:
        yield _PlainProgress(console)
        return
    columns = (
        SpinnerColumn(),
        TextColumn("[bold]{task.fields[stage]:<10}"),
        BarColumn(bar_width=None),
        TextColumn("{task.percentage:>5.1f} %"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[eta]}"),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("", total=1.0, stage="queued", eta="")

        def show(stage: str, done: float, eta_s: float | None) -> None:
            bar.update(task, completed=done, stage=stage, eta=f"about {_clock(eta_s)} left" if eta_s else "")

        yield show


class _PlainProgress:
    """A line per stage and per tenth, where a live bar shows nothing."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._shown: tuple[str, int] | None = None

    def __call__(self, stage: str, done: float, eta_s: float | None) -> None:
        now = (stage, int(done * 10))
        if now != self._shown:
            self._shown = now
            left = f", about {_clock(eta_s)} left" if eta_s else ""
            self._console.print(f"  {stage:<12} {100 * done:5.1f} %{left}")


def _events(response: httpx.Response) -> Iterator[tuple[str | None, str]]:
    """The (id, data) pairs of a server-sent event stream, up to `[DONE]`."""
    event_id: str | None = None
    data: list[str] = []
    for line in response.iter_lines():
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "data":
            data.append(value)
        elif field == "id":
            event_id = value
        elif not line and data:
            text = "\n".join(data)
            data = []
            if text == "[DONE]":
                return
            yield event_id, text


def _row(job: dict[str, Any]) -> dict[str, str]:
    return {
        "id": str(job["id"]),
        "status": str(job["status"]),
        "kind": str(job["kind"]),
        "progress": f"{100 * float(job.get('progress') or 0):.0f}%",
        "stage": str(job.get("stage") or "-"),
        "updated": str(job.get("updated_at") or "-"),
    }


def _that_fit(rows: list[dict[str, str]], width: int) -> tuple[str, ...]:
    """The columns that a terminal has room for: the id always and whole, then the first ones."""
    used = -2
    for count, column in enumerate(_COLUMNS):
        used += 2 + max(len(row[column]) for row in rows)
        if used > width and count:
            return _COLUMNS[:count]
    return _COLUMNS


def _job_ids(committee: Any) -> list[str]:
    if not isinstance(committee, dict):
        return []
    results = committee.get("tool_results")
    return re.findall(r'"job_ids?": \[?"([0-9a-f-]{36})"', json.dumps(results)) if results else []


def _clock(seconds: float | None) -> str:
    whole = round(seconds or 0)
    return f"{whole // 60} min {whole % 60:02d} s" if whole >= 60 else f"{whole} s"
