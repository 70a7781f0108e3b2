"""A frame of a Go stack, as dumps, crashes and profiles name it."""

import msgspec

__all__ = ["Frame"]


class Frame(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One function on a stack, and where in it the goroutine is.

    Args:
        function: with its package (``diagmesh.test/demo/internal/store.(*Store).Put``).
        file: as Go wrote it; with ``-trimpath`` it begins with the module.
        line: in that file; 0 when it is not known.
    """

    function: str
    file: str = ""
    line: int = 0
