"""One report of the race detector of Go, line by line; other lines may stand between its own.

The form is that of the run-time library (compiler-rt, tsan_report.cpp, the part for Go), which writes a report in many
small pieces: what others write at the same time lands between them, also in the middle of two of its lines.
"""

import re
from datetime import datetime
from sys import intern
from typing import Final

import msgspec

from diagmesh.adapters.gorace.lines import Line, Prefix
from diagmesh.contract.answers.races import Access, Creation, Operation
from diagmesh.contract.answers.stacks import Frame

__all__ = ["BEGIN", "OpenReport", "Report"]

BEGIN: Final = "WARNING: DATA RACE"
_RULE: Final = re.compile(r"(?<!=)={18}$")
_ACCESS: Final = re.compile(
    r"(Previous )?(?:[Aa]tomic )?([Rr]ead|[Ww]rite) at (0x[0-9a-f]{1,16}) by (?:(main goroutine|goroutine \d{1,20}):$)?"
)
_BY: Final = re.compile(r"(?:^|[^\w ])(main goroutine|goroutine \d{1,20}):$")
_CREATED: Final = re.compile(r"Goroutine (\d{1,20}) \((\w{1,32})\) created at:$")
_MUTEX: Final = re.compile(r"Mutex M?(\d{1,20})(?: \(0x[0-9a-f]{1,16}\))? (?:created at|was previously locked here):$")
_FUNCTION: Final = re.compile(r"  (\S.*)\(\)$")
_PLACE: Final = re.compile(r"      (\S.*):(\d{1,9}) \+0x[0-9a-f]{1,16}$")
_MOST_FRAMES: Final = 512
_MOST_CREATED: Final = 32
_MOST_LINES: Final = 10_000
_ACCESSES: Final = 2


class Report(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One report as it was written.

    Args:
        accesses: both, the later one first.
        created: where the goroutines involved were made.
        at: when it was written, where the log tells that.
        test: the test of Go during which it came.
    """

    accesses: tuple[Access, Access]
    created: tuple[Creation, ...] = ()
    at: datetime | None = None
    test: str = ""


class _Section:
    """What one heading is about, with the frames below it."""

    def __init__(self, heading: Access | Creation | None) -> None:
        self.heading = heading
        self.frames: list[Frame] = []

    def whole(self) -> Access | Creation | None:
        if self.heading is None:
            return None
        return msgspec.structs.replace(self.heading, frames=tuple(self.frames))


class OpenReport:
    """A report whose end has not been seen.

    Args:
        first: the line with which it begins.
    """

    def __init__(self, first: Line) -> None:
        self._prefix = Prefix(first.text[: first.text.find(BEGIN)])
        self._at = first.at or self._prefix.at
        self._test = first.test
        self._sections: list[_Section] = []
        self._function = ""
        self._half: Access | None = None
        self._lines = 0
        self._ruled = False
        self.ended = False

    @property
    def begun(self) -> bool:
        """Whether there is an access in it: else the words of its first line stood there for another reason."""
        return bool(self._sections) or self._half is not None

    def take(self, text: str) -> None:
        """The next line of the log, whoever wrote it."""
        self._lines += 1
        if self._lines > _MOST_LINES or (self._lines > 1 and BEGIN in text):
            self.ended = True
            return
        mine = self._prefix.without(text)
        if mine is not None and self._mine(mine):
            return
        if mine != text:  # where somebody's unfinished line stood before the first one, the others have no prefix
            self._mine(text)

    def report(self) -> Report | None:
        """The whole of it; None when it is damaged. One without its end is whole when its second stack is."""
        parts = [part for section in self._sections if (part := section.whole()) is not None]
        accesses = [part for part in parts if isinstance(part, Access)]
        created = [part for part in parts if isinstance(part, Creation)]
        if len(accesses) < _ACCESSES or self._half is not None or not (self._ruled or created):
            return None
        return Report(accesses=(accesses[0], accesses[1]), created=tuple(created), at=self._at, test=self._test)

    def _mine(self, text: str) -> bool:
        """Whether that is a line of the report; taken in then."""
        if found := _FUNCTION.match(text):
            self._function = intern(found[1])  # the same few stand in every report
        elif (found := _PLACE.match(text)) and self._function:
            frame = Frame(function=self._function, file=intern(found[1]), line=int(found[2]))
            self._function = ""
            if self._sections and len(self._sections[-1].frames) < _MOST_FRAMES:
                self._sections[-1].frames.append(frame)
        elif _RULE.search(text):
            self._ruled = self.ended = True
        else:
            return self._heading(text)
        return True

    def _heading(self, text: str) -> bool:
        if found := _ACCESS.search(text):
            access = Access(
                operation=Operation(found[2].lower()), previous=bool(found[1]), address=found[3], by=found[4] or ""
            )
            if found[4]:
                self._open(access)
            else:  # somebody else's line came before the rest of this one
                self._half = access
        elif self._half is not None and (found := _BY.search(text)):
            self._open(msgspec.structs.replace(self._half, by=found[1]))
            self._half = None
        elif found := _CREATED.search(text):
            self._open(Creation(of=f"goroutine {found[1]}", state=found[2]))
        elif found := _MUTEX.search(text):
            self._open(Creation(of=f"mutex {found[1]}"))
        else:
            return False
        return True

    def _open(self, heading: Access | Creation) -> None:
        self._function = ""
        full = len(self._sections) > _ACCESSES + _MOST_CREATED
        self._sections.append(_Section(None if full else heading))
        if full:
            del self._sections[-2]
