"""Parts that many views share: findings, problems, the silent, what could not be seen."""

from collections.abc import Iterable, Iterator
from typing import Final, TypeVar

from rich.console import RenderableType
from rich.padding import Padding
from rich.text import Text

from diagmesh.contract.findings import Finding
from diagmesh.contract.mesh import Silent, Unexpected
from diagmesh.contract.wire import Blind, Problem, Reply
from diagmesh_cli.views.words import ago, plural, took, verdict

__all__ = [
    "blind_lines",
    "finding_lines",
    "indented",
    "limited",
    "origin",
    "problem_line",
    "silent_lines",
    "unexpected_lines",
]

_MOST_LINES: Final = 20
Item = TypeVar("Item")


def origin(reply: Reply) -> Text:
    """Who replied, to what, how it went."""
    where = f" on {reply.host}" if reply.host else ""
    text = Text.assemble((f"{reply.service}/{reply.instance}", "bold"), (f"{where} · {reply.kind} · ", "dim"))
    text.append_text(verdict(reply.status))
    return text.append(f" in {took(reply.took_ms)}", "dim")


def problem_line(problem: Problem) -> Text:
    """Why there is no answer, and what to do."""
    text = Text.assemble((f"{problem.code} {problem.error}", "red"), f": {problem.detail}" if problem.detail else "")
    return text.append(f" ({problem.hint})", "dim") if problem.hint else text


def blind_lines(blind: Iterable[Blind]) -> Iterator[RenderableType]:
    """What could not be seen, why, and how to see it."""
    for one in limited(list(blind)):
        if isinstance(one, str):
            yield indented(Text(one, "dim"))
            continue
        text = Text.assemble((f"not seen: {one.what}", "yellow"), f": {one.why}")
        yield indented(text.append(f" ({one.fix})", "dim") if one.fix else text)


def silent_lines(silent: Iterable[Silent]) -> Iterator[RenderableType]:
    """Who was expected and not heard, and why."""
    for one in limited(list(silent)):
        if isinstance(one, str):
            yield indented(Text(one, "dim"))
            continue
        state, colon, meaning = one.reason.partition(": ")
        seen = f"last seen {ago(one.last_seen)}" if one.last_seen is not None else "never seen"
        text = Text.assemble(("silent ", "red"), (f"{one.service}/{one.instance or '?'}", "bold"), f" {state}, {seen}")
        yield indented(text.append(f"{colon}{meaning}", "dim"))


def unexpected_lines(unexpected: Iterable[Unexpected]) -> Iterator[RenderableType]:
    """Replies that were not counted."""
    for one in limited(list(unexpected)):
        if isinstance(one, str):
            yield indented(Text(one, "dim"))
            continue
        yield indented(Text.assemble(("not counted ", "yellow"), f"{one.service}/{one.instance}: {one.reason}"))


def finding_lines(findings: Iterable[Finding]) -> Iterator[RenderableType]:
    """What it means, worst first, with what to do at once."""
    for one in limited(list(findings)):
        if isinstance(one, str):
            yield indented(Text(one, "dim"))
            continue
        where = f" ({', '.join(one.instances)})" if one.instances else ""
        text = Text.assemble(verdict(one.severity), f" {one.code} {one.title}{where}")
        yield indented(text)
        for advice in one.advice.now[:1]:
            yield Padding(Text(f"now: {advice}", "dim"), (0, 0, 0, 4))


def indented(text: Text) -> Padding:
    """A line below a heading; what wraps stays below it."""
    return Padding(text, (0, 0, 0, 2))


def limited(items: list[Item]) -> list[Item | str]:
    """The first items, and how many more there are."""
    more = len(items) - _MOST_LINES
    return [*items[:_MOST_LINES], f"… and {plural(more, 'more', 'more')} (--json shows all)"] if more > 0 else [*items]
