"""Which view shows which kind. A kind comes over the wire, so it is looked up here and names nothing to import."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from diagmesh_cli.views import (
    connection,
    coordinator,
    goroutines,
    health,
    plain,
    profile,
    races,
    resources,
    route,
    runtime,
    server,
    services,
    streams,
)
from diagmesh_cli.views.view import View

__all__ = ["VIEWS", "view_of"]

VIEWS: Final[Mapping[str, View]] = MappingProxyType(
    {
        "connection": connection.VIEW,
        "coordinator": coordinator.VIEW,
        "goroutines": goroutines.VIEW,
        "health": health.VIEW,
        "profile": profile.VIEW,
        "races": races.VIEW,
        "resources": resources.VIEW,
        "route": route.VIEW,
        "runtime": runtime.VIEW,
        "server": server.VIEW,
        "services": services.VIEW,
        "streams": streams.VIEW,
    }
)


def view_of(kind: str) -> View:
    """The view of a kind, or the plain one for a kind that has none."""
    return VIEWS.get(kind, plain.VIEW)
