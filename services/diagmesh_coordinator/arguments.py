"""The coordinator's command line: a settings file, and flags that win over it."""

import argparse
import sys
from typing import Final, NoReturn

import msgspec

from diagmesh import __version__
from diagmesh.errors import SettingsError
from diagmesh.settings import CoordinatorSettings, load

__all__ = ["parse"]

_USAGE: Final = 64


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Usage errors end with 64, as everywhere in diagmesh."""
        print(f"{self.prog}: {message}; see {self.prog} --help", file=sys.stderr)  # noqa: T201  the last word
        raise SystemExit(_USAGE)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="diagmesh coordinator",
        description="Know who is in the mesh, ask many at once and add the answers up (diag.mesh.<kind>).",
        epilog="exit codes: 0 ended on request, 3 the mesh cannot be had, 64 wrong settings, 70 our own fault."
        " Every setting can also come from the environment: DIAGMESH_NATS__URL sets nats.url.",
    )
    parser.add_argument("--version", action="version", version=f"diagmesh {__version__}")
    parser.add_argument("--config", metavar="FILE", help="settings in TOML; flags win over it")
    mesh = parser.add_argument_group("the connection")
    mesh.add_argument("--nats", metavar="URL", help="NATS server, e.g. nats://127.0.0.1:4222")
    mesh.add_argument("--nkey-file", metavar="FILE", help="file with the seed of this role's nkey")
    mesh.add_argument("--creds-file", metavar="FILE", help="credentials file (operator mode)")
    mesh.add_argument("--inbox-prefix", metavar="PREFIX", help="where answers to the coordinator arrive")
    who = parser.add_argument_group("who is expected")
    who.add_argument("--instance", metavar="NAME", help="name of this coordinator (default: host name with a suffix)")
    who.add_argument(
        "--replicas", metavar="SERVICE=N", action="append", default=[], help="how many instances there should be"
    )
    who.add_argument("--forget-after", metavar="SECONDS", type=float, help="how long a lost instance stays expected")
    other = parser.add_argument_group("other")
    other.add_argument("--deadline", metavar="SECONDS", type=float, help="for the last answer of a fan-out (default 2)")
    other.add_argument("--heartbeat", metavar="SECONDS", type=float, help="pace of its own heartbeats (default 5)")
    other.add_argument(
        "--operator", metavar="NKEY", action="append", default=[], help="public key that may sign control requests"
    )
    other.add_argument("--log-level", metavar="LEVEL", help="debug, info, warning or error")
    return parser


def parse(arguments: list[str]) -> CoordinatorSettings:
    """Settings from file, environment and flags.

    Raises:
        SettingsError: something is wrong; the message names it.
    """
    given = _parser().parse_args(arguments)
    settings = load(CoordinatorSettings, given.config)
    tree: dict[str, object] = msgspec.to_builtins(settings)
    nats = {
        "url": given.nats,
        "nkey_file": given.nkey_file,
        "creds_file": given.creds_file,
        "inbox_prefix": given.inbox_prefix,
    }
    flags = {
        "instance": given.instance,
        "forget_after_s": given.forget_after,
        "deadline_s": given.deadline,
        "heartbeat_s": given.heartbeat,
        "log_level": given.log_level,
    }
    tree |= {name: value for name, value in flags.items() if value is not None}
    tree["nats"] = msgspec.to_builtins(settings.nats) | {
        name: value for name, value in nats.items() if value is not None
    }
    tree["replicas"] = settings.replicas | dict(_replicas(one) for one in given.replicas)
    tree["operators"] = [*settings.operators, *given.operator]
    try:
        return msgspec.convert(tree, CoordinatorSettings)
    except msgspec.ValidationError as error:
        raise SettingsError(str(error)) from None


def _replicas(given: str) -> tuple[str, int]:
    service, equals, count = given.partition("=")
    if not equals or not service or not count.isdecimal():
        raise SettingsError(f"--replicas {given!r}: write it as SERVICE=N")
    return service, int(count)
