"""`committee pull`: the members' models, into the Ollamas where they will run."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

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

from committee.members import detect
from orchestrator.settings import CommitteeSettings, Settings

# The specified tag probably does not exist upstream; these are its relatives, the nearest first.
_QWEN_FALLBACKS = ("qwen3:32b-q4_K_M", "qwen3:32b")
# A registry may be silent for minutes while Ollama verifies a 20 GB blob.
_TIMEOUT = httpx.Timeout(600.0, connect=5.0)


@dataclass(frozen=True)
class Wanted:
    """One member's model: where it goes, which tags will do, and the variables that choose them.

    `also_try` is where the server looks for this member when nothing answers at its own address.
    """

    base_url: str
    tags: tuple[str, ...]
    variable: str
    url_variable: str
    also_try: tuple[str, ...] = ()


def wanted_models(settings: CommitteeSettings) -> tuple[Wanted, ...]:
    """What has to be pulled; members that are not Ollamas pull nothing."""
    qwen, gptoss = settings.qwen_base_url, settings.gptoss_base_url
    wanted = []
    if settings.qwen_api in {"auto", "ollama"}:
        tag = settings.qwen_model_id
        relatives = _QWEN_FALLBACKS if tag.startswith("qwen3:32b") else ()
        tags = tuple(dict.fromkeys((tag, *relatives)))
        also_try = (gptoss,) if settings.qwen_api == "auto" else ()
        wanted.append(Wanted(qwen, tags, "QWEN_MODEL_ID", "QWEN_BASE_URL", also_try))
    if settings.gptoss_api in {"auto", "ollama"}:
        also_try = (qwen,) if settings.gptoss_api == "auto" else ()
        wanted.append(Wanted(gptoss, (settings.gptoss_model_id,), "GPTOSS_MODEL_ID", "GPTOSS_BASE_URL", also_try))
    return tuple(wanted)


def pull_models(settings: Settings, console: Console) -> int:
    """Pull them one after the other. Returns the exit code: 0 when every model is there."""
    results = [_pull_one(_where_it_runs(model, console), console) for model in wanted_models(settings.committee)]
    return 0 if all(results) else 1


def _where_it_runs(model: Wanted, console: Console) -> Wanted:
    """The same model, at the address where the server would find its member now."""
    if not model.also_try or asyncio.run(detect(model.base_url)) is not None:
        return model
    for url in model.also_try:
        if url != model.base_url and asyncio.run(detect(url)) == "ollama":
            console.print(
                f"Nothing answers at {model.base_url} ({model.url_variable}); {url} serves this member too.",
                soft_wrap=True,
            )
            return replace(model, base_url=url)
    return model


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
