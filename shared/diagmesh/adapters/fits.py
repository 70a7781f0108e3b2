"""What a search for a process found."""

from typing import NamedTuple

__all__ = ["Fits"]


class Fits(NamedTuple):
    """The processes that fit.

    Args:
        pids: their numbers.
        reason: why there is none, or what to say when none of them lives.
        doubt: what makes the match uncertain.
        hidden: whether one may fit that we are not allowed to see.
    """

    pids: tuple[int, ...] = ()
    reason: str = ""
    doubt: str = ""
    hidden: bool = False
