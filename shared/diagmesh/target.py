"""What an agent may see of its neighbour: protocols only, so that agents can be tested without a process."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, Generic, Protocol, TypeVar

import msgspec

from diagmesh.appnats import AppNats
from diagmesh.contract.answers.cgroup import Cgroup, CgroupCpu, CgroupMemory, CgroupPids, Pressures
from diagmesh.contract.answers.connection import Door
from diagmesh.contract.answers.health import LastExit
from diagmesh.contract.answers.races import Races
from diagmesh.contract.answers.resources import ContextSwitches, Io, ProcessState, Trend
from diagmesh.contract.answers.streams import Streams, StreamsQuestion
from diagmesh.contract.answers.surroundings import Filesystem, Host, Interface, Sockets
from diagmesh.contract.wire import Blind
from diagmesh.gopages import GoDoor
from diagmesh.goruntime import GoRuntime
from diagmesh.monitoring import MonitorDoor

__all__ = [
    "Aged",
    "Depth",
    "Disk",
    "Look",
    "MetConnections",
    "NatsDoors",
    "Probe",
    "ProbeResult",
    "ProcessView",
    "RaceLooks",
    "Ring",
    "Sample",
    "Sighting",
    "StreamsView",
    "Target",
    "TcpLink",
    "Trends",
]

T = TypeVar("T")
_MOST_MET: Final = 256


class Sighting(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What the sidecar knows of the neighbour's process right now.

    Args:
        looked_for: how it is found, in words (``port 8080``).
        running: whether a process fits now.
        pid: its process id, 0 when none fits.
        started_at: when the kernel started it.
        restarts_seen: how often a different process took its place since the sidecar started.
        restarts_lately: how often in the last hour.
        last_seen: when a fitting process was last there.
        reason: why none is there, or why the choice is uncertain.
        hidden: whether one may be there that the sidecar is not allowed to see, so that not running proves nothing.
        last_exit: how it ended last, where its launcher told; missing without a launcher.
        settling: whether it ended just now and its launcher is about to tell how: worth another look.
        state: what it did in this look; None when none fits, or where whoever tells this did not look.
    """

    looked_for: str
    running: bool
    pid: int = 0
    started_at: datetime | None = None
    restarts_seen: int = 0
    restarts_lately: int = 0
    last_seen: datetime | None = None
    reason: str = ""
    hidden: bool = False
    last_exit: LastExit | None = None
    settling: bool = False
    state: ProcessState | None = None


class Sample(msgspec.Struct, frozen=True, gc=False):
    """One cheap look, taken at a steady pace and kept in the ring.

    ``at`` is monotonic seconds; ``cpu_s`` is the CPU time used since the process started; None is *not readable*.
    ``cgroup_cpu`` are the counters at the level that has the CPU quota, if there is one.
    """

    at: float
    pid: int
    cpu_s: float | None
    rss_bytes: int | None
    descriptors: int | None
    threads: int | None
    cgroup_cpu: CgroupCpu | None = None


