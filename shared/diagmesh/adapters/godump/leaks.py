"""Go's leak profile (``goroutineleak``, Go 1.26 and later): goroutines that nothing can wake any more."""

from collections import Counter
from typing import Final

from diagmesh.adapters.godump.counted import parse_counts
from diagmesh.adapters.godump.lines import lines_of
from diagmesh.adapters.godump.origin import first_own
from diagmesh.contract.answers.goroutines import Leak
from diagmesh.contract.answers.stacks import Frame

__all__ = ["leaks_of"]

_MOST: Final = 20
_MOST_FRAMES: Final = 16


def leaks_of(profile: bytes) -> tuple[Leak, ...]:
    """The leaked goroutines by stack, the most first.

    Raises:
        Unreadable: this is no such profile, or it ends too early.
    """
    counts: Counter[tuple[Frame, ...]] = Counter()
    for one in parse_counts(lines_of([profile])):
        counts[one.stack.frames] += one.number
    return tuple(
        Leak(count=count, frames=frames[:_MOST_FRAMES], place=first_own(frames))
        for frames, count in counts.most_common(_MOST)
    )
