"""CPU, memory and task limits of a control group and its ancestors: the tightest (kernel: cgroup-v1, cgroup-v2)."""

from typing import Final, NamedTuple

from diagmesh.adapters.cgroup_files import keyed, misshapen, number, text
from diagmesh.adapters.cgroup_places import Place
from diagmesh.adapters.kept import KeptFiles
from diagmesh.contract.answers.cgroup import Bound, CgroupCpu, CgroupMemory, CgroupPids, MemoryEvents

__all__ = ["cpu_of", "memory_of", "pids_of"]

_UNLIMITED_BYTES: Final = 1 << 60
"""v1 writes "no limit" as the largest number of whole pages that fits; no machine has a limit like that."""
_MICRO: Final = 1e-6
_NANO: Final = 1e-9


class _MemoryNames(NamedTuple):
    limit: str
    high: str
    usage: str
    peak: str
    inactive: str


_V1: Final = _MemoryNames(
    limit="memory.limit_in_bytes",
    high="",
    usage="memory.usage_in_bytes",
    peak="memory.max_usage_in_bytes",
    inactive="total_inactive_file",
)
_V2: Final = _MemoryNames("memory.max", "memory.high", "memory.current", "memory.peak", "inactive_file")


class _Level(NamedTuple):
    """A group whose limit and use are both known."""

    directory: str
    limit: int
    used: int

    @property
    def share(self) -> float:
        return self.used / max(self.limit, 1)

    @property
    def left(self) -> int:
        return max(0, self.limit - self.used)


def _levels(limited: list[tuple[str, int, int | None]]) -> list[_Level]:
    """The groups with a limit; none if the use of one is unknown, because that one may be nearest to its limit."""
    known = [_Level(directory, limit, used) for directory, limit, used in limited if used is not None]
    return known if len(known) == len(limited) else []


def memory_of(files: KeptFiles, place: Place) -> CgroupMemory:
    """Memory of the group against the smallest limit, and where it is nearest to one.

    Args:
        files: those of the group, kept open.
        place: of the controller.

    Raises:
        Unreadable: a file may not be read.
    """
    names = _V2 if place.unified else _V1
    leaf, whole_machine = place.directories[0], place.is_root
    own = _Use(None, None) if whole_machine else _use(files, leaf, names)
    limited = []
    for directory in place.directories:
        limit = _limit(files, f"{directory}/{names.limit}", "memory limit")
        if limit is not None:
            use = own if directory == leaf and not whole_machine else _use(files, directory, names)
            limited.append((directory, limit, use.working_set))
    highs = (
        [_limit(files, f"{directory}/{names.high}", "memory limit") for directory in place.directories]
        if names.high
        else []
    )
    levels = _levels(limited)
    nearest = max(levels, key=lambda level: level.share, default=None)
    return CgroupMemory(
        bound=_bound(place, limited=bool(limited)),
        limit_bytes=min((limit for _, limit, _ in limited), default=None),
        high_bytes=min((high for high in highs if high is not None), default=None),
        usage_bytes=own.usage,
        working_set_bytes=own.working_set,
        peak_bytes=None if whole_machine else number(files, f"{leaf}/{names.peak}", "memory usage"),
        share_of_limit=nearest and round(nearest.share, 4),
        share_at="" if nearest is None or nearest.directory == leaf else _name(place, nearest.directory),
        headroom_bytes=min((level.left for level in levels), default=None),
        events=None if whole_machine else _memory_events(files, leaf, unified=place.unified),
    )


class _Use(NamedTuple):
    """What a group uses, and how much of it the kernel cannot easily take back; None where it is not told."""

    usage: int | None
    working_set: int | None


def _use(files: KeptFiles, directory: str, names: _MemoryNames) -> _Use:
    usage = number(files, f"{directory}/{names.usage}", "memory usage")
    if usage is None:
        return _Use(None, None)
    # One of some forty lines: looked up in the text, which is a third cheaper than reading them all.
    _, _, rest = f"\n{text(files, f'{directory}/memory.stat', 'memory usage') or ''}".partition(f"\n{names.inactive} ")
    inactive = rest.partition("\n")[0]
    return _Use(usage, max(0, usage - (int(inactive) if inactive.isdecimal() else 0)))


def _memory_events(files: KeptFiles, leaf: str, *, unified: bool) -> MemoryEvents | None:
    if unified:
        events = keyed(files, f"{leaf}/memory.events", "memory events")
        if not events:
            return None
        return MemoryEvents(
            high=events.get("high"), max=events.get("max"), oom=events.get("oom"), oom_kill=events.get("oom_kill")
        )
    failed = number(files, f"{leaf}/memory.failcnt", "memory events")
    killed = keyed(files, f"{leaf}/memory.oom_control", "memory events").get("oom_kill")
    return None if failed is None and killed is None else MemoryEvents(max=failed, oom_kill=killed)


