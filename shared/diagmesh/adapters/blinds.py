"""Collects what could not be seen, so that one refusal does not cost the rest of a look."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from diagmesh.contract.wire import Blind
from diagmesh.errors import Unreadable

__all__ = ["Blinds"]

T = TypeVar("T")


class Blinds:
    """The refusals met during one look."""

    def __init__(self) -> None:
        self._met: list[Blind] = []

    def see(self, read: Callable[[], T]) -> T | None:
        """What ``read`` returns; None when the system refuses, which is then remembered."""
        try:
            return read()
        except Unreadable as refusal:
            self.met(refusal)
            return None

    async def wait(self, looking: Awaitable[T]) -> T | None:
        """The same for a look that is awaited."""
        try:
            return await looking
        except Unreadable as refusal:
            self.met(refusal)
            return None

    def met(self, refusal: Unreadable) -> None:
        """Remember a refusal."""
        self._met.append(Blind(what=refusal.what, why=refusal.why, fix=refusal.fix))

    def all(self) -> tuple[Blind, ...]:
        """What could not be seen, each thing once."""
        return tuple({blind.what: blind for blind in self._met}.values())
