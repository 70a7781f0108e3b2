"""payments: charges, and can be made slow: `nats req demo.payments.slow 400` (milliseconds, reverts after 60 s)."""

import asyncio
import os
import statistics
import time
from typing import Final

from diagmesh.bus.core import Bus, Message
from diagmesh_lab.demo.service import Flags, Service, main

__all__ = ["CHARGE", "SLOW", "Payments"]

CHARGE: Final = "demo.payments.charge"
SLOW: Final = "demo.payments.slow"
_WORK_S: Final = 0.003
_SLOW_MOST_MS: Final = 5_000
_SLOW_FOR_S: Final = 60.0
_SLOW_LONGEST_S: Final = 600.0
_TOO_SLOW_S: Final = 0.25


class Payments(Service):
    """Charges orders over NATS; unwell while its recent charges take longer than 250 ms in the middle."""

    name = "payments"

    def __init__(self, bus: Bus, flags: Flags) -> None:
        super().__init__(bus, flags)
        self._slow_ms = 0.0
        self._slow_until = 0.0
        self.slow(os.environ.get("DEMO_PAYMENTS_SLOW_MS", "0"))

    async def start(self) -> None:
        """Listen for charges and for the switch."""
        await self.bus.subscribe(CHARGE, self._on_charge, queue="payments")
        await self.bus.subscribe(SLOW, self._on_slow)

    def slow(self, wish: str) -> str:
        """Turn the switch: ``MILLISECONDS [SECONDS]``; returns what is the case now, in words."""
        try:
            numbers = [float(word) for word in wish.split()]
        except ValueError:
            numbers = [-1.0]
        delay_ms, for_s = [*numbers, _SLOW_FOR_S][:2] if numbers else (0.0, _SLOW_FOR_S)
        if len(numbers) > 2 or not (0 <= delay_ms <= _SLOW_MOST_MS and 0 < for_s <= _SLOW_LONGEST_S):
            return f"not understood: say MILLISECONDS (0 to {_SLOW_MOST_MS}) and, if you like, SECONDS (up to 600)"
        self._slow_ms, self._slow_until = delay_ms, time.monotonic() + for_s
        return f"each charge takes {delay_ms:g} ms longer for {for_s:g} s" if delay_ms else "at normal speed"

    @property
    def delay_s(self) -> float:
        """How much slower a charge is right now."""
        return self._slow_ms / 1000 if time.monotonic() < self._slow_until else 0.0

    def unwell(self) -> str:
        """Slow in the middle of its recent charges."""
        recent = self.recent.now()
        middle_s = statistics.median(took_s for took_s, _ in recent) if recent else 0.0
        return f"charges take {middle_s * 1000:.0f} ms" if middle_s > _TOO_SLOW_S else ""

    def _on_charge(self, message: Message) -> None:
        if not self.work(self._charge(message)):
            self.recent.add(0.0, failed=True)
            self.log("error", "too many charges in work", operation="charge", error="busy")

    async def _charge(self, message: Message) -> None:
        began = time.monotonic()
        await asyncio.sleep(_WORK_S + self.delay_s)
        await self.reply(message, {"charged": True, "by": self.flags.instance})
        self.recent.add(time.monotonic() - began)

    def _on_slow(self, message: Message) -> None:
        if not self.flags.allow_faults:
            error = "started without --allow-faults"
            self.work(self.reply(message, {"payments": error}, error=error, code=403))
            return
        said = self.slow(message.data[:100].decode(errors="replace"))
        self.log("info", said, operation="slow")
        self.work(self.reply(message, {"payments": said}))


if __name__ == "__main__":
    main(Payments)
