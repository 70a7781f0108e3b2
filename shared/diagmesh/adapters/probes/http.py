"""HTTP and HTTPS: what the door answers, in which time per phase, and in words why it does not."""

import http.client
import io
from typing import Final

from diagmesh.adapters.probes.door import Door
from diagmesh.adapters.probes.given import body_text
from diagmesh.adapters.web.exchange import Exchange
from diagmesh.adapters.web.given import url, without_secrets
from diagmesh.adapters.web.site import Site
from diagmesh.adapters.web.visit import Fault, Visit
from diagmesh.settings import ProbeSettings

__all__ = ["HttpDoor"]

_BODY_LIMIT_BYTES: Final = 64 * 1024


class HttpDoor(Door):
    """A URL that is fetched with GET: no proxy, no redirect followed, no more than 64 KiB of the body read.

    Raises:
        SettingsError: the URL, the expected text, a header or the CA bundle is wrong; the message names the key.
    """

    def __init__(self, settings: ProbeSettings, where: str) -> None:
        to = url(settings.http, f"{where}.http")
        super().__init__("http", to.shown, settings)
        self._site = Site(to, settings.headers, settings.tls_ca_file, where, "diagmesh-probe")
        self._text = body_text(settings.expect_body, f"{where}.expect_body", _BODY_LIMIT_BYTES)
        self._fine = frozenset(settings.expect_status or range(200, 300))
        self._fine_words = ", ".join(map(str, settings.expect_status)) or "200 to 299"

    async def _knock(self, visit: Visit) -> None:
        body = await self._site.get(visit, self._read)
        if self._text not in body:
            words = f"the expected text is not in the body ({len(body)} B looked at)"
            raise Fault(f"status {visit.status_code}, but {words}")

    def _read(self, exchange: Exchange, response: http.client.HTTPResponse) -> bytes:
        self._judge_status(response.status, response.getheader("Location"))
        body = io.BytesIO()
        exchange.copy(response, _BODY_LIMIT_BYTES, body.write)
        return body.getvalue()

    def _judge_status(self, status: int, location: str | None) -> None:
        if status in self._fine:
            return
        reason = f"status {status} instead of {self._fine_words}"
        if 300 <= status < 400 and location:
            reason = f"redirects ({status}) to {without_secrets(location)}, which is not followed"
        raise Fault(reason)
