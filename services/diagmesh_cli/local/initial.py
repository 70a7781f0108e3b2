"""What `diagmesh init` does: make everything, add services, change keys; each of it in one step, or not at all."""

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import msgspec

from diagmesh import keys
from diagmesh.errors import SettingsError
from diagmesh_cli.local.issued import MANIFEST, SERVER_FILE, Issued, load, seed_path, settings_file, texts
from diagmesh_cli.local.merging import merged
from diagmesh_cli.local.permissions import agent_role
from diagmesh_cli.local.replacing import changing, making, recover, remove_later, write_private

__all__ = ["Changed", "add", "create", "finish_rotation", "rotate", "validate"]

_VALIDATE_S: Final = 30
_ORDER: Final = (SERVER_FILE, "", MANIFEST)
"""The server learns of keys before their holders do, and what was done is noted when it is done."""
_CANDIDATE: Final = ".check.conf"


class Changed(msgspec.Struct, frozen=True):
    """What came of a change.

    Args:
        issued: what is issued now.
        settings: files of settings that were there and have changed.
        left: what somebody has to change by hand, in sentences.
    """

    issued: Issued
    settings: tuple[str, ...] = ()
    left: tuple[str, ...] = ()


def create(directory: Path, issued: Issued, *, force: bool = False) -> Issued:
    """Make a key for every role and write everything; a directory is there in full afterwards, or as it was.

    Raises:
        SettingsError: the directory is not empty and ``force`` was not given, it cannot be written, or the server would
            not take it.
    """
    directory = directory.absolute()
    recover(directory, _ORDER)
    if directory.is_symlink() or (directory.exists() and not directory.is_dir()):
        raise SettingsError(f"{directory} is no directory; name another")
    if not directory.exists():
        with making(directory) as fresh:
            return _made(fresh, directory, issued)
    if any(directory.iterdir()):
        if not force:
            raise SettingsError(
                f"{directory} is not empty, so nothing was written; name another, or give --force"
                + (" (another service is added with --add NAMES)" if (directory / MANIFEST).is_file() else "")
            )
        if not (directory / MANIFEST).is_file():
            raise SettingsError(f"{directory} was not made by diagmesh init, so --force does not replace it")
    with changing(directory, _ORDER) as staged:
        complete = _made(staged, directory, issued)
        old = (path for folder in ("keys", "settings") for path in (directory / folder).glob("*") if path.is_file())
        names = {str(path.relative_to(directory)) for path in old}
        remove_later(staged, {name for name in names if not (staged / name).exists()})
        directory.chmod(0o700)
    return complete


def add(directory: Path, services: tuple[str, ...]) -> Changed:
    """Watch further services: a key and settings for the sidecars of each; nobody else's change.

    Raises:
        SettingsError: one is watched already, somebody else made a key or settings for one, or the server's
            configuration was edited where this would change it; and as `create`.
    """
    recover(directory, _ORDER)
    issued = load(directory)
    if known := sorted(set(services) & set(issued.services)):
        raise SettingsError(f"{', '.join(known)}: in {directory} already, so nothing was written")
    _nothing_of(directory, services)

    def keys_of(fresh: Path) -> Issued:
        made = {agent_role(name): (_new_key(fresh, agent_role(name)),) for name in services}
        every = msgspec.structs.replace(issued, services=(*issued.services, *services))
        order = [role.name for role in every.roles]
        known = {**issued.keys, **made}
        return msgspec.structs.replace(every, keys={name: known[name] for name in order})

    return _change(directory, keys_of)


def rotate(directory: Path, role: str) -> Changed:
    """Make a new key for a role; the server goes on to accept the one before, which is kept beside it.

    Raises:
        SettingsError: there is no such role, its last change of key is not finished, or the server's configuration
            was edited where this would change it; and as `create`.
    """
    issued = _having(directory, role)
    if role in issued.rotating:
        raise SettingsError(f"the last change of {role} is not finished: first run with --rotate-finish {role}")

    def changed(fresh: Path) -> Issued:
        seed = seed_path(directory, role)
        if seed.exists():
            write_private(seed_path(fresh, f"{role}.before"), seed.read_bytes())
        accepted = (_new_key(fresh, role), *issued.keys[role])
        return msgspec.structs.replace(issued, keys={**issued.keys, role: accepted})

    return _change(directory, changed)


