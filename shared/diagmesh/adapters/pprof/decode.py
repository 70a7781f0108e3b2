"""profile.proto as Go writes it, decoded message by message with Google's own protobuf, and checked as pprof does."""

import re
from typing import Final

from google.protobuf.message import DecodeError

from diagmesh.adapters.pprof.gunzip import MOST_BYTES, unpacked
from diagmesh.adapters.pprof.profile import Function, Label, Line, Location, Mapping, Profile, Sample, ValueType
from diagmesh.adapters.pprof.profile_pb2 import Function as PbFunction
from diagmesh.adapters.pprof.profile_pb2 import Location as PbLocation
from diagmesh.adapters.pprof.profile_pb2 import Mapping as PbMapping
from diagmesh.adapters.pprof.profile_pb2 import Profile as PbProfile
from diagmesh.adapters.pprof.profile_pb2 import Sample as PbSample
from diagmesh.adapters.pprof.wire import fields
from diagmesh.errors import Unreadable

__all__ = ["decode"]

_SAMPLE, _MAPPING, _LOCATION, _FUNCTION, _STRING = 2, 3, 4, 5, 6
_MOST: Final = {_SAMPLE: 1_000_000, _MAPPING: 10_000, _LOCATION: 500_000, _FUNCTION: 500_000, _STRING: 1_000_000}
"""Of each kind of record; a Go program of a million lines has some ten thousand functions."""
_MOST_FRAMES: Final = 16_000_000
_MOST_TEXT_BYTES: Final = 256 << 20
"""Of all names and labels, each as often as it stands somewhere: a long one that is referred to a million times."""
_MOST_OTHER_BYTES: Final = 1 << 20
_MOST_RECORD_BYTES: Final = 1 << 20
_NAMES: Final = {
    _SAMPLE: "samples",
    _MAPPING: "mappings",
    _LOCATION: "locations",
    _FUNCTION: "functions",
    _STRING: "strings",
}
_TEXT: Final = re.compile(rb"[\t\n\r -~]{24}")
"""An error page, say; no profile has so many printable bytes before the first number."""
_LEGACY: Final = (b"heap profile:", b"goroutine profile:", b"threadcreate profile:", b"--- ", b"goroutine ")


def decode(data: bytes, most_bytes: int = MOST_BYTES) -> Profile:
    """The profile in a file of ``net/http/pprof``, packed with gzip or not.

    Args:
        data: the file.
        most_bytes: it may have so many when unpacked.

    Raises:
        Unreadable: it is no profile, damaged, cut off or too large; the message says which.
    """
    if not data:
        raise Unreadable("profile", "it is empty", "take it again")
    raw = unpacked(data, most_bytes)
    if raw.startswith(_LEGACY):
        raise Unreadable("profile", "it is the text form of a profile", "take it without debug=1 or debug=2")
    if _TEXT.match(raw):
        raise Unreadable("profile", "it is a text, and no profile of pprof", "see what it says: head FILE")
    try:
        return _Decoder(raw).profile()
    except DecodeError:
        raise Unreadable("profile", "it is no profile in the format of pprof, or damaged", "take it again") from None


