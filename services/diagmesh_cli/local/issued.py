"""What `diagmesh init` has issued into a directory, as a file there tells; and the texts that follow from it."""

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from diagmesh.errors import SettingsError
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

__all__ = ["MANIFEST", "SERVER_FILE", "Issued", "load", "seed_path", "settings_file", "texts"]

MANIFEST: Final = "issued.json"
SERVER_FILE: Final = "nats-server.conf"
_PEOPLE: Final = ("reader", "operator")
_OF_COORDINATOR: Final = """\
# Of the coordinators: diagmesh coordinator --config FILE, the same for each.
# Say how many there are (coordinators = 2), and of each service (replicas).
"""
_OF_SIDECAR: Final = """\
# Of the sidecars of {service}: diagmesh sidecar --config FILE. How its process
# is found (exe, or port, pid_file, command, systemd, container) and what is
# probed ([[targets.probes]]) is yours to say; see diagmesh config check FILE.
"""
_OF_PEOPLE: Final = """\
# As {name}: `. {file}`, then diagmesh as usual. Start no sidecar and
# no coordinator from that shell: the environment wins over their settings.
"""


class Issued(msgspec.Struct, frozen=True, kw_only=True):
    """What was issued. Public halves only, so that it may lie where the keys no longer are.

    Args:
        layout: of the accounts.
        services: the watched services.
        url: of the server, as settings name it.
        tls_ca_file: CA bundle of the server's certificate, as settings name it.
        keys: per role the accepted public keys, the current one first.
        written: per file the text that was written, by which later edits of others are told from ours.
    """

    layout: Layout
    services: tuple[str, ...]
    url: str
    tls_ca_file: str = ""
    keys: dict[str, tuple[str, ...]] = {}
    written: dict[str, str] = {}

    @property
    def roles(self) -> tuple[Role, ...]:
        """All of its roles."""
        return roles(self.services, self.layout)

    @property
    def rotating(self) -> tuple[str, ...]:
        """Roles whose key before is still accepted."""
        return tuple(name for name, accepted in self.keys.items() if len(accepted) > 1)


def load(directory: Path) -> Issued:
    """What was issued into a directory.

    Raises:
        SettingsError: nothing was, or the file that tells is damaged.
    """
    try:
        return msgspec.json.decode((directory / MANIFEST).read_bytes(), type=Issued)
    except OSError as error:
        raise SettingsError(f"{directory} was not made by diagmesh init ({MANIFEST}: {error.strerror})") from None
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise SettingsError(f"{directory / MANIFEST} is damaged: {error}") from None


def seed_path(directory: Path, name: str) -> Path:
    """The file of a role's seed."""
    return directory / "keys" / f"{name}.nk"


def settings_file(role: str) -> str:
    """Whose key a role has finds its settings in this file of the directory; empty where there is none."""
    if role in _PEOPLE:
        return f"settings/{role}.env"
    if role == "coordinator":
        return "settings/coordinator.toml"
    return f"settings/sidecar-{role.removeprefix('agent-')}.toml" if role.startswith("agent-") else ""


def texts(issued: Issued, directory: Path) -> Iterator[tuple[str, str]]:
    """Every text file that follows from what was issued: its name in the directory, and what it holds."""
    yield SERVER_FILE, server_text(accounts(issued.keys, issued.services, issued.layout))
    by_name = {role.name: role for role in issued.roles}

    def connection(name: str) -> dict[str, Any]:
        shared = {"url": issued.url, "tls_ca_file": issued.tls_ca_file}
        return {"nkey_file": str(seed_path(directory, name)), "inbox_prefix": by_name[name].inbox, **shared}

    coordinator = CoordinatorNatsSettings(**connection("coordinator"))
    # While the operator's key is changed both are believed, as they are by the server.
    told = toml_of(CoordinatorSettings(nats=coordinator, operators=issued.keys["operator"]), brief=True)
    yield settings_file("coordinator"), f"{_OF_COORDINATOR}\n{told}"
    observer = NatsSettings(**connection("observer"))
    for service in issued.services:
        ours = NatsSettings(**connection(agent_role(service)))
        target = TargetSettings(service=service, exe=service, nats=observer)
        text = toml_of(SidecarSettings(nats=ours, targets=(target,)), brief=True)
        yield settings_file(agent_role(service)), f"{_OF_SIDECAR.format(service=service)}\n{text}"
    for name in _PEOPLE:
        yield settings_file(name), _environment(name, connection(name))


def _environment(name: str, connection: dict[str, Any]) -> str:
    lines = [f"export DIAGMESH_NATS__{key.upper()}={shlex.quote(value)}" for key, value in connection.items() if value]
    return _OF_PEOPLE.format(name=name, file=settings_file(name)) + "\n".join(lines) + "\n"
