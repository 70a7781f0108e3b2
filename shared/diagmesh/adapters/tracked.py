"""The process of the neighbour: found, lost and found again; which one fits now, and what is known of the earlier."""

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Final

from diagmesh.adapters.find import Found, find
from diagmesh.adapters.process import Process
from diagmesh.adapters.ways import Way
from diagmesh.contract.answers.resources import ProcessState
from diagmesh.errors import NotRunning, Unreadable
from diagmesh.target import Sighting

__all__ = ["Tracked"]

SEARCH_EVERY_S: Final = 0.5
_SEARCH_REST: Final = 50.0
"""After a search that cost t seconds of CPU the next one waits for 50 t: at most a fiftieth of a core.

How long it took does not count: on a busy machine it waits for its turn, and who came back would be found late.
"""
_SEARCH_LATEST_S: Final = 10.0
_LATELY_S: Final = 3600.0
_RESTARTS_KEPT: Final = 100


class Tracked:
    """Which process fits. Its methods may be called from any thread.

    Args:
        way: how it is found.
        root: where procfs is.
        renewed: told, with our lock held, that another process has taken the place of the one before.
        at_hand: whether ``way`` names the process without a search just now; None when it never does.
    """

    def __init__(
        self, way: Way, root: str, *, renewed: Callable[[], None], at_hand: Callable[[], bool] | None = None
    ) -> None:
        self._way = way
        self._root = root
        self._renewed = renewed
        self._at_hand = at_hand
        self._lock = threading.RLock()
        self._process: Process | None = None
        self._state: ProcessState | None = None
        self.identity: tuple[int, int] | None = None
        """Process id and start of the one that was found last."""
        self._reason = ""
        self._ended = ""
        self._hidden = False
        self._restarts = 0
        self._restarted_at: deque[float] = deque(maxlen=_RESTARTS_KEPT)
        self._last_seen: datetime | None = None
        self._searched_at = -_SEARCH_LATEST_S
        self.search_pause_s = SEARCH_EVERY_S
        """How long to wait before the next search."""
        self._searched_elsewhere = False

    def process(self) -> Process:
        """The one that fits now; raises `NotRunning` with the reason when none does."""
        found = self.look(search=self._may_search())
        if found is None:
            raise NotRunning(f"looked for {self._way.words}: {self._why()}")
        return found

    def sighting(self) -> Sighting:
        """Which one fits now: some microseconds while it lives; see `Neighbour.sighting`."""
        with self._lock:
            found = self.look(search=False)
            state = self._state
        if found is None and self._may_search():
            found, state = self.look(search=True), None
        with self._lock:
            return Sighting(
                looked_for=self._way.words,
                running=found is not None,
                pid=found.pid if found else 0,
                started_at=found.started_at if found else None,
                restarts_seen=self._restarts,
                restarts_lately=sum(time.monotonic() - at < _LATELY_S for at in self._restarted_at),
                last_seen=self._last_seen,
                reason=self._reason if found else self._why(),
                hidden=found is None and self._hidden,
                state=state if found else None,
            )

    @contextlib.contextmanager
    def searched(self) -> Iterator[Callable[[], None]]:
        """While somebody searches steadily, whoever only asks is not kept by a search of his own.

        Yields what that one calls after each search: before the first of all, those who ask search themselves.
        """
        self._searched_elsewhere = self._searched_at > 0
        try:
            yield self._was_searched
        finally:
            self._searched_elsewhere = False

    def _was_searched(self) -> None:
        self._searched_elsewhere = True

    def look(self, *, search: bool) -> Process | None:
        """The one that fits; with ``search`` whatever that takes, else only what is known."""
        with self._lock:
            known = self._known()
            if known is not None or not search:
                return known
            self._searched_at = time.monotonic()
        began_s = time.thread_time()
        found = find(self._way, self._root)  # without the lock: whoever asks meanwhile must not wait for a search
        rest_s = _SEARCH_REST * (time.thread_time() - began_s)
        with self._lock:
            self.search_pause_s = min(max(SEARCH_EVERY_S, rest_s), _SEARCH_LATEST_S)
            return self._adopt(found)

    def _known(self) -> Process | None:
        if self._process is None:
            return None
        try:
            self._state = self._process.state()
        except NotRunning as gone:
            self._ended, self._process = str(gone), None
        except Unreadable as refusal:
            self._ended, self._hidden, self._process = str(refusal), True, None
        else:
            self._last_seen = datetime.now(UTC)
        return self._process

    def _may_search(self) -> bool:
        if self._at_hand is not None and self._at_hand():
            return True  # no search at all, and it may be another one since just now
        return not self._searched_elsewhere and time.monotonic() - self._searched_at >= self.search_pause_s

    def _adopt(self, found: Found) -> Process | None:
        if self._process is not None:
            return self._process  # another thread was faster
        self._reason, self._hidden = found.reason, found.hidden
        if found.process is None:
            return None
        try:
            process = Process(found.process)
        except (NotRunning, Unreadable) as error:
            self._reason, self._hidden = str(error), isinstance(error, Unreadable)
            return None
        if self.identity is not None and process.identity != self.identity:
            self._restarts += 1
            self._restarted_at.append(time.monotonic())
            self._renewed()
        self.identity, self._process, self._ended = process.identity, process, ""
        self._last_seen = datetime.now(UTC)
        return process

    def _why(self) -> str:
        parts = dict.fromkeys(filter(None, (self._ended, self._reason)))
        return "; ".join(parts) or "it was not looked for yet"
