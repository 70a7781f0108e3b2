"""What rules on `server` answers share: signs by kind, names, and the servers of a cluster together."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from math import inf
from typing import Final

from diagmesh.contract.answers.server import Server, Sign, SignKind, Source
from diagmesh.contract.answers.server_parts import MetaPeer
from diagmesh.contract.findings import Fact, Severity
from diagmesh.evidence import Evidence
from diagmesh.expected import Key

__all__ = [
    "MOST_NAMED",
    "blind_parts",
    "clusters",
    "fact_of",
    "gateway_names",
    "plural",
    "severity",
    "sign",
    "signs",
    "unheard_s",
    "unlinked",
    "who",
]

MOST_NAMED: Final = 3


def signs(answer: Server, *kinds: SignKind) -> list[Sign]:
    """Those of some kinds."""
    return [one for one in answer.signs if one.kind in kinds]


def sign(answer: Server, kind: SignKind) -> Sign | None:
    """One of a kind."""
    return next(iter(signs(answer, kind)), None)


def severity(answer: Server, found: Sequence[Sign]) -> Severity | None:
    """Information where all of it belongs to an earlier moment; else that of the rule."""
    if answer.moment_s is None or answer.at is None or not found:
        return None
    earlier = answer.at - timedelta(seconds=answer.moment_s)
    old = all(one.source is Source.CLOSED and one.last_at is not None and one.last_at < earlier for one in found)
    return Severity.INFO if old else None


def who(found: Sequence[Sign]) -> str:
    """The clients that signs are about, in words; empty where none is named."""
    names = list(dict.fromkeys(name for one in found for name in one.who))
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more


def fact_of(one: Sign) -> Fact:
    """A sign as evidence: its words, how often, and where it was read."""
    return Fact(what=one.example or str(one.kind), value=one.count, unit="count", at=f"{one.source}: {who([one])}")


def plural(count: int, one: str) -> str:
    """``1 client``, ``3 clients``."""
    return f"{count} {one}" if count == 1 else f"{count} {one}s"


def blind_parts(answer: Server) -> frozenset[str]:
    """The parts of the answer that could not be seen."""
    return frozenset(one.what for one in answer.blind)


def gateway_names(answer: Server) -> frozenset[str]:
    """The remote clusters that a server is configured for, or has reached by itself."""
    return frozenset((*answer.gateways_configured, *(one.name for one in answer.gateways if one.connections)))


def clusters(seen: Evidence) -> Iterator[tuple[str, list[tuple[Key, Server]]]]:
    """The servers of each cluster, every server once, however many sidecars stand beside it."""
    found: dict[str, dict[str, tuple[Key, Server]]] = {}
    for where, answer in seen.each(Server):
        if answer.cluster:
            found.setdefault(answer.cluster, {}).setdefault(answer.id or str(where), (where, answer))
    for cluster, servers in sorted(found.items()):
        yield cluster, list(servers.values())


def unlinked(seen: Evidence) -> dict[Key, frozenset[str]]:
    """Per server, the others of its cluster that run and to which it has no route; not where routes are not seen."""
    found = {}
    for _, servers in clusters(seen):
        names = {answer.name for _, answer in servers}
        for where, answer in servers:
            if "routez" not in blind_parts(answer):
                found[where] = frozenset(names - {answer.name} - {one.name for one in answer.routes})
    return found


def unheard_s(one: MetaPeer) -> float:
    """For how long the leader has not heard a member.

    One that was elected after the member went has never heard it, and tells no time.
    """
    if one.heard_s is None:
        return 0.0 if one.current else inf
    return one.heard_s
