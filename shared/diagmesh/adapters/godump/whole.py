"""One dump, whatever its form, from pieces of bytes to a report."""

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Final, NamedTuple

from diagmesh.adapters.godump.counted import begins_counts, parse_counts
from diagmesh.adapters.godump.lines import lines_of
from diagmesh.adapters.godump.reader import Reader
from diagmesh.adapters.godump.report import Report, Shape, report_of
from diagmesh.adapters.godump.tally import Tally
from diagmesh.contract.answers.goroutines import DumpForm
from diagmesh.errors import Unreadable

__all__ = ["GO_BOUND_BYTES", "Read", "read_dump"]

GO_BOUND_BYTES: Final = 64 << 20
"""net/http/pprof and runtime/pprof give up at that size: the dump then ends in the middle."""
_PROTOBUF: Final = b"\x0a"


class Read(NamedTuple):
    """A dump that was read."""

    form: DumpForm
    report: Report
    foreign_lines: int


def read_dump(chunks: Iterable[bytes], shape: Shape) -> Read:
    """Read a dump: ``debug=2`` or ``debug=1`` of a goroutine profile, or the output of a program with stacks in it.

    Raises:
        Unreadable: there is no goroutine in it.
    """
    lines = lines_of(chunks)
    first = next(lines, "")
    tally = Tally(most_ids=max(shape.members, shape.ids))
    if begins_counts(first):
        cut = ""
        try:
            for one in parse_counts(chain([first], lines)):
                tally.add_counted(one.number, one.stack)
        except Unreadable as error:
            cut = error.why
        return Read(DumpForm.COUNTS, report_of(tally, shape, cut), 0)
    reader = Reader()
    _add_all(reader, chain([first], lines), tally)
    if not tally.total:
        raise Unreadable("goroutine dump", "no goroutine is in it", "give the text of /debug/pprof/goroutine?debug=2")
    return Read(DumpForm.STACKS, report_of(tally, shape, reader.cut), reader.foreign_lines)


def _add_all(reader: Reader, lines: Iterator[str], tally: Tally) -> None:
    for line in lines:
        if (one := reader.feed(line)) is not None:
            tally.add(one)
    if (last := reader.end()) is not None:
        tally.add(last)
