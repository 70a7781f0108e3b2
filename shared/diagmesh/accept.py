"""What a process refuses before it starts, beyond the form of its settings; `config check` refuses the same.

What belongs to one part is refused there: connections by `diagmesh.bus.nats`, probes by `make_all`, the way to find a
process by `way_of`.
"""

import logging
from collections.abc import Collection, Iterable
from typing import Final

from diagmesh.contract.names import check_token
from diagmesh.errors import BadName, SettingsError
from diagmesh.settings import CoordinatorSettings, SidecarSettings, TargetSettings

__all__ = [
    "CONTROL_KINDS",
    "COORDINATOR_CONTROL_KINDS",
    "FORGET",
    "LOG_LEVEL",
    "check_control",
    "check_coordinator",
    "check_disabled",
    "check_unique",
    "listening_at",
    "log_number",
]

FORGET: Final = "forget"
LOG_LEVEL: Final = "log-level"
CONTROL_KINDS: Final = (LOG_LEVEL,)
"""What operators can be allowed to do with a sidecar."""
COORDINATOR_CONTROL_KINDS: Final = (FORGET, LOG_LEVEL)
"""What operators can be allowed to do with a coordinator."""


def log_number(level: str) -> int:
    """A log level as `logging` counts it.

    Raises:
        SettingsError: no such level.
    """
    number = logging.getLevelNamesMapping().get(level.upper())
    if number is None:
        raise SettingsError(f"log_level: {level!r} is none of debug, info, warning, error")
    return number


def check_unique(targets: Iterable[TargetSettings]) -> None:
    """No two targets with one name; those without an instance name get one of their own later.

    Raises:
        SettingsError: two have the same; the message names it.
    """
    seen = set[tuple[str, str]]()
    for target in targets:
        name = (target.service, target.instance)
        if target.instance and name in seen:
            raise SettingsError(f"two targets are both named {'/'.join(name)}: give them instance names")
        seen.add(name)


def check_disabled(disable: Collection[str], known: Collection[str]) -> None:
    """Only kinds that there are can be disabled.

    Raises:
        SettingsError: the message names those that there are not.
    """
    unknown = set(disable) - set(known)
    if unknown:
        raise SettingsError(f"disable: no such kind: {', '.join(sorted(unknown))}")


def listening_at(where: str) -> tuple[str, int]:
    """Host and port of ``HOST:PORT``, ``[HOST]:PORT`` or ``PORT``; a port alone is one of the loopback address.

    Raises:
        SettingsError: that is no address.
    """
    host, colon, port = where.rpartition(":")
    bare = host.removeprefix("[").removesuffix("]") if host.startswith("[") and host.endswith("]") else host
    well = port.isascii() and port.isdecimal() and int(port) <= 65_535
    if not well or (colon and not bare) or (":" in bare and bare == host):
        raise SettingsError(
            f"metrics: {where!r} is no address: write PORT (this host only), HOST:PORT or [IPV6]:PORT;"
            " 0.0.0.0:PORT is open to everybody who reaches this host"
        )
    return bare or "127.0.0.1", int(port)


def check_coordinator(settings: CoordinatorSettings) -> None:
    """The names are legal, the control kinds exist, and the operators are keys.

    Raises:
        SettingsError: the message names the key.
    """
    try:
        if settings.instance:
            check_token(settings.instance, "instance")
        for service in settings.replicas:
            check_token(service, "replicas: service")
    except BadName as error:
        raise SettingsError(str(error)) from None
    if settings.metrics:
        listening_at(settings.metrics)
    _check_kinds(settings.control, COORDINATOR_CONTROL_KINDS)
    _check_operators(settings.operators)


def check_control(settings: SidecarSettings) -> None:
    """The operators are keys, the control kinds exist, and who opens the door says for whom and for what.

    Raises:
        SettingsError: the message names the key.
    """
    _check_kinds(settings.control, CONTROL_KINDS)
    if settings.control and not settings.operators:
        raise SettingsError('control: nobody may use it; list the public keys of its operators: operators = ["U…"]')
    _check_operators(settings.operators)


def _check_kinds(control: Collection[str], known: Collection[str]) -> None:
    if unknown := sorted(set(control) - set(known)):
        raise SettingsError(f"control: no such kind: {', '.join(unknown)}; there is: {', '.join(known)}")


def _check_operators(operators: Collection[str]) -> None:
    if operators:
        from diagmesh.control import Guard  # noqa: PLC0415  the signing library only where keys are used

        Guard(operators, boot="")
