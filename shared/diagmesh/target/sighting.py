"""Which process fits now."""

from datetime import datetime

import msgspec

from diagmesh.contract.answers.health import LastExit
from diagmesh.contract.answers.resources import ProcessState

__all__ = ["Sighting"]


class Sighting(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What the sidecar knows of the neighbour's process right now.

    Args:
        looked_for: how it is found, in words (``port 8080``).
        running: whether a process fits now.
        pid: its process id, 0 when none fits.
        started_at: when the kernel started it.
        restarts_seen: how often a different process took its place since the sidecar started.
        restarts_lately: how often in the last hour.
        last_seen: when a fitting process was last there.
        reason: why none is there, or why the choice is uncertain.
        hidden: whether one may be there that the sidecar is not allowed to see, so that not running proves nothing.
        last_exit: how it ended last, where its launcher told; missing without a launcher.
        settling: whether it ended just now and its launcher is about to tell how: worth another look.
        state: what it did in this look; None when none fits, or where whoever tells this did not look.
    """

    looked_for: str
    running: bool
    pid: int = 0
    started_at: datetime | None = None
    restarts_seen: int = 0
    restarts_lately: int = 0
    last_seen: datetime | None = None
    reason: str = ""
    hidden: bool = False
    last_exit: LastExit | None = None
    settling: bool = False
    state: ProcessState | None = None
