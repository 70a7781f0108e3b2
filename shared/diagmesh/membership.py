"""Why somebody is silent: the connections of our own account, asked of every server (CONNZ), tell it."""

import asyncio
import time
from collections.abc import Callable, Collection
from typing import Final, NamedTuple

import msgspec

from diagmesh.bus.core import Bus, Message
from diagmesh.connections import Connections, Since, connection_key, judge
from diagmesh.contract import subjects
from diagmesh.errors import BusError, NotPermitted
from diagmesh.expected import NOT_PERMITTED, Absence, Expected, Key

__all__ = ["Membership"]

_PAGE: Final = 4096
_OVERLAP: Final = 64
"""Pages overlap, so that connections that end between two pages do not push others out of sight."""
_MOST_PAGES: Final = 16
_REFUSED_FOR_S: Final = 30.0
_REMEMBER_SERVERS_S: Final = 30.0
_LEAFNODE: Final = "Leafnode"


class _Connection(msgspec.Struct, gc=False):
    name: str = ""
    kind: str = ""
    start: str = ""


class _Page(msgspec.Struct, gc=False):
    connections: tuple[_Connection, ...] = ()
    total: int = 0
    now: str = ""


class _Server(msgspec.Struct, gc=False):
    name: str


class _Connz(msgspec.Struct, gc=False):
    server: _Server
    data: _Page


_connz: Final = msgspec.json.Decoder(_Connz)
_AWAY_AFTER: Final = 2
"""So many looks in turn a server must have missed to have been away."""
_GONE_AFTER: Final = 1000
"""After so many it is not remembered any longer."""
_JUST_S: Final = 2.0
"""Who is missing is looked for several times a second: so long after the last look in vain a server was just away."""


class _Missed(NamedTuple):
    """The looks that a server did not answer, in turn, and when the last one was (monotonic seconds)."""

    looks: int
    last_at: float


