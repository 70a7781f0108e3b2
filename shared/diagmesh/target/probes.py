"""The doors of the service that may be knocked at."""

from typing import Protocol

import msgspec

__all__ = ["Probe", "ProbeResult"]


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
