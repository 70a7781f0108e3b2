"""not-ready: a door of an instance answers, and says that the instance is not ready."""

from collections.abc import Iterator

from diagmesh.contract.answers.health import Check, Health
from diagmesh.contract.findings import Fact, FindingClass, Severity
from diagmesh.declare import Hit, Limits, Unjudged, rule
from diagmesh.evidence import Evidence
from diagmesh.expected import Key
from diagmesh_rules._by_hand import by_hand
from diagmesh_rules._process import Standing, probes, standing, unready, unseen
from diagmesh_rules._words import duration

__all__ = ["ReadyLimits", "not_ready"]


class ReadyLimits(Limits, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When it should be ready.

    Args:
        starting_s: a process that is younger may still be starting: a warning, whatever the probe is.
    """

    starting_s: float = 60.0


@rule(
    "PROC-006",
    "Instance is not ready",
    severity=Severity.ERROR,
    issue=FindingClass.CONNECTION_FAILURE,
    reads=(Health,),
    limits=ReadyLimits(),
)
def not_ready(seen: Evidence, limits: ReadyLimits) -> Iterator[Hit | Unjudged]:
    """No instance whose process runs says that it is not ready (code 503)."""
    for where, health in seen.each(Health):
        if standing(health) in {Standing.GONE, Standing.HELD}:
            continue  # nothing can say anything then: PROC-001 and PROC-002 tell it
        if said := unready(health):
            yield _hit(where, health, said, limits)
        elif why := unseen(health):
            yield Unjudged(where=where, why=why)


def _hit(where: Key, health: Health, said: tuple[Check, ...], limits: ReadyLimits) -> Hit:
    first, uptime_s = said[0], health.uptime_s
    starting = uptime_s is not None and uptime_s < limits.starting_s
    kind = "required" if first.required else "optional"
    title = f"says itself that it is not ready ({kind} probe {first.name}: code 503)"
    if len(said) > 1:
        title += f" (with it {len(said) - 1} more of {len(probes(health))} probes)"
    facts = [fact for check in said for fact in _facts(check)]
    if starting and uptime_s is not None:
        facts.append(Fact(what="uptime", value=uptime_s, unit="s", limit=limits.starting_s))
        title += f", {duration(uptime_s)} after its start"
    severity = Severity.ERROR if first.required and not starting else Severity.WARNING
    return Hit(where=where, title=title, evidence=tuple(facts), severity=severity, now=by_hand(where, first))


def _facts(check: Check) -> Iterator[Fact]:
    yield Fact(what=f"{check.name} ({check.kind}) {check.target}".rstrip(), value=check.reason)
    if check.took_ms is not None:
        yield Fact(what=f"{check.name} took", value=check.took_ms, unit="ms")
