"""`resources`: what is used, against which limit, and how long until it is met."""

from collections.abc import Iterator
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from diagmesh.contract.answers.cgroup import Bound, Stall
from diagmesh.contract.answers.resources import Resources, Trend
from diagmesh_cli.views.parts import blind_lines
from diagmesh_cli.views.view import Cell, View
from diagmesh_cli.views.words import MISSING, amount, cores, duration, share, size

__all__ = ["VIEW"]

_NEAR: Final = 0.8
_OVER: Final = 0.95
Line = tuple[str, str, str, Cell, str]


def _page(answer: Resources) -> RenderableType:
    process = answer.process
    head = Text(f"process {process.pid} ({process.state}), up {duration(process.uptime_s)}", "dim")
    table = Table(box=None, pad_edge=False)
    table.add_column("", no_wrap=True)
    table.add_column("USED", no_wrap=True, justify="right")
    table.add_column("LIMIT", no_wrap=True, justify="right")
    table.add_column("SHARE", no_wrap=True, justify="right")
    table.add_column("MORE", overflow="fold")
    for name, used, limit, part, more in (*_main_lines(answer), *_other_lines(answer)):
        table.add_row(name, used, limit, part, more)
    return Group(head, Text(), table, *blind_lines(answer.blind))


def _main_lines(answer: Resources) -> Iterator[Line]:
    cpu, memory, files, threads = answer.cpu, answer.memory, answer.descriptors, answer.threads
    quota = cpu.cgroup.quota_cores if cpu.cgroup is not None else None
    bound = cpu.cgroup.bound if cpu.cgroup is not None else Bound.UNKNOWN
    throttled = f"throttled in {share(cpu.throttled_share)} of periods" if cpu.throttled_share else ""
    yield "cpu cores", cores(cpu.cores_used), _limit(bound, cores(quota)), _part(cpu.share_of_quota), throttled
    group = memory.cgroup
    yield "memory rss", size(memory.rss_bytes), "", "", _more(_pss(memory.pss_bytes), _trend(memory.trend, "bytes"))
    if group is not None:
        limit = _limit(group.bound, size(group.limit_bytes))
        killed = group.events.oom_kill if group.events is not None else None
        kills = f"{killed} killed for lack of memory" if killed else ""
        yield "memory cgroup", size(group.working_set_bytes), limit, _part(group.share_of_limit), kills
    limit = _limit(files.bound, amount(files.soft_limit))
    yield "descriptors", amount(files.held), limit, _part(files.share_of_limit), _trend(files.trend, "")
    usual = f"usually {amount(threads.usual)}" if threads.usual is not None else ""
    yield "threads", amount(threads.count), "", "", _more(usual, _trend(threads.trend, ""))
    if threads.cgroup is not None:
        limit = _limit(threads.cgroup.bound, amount(threads.cgroup.limit))
        yield "tasks cgroup", amount(threads.cgroup.current), limit, _part(threads.cgroup.share_of_limit), ""


def _other_lines(answer: Resources) -> Iterator[Line]:
    if (sockets := answer.sockets) is not None:
        more = f"{sockets.established} established, {sockets.close_wait} not closed by the program"
        yield "sockets", amount(sockets.total), "", "", more
    if (disks := answer.disks) is not None:
        yield "fullest disk", "", "", _part(disks.fullest_share), disks.fullest_at
        yield "fullest inodes", "", "", _part(disks.fullest_inodes_share), disks.fullest_inodes_at
    if (network := answer.network) is not None:
        more = f"in {size(network.rx_bytes)}, out {size(network.tx_bytes)}, errors {network.errors}"
        yield "network", "", "", "", f"{more}, dropped {network.dropped} ({network.scope})"
    if (pressure := answer.pressure) is not None:
        stalls = [(name, stall) for name in ("cpu", "memory", "io") if (stall := getattr(pressure, name)) is not None]
        more = ", ".join(f"{name} {_stalled(stall)}" for name, stall in stalls)
        yield "waiting for", "", "", "", f"{more} of 10 s ({pressure.scope})"


def _stalled(stall: Stall) -> str:
    return share(stall.some_avg10)


def _limit(bound: Bound, text: str) -> str:
    match bound:
        case Bound.LIMITED:
            return text
        case Bound.UNLIMITED:
            return "none"
        case _:
            return "unknown"


def _part(value: float | None) -> Text:
    style = "bold red" if (value or 0) >= _OVER else "yellow" if (value or 0) >= _NEAR else ""
    return Text(share(value), style)


def _pss(value: int | None) -> str:
    return f"pss {size(value)}" if value is not None else ""


def _trend(trend: Trend | None, unit: str) -> str:
    """Only clear growth is worth a word."""
    if trend is None or trend.slope_low <= 0:
        return ""
    per_minute = size(trend.slope * 60) if unit == "bytes" else amount(trend.slope * 60)
    until = trend.to_limit
    said = f"grows {per_minute}/min over {duration(trend.over_s)}"
    return f"{said}, {until.limit} in {duration(until.likely_s)}" if until is not None else said


def _more(*parts: str) -> str:
    return ", ".join(part for part in parts if part)


def _row(answer: Resources) -> tuple[Cell, ...]:
    group = answer.memory.cgroup
    disk = answer.disks.fullest_share if answer.disks is not None else None
    return (
        Text(cores(answer.cpu.cores_used)),
        Text(size(answer.memory.rss_bytes)),
        _part(group.share_of_limit if group is not None else None),
        Text(amount(answer.descriptors.held)),
        _part(answer.descriptors.share_of_limit),
        Text(amount(answer.threads.count)),
        _part(disk),
        Text(str(len(answer.blind)) if answer.blind else MISSING, "yellow"),
    )


def _limits(answer: Resources) -> dict[str, float]:
    """Of what is watched, how much it may have; what is unlimited or not known is left out."""
    cpu, memory, threads = answer.cpu, answer.memory.cgroup, answer.threads
    quota = cpu.cgroup.quota_cores if cpu.cgroup is not None else None
    cores_most = min((one for one in (quota, cpu.allowed_cpus) if one is not None), default=None)
    found = {
        "cpu.cores_used": cores_most,
        "memory.rss_bytes": memory.limit_bytes if memory is not None else None,
        "descriptors.held": answer.descriptors.soft_limit,
        "threads.count": threads.cgroup.limit if threads.cgroup is not None else None,
    }
    return {path: limit for path, limit in found.items() if limit is not None}


_COLUMNS: Final = ("CORES", "RSS", "MEM/LIM", "FDS", "FDS/LIM", "THR", "DISK", "BLIND")
_WATCHED: Final = ("cpu.cores_used", "memory.rss_bytes", "descriptors.held", "threads.count")
VIEW: Final = View(answer=Resources, columns=_COLUMNS, row=_row, page=_page, watched=_WATCHED, limits=_limits)
