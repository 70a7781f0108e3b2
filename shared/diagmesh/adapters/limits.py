"""Limits, I/O, memory split and context switches of one process, parsed from its files in /proc."""

from typing import Final, NamedTuple

from diagmesh.adapters.digits import is_number
from diagmesh.adapters.procfs import NotThere, PidDir
from diagmesh.contract.answers.resources import ContextSwitches, Io
from diagmesh.errors import NotRunning, Unreadable

__all__ = [
    "Limit",
    "Limits",
    "MemorySplit",
    "context_switches_of",
    "io_of",
    "memory_split_of",
    "oom_score_of",
    "parse_fields",
    "parse_limit",
    "peak_rss_of",
]

_THREADS_LIMIT: Final = 512
_KIB: Final = 1024
_ROOT: Final = 0


class Limit(NamedTuple):
    """A limit that a process runs under (setrlimit(2)); None is *unlimited*."""

    soft: int | None
    hard: int | None


class MemorySplit(NamedTuple):
    """Resident memory by whom it belongs to, in bytes."""

    pss: int
    uss: int
    swap: int


def parse_fields(text: str) -> dict[str, int]:
    """Lines of ``name: number [unit]``; other lines are passed over."""
    found = {}
    for line in text.splitlines():
        name, colon, rest = line.partition(":")
        number = rest.split()
        if colon and number and is_number(number[0]):
            found[name] = int(number[0])
    return found


def parse_limit(text: str, name: str) -> Limit | None:
    """The line of ``/proc/<pid>/limits`` that begins with a name (``Max open files``); None when there is none."""
    # One of sixteen lines: looked up in the text, which is cheaper than reading them all.
    _, _, rest = f"\n{text}".partition(f"\n{name}")
    values = rest.partition("\n")[0].split()
    if len(values) >= 2 and all(value == "unlimited" or is_number(value) for value in values[:2]):
        soft, hard = (None if value == "unlimited" else int(value) for value in values[:2])
        return Limit(soft, hard)
    return None


class Limits:
    """The limits that a process really runs under, read once.

    Args:
        process: whose they are.
    """

    def __init__(self, process: PidDir) -> None:
        self._process = process
        self._content: str | None = None

    def descriptors(self) -> Limit:
        """Of descriptors.

        Raises:
            Unreadable: the system refuses.
            NotRunning: it ended (as in all functions here).
        """
        return self._limit("Max open files", "descriptor limit")

    def tasks(self) -> Limit:
        """How many threads all processes of its user may have together; root is not bound by that (setrlimit(2))."""
        limit = self._limit("Max processes", "limit of processes")
        return Limit(None, None) if self._process.uid() == _ROOT else limit

    def _limit(self, name: str, what: str) -> Limit:
        if self._content is None:
            self._content = self._process.read_again("limits", what).decode("ascii", "replace")
        limit = parse_limit(self._content, name)
        if limit is None:
            self._process.living_stat()
            raise Unreadable(what, "the kernel does not tell it")
        return limit


def io_of(process: PidDir) -> Io:
    """What it read and wrote since its start; raises `Unreadable` when the system refuses."""
    fields = parse_fields(process.read_again("io", "I/O").decode("ascii", "replace"))
    try:
        return Io(
            disk_read_bytes=fields["read_bytes"],
            disk_write_bytes=fields["write_bytes"],
            call_read_bytes=fields["rchar"],
            call_write_bytes=fields["wchar"],
            read_calls=fields["syscr"],
            write_calls=fields["syscw"],
        )
    except KeyError:
        process.living_stat()
        raise Unreadable(
            "I/O", "this kernel does not count it", "use a kernel with CONFIG_TASK_IO_ACCOUNTING"
        ) from None


def oom_score_of(process: PidDir) -> int:
    """How likely the kernel is to end it when memory runs out."""
    text = process.read_again("oom_score", "oom score").decode("ascii", "replace").strip()
    if not text.isdecimal():
        process.living_stat()
        raise Unreadable("oom score", "the kernel does not tell it")
    return int(text)


def memory_split_of(process: PidDir) -> MemorySplit:
    """Its own, its share of the shared, and the swapped memory. The kernel walks all page tables for it: expensive."""
    fields = parse_fields(_text(process, "smaps_rollup", "PSS, USS and swap"))
    if "Pss" not in fields:
        process.living_stat()
        raise Unreadable("PSS, USS and swap", "the kernel does not tell it")
    own = fields.get("Private_Clean", 0) + fields.get("Private_Dirty", 0) + fields.get("Private_Hugetlb", 0)
    return MemorySplit(fields["Pss"] * _KIB, own * _KIB, fields.get("Swap", 0) * _KIB)


def peak_rss_of(process: PidDir) -> int:
    """Its highest resident size so far, in bytes."""
    peak = parse_fields(_text(process, "status", "peak memory")).get("VmHWM")
    if peak is None:
        process.living_stat()
        raise Unreadable("peak memory", "the kernel does not tell it")
    return peak * _KIB


def context_switches_of(process: PidDir) -> ContextSwitches:
    """The switches of all threads that live now: the kernel counts them per thread, so many threads are many files."""
    threads = process.names("task", "context switches")
    if len(threads) > _THREADS_LIMIT:
        raise Unreadable("context switches", f"{len(threads)} threads are too many to read one by one")
    counts: list[ContextSwitches] = []
    for thread in threads:
        try:
            counts.append(_switches(process, thread))
        except NotRunning:
            process.living_stat()  # only this thread ended
        except NotThere:
            continue  # likewise
    process.living_stat()
    if not counts:
        raise Unreadable("context switches", "not one of its threads could be read")
    return ContextSwitches(
        voluntary=sum(one.voluntary for one in counts), involuntary=sum(one.involuntary for one in counts)
    )


def _switches(process: PidDir, thread: str) -> ContextSwitches:
    fields = parse_fields(_text(process, f"task/{thread}/status", "context switches"))
    try:
        return ContextSwitches(
            voluntary=fields["voluntary_ctxt_switches"], involuntary=fields["nonvoluntary_ctxt_switches"]
        )
    except KeyError:
        raise Unreadable("context switches", "this kernel does not count them") from None


def _text(process: PidDir, name: str, what: str) -> str:
    return process.read_small(name, what).decode("ascii", "replace")
