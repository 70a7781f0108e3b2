"""Profiles for tests: small ones made by hand, those of a running service, and what ``go tool pprof`` says of any."""

import gzip
import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from diagmesh.adapters.pprof.profile_pb2 import Profile
from support.golang import Go

__all__ = ["Tool", "Top", "made", "packed"]

_ROW: Final = re.compile(r"\s*(-?[\d.]+)([a-zA-Z]*)\s+\S+%\s+\S+%\s+(-?[\d.]+)[a-zA-Z]*\s+\S+%\s{2}(.*)")
_EDGE: Final = re.compile(r"\s+(-?[\d.]+)[a-zA-Z]*\s+\S+%\s+\|   (.*)")
_NODE: Final = re.compile(r"\s*-?[\d.]+[a-zA-Z]*\s+\S+%\s+\S+%\s+-?[\d.]+[a-zA-Z]*\s+\S+%\s+\| (.*)")
_TOTAL: Final = re.compile(r"% of (-?[\d.]+)[a-zA-Z]* total")
_INLINE: Final = re.compile(r" \((?:partial-)?inline\)$")
_PATIENCE_S: Final = 120.0


class Top(NamedTuple):
    """What ``-top`` printed: name, flat and cum of each row, and the total."""

    rows: list[tuple[str, int, int]]
    total: int


class Tool:
    """The real ``go tool pprof``."""

    def __init__(self, go: Go, scratch: Path) -> None:
        self._scratch = scratch
        # The program itself: `go tool` looks through its caches first, each time.
        found = subprocess.run(
            [go.path, "tool", "-n", "pprof"], capture_output=True, text=True, timeout=_PATIENCE_S, check=True
        )
        self._program = found.stdout.strip()

    def run(self, *words: str | Path) -> str:
        """What it printed; symbols only as they are in the files."""
        done = subprocess.run(
            [self._program, "-symbolize=none", "-nodefraction=0", "-edgefraction=0", *words],
            capture_output=True,
            text=True,
            timeout=_PATIENCE_S,
            check=False,
            cwd=self._scratch,
            env={"HOME": str(self._scratch), "PATH": "/usr/bin:/bin", "PPROF_TMPDIR": str(self._scratch)},
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def top(self, *files: Path, of: str, unit: str, more: Sequence[str] = ()) -> Top:
        """The rows of one sample type, in its own unit, so that no digit is lost."""
        text = self.run("-top", f"-sample_index={of}", f"-unit={unit}", *more, *files)
        rows = [
            (_INLINE.sub("", row[4]), _whole(row[1]), _whole(row[3]))
            for row in map(_ROW.fullmatch, text.splitlines())
            if row
        ]
        totals = _TOTAL.search(text)
        return Top(rows, _whole(totals[1]) if totals else 0)

    def peek(self, file: Path, of: str, unit: str, name: str) -> tuple[dict[str, int], dict[str, int]]:
        """Who calls one function and whom it calls."""
        text = self.run("-peek", f"^{re.escape(name)}$", f"-sample_index={of}", f"-unit={unit}", file)
        sides: tuple[dict[str, int], dict[str, int]] = ({}, {})
        below = 0
        for line in text.splitlines():
            if _NODE.fullmatch(line):
                below = 1
            elif edge := _EDGE.fullmatch(line):
                sides[below][_INLINE.sub("", edge[2])] = _whole(edge[1])
        return sides


def _whole(text: str) -> int:
    number = float(text)
    assert number == int(number), f"the tool lost digits: {text}"
    return int(number)


def made(
    stacks: Iterable[tuple[str, int | Sequence[int]]],
    *,
    types: Sequence[tuple[str, str]] = (("cpu", "nanoseconds"),),
    drop: str = "",
    keep: str = "",
    labels: Mapping[str, str] | None = None,
) -> Profile:
    """A profile from stacks as text, the root first: ``main.main;main.work:12>main.inlined:30``.

    Args:
        stacks: frames between ``;``; of a frame what is inlined into it follows after ``>``; each may name its line.
        types: what the numbers count.
        drop: ``drop_frames``.
        keep: ``keep_frames``.
        labels: on each sample.
    """
    profile = Profile()
    strings: dict[str, int] = {}
    functions: dict[str, int] = {}
    locations: dict[str, int] = {}

    def text(word: str) -> int:
        return strings.setdefault(word, len(strings))

    text("")
    for name, unit in types:
        profile.sample_type.add(type=text(name), unit=text(unit))
    profile.drop_frames, profile.keep_frames = text(drop), text(keep)
    for stack, counted in stacks:
        sample = profile.sample.add(value=[counted] if isinstance(counted, int) else list(counted))
        for key, word in (labels or {}).items():
            sample.label.add(key=text(key), str=text(word))
        for frame in reversed(stack.split(";")) if stack else ():
            if frame not in locations:
                locations[frame] = len(locations) + 1
                location = profile.location.add(id=locations[frame], address=0x1000 + locations[frame])
                for one in reversed(frame.split(">")):
                    name, _, line = one.rpartition(":") if one.rpartition(":")[2].isdigit() else (one, "", "")
                    if name not in functions:
                        functions[name] = len(functions) + 1
                        file = f"/src/{name.partition('.')[0]}.go"
                        profile.function.add(id=functions[name], name=text(name), filename=text(file))
                    location.line.add(function_id=functions[name], line=int(line or 1))
            sample.location_id.append(locations[frame])
    profile.string_table.extend(strings)
    return profile


def packed(profile: Profile) -> bytes:
    """As a service sends it."""
    return gzip.compress(profile.SerializeToString(), 1, mtime=0)
