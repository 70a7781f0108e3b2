"""The kept inputs: for each target a folder of small files, named for what they hold."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

__all__ = ["CORPUS", "LONGEST_BYTES", "MOST_BYTES", "keep", "kept", "name_of"]

CORPUS: Final = Path(__file__).parent / "corpus"
LONGEST_BYTES: Final = 4096
MOST_BYTES: Final = 24 * 1024
"""For each target; inputs that once broke something are kept beyond that."""
_BROKE: Final = "broke-"


def kept(target: str) -> Iterator[tuple[str, bytes]]:
    """The kept inputs of a target, by file name."""
    folder = CORPUS / target
    for file in sorted(folder.iterdir()) if folder.is_dir() else ():
        yield file.name, file.read_bytes()


def name_of(data: bytes, *, broke: bool = False) -> str:
    """The file name of an input."""
    return f"{_BROKE if broke else ''}{hashlib.sha256(data).hexdigest()[:16]}"


def keep(target: str, found: list[bytes], broke: list[bytes]) -> int:
    """Replace the corpus by the smallest of the inputs found; what broke it once stays; returns how many were kept."""
    folder = CORPUS / target
    folder.mkdir(parents=True, exist_ok=True)
    for file in folder.iterdir():
        if not file.name.startswith(_BROKE):
            file.unlink()
    for data in broke:
        (folder / name_of(data, broke=True)).write_bytes(data)
    room, count = MOST_BYTES, 0
    for data in sorted(set(found), key=lambda one: (len(one), one)):
        room -= len(data)
        if room < 0 or len(data) > LONGEST_BYTES:
            break
        (folder / name_of(data)).write_bytes(data)
        count += 1
    return count
