"""The Go runtime of a neighbour (`diagmesh.goruntime`): costs nothing where the settings name no page of it."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from diagmesh.gopages import GoDoor, not_configured
from diagmesh.goruntime import GoLook, GoSample, HeapGrowth

if TYPE_CHECKING:
    from diagmesh.adapters.goruntime.watch import GoWatch, Neighbouring

__all__ = ["NoGoRuntime", "watch_of"]


class NoGoRuntime:
    """That of an instance whose settings name no page: each look says what to add.

    Args:
        name: SERVICE/INSTANCE.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    async def look(self) -> GoLook:
        """Never: see `GoRuntime.look`.

        Raises:
            NotConfigured: always.
        """
        raise not_configured(self._name, "expvar", "metrics", "pprof")

    def samples(self, window_s: float | None = None) -> Sequence[GoSample]:  # noqa: ARG002  there are none
        """None."""
        return ()

    @property
    def growth(self) -> HeapGrowth | None:
        """None."""
        return None


def watch_of(door: GoDoor, process: "Callable[[], Neighbouring]", name: str, pace_s: float) -> "GoWatch | None":
    """What looks at the runtime through a door, and keeps its past; None where the door has no place to look at.

    Args:
        door: to its pages.
        process: what runs now; raises `NotRunning` when nothing does.
        name: SERVICE/INSTANCE.
        pace_s: of the cheap looks.
    """
    if not door.places:
        return None
    from diagmesh.adapters.goruntime.watch import GoWatch  # noqa: PLC0415  most neighbours have no such pages

    return GoWatch(door, process, name, pace_s)
