"""nats-clock-skew: the clock of a NATS server is not that of the host of the instance."""

from collections.abc import Iterator

from diagmesh.contract.answers.connection import Connection, ServerClock
from diagmesh.contract.findings import Fact, FindingClass, Severity
from diagmesh.declare import Hit, Limits, Unjudged, rule
from diagmesh.evidence import Evidence
from diagmesh.expected import Key
from diagmesh_rules._words import duration

__all__ = ["ServerClockLimits", "nats_clock_skew"]


class ServerClockLimits(Limits, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How far apart clocks may be.

    Args:
        most_s: by more than this, surely.
    """

    most_s: float = 1.0


@rule(
    "NATS-023",
    "Clock of a NATS server is skewed",
    severity=Severity.WARNING,
    issue=FindingClass.CONFIGURATION,
    reads=(Connection,),
    limits=ServerClockLimits(),
)
def nats_clock_skew(seen: Evidence, limits: ServerClockLimits) -> Iterator[Hit | Unjudged]:
    """The clock of every NATS server is that of the host of the service, to within a second."""
    for where, answer in seen.each(Connection):
        if answer.clocks is None:
            yield Unjudged(where=where, why="no server told its time: that takes an observer, [targets.nats]")
            continue
        away = [one for one in answer.clocks if one.low_s > limits.most_s or one.high_s < -limits.most_s]
        if away:
            yield _hit(where, away, alike=len(away) == len(answer.clocks) > 1, limits=limits)


def _hit(where: Key, away: list[ServerClock], *, alike: bool, limits: ServerClockLimits) -> Hit:
    first = max(away, key=_least_s)
    side = "ahead of" if first.low_s > 0 else "behind"
    more = f" (and {len(away) - 1} more)" if len(away) > 1 else ""
    words = "all servers differ alike, so look at the clock of this host first: timedatectl timesync-status"
    return Hit(
        where=where,
        title=f"the clock of {first.server}{more} is {duration(_least_s(first))} {side} that of this host",
        evidence=tuple(
            Fact(
                what=f"{one.server}: {'ahead' if one.low_s > 0 else 'behind'} by at least",
                value=round(_least_s(one), 3),
                unit="s",
                limit=limits.most_s,
            )
            for one in away
        ),
        now=(words,) if alike else (),
    )


def _least_s(one: ServerClock) -> float:
    return one.low_s if one.low_s > 0 else -one.high_s
