"""HTTP and HTTPS: what the door answers, in which time per phase, and in words why it does not."""

import contextlib
from typing import Final

from diagmesh.adapters.probes.connect import Resolver, connect
from diagmesh.adapters.probes.door import Door, Fault, Visit
from diagmesh.adapters.probes.exchange import BODY_LIMIT_BYTES, Exchange
from diagmesh.adapters.probes.given import Value, body_text, url, without_secrets
from diagmesh.adapters.probes.tls import Tls
from diagmesh.adapters.threads import in_thread
from diagmesh.settings import ProbeSettings

__all__ = ["HttpDoor"]


class HttpDoor(Door):
    """A URL that is fetched with GET: no proxy, no redirect followed, no more than 64 KiB of the body read.

    Raises:
        SettingsError: the URL, the expected text, a header or the CA bundle is wrong; the message names the key.
    """

    def __init__(self, settings: ProbeSettings, where: str) -> None:
        self.url: Final = url(settings.http, f"{where}.http")
        super().__init__("http", self.url.shown, settings)
        self._resolver = Resolver(self.url.host, self.url.port)
        self._headers = tuple(Value(name, text, f"{where}.headers") for name, text in settings.headers.items())
        self._text = body_text(settings.expect_body, f"{where}.expect_body", BODY_LIMIT_BYTES)
        self._fine = frozenset(settings.expect_status or range(200, 300))
        self._fine_words = ", ".join(map(str, settings.expect_status)) or "200 to 299"
        self._tls = Tls(settings.tls_ca_file, f"{where}.tls_ca_file") if self.url.secure else None

    async def _knock(self, visit: Visit) -> None:
        plug = await connect(self._resolver, visit)
        exchange = Exchange(plug, visit, self.url, self._tls)
        try:
            answer = in_thread(lambda: self._fetch(exchange), f"probe {self.url.host}")
        except RuntimeError:
            exchange.close()
            raise Fault("the sidecar cannot start a thread", ok=None, fix="raise its limit of tasks") from None
        try:
            body = await answer
        finally:
            exchange.abort()
        if self._text not in body:
            words = f"the expected text is not in the body ({len(body)} B looked at)"
            raise Fault(f"status {visit.status_code}, but {words}")

    def _fetch(self, exchange: Exchange) -> bytes:
        """The body, in a thread that ends at the deadline or when the exchange is aborted."""
        with contextlib.closing(exchange):
            response = exchange.ask({value.name: self._read(value) for value in self._headers})
            self._judge_status(response.status, response.getheader("Location"))
            return exchange.body(response)

    def _read(self, value: Value) -> str:
        try:
            return value.read()
        except (OSError, ValueError):
            words = f"the header {value.name} cannot be read from its file any more"
            raise Fault(words, ok=None, fix="put the file back where the headers of the probe say") from None

    def _judge_status(self, status: int, location: str | None) -> None:
        if status in self._fine:
            return
        reason = f"status {status} instead of {self._fine_words}"
        if 300 <= status < 400 and location:
            reason = f"redirects ({status}) to {without_secrets(location)}, which is not followed"
        raise Fault(reason)
