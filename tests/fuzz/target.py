"""What is fuzzed: a call on bytes that may do nothing but return."""

from collections.abc import Callable

import msgspec

__all__ = ["Target", "text_of"]


class Target(msgspec.Struct, frozen=True):
    """One target.

    Args:
        name: of the target, and of its folder in the corpus.
        run: takes any bytes; catches the errors that are documented, asserts what must hold, and raises nothing.
        covers: the modules whose decoders it calls.
        seeds: what is meant by them; fuzzing begins here.
    """

    name: str
    run: Callable[[bytes], None]
    covers: tuple[str, ...]
    seeds: tuple[bytes, ...]


def text_of(data: bytes) -> str:
    """As the program itself makes text of bytes that may be anything."""
    return data.decode("utf-8", "replace")
