"""`services`: who is there, who should be, who is missing and why."""

from collections.abc import Iterator
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from diagmesh.contract.mesh import Ended, InstanceEntry, InstanceState, ServiceEntry, Services
from diagmesh_cli.views.parts import indented
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
    table = Table(box=None, pad_edge=False)
    table.add_column("INSTANCE", overflow="fold", min_width=10)
    table.add_column("SIDECAR", no_wrap=True)
    table.add_column("SEEN", no_wrap=True)
    table.add_column("HOST", overflow="fold")
    table.add_column("WHY", overflow="fold")
    for service in answer.services:
        for one in service.instances:
            table.add_row(*_instance(service, one))
        if service.lacking:
            table.add_row(Text(f"{service.service}/?", "bold"), Text(f"{service.lacking} never seen", "red"))
    return Group(head, Text(), table, Text(), *coordinator_lines(answer), *doubts(answer))


def _instance(service: ServiceEntry, one: InstanceEntry) -> tuple[Cell, ...]:
    why = Text(one.reason)
    if one.labels:
        why.append(
            f"{' ' if one.reason else ''}{' '.join(f'{key}={value}' for key, value in one.labels.items())}", "dim"
        )
    return Text(f"{service.service}/{one.instance}", "bold"), verdict(one.state), ago(one.last_seen), one.host, why


def coordinator_lines(answer: Services) -> Iterator[RenderableType]:
    """The coordinators, the answering one marked."""
    for one in answer.coordinators:
        what = "answers here" if one.self else f"seen {ago(one.last_seen)}"
        where = f" on {one.host}" if one.host else ""
        yield Text.assemble("coordinator ", (one.instance, "bold"), (f"{where}, {what}", "dim"))


def doubts(answer: Services) -> Iterator[RenderableType]:
    """What makes the directory doubtful."""
    if answer.ended is Ended.WARMING:
        yield indented(Text("the coordinator has just started: it does not know yet whom to expect", "yellow"))
    for problem in answer.problems:
        yield indented(Text(problem, "yellow"))


def _row(answer: Services) -> tuple[Cell, ...]:
    lost = [one for service in answer.services for one in service.instances if one.state is not InstanceState.LIVE]
    return (Text(f"{plural(len(answer.services), 'service')}, {answer.live} live, {len(lost)} not"),)


VIEW: Final = View(answer=Services, columns=("DIRECTORY",), row=_row, page=_page)
