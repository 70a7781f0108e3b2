"""The coordinator's command line: a settings file, and flags that win over it."""

import msgspec

from diagmesh.arguments import ProgramParser, checked, connection
from diagmesh.errors import SettingsError
from diagmesh.settings import CoordinatorSettings, load

__all__ = ["parse"]


def _parser() -> ProgramParser:
    parser = ProgramParser(
        "diagmesh coordinator",
        "Know who is in the mesh, ask many at once and add the answers up (diag.mesh.<kind>).",
        "the coordinator",
    )
    who = parser.add_argument_group("who is expected")
    who.add_argument("--instance", metavar="NAME", help="name of this coordinator (default: host name with a suffix)")
    who.add_argument(
        "--replicas", metavar="SERVICE=N", action="append", default=[], help="how many instances there should be"
    )
    who.add_argument("--coordinators", metavar="N", type=int, help="how many coordinators there should be")
    who.add_argument("--forget-after", metavar="SECONDS", type=float, help="how long a lost instance stays expected")
    who.add_argument(
        "--registry",
        choices=("auto", "off", "required"),
        help="remember in JetStream who is expected (default auto: where that can be done)",
    )
    other = parser.add_common()
    other.add_argument("--deadline", metavar="SECONDS", type=float, help="for the last answer of a fan-out (default 2)")
    other.add_argument(
        "--operator", metavar="NKEY", action="append", default=[], help="public key that may sign control requests"
    )
    other.add_argument(
        "--control", metavar="KIND", action="append", help="what operators may do: forget (default), log-level"
    )
    other.add_argument(
        "--metrics", metavar="[HOST:]PORT", help="serve /metrics, /livez and /readyz there (default: nowhere)"
    )
    return parser


def parse(arguments: list[str]) -> CoordinatorSettings:
    """Settings from file, environment and flags.

    Raises:
        SettingsError: something is wrong; the message names it.
    """
    given = _parser().parse_args(arguments)
    settings = load(CoordinatorSettings, given.config)
    tree: dict[str, object] = msgspec.structs.asdict(settings)
    flags = {
        "instance": given.instance,
        "coordinators": given.coordinators,
        "forget_after_s": given.forget_after,
        "deadline_s": given.deadline,
        "heartbeat_s": given.heartbeat,
        "log_level": given.log_level,
        "alive_file": given.alive_file,
        "metrics": given.metrics,
    }
    tree |= {name: value for name, value in flags.items() if value is not None}
    tree["nats"] = connection(given, settings.nats)
    tree["replicas"] = settings.replicas | dict(_replicas(one) for one in given.replicas)
    if given.registry is not None:
        tree["registry"] = {**msgspec.structs.asdict(settings.registry), "keep": given.registry}
    tree["operators"] = [*settings.operators, *given.operator]
    if given.control is not None:
        tree["control"] = given.control
    return checked(CoordinatorSettings, tree)


def _replicas(given: str) -> tuple[str, int]:
    service, equals, count = given.partition("=")
    if not equals or not service or not count.isdecimal():
        raise SettingsError(f"--replicas {given!r}: write it as SERVICE=N")
    return service, int(count)
