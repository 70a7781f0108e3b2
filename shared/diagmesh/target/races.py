"""What the race detector of Go reported."""

from typing import Protocol

from diagmesh.contract.answers.races import Races

__all__ = ["RaceLooks"]


class RaceLooks(Protocol):
    """What the race detector of Go reported of one service."""

    def look(self) -> Races:
        """All of it. Reads files: call it in a thread.

        Raises:
            Unavailable: nobody could report anything here (501, with what to do).
        """
        ...
