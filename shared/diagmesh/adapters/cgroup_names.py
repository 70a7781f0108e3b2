"""What the path of a control group tells: which systemd unit, which container (cgroups(7))."""

import re
from typing import Final, NamedTuple

from diagmesh.adapters.digits import is_number

__all__ = ["GroupLine", "group_lines", "in_container", "in_unit", "unit_name"]

# docker, containerd, cri-o, podman and their systemd drivers all put the 64 hexadecimal digits of the id into one part
# of the path: bare (`/docker/<id>`, `/kubepods/…/<id>`), or `<runtime>-<id>.scope`, or `<slice>:cri-containerd:<id>`.
_CONTAINER: Final = re.compile(r"(?:^|[-:])([0-9a-f]{64})(?:\.scope)?$")
_MONITOR: Final = "conmon"


class GroupLine(NamedTuple):
    """One line of ``/proc/<pid>/cgroup``; the unified hierarchy (v2) has number 0 and names no controllers."""

    hierarchy: int
    controllers: frozenset[str]
    path: str


def group_lines(text: str) -> list[GroupLine]:
    """Read ``/proc/<pid>/cgroup``; lines of another form are passed over."""
    found = []
    for line in text.splitlines():
        number, first, rest = line.partition(":")
        controllers, second, path = rest.partition(":")
        if not (first and second and is_number(number) and path.startswith("/")):
            continue
        found.append(GroupLine(int(number), frozenset(filter(None, controllers.split(","))), path))
    return found


def unit_name(name: str) -> str:
    """The full name of a unit: a bare name means a service."""
    return name if "." in name else f"{name}.service"


def in_unit(lines: list[GroupLine], unit: str) -> bool:
    """Whether a process with these memberships belongs to the unit or to anything below it."""
    return any(unit in line.path.split("/") for line in _naming(lines))


def in_container(lines: list[GroupLine], prefix: str) -> bool:
    """Whether a process with these memberships runs in the container whose id begins so, or in one inside of it.

    The monitor that a runtime runs beside the container (conmon) carries its id too, but is not in it.
    """
    parts = {part for line in lines for part in line.path.split("/") if _MONITOR not in part}
    return any(match[1].startswith(prefix) for part in parts if (match := _CONTAINER.search(part)))


def _naming(lines: list[GroupLine]) -> list[GroupLine]:
    # systemd keeps units in its own named hierarchy (v1, hybrid) or in the unified one.
    named = [line for line in lines if "name=systemd" in line.controllers or line.hierarchy == 0]
    return named or lines
