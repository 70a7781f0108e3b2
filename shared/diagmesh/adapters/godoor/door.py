"""Fetches the diagnostic pages of a Go service over HTTP, bounded in time, memory and number."""

import asyncio
import contextlib
import http.client
import io
import os
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import quote, urlencode

from diagmesh.adapters.godoor.told import check_beginning, refusal_of
from diagmesh.adapters.godoor.turn import Turn
from diagmesh.adapters.web.exchange import Exchange
from diagmesh.adapters.web.given import Url, url
from diagmesh.adapters.web.site import Site
from diagmesh.adapters.web.visit import BEGAN_TO_ANSWER, Fault, Visit
from diagmesh.errors import NoPage, PageLate, PageTooLarge, PageUnreachable, Refusal, SettingsError
from diagmesh.gopages import LIMIT_BYTES, Fetched, GoPage, Query, Setting, not_configured
from diagmesh.settings import GoSettings

__all__ = ["HttpGoDoor"]

_BEGIN_BYTES: Final = 512
_WAIT_S: Final = 2.0
_SETTINGS: Final[tuple[Setting, ...]] = ("pprof", "expvar", "metrics")
Write = Callable[[bytes | memoryview], object]


class _Wanted(NamedTuple):
    """One fetch: the page, its query, the URL without secrets, the bounds."""

    page: GoPage
    query: str
    shown: str
    limit_bytes: int
    whole: bool


class HttpGoDoor:
    """The pages at the URLs of the settings (`diagmesh.gopages.GoDoor`).

    Args:
        settings: where they are.
        name: SERVICE/INSTANCE, for messages.
        where: the key of the table, for messages.

    Raises:
        SettingsError: a URL, a header or the CA bundle is wrong; the message names the key.
    """

    def __init__(self, settings: GoSettings, name: str, where: str) -> None:
        self._name = name
        self._turn = Turn(name)
        named: dict[Setting, Url] = {}
        for key in _SETTINGS:
            if text := getattr(settings, key):
                named[key] = url(text, f"{where}.{key}")
        if "pprof" in named:
            named["pprof"] = _base(named["pprof"], f"{where}.pprof")
        if settings.tls_ca_file and not any(one.secure for one in named.values()):
            raise SettingsError(f"{where}.tls_ca_file: means nothing without an https URL")
        self._sites = {
            key: Site(one, settings.headers, settings.tls_ca_file if one.secure else "", where, "diagmesh-go")
            for key, one in named.items()
        }
        self.places: Mapping[Setting, str] = {key: one.shown for key, one in named.items()}

    @property
    def at_work(self) -> str:
        """See `GoDoor.at_work`."""
        return self._turn.what

    def alone(self, what: str, *, for_s: float = 0.0, wait_s: float = _WAIT_S) -> AbstractAsyncContextManager[None]:
        """See `GoDoor.alone`."""
        return self._turn.taken(what, for_s, wait_s)

    async def fetch(
        self,
        page: GoPage,
        *,
        query: Query | None = None,
        limit_bytes: int = LIMIT_BYTES,
        timeout_s: float = 5.0,
        whole: bool = False,
        into: Path | None = None,
    ) -> Fetched:
        """See `GoDoor.fetch`."""
        site = self._sites.get(page.setting)
        if site is None:
            raise not_configured(self._name, page.setting)
        words = urlencode(query or {})
        tail = f"/{quote(page.name)}" if page.name else "/" if page.setting == "pprof" else ""
        shown = f"{self.places[page.setting]}{tail}{'?' if words else ''}{words}"
        wanted = _Wanted(page, words, shown, limit_bytes, whole)
        if not page.heavy:
            return await self._fetch(site, tail, wanted, timeout_s, into)
        seconds = (query or {}).get("seconds", 0)
        for_s = float(seconds) if str(seconds).isdigit() else 0.0
        async with self._turn.taken(f"{page}{'?' if words else ''}{words}", for_s, min(_WAIT_S, timeout_s)):
            return await self._fetch(site, tail, wanted, timeout_s, into)

    async def _fetch(self, site: Site, tail: str, wanted: _Wanted, timeout_s: float, into: Path | None) -> Fetched:
        visit = Visit(timeout_s)
        path = site.url.path + tail
        if wanted.query:
            path += f"{'&' if '?' in path else '?'}{wanted.query}"
        try:
            async with asyncio.timeout(timeout_s):
                return await site.get(visit, lambda plug, answer: _read(plug, answer, wanted, visit, into), path)
        except Fault as fault:
            raise self._refusal(fault, wanted, visit) from None
        except TimeoutError:
            raise self._refusal(visit.timed_out(), wanted, visit) from None

    def _refusal(self, fault: Fault, wanted: _Wanted, visit: Visit) -> NoPage:
        """The words of the door about a request that did not come about."""
        late = visit.took_ms() >= 1000 * visit.timeout_s
        hint = (
            fault.fix or f"see whether {self._name} runs, and {wanted.page.setting} in [targets.go] is where it serves"
        )
        if late and visit.phase in {"first_byte", BEGAN_TO_ANSWER}:
            return PageLate(f"{wanted.shown}: {fault.reason}", hint="ask again with a longer timeout_ms, or for less")
        return PageUnreachable(f"{wanted.shown}: {fault.reason}", hint=hint)


