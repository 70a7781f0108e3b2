"""The sidecar's command line: a settings file, or one target described by flags."""

import argparse
from typing import Final

import msgspec

from diagmesh.arguments import ProgramParser, checked, connection
from diagmesh.errors import SettingsError
from diagmesh.settings import ProbeSettings, SidecarSettings, TargetSettings, load

__all__ = ["parse"]

_WAYS: Final = ("pid", "pid_file", "port", "exe", "command", "systemd", "container")


def _parser() -> ProgramParser:
    parser = ProgramParser(
        "diagmesh sidecar",
        "Stand beside a service instance and answer questions about it on NATS (diag.<service>.<kind>).",
        "the sidecar",
    )
    target = parser.add_argument_group("the target, and one way to find its process")
    target.add_argument("--service", metavar="NAME", help="the service it stands beside")
    target.add_argument("--instance", metavar="NAME", help="name of the instance (default: pod or host name)")
    target.add_argument("--pid", type=int, help="process id")
    target.add_argument("--pid-file", metavar="FILE", help="file that holds the process id")
    target.add_argument("--port", type=int, help="TCP port that it listens on")
    target.add_argument("--exe", metavar="PATH", help="its executable: full path or file name")
    target.add_argument("--command", metavar="PATTERN", help="fits its whole command line: '*orders*8080*'")
    target.add_argument("--systemd", metavar="UNIT", help="its systemd unit")
    target.add_argument("--container", metavar="ID", help="its container id (at least 12 characters)")
    doors = parser.add_argument_group("its doors (each may be given several times)")
    doors.add_argument("--probe-http", metavar="URL", action="append", default=[], help="must answer 200 to 299")
    doors.add_argument("--probe-tcp", metavar="HOST:PORT", action="append", default=[], help="must accept")
    other = parser.add_common()
    other.add_argument("--label", metavar="KEY=VALUE", action="append", default=[], help="told with every heartbeat")
    other.add_argument("--sample", metavar="SECONDS", type=float, help="pace of the cheap samples (default 5)")
    return parser


def parse(arguments: list[str]) -> SidecarSettings:
    """Settings from file, environment and flags.

    Raises:
        SettingsError: something is wrong, or no target is given; the message names it.
    """
    given = _parser().parse_args(arguments)
    settings = load(SidecarSettings, given.config)
    tree: dict[str, object] = msgspec.structs.asdict(settings)
    tree["nats"] = connection(given, settings.nats)
    target = _target(given)
    if target is not None:
        tree["targets"] = (*settings.targets, target)
    if given.heartbeat is not None:
        tree["heartbeat_s"] = given.heartbeat
    if given.log_level is not None:
        tree["log_level"] = given.log_level
    settings = checked(SidecarSettings, tree)
    if not settings.targets:
        raise SettingsError("no target: give --service NAME and a way to find its process, or [[targets]] in --config")
    return settings


def _target(given: argparse.Namespace) -> TargetSettings | None:
    if given.service is None:
        lonely = [name for name in (*_WAYS, "instance", "sample") if getattr(given, name) is not None]
        if lonely or given.probe_http or given.probe_tcp or given.label:
            raise SettingsError("--service is missing: the other flags describe the target of that service")
        return None
    described: dict[str, object] = {name: getattr(given, name) for name in _WAYS if getattr(given, name) is not None}
    probes = [ProbeSettings(http=url) for url in given.probe_http] + [ProbeSettings(tcp=at) for at in given.probe_tcp]
    labels = dict(_label(label) for label in given.label)
    if given.sample is not None:
        described["sample_s"] = given.sample
    described |= {"service": given.service, "instance": given.instance or "", "probes": probes, "labels": labels}
    return checked(TargetSettings, described)


def _label(given: str) -> tuple[str, str]:
    key, equals, value = given.partition("=")
    if not equals or not key:
        raise SettingsError(f"--label {given!r}: write it as KEY=VALUE")
    return key, value
