"""Leaves nothing behind, even when `diagmesh up` is killed with SIGKILL.

Runs as a process of its own (`python -I -S keeper.py DIRECTORY STATE_FILE`) and leads the process group that every
child of `up` is born into. It reads from a pipe whose other end only `up` holds. When that end closes, whatever the
reason, the keeper ends the group and removes the directory and the state file. Nothing has to be registered, so there
is no moment in which a child could be missed, and a process id cannot be mistaken: the id of a group is not given out
again while it has members. Standard library only, so that it starts in a few milliseconds and stays small.
"""

import contextlib
import os
import shutil
import signal
import sys
import time
from pathlib import Path

GRACE_S = 3.0
_PACE_S = 0.05


def others(group: int) -> list[int]:
    """The living members of a process group except ourselves (zombies are gone already, only not yet collected)."""
    members = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal() or int(entry.name) == os.getpid():
            continue
        try:
            # After the command name, which may hold anything: state, parent, group.
            state, _, its_group = (entry / "stat").read_bytes().rpartition(b")")[2].split()[:3]
        except (OSError, ValueError):
            continue
        if int(its_group) == group and state not in (b"Z", b"X"):
            members.append(int(entry.name))
    return members


def end_group(group: int) -> None:
    """Ask all others of the group to end, and kill those that do not."""
    for number, patience_s in ((signal.SIGTERM, GRACE_S), (signal.SIGKILL, GRACE_S)):
        until = time.monotonic() + patience_s
        asked: set[int] = set()
        while (left := others(group)) and time.monotonic() < until:
            for pid in set(left) - asked:
                _send(pid, number)
            asked.update(left)
            time.sleep(_PACE_S)


def _send(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
        os.kill(pid, signal.SIGCONT)  # a frozen process would take no notice of SIGTERM
    except ProcessLookupError:
        pass


def main(directory: str, state_file: str) -> None:
    """Wait for the end of `up`, then clean up."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    os.write(1, b"ready\n")
    os.close(1)
    while os.read(0, 4096):
        pass
    end_group(os.getpgrp())
    shutil.rmtree(directory, ignore_errors=True)
    Path(state_file).unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        Path(state_file).parent.rmdir()  # only when it was the last one


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
