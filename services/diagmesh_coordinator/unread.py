"""Heartbeats that could not be read lately, and where they came in: anybody may cause one, so it is soon forgotten."""

from collections import deque
from typing import Final

from diagmesh.contract.names import shown

__all__ = ["Unread"]

_LATELY_S: Final = 300.0
_MOST_KEPT: Final = 1000
_MOST_NAMED: Final = 3
_SUBJECT_CHARACTERS: Final = 140


class Unread:
    """The unreadable heartbeats of the last five minutes. Pure; time is passed in."""

    def __init__(self) -> None:
        self._kept: deque[tuple[float, str]] = deque(maxlen=_MOST_KEPT)

    def note(self, subject: str, now: float) -> None:
        """One came in."""
        self._kept.append((now, shown(subject, _SUBJECT_CHARACTERS)))

    def problems(self, now: float) -> tuple[str, ...]:
        """What is worth telling of it; nothing once they are some minutes old."""
        while self._kept and now - self._kept[0][0] >= _LATELY_S:
            self._kept.popleft()
        if not self._kept:
            return ()
        count = len(self._kept)
        subjects = tuple(dict.fromkeys(subject for _, subject in reversed(self._kept)))
        more = f" and {len(subjects) - _MOST_NAMED} more" if len(subjects) > _MOST_NAMED else ""
        what = f"{count}{' or more' if count == _MOST_KEPT else ''} {'heartbeat' if count == 1 else 'heartbeats'}"
        where = f"{', '.join(subjects[:_MOST_NAMED])}{more}"
        return (f"{what} of the last five minutes could not be read, on {where}: ignored",)
