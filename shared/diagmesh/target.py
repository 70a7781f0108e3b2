"""What an agent may see of its neighbour: protocols only, so that agents can be tested without a process."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Protocol

import msgspec

from diagmesh.contract.wire import Blind

__all__ = ["Probe", "ProbeResult", "Ring", "Sample", "Sighting", "Target"]


class Sighting(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What the sidecar knows of the neighbour's process right now.

    Args:
        looked_for: how it is found, in words (``port 8080``).
        running: whether a process fits now.
        pid: its process id, 0 when none fits.
        started_at: when the kernel started it.
        restarts_seen: how often a different process took its place since the sidecar started.
        last_seen: when a fitting process was last there.
        reason: why none is there, or why the choice is uncertain.
    """

    looked_for: str
    running: bool
    pid: int = 0
    started_at: datetime | None = None
    restarts_seen: int = 0
    last_seen: datetime | None = None
    reason: str = ""


class Sample(msgspec.Struct, frozen=True, gc=False):
    """One cheap look, taken at a steady pace and kept in the ring.

    ``at`` is monotonic seconds; ``cpu_s`` is the CPU time used since the process started; None is *not readable*.
    """

    at: float
    pid: int
    cpu_s: float | None
    rss_bytes: int | None
    descriptors: int | None
    threads: int | None


class Ring(Protocol):
    """The bounded recent past of one neighbour."""

    def samples(self, window_s: float | None = None) -> Sequence[Sample]:
        """The samples of the present process, oldest first; at most the last ``window_s`` seconds."""
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
        phases_ms: time per phase (``resolve``, ``connect``, ``tls``, ``first_byte``, ``body``).
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
    def process(self) -> Any:
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

    def sighting(self) -> Sighting:
        """Which process fits now, looked up afresh (a few microseconds while it lives)."""
        ...

    def blind(self) -> Sequence[Blind]:
        """What this sidecar cannot see of the neighbour at all, with the way to fix it."""
        ...
