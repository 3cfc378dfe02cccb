"""Open members from their configuration, and find the servers behind them.

With `api="auto"` a member looks for Ollama at its address, then for an OpenAI-compatible server, and stands in offline
until one answers. It keeps looking in the background, so that a server started after us is picked up without a
restart. Once a real server was found the member stays with it: an outage is then reported as one, and never papered
over by rules that pretend to be an answer.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Iterable, Mapping
from dataclasses import replace

from committee.backends.offline import OfflineMember
from committee.backends.ollama import OllamaMember
from committee.backends.openai_compat import OpenAIMember
from committee.backends.wire import ModelServer
from committee.errors import MemberError, RequestRejected
from committee.schema import ChatBackend, ChatRequest, Delta, MemberConfig, MemberHealth

log = logging.getLogger(__name__)

_LOOK_TIMEOUT_S = 2.0


async def open_members(configs: Iterable[MemberConfig]) -> list[ChatBackend]:
    """All members, their servers looked for in parallel; takes at most a few seconds and never fails."""
    return list(await asyncio.gather(*(open_member(config) for config in configs)))


async def open_member(config: MemberConfig) -> ChatBackend:
    """One member. What does not answer now is asked again when it is needed ("auto": in the background)."""
    if config.api == "offline":
        return _stand_in(config, "Offline, as configured; rules stand in.")
    if config.api == "auto":
        member = AutoMember(config)
        await member.start()
        return member
    real = OllamaMember(config) if config.api == "ollama" else OpenAIMember(config)
    try:
        await real.resolve()
    except MemberError as error:
        log.warning("a member cannot answer yet", extra={"member": config.name, "cause": error.message})
    return real


class AutoMember:
    """A member whose server may not be there yet. Implements the `ChatBackend` port by passing everything on."""

    def __init__(self, config: MemberConfig) -> None:
        self.name = config.name
        self._config = config
        self._current: ChatBackend = _stand_in(config, _nobody(config))
        self._looking: asyncio.Task[None] | None = None
        self._warm = False

    @property
    def model(self) -> str:
        return self._current.model

    @property
    def stand_in(self) -> bool:
        return self._current.stand_in

    @property
    def window(self) -> int | None:
        return self._current.window

    @property
    def parallel(self) -> int | None:
        return self._current.parallel

    async def start(self) -> None:
        """Look once, and from then on in the background until a server is found."""
        if not await self.look():
            self._looking = asyncio.create_task(self._keep_looking(), name=f"look for {self.name}")

    async def look(self) -> bool:
        """Look for a server now; True when this is a real member."""
        if not self._current.stand_in:
            return True
        notes = []
        for url in dict.fromkeys((self._config.base_url, *self._config.also_try)):
            found = await _find(replace(self._config, base_url=url))
            if isinstance(found, str):
                notes.append(found)
            elif found is not None:
                self._current = found
                log.info("a member found its server", extra={"member": self.name, "url": url, "model": found.model})
                return True
        self._current = _stand_in(self._config, " ".join(notes) or _nobody(self._config))
        return False

    def stream(self, request: ChatRequest) -> AsyncGenerator[Delta, None]:
        return self._current.stream(request)

    async def health(self) -> MemberHealth:
        return await self._current.health()

    async def warm(self) -> None:
        """Get the server ready, now or as soon as there is one."""
        self._warm = True
        await self._current.warm()

    async def aclose(self) -> None:
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)
        await self._current.aclose()

    async def _keep_looking(self) -> None:
        while True:
            await asyncio.sleep(self._config.look_again_s)
            try:
                if await self.look():
                    if self._warm:
                        await self._current.warm()
                    return
            except Exception:
                log.exception("looking for a model server failed", extra={"member": self.name})


async def _find(config: MemberConfig) -> ChatBackend | str | None:
    """The member at one address; a sentence when a server is there but cannot be used; None when nothing is."""
    kind = await detect(config.base_url, api_key=config.api_key, connect_s=config.connect_s)
    if kind is None:
        return None
    member = OllamaMember(config) if kind == "ollama" else OpenAIMember(config)
    try:
        await member.resolve()
    except MemberError as error:
        await member.aclose()
        return error.message
    return member


async def detect(base_url: str, *, api_key: str = "", connect_s: float = 2.0) -> str | None:
    """ "ollama", "openai" or None, by what the server at `base_url` answers within two seconds."""
    headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
    server = ModelServer(base_url, headers=headers, connect_s=connect_s)
    models = "/models" if server.base_url.endswith("/v1") else "/v1/models"
    try:
        version, listing = await asyncio.gather(_look(server, "/api/version"), _look(server, models))
    finally:
        await server.aclose()
    if isinstance(version, Mapping) and "version" in version:
        return "ollama"
    # A server that wants another key is there all the same; asking it for its models tells what is wrong.
    if isinstance(listing, RequestRejected) or (isinstance(listing, Mapping) and "data" in listing):
        return "openai"
    return None


async def _look(server: ModelServer, path: str) -> object:
    try:
        document: object = await server.get(path, timeout_s=_LOOK_TIMEOUT_S)
    except MemberError as error:
        return error
    return document


def _stand_in(config: MemberConfig, note: str) -> OfflineMember:
    return OfflineMember(config.name, configured_model=config.model, note=note)


def _nobody(config: MemberConfig) -> str:
    variable = f" ({config.url_variable})" if config.url_variable else ""
    return f"No model server answers at {config.base_url}{variable}; rules stand in."
