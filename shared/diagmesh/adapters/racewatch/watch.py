"""All that is known of the races of one service: its sources, followed and added up."""

import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final

from diagmesh.adapters.gorace import Collected
from diagmesh.adapters.racewatch.log import RaceLog
from diagmesh.adapters.racewatch.program import Program, program_of
from diagmesh.adapters.racewatch.source import Source
from diagmesh.contract.answers.races import Detector, Races
from diagmesh.errors import NotRunning, Unavailable

__all__ = ["RaceWatch"]

_HINT: Final = (
    "build it with `go build -race`, and either start it with `diagmesh sidecar … -- COMMAND`, or run it with"
    " GORACE=log_path=/PATH/PREFIX and give the sidecar that path: [targets.go] race_log"
)


class RaceWatch:
    """Follows the reports of one service. Its methods may be called from any thread.

    Args:
        prefix: of its race log, by the settings; empty for the one that its own environment names.
        captured: what it writes on standard error, where its launcher reads that; else None.
        identity: process id and start of the process that fits now; None when none does.
    """

    def __init__(self, prefix: str, captured: Source | None, identity: Callable[[], tuple[int, int] | None]) -> None:
        self._lock = threading.Lock()
        self._log = RaceLog(prefix) if prefix else None
        self._captured, self._identity = captured, identity
        self._found: dict[str, RaceLog] = {}
        self._races = Collected()
        self._known: tuple[int, int] | None = None
        self._program = Program(Detector.UNKNOWN, "no process that fits was seen yet")

    def follow(self) -> None:
        """Take in what came; now and then, so that it is known when."""
        with self._lock:
            self._look_at_program()
            self._take_in()

    def look(self) -> Races:
        """Everything that was reported so far.

        Raises:
            Unavailable: nobody could report here (501, with what to do).
        """
        with self._lock:
            self._look_at_program()
            self._take_in()
            sources = self._sources
            if not (self._races.reports or self._log is not None or (sources and self._may_report)):
                raise self._refusal()
            return Races(
                distinct=len(self._races.races),
                reports=self._races.reports,
                detector=self._program.detector,
                at=datetime.now(UTC),
                races=self._races.races,
                unsorted=self._races.dropped,
                cut=sum(one.cut for one in sources),
                announced=sum(one.announced for one in sources),
                sources=tuple(one.told() for one in sources),
                blind=tuple(blind for one in sources for blind in one.blind()) + self._program.blind,
            )

    @property
    def _may_report(self) -> bool:
        """Whether the program has the race detector, or has been seen and could not be read."""
        unreadable = self._program.detector is Detector.UNKNOWN and self._known is not None
        return unreadable or self._program.detector is Detector.ON

    @property
    def _sources(self) -> Sequence[Source]:
        given = [one for one in (self._log, self._captured) if one is not None]
        return [*given, *self._found.values()]

    def _look_at_program(self) -> None:
        identity = self._identity()
        if identity is None or identity == self._known:
            return
        try:
            self._program = program_of(identity[0])
        except NotRunning:
            return
        self._known = identity
        if self._program.log and self._log is None:
            shown = self._program.shown
            self._found.setdefault(shown, RaceLog(self._program.log, shown)).moved(self._program.log)

    def _take_in(self) -> None:
        if self._program.detector is Detector.OFF and self._log is None and not self._races.reports:
            return  # nothing can come of it
        now = datetime.now(UTC)
        for source in self._sources:
            for news in source.news(now):
                self._races.add(news.report, news.at)

    def _refusal(self) -> Unavailable:
        if self._program.detector is Detector.ON:
            why = "where its reports go cannot be seen: its standard error is not ours, and it names no race log"
        else:
            why = self._program.why or "there is nowhere to look for reports"
        words = f"no report of the race detector can be seen: {why}"
        return Unavailable(words, code=501, error="not on this instance", hint=_HINT)