class Look(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One cheap look at the process and its cgroup. None is *not readable*; ``blind`` says why.

    Args:
        at: monotonic seconds.
        cpu_s: CPU time used since the process started.
        fd_bounded: False when the limit of descriptors is *unlimited*, None when it is not readable.
        task_soft_limit: threads that all processes of its user may have; None when unlimited or when it is root's.
    """

    at: float
    pid: int
    state: ProcessState
    started_at: datetime
    uptime_s: float
    cpu_s: float
    rss_bytes: int
    threads: int
    descriptors: int | None = None
    fd_bounded: bool | None = None
    fd_soft_limit: int | None = None
    fd_hard_limit: int | None = None
    task_soft_limit: int | None = None
    allowed_cpus: int | None = None
    io: Io | None = None
    oom_score: int | None = None
    cgroup: Cgroup | None = None
    cgroup_cpu: CgroupCpu | None = None
    cgroup_memory: CgroupMemory | None = None
    cgroup_pids: CgroupPids | None = None
    pressure: Pressures | None = None
    host: Host | None = None
    blind: tuple[Blind, ...] = ()


class Depth(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One expensive look at the process. None is *not readable*; ``blind`` says why."""

    pss_bytes: int | None = None
    uss_bytes: int | None = None
    swap_bytes: int | None = None
    peak_rss_bytes: int | None = None
    sockets: Sockets | None = None
    interfaces: tuple[Interface, ...] | None = None
    children: int | None = None
    context_switches: ContextSwitches | None = None
    blind: tuple[Blind, ...] = ()


class Disk(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One look at the filesystems that the process uses."""

    filesystems: tuple[Filesystem, ...] = ()
    blind: tuple[Blind, ...] = ()


class Aged(msgspec.Struct, Generic[T], frozen=True, gc=False):
    """Something seen, and how long ago."""

    value: T
    age_s: float


class TcpLink(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One TCP connection of the process, as the kernel tells it.

    Args:
        local_address: of this side.
        local_port: of this side.
        remote_address: of the other side.
        remote_port: of the other side.
        state: as ``ESTABLISHED``.
        send_queue_bytes: handed to the kernel and not confirmed by the other side.
        receive_queue_bytes: arrived and not read by the process.
    """

    local_address: str
    local_port: int
    remote_address: str
    remote_port: int
    state: str
    send_queue_bytes: int
    receive_queue_bytes: int


class NatsDoors(Protocol):
    """The NATS servers that the instance should connect to, as the settings name them."""

    @property
    def source(self) -> str:
        """Which table names them: ``target.connection`` or ``target.nats``."""
        ...

    @property
    def client_name(self) -> str:
        """What the service calls its connections; empty where the settings do not say it."""
        ...

    async def knock(self, timeout_s: float, pings: int) -> Sequence[Door]:
        """Knock at each of them, side by side, with one short connection. Never raises for what they do."""
        ...


class MetConnections:
    """The NATS connections that this instance was seen with: by these, ended ones of it are known later. Bounded."""

    def __init__(self) -> None:
        self.keys: dict[tuple[str, int], None] = {}
        self.names: dict[str, None] = {}
        self.addresses: dict[str, None] = {}

    def remember(self, server_id: str, cid: int, name: str, address: str) -> None:
        """One that it has now: where, its name, and the address from which the server sees it come."""
        given: tuple[tuple[dict[Any, None], Any], ...] = (
            (self.keys, (server_id, cid)),
            (self.names, name),
            (self.addresses, address),
        )
        for kept, key in given:
            if key:
                kept.pop(key, None)
                kept[key] = None
                if len(kept) > _MOST_MET:
                    del kept[next(iter(kept))]


class ProcessView(Protocol):
    """One process, bound to its identity: after its end every look raises `NotRunning`, whoever gets its number."""

    @property
    def pid(self) -> int:
        """Its process id."""
        ...

    @property
    def started_at(self) -> datetime:
        """When the kernel started it."""
        ...

    def state(self) -> ProcessState:
        """What it does now (some microseconds); raises `NotRunning` once it is gone."""
        ...

    def look(self) -> Look:
        """The cheap set. Reads files: call it in a thread."""
        ...

    def tcp_links(self) -> Sequence[TcpLink]:
        """Its TCP connections (no listeners). Reads files: call it in a thread; raises `Unreadable`."""
        ...

    async def depth(self, max_age_s: float) -> Aged[Depth]:
        """The expensive set, looked at again in a thread when it is older than that, one look at a time."""
        ...

    async def disks(self, max_age_s: float) -> Aged[Disk]:
        """The filesystems it uses, likewise; a file system that does not answer raises `Unreadable`."""
        ...


class Trends(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The slopes of the recent past, and how many threads are usual in it; None with too few samples."""

    rss: Trend | None = None
    descriptors: Trend | None = None
    threads: Trend | None = None
    threads_usual: float | None = None


class Ring(Protocol):
    """The bounded recent past of one neighbour."""

    def samples(self, window_s: float | None = None) -> Sequence[Sample]:
        """The samples of the present process, oldest first; at most the last ``window_s`` seconds."""
        ...

    def trends(self, window_s: float) -> Trends:
        """The slopes over the last ``window_s`` seconds (a millisecond of computing after each new sample)."""
        ...


class ProbeResult(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One look at one door of the service.

    Args:
        name: which probe.
        kind: ``http``, ``tcp``, ``nats`` or ``srv``.
        target: what was asked, without secrets.
        ok: whether the door answered as declared; None when it could not be judged.
        reason: why it is not ok, or could not be judged.
        took_ms: time until the verdict.
        phases_ms: time per phase (``resolve``, ``connect``, ``tls``, ``first_byte``, ``body``; ``reply`` over NATS).
        status_code: of HTTP, or of the service error header.
        required: whether the service is *down* (true) or only *degraded* (false) when this fails.
        fix: what makes it possible to judge, when ``ok`` is None.
        age_s: how long ago this was seen, when the answer to an earlier look is told again; 0 for a fresh look.
        instances: how many instances answered (``srv`` only).
    """

    name: str
    kind: str
    target: str
    ok: bool | None
    reason: str = ""
    took_ms: float | None = None
    phases_ms: dict[str, float] = {}
    status_code: int | None = None
    required: bool = True
    fix: str = ""
    age_s: float = 0.0
    instances: int | None = None


class Probe(Protocol):
    """One declared door of the service that may be knocked at."""

    name: str

    async def look(self) -> ProbeResult:
        """Knock once. Never raises for what the door does; the waiting is bounded by the probe's own time-out."""
        ...


class RaceLooks(Protocol):
    """What the race detector of Go reported of one service."""

    def look(self) -> Races:
        """All of it. Reads files: call it in a thread.

        Raises:
            Unavailable: nobody could report anything here (501, with what to do).
        """
        ...


class StreamsView(Protocol):
    """The streams and consumers that the service uses, through the observer connection."""

    async def look(self, question: StreamsQuestion) -> Streams:
        """Look now; twice, half a second apart, where nobody looked within the last minute. Messages are as they are.

        Raises:
            NoObserver: there is no such connection (501).
            Unavailable: its account has no JetStream (501), or nobody can be asked now (503).
        """
        ...

    async def watch(self) -> None:
        """Hear what JetStream says, and keep a past of the streams that the settings name, until cancelled."""
        ...


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
