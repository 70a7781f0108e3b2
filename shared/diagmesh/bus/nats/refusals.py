"""What the server did not permit: told to whoever asked, else in the log, once, and in the state while it lasts."""

import logging
from typing import Final

from diagmesh.bus.inbox import Inboxes
from diagmesh.errors import NotPermitted

__all__ = ["Refusals"]

log = logging.getLogger("diagmesh.bus")

_MOST_TOLD: Final = 64
_INBOXES: Final = ("_INBOX", "_R_.")


class Refusals:
    """The refusals of one bus, over all its connections.

    Args:
        inboxes: of those who ask.
        role: as whom we are there, in words.
    """

    def __init__(self, inboxes: Inboxes, role: str) -> None:
        self._inboxes = inboxes
        self._role = role
        self._told: set[str] = set()
        self._answers = 0
        self._deaf = False
        self.lasting = ""
        """One that keeps us from being there for others, or from asking them, although we are connected; else empty."""

    def begin(self) -> None:
        """A new connection: the server may have another opinion."""
        self.lasting = ""
        self._deaf = False
        self._told.clear()

    def hear(self, action: str, subject: str) -> bool:
        """The server refused ``publish`` or ``subscription`` to a subject; whether that lasts."""
        verb = "publish" if action == "publish" else "subscribe"
        error = NotPermitted(f"not permitted: this role may not {verb} {subject} ({self._role})", subject)
        if verb == "publish" and self._inboxes.subject_in_trouble(subject, error):
            return False
        if verb == "subscribe" and subject == self._inboxes.subject:
            self._deaf = True
            self._inboxes.all_in_trouble(error)
            return self._lasts(str(error))
        if verb == "publish" and subject.startswith(_INBOXES):
            # Anybody chooses where he wants his answer, so it says nothing about us as such.
            self._answer_refused(str(error))
            return False
        return self._lasts(str(error))

    def check_heard(self) -> None:
        """Whether answers could arrive: the server refuses an inbox once, and whoever asks later would wait in vain.

        Raises:
            NotPermitted: they could not.
        """
        if self._deaf:
            subject = self._inboxes.subject
            raise NotPermitted(f"not permitted: this role may not subscribe {subject} ({self._role})", subject)

    def _lasts(self, words: str) -> bool:
        self.lasting = words
        if words not in self._told and len(self._told) < _MOST_TOLD:  # a heartbeat is refused again and again
            self._told.add(words)
            log.error("%s", words)
        return True

    def _answer_refused(self, words: str) -> None:
        self._answers += 1
        if self._answers & (self._answers - 1) == 0:  # the 1st, 2nd, 4th, 8th …
            log.error(
                "%s: it lacks allow_responses, or answered too late or too often (%d times)", words, self._answers
            )
