"""`profile`: where the program spends CPU and memory, who holds its locks, and what of that changed."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, ClassVar, Final, Self

import msgspec
from msgspec import Meta
from msgspec.structs import replace

from diagmesh.contract.answers.profile_counted import Counted, Edge, Peeked, Row
from diagmesh.contract.answers.profile_sum import added_up
from diagmesh.contract.measures import Measure
from diagmesh.contract.wire import Answer, Blind, Question

__all__ = [
    "MOST_FILE_BYTES",
    "MOST_SECONDS",
    "PIECE_BYTES",
    "Base",
    "Counted",
    "Edge",
    "Keep",
    "Peeked",
    "Profile",
    "ProfileCost",
    "ProfileQuestion",
    "ProfileType",
    "RawProfile",
    "Row",
]

MOST_SECONDS: Final = 30
"""Of a CPU profile: what a question may do to a service is bounded."""
MOST_FILE_BYTES: Final = 64 << 20
"""Of one file as the service sends it; a hundred thousand goroutines make some megabytes."""
PIECE_BYTES: Final = 4 << 20
"""Of a file that no reply holds, in one reply to those who take chunks; 256 KiB to others."""
_ADDED_ROWS: Final = 100
"""Of each replica, where they are added up."""
_Pattern = Annotated[str, Meta(max_length=500)]
_Token = Annotated[str, Meta(pattern=r"^([0-9a-f]{32})?$")]


class ProfileType(StrEnum):
    """Which profile of ``net/http/pprof``; a *survey* takes CPU, heap, allocations and locks in the same second."""

    SURVEY = "survey"
    CPU = "cpu"
    HEAP = "heap"
    ALLOCS = "allocs"
    MUTEX = "mutex"
    BLOCK = "block"
    GOROUTINE = "goroutine"
    THREADCREATE = "threadcreate"


class Base(StrEnum):
    """What a profile is compared with: nothing, the look before it, or the one that was kept as the baseline."""

    NONE = ""
    PREVIOUS = "previous"
    BASELINE = "baseline"


class Keep(StrEnum):
    """Whether this look becomes the baseline of its type, in the memory of the sidecar."""

    NO = ""
    BASELINE = "baseline"


class ProfileQuestion(Question, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """Which profile, and what of it to tell.

    ``detail``: ``brief`` tells totals and the first rows, ``full`` all rows, lines and folded stacks.

    Args:
        type: which one.
        seconds: how long CPU is sampled (default 1); of another type the change within so many seconds.
        sample: which of its numbers (``alloc_space``); default: the one that pprof shows.
        focus: only stacks with a function, file or program that matches this regular expression.
        ignore: only stacks without any.
        peek: functions (a regular expression) of which callers and callees are told.
        top: so many rows.
        lines: rows by line, too.
        base: what it is compared with.
        keep: whether to keep it as the baseline.
        raw: the file as it came, too.
        file: no look, but a piece of a file of the last one with ``raw``, by its SHA-256.
        offset: where in that file the piece begins.
        token: made up by whoever asks, so that he can stop this look: 32 hexadecimal digits that nobody guesses.
        stop: no look, but the end of the one with this token.
    """

    type: ProfileType = ProfileType.SURVEY
    seconds: Annotated[int, Meta(ge=1, le=MOST_SECONDS)] | None = None
    sample: Annotated[str, Meta(max_length=64)] = ""
    focus: _Pattern = ""
    ignore: _Pattern = ""
    peek: _Pattern = ""
    top: Annotated[int, Meta(ge=1, le=1000)] = 10
    lines: bool = False
    base: Base = Base.NONE
    keep: Keep = Keep.NO
    raw: bool = False
    file: Annotated[str, Meta(pattern=r"^([0-9a-f]{64})?$")] = ""
    offset: Annotated[int, Meta(ge=0, le=MOST_FILE_BYTES)] = 0
    token: _Token = ""
    stop: _Token = ""

    def to_each(self) -> Self:
        """More rows than are told in the end: what is little in one replica may be much in all of them."""
        return replace(self, top=max(self.top, _ADDED_ROWS))


class ProfileCost(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What the look cost the service, and the sidecar.

    Args:
        words: what was done to the service.
        sampled_s: how long its CPU was sampled.
        fetched_bytes: how much it sent.
        took_ms: how long that took, all of it.
        read_cpu_ms: CPU time of the process that read it, which ends with it.
        read_rss_bytes: the memory that process needed.
    """

    words: str
    sampled_s: float = 0.0
    fetched_bytes: int = 0
    took_ms: float = 0.0
    read_cpu_ms: float = 0.0
    read_rss_bytes: int = 0


class RawProfile(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A file as the service sent it.

    Args:
        type: which profile.
        size_bytes: of it.
        sha256: of it, in hexadecimal digits.
        data: the file itself (base64 in JSON), or the piece that was asked for; missing where it is elsewhere.
        object: where it is in an object store: ``bucket/name``.
        offset: where in the file the data begins.
        kept_s: it fits into no reply, and the sidecar keeps it for so long: ask with ``file`` and ``offset``.
    """

    type: str
    size_bytes: int
    sha256: str
    data: bytes = b""
    object: str = ""
    offset: int = 0
    kept_s: int = 0


class Profile(Answer, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What the profiles say.

    Args:
        cpu_cores: cores used while CPU was sampled.
        heap_bytes: in use by live objects, as sampled.
        alloc_bytes_per_s: allocated per second.
        mutex_wait: seconds that goroutines waited for locks, per second; None where the service does not count it.
        counted: each sample type that was asked for.
        cost: of the look.
        raw: the files.
        comments: what the profile says of itself.
        blind: what could not be seen.
    """

    may_lack: ClassVar[bool] = True  # a service need not be written in Go

    cpu_cores: Annotated[float | None, Measure("cores")] = None
    heap_bytes: Annotated[int | None, Measure("bytes")] = None
    alloc_bytes_per_s: Annotated[float | None, Measure("bytes")] = None
    mutex_wait: Annotated[float | None, Measure("s")] = None
    counted: tuple[Counted, ...] = ()
    cost: ProfileCost | None = None
    raw: tuple[RawProfile, ...] = ()
    comments: tuple[str, ...] = ()
    blind: tuple[Blind, ...] = ()

    @classmethod
    def as_one(cls, answers: Sequence[tuple[str, Self]]) -> Self | None:
        """The replicas of each service added up; None when nobody told."""
        counted = added_up([(where.partition("/")[0], one) for where, answer in answers for one in answer.counted])
        comments = dict.fromkeys(word for _, answer in answers for word in answer.comments)
        return cls(counted=counted, comments=tuple(comments)) if answers else None
