"""What the rules on NATS servers that cannot be used share: which doors are shut in which way, and how bad that is."""

from collections.abc import Collection, Iterator
from typing import Final

from diagmesh.contract.answers.connection import Connection, Door, DoorVerdict
from diagmesh.contract.findings import Fact, Severity
from diagmesh.declare import Hit, Unjudged
from diagmesh.evidence import Evidence
from diagmesh.expected import Key

__all__ = ["door_facts", "hit", "shut", "stopping", "unseen"]

_NO_DOOR: Final = "no NATS server was knocked at: name those of the service under [targets.connection]"


def stopping(door: Door) -> bool:
    """Whether a server takes nobody in while it keeps whom it has: it is about to stop."""
    lame = door.greeting is not None and door.greeting.lame_duck
    return lame or (door.verdict is DoorVerdict.REFUSED and door.still_linked)


def unseen(where: Key, answer: Connection) -> Unjudged | None:
    """Said when there is no door to judge by."""
    return None if answer.doors else Unjudged(where=where, why=_NO_DOOR)


def shut(
    seen: Evidence, verdicts: Collection[DoorVerdict]
) -> Iterator[tuple[Key, Connection, tuple[Door, ...]] | Unjudged]:
    """Per instance the doors that are shut in one of these ways, without those of a server that is about to stop."""
    for where, answer in seen.each(Connection):
        blind = unseen(where, answer)
        if blind is not None:
            yield blind
            continue
        for door in answer.doors:
            if door.verdict is DoorVerdict.BLIND:
                yield Unjudged(where=where, why=f"{door.url}: {door.reason}")
        yield where, answer, tuple(door for door in answer.doors if door.verdict in verdicts and not stopping(door))


def hit(where: Key, answer: Connection, doors: tuple[Door, ...], what: str) -> Hit:
    """The finding on these doors: an error, or a warning as long as another server of the list takes connections.

    Args:
        where: the instance.
        answer: of it.
        doors: that are shut, at least one.
        what: the cause, in words.
    """
    open_ = sum(door.verdict is DoorVerdict.OPEN for door in answer.doors)
    first = doors[0]
    others = f" (with it {len(doors) - 1} more)" if len(doors) > 1 else ""
    rest = f"; {open_} of {len(answer.doors)} servers can be used" if open_ else ""
    return Hit(
        where=where,
        title=f"{first.url}{others}: {what}{rest}",
        severity=Severity.WARNING if open_ else Severity.ERROR,
        evidence=tuple(fact for door in doors for fact in door_facts(door)),
        about=", ".join(door.url for door in doors),
        names=_names(first.url),
    )


def _names(url: str) -> dict[str, str]:
    """What stands for the server on the pages."""
    place = url.partition("://")[2]
    return {"HOST:4222": place, "HOST": place.rpartition(":")[0].strip("[]")}


def door_facts(door: Door) -> Iterator[Fact]:
    """What was seen at one door."""
    yield Fact(what="server", value=door.reason or str(door.verdict), at=door.url)
    for look in door.addresses:
        if look.reason:
            yield Fact(what="address", value=look.reason, at=look.address)
    for layer, took_ms in door.phases_ms.items():
        yield Fact(what=f"time of {layer}", value=took_ms, unit="ms", at=door.url)
