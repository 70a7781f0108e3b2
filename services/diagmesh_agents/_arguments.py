"""The sidecar's command line: a settings file, or one target described by flags."""

import argparse
import sys
from typing import Final, NoReturn, TypeVar

import msgspec

from diagmesh import __version__
from diagmesh.errors import SettingsError
from diagmesh.settings import NatsSettings, ProbeSettings, SidecarSettings, TargetSettings, load

__all__ = ["parse"]

S = TypeVar("S", bound=msgspec.Struct)
_USAGE: Final = 64
_WAYS: Final = ("pid", "pid_file", "port", "exe", "command", "systemd", "container")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Usage errors end with 64, as everywhere in diagmesh."""
        print(f"{self.prog}: {message}; see {self.prog} --help", file=sys.stderr)  # noqa: T201  the last word
        raise SystemExit(_USAGE)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="diagmesh sidecar",
        description="Stand beside a service instance and answer questions about it on NATS (diag.<service>.<kind>).",
        epilog="exit codes: 0 ended on request, 3 the mesh cannot be had, 64 wrong settings, 70 our own fault."
        " Every setting can also come from the environment: DIAGMESH_NATS__URL sets nats.url.",
    )
    parser.add_argument("--version", action="version", version=f"diagmesh {__version__}")
    parser.add_argument("--config", metavar="FILE", help="settings in TOML; flags win over it")
    mesh = parser.add_argument_group("the connection")
    mesh.add_argument("--nats", metavar="URL", help="NATS server, e.g. nats://127.0.0.1:4222")
    mesh.add_argument("--nkey-file", metavar="FILE", help="file with the seed of this role's nkey")
    mesh.add_argument("--creds-file", metavar="FILE", help="credentials file (operator mode)")
    mesh.add_argument("--inbox-prefix", metavar="PREFIX", help="where answers to the sidecar arrive")
    target = parser.add_argument_group("the target, and one way to find its process")
    target.add_argument("--service", metavar="NAME", help="the service it stands beside")
    target.add_argument("--instance", metavar="NAME", help="name of the instance (default: pod or host name)")
    target.add_argument("--pid", type=int, help="process id")
    target.add_argument("--pid-file", metavar="FILE", help="file that holds the process id")
    target.add_argument("--port", type=int, help="TCP port that it listens on")
    target.add_argument("--exe", metavar="PATH", help="its executable: full path or file name")
    target.add_argument("--command", metavar="REGEX", help="expression that its command line matches")
    target.add_argument("--systemd", metavar="UNIT", help="its systemd unit")
    target.add_argument("--container", metavar="ID", help="its container id (at least 12 characters)")
    doors = parser.add_argument_group("its doors (each may be given several times)")
    doors.add_argument("--probe-http", metavar="URL", action="append", default=[], help="must answer 200 to 299")
    doors.add_argument("--probe-tcp", metavar="HOST:PORT", action="append", default=[], help="must accept")
    other = parser.add_argument_group("other")
    other.add_argument("--label", metavar="KEY=VALUE", action="append", default=[], help="told with every heartbeat")
    other.add_argument("--heartbeat", metavar="SECONDS", type=float, help="pace of the heartbeats (default 5)")
    other.add_argument("--sample", metavar="SECONDS", type=float, help="pace of the cheap samples (default 5)")
    other.add_argument("--log-level", metavar="LEVEL", help="debug, info, warning or error")
    return parser


def parse(arguments: list[str]) -> SidecarSettings:
    """Settings from file, environment and flags.

    Raises:
        SettingsError: something is wrong, or no target is given; the message names it.
    """
    given = _parser().parse_args(arguments)
    settings = load(SidecarSettings, given.config)
    nats = {
        key: value
        for key, value in (
            ("url", given.nats),
            ("nkey_file", given.nkey_file),
            ("creds_file", given.creds_file),
            ("inbox_prefix", given.inbox_prefix),
        )
        if value is not None
    }
    changes: dict[str, object] = {"nats": _checked(NatsSettings, msgspec.structs.asdict(settings.nats) | nats)}
    target = _target(given)
    if target is not None:
        changes["targets"] = (*settings.targets, target)
    if given.heartbeat is not None:
        changes["heartbeat_s"] = given.heartbeat
    if given.log_level is not None:
        changes["log_level"] = given.log_level
    settings = _checked(SidecarSettings, msgspec.structs.asdict(settings) | changes)
    if not settings.targets:
        raise SettingsError("no target: give --service NAME and a way to find its process, or [[targets]] in --config")
    return settings


def _target(given: argparse.Namespace) -> TargetSettings | None:
    if given.service is None:
        lonely = [name for name in (*_WAYS, "instance") if getattr(given, name) is not None]
        if lonely or given.probe_http or given.probe_tcp:
            raise SettingsError("--service is missing: the other flags describe the target of that service")
        return None
    described: dict[str, object] = {name: getattr(given, name) for name in _WAYS if getattr(given, name) is not None}
    probes = [ProbeSettings(http=url) for url in given.probe_http] + [ProbeSettings(tcp=at) for at in given.probe_tcp]
    labels = dict(_label(label) for label in given.label)
    if given.sample is not None:
        described["sample_s"] = given.sample
    described |= {"service": given.service, "instance": given.instance or "", "probes": probes, "labels": labels}
    return _checked(TargetSettings, described)


def _label(given: str) -> tuple[str, str]:
    key, equals, value = given.partition("=")
    if not equals or not key:
        raise SettingsError(f"--label {given!r}: write it as KEY=VALUE")
    return key, value


def _checked(kind: type[S], tree: dict[str, object]) -> S:
    try:
        return msgspec.convert(msgspec.to_builtins(tree), kind)
    except msgspec.ValidationError as error:
        raise SettingsError(str(error)) from None