class _Decoder:
    """One file: its records by kind, then put together by their numbers."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._text_left = _MOST_TEXT_BYTES
        self._records: dict[int, list[tuple[int, int]]] = {kind: [] for kind in _MOST}
        other = bytearray()
        for number, at, begin, end in fields(raw):
            records = self._records.get(number)
            if records is None:
                other += raw[at:end]
                if len(other) > _MOST_OTHER_BYTES:
                    raise Unreadable("profile", "it holds more than a megabyte beside samples and symbols")
            elif begin < 0:
                raise _damaged(f"field {number} is no record")
            elif number != _STRING and end - begin > _MOST_RECORD_BYTES:
                raise _damaged(f"one of its {_NAMES[number]} has {end - begin:,} bytes")
            else:
                records.append((begin, end))
                if len(records) > _MOST[number]:
                    raise Unreadable("profile", f"it has more than {_MOST[number]:,} {_NAMES[number]}")
        self._head = PbProfile.FromString(bytes(other))
        self._strings = [raw[begin:end].decode("utf-8", "backslashreplace") for begin, end in self._records[_STRING]]
        if self._strings and self._strings[0]:
            raise _damaged("its first string is not empty")

    def profile(self) -> Profile:
        head = self._head
        mappings = self._mappings()
        locations, places = self._locations(mappings)
        types = tuple(ValueType(self._text(one.type), self._text(one.unit)) for one in head.sample_type)
        if not types:
            raise Unreadable("profile", "it does not say what it counts", "is this a file of net/http/pprof?")
        return Profile(
            types=types,
            samples=self._samples(places, len(types)),
            locations=locations,
            default_type=self._text(head.default_sample_type),
            period_type=ValueType(self._text(head.period_type.type), self._text(head.period_type.unit)),
            period=head.period,
            time_ns=head.time_nanos,
            duration_ns=head.duration_nanos,
            drop_frames=self._text(head.drop_frames),
            keep_frames=self._text(head.keep_frames),
            comments=tuple(map(self._text, head.comment)),
            main_file=next(iter(mappings.values())).file if mappings else "",
        )

    def _text(self, position: int) -> str:
        if not 0 <= position < len(self._strings):
            if position == 0:
                return ""
            raise _damaged(f"there is no string {position:,}")
        return self._strings[position]

    def _mappings(self) -> dict[int, Mapping]:
        found: dict[int, Mapping] = {}
        for begin, end in self._records[_MAPPING]:
            one = PbMapping.FromString(self._raw[begin:end])
            _new(one.id, found, "mapping")
            found[one.id] = Mapping(
                one.memory_start,
                one.memory_limit,
                one.file_offset,
                self._text(one.filename),
                self._text(one.build_id),
            )
        return found

    def _functions(self) -> dict[int, Function]:
        found: dict[int, Function] = {}
        for begin, end in self._records[_FUNCTION]:
            one = PbFunction.FromString(self._raw[begin:end])
            _new(one.id, found, "function")
            found[one.id] = Function(
                self._text(one.name), self._text(one.system_name), self._text(one.filename), one.start_line
            )
        return found

    def _locations(self, mappings: dict[int, Mapping]) -> tuple[tuple[Location, ...], dict[int, int]]:
        """The locations, and the position of each by its number."""
        functions, places = self._functions(), dict[int, int]()
        found: list[Location] = []
        lines_left = _MOST_FRAMES
        for begin, end in self._records[_LOCATION]:
            one = PbLocation.FromString(self._raw[begin:end])
            _new(one.id, places, "location")
            lines_left -= len(one.line)
            if lines_left < 0:
                raise Unreadable("profile", f"it has more than {_MOST_FRAMES:,} inlined lines")
            try:
                lines = tuple(Line(functions[each.function_id], each.line, each.column) for each in one.line)
            except KeyError as unknown:
                raise _damaged(f"location {one.id} is in function {unknown}, which is not there") from None
            self._spend(sum(len(each.function.name) + len(each.function.file) for each in lines))
            places[one.id] = len(found)
            found.append(Location(one.address, mappings.get(one.mapping_id), lines, one.is_folded))
        return tuple(found), places

    def _samples(self, places: dict[int, int], types: int) -> tuple[Sample, ...]:
        found: list[Sample] = []
        frames_left = _MOST_FRAMES
        for begin, end in self._records[_SAMPLE]:
            one = PbSample.FromString(self._raw[begin:end])
            values = tuple(one.value)
            if len(values) != types:
                raise _damaged(f"a sample has {len(values)} values instead of {types}")
            try:
                stack = tuple([places[number] for number in one.location_id])
            except KeyError as unknown:
                raise _damaged(f"a sample is at location {unknown}, which is not there") from None
            frames_left -= len(stack) + len(one.label)
            if frames_left < 0:
                raise Unreadable("profile", f"its stacks have more than {_MOST_FRAMES:,} frames")
            found.append(Sample(stack, values, self._labels(one) if one.label else ()))
        return tuple(found)

    def _labels(self, one: PbSample) -> tuple[Label, ...]:
        """The labels in the order of their keys; one that is neither text nor number says nothing."""
        found = [
            Label(self._text(each.key), text=self._text(each.str))
            if each.str
            else Label(self._text(each.key), number=each.num, unit=self._text(each.num_unit))
            for each in one.label
            if each.str or each.num or each.num_unit
        ]
        self._spend(sum(len(each.key) + len(each.text) + len(each.unit) for each in found))
        return tuple(sorted(found, key=lambda label: label.key))

    def _spend(self, size: int) -> None:
        self._text_left -= size
        if self._text_left < 0:
            raise Unreadable("profile", f"its names and labels come to more than {_MOST_TEXT_BYTES >> 20} MiB")


def _new(number: int, known: dict[int, Mapping] | dict[int, Function] | dict[int, int], what: str) -> None:
    if number == 0:
        raise _damaged(f"a {what} has the number 0")
    if number in known:
        raise _damaged(f"two {what}s have the number {number}")


def _damaged(why: str) -> Unreadable:
    return Unreadable("profile", f"it is damaged: {why}", "take it again")
