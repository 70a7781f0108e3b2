"""Goroutine profiles as protobuf: how many goroutines share each stack, as in ``debug=1``."""

from collections.abc import Iterator

from diagmesh.adapters.godump.counted import Counted
from diagmesh.adapters.godump.stack import Stack
from diagmesh.adapters.pprof.decode import decode
from diagmesh.contract.answers.stacks import Frame
from diagmesh.errors import Unreadable

__all__ = ["counts_of"]

_TYPES = frozenset({"goroutine", "goroutineleak"})


def counts_of(data: bytes) -> Iterator[Counted]:
    """The stacks of a profile, packed or not, in its order.

    Raises:
        Unreadable: it is no profile, damaged, too large, or one of something else than goroutines.
    """
    profile = decode(data)
    names = [one.type for one in profile.types]
    index = next((number for number, name in enumerate(names) if name in _TYPES), None)
    if index is None:
        raise Unreadable("goroutine profile", f"it is a profile of {', '.join(names)}", "take that of goroutine")
    frames = [
        tuple(Frame(function=line.function.name, file=line.function.file, line=line.line) for line in one.lines)
        or (Frame(function=f"{one.address:#x}"),)
        for one in profile.locations
    ]
    for sample in profile.samples:
        stack = tuple(frame for place in sample.stack for frame in frames[place])
        if sample.values[index] > 0:
            yield Counted(
                sample.values[index], Stack(frames=stack, created_by=None, elided=0, unavailable=False, whole=True)
            )
