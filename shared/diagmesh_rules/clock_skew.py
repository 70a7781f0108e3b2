"""clock-skew: the clock of an instance's host is not that of whoever asked."""

from collections.abc import Iterator

from diagmesh.clocks import Offset
from diagmesh.contract.answers.health import Health
from diagmesh.contract.findings import Fact, FindingClass, Severity
from diagmesh.declare import Hit, Limits, Unjudged, rule
from diagmesh.evidence import Evidence
from diagmesh.expected import Key
from diagmesh_rules._words import duration

__all__ = ["SkewLimits", "clock_skew"]


class SkewLimits(Limits, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How far apart clocks may be.

    Args:
        most_s: events of different hosts that are further apart than this are still put into their right order.
    """

    most_s: float = 1.0


@rule(
    "MESH-004",
    "Clock is skewed",
    severity=Severity.WARNING,
    issue=FindingClass.CONFIGURATION,
    reads=(Health,),
    limits=SkewLimits(),
    over_many=True,
)
def clock_skew(seen: Evidence, limits: SkewLimits) -> Iterator[Hit | Unjudged]:
    """The clock of every instance is that of whoever asked, to within a second."""
    judged = [(where, told) for where, _ in seen.each(Health) if (told := seen.offsets.get(where)) is not None]
    ours = _all_alike([_side(told, limits.most_s) for _, told in judged], {_host(seen, where) for where, _ in judged})
    for where, told in judged:
        if _side(told, limits.most_s):
            yield _hit(where, told, limits, host=_host(seen, where), ours=ours)
        elif max(-told.low_s, told.high_s) > limits.most_s:
            yield Unjudged(where=where, why="its reply was too slow on its way to tell its clock")
    for where, _ in seen.each(Health):
        if where not in seen.offsets:
            yield Unjudged(where=where, why="when its reply was made, or when it came, is not known")


def _side(told: Offset, most_s: float) -> int:
    """1 surely ahead by more than the limit, -1 surely behind, 0 neither."""
    return (told.low_s > most_s) - (told.high_s < -most_s)


def _all_alike(sides: list[int], hosts: set[str]) -> bool:
    """Whether several hosts all differ on one side: then it is our own clock that is wrong, most likely."""
    return len(hosts) > 1 and 0 not in sides and len(set(sides)) == 1


def _host(seen: Evidence, where: Key) -> str:
    reply = seen.reply(where, Health)
    return reply.host if reply is not None else ""


def _hit(where: Key, told: Offset, limits: SkewLimits, *, host: str, ours: bool) -> Hit:
    ahead = told.low_s > 0
    least_s, most_s = (told.low_s, told.high_s) if ahead else (-told.high_s, -told.low_s)
    side = "ahead of" if ahead else "behind"
    words = "all hosts differ alike, so look at the clock of whoever asked first: timedatectl timesync-status"
    return Hit(
        where=where,
        title=f"its clock is {duration(least_s)} {side} that of whoever asked",
        evidence=(
            Fact(what=f"{side} the asker by at least", value=round(least_s, 3), unit="s", limit=limits.most_s),
            Fact(what=f"{side} the asker by at most", value=round(most_s, 3), unit="s"),
            Fact(what="host", value=host),
        ),
        now=(words,) if ours else (),
    )
