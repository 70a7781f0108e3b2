"""What every probe kind shares: one bounded look, written down as it goes, and a verdict whatever happens."""

import asyncio
import time
from typing import Final

import msgspec

from diagmesh.settings import ProbeSettings
from diagmesh.target import ProbeResult

__all__ = ["BEGAN_TO_ANSWER", "Door", "Fault", "Visit"]

BEGAN_TO_ANSWER: Final = "body"
_WAITING: Final = {
    "resolve": "the name did not resolve",
    "connect": "no answer to the connection attempt (filtered on the way, or the accept queue is full)",
    "tls": "the TLS handshake did not end",
    "first_byte": "it took the connection but answered nothing",
    "reply": "neither an answer came nor the word that nobody listens",
    BEGAN_TO_ANSWER: "it began to answer but did not come to an end",
}


class Fault(Exception):
    """Why a look ended without a pass.

    Args:
        reason: one clause for the operator, without secrets.
        ok: False when the door failed, None when we could not judge it.
        fix: what would make it possible to judge.
    """

    def __init__(self, reason: str, *, ok: bool | None = False, fix: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.ok = ok
        self.fix = fix


class Visit:
    """One bounded look and what it found so far; a thread may write while the loop reads (each write is one step)."""

    def __init__(self, timeout_s: float) -> None:
        self.started = time.monotonic()
        self.deadline = self.started + timeout_s
        self.timeout_s = timeout_s
        self.phase = ""
        self.phases_ms: dict[str, float] = {}
        self.status_code: int | None = None
        self.instances: int | None = None
        self._phase_since = self.started

    def enter(self, phase: str) -> None:
        """The next phase begins, and the one before has ended; an empty name ends the last one."""
        now = time.monotonic()
        if self.phase:
            self.phases_ms[self.phase] = _ms(now - self._phase_since)
        self.phase, self._phase_since = phase, now

    def left_s(self) -> float:
        """What is left of the time-out.

        Raises:
            TimeoutError: nothing is left.
        """
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left

    def timed_out(self) -> Fault:
        """The words for a time-out in the present phase; a resolver that is slow says nothing about the door."""
        waiting = _WAITING.get(self.phase, "no answer")
        reason = f"{waiting} within {self.timeout_s:g} s"
        if self.phase == "resolve":
            return Fault(reason, ok=None, fix="check the resolver of the host on which the sidecar runs")
        return Fault(reason)


class Door:
    """A declared door of the service; a probe kind says how to knock in `_knock`."""

    def __init__(self, kind: str, target: str, settings: ProbeSettings) -> None:
        self.kind = kind
        self.target = target
        self.name = settings.name or target
        self.required = settings.required
        self.timeout_s = settings.timeout_s

    async def look(self) -> ProbeResult:
        """Knock once, bounded by the time-out over all phases together."""
        visit = Visit(self.timeout_s)
        try:
            async with asyncio.timeout(self.timeout_s):
                await self._knock(visit)
        except Fault as fault:
            return self._result(visit, fault)
        except TimeoutError:
            return self._result(visit, visit.timed_out())
        except Exception as error:  # noqa: BLE001  one broken probe must not take the answer about the others with it
            words = f"the probe itself failed with {type(error).__name__}"
            return self._result(visit, Fault(words, ok=None, fix="report this as a fault of diagmesh"))
        return self._result(visit, None)

    async def _knock(self, visit: Visit) -> None:
        """Return when the door answers as declared, raise `Fault` when not."""
        raise NotImplementedError

    def _result(self, visit: Visit, fault: Fault | None) -> ProbeResult:
        visit.enter("")  # the phase in which it ended counts as well
        result = ProbeResult(
            name=self.name,
            kind=self.kind,
            target=self.target,
            ok=True,
            took_ms=_ms(time.monotonic() - visit.started),
            phases_ms=dict(visit.phases_ms),
            status_code=visit.status_code,
            required=self.required,
            instances=visit.instances,
        )
        if fault is None:
            return result
        return msgspec.structs.replace(result, ok=fault.ok, reason=fault.reason, fix=fault.fix)


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)
