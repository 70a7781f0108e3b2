"""Finds the neighbour's process: one of those that fit, always the same one, and says how sure that is."""

from typing import Final, NamedTuple

from diagmesh.adapters.procfs import PROC, PidDir
from diagmesh.adapters.procstat import Stat
from diagmesh.adapters.ways import Way
from diagmesh.errors import NotRunning, Unreadable

__all__ = ["Found", "find"]

_DEPTH_LIMIT: Final = 64
_NAMED_LIMIT: Final = 5


class Found(NamedTuple):
    """The process that fits, or None; and the reason for that, or what makes the choice uncertain.

    ``hidden`` says that one may be there which we are not allowed to see.
    """

    process: PidDir | None
    reason: str = ""
    hidden: bool = False


def find(way: Way, root: str = PROC) -> Found:
    """Search once. Of several that fit, the oldest one that no other of them started is taken, every time."""
    try:
        fits = way.look()
    except Unreadable as refusal:
        return Found(None, str(refusal), hidden=True)
    except OSError as error:
        return Found(None, f"the processes cannot be listed: {error.strerror}", hidden=True)
    living: dict[int, tuple[PidDir, Stat]] = {}
    ended, hidden = "", fits.hidden
    for pid in fits.pids:
        try:
            process = PidDir(pid, root)
            living[pid] = (process, process.living_stat())
        except NotRunning as gone:
            ended = str(gone)
        except Unreadable as refusal:
            ended, hidden = str(refusal), True
    if not living:
        return Found(None, "; ".join(filter(None, (ended, fits.reason))), hidden)
    heads = [pid for pid in living if not _descends(pid, living, root)]
    chosen = min(heads or living, key=lambda pid: (living[pid][1].start_ticks, pid))
    others = sorted(living.keys() - {chosen})
    return Found(living[chosen][0], "; ".join(filter(None, (_others(others, heads), fits.doubt))))


def _others(others: list[int], heads: list[int]) -> str:
    if not others:
        return ""
    below = len(set(others) - set(heads))
    named = ", ".join(map(str, others[:_NAMED_LIMIT])) + (", …" if len(others) > _NAMED_LIMIT else "")
    verb = "process fits" if len(others) == 1 else "processes fit"
    started = f", {below} of them started by one that fits" if below else ""
    return f"{len(others)} other {verb} too (pid {named}{started}); the oldest was taken"


def _descends(pid: int, living: dict[int, tuple[PidDir, Stat]], root: str) -> bool:
    """Whether one of the others is among its ancestors."""
    parent = living[pid][1].parent
    for _ in range(_DEPTH_LIMIT):
        if parent in living:
            return True
        if parent <= 1:
            return False
        try:
            parent = PidDir(parent, root).stat().parent
        except (NotRunning, Unreadable):
            return False
    return False
