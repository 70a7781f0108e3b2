"""What every probe kind shares: one bounded look, written down as it goes, and a verdict whatever happens."""

import asyncio

import msgspec

from diagmesh.adapters.web.visit import Fault, Visit
from diagmesh.settings import ProbeSettings
from diagmesh.target import ProbeResult

__all__ = ["Door"]


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
            took_ms=visit.took_ms(),
            phases_ms=dict(visit.phases_ms),
            status_code=visit.status_code,
            required=self.required,
            instances=visit.instances,
        )
        if fault is None:
            return result
        return msgspec.structs.replace(result, ok=fault.ok, reason=fault.reason, fix=fault.fix)
