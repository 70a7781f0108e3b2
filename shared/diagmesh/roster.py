"""Who is there, who should be, and who was lost: heartbeats in, the expected out. Pure; time is passed in."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Final

import msgspec

from diagmesh.contract.names import check_token
from diagmesh.contract.presence import Heartbeat
from diagmesh.errors import BadName
from diagmesh.expected import Expected, Key, label

__all__ = ["LIVE_INTERVALS", "Known", "Roster", "expected", "fits"]

LIVE_INTERVALS: Final = 3.0
"""Heartbeats missed in a row until an instance is lost."""

_MOST_BOOTS: Final = 4
_MOST_KINDS: Final = 64
_MOST_LABELS: Final = 32
_LABEL_CHARACTERS: Final = 4096
_TEXT_CHARACTERS: Final = 255
_MOST_PROBLEMS: Final = 100
_ALTERNATES: Final = 0.25
"""An older boot heard this share of an interval after a newer one is alive, not just late on its way."""


class _Boot(msgspec.Struct, gc=False):
    """One start of a sidecar, as heard under one name."""

    boot: str
    first_at: float
    last_at: float
    interval_s: float

    def live(self, now: float) -> bool:
        return now - self.last_at < LIVE_INTERVALS * self.interval_s


class Known(msgspec.Struct, kw_only=True):
    """One instance in the directory; plain data, so that it can be written down and restored.

    Args:
        beat: what its newest boot said last.
        boots: the starts heard lately, the newest last.
        last_seen: when it was last heard, for people.
    """

    service: str
    instance: str
    beat: Heartbeat
    boots: list[_Boot]
    last_seen: datetime

    @property
    def key(self) -> Key:
        """Service and instance."""
        return Key(self.service, self.instance)

    @property
    def heard_at(self) -> float:
        """When any boot was last heard, monotonic seconds."""
        return max(boot.last_at for boot in self.boots)

    def live(self, now: float) -> bool:
        """Whether any boot is in time."""
        return any(boot.live(now) for boot in self.boots)

    def rivals(self, now: float) -> tuple[str, str] | None:
        """Two boots that live under this one name: the older one spoke again after the newer one had begun."""
        newest = self.boots[-1]
        for older in self.boots[:-1]:
            again = older.last_at - newest.first_at > _ALTERNATES * older.interval_s
            if again and older.live(now) and newest.live(now):
                return older.boot, newest.boot
        return None


class Roster:
    """The instances of the mesh as their heartbeats tell it.

    Args:
        forget_after_s: how long a lost instance stays expected.
        replicas: per service, how many instances there should be.
        most: instances kept at most.
        most_per_service: the same for one service, so that one hostile member cannot crowd out the others.
    """

    def __init__(
        self,
        *,
        forget_after_s: float = 900.0,
        replicas: Mapping[str, int] | None = None,
        most: int = 50_000,
        most_per_service: int = 20_000,
    ) -> None:
        self._forget_after_s = forget_after_s
        self._replicas = dict(replicas or {})
        self._most = most
        self._most_per_service = most_per_service
        self._services: dict[str, dict[str, Known]] = {}
        self._count = 0
        self._refused: dict[str, int] = {}

    def __len__(self) -> int:
        """How many instances are known, live or lost."""
        return self._count

    def __iter__(self) -> Iterator[Known]:
        """All known instances."""
        for instances in self._services.values():
            yield from instances.values()

    def hear(self, service: str, instance: str, beat: Heartbeat, now: float, at: datetime) -> bool:
        """Take in one heartbeat; service and instance come from its subject, which the server checks.

        Args:
            service: from the subject.
            instance: from the subject.
            beat: what was said.
            now: monotonic seconds.
            at: wall clock, for people.

        Returns:
            Whether it was taken: an illegal name, or a new name in a full directory, is not.
        """
        known = self._services.get(service, {}).get(instance)
        if beat.bye:
            self._leave(known, beat.boot)
            return True
        if known is not None:
            _again(known, beat, now, at)
            return True
        return self._admit(service, instance, beat, now, at)

    def _admit(self, service: str, instance: str, beat: Heartbeat, now: float, at: datetime) -> bool:
        try:
            check_token(service, "service", reserved_ok=service == "mesh")
            check_token(instance, "instance")
        except BadName:
            return False
        if self._count >= self._most or len(self._services.get(service, ())) >= self._most_per_service:
            if len(self._refused) < _MOST_PROBLEMS or service in self._refused:
                self._refused[service] = self._refused.get(service, 0) + 1
            return False
        boot = _Boot(beat.boot[:_TEXT_CHARACTERS], now, now, beat.interval_s)
        self._services.setdefault(service, {})[instance] = Known(
            service=service, instance=instance, beat=_trimmed(beat), boots=[boot], last_seen=at
        )
        self._count += 1
        return True

    def _leave(self, known: Known | None, boot: str) -> None:
        leaving = next((one for one in known.boots if one.boot == boot[:_TEXT_CHARACTERS]), None) if known else None
        if known is None or leaving is None:
            return  # a late word of a start that something newer has replaced
        # Whoever has not spoken since the leaving one began was replaced by it, and is gone with it.
        known.boots = [one for one in known.boots if one is not leaving and one.last_at > leaving.first_at]
        if not known.boots:
            self._remove(known)

    def _remove(self, known: Known) -> None:
        instances = self._services[known.service]
        del instances[known.instance]
        self._count -= 1
        self._refused.pop(known.service, None)
        if not instances:
            del self._services[known.service]

    def sweep(self, now: float) -> int:
        """Forget who is lost for longer than ``forget_after_s``; returns how many. Call it now and then."""
        old = [known for known in self if not known.live(now) and now - known.heard_at >= self._forget_after_s]
        for known in old:
            self._remove(known)
        return len(old)

    def forget(self, service: str, instance: str, now: float) -> tuple[tuple[Key, ...], tuple[Key, ...]]:
        """Stop expecting an instance (or, without one, all lost ones of the service).

        Returns:
            Who was removed, and who was kept because it is live.
        """
        instances = self._services.get(service, {})
        chosen = [known for name, known in instances.items() if instance in ("", name)]
        kept = tuple(known.key for known in chosen if known.live(now))
        lost = [known for known in chosen if not known.live(now)]
        for known in lost:
            self._remove(known)
        return tuple(known.key for known in lost), kept

    def excuse(self, outage_s: float) -> None:
        """We could not hear for so long: nobody's silence of that time counts."""
        for known in self:
            for boot in known.boots:
                boot.first_at += outage_s
                boot.last_at += outage_s

    def services(self) -> tuple[str, ...]:
        """All service names: known, or declared with replicas."""
        return tuple(sorted(self._services.keys() | self._replicas.keys()))

    def instances(self, service: str) -> tuple[Known, ...]:
        """The known instances of one service, by name."""
        return tuple(known for _, known in sorted(self._services.get(service, {}).items()))

    def declared(self, service: str) -> int | None:
        """How many instances the settings ask for; None when they do not say."""
        return self._replicas.get(service)

    def lacking(self, service: str) -> int:
        """How many of the declared instances are neither live nor lost by name."""
        return max(0, self._replicas.get(service, 0) - len(self._services.get(service, ())))

    def kinds(self) -> frozenset[str]:
        """The kinds that any known instance answers, or answered before it was lost."""
        return frozenset(kind for known in self for kind in known.beat.kinds)

    def longest_interval_s(self) -> float:
        """The slowest heartbeat heard; 0 when none was."""
        return max((known.beat.interval_s for known in self), default=0.0)

    def problems(self, now: float) -> tuple[str, ...]:
        """What makes the directory doubtful, in words; at most 100."""
        found = [
            f"two sidecars call themselves {label(known.key)} (boots {rivals[0]} and {rivals[1]}): rename one of them"
            for known in self
            if (rivals := known.rivals(now)) is not None
        ]
        found += [
            f"the directory is full: {count} heartbeats of new instances of {service} were not taken in"
            for service, count in sorted(self._refused.items())
        ]
        return tuple(found[:_MOST_PROBLEMS])

    def snapshot(self) -> tuple[Known, ...]:
        """Everything known, as plain data."""
        return tuple(self)

    def restore(self, known: tuple[Known, ...], now: float) -> None:
        """Take in what an earlier run knew: as lost since now, until their heartbeats say otherwise."""
        for one in known:
            if self._admit(one.service, one.instance, one.beat, now, one.last_seen):
                boot = self._services[one.service][one.instance].boots[0]
                boot.first_at = boot.last_at = now - LIVE_INTERVALS * boot.interval_s


