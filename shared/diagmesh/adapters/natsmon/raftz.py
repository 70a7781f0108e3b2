"""RAFTZ: the RAFT groups of a server; the meta group is ``_meta_`` of the system account."""

from typing import Final

from diagmesh.adapters.natsmon.door import Part

__all__ = ["META_GROUP", "RaftPeer", "RaftState", "Raftz"]

META_GROUP: Final = "_meta_"


class RaftPeer(Part, frozen=True, kw_only=True, gc=False):
    """A peer of a group; ``last_seen`` as Go writes a span of time, empty when it was never heard."""

    name: str = ""
    known: bool = False
    last_seen: str = ""
    last_replicated_index: int = 0


class RaftState(Part, frozen=True, kw_only=True, gc=False):
    """One group, as this server has it; what is committed and not applied is its own lag.

    Source: ``RaftzGroup`` in server/monitor.go of nats-server.
    """

    id: str = ""
    state: str = ""
    size: int = 0
    quorum_needed: int = 0
    observer: bool = False
    paused: bool = False
    committed: int = 0
    applied: int = 0
    catching_up: bool = False
    leader: str = ""
    ever_had_leader: bool = False
    term: int = 0
    pindex: int = 0
    write_error: str = ""
    peers: dict[str, RaftPeer] = {}


Raftz = dict[str, dict[str, RaftState]]
"""By account and group; empty (over HTTP: status 404) where the server stands alone."""
