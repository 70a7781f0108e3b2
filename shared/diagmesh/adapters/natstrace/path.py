"""Trace events of many servers, joined into one path. Pure: no clock, no network."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Final

import msgspec

from diagmesh.adapters.natstrace.events import Event, Told, hop_of
from diagmesh.contract.answers.route import Hop, Link, Route, RouteState, Step, StepKind
from diagmesh.contract.wire import Blind

__all__ = ["denied", "missing_hops", "path_of"]

_MOST_HOPS: Final = 64
_MOST_STEPS: Final = 1000
"""Of all servers together; an answer stays one that is read."""
_LEAST_STEPS: Final = 16
_LONGEST: Final = 256
_MOST_BLIND: Final = 32
_LINKS: Final = {0: Link.CLIENT, 1: Link.ROUTE, 2: Link.GATEWAY, 4: Link.LEAF}
_KINDS: Final = {
    "sm": StepKind.MAPPED,
    "se": StepKind.EXPORTED,
    "si": StepKind.IMPORTED,
    "js": StepKind.STORED,
    "eg": StepKind.DELIVERED,
}
_DENIED: Final = ("denied", "denies", "permission", "violation")
_OLD: Final = "does not support message tracing"
_NO_INTEREST: Final = "no consumer of it wants this subject, so it keeps nothing"


def path_of(subject: str, told: Iterable[Told]) -> Route:
    """The path that these events tell, and what becomes of a message.

    Args:
        subject: that was traced.
        told: one event per server, in any order; of two for one place the first counts.
    """
    places = _places(told)
    sent = {step.hop: step.ts for one in places.values() for step in one.events if step.hop}
    hops = [_hop(place, one, sent.get(place)) for place, one in places.items()]
    steps = [step for hop in hops for step in hop.steps]
    blind = tuple(_blind(hops, places))
    receivers = sum(one.kind is StepKind.DELIVERED and one.link is Link.CLIENT and not one.error for one in steps)
    streams = sum(one.kind is StepKind.STORED and not one.error for one in steps)
    if receivers or streams:
        state = RouteState.REACHED
    elif blind or "" not in places:
        state = RouteState.UNSEEN
    else:
        kept_away = any(one.error and one.error != _NO_INTEREST for one in steps)
        state = RouteState.REFUSED if kept_away else RouteState.NOBODY
    most = max(_LEAST_STEPS, _MOST_STEPS // max(1, len(hops)))
    return Route(
        subject=subject,
        state=state,
        receivers=receivers,
        streams=streams,
        refusals=sum(one.refused for one in steps),
        hops=tuple(_cut(hop, most) for hop in hops[:_MOST_HOPS]),
        left_out=max(0, len(hops) - _MOST_HOPS),
        blind=blind[:_MOST_BLIND],
    )


def missing_hops(told: Sequence[Told]) -> bool:
    """Whether servers to which it was sent have not told yet."""
    places = _places(told)
    return "" not in places or any(
        one.hop and not one.error and one.hop not in places for each in places.values() for one in each.events
    )


def denied(told: Iterable[Told]) -> str:
    """Why the first server did not take the message at all; empty when it did."""
    return next((_short(one.events[0].error) for one in told if not hop_of(one) and one.events), "")


def _places(told: Iterable[Told]) -> dict[str, Told]:
    """Who told from where, each before those behind it."""
    found: dict[str, Told] = {}
    for one in told:
        found.setdefault(hop_of(one), one)
    return dict(sorted(found.items(), key=lambda item: _order(item[0])))


def _order(place: str) -> tuple[tuple[bool, int, str], ...]:
    """``2`` before ``2.1`` before ``10``; what is no number comes last."""
    parts = place.split(".") if place else []
    return tuple(
        (False, int(part), "") if part.isascii() and part.isdigit() and len(part) < 10 else (True, 0, part)
        for part in parts
    )


def _hop(place: str, told: Told, sent: datetime | None) -> Hop:
    came = told.events[0] if told.events and told.events[0].type == "in" else Event()
    steps = [_step(one, came.ts) for one in told.events if one.type in _KINDS]
    travel_ms = _ms(sent, came.ts)
    return Hop(
        id=_short(place),
        server=_short(told.server.name),
        version=_short(told.server.ver),
        cluster=_short(told.server.cluster),
        account=_short(came.acc),
        subject=_short(came.subj),
        link=_LINKS.get(came.kind, Link.INSIDE),
        travel_ms=travel_ms if travel_ms is not None and travel_ms >= 0 else None,
        steps=tuple(steps),
    )


def _cut(hop: Hop, most: int) -> Hop:
    """With so many steps at most, those who just get it left out first."""
    if len(hop.steps) <= most:
        return hop
    telling = [one for one in hop.steps if one.error or one.kind is not StepKind.DELIVERED][:most]
    room = most - len(telling)
    plain = [one for one in hop.steps if not one.error and one.kind is StepKind.DELIVERED][:room]
    return msgspec.structs.replace(hop, steps=(*telling, *plain), left_out=len(hop.steps) - most)


def _step(one: Event, came: datetime | None) -> Step:
    kind, link = _KINDS[one.type], None
    if one.type == "eg":
        link = _LINKS.get(one.kind, Link.INSIDE)
        kind = StepKind.DELIVERED if link in (Link.CLIENT, Link.INSIDE) else StepKind.FORWARDED
    error = _short(one.error) or (_NO_INTEREST if one.nointerest else "")
    return Step(
        kind=kind,
        after_ms=max(0.0, _ms(came, one.ts) or 0.0),
        name=_short(one.stream or one.name),
        link=link,
        cid=one.cid,
        account=_short(one.acc),
        subject=_short(one.to or one.sub or one.subject),
        queue=_short(one.queue),
        hop=_short(one.hop),
        error=error,
        refused=any(word in error.lower() for word in _DENIED),
    )


def _blind(hops: Sequence[Hop], places: dict[str, Told]) -> Iterator[Blind]:
    """Branches whose end is not told."""
    for hop in hops:
        for step in hop.steps:
            if _OLD in step.error:
                why = "it is older than 2.11 and cannot trace, so nothing was sent to it"
                yield Blind(what=f"what {step.name or 'the next server'} does", why=why, fix="upgrade it")
            elif step.kind is StepKind.FORWARDED and not step.error and step.hop not in places:
                why = f"{step.name or 'it'} did not tell in time"
                fix = "ask again; over a leafnode it must be allowed to publish on the inbox of whoever asks"
                yield Blind(what=f"what the server behind {step.link} {step.name} does", why=why, fix=fix)
            elif step.kind in (StepKind.IMPORTED, StepKind.EXPORTED) and not _goes_on(hop, step):
                why = "the export does not allow tracing, or nobody listens there"
                fix = f"set allow_trace: true, for a service on the export, for a stream on the import ({step.subject})"
                yield Blind(what=f"what happens in account {step.account}", why=why, fix=fix)


def _goes_on(hop: Hop, crossed: Step) -> bool:
    """Whether anything is told of what happens in the account behind an import."""
    later = hop.steps[hop.steps.index(crossed) + 1 :]
    if crossed.kind is StepKind.IMPORTED:
        return bool(later)
    return any(one.account == crossed.account or one.kind is StepKind.FORWARDED for one in later)


def _ms(earlier: datetime | None, later: datetime | None) -> float | None:
    if earlier is None or later is None or (earlier.tzinfo is None) != (later.tzinfo is None):
        return None
    return round(1000 * (later - earlier).total_seconds(), 3)


def _short(text: str) -> str:
    text = text if text.isprintable() else " ".join(text.split())
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
