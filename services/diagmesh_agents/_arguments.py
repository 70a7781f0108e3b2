"""The sidecar's command line: a settings file, or one target described by flags."""

import argparse
from typing import Final, NamedTuple

import msgspec

from diagmesh.arguments import ProgramParser, checked, connection
from diagmesh.errors import SettingsError
from diagmesh.settings import ProbeSettings, SidecarSettings, TargetSettings, load

__all__ = ["Given", "Launching", "parse", "split"]

_WAYS: Final = ("pid", "pid_file", "port", "exe", "command", "systemd", "container")
_LAUNCHING: Final = ("linger", "restart", "state_dir")
_LINGER_S: Final = 15.0
_LONGEST_LINGER_S: Final = 3600.0


class Launching(NamedTuple):
    """How a service is started by us.

    Args:
        command: program and arguments.
        linger_s: how long the sidecar answers after its end.
        restart: whether it is started again after a failure.
        state_dir: where exit records are kept; empty for the usual place.
    """

    command: list[str]
    linger_s: float
    restart: bool
    state_dir: str


class Given(NamedTuple):
    """What the command line says.

    Args:
        settings: of the sidecar.
        launching: what to start; None to stand beside what runs already.
        launched: what our launcher handed us; empty when we have none.
    """

    settings: SidecarSettings
    launching: Launching | None = None
    launched: str = ""


def _parser() -> ProgramParser:
    parser = ProgramParser(
        "diagmesh sidecar",
        "Stand beside a service instance and answer questions about it on NATS (diag.<service>.<kind>)."
        " With -- COMMAND, start the service as well: its output is passed through, its end is told apart and"
        " recorded, and this command ends with its exit code.",
        "the sidecar",
    )
    parser.epilog = (
        f"{parser.epilog} With -- COMMAND: its exit code, 128 and N when signal N ended it, 127 or 126 when it"
    )
    parser.epilog += " cannot be started."
    parser.usage = "diagmesh sidecar [OPTIONS] [-- COMMAND [ARGUMENT ...]]"
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
    launch = parser.add_argument_group("a service that is started by us (-- COMMAND)")
    launch.add_argument(
        "--linger", metavar="SECONDS", type=float, help="answer so long after its end (default 15, 0: not at all)"
    )
    launch.add_argument("--restart", choices=("no", "on-failure"), help="start it again when it fails (default no)")
    launch.add_argument(
        "--state-dir", metavar="DIRECTORY", help="for exit records (default: XDG_STATE_HOME, /var/lib for root)"
    )
    launch.add_argument("--launched", default="", help=argparse.SUPPRESS)
    other = parser.add_common()
    other.add_argument("--label", metavar="KEY=VALUE", action="append", default=[], help="told with every heartbeat")
    other.add_argument(
        "--operator", metavar="NKEY", action="append", default=[], help="public key that may sign control requests"
    )
    other.add_argument(
        "--control", metavar="KIND", action="append", default=[], help="what operators may do: log-level"
    )
    other.add_argument("--sample", metavar="SECONDS", type=float, help="pace of the cheap samples (default 5)")
    return parser


def parse(arguments: list[str]) -> Given:
    """Settings from file, environment and flags, and what is to be started.

    Raises:
        SettingsError: something is wrong, or no target is given; the message names it.
    """
    ours, command = split(arguments)
    given = _parser().parse_args(ours)
    settings = _settings(given)
    if command is None and not given.launched:
        alone = [f"--{name.replace('_', '-')}" for name in _LAUNCHING if getattr(given, name) is not None]
        if alone:
            raise SettingsError(f"{', '.join(alone)}: only for a service that is started here, with -- COMMAND")
        return Given(settings)
    _check_one(settings.targets)
    if command is None:
        return Given(settings, launched=given.launched)
    if not command:
        raise SettingsError("after -- the command is missing that starts the service")
    return Given(settings, _launching(given, command))


def split(arguments: list[str]) -> tuple[list[str], list[str] | None]:
    """Our own arguments, and the command after the first ``--`` (None without one)."""
    if "--" not in arguments:
        return arguments, None
    at = arguments.index("--")
    return arguments[:at], arguments[at + 1 :]


def _launching(given: argparse.Namespace, command: list[str]) -> Launching:
    linger_s = _LINGER_S if given.linger is None else given.linger
    if not 0 <= linger_s <= _LONGEST_LINGER_S:
        raise SettingsError(f"--linger {linger_s:g}: give 0 to {_LONGEST_LINGER_S:g} seconds")
    return Launching(command, linger_s, given.restart == "on-failure", given.state_dir or "")


def _check_one(targets: tuple[TargetSettings, ...]) -> None:
    """Whoever is started by us is one instance, and is known without being looked for."""
    if len(targets) != 1:
        raise SettingsError(f"-- COMMAND starts one instance, but there are {len(targets)} targets")
    ways = [name for name in _WAYS if getattr(targets[0], name)]
    if ways:
        raise SettingsError(
            f"{ways[0].replace('_', '-')} is a way to find a process, and -- COMMAND starts it: give one of the two"
        )


def _settings(given: argparse.Namespace) -> SidecarSettings:
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
    if given.alive_file is not None:
        tree["alive_file"] = given.alive_file
    tree["operators"] = (*settings.operators, *given.operator)
    tree["control"] = (*settings.control, *given.control)
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
