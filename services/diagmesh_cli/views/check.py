"""`check`: what is the matter, worst first, then always what could not be judged."""

from collections.abc import Iterable, Iterator
from typing import Final

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from diagmesh.contract.findings import Finding
from diagmesh.contract.mesh import Ended
from diagmesh.contract.verdicts import Check, Suppressed, Verdict
from diagmesh_cli.views.folding import Folded, folded
from diagmesh_cli.views.parts import bounded, indented, not_asked_lines, silent_lines
from diagmesh_cli.views.words import fact, place, plural, verdict

__all__ = ["check_view"]

_MOST_NAMES: Final = 8
_MOST_FACTS: Final = 5
_MOST_ADVICE: Final = 3


def check_view(check: Check, coordinator: str) -> RenderableType:
    """All of a check.

    Args:
        check: what was said.
        coordinator: by whom; empty when it was judged here.
    """
    parts: list[RenderableType] = [_headline(check, coordinator), *_findings(check.findings)]
    parts += [*_silent(check), *_not_asked(check), *_not_judged(check), *_suppressed(check), _clear(check)]
    parts += [indented(Text(f"note: {note}", "dim")) for note in check.notes]
    return Group(*parts)


def _headline(check: Check, coordinator: str) -> Text:
    text = Text.assemble(
        (plural(len(check.findings), "finding"), "bold red" if check.findings else "bold green"),
        f" · {plural(check.expected, 'instance')} · {plural(len(check.verdicts), 'rule')}",
    )
    if check.not_asked:
        text.append(f" · {len(check.not_asked)} not asked", "yellow")
    if check.ended is not Ended.COMPLETE:
        text.append(f" · ended: {check.ended}", "yellow")
    return text.append(f" · by {coordinator}" if coordinator else " · judged here", "dim")


def _findings(findings: Iterable[Finding]) -> Iterator[RenderableType]:
    yield from bounded(findings, _finding)


def _finding(one: Finding) -> Iterator[RenderableType]:
    yield Text()
    yield Text.assemble(verdict(one.severity), " ", (one.code, "bold"), f" {one.title}")
    if one.instances:
        yield indented(Text(f"at {_names(one.instances)}"))
    for seen in one.evidence[:_MOST_FACTS]:
        yield indented(Text(f"seen {fact(seen)}", "dim"))
    if len(one.evidence) > _MOST_FACTS:
        yield indented(Text(f"… and {len(one.evidence) - _MOST_FACTS} more seen (--json shows all)", "dim"))
    for advice in one.advice.now[:_MOST_ADVICE]:
        yield indented(Text(f"now: {advice}"))
    yield indented(Text(f"more: diagmesh explain {one.code}", "dim"))


def _silent(check: Check) -> Iterator[RenderableType]:
    if check.silent:
        yield Text()
        yield Text(f"silent: {plural(len(check.silent), 'instance')}", "bold")
        yield from silent_lines(check.silent)


def _not_asked(check: Check) -> Iterator[RenderableType]:
    if check.not_asked:
        yield Text()
        yield Text(f"not asked: {plural(len(check.not_asked), 'instance')}", "bold")
        yield from not_asked_lines(check.not_asked)


def _not_judged(check: Check) -> Iterator[RenderableType]:
    """What could not be judged, folded by the reason; then what time alone will make judgeable."""
    unseen = folded(check)
    yield Text()
    if unseen.blind:
        yield Text("not judged", "bold yellow")
        yield from bounded(unseen.blind, _fold)
    elif not unseen.young:
        there = " where it is" if unseen.not_here else ""
        yield Text(f"not judged: nothing, every rule could see what it reads{there}", "green")
    if unseen.young:
        title = f"too young to judge: ask again in {unseen.wait_s} s"
        yield Text.assemble(*(["\n"] if unseen.blind else []), (title, "bold yellow"))
        yield from bounded(unseen.young, _fold)
    if unseen.not_here:
        yield Text("\nnot here to be judged, and no failure", "dim")
        yield from bounded(unseen.not_here, _fold)


def _fold(one: Folded) -> Iterator[RenderableType]:
    yield indented(Text(one.why, "yellow"))
    where = f"at {_names(one.instances)}" if one.instances else "everywhere"
    rules = f"{plural(len(one.codes), 'rule')} ({_names(one.codes)})"
    yield Padding(Text(f"{rules} {where}", "dim"), (0, 0, 0, 4))


def _suppressed(check: Check) -> Iterator[RenderableType]:
    if check.suppressed:
        yield Text()
        count = sum(len(one.instances) for one in check.suppressed)
        yield Text(f"suppressed by the settings: {count}", "bold")
    yield from bounded(check.suppressed, _quiet)


def _quiet(one: Suppressed) -> Iterator[RenderableType]:
    why = f": {one.why}" if one.why else ""
    yield indented(Text(f"{one.code} at {_names(one.instances)}{why}", "dim"))


def _clear(check: Check) -> Text:
    clear = sum(one.verdict is Verdict.CLEAR for one in check.verdicts)
    return Text(f"\nclear: {clear} of {plural(len(check.verdicts), 'rule')}", "green" if clear else "")


def _names(names: Iterable[str]) -> str:
    every = list(map(place, names))
    more = f" and {len(every) - _MOST_NAMES} more" if len(every) > _MOST_NAMES else ""
    return ", ".join(every[:_MOST_NAMES]) + more
