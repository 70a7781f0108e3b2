"""What ``go test -json`` tells while it runs: packages done, tests that failed and why, what could not be built."""

from typing import Final

import msgspec

__all__ = ["Package", "Tally"]

_LONGEST_EVENT_BYTES: Final = 1 << 20
_MOST_WORDS: Final = 40
_WORD_CHARACTERS: Final = 300
_BY_RACE: Final = "race detected during execution of test"
_RACE_EXIT: Final = "exit status 66"
_NOT_BUILT: Final = ("[build failed]", "[setup failed]")


class _Event(msgspec.Struct, gc=False):
    Action: str = ""
    Package: str = ""
    Test: str = ""
    Output: str = ""
    ImportPath: str = ""
    FailedBuild: str = ""


class Package(msgspec.Struct):
    """One package, as it ended or as far as it came.

    Args:
        state: ``pass``, ``fail``, ``skip`` (no tests), ``not built``, or empty while it runs.
        by_race: its failed tests for which a race was detected; an empty name for one outside of any test.
        failed: its other failed tests.
    """

    state: str = ""
    by_race: set[str] = msgspec.field(default_factory=set)
    failed: set[str] = msgspec.field(default_factory=set)


class Tally:
    """Takes the output of ``go test -json`` in pieces."""

    def __init__(self) -> None:
        self.packages: dict[str, Package] = {}
        self.build_words: list[str] = []
        self._rest = b""
        self._raced: set[tuple[str, str]] = set()
        self._decoder = msgspec.json.Decoder(_Event)

    @property
    def done(self) -> int:
        """How many packages have ended."""
        return sum(bool(one.state) for one in self.packages.values())

    def named(self, state: str) -> tuple[str, ...]:
        """The packages that ended so."""
        return tuple(name for name, one in self.packages.items() if one.state == state)

    def feed(self, data: bytes) -> None:
        """More of it."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > _LONGEST_EVENT_BYTES:
            self._rest = b""  # the end of that line will be no event, and is left out as such
        for line in lines:
            self._line(line)

    def _line(self, line: bytes) -> None:
        if not line.startswith(b"{"):
            return
        try:
            event = self._decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return  # what a program printed that looks a little like an event
        if event.Action == "build-output":
            self._said_by_compiler(event.Output)
        elif event.Package:
            self._of(self.packages.setdefault(event.Package, Package()), event)

    def _of(self, package: Package, event: _Event) -> None:
        if event.Action == "output":
            if event.Test and event.Output.rstrip().endswith(_BY_RACE):
                self._raced.add((event.Package, event.Test))
            elif not event.Test and event.Output.strip() == _RACE_EXIT:
                package.by_race.add("")
            elif not event.Test and any(sign in event.Output for sign in _NOT_BUILT):
                package.state = "not built"
        elif event.Action == "fail" and event.Test:
            self._failed(package, event)
        elif event.Action in {"pass", "fail", "skip"} and not event.Test:
            broken = event.FailedBuild or package.state == "not built"
            package.state = "not built" if broken else event.Action

    def _failed(self, package: Package, event: _Event) -> None:
        if (event.Package, event.Test) in self._raced:
            package.by_race.add(event.Test)
        elif not any(one.startswith(f"{event.Test}/") for one in package.by_race | package.failed):
            package.failed.add(event.Test)  # else one of its parts is what failed

    def _said_by_compiler(self, text: str) -> None:
        words = text.rstrip("\n")
        if words and len(self.build_words) < _MOST_WORDS:
            self.build_words.append(words[:_WORD_CHARACTERS])
