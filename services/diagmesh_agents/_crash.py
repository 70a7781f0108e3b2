"""How a Go service crashed, out of its last words: taken apart here, for its launcher stays as small as it is."""

from functools import lru_cache
from typing import Final

from msgspec.structs import replace

from diagmesh.contract.answers.crash import Crash
from diagmesh.contract.answers.health import ExitReason, LastExit

__all__ = ["with_crash"]

_BY_GO: Final = frozenset({ExitReason.PANIC, ExitReason.FATAL_ERROR, ExitReason.SIGNAL})
_MOST_FRAMES: Final = 16


def with_crash(last: LastExit) -> LastExit:
    """The same end, with what Go wrote about it, if it wrote something."""
    if last.reason not in _BY_GO or last.crash is not None or not last.last_words:
        return last
    return replace(last, crash=_crash(last.last_words))


@lru_cache(maxsize=8)
def _crash(words: str) -> Crash | None:
    """The last crash in the words; health is asked often, and an end stays the same."""
    from diagmesh.adapters.gocrash import crashes_of  # noqa: PLC0415  most services never crash

    found = None
    for found in crashes_of(words.split("\n")):  # noqa: B007  the last one counts
        pass
    return replace(found, frames=found.frames[:_MOST_FRAMES]) if found is not None else None