def fits(known: Known, instances: tuple[str, ...], labels: Mapping[str, str]) -> bool:
    """Whether a selection means this instance (``i1`` or ``orders/i1``; all of the labels)."""
    if instances and known.instance not in instances and label(known.key) not in instances:
        return False
    return all(known.beat.labels.get(name) == value for name, value in labels.items())


def expected(known: Known, now: float) -> Expected:
    """What a gather needs to know of an instance."""
    return Expected(
        key=known.key,
        live=known.live(now),
        heard_at=known.heard_at,
        last_seen=known.last_seen,
        server=known.beat.server,
    )


def _again(known: Known, beat: Heartbeat, now: float, at: datetime) -> None:
    known.last_seen = at
    name = beat.boot[:_TEXT_CHARACTERS]
    for boot in known.boots:
        if boot.boot == name:
            boot.last_at, boot.interval_s = now, beat.interval_s
            break
    else:
        known.boots = [*known.boots[-(_MOST_BOOTS - 1) :], _Boot(name, now, now, beat.interval_s)]
    if len(known.boots) > 1:
        known.boots = [boot for boot in known.boots if boot.live(now)]
    if known.boots[-1].boot == name:
        known.beat = _trimmed(beat)


def _trimmed(beat: Heartbeat) -> Heartbeat:
    """Keep no more of a heartbeat than a well-behaved one holds, whatever was sent."""
    labels = beat.labels
    if len(labels) > _MOST_LABELS or sum(map(len, labels)) + sum(map(len, labels.values())) > _LABEL_CHARACTERS:
        labels = {}
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
        labels=labels,
    )
