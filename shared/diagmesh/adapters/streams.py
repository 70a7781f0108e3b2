"""Which view of the streams an instance has: none where the settings give no connection for it, at no cost."""

from typing import TYPE_CHECKING

from diagmesh.appnats import AppNats
from diagmesh.contract.answers.streams import Streams, StreamsQuestion
from diagmesh.errors import NoObserver
from diagmesh.settings import StreamsSettings

if TYPE_CHECKING:
    from diagmesh.target import StreamsView

__all__ = ["NoStreams", "view_of"]


class NoStreams:
    """Where there is no observer connection: every question says how to give one."""

    def __init__(self, nats: AppNats) -> None:
        self._nats = nats

    async def look(self, _: StreamsQuestion) -> Streams:
        """Never.

        Raises:
            NoObserver: always.
        """
        await self._nats.request("$JS.API.INFO")
        raise NoObserver("there is no connection in the application's account")

    async def watch(self) -> None:
        """Nothing to do."""


def view_of(nats: AppNats, settings: StreamsSettings | None) -> "StreamsView":
    """The view of an instance.

    Args:
        nats: its observer connection, or the lack of one.
        settings: which streams are those of the service.
    """
    if not nats.there:
        return NoStreams(nats)
    from diagmesh.adapters.natsmon.jsview import JsView  # noqa: PLC0415  half a MiB that no other sidecar needs

    return JsView(nats, settings)
