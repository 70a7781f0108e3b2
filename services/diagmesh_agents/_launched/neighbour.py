"""The neighbour that was launched: its end is told, not guessed."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from diagmesh.adapters.neighbour import Neighbour
from diagmesh.appnats import AppNats
from diagmesh.contract.answers.health import ExitReason, LastExit
from diagmesh.settings import TargetSettings
from diagmesh.target import Probe, Sighting
from diagmesh_agents._captured import CapturedErrors
from diagmesh_agents._launched.launch import NOBODY_LEARNT, Launch

__all__ = ["LaunchedNeighbour"]

log = logging.getLogger("diagmesh.launched")

_SETTLES_S: Final = 2.5
"""So long the launcher may take to tell of an end: it reads what the service said last. Longer: it is frozen."""
_FOLLOW_S: Final = 1.0
_FOLLOW_AGAIN_S: Final = 60.0


class LaunchedNeighbour(Neighbour):
    """A neighbour whose end the launcher tells.

    Args:
        settings: how it is named.
        probes: its doors.
        launch: what the launcher tells.
        nats: the observer connection, where the settings give one.
    """

    def __init__(
        self,
        settings: TargetSettings,
        probes: Sequence[Probe],
        launch: Launch,
        *,
        nats: AppNats | None = None,
        system: AppNats | None = None,
    ) -> None:
        # No search at all: the launcher names the process, and may have started another one just now.
        super().__init__(settings, probes, way=launch, at_hand=lambda: launch.running, nats=nats, system=system)
        self._launch = launch
        self._missed: tuple[int, int] | None = None
        self._missed_since = 0.0

    async def run(self) -> None:
        """As of any neighbour; and what it writes on standard error is read before it is overwritten."""
        following = asyncio.get_running_loop().create_task(self._follow(), name="follow standard error")
        try:
            await super().run()
        finally:
            following.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await following

    async def _follow(self) -> None:
        pause_s = _FOLLOW_S  # the ring holds more than that, and at the start there is enough to do
        while True:
            await asyncio.sleep(pause_s)
            pause_s = _FOLLOW_S
            try:
                await asyncio.to_thread(self.races.follow)
            except Exception:
                log.exception("the standard error of the service could not be followed")
                pause_s = _FOLLOW_AGAIN_S

    def _captured(self) -> CapturedErrors:
        return CapturedErrors(self._launch.areas)

    def sighting(self) -> Sighting:
        """Which process runs, how often it was started again, and how it ended last."""
        seen = super().sighting()
        changes: dict[str, Any] = {
            "restarts_seen": self._launch.state.get("restarts", 0),
            "last_exit": self._launch.last_exit(),
        }
        if not self._launch.running:
            changes |= {"running": False, "pid": 0, "started_at": None, "state": None, "reason": self._launch.why()}
        elif not seen.running:
            changes["settling"] = self._settling()
            if seen.last_seen is not None:
                changes["last_exit"] = LastExit(
                    reason=ExitReason.UNKNOWN, detail=self._untold(), last_seen=seen.last_seen, pid=seen.pid or None
                )
        return msgspec.structs.replace(seen, **changes)

    def _settling(self) -> bool:
        """Whether the launcher is about to tell how the process ended."""
        state = self._launch.state
        missed = (state.get("pid", 0), state.get("ticks", 0))
        if missed != self._missed:
            self._missed, self._missed_since = missed, time.monotonic()
        return not self._launch.gone and time.monotonic() - self._missed_since < _SETTLES_S

    def _untold(self) -> str:
        if self._launch.gone:
            return NOBODY_LEARNT
        return "its launcher has not told yet how it ended"
