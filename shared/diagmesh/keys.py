"""User nkeys: made, kept in seed files that nobody else can read, and told apart by their public key."""

import os
from pathlib import Path
from typing import Final

import msgspec
import nkeys
from nacl.utils import random as random_bytes

from diagmesh.errors import SettingsError

__all__ = ["UserKey", "generate", "public_key_of", "read_seed", "signed", "write_seed"]

_SEED_BYTES: Final = 32
_FILE_LIMIT_BYTES: Final = 64 * 1024
"""A seed is 58 characters, but in a credentials file it stands behind a JWT with every permission of its user."""


class UserKey(msgspec.Struct, frozen=True, gc=False):
    """A user nkey. Only the public half may be shown; the seed stays out of every repr."""

    public: str
    seed: bytes

    def __repr__(self) -> str:
        """The public half only, so that no log line or traceback can carry the seed."""
        return f"UserKey(public={self.public!r})"


def generate() -> UserKey:
    """Make a new user key from the system's random source."""
    seed = nkeys.encode_seed(random_bytes(_SEED_BYTES), nkeys.PREFIX_BYTE_USER)
    return UserKey(public=_public_of(bytes(seed)), seed=bytes(seed))


def write_seed(path: Path, key: UserKey) -> None:
    """Write the seed as a file of mode 0600, complete or not at all; an older file of that name is replaced.

    Raises:
        OSError: the directory is missing or not ours.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.unlink(missing_ok=True)
    # O_EXCL and the mode at creation: there is no moment in which somebody else could open it.
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(key.seed + b"\n")
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def read_seed(path: Path) -> UserKey:
    """Read a seed file: the seed alone, or a credentials file in which it stands between its markers.

    Raises:
        SettingsError: not readable, or no user seed in it; the message names the file, never its content.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_FILE_LIMIT_BYTES)
    except OSError as error:
        raise SettingsError(f"cannot read the seed file {path}: {error.strerror}") from None
    for line in content.splitlines():
        if line.strip().startswith(b"SU"):
            try:
                return UserKey(public=_public_of(line.strip()), seed=line.strip())
            except (nkeys.NkeysError, ValueError):
                break
    raise SettingsError(f"{path} holds no seed of a user nkey (a line that begins with SU)")


def public_key_of(path: Path) -> str:
    """The public key that belongs to a seed file.

    Raises:
        SettingsError: as `read_seed`.
    """
    return read_seed(path).public


def _public_of(seed: bytes) -> str:
    pair = nkeys.from_seed(bytearray(seed))
    try:
        return str(pair.public_key.decode())
    finally:
        pair.wipe()


def signed(key: UserKey, data: bytes) -> bytes:
    """The signature of some bytes by a user key."""
    pair = nkeys.from_seed(bytearray(key.seed))
    try:
        return bytes(pair.sign(data))
    finally:
        pair.wipe()
