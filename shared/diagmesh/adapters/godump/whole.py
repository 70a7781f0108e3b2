"""One dump, whatever its form, from pieces of bytes to a report."""

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Final, NamedTuple

from diagmesh.adapters.godump.counted import Counted, begins_counts, parse_counts
from diagmesh.adapters.godump.lines import lines_of
from diagmesh.adapters.godump.reader import Reader
from diagmesh.adapters.godump.report import Report, Shape, report_of
from diagmesh.adapters.godump.tally import Tally
from diagmesh.contract.answers.goroutines import DumpForm
from diagmesh.errors import Unreadable

__all__ = ["GO_BOUND_BYTES", "Read", "read_dump"]

GO_BOUND_BYTES: Final = 64 << 20
"""net/http/pprof and runtime/pprof give up at that size: the dump then ends in the middle."""
_GZIP: Final = b"\x1f\x8b"
_FIRST: Final = b"\x0a\x5a"
"""How protobuf of a profile begins: with what a sample counts, or (of goroutines in Go) with its period."""
_LONGEST_TYPE: Final = 12
_TYPE_FIELDS: Final = b"\x08\x10"
_MOST_PROFILE_BYTES: Final = 64 << 20


class Read(NamedTuple):
    """A dump that was read."""

    form: DumpForm
    report: Report
    foreign_lines: int


def read_dump(chunks: Iterable[bytes], shape: Shape) -> Read:
    """Read a dump: a goroutine profile in any of its forms, or the output of a program with stacks in it.

    Raises:
        Unreadable: there is no goroutine in it.
    """
    source = iter(chunks)
    begin = b""
    for piece in source:
        begin += piece
        if len(begin) > len(_FIRST):
            break
    if _is_profile(begin):
        return _profile(chain([begin], source), shape)
    lines = lines_of(chain([begin], source))
    first = next(lines, "")
    tally = _tally(shape)
    if begins_counts(first):
        cut = _count(parse_counts(chain([first], lines)), tally)
        return Read(DumpForm.COUNTS, report_of(tally, shape, cut), 0)
    reader = Reader()
    _add_all(reader, chain([first], lines), tally)
    if not tally.total:
        raise Unreadable("goroutine dump", "no goroutine is in it", "give the text of /debug/pprof/goroutine?debug=2")
    return Read(DumpForm.STACKS, report_of(tally, shape, reader.cut), reader.foreign_lines)


def _is_profile(begin: bytes) -> bool:
    """Protobuf, packed or not; a text may begin with an empty line or a Z, but not with what follows in protobuf."""
    if begin.startswith(_GZIP):
        return True
    return len(begin) > 2 and begin[0] in _FIRST and begin[1] <= _LONGEST_TYPE and begin[2] in _TYPE_FIELDS


def _tally(shape: Shape) -> Tally:
    return Tally(most_ids=max(shape.members, shape.ids))


def _profile(chunks: Iterable[bytes], shape: Shape) -> Read:
    """Protobuf is known as a whole only, and is small: every stack stands in it once."""
    from diagmesh.adapters.godump.profile import counts_of  # noqa: PLC0415  protobuf, for those who need it

    data = bytearray()
    for piece in chunks:
        data += piece
        if len(data) > _MOST_PROFILE_BYTES:
            raise Unreadable("goroutine profile", f"larger than {_MOST_PROFILE_BYTES >> 20} MiB")
    tally = _tally(shape)
    _count(counts_of(bytes(data)), tally)
    return Read(DumpForm.PROFILE, report_of(tally, shape), 0)


def _count(counted: Iterable[Counted], tally: Tally) -> str:
    """Count all of them; returns why that was not all."""
    try:
        for one in counted:
            tally.add_counted(one.number, one.stack)
    except Unreadable as error:
        if not tally.total:
            raise
        return error.why
    return ""


def _add_all(reader: Reader, lines: Iterator[str], tally: Tally) -> None:
    for line in lines:
        if (one := reader.feed(line)) is not None:
            tally.add(one)
    if (last := reader.end()) is not None:
        tally.add(last)