class Membership:
    """Asks CONNZ on demand: one question at a time, kept for a moment, never longer than ``total_s``.

    Args:
        bus: our connection; its role must be allowed to publish `diagmesh.contract.subjects.CONNZ`.
        total_s: the longest that one look takes.
        stall_s: how long after a reply another server is waited for, while their number is not known.
        clock: monotonic seconds.
    """

    def __init__(
        self, bus: Bus, *, total_s: float = 0.5, stall_s: float = 0.1, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._bus = bus
        self._total_s = total_s
        self._stall_s = stall_s
        self._clock = clock
        self._last: Connections | None = None
        self._looking: asyncio.Task[Connections] | None = None
        self._servers: frozenset[str] = frozenset()
        self._leaves: frozenset[str] = frozenset()
        self._answered: frozenset[str] = frozenset()
        self._missed: dict[str, _Missed] = {}
        self._reached: dict[str, float] = {}
        self._servers_at = float("-inf")

    async def absences(self, missing: Collection[Expected], not_before: float) -> dict[Key, Absence]:
        """Why each of these is silent.

        Args:
            missing: who was not heard.
            not_before: monotonic seconds; a look that was taken earlier is not good enough.
        """
        if not missing:
            return {}
        seen = await self.look(not_before, frozenset(one.server for one in missing if one.server))
        return {one.key: judge(one, seen) for one in missing}

    async def look(self, not_before: float, wanted: frozenset[str] = frozenset()) -> Connections:
        """Who is connected, seen at ``not_before`` or later; ``wanted`` are servers that should answer."""
        while True:
            last = self._last
            if last is not None and last.asked_at >= not_before:
                return last
            if last is not None and last.problem == NOT_PERMITTED and self._clock() - last.asked_at < _REFUSED_FOR_S:
                return last
            if self._looking is not None and self._looking.done():
                # Its callback waits for its turn, and to wait for what is done gives nobody a turn.
                self._took(self._looking)
                continue
            if self._looking is None:
                self._looking = asyncio.create_task(self._take(wanted), name="connz")
                self._looking.add_done_callback(self._took)
            # Shielded: whoever else waits for this look must not lose it when one of us is cancelled.
            await asyncio.shield(self._looking)

    async def close(self) -> None:
        """End a look that is under way."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.wait({self._looking})

    def _took(self, task: "asyncio.Task[Connections]") -> None:
        if self._looking is not task:
            return  # taken already, by somebody who came before this callback had its turn
        self._looking = None
        if not task.cancelled() and task.exception() is None:
            self._last = task.result()

    async def _take(self, wanted: frozenset[str]) -> Connections:
        asked_at = self._clock()
        if asked_at - self._servers_at > _REMEMBER_SERVERS_S:
            self._servers = frozenset()
        # A leafnode never answers for its own connections, so it is not waited for.
        waiting = (self._servers | wanted) - self._leaves if self._servers else frozenset()
        round_ = _Round(self._bus, waiting, self._stall_s, self._clock)
        try:
            async with asyncio.timeout(self._total_s):
                await round_.run()
        except TimeoutError:
            pass
        except NotPermitted:
            return Connections(asked_at, problem=NOT_PERMITTED)
        except BusError as error:
            return Connections(asked_at, problem=f"the connections could not be asked for ({error})")
        finally:
            round_.close()
        if not round_.complete:
            return Connections(asked_at, problem="no server told its connections in time")
        self._servers, self._servers_at = round_.complete, self._clock()
        self._leaves = frozenset(round_.leaves)
        self._note_reached(round_.complete, asked_at)
        keys = round_.keys
        return Connections(
            asked_at, frozenset(keys), round_.complete, leaves=round_.leaves, since=keys, reached=self._reached
        )

    def _note_reached(self, servers: frozenset[str], at: float) -> None:
        """After a partition a server answers again before anybody behind it can have been heard.

        Who missed a single look was slow, and has been heard all the time; and if he missed one long ago, nobody knows
        since when he could have answered again.
        """
        again = {
            server
            for server, missed in self._missed.items()
            if server in servers and missed.looks >= _AWAY_AFTER and at - missed.last_at <= _JUST_S
        }
        known = (self._answered | self._missed.keys()) - servers
        missed = {server: _Missed(self._missed.get(server, _Missed(0, at)).looks + 1, at) for server in known}
        self._missed = {server: one for server, one in missed.items() if one.looks <= _GONE_AFTER}
        kept = {server: since for server, since in self._reached.items() if server in servers}
        self._reached, self._answered = kept | dict.fromkeys(again, at), servers


class _Round:
    """One question to all servers, page by page."""

    def __init__(self, bus: Bus, wanted: frozenset[str], stall_s: float, clock: Callable[[], float]) -> None:
        self.keys: dict[Key, Since] = {}
        self.leaves: dict[str, Since] = {}
        self._clock = clock
        self._bus = bus
        self._wanted = wanted
        self._stall_s = stall_s
        self._told: dict[str, int] = {}
        self._totals: dict[str, int] = {}
        self._page = 0
        self._news = asyncio.Event()
        self._trouble: Exception | None = None
        self._inbox = bus.open_inbox(self._arrived, self._in_trouble)

    @property
    def complete(self) -> frozenset[str]:
        """The servers that told all of their connections; only of these an absence means something."""
        return frozenset(
            server
            for server, pages in self._told.items()
            if pages * (_PAGE - _OVERLAP) >= self._totals[server] - _OVERLAP
        )

    async def run(self) -> None:
        """Until every server told everything, or none does any more."""
        for self._page in range(_MOST_PAGES):
            offset = self._page * (_PAGE - _OVERLAP)
            body = msgspec.json.encode({"limit": _PAGE, "offset": offset})
            await self._bus.publish(subjects.CONNZ, body, reply=self._inbox.reply_to(self._page, subjects.CONNZ))
            waiting = frozenset(self._told) - self.complete if self._page else self._wanted
            await self._settled(waiting)
            if self.complete == frozenset(self._told):
                return

    async def _settled(self, waiting: frozenset[str]) -> None:
        while self._trouble is None:
            answered = frozenset(server for server, pages in self._told.items() if pages > self._page)
            if answered and waiting and waiting <= answered:
                return
            self._news.clear()
            # Until the first reply only the total bounds us; then others have the stall to follow.
            stall = self._stall_s if answered and not waiting else None
            try:
                async with asyncio.timeout(stall):
                    await self._news.wait()
            except TimeoutError:
                return
        raise self._trouble

    def close(self) -> None:
        self._inbox.close()

    def _in_trouble(self, error: Exception) -> None:
        self._trouble = error
        self._news.set()

    def _arrived(self, message: Message) -> None:
        if message.no_responders:
            self._in_trouble(BusError("nobody answers for the server"))
            return
        try:
            reply = _connz.decode(message.data)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            return  # an error of the server, or a form that we do not know: as if it had not answered
        at = self._clock()
        for connection in reply.data.connections:
            if connection.kind == _LEAFNODE:
                self.leaves[connection.name] = Since(connection.start, reply.data.now, at)
            elif (key := connection_key(connection.name)) is not None:
                self.keys[key] = Since(connection.start, reply.data.now, at)
        token = message.subject.rpartition(".")[2]
        if token == str(self._told.get(reply.server.name, 0)):
            self._told[reply.server.name] = int(token) + 1
            self._totals[reply.server.name] = reply.data.total
        self._news.set()
