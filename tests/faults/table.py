"""Fault by finding: as text for the terminal, and as a page that is kept."""

from collections.abc import Mapping, Sequence
from typing import Final

from faults.fault import Fault
from faults.run import HEALTHY, Outcome

__all__ = ["complaints", "page", "text"]

_FAMILIES: Final = ("PROC", "RES", "GO", "PROF", "RACE", "NATS", "JS", "SRV", "MESH")
_NO_FAULT: Final = """\
## No fault

What looks like one and is none: nothing was found.
"""
_ELSEWHERE: Final = """\
## Made elsewhere

A clock that cannot be hurried, a whole cluster, a log: what these need does not fit into this mesh. Tests make them on
real servers (`tests/integration`, `tests/unit/rules`); NATS-020 and NATS-021 are told by `route`, when it is asked.
"""
_NOT_NAMED: Final = """\
## Not named yet

These switches were on as well, and nothing was found, which is right: rules of the family beside them will name them.
"""
_TITLE: Final = """\
# Which finding names which fault

Each fault below is made on a fresh copy of a service of this demo, on a real mesh (server, coordinator, sidecars,
load), which is judged by all rules again and again: until its finding is there, while the fault is on, and, where it
can be taken back, until everything is clear again. ● marks the findings that name it, ○ one that is right too for a
moment on the way. Each row was judged by the rules of all families: what is not marked, in its table or under *others*,
was not found. Faults of NATS itself are made on a nats-server of their own, with a sidecar beside the service and
beside that server: what is found as the service sees it (NATS) and as the server sees it (SRV) counts together.

```sh
make faults     # {versions}
```

makes them all in less than twenty minutes, and ends with 1 unless each is named by its finding and by no other, and
nothing is found at copies that nobody touched. It wants a machine that does nothing else.
"""


def complaints(faults: Sequence[Fault], outcomes: Sequence[Outcome]) -> list[str]:
    """What is wrong with the outcomes: one line each; empty when the diagonal is full and nothing stands beside it."""
    said = []
    by_name = {outcome.name: outcome for outcome in outcomes}
    for fault in faults:
        outcome = by_name[fault.name]
        if outcome.skipped:
            said.append(f"{fault.name}: not made here: {outcome.skipped}")
            continue
        if outcome.trouble:
            said.append(f"{fault.name}: {outcome.trouble}; found: {_words(outcome)}")
        said += [f"{fault.name}: {code} was not found" for code in fault.codes if code not in outcome.found]
        beside = set(outcome.found) - {*fault.codes, *fault.may}
        said += [f"{fault.name}: {code} was found, too" for code in sorted(beside)]
    untouched = by_name[HEALTHY]
    said += [untouched.trouble] if untouched.trouble else []
    return said + [f"{code} was found at somebody whom nobody touched" for code in sorted(untouched.found)]


def text(faults: Sequence[Fault], outcomes: Sequence[Outcome]) -> str:
    """In how many checks each code was found, per fault; an expected code that was not found is a dash."""
    codes = _codes(faults, outcomes)
    expected = {fault.name: fault.codes for fault in faults}
    rows = [["", "checks", *codes]]
    for outcome in outcomes:
        cells = [_cell(outcome, code, expected.get(outcome.name, ())) for code in codes]
        rows.append([outcome.name, "skipped" if outcome.skipped else str(outcome.checks), *cells])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        first, *others = (
            word.ljust(width) if number == 0 else word.rjust(width)
            for number, (word, width) in enumerate(zip(row, widths, strict=True))
        )
        lines.append("  ".join((first, *others)).rstrip())
    return "\n".join(lines)


def page(faults: Sequence[Fault], outcomes: Sequence[Outcome], versions: str, rules: Mapping[str, str]) -> str:
    """The page: the same without numbers, which differ from run to run, a table for each family of codes.

    Args:
        faults: its rows.
        outcomes: what came of them.
        versions: of what they were made with.
        rules: title of every rule by its code; those that no fault here is for are listed.
    """
    by_name = {outcome.name: outcome for outcome in outcomes}
    families: dict[str, list[Fault]] = {}
    for fault in sorted((one for one in faults if one.codes), key=lambda one: _place(one.codes[0])):
        families.setdefault(fault.codes[0].partition("-")[0], []).append(fault)
    lines = [_TITLE.format(versions=versions)]
    for family, named in families.items():
        marks = {fault.name: _marks(fault, by_name[fault.name]) for fault in named}
        codes = sorted({code for row in marks.values() for code in row if code.startswith(f"{family}-")})
        heads = [code.partition("-")[2] for code in codes]
        lines += [f"## {family}", "", f"| fault | how | {' | '.join(heads)} | others |"]
        lines.append(f"|---|---|{'|'.join([':-:'] * len(codes))}|---|")
        for fault in named:
            row = marks[fault.name]
            cells = [row.pop(code, "") for code in codes]
            others = ", ".join(f"{mark} {code}" for code, mark in row.items())
            lines.append(f"| {fault.name} | {fault.does} | {' | '.join(cells)} | {others} |")
        lines.append("")
    for title, rest in (
        (_NO_FAULT, [one for one in faults if not one.codes and not one.family]),
        (_NOT_NAMED, [one for one in faults if not one.codes and one.family]),
    ):
        lines += [title, "| what | of | family |", "|---|---|---|"]
        lines += [f"| {one.name}: {one.does} | {one.service} | {one.family or 'none'} |" for one in rest]
        lines.append("")
    shown = {code for fault in faults for code in fault.codes}
    lines.append(_ELSEWHERE)
    lines += [f"- {code}: {title}" for code, title in sorted(rules.items()) if code not in shown]
    return "\n".join(lines) + "\n"


def _codes(faults: Sequence[Fault], outcomes: Sequence[Outcome]) -> list[str]:
    codes = {code for fault in faults for code in (*fault.codes, *fault.may)}
    codes |= {code for one in outcomes for code in one.found}
    return sorted(codes, key=_place)


def _place(code: str) -> tuple[int, str]:
    """Where in the order of the table."""
    family = code.partition("-")[0]
    return _FAMILIES.index(family) if family in _FAMILIES else len(_FAMILIES), code


def _cell(outcome: Outcome, code: str, expected: Sequence[str]) -> str:
    if outcome.skipped:
        return ""
    return str(outcome.found[code]) if code in outcome.found else "-" if code in expected else "."


def _marks(fault: Fault, outcome: Outcome) -> dict[str, str]:
    """What stands in its row, by code."""
    found = {code: "●" for code in fault.codes if code in outcome.found}
    return found | dict.fromkeys(fault.may, "○")


def _words(outcome: Outcome) -> str:
    return ", ".join(f"{code} in {count} of {outcome.checks}" for code, count in outcome.found.items()) or "nothing"
