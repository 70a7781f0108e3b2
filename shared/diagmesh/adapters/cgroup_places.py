"""Where the files of a process's control groups are: v1, v2 and hybrid, mounted whole or in part (cgroups(7)).

A process is a member of one group per hierarchy. Its path is told relative to the reader's cgroup namespace, and a
mount may show only a part of a hierarchy; both have to fit for the group to be visible. What our own mounts do not show
may be visible through the process's own root, as in a pod with a shared process namespace.
"""

from pathlib import Path
from typing import NamedTuple

from diagmesh.adapters.cgroup_files import refusal
from diagmesh.adapters.cgroup_names import GroupLine
from diagmesh.adapters.mountinfo import parse_mountinfo
from diagmesh.contract.answers.cgroup import CgroupVersion

__all__ = ["Mount", "Place", "Places", "parse_mounts", "places"]


class Mount(NamedTuple):
    """One mounted hierarchy: which part of it (``root``), where, and its controllers (none: v2)."""

    root: str
    point: str
    controllers: frozenset[str]
    unified: bool


class Place(NamedTuple):
    """The directories of one group and its visible ancestors, the group itself first.

    Args:
        unified: whether they have the files of v2.
        path: of the group in its hierarchy.
        directories: where its files are.
        whole: whether the last directory is the root of the hierarchy, so that no ancestor is hidden.
    """

    unified: bool
    path: str
    directories: tuple[str, ...]
    whole: bool

    @property
    def is_root(self) -> bool:
        """Whether the process is in the root group, which has no limits and stands for the whole machine."""
        return self.whole and len(self.directories) == 1


class Places(NamedTuple):
    """Where each controller's files are; the unified hierarchy is under the empty name. Hidden ones are listed."""

    version: CgroupVersion
    by_controller: dict[str, Place]
    hidden: tuple[str, ...]

    def of(self, controller: str) -> Place | None:
        """The place of a controller: its own hierarchy (v1), or the unified one."""
        return self.by_controller.get(controller)


def parse_mounts(text: str) -> list[Mount]:
    """The mounted cgroup hierarchies of a ``/proc/<pid>/mountinfo``."""
    found = []
    for mount in parse_mountinfo(text):
        if mount.kind in {"cgroup", "cgroup2"}:
            unified = mount.kind == "cgroup2"
            found.append(Mount(mount.root, mount.point, frozenset() if unified else mount.options, unified))
    return found


def places(lines: list[GroupLine], views: list[tuple[list[Mount], Path]]) -> Places:
    """Find the directories of every hierarchy that a process is in.

    Args:
        lines: the memberships of the process.
        views: mounts and the directory that they are seen through, the preferred one first.
    """
    unified_mounted = any(mount.unified for mounts, _ in views[:1] for mount in mounts)
    controllers = {name for line in lines for name in line.controllers if line.hierarchy and "=" not in name}
    found: dict[str, Place] = {}
    hidden = []
    for line in lines:
        if line.hierarchy == 0 and controllers and not unified_mounted:
            continue  # the kernel names the unified hierarchy even where nobody mounted it
        place = _visible(line, views)
        names = line.controllers or {""}
        if place is None:
            hidden.extend(sorted(names))
        else:
            found.update(dict.fromkeys(names, place))
    return Places(_version(lines, controllers, unified_mounted=unified_mounted), found, tuple(hidden))


def _version(lines: list[GroupLine], controllers: set[str], *, unified_mounted: bool) -> CgroupVersion:
    if not controllers:
        return CgroupVersion.V2
    has_unified = any(line.hierarchy == 0 for line in lines)
    return CgroupVersion.HYBRID if has_unified and unified_mounted else CgroupVersion.V1


def _visible(line: GroupLine, views: list[tuple[list[Mount], Path]]) -> Place | None:
    for mounts, through in views:
        for mount in mounts:
            fits = mount.unified if line.hierarchy == 0 else bool(line.controllers & mount.controllers)
            relative = _below(line.path, mount.root) if fits else None
            if relative is None:
                continue
            top = through / mount.point.lstrip("/")
            leaf = top / relative
            if _exists(leaf):
                return _place(line, mount, top, leaf)
    return None


def _place(line: GroupLine, mount: Mount, top: Path, leaf: Path) -> Place:
    chain = [leaf, *leaf.parents[: len(leaf.relative_to(top).parts)]]
    # Files that only the root of a hierarchy lacks (v2) or has (v1) tell whether ancestors stay hidden above our view.
    whole = not _exists(top / "cgroup.type") if mount.unified else _exists(top / "release_agent")
    return Place(mount.unified, line.path, tuple(map(str, chain)), whole)


def _exists(path: Path) -> bool:
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return False  # the last: a NUL, which no path can hold
    except OSError as error:
        raise refusal(error, str(path), "cgroup") from None
    return True


def _below(path: str, root: str) -> str | None:
    """The path relative to what is mounted; None when it lies outside or cannot be told from here."""
    if path == root:
        return ""
    prefix = root.rstrip("/") + "/"
    rest = path[len(prefix) :] if path.startswith(prefix) else None
    return None if rest is None or ".." in rest.split("/") else rest
