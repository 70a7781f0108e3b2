"""Settings of a connection that can never work are refused before the first attempt."""

import base64
import re
import ssl
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from diagmesh.errors import SettingsError
from diagmesh.settings import NatsSettings

__all__ = ["check_usable", "credentials", "expired", "role_of", "tls_context", "urls_of", "wants_tls"]

_JWT: Final = re.compile(rb"^[A-Za-z0-9_-]+\.([A-Za-z0-9_-]+)\.[A-Za-z0-9_-]+\s*$", re.MULTILINE)
_CREDS_LIMIT_BYTES: Final = 64 * 1024
_SCHEMES: Final = ("nats", "tls")


def urls_of(settings: NatsSettings) -> list[str]:
    """The servers, one by one."""
    return [url.strip() for url in settings.url.split(",") if url.strip()]


def check_usable(settings: NatsSettings, where: str = "nats") -> None:
    """Whether an attempt makes sense: there is a URL, and the files can be used. A server that is away is no matter.

    Args:
        settings: of one connection.
        where: its table, for messages.

    Raises:
        SettingsError: the message names the key, and never repeats a secret.
    """
    urls = urls_of(settings)
    if not urls:
        raise SettingsError(f"{where}.url: no server URL; set it, or DIAGMESH_NATS__URL, or --nats")
    if not all(map(_well_formed, urls)):
        raise SettingsError(f"{where}.url: malformed; it looks like nats://host:4222")
    if foreign := [scheme for scheme in map(_scheme, urls) if scheme not in _SCHEMES]:
        raise SettingsError(
            f"{where}.url: {foreign[0]}:// is not spoken here; the client port of a server is nats://host:4222 or tls://"
        )
    for what, path in (("nkey_file", settings.nkey_file), ("creds_file", settings.creds_file)):
        if path:
            from diagmesh.keys import read_seed  # noqa: PLC0415  the signing library only where keys are used

            try:
                read_seed(Path(path))
            except SettingsError as error:
                raise SettingsError(f"{where}.{what}: {error}") from None
    if settings.creds_file:
        _check_creds(Path(settings.creds_file), f"{where}.creds_file")
    _check_tls(settings, where)


class _Claims(msgspec.Struct):
    """What a JWT says about its end; 0 for none."""

    exp: int = 0


def _check_creds(path: Path, where: str) -> None:
    """Whether there is a JWT beside the seed that has not expired; the server's own word for that tells nothing."""
    found = _JWT.search(path.read_bytes()[:_CREDS_LIMIT_BYTES])
    if found is None:
        raise SettingsError(f"{where}: {path} holds no JWT of a user, only a seed; give it as nkey_file")
    try:
        ended = _ended(found[1])
    except (msgspec.DecodeError, ValueError, RecursionError):
        raise SettingsError(f"{where}: the JWT in {path} is damaged; issue it again") from None
    if ended:
        raise SettingsError(f"{where}: the JWT in {path} has expired ({ended} UTC); issue it again")


def expired(path: str) -> str:
    """What to do about a credentials file whose JWT has expired meanwhile; empty where that is not the matter."""
    try:
        found = _JWT.search(Path(path).read_bytes()[:_CREDS_LIMIT_BYTES]) if path else None
        ended = _ended(found[1]) if found is not None else ""
    except (OSError, msgspec.DecodeError, ValueError, RecursionError):
        return ""
    if not ended:
        return ""
    return f"the user's JWT in {path} has expired ({ended} UTC): put a fresh one there, it is read at every attempt"


def _ended(body: bytes) -> str:
    """When the JWT with this body expired; empty when it did not."""
    claims = msgspec.json.decode(base64.urlsafe_b64decode(body + b"=" * (-len(body) % 4)), type=_Claims)
    if not claims.exp or claims.exp >= time.time():
        return ""
    return f"{datetime.fromtimestamp(max(0, claims.exp), UTC):%Y-%m-%d %H:%M:%S}"


def credentials(settings: NatsSettings) -> dict[str, Any]:
    """As whom to connect and how to verify the server, as the client takes it; files are read by every connection."""
    given: dict[str, Any] = {}
    if settings.nkey_file:
        given["nkeys_seed"] = settings.nkey_file
    if settings.creds_file:
        given["user_credentials"] = settings.creds_file
    if wants_tls(settings):
        given["tls"] = tls_context(settings)
        given["tls_handshake_first"] = settings.tls_first
        if settings.tls_server_name:
            given["tls_hostname"] = settings.tls_server_name
    return given


def wants_tls(settings: NatsSettings) -> bool:
    """Whether the settings ask for encryption in any way; then no server is talked to without."""
    named = settings.tls_ca_file or settings.tls_server_name or settings.tls_cert_file
    return bool(named) or settings.tls_first or "tls://" in settings.url


def tls_context(settings: NatsSettings) -> ssl.SSLContext:
    """How the server is verified, and what it may verify of us.

    Raises:
        OSError: a file is missing or is none of its kind (`ssl.SSLError`).
    """
    context = ssl.create_default_context(cafile=settings.tls_ca_file or None)
    if settings.tls_cert_file:
        # A password would be asked for on the terminal, which a sidecar has not; an empty one is refused instead.
        context.load_cert_chain(settings.tls_cert_file, settings.tls_key_file, password="")
    return context


def _check_tls(settings: NatsSettings, where: str) -> None:
    for what in ("tls_ca_file", "tls_cert_file", "tls_key_file"):
        path = getattr(settings, what)
        if path and not Path(path).is_file():
            raise SettingsError(f"{where}.{what}: there is no file {path}")
    if bool(settings.tls_cert_file) != bool(settings.tls_key_file):
        raise SettingsError(f"{where}: tls_cert_file and tls_key_file belong together; one of them is missing")
    try:
        ssl.create_default_context(cafile=settings.tls_ca_file or None)
    except OSError:
        raise SettingsError(f"{where}.tls_ca_file: {settings.tls_ca_file} holds no certificate in PEM") from None
    try:
        tls_context(settings)
    except OSError:
        files = f"{settings.tls_cert_file} and {settings.tls_key_file}"
        raise SettingsError(f"{where}.tls_cert_file: {files} are no certificate and its key without password") from None


def role_of(settings: NatsSettings) -> str:
    """As whom we are there, for whoever is refused something; `diagmesh init` calls key files by their role."""
    for what, path in (("key", settings.nkey_file), ("credentials", settings.creds_file)):
        if path:
            return f"role {Path(path).stem}, by its {what} file"
    # A user in the URL is half a secret, so it is not repeated.
    return "the user in the URL" if "@" in settings.url else "no key was given: the role of whoever has none"


def _well_formed(url: str) -> bool:
    try:
        parts = urlsplit(url if "//" in url else f"nats://{url}")
        port = parts.port
    except ValueError:
        return False
    host = parts.hostname or ""
    return bool(host) and not any(map(str.isspace, host)) and port != 0 and parts.path in ("", "/")


def _scheme(url: str) -> str:
    return urlsplit(url).scheme if "//" in url else _SCHEMES[0]
