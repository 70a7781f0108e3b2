"""The filesystems that a process uses: how full they are, bytes and inodes, seen as the process sees them."""

import errno
import os
from typing import Final

from diagmesh.adapters.blinds import Blinds
from diagmesh.adapters.mountinfo import Mounted, mount_of, parse_mountinfo
from diagmesh.adapters.procfs import NotThere, PidDir
from diagmesh.contract.answers.surroundings import Disks, Filesystem
from diagmesh.errors import NotRunning, Unreadable
from diagmesh.target import Aged, Disk

__all__ = ["disks_of", "fullest"]

_DESCRIPTORS_LIMIT: Final = 4096
_OPEN_FILES: Final = "filesystems of open files"
_FIX: Final = {
    errno.EACCES: "allow the sidecar's user to see that mount (FUSE: allow_other, NFS: no root squash)",
    errno.EIO: "look at the disk or the server behind that mount: see the kernel's log",
    errno.ESTALE: "mount it again: the server does not know it any more",
}
# Nothing of these is stored anywhere, or (read-only images) they are always full.
_PSEUDO: Final = frozenset(
    {"autofs", "binfmt_misc", "bpf", "cgroup", "cgroup2", "configfs", "debugfs", "devpts", "devtmpfs", "efivarfs"}
    | {"fusectl", "hugetlbfs", "mqueue", "nsfs", "proc", "pstore", "rpc_pipefs", "securityfs", "selinuxfs", "sysfs"}
    | {"tracefs", "erofs", "iso9660", "squashfs"}
)


def disks_of(process: PidDir) -> Disk:
    """Every filesystem behind its root, working directory, executable and open files, each once.

    May block on a mount whose server is gone.

    Raises:
        NotRunning: it ended.
    """
    survey = _Survey(process)
    for name in ("root", "cwd", "exe"):
        survey.place(name)
    survey.open_files()
    return survey.disk()


class _Survey:
    """One look, put together place by place; what cannot be seen is blind, by the name of its mount where known."""

    def __init__(self, process: PidDir) -> None:
        self._process = process
        self._blinds = Blinds()
        self._found: dict[int, tuple[str, os.statvfs_result, set[str]]] = {}
        text = self._blinds.see(lambda: process.read("mountinfo", "mounts")) or b""
        self._mounts = parse_mountinfo(text.decode("utf-8", "replace"))

    def place(self, name: str) -> None:
        """Note the filesystem of one of its links."""
        try:
            self._note(name, name)
        except Unreadable as refusal:
            self._blinds.met(Unreadable(f"filesystem of the {name}", refusal.why, refusal.fix))

    def open_files(self) -> None:
        """Note the filesystems of its open files."""
        try:
            names = self._process.names("fd", _OPEN_FILES)
            for name in names[:_DESCRIPTORS_LIMIT]:
                self._open_file(f"fd/{name}")
        except Unreadable as refusal:
            self._blinds.met(refusal)
            return
        if len(names) > _DESCRIPTORS_LIMIT:
            why = f"only {_DESCRIPTORS_LIMIT} of {len(names)} descriptors were looked at"
            self._blinds.met(Unreadable(_OPEN_FILES, why))

    def disk(self) -> Disk:
        """All that was found, in the order of the mount points."""
        found = [self._told(target, size, uses) for target, size, uses in self._found.values()]
        return Disk(filesystems=tuple(sorted(filter(None, found), key=lambda one: one.mount)), blind=self._blinds.all())

    def _open_file(self, link: str) -> None:
        try:
            self._note(link, "open files")
        except NotThere:
            pass  # closed meanwhile
        except NotRunning:
            self._process.living_stat()  # likewise, unless the process itself ended

    def _note(self, link: str, use: str) -> None:
        target = self._process.link(link, _OPEN_FILES).removesuffix(" (deleted)")
        if not target.startswith("/"):
            return  # a socket, a pipe or the like
        path = self._process.path(link)  # a magic link: its text may name another file in our own mounts
        try:
            device = os.stat(path).st_dev  # noqa: PTH116  as above
            if device not in self._found:
                self._found[device] = (target, os.statvfs(path), set())
            self._found[device][2].add(use)
        except OSError as error:
            if error.errno in {errno.ENOENT, errno.ESRCH}:
                raise self._process.refusal(error, _OPEN_FILES) from None
            self._hidden(target, error)

    def _hidden(self, target: str, error: OSError) -> None:
        mount = mount_of(target, self._mounts)
        if mount is None or mount.kind not in _PSEUDO:
            what = f"filesystem {mount.point if mount else target}"
            why = error.strerror or str(error)
            self._blinds.met(Unreadable(what, why, _FIX.get(error.errno or 0, "")))

    def _told(self, target: str, size: os.statvfs_result, uses: set[str]) -> Filesystem | None:
        mount = mount_of(target, self._mounts)
        if not size.f_blocks or (mount is not None and mount.kind in _PSEUDO):
            return None
        return _filesystem(mount, target, size, uses)


def _filesystem(mount: Mounted | None, target: str, size: os.statvfs_result, uses: set[str]) -> Filesystem:
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
