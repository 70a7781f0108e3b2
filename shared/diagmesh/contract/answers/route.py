"""`route`: the path that a subject takes through the servers now, and who gets it, without delivering anything.

Source: trace events of nats-server 2.11 and newer (ADR-41; ``MsgTraceEvent`` in server/msgtrace.go). Units stand in the
names. What could not be followed is in `Route.blind`, and never counts as *nobody*.
"""

from enum import StrEnum
from typing import Annotated, ClassVar, Final

import msgspec
from msgspec import Meta

from diagmesh.contract.measures import Measure
from diagmesh.contract.wire import Answer, Blind, Question

__all__ = ["LONGEST_SUBJECT", "Hop", "Link", "Route", "RouteQuestion", "RouteState", "Step", "StepKind"]

LONGEST_SUBJECT: Final = 1024


class RouteQuestion(Question, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """Which subject to follow.

    Args:
        subject: one that a service publishes on, without wildcards; those of the servers (``$JS.API``) are declined.
    """

    subject: Annotated[str, Meta(max_length=LONGEST_SUBJECT)] = ""


class RouteState(StrEnum):
    """What becomes of a message.

    ``reached``: at least one subscription or stream gets it. ``refused``: there is somebody, but permissions or the
    stream itself keep it away from all of them. ``unseen``: nobody is seen, and not every branch could be followed.
    ``nobody``: every branch was followed, and nobody listens.
    """

    REACHED = "reached"
    REFUSED = "refused"
    UNSEEN = "unseen"
    NOBODY = "nobody"


class Link(StrEnum):
    """What a message comes in or goes out by."""

    CLIENT = "client"
    ROUTE = "route"
    GATEWAY = "gateway"
    LEAF = "leaf"
    INSIDE = "inside"


class StepKind(StrEnum):
    """What a server does with the message."""

    MAPPED = "mapped"
    EXPORTED = "exported"
    IMPORTED = "imported"
    STORED = "stored"
    DELIVERED = "delivered"
    FORWARDED = "forwarded"


class Step(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One thing that a server would do with the message.

    Args:
        kind: what.
        after_ms: since the message came to this server.
        name: of the connection, the stream or the next server; empty for a connection that gave itself none.
        link: by which kind of connection it goes out; missing where it stays.
        cid: number of that connection on this server.
        account: where it goes to, if that is another account than before.
        subject: that of the subscription, or the new one after a mapping or import.
        queue: group of the subscription; one member of it gets the message.
        hop: `Hop.id` of the next server.
        error: why it would not get there, in the words of the server; empty when it would.
        refused: whether permissions are the reason.
    """

    kind: StepKind
    after_ms: float = 0.0
    name: str = ""
    link: Link | None = None
    cid: int = 0
    account: str = ""
    subject: str = ""
    queue: str = ""
    hop: str = ""
    error: str = ""
    refused: bool = False


class Hop(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One server on the path.

    Args:
        id: its place on the path: empty for the first server, ``2`` for the second one behind that, then ``2.1``.
        server: its name.
        version: of nats-server.
        cluster: that it belongs to.
        account: in which the message came in.
        subject: on which it came in.
        link: by which kind of connection.
        travel_ms: since the server before sent it on; by two clocks, so missing where these are not in step.
        steps: what it would do, in its order.
        left_out: how many further steps are not told.
    """

    id: str = ""
    server: str = ""
    version: str = ""
    cluster: str = ""
    account: str = ""
    subject: str = ""
    link: Link = Link.CLIENT
    travel_ms: float | None = None
    steps: tuple[Step, ...] = ()
    left_out: int = 0


class Route(Answer, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The path of one subject, as it is now. Nothing was delivered or stored.

    Args:
        subject: that was followed.
        state: what becomes of a message.
        receivers: subscriptions that get it (of a queue group one).
        streams: that store it.
        refusals: receivers that permissions keep it away from.
        hops: the servers on the path, each before those behind it.
        left_out: how many further servers are not told.
        blind: branches that could not be followed.
    """

    may_lack: ClassVar[bool] = True
    subject: str
    state: RouteState
    receivers: Annotated[int, Measure("count")] = 0
    streams: Annotated[int, Measure("count")] = 0
    refusals: Annotated[int, Measure("count")] = 0
    hops: tuple[Hop, ...] = ()
    left_out: int = 0
    blind: tuple[Blind, ...] = ()
