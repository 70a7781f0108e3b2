"""Words about goroutines that several rules need."""

from typing import Final

from diagmesh.contract.answers.stacks import Frame

__all__ = ["ONLY_COUNTS", "at", "many"]

ONLY_COUNTS: Final = (
    "so many goroutines are only counted, and counts do not say who waits"
    " (diagmesh ask goroutines with --set form=stacks does, while the service stands still)"
)


def at(frame: Frame | None) -> str:
    """``store.(*Store).Put (store/store.go:48)``; empty for none."""
    if frame is None:
        return ""
    name = frame.function.rpartition("/")[2].replace("%2e", ".")
    if not frame.file:
        return name
    return f"{name} ({'/'.join(frame.file.split('/')[-2:])}:{frame.line})"


def many(count: int) -> str:
    """``1 goroutine``, ``412 goroutines``."""
    return f"{count:,} goroutine{'' if count == 1 else 's'}"
