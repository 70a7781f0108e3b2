"""What the command lines of our long-running programs have in common: usage errors, the connection, the log level."""

import argparse
import sys
from typing import Final, NoReturn, TypeVar

import msgspec

from diagmesh import __version__
from diagmesh.errors import SettingsError
from diagmesh.settings import NatsSettings

__all__ = ["ProgramParser", "checked", "connection"]

_USAGE: Final = 64
_EPILOG: Final = (
    "exit codes: 0 ended on request, 3 the mesh cannot be had, 64 wrong settings, 70 our own fault."
    " Every setting can also come from the environment: DIAGMESH_NATS__URL sets nats.url."
)

S = TypeVar("S", bound=msgspec.Struct)


class ProgramParser(argparse.ArgumentParser):
    """A parser with the options that every program of ours takes; usage errors end with 64.

    Args:
        program: as a person calls it (``diagmesh sidecar``).
        description: what it does.
        us: what the help calls the program (``the sidecar``).
    """

    def __init__(self, program: str, description: str, us: str) -> None:
        super().__init__(prog=program, description=description, epilog=_EPILOG)
        self.add_argument("--version", action="version", version=f"diagmesh {__version__}")
        self.add_argument("--config", metavar="FILE", help="settings in TOML; flags win over it")
        mesh = self.add_argument_group("the connection")
        mesh.add_argument("--nats", metavar="URL", help="NATS server, e.g. nats://127.0.0.1:4222")
        mesh.add_argument("--nkey-file", metavar="FILE", help="file with the seed of this role's nkey")
        mesh.add_argument("--creds-file", metavar="FILE", help="credentials file (operator mode)")
        mesh.add_argument("--tls-ca-file", metavar="FILE", help="CA bundle for a private server certificate")
        mesh.add_argument("--tls-first", action="store_true", default=None, help="TLS before the server's greeting")
        mesh.add_argument("--tls-server-name", metavar="NAME", help="in its certificate, where it is not the URL's")
        mesh.add_argument("--tls-cert-file", metavar="FILE", help="certificate of ours, if the server asks for one")
        mesh.add_argument("--tls-key-file", metavar="FILE", help="its private key")
        mesh.add_argument("--inbox-prefix", metavar="PREFIX", help=f"where answers to {us} arrive")

    def add_common(self) -> argparse._ArgumentGroup:
        """The last group of the help: pace of the heartbeats and level of the log; a program may add to it."""
        other = self.add_argument_group("other")
        other.add_argument("--heartbeat", metavar="SECONDS", type=float, help="pace of its heartbeats (default 5)")
        other.add_argument("--log-level", metavar="LEVEL", help="debug, info, warning or error")
        other.add_argument("--alive-file", metavar="FILE", help="touched every 5 s while it works, for probes")
        return other

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and end with 64, as everywhere in diagmesh."""
        print(f"{self.prog}: {message}; see {self.prog} --help", file=sys.stderr)  # noqa: T201  the last word
        raise SystemExit(_USAGE)


def connection(given: argparse.Namespace, settings: NatsSettings) -> dict[str, object]:
    """The connection's settings as a plain tree, with the flags that were given laid over them."""
    flags = {
        "url": given.nats,
        "nkey_file": given.nkey_file,
        "creds_file": given.creds_file,
        "tls_ca_file": given.tls_ca_file,
        "tls_first": given.tls_first,
        "tls_server_name": given.tls_server_name,
        "tls_cert_file": given.tls_cert_file,
        "tls_key_file": given.tls_key_file,
        "inbox_prefix": given.inbox_prefix,
    }
    return msgspec.structs.asdict(settings) | {name: value for name, value in flags.items() if value is not None}


def checked(kind: type[S], tree: dict[str, object]) -> S:
    """Settings of a plain tree, strictly.

    Raises:
        SettingsError: a value is wrong; the message names its key.
    """
    try:
        return msgspec.convert(msgspec.to_builtins(tree), kind)
    except msgspec.ValidationError as error:
        raise SettingsError(str(error)) from None
