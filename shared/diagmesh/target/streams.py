"""The streams and consumers that the service uses."""

from typing import Protocol

from diagmesh.contract.answers.streams import Streams, StreamsQuestion

__all__ = ["StreamsView"]


class StreamsView(Protocol):
    """The streams and consumers that the service uses, through the observer connection."""

    async def look(self, question: StreamsQuestion) -> Streams:
        """Look now; twice, half a second apart, where nobody looked within the last minute. Messages are as they are.

        Raises:
            NoObserver: there is no such connection (501).
            Unavailable: its account has no JetStream (501), or nobody can be asked now (503).
        """
        ...

    async def watch(self) -> None:
        """Hear what JetStream says, and keep a past of the streams that the settings name, until cancelled."""
        ...
