"""What the rules on ended NATS connections share: those of one reason, of the last five minutes, in words."""

from collections.abc import Callable, Iterator

from diagmesh.contract.answers.connection import Connection, Ended
from diagmesh.contract.findings import Fact
from diagmesh.declare import Hit, Unjudged
from diagmesh.evidence import Evidence
from diagmesh.expected import Key

__all__ = ["ended_for", "ended_hit", "why_not_told"]


def why_not_told(answer: Connection) -> str:
    """Why nothing is known of earlier connections."""
    told = next((one for one in answer.blind if one.what.startswith(("ended", "connections"))), None)
    return (
        f"why earlier connections went was not told: {told.why}" if told else "earlier connections were not asked for"
    )


def ended_for(
    seen: Evidence, fits: Callable[[str], bool]
) -> Iterator[tuple[Key, Connection, tuple[Ended, ...]] | Unjudged]:
    """Per instance the reasons that fit and of which a connection ended in the last five minutes."""
    for where, answer in seen.each(Connection):
        if answer.ended is None:
            yield Unjudged(where=where, why=why_not_told(answer))
            continue
        yield where, answer, tuple(one for one in answer.ended if one.lately and fits(one.reason))


def ended_hit(where: Key, many: tuple[Ended, ...], what: str) -> Hit:
    """The finding on these.

    Args:
        where: the instance.
        many: reasons, at least one.
        what: the cause, in words; the name of the connection and how often come after it.
    """
    first, count = many[0], sum(one.lately for one in many)
    often = f"{count} times in five minutes" if count > 1 else "in the last five minutes"
    return Hit(where=where, title=f"{what} ({first.name or 'without a name'}, {often})", evidence=_facts(many))


def _facts(many: tuple[Ended, ...]) -> tuple[Fact, ...]:
    facts: list[Fact] = []
    for one in many:
        at = f"{one.server} cid {one.cid}"
        facts.append(Fact(what=one.reason, value=one.lately, unit="connections in five minutes", at=at))
        if one.last_at is not None:
            facts.append(Fact(what="the last ended at", value=f"{one.last_at:%Y-%m-%d %H:%M:%S} UTC", at=at))
        if one.lived_s is not None:
            facts.append(Fact(what="it had lived", value=one.lived_s, unit="s", at=at))
        if one.pending_bytes:
            facts.append(Fact(what="the server held for it", value=one.pending_bytes, unit="bytes", at=at))
        facts += [Fact(what="it was subscribed to", value=subject, at=at) for subject in one.subjects]
    return tuple(facts)
