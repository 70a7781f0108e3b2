"""A neighbour of the test's making."""

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from diagmesh.adapters.streams import view_of
from diagmesh.appnats import AppNats, NoAppNats
from diagmesh.contract.wire import Blind
from diagmesh.errors import NotRunning
from diagmesh.gopages import GoDoor, NoGoDoor
from diagmesh.goruntime import GoRuntime
from diagmesh.monitoring import MonitorDoor, NoMonitorDoor
from diagmesh.target import MetConnections, NatsDoors, Probe, ProcessView, RaceLooks, Ring, Sighting, StreamsView
from diagmesh.testing.golang import FakeGoRuntime, FakeRaces
from diagmesh.testing.process import FakeRing

__all__ = ["FakeTarget"]


class FakeTarget:
    """A neighbour of the test's making; without a process it is one whose process is not there.

    Args:
        process: what runs, if anything.
        probes: its doors.
        sighting: what the sidecar knows; default: fits ``process``.
        ring: the recent past.
        blind: what cannot be seen of it.
        go: the way to its diagnostic pages; default: the settings name none.
        races: what its race detector reported; default: nobody could report anything.
        nats: the observer connection; default: the settings give none.
        go_runtime: its Go runtime, likewise.
        streams: the streams that it uses; default: as that connection shows them.
        doors: the NATS servers that it should connect to; default: the settings name none.
        monitor: the way to its monitoring endpoint; default: the settings name none.
        service: its service name.
        instance: its instance name.
    """

    def __init__(  # noqa: PLR0913  each part of a neighbour may be given
        self,
        process: ProcessView | None = None,
        probes: Sequence[Probe] = (),
        *,
        sighting: Sighting | None = None,
        ring: Ring | None = None,
        blind: Sequence[Blind] = (),
        go: GoDoor | None = None,
        races: RaceLooks | None = None,
        nats: AppNats | None = None,
        go_runtime: GoRuntime | None = None,
        streams: StreamsView | None = None,
        doors: NatsDoors | None = None,
        monitor: MonitorDoor | None = None,
        service: str = "orders",
        instance: str = "i1",
    ) -> None:
        self.service = service
        self.instance = instance
        self.probes: Sequence[Probe] = probes
        self.ring: Ring = ring or FakeRing()
        self.races: RaceLooks = races or FakeRaces()
        self.go_runtime: GoRuntime = go_runtime or FakeGoRuntime()
        self.go: GoDoor = go or NoGoDoor(f"{service}/{instance}")
        self.nats_doors = doors
        self.met = MetConnections()
        self.nats: AppNats = nats or NoAppNats(f"{service}/{instance}")
        self.streams: StreamsView = streams or view_of(self.nats, None)
        self.monitor: MonitorDoor = monitor or NoMonitorDoor(f"{service}/{instance}")
        self._process = process
        self._sighting = sighting
        self._blind = blind

    @property
    def process(self) -> ProcessView:
        """What runs."""
        if self._process is None:
            raise NotRunning("the test gave this target no process")
        return self._process

    def sighting(self) -> Sighting:
        """What the sidecar knows of it."""
        if self._sighting is not None:
            return self._sighting
        if self._process is None:
            return Sighting(looked_for="the test", running=False, reason="the test gave this target no process")
        return Sighting(
            looked_for="the test",
            running=True,
            pid=self._process.pid,
            started_at=self._process.started_at,
            last_seen=datetime.now(UTC),
        )

    def blind(self) -> Sequence[Blind]:
        """What cannot be seen of it."""
        return self._blind

    def now(self, **changes: object) -> None:
        """Change what the sidecar knows: ``target.now(restarts_seen=1)``."""
        self._sighting = msgspec.structs.replace(self.sighting(), **changes)
