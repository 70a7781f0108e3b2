"""What an operator may have a sidecar do (``diagctl.<service>.<kind>.<instance>``): log more or less for a while."""

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from diagmesh.accept import CONTROL_KINDS
from diagmesh.bus.core import Bus
from diagmesh.contract.control import LogLevel, LogLevelQuestion
from diagmesh.control_door import ControlDoor, ControlKind, Done
from diagmesh.serve import Identity
from diagmesh.settings import SidecarSettings

__all__ = ["OwnLog", "door"]

log = logging.getLogger("diagmesh.control")

(_LOG_LEVEL,) = CONTROL_KINDS
_OURS: Final = "diagmesh"
"""Our own log records; those of the libraries keep their level, whatever is asked."""
_HOW: Final = (
    'in the settings of this sidecar: operators = ["U…"] with the public key of an operator,'
    f' control = ["{_LOG_LEVEL}"] with what is allowed'
)


class OwnLog:
    """The level of our own log: the one of the settings, or another one for a while. One for the whole process."""

    def __init__(self) -> None:
        self._logger = logging.getLogger(_OURS)
        self._timer: asyncio.TimerHandle | None = None

    async def set(self, question: LogLevelQuestion) -> Done:
        """Log at another level for a while; a later request takes the place of an earlier one."""
        self._stop_timer()
        self._logger.setLevel(question.level.upper())
        until = datetime.now(UTC) + timedelta(seconds=question.for_s)
        self._timer = asyncio.get_running_loop().call_later(question.for_s, self._back)
        then = _name(logging.getLogger().getEffectiveLevel())
        answer = LogLevel(level=question.level, then=then, until=until, for_s=question.for_s)
        return Done(answer, f"until {until:%H:%M:%S} UTC, then {then}")

    def restore(self) -> None:
        """What the settings say, from now on."""
        self._stop_timer()
        self._logger.setLevel(logging.NOTSET)

    def _back(self) -> None:
        self.restore()
        log.info("the log level is that of the settings again")

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def door(
    bus: Bus, us: Identity, settings: SidecarSettings, own_log: OwnLog, emit: Callable[[str, str], None]
) -> ControlDoor:
    """The control door of one instance, as far open as the settings say.

    Raises:
        SettingsError: one of the operators is no public user nkey.
    """

    async def do(question: LogLevelQuestion, _: str) -> Done:
        return await own_log.set(question)

    kind = ControlKind(_LOG_LEVEL, LogLevelQuestion, _asks, do, "Log more or less for a while (signed).")
    return ControlDoor(bus, us, [kind], settings.operators, allowed=settings.control, how=_HOW, emit=emit)


def _asks(question: LogLevelQuestion) -> str:
    return f"{question.level} for {question.for_s:g} s"


def _name(number: int) -> str:
    return logging.getLevelName(number).lower()
