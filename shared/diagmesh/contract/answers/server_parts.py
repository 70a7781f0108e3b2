"""Parts of the answer `server`."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

import msgspec

from diagmesh.contract.measures import Measure

__all__ = [
    "Account",
    "Certificate",
    "CpuLook",
    "HealthCheck",
    "JetStreamUse",
    "Leaf",
    "Link",
    "Load",
    "Meta",
    "MetaPeer",
    "Pending",
    "Rates",
    "ServerLimits",
]


class HealthCheck(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One variant of the health check of the server.

    Args:
        name: ``ready`` (all of it), ``jetstream`` (without streams and consumers: is JetStream there).
        ok: whether it passes; missing when it was not told.
        status_code: of HTTP.
        error: why not, in the words of the server.
    """

    name: str
    ok: bool | None
    status_code: int | None = None
    error: str = ""


class CpuLook(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What an earlier look saw.

    Args:
        ago_s: seconds before this one.
        share: of all its cores.
    """

    ago_s: float
    share: float


class Load(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What it does and holds now; counters are since its start.

    Args:
        cpu_share: of all its cores, over about the last second.
        cpu_high_s: for how long every look at it saw 0.9 or more; 0 when the last one did not.
        cpu_before: what earlier looks saw, the youngest first, 32 at most; for other thresholds than 0.9.
        cores: that it may use.
        memory_bytes: resident.
        connections: of clients.
        total_connections: of clients, since the start.
        subscriptions: in all accounts.
        in_msgs: from clients.
        out_msgs: to clients.
        slow_consumers: cut off.
        stalled_clients: times that a publisher was held up for a slow consumer; missing where the server is older.
        stale_connections: cut off for not answering pings; likewise.
    """

    cpu_share: Annotated[float | None, Measure("share")] = None
    cpu_high_s: float = 0.0
    cpu_before: tuple[CpuLook, ...] = ()
    cores: int = 0
    memory_bytes: Annotated[int, Measure("bytes")] = 0
    connections: Annotated[int, Measure("count")] = 0
    total_connections: int = 0
    subscriptions: Annotated[int, Measure("count")] = 0
    in_msgs: int = 0
    out_msgs: int = 0
    in_bytes: int = 0
    out_bytes: int = 0
    slow_consumers: Annotated[int, Measure("count")] = 0
    stalled_clients: int | None = None
    stale_connections: int | None = None

    @classmethod
    def whole(cls, loads: "Sequence[Load]") -> "Load":
        """Those of several servers as one: added up, the share of the CPU that of all cores together."""
        cores = sum(one.cores for one in loads)
        busy = sum(one.cpu_share * one.cores for one in loads if one.cpu_share is not None)
        names = [name for name in cls.__struct_fields__ if name != "cpu_before"]
        summed: dict[str, Any] = {name: sum(getattr(one, name) or 0 for one in loads) for name in names}
        return cls(**{**summed, "cpu_share": busy / cores if cores else None, "cpu_high_s": 0.0})


class Rates(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What changed between two looks; the counts are of that time.

    Args:
        over_s: between the looks.
        in_msgs_per_s: from clients.
        out_msgs_per_s: to clients.
        connects_per_s: new connections of clients.
        slow_consumers: cut off between the looks.
        stalls: publishers held up between the looks.
        memory_growth_bytes: between the looks.
    """

    over_s: float
    in_msgs_per_s: Annotated[float, Measure("msgs/s")] = 0.0
    out_msgs_per_s: Annotated[float, Measure("msgs/s")] = 0.0
    in_bytes_per_s: Annotated[float, Measure("bytes/s")] = 0.0
    out_bytes_per_s: Annotated[float, Measure("bytes/s")] = 0.0
    connects_per_s: Annotated[float, Measure("1/s")] = 0.0
    connections_growth: int = 0
    slow_consumers: int = 0
    stalls: int = 0
    memory_growth_bytes: int = 0

    @classmethod
    def whole(cls, rates: "Sequence[Rates]") -> "Rates | None":
        """Those of several servers as one, added up; over the shortest of their times."""
        if not rates:
            return None
        summed = {name: sum(getattr(one, name) for one in rates) for name in cls.__struct_fields__}
        return cls(**{**summed, "over_s": min(one.over_s for one in rates)})


class ServerLimits(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """As configured; missing for none."""

    max_connections: int | None = None
    connections_share: Annotated[float | None, Measure("share")] = None
    max_subscriptions: int | None = None
    max_payload_bytes: int | None = None
    max_pending_bytes: int | None = None


class Pending(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A client for which bytes wait at the server.

    Args:
        name: that it gave itself; its address when it gave none.
        cid: of the connection.
        account: that it is in.
        pending_bytes: that wait.
        share: of the limit at which it is cut off.
        subjects: some of its subscriptions.
    """

    name: str
    cid: int
    account: str = ""
    pending_bytes: int = 0
    share: float | None = None
    subjects: tuple[str, ...] = ()


class Link(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A route or gateway to a peer: all its connections together.

    Args:
        name: of the server or cluster at the other end.
        connections: to it; of a gateway those that this server made.
        inbound: of a gateway, those that the other end made.
        rtt_ms: the longest round trip.
        pending_bytes: that wait for it.
    """

    name: str
    connections: int = 0
    inbound: int = 0
    rtt_ms: float | None = None
    pending_bytes: int = 0


class Leaf(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A leafnode connection; ``spoke`` when this server is the leaf."""

    name: str
    account: str = ""
    spoke: bool = False
    rtt_ms: float | None = None


class MetaPeer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A member of the meta group, as this server sees it; who does not lead sees no lag.

    Args:
        name: of the server.
        current: whether it has all that the leader has.
        offline: whether it is away.
        lag: operations that it lacks.
        heard_s: since it was last heard.
    """

    name: str
    current: bool = True
    offline: bool = False
    lag: int = 0
    heard_s: float | None = None


class Meta(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The meta group of JetStream.

    Args:
        leader: the server that leads, as this one believes; empty when it knows none.
        leads: whether that is this server.
        size: members there should be.
        peers: all members but this one.
        pending: operations that wait.
        behind: operations that this server knows to be committed and has not applied.
    """

    leader: str = ""
    leads: bool = False
    size: int = 0
    peers: tuple[MetaPeer, ...] = ()
    pending: int = 0
    behind: int | None = None


class JetStreamUse(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """JetStream of this server, against what it may use.

    Args:
        memory_bytes: held; ``memory_share`` of ``max_memory_bytes``.
        storage_bytes: likewise.
        reserved_memory_bytes: promised to streams with a limit; ``reserved_memory_share`` likewise.
        reserved_storage_bytes: likewise.
        ha_assets: replicated streams and consumers on this server.
        api_errors: of requests since the start.
    """

    memory_bytes: Annotated[int, Measure("bytes")] = 0
    max_memory_bytes: int = 0
    memory_share: Annotated[float | None, Measure("share")] = None
    storage_bytes: Annotated[int, Measure("bytes")] = 0
    max_storage_bytes: int = 0
    storage_share: Annotated[float | None, Measure("share")] = None
    reserved_memory_bytes: int = 0
    reserved_memory_share: float | None = None
    reserved_storage_bytes: int = 0
    reserved_storage_share: float | None = None
    streams: int | None = None
    consumers: int | None = None
    ha_assets: int = 0
    api_requests: int = 0
    api_errors: int = 0


class Account(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What one account uses of this server, and its limits over all servers; missing for none or not told.

    Args:
        name: as people know it.
        slow_consumers: cut off since the start.
        max_connections: of an account with a JWT; likewise the other two.
        storage_bytes: of JetStream.
        max_storage_bytes: of JetStream.
    """

    name: str
    connections: int = 0
    leafs: int = 0
    subscriptions: int = 0
    in_msgs: int = 0
    out_msgs: int = 0
    slow_consumers: int = 0
    max_connections: int | None = None
    max_leafs: int | None = None
    max_subscriptions: int | None = None
    memory_bytes: int = 0
    max_memory_bytes: int | None = None
    storage_bytes: int = 0
    max_storage_bytes: int | None = None


class Certificate(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The certificate of a door: ``client``, ``cluster``, ``gateway``, ``leaf``, ``mqtt``, ``websocket``.

    Args:
        door: which.
        not_after: when it expires.
        left_s: until then; below zero afterwards.
    """

    door: str
    not_after: datetime
    left_s: float
