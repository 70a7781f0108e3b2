"""As whom to knock: the credentials of the settings, read at every knock, and the line that a client begins with."""

import base64
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import SplitResult, unquote

import msgspec

from diagmesh.adapters.natsdoor.words import Info
from diagmesh.errors import SettingsError
from diagmesh.settings import NatsSettings

__all__ = ["Login", "expires_at", "life_of", "login_of", "most_subscriptions"]

_JWT: Final = re.compile(rb"^([A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+)\s*$", re.MULTILINE)
_LIMIT_BYTES: Final = 64 * 1024
_LAST_S: Final = 253_402_300_799


class _User(msgspec.Struct, gc=False):
    subs: int = -1


class _Claims(msgspec.Struct, gc=False):
    exp: int = 0
    iat: int = 0
    nats: _User = msgspec.field(default_factory=_User)


class Login(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Credentials. Nothing of it but ``role`` and ``expires_at`` may be shown.

    Args:
        role: as whom, in words.
        fields: of CONNECT that need no signature.
        seed_file: whose key signs the nonce; empty for none.
        expires_at: the end of the JWT.
    """

    role: str = ""
    fields: dict[str, str] = {}
    seed_file: str = ""
    expires_at: datetime | None = None

    def __repr__(self) -> str:
        """Without the secrets."""
        return f"Login(role={self.role!r})"

    @property
    def given(self) -> bool:
        """Whether there are any."""
        return bool(self.fields or self.seed_file)

    def connect(self, info: Info, name: str) -> bytes:
        """The CONNECT line.

        Raises:
            SettingsError: the seed file cannot be read.
        """
        said: dict[str, Any] = {
            **dict.fromkeys(("verbose", "pedantic", "echo"), False),
            **dict.fromkeys(("headers", "no_responders"), True),
            "tls_required": False,
            "lang": "python3",
            "version": "diagmesh",
            "protocol": 1,
            "name": name,
            **self.fields,
        }
        if self.seed_file:
            from diagmesh.keys import read_seed, signed  # noqa: PLC0415  the signing library only where keys are used

            key = read_seed(Path(self.seed_file))
            said["sig"] = base64.urlsafe_b64encode(signed(key, info.nonce.encode())).rstrip(b"=").decode()
            if "jwt" not in self.fields:
                said["nkey"] = key.public
        return b"CONNECT " + msgspec.json.encode(said) + b"\r\n"


def login_of(settings: NatsSettings, url: SplitResult) -> Login:
    """The credentials for one server; those in its URL win, as in the clients.

    Raises:
        SettingsError: a file cannot be read, or holds no such thing.
    """
    if url.password is not None:
        fields = {"user": unquote(url.username or ""), "pass": unquote(url.password)}
        return Login(role="the user in the URL", fields=fields)
    if url.username:
        return Login(role="the token in the URL", fields={"auth_token": unquote(url.username)})
    if settings.creds_file:
        return _of_creds(settings.creds_file)
    if settings.nkey_file:
        return Login(role=f"the key in {Path(settings.nkey_file).name}", seed_file=settings.nkey_file)
    return Login()


def _of_creds(path: str) -> Login:
    try:
        with Path(path).open("rb") as file:
            found = _JWT.search(file.read(_LIMIT_BYTES))
    except OSError as error:
        raise SettingsError(f"cannot read the credentials file {path}: {error.strerror}") from None
    if found is None:
        raise SettingsError(f"{path} holds no JWT of a user")
    jwt = found[1].decode()
    role = f"the JWT in {Path(path).name}"
    return Login(role=role, fields={"jwt": jwt}, seed_file=path, expires_at=expires_at(jwt))


def expires_at(jwt: str) -> datetime | None:
    """When a JWT ends; None where it has no end or cannot be read. Its signature is not looked at."""
    claims = _claims_of(jwt)
    return datetime.fromtimestamp(min(claims.exp, _LAST_S), UTC) if claims is not None and claims.exp > 0 else None


def life_of(jwt: str, now_s: float) -> tuple[float | None, float | None]:
    """How much longer a JWT is good, and how long it was made for (seconds); None where it has no end, or no beginning.

    Args:
        jwt: of a user.
        now_s: Unix seconds.
    """
    claims = _claims_of(jwt)
    if claims is None or claims.exp <= 0:
        return None, None
    return float(claims.exp - now_s), float(claims.exp - claims.iat) if 0 < claims.iat < claims.exp else None


def most_subscriptions(jwt: str) -> int | None:
    """How many subscriptions a user may have by its JWT; None where that says nothing, or cannot be read."""
    claims = _claims_of(jwt)
    return claims.nats.subs if claims is not None and claims.nats.subs > 0 else None


def _claims_of(jwt: str) -> _Claims | None:
    parts = jwt.split(".")
    if len(parts) != 3:
        return None
    try:
        body = base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4))
        return msgspec.json.decode(body, type=_Claims)
    except (ValueError, RecursionError):
        return None
