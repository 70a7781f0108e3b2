"""One profile as we work with it: stacks of places in the program, and what was counted there."""

from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from diagmesh.errors import Declined

__all__ = ["Function", "Label", "Line", "Location", "Mapping", "Profile", "Sample", "ValueType"]


class ValueType(NamedTuple):
    """What one number of each sample counts (``inuse_space``), and in which unit (``bytes``)."""

    type: str
    unit: str


class Function(NamedTuple):
    """A function of the program; ``start_line`` is 0 where it is not known."""

    name: str
    system_name: str = ""
    file: str = ""
    start_line: int = 0


class Line(NamedTuple):
    """A line of a function."""

    function: Function
    line: int = 0
    column: int = 0


class Mapping(NamedTuple):
    """A file that is mapped into the memory of the program."""

    start: int = 0
    limit: int = 0
    offset: int = 0
    file: str = ""
    build_id: str = ""


class Location(NamedTuple):
    """A place in the program: its address, and its lines, what is inlined first; none without symbols."""

    address: int = 0
    mapping: Mapping | None = None
    lines: tuple[Line, ...] = ()
    folded: bool = False


class Label(NamedTuple):
    """What a sample is marked with: text, or a number with its unit."""

    key: str
    text: str = ""
    number: int = 0
    unit: str = ""


class Sample(NamedTuple):
    """What was counted at one stack.

    Args:
        stack: positions in the locations of the profile, the innermost first.
        values: a number per sample type.
        labels: in the order of their keys.
        base: whether it is part of what a profile is compared with; its values are then negative.
    """

    stack: tuple[int, ...]
    values: tuple[int, ...]
    labels: tuple[Label, ...] = ()
    base: bool = False


class Profile(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A whole profile.

    Args:
        types: what the numbers of each sample count.
        samples: stacks with their numbers.
        locations: the places that stacks are made of.
        default_type: which type is meant when none is named; empty for the last one.
        period_type: what happens between two samples.
        period: so many of them.
        time_ns: when it was taken, since 1970; 0 when not known.
        duration_ns: over how long.
        drop_frames: a regular expression of functions that are nobody's business, with all that they call.
        keep_frames: those of them that stay nevertheless.
        comments: free words.
        main_file: the program, where it is known.
    """

    types: tuple[ValueType, ...]
    samples: tuple[Sample, ...] = ()
    locations: tuple[Location, ...] = ()
    default_type: str = ""
    period_type: ValueType = ValueType("", "")
    period: int = 0
    time_ns: int = 0
    duration_ns: int = 0
    drop_frames: str = ""
    keep_frames: str = ""
    comments: tuple[str, ...] = ()
    main_file: str = ""

    def index_of(self, name: str = "") -> int:
        """The position of a sample type, as ``pprof -sample_index`` finds it; by default that of the profile.

        Raises:
            Declined: there is none of that name.
        """
        names = [one.type for one in self.types]
        if not name:
            return names.index(self.default_type) if self.default_type in names else len(names) - 1
        for position, known in enumerate(names):
            if known in (name, name.removeprefix("inuse_")):
                return position
        raise Declined(f"the profile has no sample type {name!r}", hint=f"sample types: {', '.join(names) or 'none'}")

    def values(self, index: int) -> Iterator[tuple[Sample, int]]:
        """Every sample with its number of one type."""
        for sample in self.samples:
            yield sample, sample.values[index]
