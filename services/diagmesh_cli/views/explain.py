"""`explain`: the list of the rules, and the page of one."""

from typing import Final

import msgspec
from rich.console import Group, RenderableType
from rich.markdown import Markdown
from rich.table import Table
from rich.text import Text

from diagmesh.contract.findings import FindingClass, Severity
from diagmesh.packs import Broken
from diagmesh_cli.views.parts import indented
from diagmesh_cli.views.words import plural, verdict

__all__ = ["Explained", "Listed", "list_view", "page_view"]

_DIRECTORY: Final = "the directory"
_HEADING: Final = "Thresholds (settings: [[rules]] code, services, instances, labels, limits)"
_NONE: Final = "It has none."


class Explained(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One rule, as it is explained.

    Args:
        code: of the rule and its findings.
        title: the condition.
        severity: usually.
        class_: the issue class.
        reads: the kinds that it needs; none for a rule over the directory alone.
        holds: what should be so.
        limits: thresholds with their defaults; the unit is the end of the name.
        page: Markdown; empty in the list.
    """

    code: str
    title: str
    severity: Severity
    class_: FindingClass = msgspec.field(name="class")
    reads: tuple[str, ...]
    holds: str
    limits: dict[str, float | int | str | bool] = {}
    page: str = ""


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """All rules, and the modules that could not be used."""

    rules: tuple[Explained, ...]
    broken: tuple[Broken, ...] = ()


def list_view(every: Listed) -> RenderableType:
    """A line per rule."""
    table = Table(box=None, pad_edge=False)
    for name in ("CODE", "SEVERITY"):
        table.add_column(name, no_wrap=True)
    table.add_column("TITLE", overflow="fold")
    table.add_column("READS", overflow="fold")
    for one in every.rules:
        table.add_row(Text(one.code, "bold"), verdict(one.severity), one.title, ", ".join(one.reads) or _DIRECTORY)
    parts: list[RenderableType] = [table] if every.rules else [Text("no rules are installed", "yellow")]
    if every.broken:
        parts += [Text(), Text(f"broken: {plural(len(every.broken), 'module')}", "bold red")]
        parts += [indented(Text(f"{one.module}: {one.reason}", "red")) for one in every.broken]
    return Group(*parts)


def page_view(one: Explained, *, rendered: bool) -> RenderableType:
    """The page of a rule with its thresholds.

    Args:
        one: the rule.
        rendered: for people; else the Markdown as it is.
    """
    if not rendered:
        lines = [f"- `{name}`: {value}" for name, value in one.limits.items()]
        return Text("\n".join([one.page.rstrip(), "", f"## {_HEADING}", "", *(lines or [_NONE])]))
    return Group(Markdown(one.page, hyperlinks=False), Text(), Text(_HEADING, "bold"), *_thresholds(one))


def _thresholds(one: Explained) -> list[RenderableType]:
    if not one.limits:
        return [indented(Text(_NONE, "dim"))]
    table = Table.grid(padding=(0, 2))
    for name, value in one.limits.items():
        table.add_row(Text(f"  {name}", "bold"), f"{value}")
    return [table]
