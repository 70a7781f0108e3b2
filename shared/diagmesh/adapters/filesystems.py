"""The filesystems that a process uses: how full they are, bytes and inodes, seen as the process sees them."""

import os
import re
from typing import Final, NamedTuple

from diagmesh.adapters.blinds import Blinds
from diagmesh.adapters.procfs import PidDir
from diagmesh.contract.answers.surroundings import Disks, Filesystem
from diagmesh.errors import NotRunning, Unreadable
from diagmesh.target import Aged, Disk

__all__ = ["MountPoint", "disks_of", "fullest", "mount_of", "parse_mount_points"]

_DESCRIPTORS_LIMIT: Final = 4096
_OCTAL: Final = re.compile(r"\\([0-7]{3})")
# Nothing of these is stored anywhere, or (read-only images) they are always full.
_PSEUDO: Final = frozenset(
    {"autofs", "binfmt_misc", "bpf", "cgroup", "cgroup2", "configfs", "debugfs", "devpts", "devtmpfs", "efivarfs"}
    | {"fusectl", "hugetlbfs", "mqueue", "nsfs", "proc", "pstore", "rpc_pipefs", "securityfs", "selinuxfs", "sysfs"}
    | {"tracefs", "erofs", "iso9660", "squashfs"}
)


class MountPoint(NamedTuple):
    """One line of ``/proc/<pid>/mountinfo``: where, and which type of filesystem."""

    point: str
    kind: str


def parse_mount_points(text: str) -> list[MountPoint]:
    """The mounts of a process's mount namespace (proc_pid_mountinfo(5)), later ones hide earlier ones."""
    found = []
    for line in text.splitlines():
        left, _, right = line.partition(" - ")
        fields, tail = left.split(), right.split()
        if len(fields) >= 6 and tail:
            found.append(MountPoint(_OCTAL.sub(lambda match: chr(int(match[1], 8)), fields[4]), tail[0]))
    return found


def mount_of(path: str, mounts: list[MountPoint]) -> MountPoint | None:
    """The mount that holds a path: the longest mount point above it, of equal ones the last."""
    best = None
    for mount in mounts:
        inside = path == mount.point or path.startswith(mount.point.rstrip("/") + "/")
        if inside and (best is None or len(mount.point) >= len(best.point)):
            best = mount
    return best


def disks_of(process: PidDir) -> Disk:
    """Every filesystem behind its root, working directory, executable and open files, each once.

    May block on a mount whose server is gone.

    Raises:
        NotRunning: it ended.
    """
    blinds = Blinds()
    mounts = parse_mount_points(
        (blinds.see(lambda: process.read("mountinfo", "mounts")) or b"").decode("utf-8", "replace")
    )
    seen: dict[int, tuple[str, str, set[str]]] = {}
    for name, use in (("root", "root"), ("cwd", "cwd"), ("exe", "exe")):
        try:
            _note(process, name, use, seen)
        except Unreadable as refusal:
            blinds.met(Unreadable(f"filesystem of the {use}", refusal.why, refusal.fix))
    try:
        _open_files(process, seen)
    except Unreadable as refusal:
        blinds.met(Unreadable("filesystems of open files", refusal.why, refusal.fix))
    found = [_look(process, *entry, mounts) for entry in seen.values()]
    return Disk(filesystems=tuple(sorted(filter(None, found), key=lambda one: one.mount)), blind=blinds.all())


def _open_files(process: PidDir, seen: dict[int, tuple[str, str, set[str]]]) -> None:
    names = process.names("fd", "filesystems of open files")
    for name in names[:_DESCRIPTORS_LIMIT]:
        try:
            _note(process, f"fd/{name}", "open files", seen)
        except NotRunning:
            process.living_stat()
        except Unreadable as refusal:
            if refusal.fix:
                raise
            continue  # closed meanwhile
    if len(names) > _DESCRIPTORS_LIMIT:
        raise Unreadable(
            "filesystems of open files", f"only {_DESCRIPTORS_LIMIT} of {len(names)} descriptors were looked at"
        )


def _note(process: PidDir, link: str, use: str, seen: dict[int, tuple[str, str, set[str]]]) -> None:
    target = process.link(link, "filesystems")
    if not target.startswith("/"):
        return  # a socket, a pipe or the like
    try:
        device = os.stat(process.path(link)).st_dev  # noqa: PTH116  a magic link: its text may name another file
    except OSError as error:
        raise process.refusal(error, "filesystems") from None
    seen.setdefault(device, (link, target, set()))[2].add(use)


def _look(process: PidDir, link: str, target: str, uses: set[str], mounts: list[MountPoint]) -> Filesystem | None:
    mount = mount_of(target.removesuffix(" (deleted)"), mounts)
    if mount is not None and mount.kind in _PSEUDO:
        return None
    try:
        size = os.statvfs(process.path(link))
    except OSError:
        return None  # the file was closed meanwhile
    if not size.f_blocks:
        return None
    used, usable = size.f_blocks - size.f_bfree, size.f_blocks - size.f_bfree + size.f_bavail
    inodes = size.f_files - size.f_ffree + size.f_favail
    return Filesystem(
        mount=mount.point if mount else target,
        kind=mount.kind if mount else "unknown",
        used_for=tuple(sorted(uses)),
        total_bytes=size.f_blocks * size.f_frsize,
        free_bytes=size.f_bavail * size.f_frsize,
        used_share=round(used / usable, 4) if usable else 1.0,
        total_inodes=size.f_files or None,
        free_inodes=size.f_favail if size.f_files else None,
        used_inodes_share=round((size.f_files - size.f_ffree) / inodes, 4) if size.f_files and inodes else None,
        read_only=bool(size.f_flag & os.ST_RDONLY),
    )


def fullest(seen: Aged[Disk], *, each: bool) -> Disks:
    """The fullest of the writable filesystems, by bytes and by inodes; with ``each`` all of them as well."""
    writable = [one for one in seen.value.filesystems if not one.read_only]
    by_bytes = max(writable, key=lambda one: one.used_share, default=None)
    by_inodes = max(
        (one for one in writable if one.used_inodes_share is not None),
        key=lambda one: one.used_inodes_share or 0.0,
        default=None,
    )
    return Disks(
        fullest_share=by_bytes.used_share if by_bytes else None,
        fullest_at=by_bytes.mount if by_bytes else "",
        fullest_inodes_share=by_inodes.used_inodes_share if by_inodes else None,
        fullest_inodes_at=by_inodes.mount if by_inodes else "",
        count=len(seen.value.filesystems),
        age_s=round(seen.age_s, 3),
        filesystems=seen.value.filesystems if each else (),
    )
