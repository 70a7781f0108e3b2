"""The lines of a Go stack trace, as ``runtime/traceback.go`` of Go 1.21 to 1.27 writes them.

```
goroutine 7 gp=0xc0001 m=nil [chan receive, 5 minutes, locked to thread]:
main.(*Store).Put(0xc000123, {0x718688, 0x1})
        /src/main.go:34 +0x45 fp=0xe4de sp=0xe4dd pc=0x68eea5
main.inlined(...)
        /src/main.go:12
...12 frames elided...
created by main.main in goroutine 1
        /src/main.go:65 +0x859
[originating from goroutine 1]:
```
"""

import re
from sys import intern
from typing import Final, NamedTuple

from diagmesh.contract.answers.stacks import Frame

__all__ = [
    "Call",
    "Header",
    "Place",
    "frame",
    "parse_call",
    "parse_created",
    "parse_elided",
    "parse_header",
    "parse_place",
]

_HEADER: Final = re.compile(
    r"\s*goroutine (?P<id>\d{1,20})(?: gp=0x[0-9a-f]+)?(?: m=(?:nil|\d+))?(?: mp=(?:nil|0x[0-9a-f]+))? "
    r"\[(?P<state>[^\],{]*?)(?P<rest>(?:, [^\]{]*)?(?: labels:\{.*)?)\](?:, \d+ bytes)?:\Z"
)
_MINUTES: Final = re.compile(r", (\d{1,12}) minutes?")
_BUBBLE: Final = re.compile(r", synctest (?:bubble|group) (\d{1,12})")
_MARKS: Final = re.compile(r" \((leaked|scan|durable)\)")
_PLACE: Final = re.compile(r"[\t ]+(?P<file>\S.*?):(?P<line>\d{1,9})(?: \+0x[0-9a-f]+)?(?: [a-z]+=0x[0-9a-f]+)*\Z")
_CREATED: Final = re.compile(r"\s*created by (?P<function>.+?)(?: in goroutine (?P<parent>\d{1,20}))?\Z")
_ELIDED: Final = re.compile(r"\s*\.\.\.(?:(?P<count>\d{1,12}) |additional )frames elided\.\.\.\Z")
_ARGUMENTS: Final = re.compile(r"(?:[0-9a-fx?_{}, .]|\.\.\.)*\Z")
_UNKNOWN_COUNT: Final = -1


class Header(NamedTuple):
    """The first line of a goroutine.

    Args:
        id: its number; 0 is the stack of a thread of the runtime.
        state: what it does or waits for, without additions (``chan receive``).
        minutes: how long it has waited, in whole minutes as Go prints them; 0 when it says nothing. The runtime counts
            from the first garbage collection that found it waiting.
        locked: it holds a thread for itself.
        leaked: the leak profile found that nothing can wake it.
        durable: it waits inside of a bubble of ``testing/synctest``.
        bubble: the number of that bubble; None outside.
    """

    id: int
    state: str
    minutes: int
    locked: bool
    leaked: bool
    durable: bool
    bubble: int | None


class Call(NamedTuple):
    """The first line of a frame.

    Args:
        function: with its package.
        arguments: words as printed, without braces (``0xc000123``, ``0x1?``); empty for none.
        inlined: the compiler put it into its caller, so that no arguments are known.
    """

    function: str
    arguments: tuple[str, ...]
    inlined: bool


class Place(NamedTuple):
    """The second line of a frame."""

    file: str
    line: int


def parse_header(line: str) -> Header | None:
    """A line that begins a goroutine; None for any other."""
    if "goroutine " not in line or not line.endswith(":"):
        return None
    found = _HEADER.match(line)
    if found is None:
        return None
    # Labels (Go 1.26 and later) come last and are anybody's text: nothing is looked for in them.
    rest = found["rest"].partition(" labels:{")[0]
    minutes, bubble = _MINUTES.search(rest), _BUBBLE.search(rest)
    state = found["state"].strip()
    marks = set(_MARKS.findall(state))
    return Header(
        id=int(found["id"]),
        state=_MARKS.sub("", state),
        minutes=int(minutes[1]) if minutes else 0,
        locked=", locked to thread" in rest,
        leaked="leaked" in marks,
        durable="durable" in marks,
        bubble=int(bubble[1]) if bubble else None,
    )


def parse_call(line: str) -> Call | None:
    """The line with a function and its arguments; None for any other."""
    line = line.strip()
    if not line.endswith(")"):
        return None
    function, _, words = line[:-1].rpartition("(")
    if not function or " " in function.partition("[")[0] or not _ARGUMENTS.match(words):
        return None
    function = intern(function)  # the same few stand in every stack
    if words == "...":
        return Call(function, (), inlined=True)
    flat = words.replace("{", "").replace("}", "")
    return Call(function, tuple(word for part in flat.split(",") if (word := part.strip())), inlined=False)


def parse_place(line: str) -> Place | None:
    """The line with file and line; None for any other."""
    found = _PLACE.match(line)
    return Place(intern(found["file"]), int(found["line"])) if found else None


def parse_created(line: str) -> tuple[str, int | None] | None:
    """Which function started the goroutine, and in which goroutine (Go 1.21 and later); None for any other line."""
    found = _CREATED.match(line) if "created by " in line else None
    if found is None:
        return None
    return found["function"], int(found["parent"]) if found["parent"] else None


def parse_elided(line: str) -> int | None:
    """How many frames Go left out here (-1: it does not say); None for any other line."""
    found = _ELIDED.match(line) if "frames elided..." in line else None
    if found is None:
        return None
    return int(found["count"]) if found["count"] else _UNKNOWN_COUNT


def frame(function: str, place: Place | None) -> Frame:
    """A frame of its two lines."""
    return Frame(function=function, file=place.file if place else "", line=place.line if place else 0)
