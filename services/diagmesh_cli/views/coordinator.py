"""`coordinator`: how a coordinator itself is: state, event loop, work, process, connection."""

from collections.abc import Iterator
from typing import Final

from rich.console import Group, RenderableType
from rich.text import Text

from diagmesh.contract.answers.coordinator import Coordinator, DirectoryPart, Link, LoopLag, OwnProcess
from diagmesh.contract.directory import Registry
from diagmesh_cli.views.parts import indented
from diagmesh_cli.views.view import Cell, View
from diagmesh_cli.views.words import MISSING, cores, duration, plural, size, took, verdict

__all__ = ["VIEW"]


def _page(answer: Coordinator) -> RenderableType:
    parts: list[RenderableType] = [Text.assemble(verdict(answer.state), "  ", answer.reason), Text()]
    parts += (Text.assemble((f"{name:<12}", "dim"), words) for name, words in _lines(answer))
    if answer.directory is not None:
        parts += [indented(Text(doubt, "yellow")) for doubt in answer.directory.unread]
    return Group(*parts)


def _lines(answer: Coordinator) -> Iterator[tuple[str, str]]:
    yield "runs", f"version {answer.version}, up {duration(answer.uptime_s)}, settings {answer.settings}"
    yield "loop late", _late(answer.loop_lag)
    work = answer.work
    refused = f"{work.refused_busy} refused as busy, {work.unsent} unsent"
    yield "questions", f"{work.in_work} of {work.limit} in work, {work.asked} so far, {refused}"
    if answer.process is not None:
        yield "process", _process(answer.process)
    if answer.directory is not None:
        yield "knows", _knows(answer.directory)
    if answer.link is not None:
        yield "connection", _connection(answer.link)
    if answer.registry is not None:
        yield "registry", _registry(answer.registry)


def _late(lag: LoopLag | None) -> str:
    if lag is None:
        return MISSING
    median, most, worst = (took(value * 1000) for value in (lag.p50_s, lag.p99_s, lag.max_s))
    return f"{median} (median), {most} (99 %), {worst} (worst), in {duration(lag.over_s)}"


def _process(own: OwnProcess) -> str:
    held = MISSING if own.descriptors is None else f"{own.descriptors} of {own.descriptors_limit or 'any'}"
    threads = MISSING if own.threads is None else plural(own.threads, "thread")
    return (
        f"{own.pid}: {cores(own.cores_used)} CPU, {size(own.rss_bytes)}, {held} descriptors, {threads},"
        f" {plural(own.tasks, 'task')}"
    )


def _knows(known: DirectoryPart) -> str:
    return f"{plural(known.instances, 'instance')}, {known.live} live, {plural(known.coordinators, 'coordinator')}"


def _connection(link: Link) -> str:
    where = f" to {link.server}" if link.server else ""
    return (
        f"{link.state}{where}, {plural(link.reconnects, 'reconnect')}, {link.dropped} dropped,"
        f" {plural(link.subscriptions, 'subscription')}, {link.inboxes} open inboxes"
    )


def _registry(kept: Registry) -> str:
    since = f" since {kept.since:%Y-%m-%d %H:%M:%S} UTC" if kept.since is not None else ""
    reason = f": {kept.reason}" if kept.reason else ""
    waiting = f", {plural(kept.pending, 'change')} not written" if kept.pending else ""
    return f"{kept.state}{since}{waiting}{reason}"


def _row(answer: Coordinator) -> tuple[Cell, ...]:
    late = took(answer.loop_lag.p99_s * 1000) if answer.loop_lag is not None else MISSING
    rss = size(answer.process.rss_bytes) if answer.process is not None else MISSING
    work = f"{answer.work.in_work}/{answer.work.limit}"
    return verdict(answer.state), duration(answer.uptime_s), late, work, rss, answer.reason


VIEW: Final = View(
    answer=Coordinator,
    columns=("STATE", "UP", "LATE p99", "WORK", "RSS", "REASON"),
    row=_row,
    page=_page,
    watched=("loop_lag.p99_s", "work.in_work", "process.rss_bytes", "process.cores_used"),
)
