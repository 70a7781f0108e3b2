"""Who is in the mesh, as this coordinator hears it; honest about the time in which it could not hear."""

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Mapping
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from diagmesh.bus.core import Bus, BusState, Message, StateChange, Store, Subscription
from diagmesh.connections import Connections
from diagmesh.contract import subjects
from diagmesh.contract.directory import InstanceState
from diagmesh.contract.presence import Heartbeat
from diagmesh.errors import BusError
from diagmesh.expected import Absence, Expected, Key
from diagmesh.gather import learn
from diagmesh.membership import Membership
from diagmesh.roster import Roster
from diagmesh.settings import CoordinatorSettings
from diagmesh_coordinator.registry import Registry
from diagmesh_coordinator.returning import Returning
from diagmesh_coordinator.standstill import Standstill
from diagmesh_coordinator.unread import Unread

__all__ = ["Directory"]

log = logging.getLogger("diagmesh.directory")

_LARGEST_BEAT_BYTES: Final = 16 * 1024
_SWEEP_S: Final = 1.0
_LONGEST_WARMING_S: Final = 60.0
_WARMING_INTERVALS: Final = 1.2
"""A heartbeat may be late by its jitter and the way here."""
_MESH: Final = "mesh"
_LEARN_BY: Final = "health"
_LOOK_AGAIN_S: Final = 0.1
_NOBODY: Final[Mapping[Key, Absence]] = {}

_beat: Final = msgspec.json.Decoder(Heartbeat)


