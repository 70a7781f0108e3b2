"""What `diagmesh init` makes: keys, the server's configuration, settings; all of it, or nothing."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from diagmesh import keys
from diagmesh.errors import DiagmeshError, SettingsError
from diagmesh.settings import (
    CoordinatorNatsSettings,
    CoordinatorSettings,
    NatsSettings,
    SidecarSettings,
    TargetSettings,
)
from diagmesh_cli.local.permissions import Layout, Role, accounts, agent_role, roles
from diagmesh_cli.local.server_text import server_text
from diagmesh_cli.local.settings_file import toml_of

__all__ = ["SERVER_FILE", "Issued", "create", "finish_rotation", "load", "rotate", "validate"]

_MANIFEST: Final = "issued.json"
SERVER_FILE: Final = "nats-server.conf"
_VALIDATE_S: Final = 30


class Issued(msgspec.Struct, frozen=True, kw_only=True):
    """What was issued, as its file tells. Public halves only, so that it may lie where the keys no longer are.

    Args:
        layout: of the accounts.
        services: the watched services.
        url: of the server, as settings name it.
        tls_ca_file: CA bundle of the server's certificate, as settings name it.
        keys: per role the accepted public keys, the current one first.
    """

    layout: Layout
    services: tuple[str, ...]
    url: str
    tls_ca_file: str = ""
    keys: dict[str, tuple[str, ...]] = {}

    @property
    def roles(self) -> tuple[Role, ...]:
        """All of its roles."""
        return roles(self.services, self.layout)

    @property
    def rotating(self) -> tuple[str, ...]:
        """Roles whose key before is still accepted."""
        return tuple(name for name, accepted in self.keys.items() if len(accepted) > 1)


def create(directory: Path, issued: Issued, *, force: bool = False) -> Issued:
    """Make a key for every role and write everything; a directory is there in full afterwards, or as it was.

    Raises:
        SettingsError: the directory is not empty and ``force`` was not given.
        DiagmeshError: it cannot be written, or the server would not take it.
    """
    if directory.is_symlink() or (directory.exists() and not directory.is_dir()):
        raise SettingsError(f"{directory} is no directory; name another")
    if directory.exists() and any(directory.iterdir()):
        if not force:
            raise SettingsError(f"{directory} is not empty, so nothing was written; name another, or give --force")
        if not (directory / _MANIFEST).is_file():
            raise SettingsError(f"{directory} was not made by diagmesh init, so --force does not replace it")
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(prefix=f".{directory.name}.", dir=directory.parent))  # of mode 0700
    except OSError as error:
        raise DiagmeshError(f"cannot write beside {directory}: {error.strerror}") from None
    try:
        made = {role.name: (_new_key(fresh, role.name),) for role in issued.roles}
        complete = msgspec.structs.replace(issued, keys=made)
        _write_all(fresh, complete, directory)
        validate(fresh)
        _swap(fresh, directory)
    except OSError as error:
        raise DiagmeshError(f"cannot write {directory}: {error.strerror}") from None
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return complete


def load(directory: Path) -> Issued:
    """What was issued into a directory.

    Raises:
        SettingsError: nothing was, or the file that tells is damaged.
    """
    try:
        return msgspec.json.decode((directory / _MANIFEST).read_bytes(), type=Issued)
    except OSError as error:
        raise SettingsError(f"{directory} was not made by diagmesh init ({_MANIFEST}: {error.strerror})") from None
    except msgspec.DecodeError as error:
        raise SettingsError(f"{directory / _MANIFEST} is damaged: {error}") from None


def rotate(directory: Path, role: str) -> Issued:
    """Make a new key for a role; the server goes on to accept the one before, which is kept beside it.

    Raises:
        SettingsError: there is no such role, or its last change of key is not finished.
    """
    issued = _having(directory, role)
    if role in issued.rotating:
        raise SettingsError(f"the last change of {role} is not finished: first run with --rotate-finish {role}")
    seed, before = _seed(directory, role), _seed(directory, f"{role}.before")
    # The manifest and the configuration know the new key before the file of the old one goes: no step loses anybody.
    key = keys.generate()
    changed = msgspec.structs.replace(issued, keys={**issued.keys, role: (key.public, *issued.keys[role])})
    if seed.exists():
        shutil.copyfile(seed, before)
        before.chmod(0o600)
    _write(directory / _MANIFEST, msgspec.json.encode(changed))
    _write(directory / SERVER_FILE, server_text(_accounts(changed)).encode())
    keys.write_seed(seed, key)
    validate(directory)
    return changed


def finish_rotation(directory: Path, role: str) -> Issued:
    """Have the server accept the new key of a role only.

    Raises:
        SettingsError: no change of its key is under way.
    """
    issued = _having(directory, role)
    if role not in issued.rotating:
        raise SettingsError(f"no change of the key of {role} is under way: begin with --rotate {role}")
    changed = msgspec.structs.replace(issued, keys={**issued.keys, role: issued.keys[role][:1]})
    _write(directory / SERVER_FILE, server_text(_accounts(changed)).encode())
    _write(directory / _MANIFEST, msgspec.json.encode(changed))
    _seed(directory, f"{role}.before").unlink(missing_ok=True)
    validate(directory)
    return changed


def validate(directory: Path) -> bool:
    """Have nats-server read the configuration, where one is installed; whether it did.

    Raises:
        DiagmeshError: it does not accept it; with its words.
    """
    from diagmesh_cli.local.embedded import ServerMissing, find_server  # noqa: PLC0415  it spawns, which this need not

    try:
        program = find_server()
    except ServerMissing:
        return False
    command = [str(program), "-t", "-c", str(directory / SERVER_FILE)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_VALIDATE_S, check=False)
    if done.returncode:
        raise DiagmeshError(f"nats-server does not accept the configuration: {(done.stderr or done.stdout).strip()}")
    return True


def _having(directory: Path, role: str) -> Issued:
    issued = load(directory)
    if role not in issued.keys:
        raise SettingsError(f"there is no role {role!r} in {directory}; there are: {', '.join(issued.keys)}")
    return issued


def _accounts(issued: Issued) -> dict[str, Any]:
    return accounts(issued.keys, issued.services, issued.layout)


def _seed(directory: Path, name: str) -> Path:
    return directory / "keys" / f"{name}.nk"


def _new_key(directory: Path, role: str) -> str:
    (directory / "keys").mkdir(mode=0o700, exist_ok=True)
    key = keys.generate()
    keys.write_seed(_seed(directory, role), key)
    return key.public


def _write_all(fresh: Path, issued: Issued, directory: Path) -> None:
    _write(fresh / _MANIFEST, msgspec.json.encode(issued))
    _write(fresh / SERVER_FILE, server_text(_accounts(issued)).encode())
    (fresh / "settings").mkdir(mode=0o700)
    for name, settings in _settings(issued, directory.absolute()):
        _write(fresh / "settings" / f"{name}.toml", toml_of(settings, brief=True).encode())


def _settings(issued: Issued, directory: Path) -> Iterator[tuple[str, msgspec.Struct]]:
    """Those of the processes: a coordinator, and a sidecar per service."""
    by_name = {role.name: role for role in issued.roles}

    def connection(name: str) -> dict[str, Any]:
        shared = {"url": issued.url, "tls_ca_file": issued.tls_ca_file}
        return {"nkey_file": str(_seed(directory, name)), "inbox_prefix": by_name[name].inbox, **shared}

    operators = issued.keys["operator"][:1]
    coordinator = CoordinatorNatsSettings(**connection("coordinator"))
    yield "coordinator", CoordinatorSettings(nats=coordinator, operators=operators)
    observer = NatsSettings(**connection("observer"))
    for service in issued.services:
        ours = NatsSettings(**connection(agent_role(service)))
        target = TargetSettings(service=service, exe=service, nats=observer)
        yield f"sidecar-{service}", SidecarSettings(nats=ours, targets=(target,))


def _write(path: Path, content: bytes) -> None:
    """Complete or not at all, and for our eyes only."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.unlink(missing_ok=True)
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def _swap(fresh: Path, directory: Path) -> None:
    """Put the new directory where the old one is; whatever happens in between, one of them is there by name."""
    old = fresh.with_name(f"{fresh.name}.old")
    if directory.exists():
        directory.rename(old)
    try:
        fresh.rename(directory)
    except OSError:
        if old.exists():
            old.rename(directory)
        raise
    shutil.rmtree(old, ignore_errors=True)
