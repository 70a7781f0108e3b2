"""What the running program says of the race detector: whether it was built with it, and where it writes reports."""

import os
import re
from pathlib import Path
from typing import Final, NamedTuple

from diagmesh.adapters.buildinfo import build_of
from diagmesh.adapters.procfs import PROC, PidDir
from diagmesh.contract.answers.races import Detector
from diagmesh.contract.wire import Blind
from diagmesh.errors import Unreadable

__all__ = ["Program", "log_path_of", "program_of"]

_LOG_PATH: Final = re.compile(r"(?:\A|[\s,:])log_path=(?:\"([^\"]*)\"|'([^']*)'|([^\s,:\"']+))")
_STREAMS: Final = frozenset({"stderr", "stdout"})


class Program(NamedTuple):
    """One program.

    Args:
        detector: whether it was built with the race detector.
        why: what is known beyond that, or why nothing is.
        log: a way to the files that ``GORACE`` in its environment names; empty when it names none.
        shown: how these are called there.
        blind: what could not be seen of it.
    """

    detector: Detector
    why: str = ""
    log: str = ""
    shown: str = ""
    blind: tuple[Blind, ...] = ()


def program_of(pid: int, root: str = PROC) -> Program:
    """Look at a process; some milliseconds.

    Raises:
        NotRunning: it has ended.
    """
    directory, blind = PidDir(pid, root), []
    try:
        detector, why = _detector(directory)
    except Unreadable as refusal:
        detector, why = Detector.UNKNOWN, str(refusal)
        blind.append(Blind(what="whether it was built with -race", why=why, fix=refusal.fix))
    try:
        said = log_path_of(directory.read("environ", "environment"))
    except Unreadable:
        said = ""  # whoever sets it there can name it in the settings, too
    return Program(detector, why, _way(directory, said) if said else "", said, tuple(blind))


def _way(directory: PidDir, said: str) -> str:
    """The path as the process sees it; where that is our own view, one that still leads there when it has ended."""
    try:
        if directory.link("ns/mnt", "namespace") == str(Path(PROC, "self/ns/mnt").readlink()):
            return said if said.startswith("/") else f"{directory.link('cwd', 'working directory')}/{said}"
    except (OSError, Unreadable):
        pass
    return directory.path(f"root{said}" if said.startswith("/") else f"cwd/{said}")


def log_path_of(environment: bytes) -> str:
    """What ``GORACE`` in an environment (as the kernel shows it) says of ``log_path``; empty when that is a stream."""
    for one in environment.split(b"\0"):
        if one.startswith(b"GORACE="):
            found = _LOG_PATH.search(one[len(b"GORACE=") :].decode("utf-8", "replace"))
            path = next(filter(None, found.groups()), "") if found is not None else ""
            return "" if path in _STREAMS else path
    return ""


def _detector(directory: PidDir) -> tuple[Detector, str]:
    try:
        descriptor = os.open(directory.path("exe"), os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise directory.refusal(error, "executable") from None
    try:
        build = build_of(descriptor)
    except OSError as error:
        raise Unreadable("executable", f"its executable cannot be read: {error.strerror}") from None
    finally:
        os.close(descriptor)
    if build is None:
        return Detector.OFF, "there is no build information of Go in its program"
    if build.settings.get("-race") == "true":
        return Detector.ON, ""
    return Detector.OFF, "its program was built without -race"
