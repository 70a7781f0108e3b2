"""What a scrape reads off the coordinator at that moment: the directory, the connection, the work in hand."""

from collections.abc import Iterator
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from diagmesh.bus.core import Bus, BusState, StateChange
from diagmesh.contract.directory import RegistryState
from diagmesh.member import Member
from diagmesh_coordinator.directory import Directory
from diagmesh_coordinator.metrics import OTHER

__all__ = ["Sources"]

_MOST_SERVICES: Final = 500


class Sources(Collector):
    """Reads everything afresh at each scrape.

    Args:
        bus: our connection; its connections are counted from now on.
        directory: who is there.
        member: what is asked of us.
        concurrency: questions in work at most.
    """

    def __init__(self, bus: Bus, directory: Directory, member: Member, concurrency: int) -> None:
        self._bus = bus
        self._directory = directory
        self._member = member
        self._concurrency = concurrency
        self._connections = int(bus.state.state is BusState.CONNECTED)
        self._before = bus.state.state
        bus.watch(self._state_changed)

    def collect(self) -> Iterator[Metric]:
        """The families, as the client library asks for them."""
        yield from self._instances()
        yield from self._doubts()
        yield from self._registry()
        yield from self._link()
        yield from self._work()

    def _state_changed(self, change: StateChange) -> None:
        # A connection on which something was refused says so in a second change of the same state.
        self._connections += change.state is BusState.CONNECTED and self._before is not BusState.CONNECTED
        self._before = change.state

    def _instances(self) -> Iterator[Metric]:
        now, roster = self._directory.now(), self._directory.roster
        services = roster.services()
        shown = GaugeMetricFamily(
            "diagmesh_instances",
            "Instances by the state of their sidecar: live, lost (still expected), lacking (declared, never seen)",
            labels=["service", "state"],
        )
        others = {"live": 0, "lost": 0, "lacking": 0}
        for position, service in enumerate(services):
            known = roster.instances(service)
            live = sum(one.live(now) for one in known)
            counts = {"live": live, "lost": len(known) - live, "lacking": roster.lacking(service)}
            for state, count in counts.items():
                if position < _MOST_SERVICES:
                    shown.add_metric([service, state], count)
                else:
                    others[state] += count
        if len(services) > _MOST_SERVICES:
            for state, count in others.items():
                shown.add_metric([OTHER, state], count)
        yield shown
        yield GaugeMetricFamily("diagmesh_services", "Services known or declared", len(services))
        coordinators = sum(one.live(now) for one in self._directory.coordinators)
        yield GaugeMetricFamily("diagmesh_coordinators", "Coordinators heard, this one too", coordinators)
        declared = self._directory.coordinators.declared("mesh") or 0
        yield GaugeMetricFamily(
            "diagmesh_coordinators_declared", "Coordinators that there should be; 0 where nobody says", declared
        )

    def _doubts(self) -> Iterator[Metric]:
        yield GaugeMetricFamily(
            "diagmesh_directory_warming",
            "1 while it has not listened for long enough to say who is missing",
            int(self._directory.warming),
        )
        yield GaugeMetricFamily(
            "diagmesh_directory_problems",
            "What makes the directory doubtful (two sidecars under one name, a full directory)",
            len(self._directory.problems()),
        )

    def _registry(self) -> Iterator[Metric]:
        told = self._directory.registry.told()
        shown = GaugeMetricFamily(
            "diagmesh_registry",
            "1 for the state of the registry: kept, degraded (cannot be read or written) or off",
            labels=["state"],
        )
        for state in RegistryState:
            shown.add_metric([state], int(told.state is state))
        yield shown
        yield GaugeMetricFamily("diagmesh_registry_pending", "Changes that are not written yet", told.pending)

    def _link(self) -> Iterator[Metric]:
        connected = int(self._bus.state.state is BusState.CONNECTED)
        yield GaugeMetricFamily("diagmesh_bus_connected", "1 while connected to NATS", connected)
        yield CounterMetricFamily(
            "diagmesh_bus_connections", "Connections made to NATS; above 1: reconnects", self._connections
        )
        yield CounterMetricFamily(
            "diagmesh_bus_dropped", "Messages lost here because they could not be read", self._bus.dropped
        )

    def _work(self) -> Iterator[Metric]:
        responder = self._member.responder
        yield GaugeMetricFamily("diagmesh_questions_in_work", "Questions being answered now", responder.in_work)
        yield GaugeMetricFamily("diagmesh_questions_limit", "Above so many, askers hear 429", self._concurrency)
        yield CounterMetricFamily("diagmesh_replies_unsent", "Replies that could not be sent", responder.unsent)
        yield CounterMetricFamily(
            "diagmesh_questions_forged",
            "Questions that wanted their reply elsewhere than in an inbox",
            responder.forged,
        )
        yield CounterMetricFamily("diagmesh_events_lost", "Events that were not told", self._member.events.lost)
