"""The neighbour: one instance of a watched service, with all that may be seen of it."""

from collections.abc import Sequence
from typing import Protocol

from diagmesh.appnats import AppNats
from diagmesh.contract.wire import Blind
from diagmesh.gopages import GoDoor
from diagmesh.goruntime import GoRuntime
from diagmesh.monitoring import MonitorDoor
from diagmesh.target.connections import MetConnections, NatsDoors
from diagmesh.target.past import Ring
from diagmesh.target.probes import Probe
from diagmesh.target.process import ProcessView
from diagmesh.target.races import RaceLooks
from diagmesh.target.sighting import Sighting
from diagmesh.target.streams import StreamsView

__all__ = ["Target"]


class Target(Protocol):
    """The neighbour: one instance of a watched service."""

    @property
    def service(self) -> str:
        """Its service name."""
        ...

    @property
    def instance(self) -> str:
        """Its instance name."""
        ...

    @property
    def process(self) -> ProcessView:
        """The process that fits now (``diagmesh.adapters.process.Process``); raises `NotRunning` when none does."""
        ...

    @property
    def ring(self) -> Ring:
        """The recent past."""
        ...

    @property
    def probes(self) -> Sequence[Probe]:
        """The doors declared in the settings."""
        ...

    @property
    def go(self) -> GoDoor:
        """The way to its diagnostic pages, if it is a Go service; a door without a place says what to add."""
        ...

    @property
    def races(self) -> RaceLooks:
        """What the race detector reported, if it is a Go service that was built with it."""
        ...

    @property
    def nats(self) -> AppNats:
        """The observer connection in the account of the application; without one every question says what to add."""
        ...

    @property
    def go_runtime(self) -> GoRuntime:
        """Its Go runtime, as those pages tell it."""
        ...

    @property
    def streams(self) -> StreamsView:
        """The streams and consumers that it uses."""
        ...

    @property
    def nats_doors(self) -> NatsDoors | None:
        """The NATS servers that it should connect to; None where the settings name none."""
        ...

    @property
    def met(self) -> MetConnections:
        """The NATS connections that it was seen with."""
        ...

    @property
    def monitor(self) -> MonitorDoor:
        """The way to its monitoring endpoint, if it is a nats-server; a door without a place says what to add."""
        ...

    def sighting(self) -> Sighting:
        """Which process fits now, looked up afresh; quick enough for the event loop (some microseconds)."""
        ...

    def blind(self) -> Sequence[Blind]:
        """What this sidecar cannot see of the neighbour at all, with the way to fix it."""
        ...
