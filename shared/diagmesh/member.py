"""One member of the mesh: the addresses it is asked on, discovery, heartbeats, events; started and drained as one."""

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Sequence
from typing import Final

import msgspec

from diagmesh import __version__
from diagmesh.bus.core import Bus, Subscription
from diagmesh.contract.micro import AGENT_NAME, COORDINATOR_NAME, Ping
from diagmesh.contract.presence import Heartbeat
from diagmesh.contract.subjects import QUEUE
from diagmesh.contract.wire import WIRE_VERSION
from diagmesh.errors import BusError
from diagmesh.micro import Discovery, Tally
from diagmesh.presence import Events, Heartbeats
from diagmesh.serve import Identity, Kinds, Responder

__all__ = ["Address", "Member", "addresses_of_coordinator", "addresses_of_instance", "new_boot"]

log = logging.getLogger("diagmesh.member")

_DRAIN_S: Final = 5.0
_GOODBYE_S: Final = 1.0


class Address(msgspec.Struct, frozen=True):
    """One subscription on which questions come in."""

    subject: str
    queue: str = ""


def new_boot() -> str:
    """A random id for one start of one member."""
    return secrets.token_hex(8)


def addresses_of_instance(service: str, instance: str) -> tuple[Address, ...]:
    """The four addresses of one instance; exactly one of them matches any question subject."""
    return (
        Address(f"diag.{service}.*", QUEUE),
        Address(f"diag.{service}.*.all"),
        Address(f"diag.{service}.*.{instance}"),
        Address("diag.all.*"),
    )


def addresses_of_coordinator(instance: str) -> tuple[Address, ...]:
    """The three addresses of a coordinator: any of them, each of them, and this one."""
    return (Address("diag.mesh.*", QUEUE), Address("diag.mesh.*.all"), Address(f"diag.mesh.*.{instance}"))


class Member:
    """Serves kinds on a bus under one identity.

    Args:
        bus: a started bus; the member neither opens nor closes it.
        identity: who answers.
        kinds: what is answered.
        addresses: where questions come in.
        heartbeat_s: pace of the heartbeats.
        concurrency: looks at a time, over all kinds.
        labels: told with every heartbeat.
    """

    def __init__(
        self,
        bus: Bus,
        identity: Identity,
        kinds: Kinds,
        addresses: Sequence[Address],
        *,
        heartbeat_s: float = 5.0,
        concurrency: int = 32,
        labels: dict[str, str] | None = None,
    ) -> None:
        self._bus = bus
        self._identity = identity
        self._kinds = kinds
        self._addresses = addresses
        self._labels = labels or {}
        self.events = Events(bus, identity.service, identity.instance, identity.boot)
        self.responder = Responder(bus, identity, kinds, concurrency=concurrency, emit=self.events.emit)
        self._heartbeats = Heartbeats(bus, identity.service, identity.instance, self._beat, interval_s=heartbeat_s)
        self._discovery = Discovery(
            bus,
            Ping(
                name=COORDINATOR_NAME if identity.service == "mesh" else AGENT_NAME,
                id=identity.boot,
                version=__version__,
                metadata={"service": identity.service, "instance": identity.instance, "host": identity.host},
            ),
            service=identity.service,
            description=f"diagmesh: ask diag.{identity.service}.<kind>",
            tallies=self._tallies,
            counters=self._counters,
        )
        self._subscriptions: list[Subscription] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Listen, then tell that we are here. While the bus is not connected this takes effect when it is."""
        for address in self._addresses:
            self._subscriptions.append(
                await self._bus.subscribe(address.subject, self.responder.take, queue=address.queue)
            )
        await self._discovery.start()
        with contextlib.suppress(BusError):
            await self._bus.barrier()  # nobody hears of us before we can be asked
        loop = asyncio.get_running_loop()
        name = f"{self._identity.service}/{self._identity.instance}"
        self._tasks = [
            loop.create_task(self._heartbeats.run(), name=f"heartbeats {name}"),
            loop.create_task(self.events.run(), name=f"events {name}"),
        ]

    async def drain(self, timeout_s: float = _DRAIN_S) -> None:
        """Leave on purpose: say ``bye``, take no more questions, answer those in work. Bounded."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=1)
        await self._heartbeats.send(bye=True)
        # Side by side: a frozen server confirms nothing, and each of these would wait its full bound for it.
        await asyncio.gather(self._discovery.stop(), *(one.unsubscribe() for one in self._subscriptions))
        await self.responder.drain(timeout_s)
        await self.events.flush()
        with contextlib.suppress(BusError):
            await self._bus.barrier(_GOODBYE_S)

    def _beat(self) -> Heartbeat:
        return Heartbeat(
            v=WIRE_VERSION,
            boot=self._identity.boot,
            host=self._identity.host,
            kinds=tuple(self._kinds.names()),
            version=__version__,
            labels=self._labels,
        )

    def _counters(self) -> dict[str, int]:
        return {
            "forged": self.responder.forged,
            "unanswerable": self.responder.unanswerable,
            "unsent": self.responder.unsent,
            "events_lost": self.events.lost,
            "dropped": self._bus.dropped,
        }

    def _tallies(self) -> list[Tally]:
        return [self._tally(kind) for kind in self._kinds.names()]

    def _tally(self, kind: str) -> Tally:
        endpoint, stats = self._kinds.find(kind), self.responder.stats.get(kind)
        tells = endpoint.tells if endpoint is not None else ""
        if stats is None:
            return Tally(kind=kind, tells=tells)
        return Tally(
            kind=kind,
            tells=tells,
            requests=stats.requests,
            errors=stats.errors,
            last_error=stats.last_error,
            processing_ns=stats.processing_ns,
        )
