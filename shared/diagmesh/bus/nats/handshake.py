"""Why a TLS handshake failed, where the error alone does not tell."""

import ssl
from typing import Any, Final

from diagmesh.bus.reasons import explain
from diagmesh.settings import NatsSettings

__all__ = ["why_not"]

_GIVE_ONE: Final = "TLS: the server asks for a certificate of ours: give tls_cert_file and tls_key_file"
_NOT_TAKEN: Final = "TLS: the server does not take our certificate (tls_cert_file)"
_NOT_FIRST: Final = (
    "the server does not begin with TLS: it is a plain-text one, or has no handshake_first (set it there, or leave"
    " tls_first out)"
)


def why_not(error: BaseException, settings: NatsSettings, info: dict[str, Any]) -> str:
    """The reason in words.

    A server that demands a certificate tells so at the end of the handshake; often it resets the connection before we
    have read that, so what its greeting said is looked at too.

    Args:
        error: with which the connection ended.
        settings: of the connection.
        info: the greeting of the server, empty when none was read.
    """
    said = explain(error)
    if isinstance(error, ssl.SSLCertVerificationError) or said == _GIVE_ONE:
        return said
    if isinstance(error, ssl.SSLError):
        return _of_handshake(error, settings) or said
    if isinstance(error, TimeoutError) and settings.tls_first:
        return f"no answer in time to the TLS handshake: a frozen server, a firewall that drops, or {_NOT_FIRST}"
    if isinstance(error, ConnectionError) and not isinstance(error, ConnectionRefusedError):
        if info.get("tls_verify"):
            return _NOT_TAKEN if settings.tls_cert_file else _GIVE_ONE
        if settings.tls_first:
            said += " during the TLS handshake (perhaps it asks for a certificate of ours: tls_cert_file)"
    return said


def _of_handshake(error: ssl.SSLError, settings: NatsSettings) -> str:
    reason = error.reason or ""
    if settings.tls_cert_file and "ALERT_" in reason:
        return f"{_NOT_TAKEN}: {reason.rpartition('ALERT_')[2].replace('_', ' ').lower()}"
    if settings.tls_first and reason == "WRONG_VERSION_NUMBER":
        return f"TLS handshake failed: {_NOT_FIRST}"
    return ""
