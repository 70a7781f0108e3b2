"""jetstream-nearly-full: JetStream holds, or has promised, nearly all that a server gives it."""

from collections.abc import Iterator

from diagmesh.contract.answers.server import Server
from diagmesh.contract.findings import Fact, FindingClass, Severity
from diagmesh.declare import Hit, Limits, Unjudged, rule
from diagmesh.evidence import Evidence
from diagmesh_rules._words import percent, size

__all__ = ["JetStreamRoomLimits", "jetstream_nearly_full"]


class JetStreamRoomLimits(Limits, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How full is too full.

    Args:
        used_share: of what it may hold.
        error_share: of the same: an error, for writes fail soon.
        reserved_share: of what may be promised to streams.
    """

    used_share: float = 0.9
    error_share: float = 0.98
    reserved_share: float = 0.95


@rule(
    "SRV-005",
    "JetStream of a server is nearly full",
    severity=Severity.WARNING,
    issue=FindingClass.RESOURCE_EXHAUSTION,
    reads=(Server,),
    limits=JetStreamRoomLimits(),
)
def jetstream_nearly_full(seen: Evidence, limits: JetStreamRoomLimits) -> Iterator[Hit | Unjudged]:
    """JetStream has room on every nats-server."""
    for where, answer in seen.each(Server):
        use = answer.jetstream
        if use is None:
            yield Unjudged(where=where, why="JetStream is off", not_here=True)
            continue
        disk, memory = use.max_storage_bytes, use.max_memory_bytes
        for what, share, used, most in (
            ("storage", use.storage_share, use.storage_bytes, disk),
            ("memory", use.memory_share, use.memory_bytes, memory),
            ("reserved storage", use.reserved_storage_share, use.reserved_storage_bytes, disk),
            ("reserved memory", use.reserved_memory_share, use.reserved_memory_bytes, memory),
        ):
            if share is not None and share >= (limits.reserved_share if "reserved" in what else limits.used_share):
                full = share >= limits.error_share and not what.startswith("reserved")
                yield Hit(
                    where=where,
                    title=f"JetStream {what} of {answer.name} at {percent(share)} of {size(most)}",
                    evidence=(Fact(what=what, value=used, unit="bytes", limit=float(most)),),
                    severity=Severity.ERROR if full else None,
                )
