"""Keeps the directory in a bucket: reads what others wrote, writes what changed, and says when it cannot.

Never in the way: whoever asks waits for it only right after a connection came, and then not for long. Nothing is
queued: what is to be written is found by comparing, so an outage of any length costs no memory, and what changed in it
is written when the bucket is back. News are read by asking (everything after the last revision), never watched for: a
watcher is blind after a restart of the server.
"""

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Final

from diagmesh.bus.core import Bus, BusState, Entry, StateChange, Store
from diagmesh.contract.directory import Registry as Told
from diagmesh.contract.directory import RegistryState
from diagmesh.contract.presence import Heartbeat
from diagmesh.errors import BusError, StoreConflict, StoreUnavailable
from diagmesh.expected import Key
from diagmesh.roster import Known, Roster
from diagmesh.settings import CoordinatorSettings
from diagmesh_coordinator.registry.book import Book
from diagmesh_coordinator.registry.compare import Wanted
from diagmesh_coordinator.registry.records import encode

__all__ = ["Registry"]

log = logging.getLogger("diagmesh.registry")

_PACE_S: Final = 1.0
_LEAST_S: Final = 0.1
"""Between two rounds, however much there is to hurry for: each looks at everybody."""
_PACED_INSTANCES: Final = 2000
"""With more, the pace is slower by as much."""
_JITTER: Final = 0.1
_MOST_WRITES: Final = 200
"""At a time; the rest waits for the next round."""
_MOST_CONFLICTS: Final = 10
_BACKOFF_FIRST_S: Final = 1.0
_BACKOFF_MOST_S: Final = 10.0
_LOOK_AGAIN_S: Final = 10.0
"""Whether it is still the bucket that we know; reading alone would not tell."""
_RECALL_S: Final = 0.3
_LAST_WORDS_S: Final = 1.0
_AWAITED_S: Final = 30.0
"""After the end of a server its bucket may be without a leader for a dozen seconds, and our connection is quicker."""
_BY_SETTINGS: Final = 'the settings say so (registry.keep = "off")'


