"""What an answer for a diagnostic page says: the page itself, or in words why it is none."""

import http.client
from typing import Final

from diagmesh.adapters.web.given import without_secrets
from diagmesh.errors import Busy, NotGoPage, PageMissing, PageRefused, Refusal
from diagmesh.gopages import GoPage

__all__ = ["check_beginning", "refusal_of"]

_WORDS_BYTES: Final = 300
_GZIP: Final = b"\x1f\x8b"
_ENABLE: Final = {
    "pprof": 'the service has to import _ "net/http/pprof" (or register its handlers) on the server behind that URL',
    "expvar": 'the service has to import "expvar" on the server behind that URL',
    "metrics": "the service has to serve its metrics for Prometheus at that URL",
}
_GO_SAYS: Final = "X-Go-Pprof"
"""``net/http/pprof`` sets it on its own errors, so that they are told from those of whatever stands before it."""


def refusal_of(page: GoPage, response: http.client.HTTPResponse, shown: str) -> Refusal | None:
    """Why an answer is no page; None when its status is fine.

    Args:
        page: that was asked for.
        response: the answer; on a refusal of Go some of its body is read.
        shown: the URL, without secrets.
    """
    status = response.status
    if status == http.client.OK:
        return None
    if response.getheader(_GO_SAYS):
        return _of_go(page, status, _words(response), shown)
    if status == http.client.NOT_FOUND:
        return PageMissing(f"there is no page {shown}", hint=_hint(page))
    why, hint = f"answers with status {status}", _hint(page)
    if status in {http.client.UNAUTHORIZED, http.client.FORBIDDEN}:
        why = f"lets nobody in without credentials (status {status})"
        hint = "give what it asks for in headers of [targets.go]; a value file:PATH keeps it out of the settings"
    elif 300 <= status < 400:
        to = without_secrets(response.getheader("Location") or "elsewhere")
        why = f"redirects ({status}) to {to}, which is not followed"
        hint = f"set {page.setting} in [targets.go] to where it is"
    return PageRefused(f"{shown} {why}", hint=hint)


def _of_go(page: GoPage, status: int, said: str, shown: str) -> Refusal:
    """What ``net/http/pprof`` itself says."""
    if status == http.client.NOT_FOUND:
        why = f"the Go runtime of the service knows no profile {page.name!r} ({shown})"
        return PageMissing(why, hint="a newer Go may have it; see the index of its pprof pages")
    if "already in use" in said:
        return Busy(f"somebody else is at it: the service says {said!r}", hint="ask again in a moment")
    return PageRefused(f"the service refuses {page}: {said} (status {status}, {shown})")


def check_beginning(page: GoPage, query: str, response: http.client.HTTPResponse, begin: bytes, shown: str) -> None:
    """Look at the first bytes of a page: is it what such a page holds?

    Raises:
        NotGoPage: it is not.
    """
    kind = (response.getheader("Content-Type") or "").lower()
    packed = response.getheader("Content-Encoding", "identity").lower()
    why = ""
    if packed != "identity":
        why = f"comes packed ({packed[:20]}) although nobody asked for that"
    elif page.name and "html" in kind:
        why = "is an HTML page"
    elif page.setting == "expvar" and not begin.lstrip().startswith(b"{"):
        why = "is no JSON object"
    elif page.setting == "metrics" and not kind.startswith(("text/plain", "application/openmetrics-text")):
        why = f"is no metrics text ({kind[:60] or 'no content type'})"
    elif page.setting == "pprof" and "octet-stream" in kind and page.name not in {"trace", ""} and begin[:2] != _GZIP:
        why = "is no packed profile"
    elif page.setting == "pprof" and "debug=" in query and not kind.startswith("text/plain"):
        why = f"is no text ({kind[:60] or 'no content type'})"
    if why:
        raise NotGoPage(f"what {shown} answers {why}", hint=_hint(page))


def _hint(page: GoPage) -> str:
    return f"check {page.setting} in [targets.go]; {_ENABLE[page.setting]}"


def _words(response: http.client.HTTPResponse) -> str:
    """What Go says, in one line; it comes from the service, so no more of it than a line."""
    try:
        text = response.read(_WORDS_BYTES).decode("utf-8", "replace")
    except (OSError, http.client.HTTPException, ValueError):
        return "nothing that can be read"
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
