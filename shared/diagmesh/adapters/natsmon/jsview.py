"""The streams of one instance: looks through the observer connection, remembers the last ones, hears advisories."""

import asyncio
import base64
import binascii
import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

import msgspec
from msgspec.structs import replace

from diagmesh.adapters.natsmon.jsanswer import Seen, answer_of, seen_of, without_deleted
from diagmesh.adapters.natsmon.jsask import Infos, ask
from diagmesh.adapters.natsmon.jsheard import ADVISORIES, Heard
from diagmesh.adapters.natsmon.jsids import WHAT, StreamIds
from diagmesh.adapters.natsmon.jsinfo import StoredMessage, reply_of
from diagmesh.adapters.natsmon.jspast import APART_S, JsPast
from diagmesh.adapters.trend import trend_of
from diagmesh.appnats import AppNats, cannot_ask
from diagmesh.contract.answers.streams import ConsumerState, PoisonMessage, Streams, StreamsQuestion, StreamState
from diagmesh.contract.wire import Blind
from diagmesh.errors import BusError, Unavailable, Unreadable
from diagmesh.settings import StreamsSettings

__all__ = ["JsView"]

_WAIT_S: Final = 1.0
_SAMPLE_S: Final = 5.0
_SHARE: Final = 50
"""Sampling takes a fiftieth of the time at most, however much there is to be looked at."""
_MOST_ADVISORIES: Final = 20
_MOST_POISON: Final = 10
_MOST_DELETED: Final = 10_000
_HEAD_BYTES: Final = 512
_ALLOW: Final = "allow the role of target.nats to subscribe to $JS.EVENT.ADVISORY.>"


class _Deleted(msgspec.Struct, frozen=True, gc=False):
    deleted: tuple[int, ...] | None = None


class _Details(msgspec.Struct, frozen=True, gc=False):
    """Of ``STREAM.INFO``, when the deleted messages are asked for."""

    state: _Deleted = _Deleted()


