"""`check`: what is the matter, worst first, then always what could not be judged."""

import math
from collections.abc import Iterable, Iterator
from typing import Final

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from diagmesh.contract.findings import Finding
from diagmesh.contract.mesh import Ended
from diagmesh.contract.verdicts import Check, RuleVerdict, Suppressed, Verdict
from diagmesh_cli.views.parts import bounded, indented, silent_lines
from diagmesh_cli.views.words import fact, plural, verdict

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
    parts += [*_silent(check), *_not_judged(check), *_suppressed(check), _clear(check)]
    parts += [indented(Text(f"note: {note}", "dim")) for note in check.notes]
    return Group(*parts)


def _headline(check: Check, coordinator: str) -> Text:
    text = Text.assemble(
        (plural(len(check.findings), "finding"), "bold red" if check.findings else "bold green"),
        f" · {plural(check.expected, 'instance')} · {plural(len(check.verdicts), 'rule')}",
    )
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


class _Folded:
    """One reason, nearly always behind many rules: which of them, and at which instances."""

    def __init__(self, why: str) -> None:
        self.why = why
        self.codes: dict[str, None] = {}
        self.instances: dict[str, None] = {}
        self.again_in_s = 0.0

    def lines(self) -> Iterator[RenderableType]:
        """The reason, and whom it keeps from being judged by what."""
        yield indented(Text(self.why, "yellow"))
        where = f"at {_names(self.instances)}" if self.instances else "everywhere"
        rules = f"{plural(len(self.codes), 'rule')} ({_names(self.codes)})"
        yield Padding(Text(f"{rules} {where}", "dim"), (0, 0, 0, 4))


def _not_judged(check: Check) -> Iterator[RenderableType]:
    """What could not be judged, folded by the reason; then what time alone will make judgeable."""
    blind: dict[str, _Folded] = {}
    young: dict[str, _Folded] = {}
    for rule in check.verdicts:
        for why, instance, again_in_s in _missing(rule):
            folded = (blind if again_in_s is None else young).setdefault(why, _Folded(why))
            folded.codes[rule.code] = None
            folded.instances.update({instance: None} if instance else {})
            folded.again_in_s = max(folded.again_in_s, again_in_s or 0.0)
    yield Text()
    if blind:
        yield Text("not judged", "bold yellow")
        yield from bounded(blind.values(), _Folded.lines)
    elif not young:
        yield Text("not judged: nothing, every rule could see what it reads", "green")
    if young:
        wait_s = math.ceil(max(one.again_in_s for one in young.values()))
        yield Text.assemble(*(["\n"] if blind else []), (f"too young to judge: ask again in {wait_s} s", "bold yellow"))
        yield from bounded(young.values(), _Folded.lines)


def _missing(rule: RuleVerdict) -> Iterator[tuple[str, str, float | None]]:
    """Each reason, for which instance, and when to ask again; what is not judged as a whole has no instance."""
    if rule.verdict is Verdict.BROKEN:
        yield f"the rule is broken: {rule.reason}", "", None
    elif rule.verdict is Verdict.BLIND and not rule.not_judged:
        yield rule.reason or "nobody gave what it reads", "", rule.again_in_s
    for one in rule.not_judged:
        yield one.why, one.instance, one.again_in_s


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
    every = list(names)
    more = f" and {len(every) - _MOST_NAMES} more" if len(every) > _MOST_NAMES else ""
    return ", ".join(every[:_MOST_NAMES]) + more
