"""HEALTHZ: whether a server counts itself ready."""

from msgspec import field

from diagmesh.adapters.natsmon.door import Part

__all__ = ["HealthError", "Healthz"]


class HealthError(Part, frozen=True, kw_only=True, gc=False):
    """One failed check (``details=1``): ``type`` as ``STREAM``, and the names it is about."""

    type: str = ""
    account: str = ""
    stream: str = ""
    consumer: str = ""
    error: str = ""


class Healthz(Part, frozen=True, kw_only=True, gc=False):
    """The verdict of a server on itself.

    Source: ``HealthStatus`` in server/monitor.go of nats-server.

    Args:
        status: ``ok``, ``unavailable`` or ``error``.
        status_code: of HTTP; 0 where it is not told in the body.
        error: why not.
        errors: each failed check, by request.
    """

    status: str = ""
    status_code: int = 0
    error: str = ""
    errors: tuple[HealthError, ...] = field(default=())
