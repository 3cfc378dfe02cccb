"""The ASGI application."""

from __future__ import annotations

from orchestrator.api.auth import principal_of
from orchestrator.api.films import films_router
from orchestrator.api.routes import Api, create_api
from orchestrator.services import Services


def create_app(services: Services) -> Api:
    """Every route over `services`. Close it before the services."""
    return create_api(
        settings=services.settings,
        db=services.db,
        jobs=services.jobs,
        events=services.events,
        kinds=services.kinds,
        committee=services.committee,
        tools=services.tools,
        artifacts=services.artifacts,
        embedder=services.embedder,
        infill=services.infill,
        more_routers=[films_router(services.films, principal_of)],
    )
