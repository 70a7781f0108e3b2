"""nats-subscription-limit: a connection of the service has (nearly) as many subscriptions as its user may have."""

from collections.abc import Iterator

from diagmesh.contract.answers.connection import Connection, ServerView
from diagmesh.contract.findings import Fact, FindingClass, Severity
from diagmesh.declare import Hit, Limits, Unjudged, rule
from diagmesh.evidence import Evidence
from diagmesh.expected import Key
from diagmesh_rules._nats_views import views_of

__all__ = ["SubscriptionLimits", "nats_subscription_limit"]


class SubscriptionLimits(Limits, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How near is too near.

    Args:
        near_share: of what the user may have.
    """

    near_share: float = 0.9


@rule(
    "NATS-014",
    "Subscriptions are near their limit",
    severity=Severity.WARNING,
    issue=FindingClass.RESOURCE_EXHAUSTION,
    reads=(Connection,),
    limits=SubscriptionLimits(),
)
def nats_subscription_limit(seen: Evidence, limits: SubscriptionLimits) -> Iterator[Hit | Unjudged]:
    """The service may still subscribe to more."""
    for where, answer in seen.each(Connection):
        views = views_of(where, answer)
        if isinstance(views, Unjudged):
            yield views
            continue
        full = [view for view in views if _share(view) >= limits.near_share]
        if full:
            yield _hit(where, full, limits)


def _share(view: ServerView) -> float:
    return view.subscriptions / view.most_subscriptions if view.most_subscriptions else 0.0


def _hit(where: Key, full: list[ServerView], limits: SubscriptionLimits) -> Hit:
    first = full[0]
    count = f"{first.subscriptions} of {first.most_subscriptions}"
    reached = _share(first) >= 1.0
    what = "the server refuses further ones" if reached else "the server will refuse more"
    return Hit(
        where=where,
        title=f"{first.name or 'a connection'} has {count} subscriptions: {what}",
        severity=Severity.ERROR if reached else Severity.WARNING,
        evidence=tuple(
            Fact(
                what="subscriptions of what its user may have",
                value=round(_share(view), 4),
                unit="share",
                limit=limits.near_share,
                at=f"{view.server} cid {view.cid}",
            )
            for view in full
        ),
    )
