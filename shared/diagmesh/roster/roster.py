"""The directory itself: admits, loses, forgets, within bounds."""

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from typing import Final

from diagmesh.contract.names import check_token
from diagmesh.contract.presence import Heartbeat
from diagmesh.errors import BadName
from diagmesh.expected import Key, label
from diagmesh.roster.known import Known, heard_again, heard_first, recalled, without_boot

__all__ = ["Roster"]

_MOST_PROBLEMS: Final = 100


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
        self._own: Final = frozenset(self._replicas)
        self._most = most
        self._most_per_service = most_per_service
        self._services: dict[str, dict[str, Known]] = {}
        self._count = 0
        self._kinds: frozenset[str] | None = None
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
            before = known.beat.kinds
            heard_again(known, beat, now, at)
            self._kinds = self._kinds if known.beat.kinds == before else None
            return True
        return self._admit(service, instance, beat, now, at)

    def recall(self, key: Key, beat: Heartbeat, last_seen: datetime, last_at: float, presumed_until: float) -> bool:
        """Take in whom somebody else has heard, unless it is known here already.

        Args:
            key: who.
            beat: what it said last.
            last_seen: when that was, for people.
            last_at: the same, by our monotonic clock.
            presumed_until: it counts as live until then, since we had no time to hear it ourselves.

        Returns:
            Whether it was taken.
        """
        if self.get(key) is not None or not self._room(*key):
            return False
        self._add(recalled(key, beat, last_seen, last_at, presumed_until))
        return True

    def _admit(self, service: str, instance: str, beat: Heartbeat, now: float, at: datetime) -> bool:
        if not self._room(service, instance):
            return False
        self._add(heard_first(service, instance, beat, now, at))
        return True

    def _add(self, known: Known) -> None:
        self._services.setdefault(known.key.service, {})[known.key.instance] = known
        self._count += 1
        self._kinds = None

    def _room(self, service: str, instance: str) -> bool:
        """Whether this is a legal name, and there is room for one more."""
        try:
            check_token(service, "service", reserved_ok=service == "mesh")
            check_token(instance, "instance")
        except BadName:
            return False
        if self._count >= self._most or len(self._services.get(service, ())) >= self._most_per_service:
            if len(self._refused) < _MOST_PROBLEMS or service in self._refused:
                self._refused[service] = self._refused.get(service, 0) + 1
            return False
        return True

    def _leave(self, known: Known | None, boot: str) -> None:
        if known is not None and not without_boot(known, boot):
            self._remove(known)

    def _remove(self, known: Known) -> None:
        instances = self._services[known.key.service]
        del instances[known.key.instance]
        self._count -= 1
        self._kinds = None
        self._refused.pop(known.key.service, None)
        if not instances:
            del self._services[known.key.service]

    def drop(self, key: Key) -> None:
        """It is not expected any longer, as somebody else knows."""
        known = self.get(key)
        if known is not None:
            self._remove(known)

    def sweep(self, now: float) -> int:
        """Forget who is lost for longer than ``forget_after_s``; returns how many. Call it now and then."""
        old = [known for known in self if not known.live(now) and now - known.heard_at >= self._forget_after_s]
        for known in old:
            self._remove(known)
        return len(old)

    def forget(
        self, service: str, instance: str, now: float, gone: Collection[Key] = ()
    ) -> tuple[tuple[Key, ...], tuple[Key, ...]]:
        """Stop expecting an instance (or, without one, all lost ones of the service).

        Args:
            service: whose.
            instance: which one; empty for all.
            now: monotonic seconds.
            gone: who is known to be not connected, although its heartbeats are still in time.

        Returns:
            Who was removed, and who was kept because it is live.
        """
        instances = self._services.get(service, {})
        chosen = [known for name, known in instances.items() if instance in ("", name)]
        lost = [known for known in chosen if known.key in gone or not known.live(now)]
        kept = tuple(known.key for known in chosen if known not in lost)
        for known in lost:
            self._remove(known)
        return tuple(known.key for known in lost), kept

    def excuse(self, outage_s: float) -> None:
        """We could not hear for so long: nobody's silence of that time counts."""
        for known in self:
            if known.presumed_until is not None:
                known.presumed_until += outage_s
            for boot in known.boots:
                boot.first_at += outage_s
                boot.last_at += outage_s

    def services(self) -> tuple[str, ...]:
        """All service names: known, or declared with replicas."""
        return tuple(sorted(self._services.keys() | self._replicas.keys()))

    def instances(self, service: str) -> tuple[Known, ...]:
        """The known instances of one service, by name."""
        instances = self._services.get(service, {})
        return tuple(instances[name] for name in sorted(instances))  # of pairs it takes four times as long

    def get(self, key: Key) -> Known | None:
        """One instance; None when it is not known."""
        return self._services.get(key.service, {}).get(key.instance)

    def declare(self, service: str, replicas: int | None) -> None:
        """How many instances others say there should be (None: nobody any longer); our own settings win."""
        if service in self._own:
            return
        if replicas is None:
            self._replicas.pop(service, None)
        elif service in self._replicas or len(self._replicas) < self._most_per_service:
            self._replicas[service] = replicas

    def count(self, service: str) -> int:
        """How many instances of one service are known, live or lost."""
        return len(self._services.get(service, ()))

    def declared(self, service: str) -> int | None:
        """How many instances the settings ask for; None when they do not say."""
        return self._replicas.get(service)

    def lacking(self, service: str) -> int:
        """How many of the declared instances are neither live nor lost by name."""
        return max(0, self._replicas.get(service, 0) - self.count(service))

    def kinds(self) -> frozenset[str]:
        """The kinds that any known instance answers, or answered before it was lost."""
        if self._kinds is None:
            self._kinds = frozenset(kind for known in self for kind in known.beat.kinds)
        return self._kinds

    def longest_interval_s(self) -> float:
        """The slowest heartbeat heard; 0 when none was."""
        return max((known.beat.interval_s for known in self), default=0.0)

    def problems(self, now: float) -> tuple[str, ...]:
        """What makes the directory doubtful, in words; at most 100."""
        found = [
            f"{_count(len(rivals))} sidecars call themselves {label(known.key)}"
            f" (boots {' and '.join(one.boot for one in rivals)}): rename one of them"
            for known in self
            if len(known.boots) > 1 and (rivals := known.rivals(now))  # asked at each question; nearly always nobody
        ]
        found += [
            f"the labels of {label(known.key)} are not known, no selection by labels finds it: {known.labels_problem}"
            for known in self
            if known.labels_problem
        ]
        found += [
            f"the directory is full: {count} heartbeats of new instances of {service} were not taken in"
            for service, count in sorted(self._refused.items())
        ]
        return tuple(found[:_MOST_PROBLEMS])


def _count(number: int) -> str:
    return "two" if number == 2 else str(number)
