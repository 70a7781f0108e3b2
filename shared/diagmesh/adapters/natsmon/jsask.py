"""One look at streams and consumers through the JetStream API: page by page, bounded in number and time."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Final, TypeVar

import msgspec

from diagmesh.adapters.natsmon.jsinfo import (
    ApiError,
    ConsumerInfo,
    ConsumerPage,
    ConsumerReply,
    StreamInfo,
    StreamNames,
    StreamPage,
    StreamReply,
    reply_of,
)
from diagmesh.appnats import AppNats, cannot_ask
from diagmesh.contract.answers.streams import NoQuorum
from diagmesh.contract.wire import Blind
from diagmesh.errors import BusError, NoAnswer, NoResponders, NotPermitted, Unavailable, Unreadable

__all__ = ["MOST_CONSUMERS", "MOST_STREAMS", "Infos", "ask"]

MOST_STREAMS: Final = 256
MOST_CONSUMERS: Final = 4096
"""Some 20 pages of the API, and 4 MB of what is kept of them while a look lasts."""
_LISTS_AT_A_TIME: Final = 4
_AT_A_TIME: Final = 16
_WAIT_S: Final = 1.5
_NO_QUORUM: Final = frozenset({10008, 10009, 10004})
_NOT_FOUND: Final = frozenset({10014, 10059})
_NO_JETSTREAM: Final = frozenset({10035, 10039, 10076})
_HINT: Final = "enable JetStream for the account of target.nats, or take [targets.streams] out of the settings"
R = TypeVar("R", bound=msgspec.Struct)
T = TypeVar("T")


class Infos(msgspec.Struct, kw_only=True, gc=False):
    """What one look found; ``at`` is monotonic seconds, ``now`` our clock, for servers that do not tell theirs."""

    at: float = 0.0
    now: datetime = datetime.fromtimestamp(0, UTC)
    streams: list[StreamInfo] = []
    consumers: list[ConsumerInfo] = []
    missing: list[str] = []
    unheard: list[str] = []
    not_looked_at: int = 0
    no_quorum: NoQuorum | None = None
    blind: dict[str, Blind] = {}


class _Refused(Exception):
    """The API refused."""

    def __init__(self, error: ApiError) -> None:
        super().__init__(error.description)
        self.error = error


async def ask(nats: AppNats, names: Sequence[str], subjects: Sequence[str]) -> Infos:
    """Look at the named streams and consumers, or at all of the account.

    Args:
        nats: the observer connection.
        names: ``STREAM`` or ``STREAM/CONSUMER``; none for all.
        subjects: for each of these, whether a stream takes it.

    Raises:
        NoObserver: there is no connection for that (501).
        Unavailable: the account has no JetStream (501), or nobody can be asked now (503).
    """
    look = _Look(nats)
    await (look.named(names) if names else look.all())
    await look.takers(subjects)
    look.found.at, look.found.now = time.monotonic(), datetime.now(UTC)
    return look.found


class _Look:
    """One look under way."""

    def __init__(self, nats: AppNats) -> None:
        self._nats = nats
        self.found = Infos()

    async def all(self) -> None:
        """Every stream of the account with every consumer."""
        offset, total = 0, 1
        while offset < min(total, MOST_STREAMS):
            page = await self._page("STREAM.LIST", StreamPage, offset, "streams")
            told = page.streams or () if page is not None else ()
            if page is None or not told:
                break
            total, offset = page.total, offset + len(told)
            self.found.streams += told[: MOST_STREAMS - len(self.found.streams)]
            self._leaderless(page.missing or ())
        self.found.not_looked_at += max(0, total - offset) if offset else 0
        with_consumers = [one.config.name for one in self.found.streams if one.state.consumer_count]
        await _side_by_side(self._consumers, with_consumers, _LISTS_AT_A_TIME)

    async def named(self, names: Iterable[str]) -> None:
        """Only these."""
        whole = dict.fromkeys(name for name in names if "/" not in name)
        single = dict.fromkeys(name for name in names if "/" in name and name.partition("/")[0] not in whole)
        streams = dict.fromkeys((*whole, *(name.partition("/")[0] for name in single)))
        told = await _side_by_side(self._stream, tuple(streams))
        there = [name for name, is_there in zip(streams, told, strict=True) if is_there]
        await _side_by_side(self._consumer, [name for name in single if name.partition("/")[0] in there])
        await _side_by_side(self._consumers, [name for name in there if name in whole], _LISTS_AT_A_TIME)

    async def takers(self, subjects: Iterable[str]) -> None:
        """Which of the subjects no stream takes."""
        asked = tuple(subjects)
        heard = await _side_by_side(self._taken, asked)
        self.found.unheard += [subject for subject, is_heard in zip(asked, heard, strict=True) if not is_heard]

    async def _taken(self, subject: str) -> bool:
        """Whether a stream takes it, or nobody can say."""
        body = msgspec.json.encode({"subject": subject})
        told = await self._reply("STREAM.NAMES", StreamNames, body, "which stream takes a subject")
        return told is None or bool(told.streams)

    async def _stream(self, name: str) -> bool:
        told = await self._reply(f"STREAM.INFO.{name}", StreamReply, b"", "streams", name)
        if told is None:
            return False
        self.found.streams.append(told)
        return True

    async def _consumer(self, full_name: str) -> None:
        subject = f"CONSUMER.INFO.{full_name.replace('/', '.', 1)}"
        told = await self._reply(subject, ConsumerReply, b"", "consumers", full_name)
        if told is not None:
            self.found.consumers.append(told)

    async def _consumers(self, stream: str) -> None:
        """All consumers of one stream, page by page, while there is room."""
        offset, total = 0, 1
        while offset < total:
            if len(self.found.consumers) >= MOST_CONSUMERS:
                self.found.not_looked_at += total - offset
                return
            page = await self._page(f"CONSUMER.LIST.{stream}", ConsumerPage, offset, "consumers")
            if page is None or not page.consumers:
                return
            total, offset = page.total, offset + len(page.consumers)
            self.found.consumers += page.consumers
            self._leaderless(tuple(f"{stream}/{name}" for name in page.missing or ()))

    async def _page(self, verb: str, kind: type[R], offset: int, what: str) -> R | None:
        return await self._reply(verb, kind, msgspec.json.encode({"offset": offset}), what)

    def _leaderless(self, names: Sequence[str]) -> None:
        if names:
            before = self.found.no_quorum.streams if self.found.no_quorum is not None else ()
            self.found.no_quorum = NoQuorum(reason="nobody could tell of it", streams=(*before, *names))

    async def _reply(self, verb: str, kind: type[R], body: bytes, what: str, name: str = "") -> R | None:
        """One answer; None when there is none, which is then noted where it belongs."""
        subject = f"$JS.API.{verb}"
        try:
            reply = await self._nats.request(subject, body, timeout_s=_WAIT_S)
            return _accepted(reply_of(reply.data, kind, what))
        except NotPermitted as error:
            self.found.blind[what] = cannot_ask(error, what, subject)
        except NoResponders:
            raise _no_jetstream("there is no JetStream in the account of target.nats") from None
        except NoAnswer as error:
            self.found.blind[what] = cannot_ask(error, what, subject)
        except BusError as error:
            blind = cannot_ask(error, what, subject)
            raise Unavailable(blind.why, code=503, hint=blind.fix) from None
        except Unreadable as error:
            self.found.blind[what] = Blind(what=error.what, why=error.why, fix=error.fix)
        except _Refused as refused:
            self._refused(refused.error, what, name)
        return None

    def _refused(self, error: ApiError, what: str, name: str) -> None:
        if error.err_code in _NO_JETSTREAM:
            raise _no_jetstream(error.description)
        if error.err_code in _NO_QUORUM:
            streams = (name,) if name else ()
            before = self.found.no_quorum.streams if self.found.no_quorum is not None else ()
            self.found.no_quorum = NoQuorum(
                reason=error.description, error_code=error.err_code, streams=(*before, *streams)
            )
        elif error.err_code in _NOT_FOUND:
            self.found.missing.append(name)
        else:
            why = f"JetStream refuses: {error.description} ({error.err_code})"
            self.found.blind[what] = Blind(what=what, why=why, fix=f"nats errors lookup {error.err_code}")


async def _side_by_side(work: Callable[[str], Awaitable[T]], names: Sequence[str], most: int = _AT_A_TIME) -> list[T]:
    """What comes of each, in their order, a few at a time: one that is not answered holds up no other one."""
    room = asyncio.Semaphore(most)

    async def one(name: str) -> T:
        async with room:
            return await work(name)

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(name)) for name in names]
    except ExceptionGroup as all_of_them:
        raise all_of_them.exceptions[0] from None
    return [task.result() for task in tasks]


def _accepted(told: R) -> R:
    error: ApiError | None = getattr(told, "error", None)
    if error is not None:
        raise _Refused(error)
    return told


def _no_jetstream(why: str) -> Unavailable:
    return Unavailable(why, code=501, error="not on this instance", hint=_HINT)