def _base(at: Url, key: str) -> Url:
    """The base of the pprof pages, to which their names are added."""
    if "?" in at.path:
        raise SettingsError(f"{key}: the base URL of the pprof pages has no query; it ends with /debug/pprof")
    return at._replace(path=at.path.rstrip("/"), shown=at.shown.rstrip("/"))


def _read(
    exchange: Exchange, response: http.client.HTTPResponse, wanted: _Wanted, visit: Visit, into: Path | None
) -> Fetched:
    """The page; blocking."""
    refusal: Refusal | None = refusal_of(wanted.page, response, wanted.shown)
    if refusal is not None:
        raise refusal
    if wanted.whole and (response.length or 0) > wanted.limit_bytes:
        raise _too_large(wanted)
    begin = io.BytesIO()
    exchange.copy(response, min(_BEGIN_BYTES, wanted.limit_bytes), begin.write)
    check_beginning(wanted.page, wanted.query, response, begin.getvalue(), wanted.shown)
    if into is None:
        memory = io.BytesIO()
        size, cut = _copy(exchange, response, begin.getvalue(), wanted, memory.write)
        body = memory.getvalue()
    else:
        size, cut = _into_file(exchange, response, begin.getvalue(), wanted, into)
        body = b""
    return Fetched(
        body=body,
        size_bytes=size,
        content_type=response.getheader("Content-Type") or "",
        took_ms=visit.took_ms(),
        cut=cut,
    )


def _copy(
    exchange: Exchange, response: http.client.HTTPResponse, begin: bytes, wanted: _Wanted, write: Write
) -> tuple[int, bool]:
    """Size, and whether the page goes on."""
    write(begin)
    size = len(begin) + exchange.copy(response, wanted.limit_bytes - len(begin), write)
    cut = size >= wanted.limit_bytes and exchange.goes_on(response)
    if cut and wanted.whole:
        raise _too_large(wanted)
    return size, cut


def _into_file(
    exchange: Exchange, response: http.client.HTTPResponse, begin: bytes, wanted: _Wanted, into: Path
) -> tuple[int, bool]:
    """The same into a file of ours; half a file is taken away again."""
    with open(os.open(into, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:  # noqa: PTH123
        try:
            return _copy(exchange, response, begin, wanted, file.write)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                into.unlink()
            raise


def _too_large(wanted: _Wanted) -> PageTooLarge:
    most = f"{wanted.limit_bytes / (1 << 20):.3g} MiB"
    return PageTooLarge(
        f"{wanted.shown} is larger than {most}, and a part of it is of no use",
        hint="ask for another form of it, or allow a larger one",
    )
