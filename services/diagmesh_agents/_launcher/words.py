"""The last words of a service: of a panic its beginning, else the end of its output; bounded, without secrets."""

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

from diagmesh_agents._launcher.area import STREAMS, Area, Frame, Head
from diagmesh_agents._launcher.redact import harmless, redact

__all__ = ["LastWords", "last_words"]

_MOST_BYTES: Final = 8 * 1024
_HEAD_SHARE_BYTES: Final = 6 * 1024
_LOOKED_AT_BYTES: Final = 16 * 1024
_CUT: Final = "\n[…]\n"
_KILLED: Final = re.compile(rb"^SIG[A-Z0-9]+: [a-z/ ]+\nPC=0x", re.MULTILINE)
"""What the runtime of Go writes when a signal ends it: it then exits with code 2, as after a panic."""


class LastWords(NamedTuple):
    """What a service said at its end.

    Args:
        text: as it is told.
        head: the beginning of a panic, of a fatal error, or of what Go writes when a signal ends it, if standard error
            ends with that; empty when there is none.
        kept_bytes: how much of the output of this process the ring still held.
    """

    text: str
    head: str
    kept_bytes: int


def last_words(areas: Iterable[Area], since_ns: int) -> LastWords:
    """What the process that started at ``since_ns`` (monotonic) said last."""
    areas = list(areas)
    frames = sorted((frame for area in areas for frame in area.frames() if frame.at_ns >= since_ns), key=_when)
    head = max((area.head() for area in areas), key=lambda one: one.at_ns, default=Head(0, b""))
    everything = b"".join(frame.data for frame in frames)
    errors = b"".join(frame.data for frame in frames if frame.stream == STREAMS[1])
    kept = len(everything)
    tail = harmless(everything[-_LOOKED_AT_BYTES:])
    trace, panicked = _ends_as_trace(errors), bool(head.data) and head.at_ns >= since_ns
    if trace and not panicked and (killed := _KILLED.search(errors)):
        beginning = redact(harmless(errors[killed.start() :]))
        return LastWords(beginning.encode()[:_HEAD_SHARE_BYTES].decode("utf-8", "ignore"), beginning, kept)
    if not panicked or not trace:
        return LastWords(_bounded_tail(redact(tail), _MOST_BYTES), "", kept)
    beginning = redact(harmless(head.data))
    short = beginning.encode()[:_HEAD_SHARE_BYTES].decode("utf-8", "ignore")
    if len(errors) <= len(head.data) and len(beginning) == len(short):
        return LastWords(short, beginning, kept)
    first = harmless(errors).find(harmless(head.data)[:200])
    rest = redact(harmless(errors[-_LOOKED_AT_BYTES:]))
    if first >= 0 and redact(harmless(errors)[first:]) == short:
        return LastWords(short, beginning, kept)
    room = _MOST_BYTES - len(short.encode()) - len(_CUT.encode())
    return LastWords(f"{short.rstrip()}{_CUT}{_bounded_tail(rest, room)}", beginning, kept)


def _when(frame: Frame) -> int:
    return frame.at_ns


def _bounded_tail(text: str, most: int) -> str:
    raw = text.encode()
    if len(raw) <= most:
        return text
    cut = raw[-most:]
    line = cut.find(b"\n") + 1
    return cut[line if 0 < line < len(cut) else 0 :].decode("utf-8", "ignore")


def _ends_as_trace(errors: bytes) -> bool:
    """Whether standard error ends as the trace of a Go program does: a place, a register, a dump that was cut."""
    lines = harmless(errors[-_LOOKED_AT_BYTES:]).rstrip().rsplit("\n", 1)
    last = lines[-1]
    if last.startswith(("\t", "exit status ", "created by ", "goroutine ", "...", "panic: ", "fatal error: ")):
        return True
    name, _, value = last.partition(" ")
    return name in _REGISTERS and value.strip().startswith("0x")


_REGISTERS: Final = frozenset(
    {
        *("rax", "rbx", "rcx", "rdx", "rdi", "rsi", "rbp", "rsp", "rip", "rflags", "cs", "fs", "gs"),
        *("eax", "ebx", "ecx", "edx", "edi", "esi", "ebp", "esp", "eip", "eflags", "lr", "sp", "pc", "fault"),
        *(f"r{number}" for number in range(32)),
    }
)
