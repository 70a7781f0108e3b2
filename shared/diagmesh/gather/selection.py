"""The names in a selection: what can be none is refused in the words of somebody who asks, not of one who names."""

from collections.abc import Collection
from typing import Final

from diagmesh.contract.names import RESERVED, check_token, shown
from diagmesh.errors import BadName, Declined

__all__ = ["check_instances", "check_services", "named"]

_EVERYBODY: Final = "all instances of every service: leave services empty"
_ALL_INSTANCES: Final = "all instances: leave instances empty"
_SEE: Final = "see diag.mesh.services"
_LEGAL: Final = "names are lower-case letters, digits and '-'"
_MEAN_ALL: Final = frozenset({"", "*", ">", "all"})
_MOST_NAMED: Final = 20
_NAME_CHARACTERS: Final = 63


def check_services(services: Collection[str], known: Collection[str] = ()) -> None:
    """Refuse what can be no service.

    Args:
        services: as they were given.
        known: all that there are, to name some of them.

    Raises:
        Declined: 400, with how to ask everybody if that was meant.
    """
    for service in services:
        if service in _MEAN_ALL or service in RESERVED:
            more = ", it means the coordinators" if service == "mesh" else ""
            raise Declined(f"services: {_quoted(service)} is no service{more}", hint=_EVERYBODY)
        if not _can_be(service):
            hint = f"services: {named(known)}" if known else _SEE
            raise Declined(f"services: {_quoted(service)} can be no service: {_LEGAL}", hint=hint)


def check_instances(instances: Collection[str]) -> None:
    """Refuse what can be no instance (``i1`` or ``orders/i1``).

    Raises:
        Declined: 400, with how to ask all instances if that was meant.
    """
    for instance in instances:
        tokens = instance.split("/", 1)
        if tokens[-1] in _MEAN_ALL:
            raise Declined(f"instances: {_quoted(instance)} is no instance", hint=_ALL_INSTANCES)
        if not all(_can_be(token) for token in tokens):
            raise Declined(f"instances: {_quoted(instance)} can be no instance: {_LEGAL}", hint=_SEE)


def named(names: Collection[str]) -> str:
    """Some of these names, and how many more there are."""
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return (", ".join(shown(name, _NAME_CHARACTERS) for name in [*names][:_MOST_NAMED]) or "none") + more


def _quoted(name: str) -> str:
    return repr(shown(name, _NAME_CHARACTERS))


def _can_be(token: str) -> bool:
    try:
        check_token(token, "name")
    except BadName:
        return False
    return True
