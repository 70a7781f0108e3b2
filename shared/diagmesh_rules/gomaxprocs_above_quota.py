"""gomaxprocs-above-quota: a Go service runs on far more threads than its CPU quota gives it time for."""

import math
from collections.abc import Iterator

from diagmesh.contract.answers.cgroup import Bound
from diagmesh.contract.answers.runtime import Known, Runtime, Scheduler
from diagmesh.contract.findings import Fact, FindingClass, Severity
from diagmesh.declare import Hit, Limits, Unjudged, rule
from diagmesh.evidence import Evidence

__all__ = ["GomaxprocsLimits", "gomaxprocs_above_quota"]

_LEAST = 2
"""What Go takes at least under a quota, however small that is."""
_WORDS = {
    Known.TOLD: "the service tells it",
    Known.ENVIRONMENT: "its environment sets it",
    Known.DEFAULT: "what this version of Go takes by itself",
}


class GomaxprocsLimits(Limits, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many threads are far too many.

    Args:
        factor: GOMAXPROCS over the quota in whole CPUs (two at least).
        throttled_share: of the quota's periods in which it had to wait; from here it is a warning, below it is told.
    """

    factor: float = 2.0
    throttled_share: float = 0.05


@rule(
    "GO-006",
    "GOMAXPROCS is far above the CPU quota",
    severity=Severity.WARNING,
    issue=FindingClass.CONFIGURATION,
    reads=(Runtime,),
    limits=GomaxprocsLimits(),
)
def gomaxprocs_above_quota(seen: Evidence, limits: GomaxprocsLimits) -> Iterator[Hit | Unjudged]:
    """No Go service runs on twice as many threads as its CPU quota gives it time for, or more."""
    for where, answer in seen.each(Runtime):
        scheduler = answer.scheduler
        quota, procs = scheduler.quota_cores, scheduler.gomaxprocs
        if scheduler.bound is Bound.UNLIMITED:
            continue
        if quota is None:
            yield Unjudged(where=where, why="whether it has a CPU quota was not seen")
        elif procs is None:
            fix = "give [targets.go] metrics that tell it, or let the sidecar read its environment and executable"
            yield Unjudged(where=where, why=f"GOMAXPROCS is not told ({fix})")
        elif procs >= limits.factor * max(_LEAST, math.ceil(quota)):
            throttled = (scheduler.throttled_share or 0.0) >= limits.throttled_share
            yield Hit(
                where=where,
                title=f"GOMAXPROCS is {procs} under a CPU quota of {quota:g} cores",
                evidence=tuple(_facts(scheduler, limits)),
                severity=Severity.WARNING if throttled else Severity.INFO,
                now=(f"set GOMAXPROCS={max(_LEAST, math.ceil(quota))} in its environment, and restart it",),
            )


def _facts(scheduler: Scheduler, limits: GomaxprocsLimits) -> Iterator[Fact]:
    how = f" ({_WORDS[scheduler.known]})" if scheduler.known is not None else ""
    yield Fact(what=f"GOMAXPROCS{how}", value=str(scheduler.gomaxprocs))
    yield Fact(what="CPU quota", value=scheduler.quota_cores, unit="cores")
    if scheduler.allowed_cpus is not None:
        yield Fact(what="CPUs that it may run on", value=str(scheduler.allowed_cpus))
    if scheduler.throttled_share is not None:
        share, limit = scheduler.throttled_share, limits.throttled_share
        yield Fact(what="throttled periods", value=share, unit="share", limit=limit)
    if scheduler.cores_used is not None:
        yield Fact(what="CPU used by the process", value=scheduler.cores_used, unit="cores")
