"""``$SRV.PING``: which instances of a NATS service answer, and whether this one is among them."""

import asyncio
import time
from typing import TYPE_CHECKING, Final

import msgspec

from diagmesh.adapters.probes.door import Door
from diagmesh.adapters.probes.given import service_name
from diagmesh.adapters.probes.nats import bus_fault, need, service_error
from diagmesh.adapters.web.visit import Fault, Visit
from diagmesh.contract.names import legalise
from diagmesh.errors import BusError, NoResponders
from diagmesh.settings import ProbeSettings

if TYPE_CHECKING:  # the caller brings the bus
    from diagmesh.bus.core import Bus, Message

__all__ = ["SrvDoor"]

_QUIET_S: Final = 0.1
"""How long no further instance must answer until we stop to listen; the slowest so far counts four times."""

_PING_TYPE: Final = "io.nats.micro.v1.ping_response"
_OWN_NAMES: Final = ("instance", "pod", "hostname")


class _Ping(msgspec.Struct, gc=False):
    """A ping response, as far as it matters here."""

    id: str
    type: str
    metadata: dict[str, str] | None = None


class SrvDoor(Door):
    """The name of a NATS service that must answer ``$SRV.PING``.

    This very instance is judged once it was recognised by its metadata (``instance``, ``pod`` or ``hostname`` equal to
    our instance name): from then on its absence is a failure, however many others answer.

    Raises:
        SettingsError: ``srv`` is no service name.
    """

    def __init__(self, settings: ProbeSettings, where: str, bus: "Bus | None", instance: str = "") -> None:
        super().__init__("srv", f"$SRV.PING.{service_name(settings.srv, f'{where}.srv')}", settings)
        self._bus = bus
        self._instance = instance
        self._recognised = False

    async def _knock(self, visit: Visit) -> None:
        heard = _Heard()
        bus = need(self._bus)
        visit.enter("reply")
        inbox = bus.open_inbox(heard.message, heard.trouble)
        try:
            await bus.publish(self.target, b"", reply=inbox.reply_to(0, self.target))
            await heard.until_quiet(visit)
        except BusError as error:
            raise bus_fault(error, self.target, visit) from None
        finally:
            inbox.close()
        visit.instances = len(heard.pings)
        visit.status_code = None if heard.pings else heard.code
        self._judge(heard)

    def _judge(self, heard: "_Heard") -> None:
        if not heard.pings:
            raise Fault(heard.words or f"answers on {self.target}, but with no ping response")
        if any(self._is_own(ping) for ping in heard.pings.values()):
            self._recognised = True
        elif self._recognised:
            raise Fault(f"{len(heard.pings)} answer to the ping, but this instance does not any more")

    def _is_own(self, ping: _Ping) -> bool:
        told = ping.metadata or {}
        return bool(self._instance) and any(legalise(told.get(key, "-")) == self._instance for key in _OWN_NAMES)


class _Heard:
    """What came back to one ping."""

    def __init__(self) -> None:
        self.pings: dict[str, _Ping] = {}
        self.words = ""
        self.code: int | None = None
        self._news = asyncio.Event()
        self._error: BusError | None = None

    def message(self, message: "Message") -> None:
        """A reply; the first wins of several with one id."""
        if message.no_responders:
            self._error = NoResponders()
        code, words = service_error(message)
        if words:
            self.code, self.words = code, words
        try:
            ping = msgspec.json.decode(message.data, type=_Ping)
            if ping.type == _PING_TYPE:
                self.pings.setdefault(ping.id, ping)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            pass  # said when nobody answers better
        self._news.set()

    def trouble(self, error: Exception) -> None:
        """The connection broke, or the subject is not permitted."""
        self._error = error if isinstance(error, BusError) else BusError(str(error))
        self._news.set()

    async def until_quiet(self, visit: Visit) -> None:
        """Wait for the first reply until the time-out, then for further ones until it is quiet."""
        await self._news.wait()
        while self._news.is_set():
            self._news.clear()
            if self._error is not None and not self.pings:
                raise self._error
            slowest_s = time.monotonic() - visit.started
            # Never up to the very time-out: what came by then is an answer, not a time-out.
            pause_s = min(max(_QUIET_S, 3 * slowest_s), max(0.0, visit.left_s() - 0.02))
            try:
                async with asyncio.timeout(pause_s):
                    await self._news.wait()
            except TimeoutError:
                return
