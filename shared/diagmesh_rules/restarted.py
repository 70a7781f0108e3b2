"""restarted: another process took the place of the one before, not long ago."""

from collections.abc import Iterator

from diagmesh.contract.answers.health import Health
from diagmesh.contract.findings import Fact, FindingClass, Severity
from diagmesh.declare import Hit, Limits, Unjudged, rule
from diagmesh.evidence import Evidence
from diagmesh_rules._ending import crash, restarts_lately
from diagmesh_rules._process import Standing, standing, why_blind
from diagmesh_rules._words import duration

__all__ = ["RestartLimits", "restarted"]


class RestartLimits(Limits, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What counts as a restart worth telling.

    Args:
        recent_s: a process that runs longer has settled; longer than the pause of Kubernetes between crashes (300 s).
    """

    recent_s: float = 600.0


@rule(
    "PROC-004",
    "Process restarted",
    severity=Severity.WARNING,
    issue=FindingClass.CRASH,
    reads=(Health,),
    limits=RestartLimits(),
)
def restarted(seen: Evidence, limits: RestartLimits) -> Iterator[Hit | Unjudged]:
    """No running process took the place of another a short time ago."""
    for where, health in seen.each(Health):
        stands = standing(health)
        if stands is Standing.BLIND:
            yield Unjudged(where=where, why=why_blind(health))
        elif stands is Standing.GONE or not health.restarts_seen or crash(health) is not None:
            continue  # told by PROC-001, with the number of its restarts, or by PROC-007, with how it ended
        elif health.uptime_s is None:
            yield Unjudged(where=where, why="when its process started could not be seen")
        elif stands is Standing.THERE and health.uptime_s < limits.recent_s:
            lately = max(1, restarts_lately(health))
            times = "once" if lately == 1 else f"{lately} times"
            yield Hit(
                where=where,
                title=f"restarted {times}, last {duration(health.uptime_s)} ago",
                evidence=(
                    Fact(what="restarts in the last hour", value=lately, unit="count"),
                    Fact(what="restarts seen", value=health.restarts_seen, unit="count"),
                    Fact(what="uptime", value=health.uptime_s, unit="s", limit=limits.recent_s),
                ),
            )
