"""nats-jwt-expires: the JWT of the service is near its end: it will be cut off then, and not let in again."""

from collections.abc import Iterator
from typing import NamedTuple

from diagmesh.contract.answers.connection import Connection, DoorVerdict
from diagmesh.contract.findings import Fact, FindingClass, Severity
from diagmesh.declare import Hit, Limits, Unjudged, rule
from diagmesh.evidence import Evidence
from diagmesh.expected import Key
from diagmesh_rules._words import DAY_S, duration

__all__ = ["JwtLimits", "nats_jwt_expires"]


class JwtLimits(Limits, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is near.

    Args:
        left_s: less than this is near,
        left_share: when less than this of its whole life is left, too: short ones are renewed by machine.
    """

    left_s: float = 14 * DAY_S
    left_share: float = 0.1


class _Jwt(NamedTuple):
    what: str
    at: str
    left_s: float
    lifetime_s: float


@rule(
    "NATS-022",
    "JWT of the service expires soon",
    severity=Severity.WARNING,
    issue=FindingClass.CONFIGURATION,
    reads=(Connection,),
    limits=JwtLimits(),
)
def nats_jwt_expires(seen: Evidence, limits: JwtLimits) -> Iterator[Hit | Unjudged]:
    """The JWT of the service is good for a while."""
    for where, answer in seen.each(Connection):
        if not answer.doors and not answer.links:
            yield Unjudged(where=where, why="neither a server was knocked at nor a connection seen")
            continue
        near = [one for one in _jwts(answer) if 0 < one.left_s < min(limits.left_s, limits.left_share * one.lifetime_s)]
        if near:
            yield _hit(where, min(near, key=lambda one: one.left_s), near, limits)


def _jwts(answer: Connection) -> Iterator[_Jwt]:
    for link in answer.links or ():
        view = link.seen
        if view is not None and view.jwt_left_s is not None and view.jwt_lifetime_s is not None:
            what = f"the JWT of the connection {view.name or view.cid}"
            yield _Jwt(what, f"{view.server} cid {view.cid}", view.jwt_left_s, view.jwt_lifetime_s)
    for door in answer.doors:
        auth = door.auth
        if door.verdict is DoorVerdict.OPEN and auth.left_s is not None and auth.lifetime_s is not None:
            yield _Jwt(auth.role, door.url, auth.left_s, auth.lifetime_s)


def _hit(where: Key, first: _Jwt, near: list[_Jwt], limits: JwtLimits) -> Hit:
    return Hit(
        where=where,
        title=f"{first.what} ends in {duration(first.left_s)}: the server will end its connections then",
        evidence=tuple(
            Fact(what=f"{one.what}: left", value=round(one.left_s), unit="s", limit=_limit(one, limits), at=one.at)
            for one in near
        ),
    )


def _limit(one: _Jwt, limits: JwtLimits) -> float:
    return round(min(limits.left_s, limits.left_share * one.lifetime_s))
