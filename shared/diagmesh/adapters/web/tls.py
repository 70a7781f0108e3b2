"""TLS: whom a request trusts, and in words why a handshake failed."""

import ssl
from typing import Final

from diagmesh.adapters.web.visit import Fault
from diagmesh.errors import SettingsError

__all__ = ["Tls", "tls_fault"]

# X509_V_ERR_* of OpenSSL's x509_vfy.h
_CERTIFICATE: Final = {
    9: "the certificate is not valid yet",
    10: "the certificate has expired",
    18: "the certificate is self-signed by nobody whom we trust",
    19: "the certificate comes from a CA that we do not trust",
    20: "the certificate comes from a CA that we do not trust",
    21: "the certificate comes from a CA that we do not trust",
    23: "the certificate was revoked",
}
_WRONG_NAME: Final = frozenset({62, 64})
_AGAINST_THE_RULES: Final = range(79, 95)
_FLAGS: Final = ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN
"""Checked by the rules of RFC 5280, and a trusted certificate need not be that of a root.

Python does so by itself from 3.13 on; with it set here the verdict does not depend on which Python runs the sidecar.
"""
_PLAIN_TEXT: Final = frozenset(
    {"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG", "HTTP_REQUEST"}
)


class Tls:
    """Whom a request trusts: a CA bundle of its own, read afresh at each look, or that of the system.

    It is strict: a chain that breaks RFC 5280 (no key usage in the CA, no key identifiers) is refused, as current
    clients refuse it.

    Raises:
        SettingsError: the bundle cannot be read or holds no certificate.
    """

    def __init__(self, ca_file: str, key: str) -> None:
        self._ca_file, self._key = ca_file, key
        self._system: ssl.SSLContext | None = None
        try:
            self._context()
        except (OSError, ssl.SSLError) as error:
            raise SettingsError(f"{key}: cannot use the CA bundle {ca_file}: {error.strerror}") from None

    def context(self) -> ssl.SSLContext:
        """A context that checks certificate and name; reads files, so not for the loop.

        Raises:
            Fault: the bundle cannot be read any more.
        """
        try:
            return self._context()
        except OSError:
            words = "the CA bundle (tls_ca_file) cannot be read any more"
            raise Fault(words, ok=None, fix=f"put the bundle back where {self._key} says") from None

    def _context(self) -> ssl.SSLContext:
        if self._ca_file:
            return _strict(self._ca_file)
        if self._system is None:
            self._system = _strict(None)
        return self._system


def _strict(ca_file: str | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=ca_file)
    context.verify_flags |= _FLAGS
    return context


def tls_fault(error: ssl.SSLError) -> Fault:
    """Why TLS did not come about, in words: name, validity, trust, or no TLS at all."""
    if isinstance(error, ssl.SSLCertVerificationError):
        if error.verify_code in _WRONG_NAME:
            return Fault("TLS: the certificate is for another name")
        if error.verify_code in _AGAINST_THE_RULES:
            rule = error.verify_message
            return Fault(f"TLS: a certificate of the chain breaks RFC 5280 ({rule}): issue it anew by the rules")
        return Fault(f"TLS: {_CERTIFICATE.get(error.verify_code, error.verify_message)}")
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return Fault("TLS: closed the connection during the TLS handshake: it may speak no TLS (plain text)")
    if error.reason in _PLAIN_TEXT:
        return Fault("TLS: the port does not speak TLS (plain text): use http")
    return Fault(f"TLS: {(error.reason or 'handshake failed').lower().replace('_', ' ')}")
