"""Fault by finding: as text for the terminal, and as a page that is kept."""

from collections.abc import Sequence
from typing import Final

from faults.fault import Fault
from faults.run import HEALTHY, Outcome

__all__ = ["complaints", "page", "text"]

_FAMILIES: Final = ("PROC", "RES", "GO", "PROF", "MESH")
_NOT_NAMED: Final = """\
## Not named yet

These switches were on as well, and nothing was found, which is right: rules of the family beside them will name them.
"""
_TITLE: Final = """\
# Which finding names which fault

Each fault below is made on a fresh copy of a service of this demo, on a real mesh (server, coordinator, sidecars,
load), which is judged by all rules again and again: until its finding is there, while the fault is on, and, where it
can be taken back, until everything is clear again. ● marks the findings that name it, ○ one that is right too for a
moment on the way. Faults of NATS itself are made on a nats-server of their own, with a sidecar beside the service and
beside that server: what is found as the service sees it (NATS) and as the server sees it (SRV) counts together.

```sh
make faults     # {versions}
```

makes them all in a quarter of an hour, and ends with 1 unless each is named by its finding and by no other, and nothing
is found at copies that nobody touched. It wants a machine that does nothing else.
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


def page(faults: Sequence[Fault], outcomes: Sequence[Outcome], versions: str) -> str:
    """The page: the same without numbers, which differ from run to run."""
    named = [fault for fault in faults if fault.codes or not fault.family]
    named.sort(key=lambda fault: _place(fault.codes[0]) if fault.codes else (len(_FAMILIES) + 1, ""))
    by_name = {outcome.name: outcome for outcome in outcomes}
    codes = _codes(named, [by_name[fault.name] for fault in named])
    lines = [_TITLE.format(versions=versions)]
    lines += [f"| fault | how | {' | '.join(codes)} |", f"|---|---|{'|'.join([':-:'] * len(codes))}|"]
    for fault in named:
        marks = [_mark(fault, by_name[fault.name], code) for code in codes]
        lines.append(f"| {fault.name} | {fault.does} | {' | '.join(marks)} |")
    lines += ["", _NOT_NAMED, "| switch | of | family |", "|---|---|---|"]
    lines += [f"| {fault.name} | {fault.service} | {fault.family} |" for fault in faults if fault not in named]
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


def _mark(fault: Fault, outcome: Outcome, code: str) -> str:
    if code in fault.codes:
        return "●" if code in outcome.found else ""
    return "○" if code in fault.may else ""


def _words(outcome: Outcome) -> str:
    return ", ".join(f"{code} in {count} of {outcome.checks}" for code, count in outcome.found.items()) or "nothing"