class JsView:
    """`diagmesh.target.StreamsView` through an observer connection.

    Args:
        nats: the connection.
        settings: which streams are those of the service; None for all of the account.
    """

    def __init__(self, nats: AppNats, settings: StreamsSettings | None) -> None:
        self._nats = nats
        self._names = settings.names if settings is not None else ()
        self._subjects = settings.publishes if settings is not None else ()
        self._ids = {name: StreamIds() for name in (settings.ids if settings is not None else ())}
        self._past = JsPast()
        self._heard = Heard()
        self._one_look = asyncio.Lock()

    async def look(self, question: StreamsQuestion) -> Streams:
        """See `diagmesh.target.StreamsView.look`."""
        names = question.streams or self._names
        infos, seen = await self._seen(names)
        if seen.over_s is None and seen.consumers:
            await asyncio.sleep(1.25 * APART_S)
            infos, seen = await self._seen(names)
        answer = answer_of(infos, seen, named=bool(names), most=question.most)
        consumers = tuple(self._with_trend(one) for one in answer.consumers)
        if question.head:
            consumers, blind = await self._with_heads(consumers)
            answer = replace(answer, blind=(*answer.blind, *blind))
        streams = tuple(self._with_ids(one, infos) for one in answer.streams)
        advisories = tuple(self._heard.summed())[:_MOST_ADVISORIES]
        answer = replace(answer, streams=streams, consumers=consumers)
        if (refused := self._refused()) is not None:
            return replace(answer, blind=(*answer.blind, refused))
        return replace(answer, advisories=advisories, listening_s=self._heard.listening_s)

    def _refused(self) -> Blind | None:
        """Where the server does not let us hear what JetStream says by itself."""
        unheard = self._nats.unheard
        why = next((unheard[subject] for subject in ADVISORIES if subject in unheard), "")
        return Blind(what="advisories", why=why, fix=_ALLOW) if why else None

    async def watch(self) -> None:
        """Hear advisories until cancelled, and look again and again where the settings name streams."""
        ends: list[Callable[[], Awaitable[None]]] = []
        try:
            for subject in ADVISORIES:
                end = await self._nats.listen(subject, self._heard.hear)
                ends.append(end)
            self._heard.since = time.monotonic()
            while True:
                pause_s = await self._sample()
                await asyncio.sleep(pause_s)
        finally:
            for end in ends:
                with contextlib.suppress(BusError):
                    await end()

    async def _sample(self) -> float:
        """One look for the past; returns when the next one is due. All of an account is looked at only when asked."""
        began = time.monotonic()
        if self._names:
            with contextlib.suppress(Unavailable, BusError):
                await self._seen(self._names)
        return max(_SAMPLE_S, _SHARE * (time.monotonic() - began))

    async def _seen(self, names: Sequence[str]) -> tuple[Infos, Seen]:
        """One look, judged; one at a time, so that many askers do not multiply what the server is asked."""
        async with self._one_look:
            infos = await ask(self._nats, names, self._subjects)
            given_up = await self._given_up(infos)
            await self._read_ids(infos)
            seen = await asyncio.to_thread(seen_of, infos, self._past.before(infos.at), given_up)
            self._past.add(infos.at, seen.streams, seen.consumers)
            return infos, seen

    async def _given_up(self, infos: Infos) -> Mapping[tuple[str, str], Sequence[PoisonMessage]]:
        """What the server said it gave up, without what has been deleted since."""
        looked_at = {(one.stream_name, one.name) for one in infos.consumers}
        found = {key: self._heard.given_up(*key) for key in self._heard.with_given_up & looked_at}
        for name in {stream for stream, _ in found}:
            info = next((one for one in infos.streams if one.config.name == name), None)
            if info is None or not 0 < info.state.num_deleted <= _MOST_DELETED:
                continue
            with contextlib.suppress(BusError, Unreadable):
                reply = await self._nats.request(
                    f"$JS.API.STREAM.INFO.{name}", b'{"deleted_details":true}', timeout_s=_WAIT_S
                )
                deleted = reply_of(reply.data, _Details, "deleted messages").state.deleted or ()
                found |= {key: without_deleted(kept, deleted) for key, kept in found.items() if key[0] == name}
        return found

    async def _read_ids(self, infos: Infos) -> None:
        for info in infos.streams:
            ids = self._ids.get(info.config.name)
            blind = await ids.look(self._nats, info) if ids is not None else None
            if blind is not None:
                infos.blind[blind.what] = blind

    def _with_ids(self, told: StreamState, infos: Infos) -> StreamState:
        ids = self._ids.get(told.name)
        if ids is None or WHAT in infos.blind:
            return told
        return replace(told, ids=ids.told(next(one for one in infos.streams if one.config.name == told.name)))

    def _with_trend(self, told: ConsumerState) -> ConsumerState:
        trend = trend_of(self._past.pending(told.stream, told.name))
        return told if trend is None else replace(told, trend=trend)

    async def _with_heads(
        self, consumers: Sequence[ConsumerState]
    ) -> tuple[tuple[ConsumerState, ...], tuple[Blind, ...]]:
        """The beginning of the last few poison messages, as far as we may read them."""
        told, blind, left = [], dict[str, Blind](), _MOST_POISON
        for one in consumers:
            poison = []
            for message in one.poison:
                if left > 0 and not blind:
                    left -= 1
                    message = await self._with_head(one.stream, message, blind)  # noqa: PLW2901  it, with its head
                poison.append(message)
            told.append(replace(one, poison=tuple(poison)))
        return tuple(told), tuple(blind.values())

    async def _with_head(self, stream: str, message: PoisonMessage, blind: dict[str, Blind]) -> PoisonMessage:
        subject = f"$JS.API.STREAM.MSG.GET.{stream}"
        what = "messages"
        try:
            body = msgspec.json.encode({"seq": message.seq})
            told = reply_of((await self._nats.request(subject, body, timeout_s=_WAIT_S)).data, StoredMessage, what)
            if told.error is not None:
                return message
            head = base64.b64decode(told.message.data)[:_HEAD_BYTES]
        except BusError as error:
            blind[what] = cannot_ask(error, what, subject)
            return message
        except (Unreadable, binascii.Error):
            return message
        return replace(message, subject=told.message.subject, head=head.decode("utf-8", "replace"))
