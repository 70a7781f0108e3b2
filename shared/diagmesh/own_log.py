"""The level of our own log, which an operator may change for a while: the control kind ``log-level``."""

import asyncio
import logging
from datetime import UTC, datetime, timedelta
from typing import Final

from diagmesh.accept import LOG_LEVEL
from diagmesh.contract.control import LogLevel, LogLevelQuestion
from diagmesh.control_door import ControlKind, Done

__all__ = ["OwnLog"]

log = logging.getLogger("diagmesh.control")

_OURS: Final = "diagmesh"
"""Our own log records; those of the libraries keep their level, whatever is asked."""


class OwnLog:
    """The level of our own log: the one of the settings, or another one for a while. One for the whole process."""

    def __init__(self) -> None:
        self._logger = logging.getLogger(_OURS)
        self._timer: asyncio.TimerHandle | None = None

    @property
    def kind(self) -> ControlKind:
        """The control kind with which an operator changes it."""
        tells = "Log more or less for a while (signed)."
        return ControlKind(LOG_LEVEL, LogLevelQuestion, _asks, self._do, tells)

    async def _do(self, question: LogLevelQuestion, _: str) -> Done:
        return await self.set(question)

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


def _asks(question: LogLevelQuestion) -> str:
    return f"{question.level} for {question.for_s:g} s"


def _name(number: int) -> str:
    return logging.getLevelName(number).lower()
