"""The stack of one goroutine, out of its lines."""

from typing import Final

import msgspec

from diagmesh.adapters.godump.grammar import frame, parse_call, parse_created, parse_elided, parse_place
from diagmesh.contract.answers.stacks import Frame

__all__ = ["Stack", "stack_of"]

_OUTERMOST: Final = frozenset({"runtime.goexit", "main.main", "runtime.main", "runtime.mcall"})


class Stack(msgspec.Struct, frozen=True, eq=False):
    """What goroutines at the same places have in common; the same object for all of them, and equal to no other.

    Args:
        frames: the innermost first.
        created_by: which function started them; None for the first goroutine and for those of the runtime.
        elided: so many frames in the middle were left out by Go; -1 where it does not say how many.
        unavailable: it ran on another thread, so that Go could not look.
        whole: the text does not end in the middle of it.
    """

    frames: tuple[Frame, ...]
    created_by: Frame | None
    elided: int
    unavailable: bool
    whole: bool


def stack_of(lines: list[str]) -> tuple[Stack, int]:
    """The stack that the lines of one goroutine tell of, and how many of them did not belong to it."""
    building = _Building()
    for line in lines:
        if line.startswith("[originating from goroutine "):
            break  # its ancestors, where GODEBUG asks for them
        building.add(line)
    return building.built(), building.foreign


class _Building:
    """A stack that grows line by line."""

    def __init__(self) -> None:
        self._frames: list[Frame] = []
        self._function = self._created = ""
        self._created_by: Frame | None = None
        self._elided = self.foreign = 0
        self._unavailable = False

    def add(self, line: str) -> None:
        """Take one line; one that is of no stack is counted."""
        if (place := parse_place(line)) is not None and (self._function or self._created):
            if self._created:
                self._created_by, self._created = frame(self._created, place), ""
            else:
                self._frames.append(frame(self._function, place))
            self._function = ""
        elif (found := parse_created(line)) is not None:
            self._created, self._function = found[0], ""
        elif (call := parse_call(line)) is not None:
            self._function = call.function
        else:
            self._other(line)

    def _other(self, line: str) -> None:
        if (left_out := parse_elided(line)) is not None:
            self._elided += left_out
        elif "stack unavailable" in line:
            self._unavailable = True
        elif line.startswith("non-Go function"):
            self._frames.append(Frame(function="non-Go function"))
        elif not line.startswith("\tpc=0x"):
            self.foreign += 1

    def built(self) -> Stack:
        """What came of it, where the text ends."""
        if self._function:
            self._frames.append(Frame(function=self._function))  # the text ends in front of its place
        created_by = self._created_by
        if self._created:
            created_by = Frame(function=self._created)
        placed = created_by is not None and bool(created_by.line)
        outermost = bool(self._frames) and self._frames[-1].function in _OUTERMOST
        whole = not self._function and not self._created and (placed or self._unavailable or outermost)
        return Stack(
            frames=tuple(self._frames),
            created_by=created_by,
            elided=self._elided,
            unavailable=self._unavailable,
            whole=whole,
        )
