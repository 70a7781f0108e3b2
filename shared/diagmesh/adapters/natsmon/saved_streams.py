"""Streams and consumers out of a saved JSZ, account by account, as a look at them would tell (`jsanswer`)."""

from collections.abc import Iterator
from typing import Final

from diagmesh.adapters.natsmon.door import Part, told
from diagmesh.adapters.natsmon.jsanswer import answer_of, seen_of
from diagmesh.adapters.natsmon.jsask import Infos
from diagmesh.adapters.natsmon.jsinfo import ConsumerInfo, StreamInfo
from diagmesh.adapters.natsmon.jsz import Jsz
from diagmesh.contract.answers.streams import Streams

__all__ = ["streams_of"]

_MOST: Final = 256


class _Stream(StreamInfo, frozen=True, gc=False):
    """A stream in JSZ: its name also stands beside its settings, which are there by request."""

    name: str = ""
    consumer_detail: tuple[ConsumerInfo, ...] = ()


class _Account(Part, frozen=True, kw_only=True, gc=False):
    name: str = ""
    stream_detail: tuple[_Stream, ...] = ()


class _Details(Part, frozen=True, kw_only=True, gc=False):
    account_details: tuple[_Account, ...] = ()


def streams_of(data: bytes) -> Iterator[tuple[str, Streams]]:
    """By account, its streams and consumers; accounts without any, and streams without settings, are passed over.

    Args:
        data: a reply of JSZ with ``streams``, ``consumers`` and ``config``.

    Raises:
        BadReply: it is none.
    """
    now = told(data, Jsz).body.now
    for account in told(data, _Details).body.account_details:
        streams = [one for one in account.stream_detail if one.config.name]
        if not streams:
            continue
        infos = Infos(streams=list(streams), consumers=[each for one in streams for each in one.consumer_detail])
        if now is not None:
            infos.now = now
        yield account.name, answer_of(infos, seen_of(infos, None, {}), named=False, most=_MOST)
