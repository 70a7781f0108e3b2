"""Parts that many views share: findings, problems, the silent, what could not be seen."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, TypeVar

from rich.console import RenderableType
from rich.padding import Padding
from rich.text import Text

from diagmesh.contract.findings import Finding
from diagmesh.contract.mesh import NotAsked, Silent, Unexpected
from diagmesh.contract.wire import Blind, Problem, Reply
from diagmesh_cli.views.words import ago, place, took, verdict, whose

__all__ = [
    "MOST_ROWS",
    "blind_lines",
    "bounded",
    "finding_lines",
    "indented",
    "more_line",
    "names",
    "not_asked_lines",
    "origin",
    "problem_line",
    "silent_lines",
    "unexpected_lines",
]

MOST_ROWS: Final = 20
"""Of any list on the terminal; a page of a mesh of hundreds stays one that is read."""
_MOST_NAMES: Final = 5
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
    yield from bounded(blind, _blind)


def _blind(one: Blind) -> Iterator[RenderableType]:
    text = Text.assemble((f"not seen: {one.what}", "yellow"), f": {one.why}")
    yield indented(text.append(f" ({one.fix})", "dim") if one.fix else text)


def silent_lines(silent: Iterable[Silent]) -> Iterator[RenderableType]:
    """Who was expected and not heard, and why; what the reason means is said once, however many have it.

    The declared replicas that nobody knows have no names: they are one line per service, after all others.
    """
    every = list(silent)
    nameless = {one.service: one for one in every if not one.instance}
    said = set[str]()

    def lines_of(one: Silent) -> Iterator[RenderableType]:
        state, colon, meaning = one.reason.partition(": ")
        if not one.instance:
            yield indented(Text.assemble(("silent ", "red"), (one.service, "bold"), f": {meaning or state}"))
            return
        seen = f"last seen {ago(one.last_seen)}" if one.last_seen is not None else "never seen"
        text = Text.assemble(("silent ", "red"), (f"{one.service}/{one.instance}", "bold"), f" {state}, {seen}")
        yield indented(text if one.reason in said else text.append(f"{colon}{meaning}", "dim"))
        said.add(one.reason)

    yield from bounded([*(one for one in every if one.instance), *nameless.values()], lines_of)


def not_asked_lines(not_asked: Iterable[NotAsked]) -> Iterator[RenderableType]:
    """Who was meant and not asked: a line per reason."""
    reasons: dict[str, list[str]] = {}
    for one in not_asked:
        reasons.setdefault(one.reason, []).append(f"{one.service}/{one.instance}")
    yield from bounded(reasons.items(), _not_asked)


def _not_asked(reason_and_names: tuple[str, list[str]]) -> Iterator[RenderableType]:
    reason, whom = reason_and_names
    yield indented(Text.assemble(("not asked ", "yellow"), (names(whom), "bold"), f": {reason}"))


def unexpected_lines(unexpected: Iterable[Unexpected]) -> Iterator[RenderableType]:
    """Replies that were not counted."""
    yield from bounded(unexpected, _unexpected)


def _unexpected(one: Unexpected) -> Iterator[RenderableType]:
    yield indented(Text.assemble(("not counted ", "yellow"), f"{whose(one.service, one.instance)}: {one.reason}"))


def finding_lines(findings: Iterable[Finding]) -> Iterator[RenderableType]:
    """What it means, worst first, with what to do at once."""
    yield from bounded(findings, _finding)


def _finding(one: Finding) -> Iterator[RenderableType]:
    where = f" ({names(one.instances)})" if one.instances else ""
    yield indented(Text.assemble(verdict(one.severity), f" {one.code} {one.title}{where}"))
    for advice in one.advice.now[:1]:
        yield Padding(Text(f"now: {advice}", "dim"), (0, 0, 0, 4))


def indented(text: Text) -> Padding:
    """A line below a heading; what wraps stays below it."""
    return Padding(text, (0, 0, 0, 2))


def names(all_of_them: Sequence[str]) -> str:
    """The first few names, and how many more there are."""
    more = len(all_of_them) - _MOST_NAMES
    shown = ", ".join(map(place, all_of_them[:_MOST_NAMES]))
    return f"{shown} and {more:,} more" if more > 0 else shown


def bounded(items: Iterable[Item], lines_of: Callable[[Item], Iterable[RenderableType]]) -> Iterator[RenderableType]:
    """The lines of the first items, and how many more items there are."""
    every = list(items)
    for item in every[:MOST_ROWS]:
        yield from lines_of(item)
    if len(every) > MOST_ROWS:
        yield more_line(len(every) - MOST_ROWS)


def more_line(count: int) -> RenderableType:
    """How much is left out, and how to see it."""
    return indented(Text(f"… and {count:,} more (--json shows all)", "dim"))
