"""What the rules on streams share: one hit an instance, however many consumers have it, the worst one first."""

import shlex
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from msgspec.structs import replace

from diagmesh.contract.answers.streams import Cause, ConsumerState, Streams
from diagmesh.contract.findings import Fact, Severity
from diagmesh.declare import Hit, Unjudged
from diagmesh.evidence import Evidence
from diagmesh.expected import Key

__all__ = ["Found", "consumers_with", "each_answer", "hit", "info_of", "names_of", "told", "unseen"]

_MOST: Final = 3


class Found(NamedTuple):
    """One stream or consumer that has it.

    Args:
        title: what is the matter with it.
        facts: what was seen.
        now: what to do about this very one.
        severity: where it differs from that of the rule.
        names: what the examples of the page are here, see `diagmesh.declare.Hit`.
        about: its name.
        same: its identity.
    """

    title: str
    facts: tuple[Fact, ...] = ()
    now: tuple[str, ...] = ()
    severity: Severity | None = None
    names: Mapping[str, str] = {}
    about: str = ""
    same: str = ""


def each_answer(seen: Evidence) -> Iterator[tuple[Key, Streams]]:
    """Every answer, without what is somebody else's.

    Where the settings do not say which streams a service uses, it tells of all of the account. Of these it leaves to
    others what the settings of others name, and the consumers whose messages are pushed to others.
    """
    answers = list(seen.each(Streams))
    theirs = {one for _, answer in answers for one in _own(answer)}
    for where, answer in answers:
        others = theirs - _own(answer)
        if others:
            streams = tuple(one for one in answer.streams if one.identity not in others)
            consumers = tuple(one for one in answer.consumers if one.identity not in others)
            yield where, replace(answer, streams=streams, consumers=consumers)
        else:
            yield where, answer


def _own(answer: Streams) -> set[str]:
    """The streams and consumers that are known as those of the service."""
    if answer.named:
        return {one.identity for one in answer.streams} | {one.identity for one in answer.consumers}
    return {one.identity for one in answer.consumers if one.used}


def consumers_with(
    seen: Evidence, causes: Collection[Cause], judge: Callable[[ConsumerState, Streams], Found | None]
) -> Iterator[Hit | Unjudged]:
    """Judge every consumer that is held up by one of these causes.

    Args:
        seen: the evidence.
        causes: which of them.
        judge: says what is found, or None.
    """
    for where, answer in each_answer(seen):
        found = [
            one._replace(names={**names_of(each), **one.names}, about=each.full_name, same=each.identity)
            for each in answer.consumers
            if each.cause in causes and (one := judge(each, answer)) is not None
        ]
        yield from told(where, found, unseen(answer, "consumers"))


def told(where: Key, found: Sequence[Found], blind: str = "") -> Iterator[Hit | Unjudged]:
    """The hit of an instance, or why it is not judged, or nothing."""
    if found:
        yield hit(where, found)
    elif blind:
        yield Unjudged(where=where, why=blind)


def hit(where: Key, found: Sequence[Found]) -> Hit:
    """All that was found at one instance as one hit, the most severe first."""
    ordered = sorted(found, key=lambda one: -one.severity.rank if one.severity is not None else 0)
    first, more = ordered[0], len(ordered) - 1
    return Hit(
        where=where,
        title=f"{first.title} (and {more} more)" if more else first.title,
        evidence=tuple(fact for one in ordered[:_MOST] for fact in one.facts),
        severity=first.severity,
        now=tuple(dict.fromkeys(line for one in ordered[:_MOST] for line in one.now)),
        about=", ".join(dict.fromkeys(one.about for one in ordered)),
        same=", ".join(one.same for one in ordered) if all(one.same for one in ordered) else "",
        names=first.names,
    )


def unseen(answer: Streams, *parts: str) -> str:
    """Why there is nothing to judge of these parts (``consumers``, ``streams``); empty when all was seen."""
    for blind in answer.blind:
        if blind.what in parts:
            return f"{blind.what}: {blind.why}"
    if answer.no_quorum is not None and not answer.consumers and not answer.streams:
        return "JetStream could not say: it has no quorum"
    if answer.not_looked_at and not {"consumers", "streams"}.isdisjoint(parts):
        return "there are more than one look takes: name in [targets.streams] those that matter"
    return ""


def names_of(one: ConsumerState) -> dict[str, str]:
    """What stands for the stream and the consumer on the pages."""
    return {"ORDERS": one.stream, "worker": one.name}


def info_of(one: ConsumerState) -> str:
    """The command that shows a consumer."""
    return f"`nats consumer info {shlex.quote(one.stream)} {shlex.quote(one.name)}`"