def finish_rotation(directory: Path, role: str) -> Changed:
    """Have the server accept the new key of a role only.

    Raises:
        SettingsError: no change of its key is under way, or the server's configuration was edited where this would
            change it; and as `create`.
    """
    issued = _having(directory, role)
    if role not in issued.rotating:
        raise SettingsError(f"no change of the key of {role} is under way: begin with --rotate {role}")

    def changed(fresh: Path) -> Issued:
        remove_later(fresh, [str(seed_path(Path(), f"{role}.before"))])
        return msgspec.structs.replace(issued, keys={**issued.keys, role: issued.keys[role][:1]})

    return _change(directory, changed)


def validate(directory: Path, name: str = SERVER_FILE) -> bool:
    """Have nats-server read the configuration, where one is installed; whether it did.

    Raises:
        SettingsError: it does not accept it; with its words.
    """
    from diagmesh_cli.local.embedded import ServerMissing, find_server  # noqa: PLC0415  it spawns, which this need not

    try:
        program = find_server()
    except ServerMissing:
        return False
    command = [str(program), "-t", "-c", str(directory / name)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_VALIDATE_S, check=False)
    if done.returncode:
        raise SettingsError(f"nats-server does not accept the configuration: {(done.stderr or done.stdout).strip()}")
    return True


def _nothing_of(directory: Path, services: tuple[str, ...]) -> None:
    """Refuse to replace what somebody made by hand for a service that is to be added."""
    for role in map(agent_role, services):
        for name in (str(seed_path(Path(), role)), settings_file(role)):
            if os.path.lexists(directory / name):
                raise SettingsError(
                    f"{name} is there already and was not made by diagmesh init, so nothing was written;"
                    " move it away, and write your lines into the new one afterwards"
                )


def _having(directory: Path, role: str) -> Issued:
    recover(directory, _ORDER)
    issued = load(directory)
    if role not in issued.keys:
        raise SettingsError(f"there is no role {role!r} in {directory}; there are: {', '.join(issued.keys)}")
    return issued


def _new_key(directory: Path, role: str) -> str:
    (directory / "keys").mkdir(mode=0o700, exist_ok=True)
    key = keys.generate()
    keys.write_seed(seed_path(directory, role), key)
    return key.public


def _change(directory: Path, change: Callable[[Path], Issued]) -> Changed:
    home = directory.resolve()
    before = load(home)
    due = dict(texts(before, home))
    with changing(home, _ORDER) as staged:
        changed = _write(staged, home, change(staged), due)
        if (staged / SERVER_FILE).exists():
            # Read where it will lie, for somebody may have had it include a file beside it.
            try:
                shutil.copy(staged / SERVER_FILE, home / _CANDIDATE)
                validate(home, _CANDIDATE)
            finally:
                (home / _CANDIDATE).unlink(missing_ok=True)
    return changed


def _made(fresh: Path, directory: Path, issued: Issued) -> Issued:
    """Keys for every role, and everything that follows from them."""
    made = {role.name: (_new_key(fresh, role.name),) for role in issued.roles}
    complete = _write(fresh, directory, msgspec.structs.replace(issued, keys=made, written={}), {}).issued
    validate(fresh)
    return complete


def _write(fresh: Path, directory: Path, issued: Issued, due: Mapping[str, str]) -> Changed:
    """Write every text that is another one than was due before, and the manifest; what others have edited stays."""
    told = dict(issued.written)
    settings, left = [], []
    for name, text in texts(issued, directory):
        if due.get(name) == text:
            continue
        # Of a directory made by an earlier release nobody noted what was written: what was due is close to it.
        path, before = directory / name, issued.written.get(name, due.get(name))
        told[name] = text
        if before is None or (name == SERVER_FILE and not path.exists()):
            write_private(fresh / name, text.encode())
            continue
        both = merged(before, path.read_text("utf-8"), text) if path.exists() else None
        if both is None and name == SERVER_FILE:
            raise SettingsError(
                f"{path} was edited just where this would change it, so nothing was changed:"
                " move your lines away from ours, and write them in again afterwards"
            )
        if both is None:
            left.append(_by_hand(path, text))
            continue
        write_private(fresh / name, both.encode())
        if name != SERVER_FILE:
            settings.append(name)
    complete = msgspec.structs.replace(issued, written=told)
    write_private(fresh / MANIFEST, msgspec.json.encode(complete))
    return Changed(complete, tuple(settings), tuple(left))


def _by_hand(path: Path, text: str) -> str:
    state = "was edited just there" if path.exists() else "is no longer here"
    line = next((line for line in text.splitlines() if line.startswith("operators")), text)
    return f"{path.name} {state}; it should say {line}"
