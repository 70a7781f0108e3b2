"""A connection about to be made."""

from collections.abc import Callable, Generator
from types import TracebackType
from typing import Any, Generic, Protocol, TypeVar

from diagmesh.bus.core import Bus
from diagmesh.settings import NatsSettings

__all__ = ["Connecting"]


class _Closable(Protocol):
    async def close(self) -> None: ...


M = TypeVar("M", bound=_Closable)


class Connecting(Generic[M]):
    """A connection about to be made: await it, or enter it to have it closed at the end.

    Args:
        make: what is made of the connection, and closes it.
        settings: of the connection.
        name: of the connection.
        timeout_s: the longest that connecting may take.
    """

    def __init__(self, make: Callable[[Bus], M], settings: NatsSettings, name: str, timeout_s: float) -> None:
        self._make = make
        self._settings = settings
        self._name = name
        self._timeout_s = timeout_s
        self._mesh: M | None = None

    def __await__(self) -> Generator[Any, None, M]:
        """What was made; close it when done."""
        return self._connect().__await__()

    async def _connect(self) -> M:
        from diagmesh.bus.nats import NatsBus  # noqa: PLC0415  the types of the client cost no NATS client

        return self._make(await NatsBus.connect(self._settings, self._name, timeout_s=self._timeout_s))

    async def __aenter__(self) -> M:
        """Connect."""
        self._mesh = await self._connect()
        return self._mesh

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the connection."""
        if self._mesh is not None:
            await self._mesh.close()
