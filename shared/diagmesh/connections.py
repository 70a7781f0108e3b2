"""Who is connected, as the servers told it at one moment, and what that says of somebody who is silent."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final, NamedTuple

import msgspec

from diagmesh.contract.directory import InstanceState
from diagmesh.expected import Absence, Expected, Key

__all__ = ["Connections", "Since", "connection_key", "judge"]

_NAME_PREFIX: Final = "diag/"
_PATIENCE_S: Final = 3.0
_INTERVALS: Final = 1.2
"""A heartbeat may be late by its jitter and the way here."""
_HUNG: Final = "is hung, frozen or overloaded"
_UNSEEN: Final = "; the service itself was not seen"
_LEAF_ADVICE: Final = (
    "; its heartbeats arrive, so if it never answers, let the user of that leafnode publish to the inboxes"
    " (deploy/nats/CLUSTER.md)"
)


class Since(NamedTuple):
    """When a connection began, as its server tells it: begin and present by the server's clock, and when we heard."""

    start: str
    now: str
    heard_at: float

    def monotonic(self) -> float | None:
        """The latest moment of our monotonic clock at which it can have begun; None when the server did not tell."""
        try:
            age_s = (datetime.fromisoformat(self.now) - datetime.fromisoformat(self.start)).total_seconds()
        except (ValueError, TypeError):
            return None
        return self.heard_at - age_s


class Connections(msgspec.Struct, frozen=True, gc=False):
    """Who is connected, at one moment.

    Args:
        asked_at: monotonic seconds when the question went out; nothing is known of later.
        keys: the instances whose sidecars are connected.
        servers: the servers that answered.
        problem: why this look could not be taken; empty when it could.
        leaves: servers that are linked to these as leafnodes, since when; their own connections are not seen.
        since: when the connections began.
        reached: servers that did not answer an earlier look, and when they first did again, monotonic seconds.
    """

    asked_at: float
    keys: frozenset[Key] = frozenset()
    servers: frozenset[str] = frozenset()
    problem: str = ""
    leaves: Mapping[str, Since] = {}
    since: Mapping[Key, Since] = {}
    reached: Mapping[str, float] = {}


def connection_key(name: str) -> Key | None:
    """The instance that a connection's name speaks of (``diag/<service>/<instance>``); None for all others."""
    if not name.startswith(_NAME_PREFIX):
        return None
    tokens = name.split("/")
    return Key(tokens[1], tokens[2]) if len(tokens) == 3 and tokens[1] and tokens[2] else None


def judge(missing: Expected, seen: Connections) -> Absence:
    """Why an expected instance is silent, as far as this look tells; never wrong, at worst unknown."""
    coordinator = missing.key.service == "mesh"
    who, unseen = ("it", "") if coordinator else ("its sidecar", _UNSEEN)
    if seen.problem:
        return Absence(InstanceState.UNKNOWN, f"{seen.problem}{unseen}")
    if missing.key in seen.keys:
        return _of_a_connected(missing, seen, who, unseen)
    if (link := seen.leaves.get(missing.server)) is not None:
        advice = _LEAF_ADVICE if missing.live else ""
        where = f"behind the leafnode {missing.server!r}, whose connections nobody sees from here"
        return Absence(InstanceState.UNKNOWN, f"{where}{advice}{unseen}", link.monotonic())
    if missing.heard_at > seen.asked_at:
        # It spoke after the servers were asked: it has just come (back).
        return Absence(InstanceState.SILENT, f"{who} {_HUNG}{unseen}")
    if missing.server in seen.servers:
        return Absence(InstanceState.NOT_CONNECTED, f"{who} is not connected to NATS{unseen}")
    server = f"its server {missing.server!r} did not answer" if missing.server else "its server is not known"
    return Absence(InstanceState.UNKNOWN, f"{server}, or it is behind a leafnode{unseen}")


def _of_a_connected(missing: Expected, seen: Connections, who: str, unseen: str) -> Absence:
    """It is connected and silent: hung, unless it could not be heard before now."""
    if (back_at := _back_with_its_server(missing, seen)) is not None:
        server = f"its server {missing.server!r} was reached again only a moment ago"
        return Absence(InstanceState.UNKNOWN, f"{server}, and {who} was not heard since{unseen}", back_at)
    since = seen.since.get(missing.key)
    connected_at = since.monotonic() if since is not None else None
    return Absence(InstanceState.SILENT, f"{who} {_HUNG}{unseen}", connected_at)


def _back_with_its_server(missing: Expected, seen: Connections) -> float | None:
    """When its server was reached again, if that is too short ago for a heartbeat to have come from there."""
    back_at = seen.reached.get(missing.server)
    if back_at is None or missing.heard_at > back_at:
        return None
    patience_s = max(_PATIENCE_S, _INTERVALS * missing.interval_s)
    return back_at if seen.asked_at - back_at < patience_s else None
