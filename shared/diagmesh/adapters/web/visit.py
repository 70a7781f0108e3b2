"""One bounded look at a door, written down as it goes, and why it ended without success."""

import time
from typing import Final

__all__ = ["BEGAN_TO_ANSWER", "Fault", "Visit"]

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
            self.phases_ms[self.phase] = round(1000 * (now - self._phase_since), 3)
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

    def took_ms(self) -> float:
        """How long it has lasted so far."""
        return round(1000 * (time.monotonic() - self.started), 3)

    def timed_out(self) -> Fault:
        """The words for a time-out in the present phase; a resolver that is slow says nothing about the door."""
        waiting = _WAITING.get(self.phase, "no answer")
        reason = f"{waiting} within {self.timeout_s:g} s"
        if self.phase == "resolve":
            return Fault(reason, ok=None, fix="check the resolver of the host on which the sidecar runs")
        return Fault(reason)
