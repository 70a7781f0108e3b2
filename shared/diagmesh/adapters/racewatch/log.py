"""The log files of the race detector (``GORACE=log_path=/PATH/PREFIX`` writes ``PREFIX.PID``), followed as they grow.

A file is known by device, inode and name: one that shrinks was truncated and is read from its beginning, one that takes
the place of another is a new one. Files of processes that have ended stay what they are.
"""

import os
import stat
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from diagmesh.adapters.gorace import RaceReader, Report
from diagmesh.adapters.racewatch.source import News
from diagmesh.contract.answers.races import RaceSource
from diagmesh.contract.wire import Blind

__all__ = ["RaceLog"]

_PIECE_BYTES: Final = 256 * 1024
_MOST_BYTES: Final = 64 * 1024 * 1024
"""In one look; the rest follows with the next ones."""
_MOST_FILES: Final = 256
_MOST_NAMES: Final = 20_000
_WAYS: Final = "let the user of the sidecar read it, or run both under one user"
Key = tuple[int, int, str]


class _Followed:
    """One file, as far as it was read."""

    def __init__(self) -> None:
        self.offset = 0
        self.reader = RaceReader()


class RaceLog:
    """All files of one prefix.

    Args:
        prefix: what ``log_path`` says.
        shown: how the prefix is called in answers, where that is another way to the same place; such a way may end with
            the process, which is no news then.
    """

    def __init__(self, prefix: str, shown: str = "") -> None:
        self._passing = bool(shown)
        self._folder, self._name = Path(prefix).parent, Path(prefix).name + "."
        self._shown = shown or prefix
        self._files: dict[Key, _Followed] = {}
        self._read_bytes = self._cut = self._announced = 0
        self._blind: list[Blind] = []

    def moved(self, prefix: str) -> None:
        """Another way leads to the same place now (that of a process that was started again)."""
        self._folder, self._name = Path(prefix).parent, Path(prefix).name + "."

    @property
    def cut(self) -> int:
        """Reports that were damaged."""
        return self._cut + sum(one.reader.cut for one in self._files.values())

    @property
    def announced(self) -> int:
        """What ended programs said that they found."""
        return self._announced + sum(one.reader.announced for one in self._files.values())

    def told(self) -> RaceSource:
        """What it is, and how much of it was read."""
        return RaceSource(kind="race log", where=self._shown, files=len(self._files), read_bytes=self._read_bytes)

    def blind(self) -> Sequence[Blind]:
        """What could not be read at the last look."""
        return self._blind

    def news(self, now: datetime) -> Sequence[News]:
        """What came since the last look."""
        self._blind = []
        found, room = list[News](), _MOST_BYTES
        there = set[Key]()
        for path in self._paths():
            before = self._read_bytes
            found += self._follow(path, now, room, there)
            room -= self._read_bytes - before
        for key in self._files.keys() - there:
            found += [News(report, now) for report in self._leave(key)]
        if room <= 0:
            why = f"more than {_MOST_BYTES >> 20} MiB came since the last look"
            self._blind.append(Blind(what=f"the rest of {self._shown}", why=why, fix="ask again: it goes on there"))
        return found

    def _paths(self) -> list[str]:
        """The files, those that changed last first."""
        names: list[tuple[float, str]] = []
        try:
            with os.scandir(self._folder) as entries:
                for number, entry in enumerate(entries):
                    if number >= _MOST_NAMES:
                        self._blind.append(Blind(what=self._shown, why=f"more than {_MOST_NAMES:,} files lie there"))
                        break
                    if entry.name.startswith(self._name) and entry.name[len(self._name) :].isdecimal():
                        names.append((-_changed(entry), entry.path))
        except OSError as error:
            what, missing = f"{self._shown}.*", isinstance(error, FileNotFoundError | ProcessLookupError)
            if not (missing and self._passing):
                fix = "make that folder" if missing else _WAYS
                self._blind.append(Blind(what=what, why=f"{self._folder}: {error.strerror}", fix=fix))
        if len(names) > _MOST_FILES:
            why = f"{len(names):,} files; the latest {_MOST_FILES} are read"
            self._blind.append(Blind(what=f"{self._shown}.*", why=why, fix="remove those of processes long gone"))
        return [path for _, path in sorted(names)[:_MOST_FILES]]

    def _follow(self, path: str, now: datetime, room: int, there: set[Key]) -> Iterator[News]:
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError as error:
            if not isinstance(error, FileNotFoundError):
                self._blind.append(Blind(what=path, why=str(error.strerror), fix=_WAYS))
            return
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                return
            key = (status.st_dev, status.st_ino, Path(path).name)
            there.add(key)
            at = min(now, datetime.fromtimestamp(max(0.0, status.st_mtime), UTC))
            if key in self._files and status.st_size < self._files[key].offset:
                yield from (News(report, at) for report in self._leave(key))
            one = self._files.setdefault(key, _Followed())
            yield from (News(report, at) for report in self._read(descriptor, one, room))
        except OSError as error:
            self._blind.append(Blind(what=path, why=str(error.strerror)))
        finally:
            os.close(descriptor)

    def _read(self, descriptor: int, one: _Followed, room: int) -> Iterator[Report]:
        while room > 0 and (piece := os.pread(descriptor, min(room, _PIECE_BYTES), one.offset)):
            one.offset += len(piece)
            self._read_bytes += len(piece)
            room -= len(piece)
            yield from one.reader.feed(piece)

    def _leave(self, key: Key) -> list[Report]:
        """The file is gone, or it begins anew: what is open in it has no end."""
        reader = self._files.pop(key).reader
        reports = reader.end()
        self._cut += reader.cut
        self._announced += reader.announced
        return reports


def _changed(entry: "os.DirEntry[str]") -> float:
    try:
        return entry.stat(follow_symlinks=False).st_mtime
    except OSError:
        return 0.0
