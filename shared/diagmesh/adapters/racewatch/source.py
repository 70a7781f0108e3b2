"""Where reports come from, as the watch sees it."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from diagmesh.adapters.gorace import Report
from diagmesh.contract.answers.races import RaceSource
from diagmesh.contract.wire import Blind

__all__ = ["News", "Source"]


class News(NamedTuple):
    """One report that was not there at the last look.

    Args:
        report: the report.
        at: when it was written, as far as the source can tell.
    """

    report: Report
    at: datetime


class Source(Protocol):
    """Something that is followed; one thread at a time."""

    @property
    def cut(self) -> int:
        """Reports that were damaged."""
        ...

    @property
    def announced(self) -> int:
        """What ended programs said that they found."""
        ...

    def news(self, now: datetime) -> Sequence[News]:
        """What came since the last look; bounded in what it reads."""
        ...

    def told(self) -> RaceSource:
        """What it is, and how much of it was read."""
        ...

    def blind(self) -> Sequence[Blind]:
        """What could not be read."""
        ...
