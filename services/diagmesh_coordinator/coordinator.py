"""`diag.mesh.coordinator`: how a coordinator itself is; asked of one or each by name, added up over all without."""

import asyncio
import os
import time
from typing import Final

from diagmesh import __version__
from diagmesh.adapters.limits import Limits
from diagmesh.adapters.procfs import PidDir
from diagmesh.bus.core import Bus, BusState, StateChange
from diagmesh.contract.answers.coordinator import (
    Coordinator,
    CoordinatorQuestion,
    CoordinatorState,
    DirectoryPart,
    Link,
    OwnProcess,
    Work,
)
from diagmesh.contract.wire import Detail
from diagmesh.serve import Identity, Responder
from diagmesh.settings import CoordinatorSettings
from diagmesh_coordinator.directory import Directory
from diagmesh_coordinator.fingerprint import fingerprint
from diagmesh_coordinator.loop_lag import Lags, watch_lag

__all__ = ["KIND", "Itself"]

KIND: Final = "coordinator"


class Itself:
    """Looks at the coordinator in which it runs.

    Args:
        bus: our connection; from now on it is counted how often it comes back.
        directory: whom we know.
        us: who we are.
        settings: ours.
    """

    def __init__(self, bus: Bus, directory: Directory, us: Identity, settings: CoordinatorSettings) -> None:
        self._bus = bus
        self._directory = directory
        self.us: Final = us
        self.settings: Final = fingerprint(settings)
        self._lags = Lags()
        self._began = time.monotonic()
        self._connections = int(bus.state.state is BusState.CONNECTED)
        self._before = bus.state.state
        self._task: asyncio.Task[None] | None = None
        self.responder: Responder | None = None
        self._unwatch = bus.watch(self._state_changed)

    def start(self) -> None:
        """Begin to watch the event loop."""
        self._task = asyncio.get_running_loop().create_task(watch_lag(self._lags.observe), name="loop lag")

    async def stop(self) -> None:
        """Watch no more."""
        self._unwatch()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    def look(self, question: CoordinatorQuestion) -> Coordinator:
        """How we are now.

        Raises:
            Unreadable: our own process cannot be looked at.
        """
        state, reason = self._state()
        brief = question.detail is Detail.BRIEF
        return Coordinator(
            state=state,
            reason=reason,
            version=__version__,
            uptime_s=round(time.monotonic() - self._began, 1),
            settings=self.settings,
            work=self._work(),
            working_on=self._works_on(question.about),
            loop_lag=self._lags.told(),
            process=None if brief else self._process(),
            directory=None if brief else self._known(),
            link=None if brief else self._link(),
            registry=None if brief else self._directory.registry.told(),
        )

    def _state_changed(self, change: StateChange) -> None:
        # A connection on which something was refused says so in a second change of the same state.
        self._connections += change.state is BusState.CONNECTED and self._before is not BusState.CONNECTED
        self._before = change.state

    def _state(self) -> tuple[CoordinatorState, str]:
        doubts = (*filter(None, (self._bus.state.reason,)), *self._directory.problems())
        if doubts:
            more = f", and {len(doubts) - 1} more" if len(doubts) > 1 else ""
            return CoordinatorState.DEGRADED, f"{doubts[0]}{more}"
        if self._directory.warming:
            return CoordinatorState.WARMING, "it has just started or come back and does not know yet who is missing"
        return CoordinatorState.UP, "it is connected and knows who is there"

    def _work(self) -> Work:
        one = self.responder
        assert one is not None  # noqa: S101  set before anybody can ask
        return Work(
            in_work=one.in_work,
            limit=one.limit,
            sending=one.sending,
            refused_busy=one.refused_busy,
            unsent=one.unsent,
            asked=sum(stats.requests for stats in one.stats.values()),
        )

    def _works_on(self, about: str) -> bool | None:
        return self.responder.works_on(about) if about and self.responder is not None else None

    def _process(self) -> OwnProcess:
        own = PidDir(os.getpid())
        stat = own.stat()
        return OwnProcess(
            pid=own.pid,
            cores_used=self._lags.cores_used(),
            rss_bytes=stat.rss_bytes,
            descriptors=own.descriptors(),
            descriptors_limit=Limits(own).descriptors().soft,
            threads=stat.threads,
            tasks=len(asyncio.all_tasks()),
        )

    def _known(self) -> DirectoryPart:
        now, roster = self._directory.now(), self._directory.roster
        return DirectoryPart(
            instances=len(roster),
            live=sum(one.live(now) for one in roster),
            coordinators=sum(one.live(now) for one in self._directory.coordinators),
            unread=self._directory.unread(),
        )

    def _link(self) -> Link:
        held = self._bus.held
        return Link(
            state=self._bus.state.state,
            server=self._bus.server,
            reconnects=max(0, self._connections - 1),
            dropped=self._bus.dropped,
            subscriptions=held.subscriptions,
            inboxes=held.inboxes,
            reason=self._bus.state.reason,
        )
