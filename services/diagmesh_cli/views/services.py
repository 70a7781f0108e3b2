"""`services`: who is there, who should be, who is missing and why."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from diagmesh.contract.directory import (
    CoordinatorEntry,
    InstanceEntry,
    InstanceState,
    RegistryState,
    ServiceEntry,
    Services,
)
from diagmesh.contract.mesh import Ended
from diagmesh_cli.views.parts import MOST_ROWS, bounded, indented, more_line
from diagmesh_cli.views.view import Cell, View
from diagmesh_cli.views.words import ago, plural, verdict

__all__ = ["VIEW", "coordinator_lines", "doubts"]


def _page(answer: Services) -> RenderableType:
    head = Text.assemble(
        plural(len(answer.services), "service"),
        (f" · {answer.live} live", "green" if answer.live else ""),
        (f" · {answer.missing} missing", "red") if answer.missing else "",
        (f" · kinds: {', '.join(answer.kinds)}", "dim"),
    )
    lines = (*coordinator_lines(answer), *doubts(answer), *_unremembered(answer))
    return Group(head, Text(), *_tables(answer.services), Text(), *lines)


def _unremembered(answer: Services) -> Iterator[RenderableType]:
    """That nothing outlives the coordinators, which is no fault: a choice, or a server without JetStream."""
    registry = answer.registry
    if registry is not None and registry.state is RegistryState.OFF:
        words = f"the registry is off: {registry.reason}; who is expected is known while a coordinator runs"
        yield indented(Text(words, "dim"))


def _tables(services: Sequence[ServiceEntry]) -> Iterator[RenderableType]:
    """A row per instance; of many instances only the missing ones, and the live ones folded per service."""
    every = [row for service in services for row in _rows(service)]
    if len(every) <= MOST_ROWS:
        yield _instances(cells for _, cells in every)
        return
    missing = [cells for live, cells in every if not live]
    if missing:
        yield _instances(missing[:MOST_ROWS])
        if len(missing) > MOST_ROWS:
            yield more_line(len(missing) - MOST_ROWS)
        yield Text()
    yield from _folded(services)


def _rows(service: ServiceEntry) -> Iterator[tuple[bool, tuple[Cell, ...]]]:
    """Whether it is live, and what its row says; one row for all that are declared and not known."""
    for one in service.instances:
        yield one.state is InstanceState.LIVE, _instance(service, one)
    if service.lacking:
        declared = f"of {service.declared} declared" if service.declared is not None else ""
        yield False, (Text(service.service, "bold"), Text(f"{service.lacking} missing", "red"), "", "", declared)


def _instances(rows: Iterable[tuple[Cell, ...]]) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("INSTANCE", overflow="fold", min_width=10)
    table.add_column("SIDECAR", no_wrap=True)
    table.add_column("SEEN", no_wrap=True)
    table.add_column("HOST", overflow="fold")
    table.add_column("WHY", overflow="fold")
    for cells in rows:
        table.add_row(*cells)
    return table


def _folded(services: Sequence[ServiceEntry]) -> Iterator[RenderableType]:
    """A row per service, those that lack somebody first."""
    table = Table(box=None, pad_edge=False)
    table.add_column("SERVICE", overflow="fold", min_width=8)
    table.add_column("LIVE", no_wrap=True, justify="right")
    table.add_column("ALL SEEN", no_wrap=True)
    counted = [(service, *_live(service)) for service in services]
    for service, live, wanted in sorted(counted, key=lambda row: (row[1] == row[2], row[0].service))[:MOST_ROWS]:
        seen = [one.last_seen for one in service.instances if one.state is InstanceState.LIVE and one.last_seen]
        since = f"{ago(min(seen))} or later" if seen else ""
        share = Text(f"{live}/{wanted}", "" if live == wanted else "red")
        table.add_row(Text(service.service, "bold"), share, since)
    yield table
    if len(counted) > MOST_ROWS:
        yield more_line(len(counted) - MOST_ROWS)


def _live(service: ServiceEntry) -> tuple[int, int]:
    live = sum(one.state is InstanceState.LIVE for one in service.instances)
    return live, len(service.instances) + service.lacking


def _instance(service: ServiceEntry, one: InstanceEntry) -> tuple[Cell, ...]:
    why = Text(one.reason)
    if one.labels:
        why.append(
            f"{' ' if one.reason else ''}{' '.join(f'{key}={value}' for key, value in one.labels.items())}", "dim"
        )
    return Text(f"{service.service}/{one.instance}", "bold"), verdict(one.state), ago(one.last_seen), one.host, why


def coordinator_lines(answer: Services) -> Iterator[RenderableType]:
    """The coordinators, the answering one marked."""
    yield from bounded(answer.coordinators, _coordinator)
    if answer.coordinators_lacking:
        of = f"{answer.coordinators_lacking} of {answer.coordinators_declared} declared coordinators"
        yield Text(f"{of} missing: never heard of, or left", "red")


def _coordinator(one: CoordinatorEntry) -> Iterator[RenderableType]:
    what = "answers here" if one.self else f"seen {ago(one.last_seen)}"
    where = f" on {one.host}" if one.host else ""
    text = Text.assemble("coordinator ", (one.instance, "bold"), (f"{where}, {what}", "dim"))
    if one.state is not InstanceState.LIVE:
        text.append(": ").append_text(verdict(one.state)).append(f": {one.reason}" if one.reason else "")
    yield text


def doubts(answer: Services) -> Iterator[RenderableType]:
    """What makes the directory doubtful."""
    if answer.ended is Ended.WARMING:
        yield indented(
            Text("the coordinator has just started or come back: it does not know yet who is missing", "yellow")
        )
    yield from bounded(answer.problems, lambda problem: [indented(Text(problem, "yellow"))])
    registry = answer.registry
    if registry is not None and registry.state is RegistryState.DEGRADED:
        waiting = f" ({plural(registry.pending, 'change')} not written)" if registry.pending else ""
        yield indented(Text(f"the registry is degraded: {registry.reason}{waiting}", "yellow"))
    yield from bounded(registry.notes if registry else (), lambda note: [indented(Text(note, "yellow"))])


def _row(answer: Services) -> tuple[Cell, ...]:
    lost = [one for service in answer.services for one in service.instances if one.state is not InstanceState.LIVE]
    return (Text(f"{plural(len(answer.services), 'service')}, {answer.live} live, {len(lost)} not"),)


VIEW: Final = View(answer=Services, columns=("DIRECTORY",), row=_row, page=_page)
