"""One instance as its heartbeats tell it: its starts, whether it is live, and what it said last."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

import msgspec

from diagmesh.contract.directory import Rival
from diagmesh.contract.labels import check_labels
from diagmesh.contract.presence import Heartbeat
from diagmesh.errors import BadName
from diagmesh.expected import Expected, Key

__all__ = ["Boot", "Known", "heard_again", "heard_first", "recalled", "without_boot"]

_LIVE_INTERVALS: Final = 3.0
"""Heartbeats missed in a row until an instance is lost."""

_MOST_BOOTS: Final = 4
_MOST_KINDS: Final = 64
_TEXT_CHARACTERS: Final = 255
_ALTERNATES: Final = 0.25
"""An older boot heard this share of an interval after a newer one is alive, not just late on its way."""


class Boot(msgspec.Struct, gc=False):
    """One start of a sidecar, as heard under one name."""

    boot: str
    host: str
    first_at: float
    last_at: float
    interval_s: float

    def live(self, now: float) -> bool:
        """Whether its heartbeats are in time."""
        return now - self.last_at < _LIVE_INTERVALS * self.interval_s


class Known(msgspec.Struct, kw_only=True):
    """One instance in the directory.

    Args:
        key: service and instance.
        beat: what its newest boot said last.
        boots: the starts heard lately, the newest last.
        last_seen: when it was last heard, for people.
        presumed_until: it is known from hearsay only, and counts as live until then (monotonic seconds).
        labels_problem: why the labels that it told are not taken in.
    """

    key: Key
    beat: Heartbeat
    boots: list[Boot]
    last_seen: datetime
    presumed_until: float | None = None
    labels_problem: str = ""

    @property
    def heard_at(self) -> float:
        """When any boot was last heard, monotonic seconds."""
        return max(boot.last_at for boot in self.boots)

    def live(self, now: float) -> bool:
        """Whether any boot is in time, or must be taken to be."""
        presumed = self.presumed_until is not None and now < self.presumed_until
        return presumed or any(boot.live(now) for boot in self.boots)

    @property
    def labels(self) -> Mapping[str, str]:
        """What its sidecar's settings say of it."""
        return self.beat.labels

    def expected(self, now: float) -> Expected:
        """What a gather needs to know of it."""
        if (
            len(self.boots) == 1 and self.presumed_until is None
        ):  # nearly always, and this is done for everybody at each question
            (boot,) = self.boots
            live, heard_at = boot.live(now), boot.last_at
        else:
            live, heard_at = self.live(now), self.heard_at
        return Expected(
            key=self.key,
            live=live,
            heard_at=heard_at,
            last_seen=self.last_seen,
            server=self.beat.server,
            interval_s=self.beat.interval_s,
        )

    def rivals(self, now: float) -> tuple[Rival, ...]:
        """Boots that live under this one name, the newest last: the older ones spoke again after it had begun."""
        newest = self.boots[-1]
        if len(self.boots) == 1 or not newest.live(now):
            return ()
        others = [
            older
            for older in self.boots[:-1]
            if older.live(now) and older.last_at - newest.first_at > _ALTERNATES * older.interval_s
        ]
        return tuple(Rival(boot=one.boot, host=one.host) for one in (*others, newest)) if others else ()


def heard_first(service: str, instance: str, beat: Heartbeat, now: float, at: datetime) -> Known:
    """A new instance by its first heartbeat."""
    problem = _wrong(beat.labels)
    kept = _trimmed(beat, problem)
    boots = [Boot(kept.boot, kept.host, now, now, beat.interval_s)]
    return Known(key=Key(service, instance), beat=kept, boots=boots, last_seen=at, labels_problem=problem)


def recalled(key: Key, beat: Heartbeat, last_seen: datetime, last_at: float, presumed_until: float) -> Known:
    """An instance that somebody else has heard, at ``last_at`` by our monotonic clock, as its record tells."""
    problem = _wrong(beat.labels)
    kept = _trimmed(beat, problem)
    boots = [Boot(kept.boot, kept.host, last_at, last_at, beat.interval_s)]
    return Known(
        key=key, beat=kept, boots=boots, last_seen=last_seen, presumed_until=presumed_until, labels_problem=problem
    )


def without_boot(known: Known, boot: str) -> bool:
    """Take out a start that said goodbye; returns whether anything of the instance is left."""
    leaving = next((one for one in known.boots if one.boot == boot[:_TEXT_CHARACTERS]), None)
    if leaving is None:
        return True  # a late word of a start that something newer has replaced
    # Whoever has not spoken since the leaving one began was replaced by it, and is gone with it.
    known.boots = [one for one in known.boots if one is not leaving and one.last_at > leaving.first_at]
    return bool(known.boots)


def heard_again(known: Known, beat: Heartbeat, now: float, at: datetime) -> None:
    """One more heartbeat of a known instance, of the same start or another."""
    known.last_seen, known.presumed_until = at, None
    name = beat.boot[:_TEXT_CHARACTERS]
    for boot in known.boots:
        if boot.boot == name:
            boot.last_at, boot.interval_s = now, beat.interval_s
            break
    else:
        newest = Boot(name, beat.host[:_TEXT_CHARACTERS], now, now, beat.interval_s)
        known.boots = [*known.boots[-(_MOST_BOOTS - 1) :], newest]
    if len(known.boots) > 1:
        known.boots = [boot for boot in known.boots if boot.live(now)]
    if known.boots[-1].boot == name:
        if known.labels_problem or beat.labels != known.beat.labels:
            known.labels_problem = _wrong(beat.labels)
        known.beat = _trimmed(beat, known.labels_problem)


def _wrong(labels: Mapping[str, str]) -> str:
    """Why these can be nobody's labels; empty when they can."""
    try:
        check_labels(labels)
    except BadName as error:
        return str(error)
    return ""


def _trimmed(beat: Heartbeat, labels_problem: str) -> Heartbeat:
    """Keep no more of a heartbeat than a well-behaved one holds, whatever was sent."""
    kinds = tuple(kind[:63] for kind in beat.kinds[:_MOST_KINDS])
    cut = slice(_TEXT_CHARACTERS)
    return Heartbeat(
        v=beat.v,
        boot=beat.boot[cut],
        n=beat.n,
        interval_s=beat.interval_s,
        server=beat.server[cut],
        host=beat.host[cut],
        kinds=kinds,
        version=beat.version[cut],
        labels={} if labels_problem else beat.labels,
    )
