"""Finding an Ollama that already runs: here, in a container's host, or on the Windows side of WSL2."""

from __future__ import annotations

import asyncio
import socket
import struct
from dataclasses import dataclass
from pathlib import Path

import httpx

_PORTS = (11434, 11435)
_TIMEOUT_S = 1.5


@dataclass(frozen=True)
class FoundOllama:
    """One answering Ollama. `loaded` maps a loaded model to the context length that Ollama really gave it."""

    base_url: str
    version: str
    models: tuple[str, ...]
    loaded: dict[str, int | None]


def candidate_urls(*configured: str, proc: Path = Path("/proc")) -> tuple[str, ...]:
    """Where an Ollama may answer, the configured addresses first, without repeats."""
    hosts = ["127.0.0.1", "host.docker.internal"]
    if gateway := windows_side(proc):
        hosts.append(gateway)
    urls = [url.rstrip("/").removesuffix("/v1") for url in configured]
    urls += [f"http://{host}:{port}" for host in hosts for port in _PORTS]
    return tuple(dict.fromkeys(urls))


def windows_side(proc: Path = Path("/proc")) -> str | None:
    """Under WSL2, the address of Windows: the default gateway of the virtual network. None elsewhere."""
    try:
        if "microsoft" not in (proc / "version").read_text().lower():
            return None
        rows = (proc / "net/route").read_text().splitlines()[1:]
    except OSError:
        return None
    for row in rows:
        fields = row.split()
        if len(fields) > 2 and fields[1] == "00000000":
            # The kernel prints the address as a hexadecimal number in host (little-endian) order.
            return socket.inet_ntoa(struct.pack("<L", int(fields[2], 16)))
    return None


async def find_ollamas(urls: tuple[str, ...]) -> tuple[FoundOllama, ...]:
    """Ask all addresses at once; those that do not answer within 1.5 s are left out."""
    async with httpx.AsyncClient(timeout=_TIMEOUT_S, trust_env=False) as http:
        found = await asyncio.gather(*(_ask(http, url) for url in urls))
    return tuple(ollama for ollama in found if ollama is not None)


async def _ask(http: httpx.AsyncClient, base_url: str) -> FoundOllama | None:
    try:
        async with asyncio.timeout(_TIMEOUT_S * 2):
            version = (await http.get(f"{base_url}/api/version")).json()["version"]
            tags = (await http.get(f"{base_url}/api/tags")).json().get("models") or []
            running = (await http.get(f"{base_url}/api/ps")).json().get("models") or []
        return FoundOllama(
            base_url=base_url,
            version=str(version),
            models=tuple(sorted(str(model["name"]) for model in tags)),
            loaded={str(model["name"]): model.get("context_length") for model in running},
        )
    except (httpx.HTTPError, TimeoutError, ValueError, KeyError, TypeError, AttributeError):
        return None
