"""How a Go program crashed: what its runtime wrote at its end, taken apart."""

from enum import StrEnum

import msgspec

from diagmesh.contract.answers.stacks import Frame

__all__ = ["Crash", "CrashKind", "PanicCause"]


class CrashKind(StrEnum):
    """What ended the program, as exactly as its own words tell.

    The first eight are panics, *recovered-http-panic* one that net/http caught (the program goes on). *goroutine-dump*
    is what SIGQUIT asks for. Words that are known to nobody here are *panic*, *fatal-error* or *signal*.
    """

    PANIC = "panic"
    NIL_DEREF = "nil-deref"
    INDEX_OUT_OF_RANGE = "index-out-of-range"
    DIVIDE_BY_ZERO = "divide-by-zero"
    NIL_MAP = "nil-map"
    TYPE_ASSERTION = "type-assertion"
    CLOSED_CHANNEL = "closed-channel"
    RECOVERED_HTTP_PANIC = "recovered-http-panic"
    DEADLOCK = "deadlock"
    CONCURRENT_MAP = "concurrent-map"
    SYNC_MISUSE = "sync-misuse"
    STACK_OVERFLOW = "stack-overflow"
    OUT_OF_MEMORY = "out-of-memory"
    TOO_MANY_THREADS = "too-many-threads"
    FATAL_ERROR = "fatal-error"
    SIGNAL = "signal"
    GOROUTINE_DUMP = "goroutine-dump"


class PanicCause(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A panic that came before the last one.

    Args:
        message: its value, as Go printed it.
        recovered: a deferred function had caught it.
        repanicked: and then panicked with the same value (Go 1.24 and later say so).
    """

    message: str
    recovered: bool = False
    repanicked: bool = False


class Crash(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One crash.

    Args:
        kind: what ended it.
        first_line: the first line that Go wrote about it.
        message: the value of the last panic, or the words of the fatal error or signal.
        causes: the panics before the last one, the oldest first.
        recovered: somebody caught it, and the program went on.
        signal: name of the signal that was behind it (``SIGSEGV``).
        fault_address: what the program touched when the signal came (``0x0``).
        goroutine: the goroutine at fault; missing when no stack was written. 0 is a thread of the runtime.
        state: of that goroutine.
        frames: its stack, the innermost first.
        elided_frames: so many frames in the middle were left out by Go.
        first_own: the first frame that is not of Go itself, nor of a module of somebody else's if there is another.
        origin: where the first panic arose, when that is another place than ``first_own``.
        created_by: which function started that goroutine.
        goroutines: how many stacks were written.
        states: how many goroutines were in which state.
        notes: what the runtime said before (``goroutine stack exceeds 1000000000-byte limit``).
        cut: why there is more than was read; empty when all was there.
    """

    kind: CrashKind
    first_line: str
    message: str
    causes: tuple[PanicCause, ...] = ()
    recovered: bool = False
    signal: str = ""
    fault_address: str = ""
    goroutine: int | None = None
    state: str = ""
    frames: tuple[Frame, ...] = ()
    elided_frames: int = 0
    first_own: Frame | None = None
    origin: Frame | None = None
    created_by: Frame | None = None
    goroutines: int = 0
    states: dict[str, int] = {}
    notes: tuple[str, ...] = ()
    cut: str = ""

    @property
    def at(self) -> Frame | None:
        """The line that a person should look at first."""
        return self.origin or self.first_own
