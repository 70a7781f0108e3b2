"""SUBSZ: how many subscriptions a server or an account has, and which."""

from datetime import datetime

from msgspec import field

from diagmesh.adapters.natsmon.connz import Subscription
from diagmesh.adapters.natsmon.door import Part

__all__ = ["Subsz"]


class Subsz(Part, frozen=True, kw_only=True, gc=False):
    """A page of subscriptions, and what they cost.

    Source: ``Subsz`` and ``SublistStats`` in server of nats-server.

    Args:
        server_id: of whom.
        now: by its clock.
        num_subscriptions: of the whole server, or of the account that was asked for.
        num_cache: subjects in the cache of matches.
        num_inserts: subscriptions made since the start.
        num_removes: subscriptions taken away since the start.
        num_matches: look-ups since the start.
        cache_hit_rate: 0 to 1.
        max_fanout: the most subscriptions that one subject reached.
        avg_fanout: on average.
        total: how many fit the filter.
        offset: of the page.
        limit: of the page.
        subscriptions: of the page (``subs=1``).
    """

    server_id: str = ""
    now: datetime | None = None
    num_subscriptions: int = 0
    num_cache: int = 0
    num_inserts: int = 0
    num_removes: int = 0
    num_matches: int = 0
    cache_hit_rate: float = 0.0
    max_fanout: int = 0
    avg_fanout: float = 0.0
    total: int = 0
    offset: int = 0
    limit: int = 0
    subscriptions: tuple[Subscription, ...] = field(default=(), name="subscriptions_list")
