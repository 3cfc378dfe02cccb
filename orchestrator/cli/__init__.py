"""The `committee` command: serve, work, look around, pull models, and ask for things.

This is the only place that reads the settings; everything below gets values.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.markup import escape

from orchestrator.cli.client import Client
from orchestrator.errors import ConfigurationError, OrchestratorError
from orchestrator.settings import Settings, parse_api_keys

app = typer.Typer(
    name="committee",
    help="One OpenAI-compatible endpoint behind which local models deliberate, agree on tools, and get things done.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
jobs_app = typer.Typer(help="List, follow and cancel jobs.", no_args_is_help=True)
app.add_typer(jobs_app, name="jobs")

_console = Console()
_errors = Console(stderr=True)

ServerOption = Annotated[str | None, typer.Option("--server", help="The server's address.", show_default=False)]
KeyOption = Annotated[str | None, typer.Option("--key", help="An API key, when the server asks for one.")]


def main() -> None:
    """Run the command; an error that the user can act on is one line and exit code 2."""
    try:
        app(standalone_mode=True)
    except OrchestratorError as error:
        _refuse(error.message)
    except KeyboardInterrupt:
        raise SystemExit(130) from None


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Instead of HOST.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Instead of PORT.")] = None,
    parent: Annotated[int | None, typer.Option(hidden=True, help="Stop with the process of this pid.")] = None,
) -> None:
    """Serve the API and the chat page, with one worker as a child process."""
    from orchestrator.cli.serve import serve as run

    settings = _settings()
    changes = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    settings.server = settings.server.model_copy(update=changes)
    raise SystemExit(run(settings, parent=parent))


@app.command()
def worker(
    parent: Annotated[int | None, typer.Option(hidden=True, help="End with the process of this pid.")] = None,
) -> None:
    """Run jobs; start as many as you like, on any machine that reaches the database and DATA_DIR."""
    from orchestrator.cli.serve import work as run

    raise SystemExit(run(_settings(), parent=parent))


@app.command()
def doctor() -> None:
    """Show what is connected, what is embedded, and what to type next."""
    from orchestrator.cli.doctor import examine

    raise SystemExit(examine(_settings(), _console))


@app.command()
def pull() -> None:
    """Pull the members' models into their Ollamas, with a live progress bar."""
    from orchestrator.cli.pull import pull_models

    raise SystemExit(pull_models(_settings(), _console))


@app.command()
def calibrate(
    minutes: Annotated[float, typer.Option(min=0.01, help="How long to ask, at most.")] = 10.0,
    samples: Annotated[int, typer.Option(min=1, max=9, help="Independent answers per member and question.")] = 3,
    category: Annotated[
        list[str] | None, typer.Option(help="Only this one: reasoning, code, tools or refusal. May be repeated.")
    ] = None,
    allow_stand_ins: Annotated[bool, typer.Option(help="Measure even where rules stand in for a model.")] = False,
) -> None:
    """Measure on your own models whether the committee is worth its cost, and switch it off where it is not."""
    from orchestrator.cli.calibrate import calibrate as run

    raise SystemExit(
        run(
            _settings(),
            _console,
            minutes=minutes,
            samples=samples,
            categories=category or (),
            allow_stand_ins=allow_stand_ins,
        )
    )


@app.command()
def film(
    text: Annotated[str, typer.Argument(help="What the film is about, in your own words.")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Where to put the MP4.")] = None,
    server: ServerOption = None,
    key: KeyOption = None,
) -> None:
    """Ask the committee for a film and follow it to the file.

    Uses the running server, or starts one for as long as it takes.
    """
    from orchestrator.cli.film import make_film

    settings = _settings()
    raise SystemExit(make_film(text, settings, output=output, server=server, key=key or _own_key(settings)))


@jobs_app.command("list")
def list_jobs(
    status: Annotated[str | None, typer.Option(help="queued, running, succeeded, failed or cancelled.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=200)] = 20,
    server: ServerOption = None,
    key: KeyOption = None,
) -> None:
    """The newest jobs."""
    _client(server, key).print_jobs(status, limit)


@jobs_app.command("show")
def show_job(job_id: str, server: ServerOption = None, key: KeyOption = None) -> None:
    """Everything about one job, as JSON."""
    _console.print_json(json.dumps(_client(server, key).show_job(job_id)))


@jobs_app.command("watch")
def watch_job(job_id: str, server: ServerOption = None, key: KeyOption = None) -> None:
    """Follow one job to its end."""
    job = _client(server, key).follow(job_id)
    _console.print(f"{job.id}: {job.status}" + (f" ({job.error.get('message')})" if job.error else ""))
    raise SystemExit(0 if job.status == "succeeded" else 1)


@jobs_app.command("cancel")
def cancel_job(job_id: str, server: ServerOption = None, key: KeyOption = None) -> None:
    """Cancel one job."""
    _console.print(_client(server, key).cancel_job(job_id))


def _settings() -> Settings:
    try:
        settings = Settings()
        parse_api_keys(settings.server.api_keys.get_secret_value())
    except ValidationError as error:
        problem = error.errors()[0]
        name = ".".join(str(part) for part in problem["loc"]).upper()
        _refuse(f"{name}: {problem['msg']}")
    except ConfigurationError as error:
        _refuse(error.message)
    return settings


def _own_key(settings: Settings) -> str | None:
    """The first configured key: whoever can read our configuration may use it."""
    keys = parse_api_keys(settings.server.api_keys.get_secret_value())
    return keys[0].secret if keys else None


def _client(server: str | None, key: str | None) -> Client:
    settings = _settings()
    return Client(server or settings.server.base_url, key=key or _own_key(settings), console=_console)


def _refuse(message: str) -> NoReturn:
    _errors.print(f"[bold red]committee:[/] {escape(message)}", highlight=False, soft_wrap=True)
    sys.exit(2)
