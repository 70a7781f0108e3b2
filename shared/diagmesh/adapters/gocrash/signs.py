"""The words with which Go's runtime says that a program ends, and which kind of crash they mean."""

import re
from typing import Final, NamedTuple

from diagmesh.contract.answers.crash import CrashKind

__all__ = ["Sign", "kind_of", "parse_cause", "parse_sign", "parse_signal"]

_PANIC: Final = "panic: "
_FATAL: Final = "fatal error: "
_SIGNAL: Final = re.compile(r"(?P<name>SIG[A-Z0-9]{2,10}): (?P<words>[A-Za-z/ -]{1,60})\Z")
_HTTP: Final = re.compile(r".{0,200}?http2?: panic serving \S{1,200}: (?P<words>.*)\Z", re.DOTALL)
_CAUGHT: Final = re.compile(r"[\t ]*\[signal (?P<name>SIG[A-Z0-9]{2,10}|0x[0-9a-f]+)(?::[^\]]*?)?(?: code=\S+)?"
                            r"(?: addr=(?P<address>0x[0-9a-f]+))?(?: pc=0x[0-9a-f]+)?\]\Z")  # fmt: skip
_ENDINGS: Final = ((" [recovered, repanicked]", True, True), (" [recovered]", True, False))
_RUNTIME: Final = (
    ("invalid memory address or nil pointer", CrashKind.NIL_DEREF),
    ("index out of range", CrashKind.INDEX_OUT_OF_RANGE),
    ("slice bounds out of range", CrashKind.INDEX_OUT_OF_RANGE),
    ("integer divide by zero", CrashKind.DIVIDE_BY_ZERO),
)
_PLAIN: Final = (
    ("assignment to entry in nil map", CrashKind.NIL_MAP),
    ("interface conversion: ", CrashKind.TYPE_ASSERTION),
    ("send on closed channel", CrashKind.CLOSED_CHANNEL),
    ("close of closed channel", CrashKind.CLOSED_CHANNEL),
    ("close of nil channel", CrashKind.CLOSED_CHANNEL),
)
_ERRORS: Final = (
    ("panic while printing panic value", CrashKind.PANIC),
    ("all goroutines are asleep", CrashKind.DEADLOCK),
    ("no goroutines (main called runtime.Goexit)", CrashKind.DEADLOCK),
    ("concurrent map ", CrashKind.CONCURRENT_MAP),
    ("sync: ", CrashKind.SYNC_MISUSE),
    ("stack overflow", CrashKind.STACK_OVERFLOW),
    ("out of memory", CrashKind.OUT_OF_MEMORY),
    ("cannot allocate memory", CrashKind.OUT_OF_MEMORY),
    ("thread exhaustion", CrashKind.TOO_MANY_THREADS),
    ("runtime: program exceeds", CrashKind.TOO_MANY_THREADS),
)
_FAULTS: Final = frozenset({"unexpected signal during runtime execution", "fault"})


class Sign(NamedTuple):
    """The line that begins a crash.

    Args:
        family: ``panic``, ``fatal-error``, ``signal`` or ``http`` (a panic that net/http caught).
        words: what it says.
        signal: its name, where the sign is one.
    """

    family: str
    words: str
    signal: str = ""


def parse_sign(line: str) -> Sign | None:
    """A line that begins a crash; None for any other."""
    if line.startswith(_PANIC):
        return Sign("panic", line[len(_PANIC) :])
    if line.startswith(_FATAL):
        return Sign("fatal-error", line[len(_FATAL) :])
    if line.startswith("SIG") and (found := _SIGNAL.match(line)) is not None:
        return Sign("signal", found["words"], found["name"])
    if "panic serving " in line and (found := _HTTP.match(line)) is not None:
        return Sign("http", found["words"])
    return None


def parse_cause(words: str) -> tuple[str, bool, bool]:
    """The value of a panic, whether it had been recovered, and whether the same was panicked again."""
    for ending, recovered, repanicked in _ENDINGS:
        if words.endswith(ending):
            return words.removesuffix(ending), recovered, repanicked
    return words, False, False


def parse_signal(line: str) -> tuple[str, str] | None:
    """Name and address of ``[signal SIGSEGV: segmentation violation code=0x1 addr=0x0 pc=…]``; None for other lines."""
    found = _CAUGHT.match(line) if "[signal " in line else None
    return (found["name"], found["address"] or "") if found else None


def kind_of(family: str, message: str, signal: str) -> CrashKind:
    """What these words mean. A panic of the runtime is told from one of the service by how it begins."""
    if family == "http":
        return CrashKind.RECOVERED_HTTP_PANIC
    if family == "signal":
        return CrashKind.GOROUTINE_DUMP if signal == "SIGQUIT" else CrashKind.SIGNAL
    if family == "fatal-error":
        known = next((kind for words, kind in _ERRORS if words in message), None)
        return known or (CrashKind.SIGNAL if signal and message in _FAULTS else CrashKind.FATAL_ERROR)
    if message.startswith("runtime error: "):
        return next((kind for words, kind in _RUNTIME if words in message), CrashKind.PANIC)
    return next((kind for words, kind in _PLAIN if message.startswith(words)), CrashKind.PANIC)
