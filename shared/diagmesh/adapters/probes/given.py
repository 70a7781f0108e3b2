"""What the settings of probes give, taken apart and checked when they are loaded."""

import re
from typing import Final

from diagmesh.errors import SettingsError

__all__ = ["body_text", "host_and_port", "service_name", "subject"]

_SUBJECT_TOKEN: Final = re.compile(r"[\x21-\x29\x2b-\x2d\x2f-\x3d\x3f-\x7e]+\Z")
_SERVICE_NAME: Final = re.compile(r"[A-Za-z0-9_-]+\Z")


def host_and_port(text: str, key: str) -> tuple[str, int]:
    """Take ``host:port`` or ``[v6]:port`` apart.

    Raises:
        SettingsError: it has not that form.
    """
    host, _, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    host = host[1:-1] if bracketed else host
    if not host or (":" in host and not bracketed) or not host.isprintable() or " " in host or "/" in host:
        raise SettingsError(f"{key}: needs host:port (or [v6 address]:port), not {text!r}")
    if not (port.isascii() and port.isdigit()) or not 0 < int(port) <= 65_535:
        raise SettingsError(f"{key}: the port of {text!r} is no number from 1 to 65535")
    return host, int(port)


def subject(text: str, key: str) -> str:
    """A subject that a message can be published on: no wildcards, no empty tokens, no spaces.

    Raises:
        SettingsError: it is none.
    """
    if not all(_SUBJECT_TOKEN.match(token) for token in text.split(".")):
        raise SettingsError(f"{key}: {text!r} is no subject to publish on (no spaces, wildcards or empty tokens)")
    return text


def service_name(text: str, key: str) -> str:
    """The name of a NATS service (ADR-32).

    Raises:
        SettingsError: it is none.
    """
    if not _SERVICE_NAME.match(text):
        raise SettingsError(f"{key}: {text!r} is no name of a NATS service (letters, digits, '-' and '_')")
    return text


def body_text(text: str, key: str, limit_bytes: int) -> bytes:
    """The text that must stand in a body, as it stands there in UTF-8.

    Plain text and no pattern: looking for it takes a time that grows with the body only, whatever the text is.

    Raises:
        SettingsError: it is no text, or longer than what is read of a body.
    """
    try:
        wanted = text.encode()
    except UnicodeEncodeError:
        raise SettingsError(f"{key}: not a text that UTF-8 can hold") from None
    if len(wanted) > limit_bytes:
        raise SettingsError(f"{key}: has {len(wanted)} bytes; only the first {limit_bytes} of a body are read")
    return wanted
