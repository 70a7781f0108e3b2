"""What a process refuses before it starts, beyond the form of its settings; `config check` refuses the same.

What belongs to one part is refused there: connections by `diagmesh.bus.nats`, probes by `make_all`, the way to find a
process by `way_of`.
"""

import logging
from collections.abc import Collection, Iterable

from diagmesh.contract.names import check_token
from diagmesh.errors import BadName, SettingsError
from diagmesh.settings import CoordinatorSettings, TargetSettings

__all__ = ["check_coordinator", "check_disabled", "check_unique", "log_number"]


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


def check_coordinator(settings: CoordinatorSettings) -> None:
    """The names are legal, and the operators are keys.

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
    if settings.operators:
        from diagmesh.control import Guard  # noqa: PLC0415  the signing library only where keys are used

        Guard(settings.operators, boot="")