class Registry:
    """What a coordinator remembers beyond its own life.

    Args:
        bus: whose connections are watched.
        store: the bucket; None where none is to be kept.
        roster: the directory that is kept.
        settings: of the coordinator.
        us: its name.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        bus: Bus,
        store: Store | None,
        roster: Roster,
        settings: CoordinatorSettings,
        us: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._bus = bus
        self._store = store if settings.registry.keep != "off" else None
        self._required = settings.registry.keep == "required"
        self._roster = roster
        self._book = Book(roster, settings.replicas, settings.forget_after_s, us)
        self._us = us
        self._clock = clock
        self._state = RegistryState.OFF
        self._reason = _BY_SETTINGS if self._store is None else "it was not read yet"
        self._since: datetime | None = None
        self._identity = ""
        self._looked_at = float("-inf")
        self._read_to = 0
        self._ever = False
        self._there_is_none = False
        self._tried_since: float | None = None
        self._pending = 0
        self._backoff_s = _BACKOFF_FIRST_S
        self._hurry = asyncio.Event()
        self._settled = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._unwatch: Callable[[], None] = lambda: None

    # --- what others see

    def told(self) -> Told:
        """How it stands, for answers; to count what waits to be written takes long, so that is as of the last round."""
        return Told(
            state=self._state,
            reason=self._reason,
            since=self._since,
            pending=0 if self._state is RegistryState.OFF else self._pending,
            required=self._required,
            notes=self._book.notes,
        )

    async def recalled(self) -> bool:
        """Until it was read since our connection came, or cannot be; whether it was. A third of a second at most."""
        if self._task is None:
            return False
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_RECALL_S):
                await self._settled.wait()
        return self._settled.is_set() and self._state is RegistryState.KEPT

    @property
    def awaited(self) -> bool:
        """Whether it was never read since our start but soon may be: it is there, and only does not answer yet."""
        if self._task is None or self._ever or self._there_is_none or self._tried_since is None:
            return False
        return self._clock() - self._tried_since < _AWAITED_S

    def left(self, key: Key, known: Known | None, beat: Heartbeat) -> None:
        """It said goodbye; None when it was not known before."""
        if self._store is not None:
            self._book.left(key, known, beat, self._clock(), datetime.now(UTC))
            self._hurry.set()

    def forgotten(self, known: Known, by: str) -> None:
        """An operator had it forgotten (by his public key)."""
        if self._store is not None:
            self._book.ended(known, "forgotten", datetime.now(UTC), by or self._us)
            self._hurry.set()

    # --- its life

    async def start(self) -> None:
        """Begin to read and write; what cannot be done now is done later."""
        if self._store is None or self._task is not None:
            return
        if self._bus.state.state is BusState.CONNECTED:
            self._tried_since = self._clock()
        self._unwatch = self._bus.watch(self._state_changed)
        self._task = asyncio.get_running_loop().create_task(self._run(self._store), name="registry")

    async def stop(self) -> None:
        """Write what has changed, if that is possible at once; bounded."""
        self._unwatch()
        if self._task is None:
            return
        self._task.cancel()
        await asyncio.wait({self._task})
        if self._store is not None and self._state is RegistryState.KEPT:
            with contextlib.suppress(BusError, TimeoutError):
                async with asyncio.timeout(_LAST_WORDS_S):
                    await self._write(self._store)

    def _state_changed(self, change: StateChange) -> None:
        if change.state is BusState.CONNECTED:
            self._tried_since = self._clock() if self._tried_since is None else self._tried_since
            self._identity = ""  # whatever happened meanwhile, all of it is read again
            self._settled.clear()
            self._backoff_s = _BACKOFF_FIRST_S
            self._hurry.set()

    async def _run(self, store: Store) -> None:
        while True:
            self._hurry.clear()
            pace_s = _PACE_S * max(1.0, len(self._roster) / _PACED_INSTANCES)
            wait_s = pace_s * random.uniform(1 - _JITTER, 1)  # noqa: S311  jitter, no secret
            if self._bus.state.state is BusState.CONNECTED:
                try:
                    await self._round(store)
                except BusError as error:
                    wait_s = self._failed(error)
                except Exception as error:
                    log.exception("a round of the registry failed in a way that is not known to us")
                    wait_s = self._failed(StoreUnavailable(f"our own fault: {type(error).__name__}"))
                self._settled.set()
                await asyncio.sleep(_LEAST_S)
            if self._state is RegistryState.DEGRADED:
                await self._count()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._hurry.wait()

    async def _round(self, store: Store) -> None:
        if not self._identity or self._clock() - self._looked_at >= _LOOK_AGAIN_S:
            await self._look(store)
        else:
            await self._read_on(store)
        await self._write(store)
        self._backoff_s = _BACKOFF_FIRST_S
        lacks = self._book.lacks
        self._tell(RegistryState.DEGRADED if lacks else RegistryState.KEPT, lacks)

    async def _look(self, store: Store) -> None:
        """Whether the bucket is there, and the one we know; all of it is read where it may not be."""
        identity = await store.open()
        self._looked_at = self._clock()
        if identity != self._identity:
            entries = await store.read()
            self._book.clear()
            self._read_to = 0
            self._take(entries)
            self._identity, self._ever = identity, True
        else:
            await self._read_on(store)

    async def _read_on(self, store: Store) -> None:
        self._take(await store.read(self._read_to))

    def _take(self, entries: list[Entry]) -> None:
        now, at = self._clock(), datetime.now(UTC)
        for entry in entries:
            self._read_to = max(self._read_to, entry.revision)
            if wrong := self._book.take(entry, now, at):
                log.warning("the registry: %s", wrong)

    async def _write(self, store: Store) -> None:
        """Everything that changed, within bounds; conflicts are left to the next round, which knows better."""
        todo = await self._wanted()
        self._pending = len(todo)
        conflicts = 0
        for wanted in todo[:_MOST_WRITES]:
            conflicts += not await self._put(store, wanted)
            if conflicts >= _MOST_CONFLICTS:
                break

    async def _put(self, store: Store, wanted: Wanted) -> bool:
        record, value = encode(wanted.record)
        try:
            revision = await store.put(wanted.key, value, last=wanted.last, ttl_s=self._book.ttl_s)
        except StoreConflict:
            await self._read_on(store)
            if self._book.revision(wanted.key) == wanted.last:
                self._identity = ""  # it has expired, or this is not the bucket that we have read
            return False
        self._book.written(wanted._replace(record=record), revision, self._clock())
        self._pending -= 1
        return True

    async def _wanted(self) -> list[Wanted]:
        todo = []
        for one in self._listed():
            if one is None:
                await asyncio.sleep(0)  # thousands of instances must not keep others from their turn
            else:
                todo.append(one)
        return todo

    async def _count(self) -> None:
        """Where nothing can be written: how much waits for it."""
        try:
            self._pending = len(await self._wanted())
        except Exception:
            log.exception("what is not written to the registry cannot be counted")

    def _listed(self) -> Iterator[Wanted | None]:
        return self._book.wanted(self._clock(), datetime.now(UTC))

    # --- its troubles

    def _failed(self, error: BusError) -> float:
        """Says why, and how long to leave it alone: a bound that grows, with full jitter."""
        absent = isinstance(error, StoreUnavailable) and error.absent
        off = absent and not self._ever and not self._required
        self._looked_at = float("-inf")  # perhaps the bucket is gone
        self._there_is_none = self._there_is_none or off
        if self._bus.state.state is BusState.CONNECTED:
            self._tell(RegistryState.OFF if off else RegistryState.DEGRADED, str(error))
        self._backoff_s = min(_BACKOFF_MOST_S, self._backoff_s * 2)
        return random.uniform(_PACE_S, self._backoff_s)  # noqa: S311  jitter, no secret

    def _tell(self, state: RegistryState, reason: str) -> None:
        if state is not self._state or self._since is None:
            self._since = datetime.now(UTC)
            if state is RegistryState.KEPT:
                log.info("the registry is kept: a coordinator that starts anew knows whom to expect")
            else:
                level = logging.INFO if state is RegistryState.OFF else logging.WARNING
                log.log(level, "the registry is %s: %s; the directory lives in memory only", state, reason)
        self._state, self._reason = state, reason
