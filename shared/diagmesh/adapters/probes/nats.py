"""NATS request: does anybody answer a subject of the application, without an error, and how fast."""

from typing import TYPE_CHECKING, Final

from diagmesh.adapters.probes.door import Door
from diagmesh.adapters.probes.given import subject
from diagmesh.adapters.web.visit import Fault, Visit
from diagmesh.appnats import permit
from diagmesh.contract.codec import ERROR_CODE_HEADER, ERROR_HEADER
from diagmesh.errors import BusError, NoAnswer, NoResponders, NotPermitted
from diagmesh.settings import ProbeSettings

if TYPE_CHECKING:  # the caller brings the bus
    from diagmesh.bus.core import Bus, Message

__all__ = ["NatsDoor", "bus_fault", "need", "service_error"]

_FOLDED_ERROR: Final = ERROR_HEADER.lower()
_FOLDED_CODE: Final = ERROR_CODE_HEADER.lower()


class NatsDoor(Door):
    """A subject that must answer an empty request; any instance behind it may be the one that does.

    Raises:
        SettingsError: ``nats`` is no subject.
    """

    def __init__(self, settings: ProbeSettings, where: str, bus: "Bus | None") -> None:
        super().__init__("nats", subject(settings.nats, f"{where}.nats"), settings)
        self._bus = bus

    async def _knock(self, visit: Visit) -> None:
        bus = need(self._bus)
        visit.enter("reply")
        try:
            reply = await bus.request(self.target, b"", timeout_s=visit.left_s())
        except BusError as error:
            raise bus_fault(error, self.target, visit) from None
        visit.status_code, words = service_error(reply)
        if words:
            raise Fault(words)


def need(bus: "Bus | None") -> "Bus":
    """The observer connection.

    Raises:
        Fault: there is none; nothing is known about the door then.
    """
    if bus is None:
        fix = "add a table [targets.nats]: url and nkey_file of the observer role in the application's account"
        raise Fault("needs target.nats in the settings", ok=None, fix=fix)
    return bus


def bus_fault(error: BusError, asked: str, visit: Visit) -> Fault:
    """What a refusal of the bus says about the door; our own connection or rights say nothing about it."""
    if isinstance(error, NoResponders):
        return Fault(f"no responders: nobody listens on {asked}")
    if isinstance(error, NoAnswer):
        return visit.timed_out()
    if isinstance(error, NotPermitted):
        return Fault(f"the server does not let us ask {asked}", ok=None, fix=permit(error, asked))
    fix = "check target.nats in the settings and the server that it names"
    return Fault(f"our connection to the application's account: {str(error) or type(error).__name__}", ok=None, fix=fix)


def service_error(reply: "Message") -> tuple[int | None, str]:
    """The code and the words of a service error (ADR-32); no words when it is none."""
    headers = {name.lower(): value for name, value in (reply.headers or {}).items()}
    text, code = headers.get(_FOLDED_ERROR), headers.get(_FOLDED_CODE, "")
    number = int(code) if code.isascii() and code.isdigit() and len(code) < 6 else None
    if text is None and not code:
        return None, ""
    said = (text or "no description")[:200]
    return number, f"answers with the service error {code[:10]} {said}".replace("  ", " ")
