"""What a coordinator tells of its own work to whoever counts; nobody does unless it was asked to (``--metrics``)."""

from typing import Final, Protocol

from diagmesh.contract.mesh import MeshAnswer
from diagmesh.contract.verdicts import Check
from diagmesh.contract.wire import Status

__all__ = ["UNMEASURED", "Measures"]


class Measures(Protocol):
    """Hears of everything that is worth counting; must return at once and never raise."""

    def asked(self, kind: str, status: Status, took_s: float) -> None:
        """A question was replied to."""
        ...

    def gathered(self, answer: MeshAnswer) -> None:
        """Many were asked and added up."""
        ...

    def checked(self, check: Check, *, whole: bool) -> None:
        """The mesh was judged: all of it by all rules (``whole``), or a part."""
        ...


class _Unmeasured:
    """Counts nothing."""

    def asked(self, kind: str, status: Status, took_s: float) -> None:
        """See `Measures.asked`."""

    def gathered(self, answer: MeshAnswer) -> None:
        """See `Measures.gathered`."""

    def checked(self, check: Check, *, whole: bool) -> None:
        """See `Measures.checked`."""


UNMEASURED: Final[Measures] = _Unmeasured()