class Directory:
    """Heartbeats in, the expected out.

    Args:
        bus: our connection.
        settings: how long the lost stay expected, and how many replicas there should be.
        clock: monotonic seconds.
        store: where it is kept beyond our own life; None for nowhere.
        us: our name.
    """

    def __init__(
        self,
        bus: Bus,
        settings: CoordinatorSettings,
        clock: Callable[[], float] = time.monotonic,
        store: Store | None = None,
        us: str = "",
    ) -> None:
        self.roster = Roster(forget_after_s=settings.forget_after_s, replicas=settings.replicas)
        many = {_MESH: settings.coordinators} if settings.coordinators else {}
        self.coordinators = Roster(forget_after_s=settings.forget_after_s, replicas=many)
        self.membership = Membership(bus, clock=clock)
        self.registry = Registry(bus, store, self.roster, settings, us, clock)
        self._bus = bus
        self._us = Key(_MESH, us)
        self._clock = clock
        self._own_interval_s = settings.heartbeat_s
        self._hearing_since: float | None = None
        self._warm = False
        self._deaf_since: float | None = None
        self._learning: asyncio.Task[frozenset[Key]] | None = None
        self._swept_at = float("-inf")
        self._unread = Unread()
        self._returning = Returning()
        self._standstill = Standstill(bus, clock)
        self._subscription: Subscription | None = None
        self._unwatch: Callable[[], None] = lambda: None

    # --- hearing

    async def start(self) -> None:
        """Listen to heartbeats from now on, over every later connection."""
        self._unwatch = self._bus.watch(self._state_changed)
        self._standstill.start()
        self._subscription = await self._bus.subscribe(subjects.heartbeats(), self._heard)
        await self.registry.start()
        if self._bus.state.state is BusState.CONNECTED:
            self._state_changed(self._bus.state)

    async def stop(self) -> None:
        """Hear no more."""
        self._unwatch()
        if self._subscription is not None:
            await self._subscription.unsubscribe()
        await self._standstill.stop()
        if self._learning is not None:
            self._learning.cancel()
            await asyncio.wait({self._learning})
        await self.registry.stop()
        await self.membership.close()

    def _state_changed(self, change: StateChange) -> None:
        now = self._clock()
        if change.state is not BusState.CONNECTED:
            self._deaf_since = now if self._deaf_since is None else self._deaf_since
            self._standstill.cut_off()
            return
        deaf_since, self._deaf_since = self._deaf_since, None
        if self._hearing_since is not None and deaf_since is not None:
            # Deaf since the last word of anybody, not only since the client noticed.
            deaf_since = min(deaf_since, max((known.heard_at for known in self.roster), default=deaf_since))
            self.roster.excuse(now - deaf_since)
            self.coordinators.excuse(now - deaf_since)
            self._returning.begin([known.key for known in self.roster if known.live(now)], now)
            if now - deaf_since < self._own_interval_s:
                return
        if self._hearing_since is None or deaf_since is not None:
            self._hearing_since, self._warm = now, False
            if self._learning is None or self._learning.done():
                self._learning = asyncio.get_running_loop().create_task(self._learn(), name="learn")

    async def _learn(self) -> frozenset[Key]:
        since = self._hearing_since
        try:
            names = await learn(self._bus, _LEARN_BY)
        except BusError as error:
            log.warning("could not ask who is there: %s", error)
            return frozenset()
        recalled = await self.registry.recalled()  # which was read meanwhile
        known = all(self.roster.get(key) is not None for key in names)
        if recalled and names and known and since == self._hearing_since:
            self._warm = True  # whoever is there is known, and so is who should be
        return names

    def _heard(self, message: Message) -> None:
        tokens = message.subject.split(".")
        if len(tokens) != 4:
            return
        if len(message.data) > _LARGEST_BEAT_BYTES:
            self._unread.note(message.subject, self._clock())
            return
        try:
            beat = _beat.decode(message.data)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            self._unread.note(message.subject, self._clock())
            log.debug("a heartbeat on %s cannot be read: %s", message.subject, error)
            return
        roster = self.coordinators if tokens[2] == _MESH else self.roster
        key = Key(tokens[2], tokens[3])
        self._returning.heard(key)
        known = roster.get(key)
        sent_at = self._standstill.sent_at(known, beat)
        now = self._clock()
        # Our own come back to us: that we live is no question.
        sent_at = now if key == self._us else sent_at
        roster.hear(tokens[2], tokens[3], beat, sent_at, datetime.now(UTC) - timedelta(seconds=now - sent_at))
        if beat.bye and roster is self.roster and roster.get(key) is None:
            self.registry.left(key, known, beat)
        self._sweep()

    def _sweep(self) -> None:
        now = self._clock()
        if now - self._swept_at > _SWEEP_S:
            self._swept_at = now
            self.roster.sweep(now)
            self.coordinators.sweep(now)

    # --- telling

    def now(self) -> float:
        """The directory's own clock, with whoever is too long lost forgotten."""
        self._sweep()
        return self._clock()

    @property
    def warming(self) -> bool:
        """Whether we have not heard for long enough to say who should be there, or who of them is missing."""
        doubtful = self._standstill.behind or self.registry.awaited
        return self._fresh or doubtful or bool(self._returning.away(self._clock()))

    @property
    def _fresh(self) -> bool:
        if self._hearing_since is None:
            return True
        if not self._warm:
            interval_s = min(_LONGEST_WARMING_S, max(self._own_interval_s, self.roster.longest_interval_s()))
            self._warm = self._clock() - self._hearing_since >= _WARMING_INTERVALS * interval_s
        return not self._warm

    async def hoped(self, timeout_s: float) -> frozenset[Key]:
        """While we have not heard of everybody: who answered when all were asked. Nobody vouches for these names."""
        began = self._clock()
        await self._standstill.caught_up(timeout_s)
        if not self._fresh or self._learning is None:
            return frozenset()
        await asyncio.wait({self._learning}, timeout=max(0.0, began + timeout_s - self._clock()))
        if not self._learning.done() or self._learning.cancelled():
            return frozenset()
        return self._learning.result()

    async def not_back(self, timeout_s: float) -> Mapping[Key, Absence]:
        """Right after our connection came back: who is not connected again within this time, with what that means.

        Nearly always that is nobody, and known at once.
        """
        missing: AbstractSet[Key] = frozenset()
        try:
            async with asyncio.timeout(timeout_s):
                while away := self._returning.away(self._clock()):
                    seen = await self.membership.look(max(self._returning.back_at, self._clock() - _LOOK_AGAIN_S))
                    # Without a look nobody knows: then they are asked and waited for like everybody.
                    missing = frozenset() if seen.problem else self._not_in(seen, away)
                    if not missing:
                        return _NOBODY
                    await asyncio.sleep(_LOOK_AGAIN_S)
        except TimeoutError:
            return self._returning.absences(missing & self._returning.away(self._clock()), self._clock())
        return _NOBODY

    def _not_in(self, seen: Connections, away: AbstractSet[Key]) -> AbstractSet[Key]:
        """Who of these is surely not connected: behind a leafnode they are not seen, but not away either."""
        leaves = {known.key for known in self.roster if known.beat.server in seen.leaves} if seen.leaves else set()
        return away - seen.keys - leaves

    async def absences(
        self, missing: Collection[Expected], not_before: float, not_back: Mapping[Key, Absence] = _NOBODY
    ) -> Mapping[Key, Absence]:
        """Why these are silent (`diagmesh.membership.Membership.absences`).

        Args:
            missing: who was not heard.
            not_before: monotonic seconds; a look that was taken earlier is not good enough.
            not_back: whose absence says nothing, because we ourselves have just come back.
        """
        why = await self.membership.absences([one for one in missing if one.key not in not_back], not_before)
        return {**why, **{one.key: not_back[one.key] for one in missing if one.key in not_back}}

    async def absences_within(
        self,
        timeout_s: float,
        missing: Collection[Expected],
        not_before: float,
        not_back: Mapping[Key, Absence] = _NOBODY,
    ) -> Mapping[Key, Absence]:
        """As `absences`; where the servers do not tell in time, only what is known without them."""
        try:
            async with asyncio.timeout(max(0.0, timeout_s)):
                return await self.absences(missing, not_before, not_back)
        except TimeoutError:
            return {one.key: not_back[one.key] for one in missing if one.key in not_back}

    async def forget(self, service: str, instance: str, by: str = "") -> tuple[tuple[Key, ...], tuple[Key, ...]]:
        """Stop expecting an instance, or all lost ones of a service; one that is still connected is kept.

        Args:
            service: of which service; ``mesh`` means the coordinators.
            instance: which one; empty for all lost ones.
            by: public key of the operator who wants it.

        Returns:
            Who was removed, and who was kept.
        """
        # The heartbeats of a sidecar that was killed just now are still in time: its connection tells sooner.
        roster = self.coordinators if service == _MESH else self.roster
        live = [
            known.expected(self._clock())
            for known in roster.instances(service)
            if known.live(self._clock()) and instance in ("", known.key.instance)
        ]
        why = await self.absences(live, self._clock())
        away = self._returning.away(self._clock())
        gone = frozenset(key for key, absence in why.items() if absence.state is InstanceState.NOT_CONNECTED) - away
        before = roster.instances(service)
        removed, kept = roster.forget(service, instance, self.now(), gone)
        if roster is self.roster:
            for known in before:
                if known.key in removed:
                    self.registry.forgotten(known, by)
        return removed, kept

    def problems(self) -> tuple[str, ...]:
        """What makes this directory doubtful, and every sum with it."""
        now = self._clock()
        return *self.roster.problems(now), *self.coordinators.problems(now)

    def unread(self) -> tuple[str, ...]:
        """Heartbeats that could not be read lately: anybody may cause one, so it is no doubt of what others said."""
        return self._unread.problems(self._clock())
