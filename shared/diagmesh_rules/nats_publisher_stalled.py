"""nats-publisher-stalled: publishers are held up, because the service does not take what they send to it."""

from collections.abc import Iterator

from diagmesh.contract.answers.connection import Connection, ServerView
from diagmesh.contract.findings import Fact, FindingClass, Severity
from diagmesh.declare import Hit, Limits, Unjudged, rule
from diagmesh.evidence import Evidence
from diagmesh_rules._nats_views import views_of
from diagmesh_rules._words import number

__all__ = ["StallLimits", "nats_publisher_stalled"]


class StallLimits(Limits, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How often that may be.

    Args:
        stalls_per_s: how often a publisher may be held up, between two looks.
    """

    stalls_per_s: float = 1.0


@rule(
    "NATS-012",
    "Publishers are held up",
    severity=Severity.WARNING,
    issue=FindingClass.PERFORMANCE_DEGRADATION,
    reads=(Connection,),
    limits=StallLimits(),
)
def nats_publisher_stalled(seen: Evidence, limits: StallLimits) -> Iterator[Hit | Unjudged]:
    """No publisher is held up because the service reads too slowly."""
    for where, answer in seen.each(Connection):
        views = views_of(where, answer)
        if isinstance(views, Unjudged):
            yield views
            continue
        held = [view for view in views if (view.stalls_per_s or 0.0) >= limits.stalls_per_s]
        if held:
            yield Hit(where=where, title=_title(held[0]), evidence=tuple(_fact(view, limits) for view in held))
        elif views and all(view.stalls_per_s is None for view in views):
            yield Unjudged(where=where, why="there was one look only, so no rate")


def _title(view: ServerView) -> str:
    rate = view.stalls_per_s or 0.0
    busiest = f"; its busiest subject is {view.subs[0].subject}" if view.subs else ""
    return f"publishers are held up {number(rate)} times a second for {view.name or 'its connection'}{busiest}"


def _fact(view: ServerView, limits: StallLimits) -> Fact:
    at = f"{view.server} cid {view.cid}"
    return Fact(what="publishers held up", value=view.stalls_per_s, unit="1/s", limit=limits.stalls_per_s, at=at)
