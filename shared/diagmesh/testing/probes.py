"""A door of the service, of the test's making."""

import asyncio

from diagmesh.target import (
    ProbeResult,
)

__all__ = ["FakeProbe"]


class FakeProbe:
    """A probe that answers what the test gives it, after ``takes_s``; `looks` counts how often it was asked."""

    def __init__(
        self,
        name: str = "door",
        ok: bool | None = True,
        *,
        required: bool = True,
        reason: str = "",
        takes_s: float = 0.0,
    ) -> None:
        self.name = name
        self.looks = 0
        self._takes_s = takes_s
        self._result = ProbeResult(name=name, kind="tcp", target=name, ok=ok, required=required, reason=reason)

    async def look(self) -> ProbeResult:
        """The result."""
        self.looks += 1
        await asyncio.sleep(self._takes_s)
        return self._result
