"""Where a request goes and what stands in its headers, taken apart and checked when the settings are loaded."""

import base64
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import SplitResult, unquote, urlsplit

from diagmesh.adapters.web.visit import Fault
from diagmesh.errors import SettingsError

__all__ = ["Url", "Value", "url", "values", "without_secrets"]

_PORTS: Final = {"http": 80, "https": 443}
_SHOWN_CHARACTERS: Final = 200
_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")
_PATH: Final = re.compile(r"[\x21-\x7e]*\Z")
_SECRET_LIMIT_BYTES: Final = 16 * 1024


class Url(NamedTuple):
    """An address to fetch. ``authorization`` is the header made of its user and password, empty without."""

    secure: bool
    host: str
    port: int
    path: str
    authorization: str
    shown: str

    @property
    def host_header(self) -> str:
        """The host as the request names it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS["https" if self.secure else "http"] else f"{host}:{self.port}"


def url(text: str, key: str) -> Url:
    """Take an ``http`` or ``https`` URL apart.

    Raises:
        SettingsError: it is none; the message does not repeat it, because it may hold a password.
    """
    try:
        parts = urlsplit(text)
        port = parts.port
        host = (parts.hostname or "").encode("idna").decode() if not _is_ipv6(parts) else parts.hostname
    except ValueError:
        raise SettingsError(f"{key}: not a URL: its host or port cannot be read") from None
    if parts.scheme not in _PORTS or not host:
        raise SettingsError(f"{key}: needs a URL of the form http://host[:port]/path or https://…")
    if port == 0:
        raise SettingsError(f"{key}: port 0 cannot be connected to")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if not _PATH.match(path):
        raise SettingsError(f"{key}: spaces and letters beyond ASCII in the path must be percent-encoded")
    authorization = ""
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        authorization = "Basic " + base64.b64encode(pair.encode()).decode()
    return Url(parts.scheme == "https", host, port or _PORTS[parts.scheme], path, authorization, without_secrets(text))


def _is_ipv6(parts: SplitResult) -> bool:
    return ":" in (parts.hostname or "")


def without_secrets(text: str) -> str:
    """A URL fit to be shown: no user, no password, no fragment, and no value of a query field."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return "an address that cannot be read"
    place = parts.netloc.rpartition("@")[2]
    fields = "&".join(field.partition("=")[0] + ("=…" if "=" in field else "") for field in parts.query.split("&"))
    shown = (f"{parts.scheme}:" if parts.scheme else "") + (f"//{place}" if place else "") + parts.path
    shown += f"?{fields}" if parts.query else ""
    return "".join(c for c in shown if c.isprintable())[:_SHOWN_CHARACTERS]


class Value:
    """The value of a request header: given as it is, or ``file:PATH`` read afresh at each look (tokens rotate).

    Raises:
        SettingsError: the name is no header name, the value has control characters, or the file cannot be read.
    """

    def __init__(self, name: str, text: str, key: str) -> None:
        if not _HEADER_NAME.match(name):
            raise SettingsError(f"{key}: {name!r} is no name of a header")
        self.name = name
        self._key = key
        self._path = Path(text.removeprefix("file:")) if text.startswith("file:") else None
        self._text = text
        try:
            self.read()
        except OSError as error:
            raise SettingsError(f"{key}.{name}: cannot read the file: {error.strerror}") from None
        except ValueError as error:
            raise SettingsError(f"{key}.{name}: {error}") from None

    def read(self) -> str:
        """The value now; blocking when it stands in a file.

        Raises:
            OSError: the file cannot be read.
            ValueError: it holds what cannot stand in a header; the message does not repeat it.
        """
        text = self._text
        if self._path is not None:
            with self._path.open("rb") as file:
                text = file.read(_SECRET_LIMIT_BYTES).decode("latin-1").strip()
        if not text.isascii() or not all(c.isprintable() or c == "\t" for c in text):
            raise ValueError("the value holds control characters or letters beyond ASCII")
        return text

    def now(self) -> str:
        """The same for a request.

        Raises:
            Fault: the file cannot be read any more, or holds what cannot stand in a header.
        """
        try:
            return self.read()
        except (OSError, ValueError):
            words = f"the header {self.name} cannot be read from its file any more"
            raise Fault(words, ok=None, fix=f"put the file back where {self._key} says") from None


def values(headers: Mapping[str, str], key: str) -> tuple[Value, ...]:
    """The headers of a request, by name.

    Raises:
        SettingsError: as `Value`.
    """
    return tuple(Value(name, text, key) for name, text in headers.items())
