"""Finds the reports of the race detector in anything that is read piece by piece, in bounded memory."""

import re
from collections.abc import Iterator
from typing import Final

from diagmesh.adapters.gorace.lines import Line, line_of
from diagmesh.adapters.gorace.report import BEGIN, OpenReport, Report

__all__ = ["RaceReader"]

_LONGEST_LINE_BYTES: Final = 64 * 1024
_MOST_OPEN: Final = 32
_BEGIN: Final = BEGIN.encode()
_FOUND: Final = re.compile(r"Found (\d{1,9}) data race\(s\)$")
_FOUND_SIGN: Final = b" data race(s)"


class RaceReader:
    """Takes a log in pieces of any size and gives the reports in it.

    A log may hold those of several programs; what cannot be told apart by a name before each line is one program.

    Attributes:
        cut: reports that were damaged.
        announced: what programs said at their end that they found, added up.
    """

    def __init__(self) -> None:
        self.cut = 0
        self.announced = 0
        self._rest = b""
        self._skipping = False
        self._open: dict[str, OpenReport] = {}

    def feed(self, data: bytes) -> list[Report]:
        """The reports that end in this piece."""
        data = self._rest + data
        end = data.rfind(b"\n") + 1
        whole, self._rest = data[:end], data[end:]
        if self._skipping and whole:
            whole = whole[whole.find(b"\n") + 1 :]
            self._skipping = False
        if len(self._rest) > _LONGEST_LINE_BYTES:
            # The beginning of a line that long is no report; its end, whenever that comes, is left out too.
            self._rest, self._skipping = b"", True
        # Most of most logs has nothing to do with races, and need not be cut into lines.
        if not self._open and _BEGIN not in whole and _FOUND_SIGN not in whole:
            return []
        # Every line of it has its end, and what follows the last one is none.
        return [report for raw in whole.split(b"\n")[:-1] for report in self._line(raw)]

    def end(self) -> list[Report]:
        """What was read has its end here: the last line, and those reports that are whole without theirs."""
        reports = self.feed(b"\n") if self._rest and not self._skipping else []
        self._rest, self._skipping = b"", False
        for key in list(self._open):
            reports += self._close(key)
        return reports

    def _line(self, raw: bytes) -> Iterator[Report]:
        if len(raw) > _LONGEST_LINE_BYTES:
            return
        line = line_of(raw)
        if (found := _FOUND.search(line.text)) is not None:
            self.announced += int(found[1])
        known = self._open.get(line.key)
        if known is not None:
            known.take(line.text)
            if known.ended:
                yield from self._close(line.key)
        if BEGIN in line.text and line.key not in self._open:
            yield from self._begin(line)

    def _begin(self, line: Line) -> Iterator[Report]:
        if len(self._open) >= _MOST_OPEN:
            yield from self._close(next(iter(self._open)))
        self._open[line.key] = OpenReport(line)

    def _close(self, key: str) -> Iterator[Report]:
        one = self._open.pop(key)
        report = one.report()
        if report is not None:
            yield report
        elif one.begun:
            self.cut += 1
