"""`committee pull`: the members' models, into the Ollamas where they will run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import httpx
import ollama
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from orchestrator.settings import CommitteeSettings, Settings

# The specified tag probably does not exist upstream; these are its relatives, the nearest first.
_QWEN_FALLBACKS = ("qwen3:32b-q4_K_M", "qwen3:32b")
# A registry may be silent for minutes while Ollama verifies a 20 GB blob.
_TIMEOUT = httpx.Timeout(600.0, connect=5.0)


@dataclass(frozen=True)
class Wanted:
    """One member's model: where it goes, which tags will do, and the variable that chooses it."""

    base_url: str
    tags: tuple[str, ...]
    variable: str


def wanted_models(settings: CommitteeSettings) -> tuple[Wanted, ...]:
    """What has to be pulled; members that are not Ollamas pull nothing."""
    wanted = []
    if settings.qwen_api in {"auto", "ollama"}:
        tag = settings.qwen_model_id
        relatives = _QWEN_FALLBACKS if tag.startswith("qwen3:32b") else ()
        wanted.append(Wanted(settings.qwen_base_url, tuple(dict.fromkeys((tag, *relatives))), "QWEN_MODEL_ID"))
    if settings.gptoss_api in {"auto", "ollama"}:
        wanted.append(Wanted(settings.gptoss_base_url, (settings.gptoss_model_id,), "GPTOSS_MODEL_ID"))
    return tuple(wanted)


def pull_models(settings: Settings, console: Console) -> int:
    """Pull them one after the other. Returns the exit code: 0 when every model is there."""
    results = [_pull_one(model, console) for model in wanted_models(settings.committee)]
    return 0 if all(results) else 1


def _pull_one(model: Wanted, console: Console) -> bool:
    for tag in model.tags:
        try:
            _pull(model.base_url, tag, console)
        except ollama.ResponseError as error:
            console.print(f"[yellow]{tag}[/]: {error.error}")
            continue
        except (httpx.HTTPError, ConnectionError) as error:
            console.print(f"[red]No Ollama answers at {model.base_url}[/] ({error}). Start one: ollama serve")
            return False
        console.print(f"[green]{tag}[/] is at {model.base_url}")
        if tag != model.tags[0]:
            console.print(f"  To ask for it by name, set {model.variable}={tag}; the server finds it either way.")
        return True
    console.print(f"[red]None of {_listed(model.tags)} could be pulled.[/] Set {model.variable} to a tag that exists.")
    return False


def _pull(base_url: str, tag: str, console: Console) -> None:
    client = ollama.Client(host=base_url, timeout=_TIMEOUT, trust_env=False)
    show = _show_live if console.is_terminal else _show_plainly
    show(client.pull(tag, stream=True), tag, console)


def _show_live(steps: Iterator[ollama.ProgressResponse], tag: str, console: Console) -> None:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        layers: dict[str, TaskID] = {}
        for step in steps:
            name = step.digest or step.status or ""
            task = layers.get(name)
            if task is None:
                task = layers[name] = progress.add_task(f"{tag} {step.status or ''}"[:48], total=step.total)
            progress.update(task, completed=step.completed or 0, total=step.total)


def _show_plainly(steps: Iterator[ollama.ProgressResponse], tag: str, console: Console) -> None:
    """A line per step and per tenth of a layer, for logs and pipes."""
    shown: tuple[str | None, int | None] | None = None
    for step in steps:
        tenth = int(10 * (step.completed or 0) / step.total) if step.total else None
        if (step.status, tenth) != shown:
            shown = (step.status, tenth)
            share = "" if tenth is None else f" {10 * tenth} %"
            console.print(f"  {tag} {step.status or ''}{share}", markup=False, highlight=False, soft_wrap=True)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names)
