"""Which pages of a Go service a question about profiles needs, and the looks that are kept to compare with."""

import time
from collections.abc import Iterator
from typing import Final, NamedTuple
from weakref import WeakKeyDictionary

import msgspec

from diagmesh.contract.answers.profile import Base, ProfileQuestion, ProfileType
from diagmesh.errors import Declined
from diagmesh.gopages import GoPage, Query, pprof
from diagmesh.target import Target

__all__ = ["MOST_KEPT_BYTES", "Kept", "Take", "kept_of", "nothing_kept", "takes_of"]

_STATES: Final = frozenset({ProfileType.HEAP, ProfileType.GOROUTINE, ProfileType.THREADCREATE})
"""What is so now; the others count since the start of the process, unless seconds are asked for."""
_SURVEY: Final = (ProfileType.CPU, ProfileType.HEAP, ProfileType.ALLOCS, ProfileType.MUTEX)
_SAMPLES: Final = {ProfileType.HEAP: "inuse_space", ProfileType.ALLOCS: "alloc_space"}
MOST_KEPT_BYTES: Final = 1 << 20
_UNITS: Final = ((3600, "h"), (60, "min"), (1, "s"))


class Take(NamedTuple):
    """One profile to fetch.

    Args:
        type: which one.
        page: where it is.
        query: what it is asked for.
        seconds: how long it takes; 0 for at once.
        sample: which of its numbers is told; empty for its default.
    """

    type: ProfileType
    page: GoPage
    query: Query
    seconds: int
    sample: str

    @property
    def over_s(self) -> float | None:
        """The time within which it counts, where the file may not say it."""
        return float(self.seconds) if self.seconds and self.type is not ProfileType.CPU else None


def takes_of(question: ProfileQuestion) -> tuple[Take, ...]:
    """What must be fetched.

    Raises:
        Declined: the fields of the question do not go together.
    """
    survey = question.type is ProfileType.SURVEY
    if survey and (question.sample or question.base is not Base.NONE):
        named = ", ".join(one.value for one in ProfileType if one is not ProfileType.SURVEY)
        raise Declined("sample and base need a type", hint=f"types: {named}")
    if question.base is not Base.NONE and question.seconds is not None and question.type is not ProfileType.CPU:
        raise Declined("seconds and base are two ways to compare", hint="leave out one of them")
    return tuple(_survey(question) if survey else (_take(question.type, question.seconds, question.sample),))


def _survey(question: ProfileQuestion) -> Iterator[Take]:
    seconds = question.seconds or 1
    for one in _SURVEY:
        yield _take(one, None if one in _STATES else seconds, "")


def _take(one: ProfileType, seconds: int | None, sample: str) -> Take:
    if one is ProfileType.CPU:
        seconds = seconds or 1
    page = pprof("profile" if one is ProfileType.CPU else one.value)
    query: Query = {"seconds": seconds} if seconds else {}
    return Take(one, page, query, seconds or 0, sample or _SAMPLES.get(one, ""))


class Kept(msgspec.Struct):
    """A profile that later ones may be compared with."""

    data: bytes
    at: float
    process: object = None

    def age_words(self) -> str:
        """How old it is: ``12 s ago``, ``47 min ago``, ``5 h ago``."""
        age_s = time.monotonic() - self.at
        size_s, name = next((one for one in _UNITS if age_s >= 2 * one[0]), _UNITS[-1])
        return f"{age_s / size_s:.0f} {name} ago"


class _Shelf:
    """The looks that are kept of one instance: of each type the last one, and the baseline."""

    def __init__(self) -> None:
        self._kept: dict[tuple[ProfileType, Base], Kept] = {}

    def get(self, one: ProfileType, base: Base) -> Kept | None:
        """What a look is compared with; None when there is none yet."""
        return self._kept.get((one, base))

    def put(self, one: ProfileType, base: Base, data: bytes | None, process: object) -> None:
        """Keep one of a process in place of what was there; None for one that is too large."""
        if data is None:
            self._kept.pop((one, base), None)
        else:
            self._kept[(one, base)] = Kept(data, time.monotonic(), process)


def nothing_kept(one: ProfileType, base: Base) -> Declined:
    """What to tell somebody who wants to compare with what is not there."""
    hint = (
        "ask once more: this look is kept now"
        if base is Base.PREVIOUS
        else 'ask with "keep": "baseline" first (diagmesh profile --keep)'
    )
    return Declined(f"there was no {base.value} look at {one.value} here to compare with", hint=hint)


_shelves: Final[WeakKeyDictionary[Target, _Shelf]] = WeakKeyDictionary()


def kept_of(target: Target) -> _Shelf:
    """What is kept of an instance, in memory, for as long as its sidecar runs."""
    return _shelves.setdefault(target, _Shelf())
