"""process-stopped: the process of an instance exists, but runs no code."""

from collections.abc import Iterator

from diagmesh.contract.answers.health import Health
from diagmesh.contract.answers.resources import ProcessState
from diagmesh.contract.findings import Fact, FindingClass, Severity
from diagmesh.declare import Hit, Limits, Unjudged, rule
from diagmesh.evidence import Evidence
from diagmesh_rules._process import Standing, standing, why_blind

__all__ = ["process_stopped"]


@rule("PROC-002", "Process is stopped", severity=Severity.CRITICAL, issue=FindingClass.CRASH, reads=(Health,))
def process_stopped(seen: Evidence, limits: Limits) -> Iterator[Hit | Unjudged]:  # noqa: ARG001  it has no thresholds
    """No process is stopped by a signal or held by a debugger."""
    for where, health in seen.each(Health):
        match standing(health):
            case Standing.HELD:
                traced = health.process_state is ProcessState.TRACED
                how = "held by a tracer (a debugger)" if traced else "stopped by a signal"
                facts = (
                    Fact(what="process state", value=str(health.process_state)),
                    Fact(what="pid", value=health.pid),
                )
                now = f"ps -o pid,ppid,stat,etime,args {health.pid}"
                yield Hit(where=where, title=f"process {health.pid} is {how}", evidence=facts, now=(_RUN + now,))
            case Standing.BLIND:
                yield Unjudged(where=where, why=why_blind(health))


_RUN = "on its host or in its pod: "
