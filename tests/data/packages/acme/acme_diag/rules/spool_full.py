"""spool-full: more orders wait in the spool folder than are taken out of it."""

from collections.abc import Iterator

from acme_diag.agents.spool import Spool
from diagmesh import Evidence, Fact, FindingClass, Hit, Limits, Severity, Unjudged, rule

__all__ = ["SpoolLimits", "spool_full"]


class SpoolLimits(Limits, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When it is full.

    Args:
        waiting_count: so many files, or more.
    """

    waiting_count: int = 3


@rule(
    "REQ-900",
    "Spool is full",
    severity=Severity.ERROR,
    issue=FindingClass.PERFORMANCE_DEGRADATION,
    reads=(Spool,),
    limits=SpoolLimits(),
)
def spool_full(seen: Evidence, limits: SpoolLimits) -> Iterator[Hit | Unjudged]:
    """Few orders wait in the spool folder."""
    for where, spool in seen.each(Spool):
        if spool.waiting >= limits.waiting_count:
            fact = Fact(what="files waiting", value=spool.waiting, unit="count", limit=limits.waiting_count)
            yield Hit(where=where, title=f"{spool.waiting} orders wait in {spool.folder}", evidence=(fact,))
