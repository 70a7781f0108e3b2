"""replica-behind: a copy of a stream of the service is offline or far behind, or what it copies is."""

import shlex
from collections.abc import Iterator

from diagmesh.contract.answers.streams import Replica, SourceState, Streams, StreamState
from diagmesh.contract.findings import Fact, FindingClass, Severity
from diagmesh.declare import Hit, Limits, Unjudged, rule
from diagmesh.evidence import Evidence
from diagmesh_rules._streams import Found, each_answer, told, unseen
from diagmesh_rules._words import duration

__all__ = ["ReplicaLimits", "replica_behind"]


class ReplicaLimits(Limits, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How far behind is too far.

    Args:
        lag_count: operations that a replica is behind its leader.
        replica_s: since the leader heard it.
        source_count: messages behind a source or mirrored stream.
        source_s: since that was heard.
    """

    lag_count: int = 1000
    replica_s: float = 10.0
    source_count: int = 1000
    source_s: float = 60.0


@rule(
    "JS-012",
    "A copy of a stream is behind",
    severity=Severity.WARNING,
    issue=FindingClass.NETWORK,
    reads=(Streams,),
    limits=ReplicaLimits(),
)
def replica_behind(seen: Evidence, limits: ReplicaLimits) -> Iterator[Hit | Unjudged]:
    """All replicas of a stream are there and follow, and a stream that copies others follows these."""
    for where, answer in each_answer(seen):
        found = [one for stream in answer.streams for one in _judged(stream, limits)]
        yield from told(where, found, unseen(answer, "streams"))


def _judged(stream: StreamState, limits: ReplicaLimits) -> Iterator[Found]:
    now = (f"see all of them: `nats stream info {shlex.quote(stream.name)}`",)
    names = {"ORDERS": stream.name}
    for peer in stream.replicas:
        if why := _replica(peer, limits):
            facts = (
                Fact(what=f"{stream.name}: operations behind on {peer.name}", value=peer.lag, limit=limits.lag_count),
                Fact(what="heard by the leader", value=peer.active_s, unit="s", limit=limits.replica_s),
            )
            yield Found(
                f"{stream.name}: its replica on {peer.name} {why}",
                facts,
                now,
                names={**names, "SERVER": peer.name},
                about=stream.name,
                same=stream.identity,
            )
    for source in stream.sources:
        if why := _source(source, limits):
            facts = (
                Fact(what=f"{stream.name}: messages behind {source.name}", value=source.lag, limit=limits.source_count),
                Fact(what="heard", value=source.active_s, unit="s", limit=limits.source_s),
            )
            copies = "mirrors" if source.mirror else "takes from"
            title = f"{stream.name} {copies} {source.name}, {why}"
            yield Found(title, facts, now, names=names, about=stream.name, same=stream.identity)


def _replica(peer: Replica, limits: ReplicaLimits) -> str:
    if peer.offline:
        return "is offline"
    if peer.lag >= limits.lag_count:
        return f"is {peer.lag} operations behind"
    if not peer.current and peer.active_s is not None and peer.active_s >= limits.replica_s:
        return f"was not heard for {duration(peer.active_s)}"
    return ""


def _source(source: SourceState, limits: ReplicaLimits) -> str:
    if source.error:
        return f"which fails: {source.error}"
    if source.lag >= limits.source_count:
        return f"and is {source.lag} messages behind"
    if source.active_s is not None and source.active_s >= limits.source_s:
        return f"and did not hear it for {duration(source.active_s)}"
    return ""
