"""Go stacks for people: the frames of the service in full, long runs of Go's own folded into a line."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from rich.text import Text

from diagmesh.adapters.godump import Origin, origin_of
from diagmesh.contract.answers.stacks import Frame
from diagmesh_cli.views.words import plural

__all__ = ["folded", "frame_line", "place", "short"]

_MOST_FRAMES: Final = 12
_WIDE: Final = 76


def short(function: str) -> str:
    """A function without the folders of its package: ``store.(*Store).Put``."""
    name, generic, rest = function.rpartition("/")[2].replace("%2e", ".").partition("[...]")
    return f"{name}[…]{rest}" if generic else name


def place(frame: Frame) -> str:
    """Where a frame is: ``store.go:48``, with the folder in which the file is."""
    if not frame.file:
        return ""
    return f"{'/'.join(frame.file.split('/')[-2:])}:{frame.line}"


def frame_line(frame: Frame, indent: int = 2) -> Text:
    """One frame: function and place, 80 columns at most."""
    at = place(frame)
    name = short(frame.function)
    room = _WIDE - indent - len(at) - 2
    if len(name) > room:
        name = f"…{name[-max(8, room - 1) :]}"
    return Text.assemble(" " * indent, name, "  ", (at, "dim"))


def folded(frames: Sequence[Frame], indent: int = 2, most: int = _MOST_FRAMES) -> Iterator[Text]:
    """The frames that say something; those of Go itself between them are counted."""
    told = hidden = 0
    for position, frame in enumerate(frames):
        interesting = origin_of(frame.function, frame.file) >= Origin.DEPENDENCY or position == 0
        again = position > 0 and frame == frames[position - 1]  # it calls itself
        if not interesting or again or told >= most:
            hidden += 1
            continue
        yield from _hidden(hidden, indent)
        hidden = 0
        told += 1
        yield frame_line(frame, indent)
    yield from _hidden(hidden, indent)


def _hidden(count: int, indent: int) -> Iterable[Text]:
    return [Text(f"{' ' * indent}… {plural(count, 'frame')}", "dim")] if count else []
