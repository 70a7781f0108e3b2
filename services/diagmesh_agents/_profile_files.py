"""The files of a look as far as a reply holds them; larger ones are kept for a while and handed over piece by piece."""

import asyncio
import contextlib
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple
from weakref import WeakKeyDictionary

from diagmesh.contract.answers.profile import PIECE_BYTES, Profile, ProfileQuestion, RawProfile
from diagmesh.errors import Declined
from diagmesh.target import Target
from diagmesh_agents._profiles import Take

__all__ = ["kept_files_of", "raw_of"]

_INLINE_BYTES: Final = {True: 8 << 20, False: 256 << 10}
"""Of all files in one reply: with ``chunks``, and without."""
_KEPT_S: Final = 300


class _File(NamedTuple):
    descriptor: int
    told: RawProfile


class KeptFiles:
    """The files of the last look at an instance that no reply held: open, without names, closed after a while."""

    def __init__(self) -> None:
        self._files: dict[str, _File] = {}
        self._ending: asyncio.TimerHandle | None = None

    def keep(self, files: Sequence[tuple[Path, RawProfile]]) -> None:
        """Keep these, and no earlier ones. Whoever made them may delete them."""
        self._forget()
        for path, told in files:
            if told.sha256 not in self._files:
                self._files[told.sha256] = _File(os.open(path, os.O_RDONLY | os.O_CLOEXEC), told)
        if self._files:
            self._ending = asyncio.get_running_loop().call_later(_KEPT_S, self._forget)

    async def piece(self, question: ProfileQuestion) -> Profile:
        """What of a file begins at the offset that is asked for.

        Raises:
            Declined: it is not here, or ends before that.
        """
        file = self._files.get(question.file)
        if file is None:
            hint = f'ask with "raw": true first; what does not fit is kept for {_KEPT_S} s, or until the next such look'
            raise Declined(f"there is no file {question.file[:12]}… here", code=404, error="no such file", hint=hint)
        size = PIECE_BYTES if question.chunks else _INLINE_BYTES[False]
        own = os.dup(file.descriptor)  # the other one may be closed meanwhile
        try:
            data = await asyncio.to_thread(os.pread, own, size, question.offset)
        finally:
            os.close(own)
        if not data:
            raise Declined(f"the file has {file.told.size_bytes:,} bytes, and none at {question.offset:,}")
        told = file.told
        return Profile(
            raw=(
                RawProfile(
                    type=told.type, size_bytes=told.size_bytes, sha256=told.sha256, offset=question.offset, data=data
                ),
            )
        )

    def _forget(self) -> None:
        if self._ending is not None:
            self._ending.cancel()
            self._ending = None
        for file in self._files.values():
            with contextlib.suppress(OSError):
                os.close(file.descriptor)
        self._files.clear()

    def __del__(self) -> None:
        """An instance that is looked at no more keeps nothing."""
        self._forget()


_kept: Final[WeakKeyDictionary[Target, KeptFiles]] = WeakKeyDictionary()


def kept_files_of(target: Target) -> KeptFiles:
    """What is kept of an instance."""
    return _kept.setdefault(target, KeptFiles())


def raw_of(
    takes: Sequence[Take], files: Sequence[Path], *, chunks: bool
) -> tuple[tuple[RawProfile, ...], tuple[tuple[Path, RawProfile], ...]]:
    """The files as they came, and those that go into no reply and must be kept; blocking."""
    found, rest, left = list[RawProfile](), list[tuple[Path, RawProfile]](), _INLINE_BYTES[chunks]
    for take, file in zip(takes, files, strict=True):
        size = file.stat().st_size
        with file.open("rb") as source:
            digest = hashlib.file_digest(source, "sha256").hexdigest()
        fits = size <= left
        left -= size if fits else 0
        one = RawProfile(
            type=take.type.value,
            size_bytes=size,
            sha256=digest,
            data=file.read_bytes() if fits else b"",
            kept_s=0 if fits else _KEPT_S,
        )
        found.append(one)
        rest += [] if fits else [(file, one)]
    return tuple(found), tuple(rest)
