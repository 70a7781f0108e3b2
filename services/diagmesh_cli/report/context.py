"""What the template of the report is given: strings and numbers only, every choice made here."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from diagmesh.contract.findings import Advice, Fact, Finding, Severity
from diagmesh.contract.mesh import Ended, NotAsked, Silent
from diagmesh.contract.verdicts import Check, RuleVerdict, Verdict
from diagmesh_cli.views.folding import NotSeen, folded
from diagmesh_cli.views.words import plural, quantity, took, value_of, whose

__all__ = ["Made", "context_of"]

_MOST_ROWS: Final = 30
"""Of evidence at once; the rest of a long table is there, folded."""
_SHORT: Final = 24
"""Characters of a value that stays on one line; a longer text is broken like any other."""
_BAR: Final = 92.0
_DAY: Final = "%Y-%m-%d %H:%M:%S UTC"


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """How the check came about.

    Args:
        at: when.
        mesh: the server that was asked through, without any secret.
        target: who was judged; empty for all.
        codes: the rules that were asked for; empty for all.
        coordinator: by whom; empty when it was judged here.
        took_ms: how long; None when nobody measured it.
        version: of diagmesh.
    """

    at: datetime
    mesh: str
    target: str = ""
    codes: tuple[str, ...] = ()
    coordinator: str = ""
    took_ms: float | None = None
    version: str = ""


def context_of(
    check: Check, made: Made, pages: Mapping[str, str], inline: Callable[[str], str], block: Callable[[str], str]
) -> dict[str, Any]:
    """All that the report shows.

    Args:
        check: what was said.
        made: how it came about.
        pages: the Markdown of the page of each rule known here.
        inline: Markdown of one line as safe HTML.
        block: Markdown of many lines as safe HTML.
    """
    told = dict.fromkeys([*(one.code for one in check.findings), *(one.code for one in check.suppressed)])
    shown = {code: pages[code] for code in told if code in pages}
    unseen = folded(check)
    title, mood = _headline(check, unseen)
    return {
        "title": title,
        "mood": mood,
        "subject": made.target or "the whole mesh",
        "when": _moment(made.at),
        "about": list(_about(check, made)),
        "severities": [(one.value, sum(1 for found in check.findings if found.severity is one)) for one in _WORST],
        "counts": list(_counts(check, unseen)),
        "findings": [_finding(one, shown, inline) for one in check.findings],
        "unseen": unseen,
        "silent": _silent(check.silent),
        "not_asked": _not_asked(check.not_asked),
        "heard": "Nobody: all who were expected were heard." if check.expected else "Nobody was expected.",
        "rules": [_rule(one, check, shown) for one in check.verdicts],
        "suppressed": check.suppressed,
        "notes": check.notes,
        "pages": [_page(code, text, block) for code, text in shown.items()],
    }


_WORST: Final = tuple(reversed(Severity))


def _headline(check: Check, unseen: NotSeen) -> tuple[str, str]:
    """The one sentence to take home, and its colour: not judged is never clear."""
    worst = max((one.severity for one in check.findings), key=lambda one: one.rank, default=None)
    if worst is not None:
        return plural(len(check.findings), "finding"), worst.value
    if not check.expected:
        return "nobody was there to judge", "unsure"
    if unseen.blind or check.silent or check.not_asked or check.ended is not Ended.COMPLETE:
        return "no findings, but not everything could be judged", "unsure"
    if unseen.young:
        return f"no findings so far: too young to judge everything, ask again in {unseen.wait_s} s", "unsure"
    return "all clear", "clear"


def _about(check: Check, made: Made) -> Iterator[tuple[str, str]]:
    yield "When", _moment(made.at)
    yield "Mesh", made.mesh
    yield "Judged", made.target or "the whole mesh"
    yield "Judged by", f"coordinator {made.coordinator}" if made.coordinator else "this command (--direct)"
    yield "Rules", ", ".join(made.codes) or f"all {len(check.verdicts)}"
    yield "Asked for", ", ".join(check.asked) or "nothing but the directory"
    if made.took_ms is not None:
        yield "Took", took(made.took_ms)
    if check.ended is not Ended.COMPLETE:
        yield "Ended", f"{check.ended}: this is not everything"
    yield "Made with", f"diagmesh {made.version}"


def _counts(check: Check, unseen: NotSeen) -> Iterator[tuple[str, str, bool]]:
    """A name, a number, whether it should be looked at."""
    clear = sum(one.verdict is Verdict.CLEAR for one in check.verdicts)
    lacking = {code for one in (*unseen.blind, *unseen.young) for code in one.codes}
    quiet = sum(len(one.instances) for one in check.suppressed)
    yield "instances expected", f"{check.expected:,}", not check.expected
    yield "silent", f"{len(check.silent):,}", bool(check.silent)
    if check.not_asked:
        yield "not asked", f"{len(check.not_asked):,}", True
    yield "rules clear", f"{clear} of {len(check.verdicts)}", False
    yield "rules that could not judge all", f"{len(lacking):,}", bool(lacking)
    yield "suppressed", f"{quiet:,}", bool(quiet)


def _finding(one: Finding, pages: Mapping[str, str], inline: Callable[[str], str]) -> dict[str, Any]:
    facts = [_fact(seen) for seen in one.evidence]
    return {
        "code": one.code,
        "severity": one.severity.value,
        "class": one.class_.value,
        "title": one.title,
        "instances": one.instances,
        "facts": facts[:_MOST_ROWS],
        "more": facts[_MOST_ROWS:],
        "columns": [
            name
            for name, there in (("limit", any(one["limit"] for one in facts)), ("at", any(one["at"] for one in facts)))
            if there
        ],
        "advice": [(name, [inline(line) for line in lines]) for name, lines in _advice(one.advice) if lines],
        "page": one.code in pages,
    }


def _advice(advice: Advice) -> tuple[tuple[str, tuple[str, ...]], ...]:
    return ("now", advice.now), ("soon", advice.soon), ("later", advice.later)


def _fact(seen: Fact) -> dict[str, Any]:
    return {
        "what": seen.what,
        "value": value_of(seen),
        "wraps": isinstance(seen.value, str) and len(seen.value) > _SHORT,
        "limit": quantity(seen.limit, seen.unit) if seen.limit is not None else "",
        "at": seen.at,
        "bar": _bar(seen),
    }


def _bar(seen: Fact) -> tuple[str, str] | None:
    """How long the bar of the value is, and where its limit stands, of a hundred; None where that says nothing."""
    value, limit = seen.value, seen.limit
    if isinstance(value, bool | str) or value is None or limit is None or value < 0 or limit <= 0:
        return None
    longest = max(value, limit)
    return f"{value / longest * _BAR:.1f}", f"{limit / longest * _BAR:.1f}"


def _silent(every: Iterable[Silent]) -> list[dict[str, Any]]:
    """Each reason once, with all who are silent for it and when they were last seen."""
    told: dict[str, list[str]] = {}
    for one in every:
        seen = f", last seen {_moment(one.last_seen)}" if one.last_seen is not None else ""
        told.setdefault(one.reason, []).append(f"{whose(one.service, one.instance)}{seen}")
    return [
        {"state": reason.partition(": ")[0], "meaning": reason.partition(": ")[2], "who": list(dict.fromkeys(names))}
        for reason, names in told.items()
    ]


def _not_asked(every: Iterable[NotAsked]) -> list[dict[str, Any]]:
    """Each reason once, with all whom it kept from being asked."""
    told: dict[str, list[str]] = {}
    for one in every:
        told.setdefault(one.reason, []).append(whose(one.service, one.instance))
    return [{"reason": reason, "who": names} for reason, names in told.items()]


def _rule(one: RuleVerdict, check: Check, pages: Mapping[str, str]) -> dict[str, Any]:
    return {
        "code": one.code,
        "title": one.title,
        "verdict": one.verdict.value,
        "judged": len(one.judged),
        "not_judged": len(one.not_judged),
        "findings": sum(1 for found in check.findings if found.code == one.code),
        "page": one.code in pages,
    }


def _page(code: str, text: str, block: Callable[[str], str]) -> dict[str, str]:
    title, _, rest = text.partition("\n")
    return {"code": code, "title": title.removeprefix("# "), "html": block(rest)}


def _moment(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime(_DAY)
