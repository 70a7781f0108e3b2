"""What went wrong with a connection, in words that say what to look at (signatures: nats.md §5)."""

import re
import socket
import ssl
from typing import Final
from urllib.parse import urlsplit

__all__ = ["explain", "permission_subject", "redact"]

_permission: Final = re.compile(r'permissions violation for (publish|subscription) to "([^"]+)"', re.IGNORECASE)

# Server texts of -ERR, lower case, to what an operator should look at.
_SERVER_TEXTS: Final = {
    "authorization violation": "the server refused the credentials (Authorization Violation): check the nkey or creds"
    " file and the user in the server's configuration",
    "user authentication expired": "the user's JWT has expired (User Authentication Expired): give fresh credentials",
    "account authentication expired": "the account's JWT has expired",
    "authentication timeout": "the server waited in vain for the credentials (Authentication Timeout)",
    "maximum connections exceeded": "the server has reached max_connections",
    "maximum account active connections exceeded": "the account has reached its connection limit",
    "maximum subscriptions exceeded": "the account or user has reached its subscription limit",
    "maximum payload violation": "a message was above the server's max_payload",
    "attempted to connect to leaf node port": "this is a leafnode port, not a client port",
    "attempted to connect to route port": "this is a route port, not a client port",
    "certificate_required": "TLS: the server asks for a certificate of ours: give tls_cert_file and tls_key_file",
    "certificate required": "TLS: the server asks for a certificate of ours: give tls_cert_file and tls_key_file",
    "secure connection - tls required": "the server demands TLS: use tls:// and, for a private CA, tls_ca_file",
    "stale connection": "the server heard nothing from us for too long (Stale Connection)",
    "unexpected eof": "the server closed the connection without a word (it stopped, or cut us off as a slow consumer;"
    " its log tells)",
    "empty response from server when expecting info message": "something listens there, but it does not"
    " greet: no NATS client port, or a server that wants TLS before its greeting (tls_first)",
}


_SYSTEM_ERRORS: Final[tuple[tuple[type[BaseException], str], ...]] = (
    (ConnectionRefusedError, "connection refused: nothing listens there (server down or wrong port)"),
    (ConnectionResetError, "connection reset by the server"),
    (BrokenPipeError, "connection reset by the server"),
    (
        TimeoutError,
        (
            "no answer in time (frozen server, a firewall that drops, a port that is no NATS client port,"
            " or a server that wants TLS before its greeting (tls_first))"
        ),
    ),
    # What the client raises over a greeting that is none; a UnicodeDecodeError is a ValueError too, so it comes here.
    *(
        (kind, "something listens there, but what it says is not the NATS protocol")
        for kind in (AttributeError, KeyError, IndexError, TypeError, UnicodeDecodeError)
    ),
)
_CERTIFICATE_HINTS: Final = {
    "expired": "renew it on the server, or look at this machine's clock",
    "mismatch": "use the name that stands in it, or say it with tls_server_name",
    "ip address": "use the name that stands in it, or say it with tls_server_name",
    "issuer": "name the CA that signed it with tls_ca_file",
    "self-signed": "name the CA that signed it with tls_ca_file",
}
_NAME_UNKNOWN: Final = (socket.EAI_NONAME, socket.EAI_NODATA)


def redact(url: str) -> str:
    """A server URL without user, password or token."""
    parts = urlsplit(url if "//" in url else f"nats://{url}")
    host = parts.hostname or "?"
    return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}:{parts.port or 4222}"


def explain(error: BaseException) -> str:
    """One reason in words; never empty, never with a secret."""
    text = str(error).removeprefix("nats: ").strip().strip("'")
    folded = text.lower()
    for known, words in _SERVER_TEXTS.items():
        if known in folded:
            return words
    for kind, words in _SYSTEM_ERRORS:
        if isinstance(error, kind):
            return words
    if isinstance(error, socket.gaierror):
        return "host name unknown" if error.errno in _NAME_UNKNOWN else f"name resolution failed: {text}"
    if isinstance(error, ssl.SSLCertVerificationError):
        message = error.verify_message.rstrip(".")
        return f"TLS: the server's certificate is not accepted: {message}{_certificate_hint(message)}"
    if isinstance(error, ssl.SSLError):
        return f"TLS handshake failed: {error.reason or text} (a plain-text server looks like this too)"
    return text or type(error).__name__


def _certificate_hint(message: str) -> str:
    for known, hint in _CERTIFICATE_HINTS.items():
        if known in message.lower():
            return f" ({hint})"
    return ""


def permission_subject(error: BaseException) -> tuple[str, str] | None:
    """``("publish" | "subscription", subject)`` when the server refused one."""
    found = _permission.search(str(error))
    return (found[1].lower(), found[2]) if found else None
