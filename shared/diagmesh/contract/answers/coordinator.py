"""`coordinator`: how a coordinator itself is: its process, event loop, work, directory and connection.

``diag.mesh.coordinator`` adds up what all coordinators say, as for any kind; ``diag.mesh.coordinator.<instance>`` and
``.all`` ask them themselves. Units stand in the names; nothing unseen is ever reported as zero.
"""

from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta

from diagmesh.contract.directory import Registry
from diagmesh.contract.measures import Measure, Ranked
from diagmesh.contract.wire import Answer, Question

__all__ = [
    "Coordinator",
    "CoordinatorQuestion",
    "CoordinatorState",
    "DirectoryPart",
    "Link",
    "LoopLag",
    "OwnProcess",
    "Work",
]

Bytes = Annotated[int | None, Measure("bytes")]
Count = Annotated[int, Measure("count")]
Seconds = Annotated[float, Measure("s")]


class CoordinatorQuestion(
    Question, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False
):
    """What to tell of a coordinator. ``detail``: ``brief`` is who it is, its state and its work.

    Args:
        about: the ``Diag-Ask`` id of a question: is that one in work here? Whoever waits for its answer asks so.
        sum: asked of one by name: what all of them say, added up, as without a name. So another one can be asked
            while the first does not answer.
    """

    about: Annotated[str, Meta(max_length=64)] = ""
    sum: bool = False


class CoordinatorState(StrEnum):
    """What a coordinator says of itself; whether it keeps its promises is what the rules say."""

    UP = "up"
    WARMING = "warming"
    DEGRADED = "degraded"


class LoopLag(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """How late its event loop came to what was due, over the last minute or since the start.

    Args:
        over_s: how long it was watched.
        p50_s: half of the time it was later than this.
        p99_s: a hundredth of the time it was later than this.
        max_s: the worst.
    """

    over_s: float
    p50_s: Seconds
    p99_s: Seconds
    max_s: Seconds


class OwnProcess(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Its own process.

    Args:
        pid: its id, in its own namespace.
        cores_used: CPU over the time of ``loop_lag``; 1.0 is one core all the time.
        rss_bytes: resident memory.
        descriptors: file descriptors held.
        descriptors_limit: and allowed (soft limit).
        threads: how many.
        tasks: of its event loop, that have not ended.
    """

    pid: int
    cores_used: Annotated[float | None, Measure("cores")] = None
    rss_bytes: Bytes = None
    descriptors: Annotated[int | None, Measure("count")] = None
    descriptors_limit: int | None = None
    threads: Annotated[int | None, Measure("count")] = None
    tasks: Count = 0


class Work(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=False, gc=False):
    """Its questions; nothing waits in a queue: what is too much is refused at once.

    Args:
        in_work: being answered now, this one too.
        limit: above so many, askers hear 429.
        sending: replies on their way out.
        refused_busy: questions that heard 429, since the start.
        unsent: replies that could not be sent, since the start.
        asked: questions of all kinds, since the start.
    """

    in_work: Count
    limit: int
    sending: Count
    refused_busy: Count
    unsent: Count
    asked: Count


class DirectoryPart(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=False, gc=False):
    """Whom it knows.

    Args:
        instances: known, live or lost.
        live: whose heartbeats are in time.
        coordinators: live ones, itself too.
        unread: why heartbeats could not be read lately.
    """

    instances: Count
    live: Count
    coordinators: Count
    unread: tuple[str, ...] = ()


class Link(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=False, gc=False):
    """Its connection to NATS.

    Args:
        state: of the connection.
        server: name of the server.
        reconnects: how often it had to be made again.
        dropped: messages lost because they could not be read.
        subscriptions: that it holds.
        inboxes: gathers and requests that still wait for replies.
        reason: what is wrong with it; empty when it is well.
    """

    state: str
    server: str
    reconnects: Count
    dropped: Count
    subscriptions: Count
    inboxes: Count
    reason: str = ""


class Coordinator(Answer, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """How one coordinator is.

    Args:
        state: *degraded* when its connection or its directory is doubtful, *warming* until it has heard of everybody.
        reason: of the state, in words.
        version: of diagmesh.
        uptime_s: since its start.
        settings: fingerprint of the settings by which it judges (rules, replicas, how long the lost stay expected).
        work: its questions.
        working_on: whether the question that was asked about is in work here; missing when none was.
        loop_lag: missing in the first half second.
        process: missing with ``detail`` brief, like everything below.
        directory: whom it knows.
        link: its connection.
        registry: whether what must outlive it is written down, and since when.
    """

    state: Annotated[CoordinatorState, Ranked(("up", "warming", "degraded"))]
    reason: str
    version: str
    uptime_s: Seconds
    settings: str
    work: Work
    working_on: bool | None = None
    loop_lag: LoopLag | None = None
    process: OwnProcess | None = None
    directory: DirectoryPart | None = None
    link: Link | None = None
    registry: Registry | None = None
