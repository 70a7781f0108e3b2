"""The discovery replies of the NATS service API (ADR-32), so that ``nats micro ls|ping|info|stats`` list the mesh."""

from datetime import datetime
from typing import Final

import msgspec

__all__ = [
    "AGENT_NAME",
    "COORDINATOR_NAME",
    "EndpointInfo",
    "EndpointStats",
    "Info",
    "Ping",
    "Stats",
    "subjects_of",
]

AGENT_NAME: Final = "diag-agent"
COORDINATOR_NAME: Final = "diag-coordinator"


def subjects_of(name: str, identifier: str) -> tuple[str, ...]:
    """The subscriptions that cover ``$SRV.PING|INFO|STATS`` for all, for the name and for the id."""
    return ("$SRV.PING", "$SRV.INFO", "$SRV.STATS", f"$SRV.*.{name}", f"$SRV.*.{name}.{identifier}")


class _Identity(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What every discovery reply says of its sender; ``id`` is unique for each start."""

    name: str
    id: str
    version: str
    metadata: dict[str, str]


class Ping(_Identity, frozen=True, kw_only=True, gc=False):
    """``$SRV.PING``."""

    type: str = "io.nats.micro.v1.ping_response"


class EndpointInfo(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One kind, as discovery calls it."""

    name: str
    subject: str
    queue_group: str
    metadata: dict[str, str] | None = None


class Info(_Identity, frozen=True, kw_only=True, gc=False):
    """``$SRV.INFO``."""

    description: str
    endpoints: tuple[EndpointInfo, ...]
    type: str = "io.nats.micro.v1.info_response"


class EndpointStats(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What happened to the questions of one kind; times in nanoseconds.

    ``data`` (free by the ADR) counts what went wrong in the member as a whole: questions that asked for a reply
    elsewhere than in an inbox or for none, replies and events that could not be sent, messages that came too fast.
    """

    name: str
    subject: str
    queue_group: str
    num_requests: int
    num_errors: int
    last_error: str
    processing_time: int
    average_processing_time: int
    data: dict[str, int]


class Stats(_Identity, frozen=True, kw_only=True, gc=False):
    """``$SRV.STATS``."""

    started: datetime
    endpoints: tuple[EndpointStats, ...]
    type: str = "io.nats.micro.v1.stats_response"
