"""Signed control requests: made by an operator, checked by whoever is to act. Pure; time, nonce and seed are passed in.

NATS permissions alone do not protect control subjects (a reply subject can be abused as a deputy), so each request
carries the operator's own signature over subject, body, time and the start (boot id) of the one who is asked.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Collection, Mapping
from typing import Final

import msgspec
import nkeys
from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

from diagmesh.contract.control import AUTH_HEADER
from diagmesh.errors import Declined, SettingsError

__all__ = ["LONGEST_S", "Guard", "sign"]

LONGEST_S: Final = 30
"""The longest that a control request may be valid."""
_SKEW_S: Final = 5
"""How far the operator's clock may be ahead of ours."""
_MOST_NONCES: Final = 10_000
_HEADER: Final = re.compile(
    r"(?P<key>U[A-Z2-7]{55})\.(?P<iat>[0-9]{1,12})\.(?P<exp>[0-9]{1,12})\.(?P<nonce>[A-Za-z0-9_-]{16,64})"
    r"\.(?P<signature>[A-Za-z0-9_-]{86})"
)
_ASK_FOR_ACCESS: Final = "its operators are listed in its settings (operators = [...])"


class _Claim(msgspec.Struct, frozen=True, gc=False):
    """What the header says, not yet believed."""

    key: str
    iat: int
    exp: int
    nonce: str
    signature: bytes


def sign(*, seed: bytes, subject: str, body: bytes, boot: str, now: float, nonce: str, valid_s: int = 10) -> str:
    """The value of the `AUTH_HEADER` for one control request.

    Args:
        seed: of the operator's user nkey.
        subject: where the request will be published, in full.
        body: its body, to the byte.
        boot: boot id of the one who is asked.
        now: wall clock, seconds since the epoch.
        nonce: at least 16 random characters of the base64url alphabet, never used before.
        valid_s: how long it may be acted on; at most `LONGEST_S`.
    """
    iat, exp = int(now), int(now) + valid_s
    pair = nkeys.from_seed(bytearray(seed))
    try:
        signature = pair.sign(_signed(subject, body, iat, exp, nonce, boot))
        key = pair.public_key.decode()
    finally:
        pair.wipe()
    return f"{key}.{iat}.{exp}.{nonce}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"


class Guard:
    """Decides whether a control request may be acted on.

    Args:
        operators: public user nkeys that are believed; with none, control is closed.
        boot: our own boot id.

    Raises:
        SettingsError: one of the operators is no public user nkey.
    """

    def __init__(self, operators: Collection[str], boot: str) -> None:
        self._operators = {operator: _verify_key(operator) for operator in operators}
        self._boot = boot
        self._nonces: dict[str, int] = {}

    @property
    def closed(self) -> bool:
        """Whether nobody at all may control us."""
        return not self._operators

    def check(self, headers: Mapping[str, str] | None, subject: str, body: bytes, now: float, *, boot: str = "") -> str:
        """Who asks, when the request may be acted on; it can be used once.

        Args:
            headers: of the request.
            subject: on which it came.
            body: its body, to the byte.
            now: wall clock, seconds since the epoch.
            boot: whom it was signed for, where that is not us: another member handed it on.

        Raises:
            Declined: 403 with the reason; 429 when too many control requests came at once.
        """
        if self.closed:
            raise _forbidden("control is closed", hint=_ASK_FOR_ACCESS)
        claim = _parse((headers or {}).get(AUTH_HEADER, ""))
        verify = self._operators.get(claim.key)
        if verify is None:
            raise _forbidden("this key is none of our operators", hint=_ASK_FOR_ACCESS)
        try:
            signed = _signed(subject, body, claim.iat, claim.exp, claim.nonce, boot or self._boot)
            verify.verify(signed, claim.signature)
        except BadSignatureError:
            raise _forbidden("the signature does not fit: made for another subject, body or start of ours") from None
        _in_time(claim, now)
        self._once(claim, now)
        return claim.key

    def _once(self, claim: _Claim, now: float) -> None:
        if len(self._nonces) >= _MOST_NONCES:
            self._nonces = {nonce: exp for nonce, exp in self._nonces.items() if exp >= now}
        if claim.nonce in self._nonces:
            raise _forbidden("this request was used already")
        if len(self._nonces) >= _MOST_NONCES:
            raise Declined("too many control requests at once", code=429, error="busy")
        self._nonces[claim.nonce] = claim.exp


def _forbidden(detail: str, hint: str = "") -> Declined:
    return Declined(detail, code=403, error="not allowed", hint=hint)


def _signed(subject: str, body: bytes, iat: int, exp: int, nonce: str, boot: str) -> bytes:
    digest = hashlib.sha256(body).hexdigest()
    return "\n".join(("diagctl/1", subject, digest, str(iat), str(exp), nonce, boot)).encode()


def _parse(header: str) -> _Claim:
    if not header:
        raise _forbidden(
            f"a control request needs a signature (header {AUTH_HEADER})",
            hint="use: diagmesh control, or diagmesh forget",
        )
    match = _HEADER.fullmatch(header)
    if match is None:
        raise _forbidden(f"the header {AUTH_HEADER} has not the form <user nkey>.<iat>.<exp>.<nonce>.<signature>")
    return _Claim(
        key=match["key"],
        iat=int(match["iat"]),
        exp=int(match["exp"]),
        nonce=match["nonce"],
        signature=base64.urlsafe_b64decode(match["signature"] + "=="),
    )


def _in_time(claim: _Claim, now: float) -> None:
    if claim.exp - claim.iat > LONGEST_S or claim.exp <= claim.iat:
        raise _forbidden(f"a control request may be valid for at most {LONGEST_S} s")
    if now >= claim.exp:
        raise _forbidden("the request has expired", hint="compare the clocks of both machines")
    if claim.iat > now + _SKEW_S:
        raise _forbidden("the request comes from the future", hint="compare the clocks of both machines")


def _verify_key(operator: str) -> VerifyKey:
    try:
        raw = base64.b32decode(operator.encode("ascii"))
    except (binascii.Error, UnicodeEncodeError):
        raw = b""
    valid = len(raw) == 35 and raw[0] == nkeys.PREFIX_BYTE_USER and nkeys.crc16_checksum(raw[:-2]) == raw[-2:]
    if not valid:
        raise SettingsError(f"operators: {operator[:60]!r} is no public user nkey (U…)")
    return VerifyKey(raw[1:33])
