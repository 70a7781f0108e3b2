"""`health`: the state first, then the checks it rests on, then what could not be judged."""

from collections.abc import Iterator
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from diagmesh.contract.answers.crash import Crash
from diagmesh.contract.answers.health import Check, Health, LastExit
from diagmesh_cli.views.parts import blind_lines
from diagmesh_cli.views.stacks import frame_line
from diagmesh_cli.views.view import Cell, View
from diagmesh_cli.views.words import MISSING, ago, duration, plural, size, took, until, verdict

__all__ = ["VIEW"]

_LINES_SHOWN: Final = 10
"""Of the last words, at either end."""


def _page(answer: Health) -> RenderableType:
    parts: list[RenderableType] = [Text.assemble(verdict(answer.state), "  ", answer.reason)]
    parts += _facts(answer)
    if answer.checks:
        parts += [Text(), _checks(answer.checks)]
    parts += blind_lines(answer.blind)
    return Group(*parts)


def _facts(answer: Health) -> Iterator[Text]:
    restarts = f"{plural(answer.restarts_seen, 'restart')} seen"
    if answer.pid is not None:
        state = f" ({answer.process_state})" if answer.process_state is not None else ""
        yield Text(f"process {answer.pid}{state}, up {duration(answer.uptime_s)}, {restarts}", "dim")
    else:
        yield Text(f"no process, {restarts}", "dim")
    if answer.last_exit is not None:
        yield from _end(answer.last_exit)


def _end(last: LastExit) -> Iterator[Text]:
    detail = f": {last.detail}" if last.detail else ""
    when = ago(last.at) if last.at is not None else f"last seen {ago(last.last_seen)}"
    ran = f", after {duration(last.uptime_s)}" if last.uptime_s is not None else ""
    yield Text(f"last exit: {last.reason}{detail}, {when}{ran}", "dim")
    if last.crash is not None:
        yield from _crash(last.crash)
    if last.restart_at is not None:
        yield Text(f"its launcher starts it again {until(last.restart_at)}", "dim")
    if last.unpassed_bytes:
        yield Text(f"{size(last.unpassed_bytes)} of its output could not be passed on", "dim")
    if last.last_words:
        yield Text("last words:", "dim")
        yield from (Text(f"  {line}", "dim") for line in _shown(last.last_words))


def _crash(crash: Crash) -> Iterator[Text]:
    """What it was, and the line to look at first."""
    of = f" in goroutine {crash.goroutine}" if crash.goroutine is not None else ""
    yield Text(f"crash: {crash.kind}{of}", "dim")
    if crash.at is not None:
        yield frame_line(crash.at)


def _shown(words: str) -> list[str]:
    """The first and the last lines: what a panic says stands at the beginning, what a log says at the end."""
    lines = words.rstrip("\n").split("\n")
    left_out = len(lines) - 2 * _LINES_SHOWN
    if left_out <= 0:
        return lines
    return [*lines[:_LINES_SHOWN], f"… {plural(left_out, 'line')} (all of them: --json) …", *lines[-_LINES_SHOWN:]]


def _checks(checks: tuple[Check, ...]) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("CHECK", no_wrap=True, max_width=24)
    table.add_column("VERDICT", no_wrap=True)
    table.add_column("TOOK", no_wrap=True, justify="right")
    table.add_column("SEEN", overflow="fold")
    for check in checks:
        table.add_row(check.name, verdict(check.verdict), took(check.took_ms), _seen(check))
    return table


def _seen(check: Check) -> Text:
    said = [check.reason] if check.reason else []
    if check.status_code is not None and str(check.status_code) not in check.reason:
        said.append(f"status {check.status_code}")
    if check.instances is not None:
        said.append(plural(check.instances, "instance"))
    if check.target and check.target != check.name and check.target not in check.reason:
        said.append(check.target)
    if check.age_s is not None and check.age_s >= 1:
        said.append(f"seen {duration(check.age_s)} ago")
    return Text(", ".join(said))


def _row(answer: Health) -> tuple[Cell, ...]:
    up = duration(answer.uptime_s) if answer.uptime_s is not None else MISSING
    return verdict(answer.state), up, str(answer.restarts_seen), Text(answer.reason)


VIEW: Final = View(
    answer=Health,
    columns=("STATE", "UP", "RESTARTS", "REASON"),
    row=_row,
    page=_page,
    watched=("state", "restarts_seen"),
)
