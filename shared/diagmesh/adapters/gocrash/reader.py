"""Crashes out of the output of a Go program: standard error, a log, the last words that a launcher kept."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from diagmesh.adapters.gocrash.signs import Sign, kind_of, parse_cause, parse_sign, parse_signal
from diagmesh.adapters.godump.grammar import parse_header
from diagmesh.adapters.godump.origin import Origin, first_own, origin_of
from diagmesh.adapters.godump.reader import Goroutine, Reader
from diagmesh.contract.answers.crash import Crash, CrashKind, PanicCause
from diagmesh.contract.answers.stacks import Frame

__all__ = ["CrashReader", "crashes_of"]

_MOST_MESSAGE: Final = 4096
_MOST_MESSAGE_LINES: Final = 64
_MOST_CAUSES: Final = 16
_MOST_NOTES: Final = 8
_MOST_STATES: Final = 64
_PANICS: Final = frozenset({"panic", "runtime.gopanic", "runtime.panicmem", "runtime.sigpanic"})
_CUT: Final = "\n[…]\n"


def crashes_of(lines: Iterable[str]) -> Iterator[Crash]:
    """Every crash in the text, in its order; a dump that nobody asked for in words (``goroutine 1 […]``) is one too."""
    reader = CrashReader()
    for line in lines:
        if (crash := reader.feed(line)) is not None:
            yield crash
    if (last := reader.end()) is not None:
        yield last


class CrashReader:
    """Takes lines, gives crashes.

    Args:
        each: is told of every goroutine of the crash that is being read.
    """

    def __init__(self, each: Callable[[Goroutine], None] | None = None) -> None:
        self._each = each
        self._notes: list[str] = []
        self._open = self._stacks = False
        self._begin(None, "")

    def feed(self, line: str) -> Crash | None:
        """The crash that ended before this line, if one did."""
        if not self._stacks and self._open:
            return self._more_words(line)
        sign = parse_sign(line)
        if sign is not None:
            ended = self.end()
            self._begin(sign, line)
            return ended
        if self._open:
            self._stack_line(line)
        elif line.startswith("runtime: "):
            self._notes = [*self._notes[1 - _MOST_NOTES :], line[:_MOST_MESSAGE].removeprefix("runtime: ")]
        elif parse_header(line) is not None:
            self._begin(Sign("signal", "goroutine dump", "SIGQUIT"), line)
            self._stacks = True
            self._stack_line(line)
        return None

    def end(self) -> Crash | None:
        """The last crash, if the text has one that is not told yet."""
        if not self._open:
            return None
        if (last := self._reader.end()) is not None:
            self._goroutine(last)
        self._open = False
        return self._crash()

    def _begin(self, sign: Sign | None, line: str) -> None:
        self._sign, self._first_line = sign, line[:_MOST_MESSAGE].strip()
        self._words = [sign.words] if sign else []
        self._values: list[str] = []
        self._family = sign.family if sign else ""
        self._signal, self._address = (sign.signal if sign else ""), ""
        self._stacks, self._cut = False, ""
        self._reader = Reader()
        self._faulty: Goroutine | None = None
        self._states: Counter[str] = Counter()
        self._count = 0
        if sign is not None:
            self._open, self._told = True, tuple(self._notes)
            self._notes = []

    def _more_words(self, line: str) -> Crash | None:
        """A line between the first one and the stacks: the message goes on, a signal, or the next panic of a chain."""
        bare = line.lstrip("\t")
        if (caught := parse_signal(line)) is not None:
            self._signal, self._address = caught
        elif line.startswith("\t") and bare.startswith(("panic: ", "fatal error: ")):
            self._next(bare)
        elif bare.startswith("fatal error: ") or (line.startswith("panic: ") and self._family == "panic"):
            if bare.startswith("panic: ") and not self._chained():
                ended = self.end()
                self._begin(parse_sign(line), line)
                return ended
            self._next(bare)
        elif parse_header(line) is not None or line.startswith("runtime stack:"):
            self._stacks = True
            self._stack_line(line)
        elif line.startswith(("PC=0x", "goroutine running on other thread")) or line == _CUT.strip():
            self._cut = self._cut or ("its middle was left out" if line == _CUT.strip() else "")
        elif len(self._words) < _MOST_MESSAGE_LINES:
            self._words.append(line.removeprefix("\t"))
        else:
            self._words = self._words[
                :1
            ]  # no stack comes (GOTRACEBACK=none, or a log that quotes): what follows is a log
            return self.end()
        return None

    def _chained(self) -> bool:
        """Whether the panic before this one says that it was caught: then both are of one chain."""
        return parse_cause("\n".join(self._words).rstrip())[1]

    def _next(self, words: str) -> None:
        self._values = [*self._values, self._message()][-_MOST_CAUSES:]
        family, _, rest = words.partition(": ")
        self._family = "panic" if family == "panic" else "fatal-error"
        self._words = [rest]

    def _message(self) -> str:
        return "\n".join(self._words)[:_MOST_MESSAGE].rstrip()

    def _stack_line(self, line: str) -> None:
        if (ended := self._reader.feed(line)) is not None:
            self._goroutine(ended)
        if line == _CUT.strip():
            self._cut = "its middle was left out"

    def _goroutine(self, one: Goroutine) -> None:
        if self._faulty is None:
            self._faulty = one
        self._count += 1
        if one.header.state in self._states or len(self._states) < _MOST_STATES:
            self._states[one.header.state] += 1
        if self._each is not None:
            self._each(one)

    def _crash(self) -> Crash:
        message, _, _ = parse_cause(self._message())
        frames = self._faulty.stack.frames if self._faulty else ()
        own = first_own(frames)
        origin = _origin(frames)
        kind = kind_of(self._family, message, self._signal)
        return Crash(
            kind=kind,
            first_line=self._first_line,
            message=message,
            causes=tuple(_cause(words) for words in self._values),
            recovered=kind is CrashKind.RECOVERED_HTTP_PANIC,
            signal="" if kind is CrashKind.GOROUTINE_DUMP and not self._first_line.startswith("SIG") else self._signal,
            fault_address=self._address,
            goroutine=self._faulty.header.id if self._faulty else None,
            state=self._faulty.header.state if self._faulty else "",
            frames=frames,
            elided_frames=self._faulty.stack.elided if self._faulty else 0,
            first_own=own,
            origin=origin if origin != own else None,
            created_by=self._faulty.stack.created_by if self._faulty else None,
            goroutines=self._count,
            states=dict(self._states),
            notes=self._told,
            cut=self._cut or self._reader.cut,
        )


def _cause(words: str) -> PanicCause:
    message, recovered, repanicked = parse_cause(words)
    return PanicCause(message=message, recovered=recovered, repanicked=repanicked)


def _origin(frames: tuple[Frame, ...]) -> Frame | None:
    """The service's first frame below the outermost panic: where the first one arose, however often it went on."""
    below = 0
    for position, frame in enumerate(frames):
        if frame.function in _PANICS:
            below = position + 1
    own = first_own(frames[below:])
    return own if own is not None and origin_of(own.function, own.file) is Origin.OWN else None
