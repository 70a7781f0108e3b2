"""What the launcher tells the sidecar of the service that it started."""

import os
from datetime import UTC, datetime
from typing import Any, Final, Self

import msgspec

from diagmesh.adapters.fits import Fits
from diagmesh.adapters.procfs import PidDir
from diagmesh.contract.answers.health import ExitReason, LastExit
from diagmesh.errors import NotRunning, SettingsError, Unreadable
from diagmesh_agents._launcher.area import Area
from diagmesh_agents._launcher.endings import in_words
from diagmesh_agents._launcher.memory import Memory

__all__ = ["NOBODY_LEARNT", "Launch"]

_RUNNING: Final = "running"
_LEAVING: Final = "leaving"
NOBODY_LEARNT: Final = "its launcher is gone, and only that would have learnt how it ended"


class Launch:
    """What the launcher tells its sidecar; a way to find the process (`diagmesh.adapters.ways.Way`).

    Nothing here waits for the launcher, and nothing of ours can hold it up.

    Args:
        memory: descriptor of the shared memory.
        wake: descriptor that becomes readable when there is news.
        instance: the name that the launcher took.
    """

    words = "the service that was launched"

    def __init__(self, memory: int, wake: int, instance: str) -> None:
        self.wake, self.instance = wake, instance
        self._memory = Memory(memory)

    @classmethod
    def of(cls, flag: str) -> Self | None:
        """From the flag that the launcher gives; None without one.

        Raises:
            SettingsError: it is not what a launcher gives.
        """
        if not flag:
            return None
        try:
            memory, wake, instance = flag.split(",")
            return cls(int(memory), int(wake), instance)
        except (ValueError, OSError):
            raise SettingsError("--launched is for the launcher alone: start a service with -- COMMAND") from None

    @property
    def areas(self) -> tuple[Area, Area]:
        """The output of the service, as the pump and the launcher read it."""
        return self._memory.of_pump, self._memory.of_launcher

    @property
    def state(self) -> dict[str, Any]:
        """What it told last."""
        return self._memory.state()

    @property
    def running(self) -> bool:
        """Whether the service runs, as far as the launcher knows."""
        return self.state.get("phase") == _RUNNING

    @property
    def leaving(self) -> bool:
        """Whether the launcher wants us to go."""
        return self.state.get("phase") == _LEAVING

    @property
    def gone(self) -> bool:
        """Whether the launcher has ended before us."""
        return os.getppid() != self.state.get("launcher")

    def look(self) -> Fits:
        """The process that the launcher started."""
        pid, ticks = self.state.get("pid", 0), self.state.get("ticks", 0)
        if not self.running or not pid:
            return Fits(reason=self.why())
        try:
            if PidDir(pid).living_stat().start_ticks != ticks:
                return Fits(reason=f"process {pid} has ended, and its number now belongs to another process")
        except (NotRunning, Unreadable) as gone:
            return Fits(reason=str(gone))
        return Fits((pid,))

    def why(self) -> str:
        """Why it does not run, in one sentence."""
        exits = self.state.get("exits")
        if not exits:
            return "it was not started yet"
        words = in_words(exits[-1])
        if (again := self.last_exit()) is None or again.restart_at is None:
            return words
        rest_s = (again.restart_at - datetime.now(UTC)).total_seconds()
        return f"{words}; it is started again {f'in {rest_s:.0f} s' if rest_s >= 1 else 'now'}"

    def last_exit(self) -> LastExit | None:
        """Its last end, as the launcher learnt it."""
        exits = self.state.get("exits")
        if not exits:
            return None
        last = msgspec.convert(exits[-1], LastExit)
        return msgspec.structs.replace(last, restart_at=None, last_seen=None) if self.running else last

    def untold(self) -> list[dict[str, Any]]:
        """The exits that no sidecar has told the mesh of, oldest first."""
        return [one for one in self.state.get("exits", ()) if one["number"] > self._memory.told]

    def unlearnt(self) -> dict[str, Any] | None:
        """The end of a service whose launcher was gone before, as far as it can be told; once, else None."""
        exits = self.state.get("exits") or [{"number": 0}]
        number = exits[-1]["number"] + 1
        if not (self.gone and self.running) or self._memory.told >= number or self.look().pids:
            return None
        now = datetime.now(UTC).isoformat()
        told = {"number": number, "reason": ExitReason.UNKNOWN.value, "detail": NOBODY_LEARNT, "last_seen": now}
        return {**told, "at": now, "pid": self.state["pid"]}

    def begin(self) -> None:
        """From now on we tell the mesh; the launcher waits for that."""
        self._memory.begin()

    def told(self, number: int) -> None:
        """The mesh knows of this exit; no other sidecar tells of it again."""
        self._memory.told = number
