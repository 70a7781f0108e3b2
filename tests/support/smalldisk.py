"""A process with a small real filesystem of its own, which it fills and empties; nobody else ever sees that."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import pytest

from support.children import Child

__all__ = ["SmallDisk", "small_disk"]

_SCRIPT: Final = """
import ctypes, os, pathlib, sys, tempfile
CLONE_NEWNS, MS_REC, MS_PRIVATE = 0x20000, 0x4000, 0x40000
libc = ctypes.CDLL(None, use_errno=True)

def must(result):
    if result:
        print('refused: ' + os.strerror(ctypes.get_errno()), flush=True)
        sys.exit()

here = tempfile.mkdtemp().encode()
try:
    must(libc.unshare(CLONE_NEWNS))
    must(libc.mount(b'none', b'/', None, MS_REC | MS_PRIVATE, None))
    must(libc.mount(b'tmpfs', here, b'tmpfs', 0, b'size=4m,nr_inodes=100'))
    os.chdir(here)
    print(os.getcwd(), flush=True)
    for line in sys.stdin:
        said = 'emptied'
        try:
            if line == 'bytes\\n':
                pathlib.Path('large').write_bytes(bytes(8 << 20))
            elif line == 'inodes\\n':
                for number in range(200):
                    pathlib.Path(str(number)).touch()
            else:
                for file in pathlib.Path().iterdir():
                    file.unlink()
        except OSError as error:
            said = error.strerror
        print(said, flush=True)
finally:
    os.chdir('/')
    libc.umount(here)
    os.rmdir(here)
"""
_ALWAYS_IN_CI: Final = "CI as root can mount a filesystem, but: "


class SmallDisk:
    """The process, working in 4 MiB with 100 inodes.

    Args:
        child: with the script above.
    """

    def __init__(self, child: Child) -> None:
        self._child = child
        self.pid = child.pid
        self.mount = child.said

    def fill(self, what: str) -> None:
        """Use up all ``bytes`` or all ``inodes``."""
        assert self._do(what) == "No space left on device"

    def empty(self) -> None:
        """Give everything back."""
        assert self._do("nothing") == "emptied"

    def _do(self, what: str) -> str:
        stdin, stdout = self._child.process.stdin, self._child.process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(f"{what}\n")
        stdin.flush()
        return str(stdout.readline()).strip()


@contextmanager
def small_disk() -> Iterator[SmallDisk]:
    """A mount namespace of its own with a tmpfs, gone with the process. Skips where that may not be mounted."""
    with Child(_SCRIPT) as child:
        if child.said.startswith("refused: "):
            if os.environ.get("CI", "").lower() in {"true", "1"} and os.geteuid() == 0:
                pytest.fail(_ALWAYS_IN_CI + child.said)
            pytest.skip(f"a small filesystem cannot be mounted here: {child.said}")
        try:
            yield SmallDisk(child)
        finally:
            assert child.process.stdin is not None
            child.process.stdin.close()
            child.process.wait(10)