def cpu_of(files: KeptFiles, place: Place, accounting: Place | None) -> CgroupCpu:
    """The smallest CPU quota, and the counters of the level that has it (of the group itself when there is none).

    Args:
        files: those of the group, kept open.
        place: of the controller that has the quota.
        accounting: of v1's separate controller that counts the use.

    Raises:
        Unreadable: a file may not be read.
    """
    if place.is_root:
        return CgroupCpu(bound=Bound.UNLIMITED)
    quotas = []
    for depth, directory in enumerate(place.directories):
        quota = _quota_v2(files, directory) if place.unified else _quota_v1(files, directory)
        if quota is not None:
            quotas.append((quota[0] / quota[1], -depth, quota[1]))
    cores, negative_depth, period_us = min(quotas, default=(None, 0, None))
    directory = place.directories[-negative_depth]
    stat = keyed(files, f"{directory}/cpu.stat", "cpu throttling")
    throttled, unit_s = (stat.get("throttled_usec"), _MICRO) if place.unified else (stat.get("throttled_time"), _NANO)
    return CgroupCpu(
        bound=_bound(place, limited=cores is not None),
        quota_cores=cores,
        period_s=period_us and period_us * _MICRO,
        usage_s=_cpu_usage_s(files, place, directory, stat, accounting),
        periods=stat.get("nr_periods"),
        throttled_periods=stat.get("nr_throttled"),
        throttled_s=None if throttled is None or "nr_periods" not in stat else throttled * unit_s,
    )


def _quota_v2(files: KeptFiles, directory: str) -> tuple[int, int] | None:
    file = f"{directory}/cpu.max"
    content = text(files, file, "cpu quota")
    quota, _, period = (content or "").strip().partition(" ")
    if content is None or quota == "max":
        return None
    if not (quota.isdecimal() and period.isdecimal() and int(period)):
        raise misshapen(file, "cpu quota", "no quota")
    return int(quota), int(period)


def _quota_v1(files: KeptFiles, directory: str) -> tuple[int, int] | None:
    quota = number(files, f"{directory}/cpu.cfs_quota_us", "cpu quota")
    period = number(files, f"{directory}/cpu.cfs_period_us", "cpu quota")
    return (quota, period) if quota is not None and quota > 0 and period else None


def _cpu_usage_s(
    files: KeptFiles, place: Place, directory: str, stat: dict[str, int], accounting: Place | None
) -> float | None:
    if place.unified:
        return stat["usage_usec"] * _MICRO if "usage_usec" in stat else None
    if accounting is None or accounting.path != place.path:
        return None  # counted for another group than the one that has the quota
    depth = place.directories.index(directory)
    used = number(
        files, f"{accounting.directories[min(depth, len(accounting.directories) - 1)]}/cpuacct.usage", "cpu usage"
    )
    return None if used is None else used * _NANO


def pids_of(files: KeptFiles, place: Place) -> CgroupPids:
    """Tasks of the group against the limit that it is nearest to, here or in an ancestor.

    Args:
        files: those of the group, kept open.
        place: of the controller.

    Raises:
        Unreadable: a file may not be read.
    """
    if place.is_root:
        return CgroupPids(bound=Bound.UNLIMITED)
    limited = []
    for directory in place.directories:
        limit = number(files, f"{directory}/pids.max", "task limit")
        if limit is not None:
            limited.append((directory, limit, number(files, f"{directory}/pids.current", "tasks")))
    nearest = max(_levels(limited), key=lambda level: level.share, default=None)
    return CgroupPids(
        bound=_bound(place, limited=bool(limited)),
        limit=nearest.limit if nearest else min((limit for _, limit, _ in limited), default=None),
        current=nearest.used if nearest else number(files, f"{place.directories[0]}/pids.current", "tasks"),
        share_of_limit=nearest and nearest.share,
    )


def _limit(files: KeptFiles, file: str, what: str) -> int | None:
    limit = number(files, file, what)
    return None if limit is None or limit >= _UNLIMITED_BYTES else limit


def _bound(place: Place, *, limited: bool) -> Bound:
    if limited:
        return Bound.LIMITED
    return Bound.UNLIMITED if place.whole else Bound.UNKNOWN


def _name(place: Place, directory: str) -> str:
    """The path of an ancestor in its hierarchy."""
    up = place.directories.index(directory)
    parts = [part for part in place.path.split("/") if part]
    return "/" + "/".join(parts[: len(parts) - up])
