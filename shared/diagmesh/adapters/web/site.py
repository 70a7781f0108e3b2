"""A place that is asked over HTTP: its addresses, what every request carries, and whom it trusts."""

import contextlib
import http.client
from collections.abc import Callable, Mapping
from typing import Final, TypeVar

from diagmesh.adapters.threads import in_thread
from diagmesh.adapters.web.connect import Resolver, connect
from diagmesh.adapters.web.exchange import Exchange
from diagmesh.adapters.web.given import Url, values
from diagmesh.adapters.web.tls import Tls
from diagmesh.adapters.web.visit import Fault, Visit

__all__ = ["Site"]

T = TypeVar("T")
Read = Callable[[Exchange, http.client.HTTPResponse], T]
"""What becomes of an answer whose body was not read yet; blocking, in a thread of its own."""


class Site:
    """Fetches with GET: no proxy, no redirect followed, each request on a connection of its own.

    Args:
        to: where it is.
        headers: what every request carries.
        tls_ca_file: whom it trusts; empty for whom the system trusts.
        where: the key of the settings table, for messages.
        agent: how a request names us.

    Raises:
        SettingsError: a header or the CA bundle is wrong; the message names the key.
    """

    def __init__(self, to: Url, headers: Mapping[str, str], tls_ca_file: str, where: str, agent: str) -> None:
        self.url: Final = to
        self._thread = f"{agent.removeprefix('diagmesh-')} {to.host}"
        self._resolver = Resolver(to.host, to.port)
        named = "user-agent" in map(str.lower, headers)
        self._headers = values(headers if named else {"User-Agent": agent, **headers}, f"{where}.headers")
        self._tls = Tls(tls_ca_file, f"{where}.tls_ca_file") if to.secure else None

    async def get(self, visit: Visit, read: Read[T], path: str = "") -> T:
        """What ``read`` makes of the answer; bounded by the deadline of the visit, over all of it.

        Args:
            visit: bounds it, and keeps what it found.
            read: reads the answer.
            path: of the page; default: that of the URL.

        Raises:
            Fault: the door failed, or we could not judge it.
            TimeoutError: the time of the visit is over.
        """
        plug = await connect(self._resolver, visit)
        exchange = Exchange(plug, visit, self.url._replace(path=path or self.url.path), self._tls)
        try:
            answer = in_thread(lambda: self._fetch(exchange, read), self._thread)
        except RuntimeError:
            exchange.close()
            raise Fault("the sidecar cannot start a thread", ok=None, fix="raise its limit of tasks") from None
        try:
            return await answer
        finally:
            exchange.abort()

    def _fetch(self, exchange: Exchange, read: Read[T]) -> T:
        """In a thread that ends at the deadline or when the exchange is aborted."""
        with contextlib.closing(exchange):
            return read(exchange, exchange.ask({value.name: value.now() for value in self._headers}))
