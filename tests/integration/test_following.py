"""The command line as a client that follows jobs, against a server whose answers are scripted."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from orchestrator.cli import client as client_module
from orchestrator.cli.client import Client, RequestRefused
from orchestrator.cli.film import make_film
from orchestrator.settings import ServerSettings, Settings

JOB = "01890000-0000-7000-8000-000000000001"


class Script:
    """What the server says, one answer a request: a status, or the body of an event stream."""

    def __init__(self) -> None:
        self.answers: list[int | bytes] = []
        self.asked_after: list[str | None] = []


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Script:
    monkeypatch.setattr(client_module, "_RECONNECT_S", 0.01)
    return Script()


@pytest.fixture
def url(script: Script) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            script.asked_after.append(self.headers.get("last-event-id"))
            self._answer(script.answers.pop(0))

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self._answer(script.answers.pop(0))

        def _answer(self, answer: int | bytes) -> None:
            self.send_response(answer if isinstance(answer, int) else 200)
            self.end_headers()
            self.wfile.write(b'{"error": {"message": "no"}}' if isinstance(answer, int) else answer)

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def event(seq: int, status: str, **fields: Any) -> bytes:
    job = {"id": JOB, "status": status, "stage": "final", "progress": 0.5, "eta_s": 3.0, **fields}
    return f"id: {seq}\ndata: {json.dumps({'job': job})}\n\n".encode()


def test_a_job_is_followed_over_outages_to_its_end(script: Script, url: str) -> None:
    script.answers = [
        event(3, "running"),  # the server stops
        503,  # it is back, its database is not
        502,
        event(4, "running") + event(5, "succeeded", result={"answer": 42}) + b"data: [DONE]\n\n",
    ]
    client = Client(url, key=None, console=Console(file=StringIO()))
    job = client.follow(JOB)
    client.close()
    assert (job.status, job.result) == ("succeeded", {"answer": 42})
    assert script.asked_after == [None, "3", "3", "3"]


def test_a_job_that_does_not_exist_is_not_waited_for(script: Script, url: str) -> None:
    script.answers = [404]
    client = Client(url, key=None, console=Console(file=StringIO()))
    with pytest.raises(RequestRefused, match="404: no"):
        client.follow(JOB)
    client.close()


def test_a_picture_instead_of_a_film_is_said_plainly(
    script: Script, url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    started = {"choices": [{"delta": {}}], "committee": {"tool_results": [{"job_ids": [JOB]}]}}
    script.answers = [
        f"data: {json.dumps(started)}\n\ndata: [DONE]\n\n".encode(),
        event(9, "succeeded", result={"image": {}}),
    ]
    settings = Settings(server=ServerSettings(data_dir=tmp_path))
    assert make_film("draw a cat", settings, output=None, server=url, key=None) == 1
    assert f"jobs show {JOB}" in capsys.readouterr().out


IN_A_LINE = re.compile(r"^  \S+ +\d+\.\d %(, about .* left)?$")


def test_a_pipe_gets_plain_lines_and_nothing_twice(script: Script, url: str) -> None:
    script.answers = [event(1, "running") + event(2, "running", progress=0.62) + event(3, "succeeded", progress=1.0)]
    printed = StringIO()
    client = Client(url, key=None, console=Console(file=printed))
    client.follow(JOB)
    client.close()
    lines = printed.getvalue().splitlines()
    assert all(IN_A_LINE.match(line) for line in lines), lines
    assert len(lines) == len(set(lines)) == 3
    assert "about 3 s left" in lines[0]


def test_a_terminal_gets_a_bar_with_the_time_left(script: Script, url: str) -> None:
    script.answers = [event(1, "failed", stage="storyboard", eta_s=200.0)]
    printed = StringIO()
    client = Client(url, key=None, console=Console(file=printed, force_terminal=True, width=60, no_color=True))
    client.follow(JOB)
    client.close()
    assert re.search(r"storyboard.*━.* 50\.0 % .*about 3 min 20 s left", printed.getvalue())


JOBS: dict[str, Any] = {
    "data": [
        {
            "id": f"01890000-0000-7000-8000-00000000000{number}",
            "kind": "film.run",
            "status": "succeeded",
            "stage": "export",
            "progress": 1.0,
            "updated_at": "2026-01-01T00:00:00.000000Z",
        }
        for number in range(3)
    ]
}


@pytest.mark.parametrize(("width", "terminal"), [(80, True), (30, True), (200, True), (80, False)])
def test_a_list_of_jobs_never_cuts_an_id(script: Script, url: str, width: int, terminal: bool) -> None:
    script.answers = [json.dumps(JOBS).encode()]
    printed = StringIO()
    client = Client(url, key=None, console=Console(file=printed, force_terminal=terminal, width=width, no_color=True))
    client.print_jobs(None, 20)
    client.close()
    lines = printed.getvalue().splitlines()
    assert [line.split()[0] for line in lines if "0189" in line] == [job["id"] for job in JOBS["data"]]
    if terminal:
        assert "id" in lines[0]
        assert max(map(len, lines)) <= max(width, 36)
    else:
        assert len(lines) == 3
        assert all("film.run" in line and "export" in line and "2026-01-01" in line for line in lines)


def test_a_server_that_keeps_running_is_where_the_rest_is(
    script: Script, url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    started = {"choices": [{"delta": {}}], "committee": {"tool_results": [{"job_ids": [JOB]}]}}
    master = {"url": "/artifacts/1", "duration_s": 4, "width": 320, "height": 180, "fps": 12, "bytes": 5}
    script.answers = [
        f"data: {json.dumps(started)}\n\ndata: [DONE]\n\n".encode(),
        event(9, "succeeded", result={"title": "Bees", "master": master}),
        b"a film",
    ]
    settings = Settings(server=ServerSettings(data_dir=tmp_path))
    assert make_film("bees", settings, output=tmp_path / "bees.mp4", server=url + "/", key=None) == 0
    told = capsys.readouterr().out
    assert f"report: {url}/#/jobs/{JOB}" in told
    assert "make run" not in told
