"""The numbers of one run: tables of at most 80 columns for people, JSON for later."""

import os
import platform
import subprocess
import textwrap
from importlib.metadata import version
from pathlib import Path
from typing import Final

import msgspec

from support.natsserver import find_nats_server

__all__ = ["Machine", "Part", "Report", "Row", "table", "this_machine"]

_PACKAGES: Final = ("nats-py", "natsext", "msgspec", "uvloop", "psutil")
_COLUMNS: Final = 80
_QUIET_SHARE: Final = 0.1
"""What others may use of the machine without being worth a word."""


class Row(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One measured thing.

    Args:
        part: of the bench.
        case: what was asked of it (``c=32``, ``N=1000``).
        who: ours, or a peer.
        values: by name with the unit (``p50 us``); medians over the turns.
        ratios: by name; to a peer of the same case in the same run.
        spread: of the first value over the turns: from the least to the most, as a share of the median.
        note: why there are no values, or what limits them.
    """

    part: str
    case: str
    who: str
    values: dict[str, float] = {}
    ratios: dict[str, float] = {}
    spread: float | None = None
    note: str = ""


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """Where it ran, and how busy that was before."""

    cores: int
    cpu: str
    kernel: str
    python: str
    nats_server: str
    go: str
    packages: dict[str, str]
    load_1min: float

    def lines(self) -> list[str]:
        """For people."""
        return [
            f"machine: {self.cores} cores, {self.cpu}, Linux {self.kernel}; load before {self.load_1min:.2f}",
            f"versions: Python {self.python}, nats-server {self.nats_server}, {self.go or 'no Go'}",
            f"packages: {', '.join(f'{name} {number}' for name, number in self.packages.items())}",
        ]


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One part of the bench.

    Args:
        name: as it is chosen.
        title: what was measured.
        rows: the numbers.
        took_s: how long it took.
        foreign_share: how much of the machine was used by what is no part of the bench meanwhile.
    """

    name: str
    title: str
    rows: list[Row]
    took_s: float
    foreign_share: float

    def lines(self) -> list[str]:
        """For people."""
        said = f"({self.took_s:.0f} s; others used {self.foreign_share:.0%} of the machine)"
        return [self.title, *table(self.rows), *_notes(self.rows), f"  {said}"]


class Report(msgspec.Struct, kw_only=True):
    """All parts of one run."""

    command: str
    at: str
    machine: Machine
    parts: list[Part] = []

    def value(self, part: str, case: str, who: str, name: str) -> float | None:
        """A value or a ratio; None where it was not measured in this run."""
        for one in self.parts:
            for line in one.rows if one.name == part else ():
                if (line.case, line.who) == (case, who):
                    return line.values.get(name, line.ratios.get(name))
        return None

    def caution(self) -> str:
        """What limits all of it; empty on a machine that had nothing else to do."""
        took_s = sum(part.took_s for part in self.parts)
        share = sum(part.foreign_share * part.took_s for part in self.parts) / took_s if took_s else 0.0
        if share <= _QUIET_SHARE:
            return ""
        return f"Others used {share:.0%} of the machine: CPU and memory hold, times and p99 say little."

    def save(self, path: Path) -> None:
        """Write everything as JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(msgspec.json.format(msgspec.json.encode(self), indent=1) + b"\n")


def this_machine(go_version: str) -> Machine:
    """What there is to say of this machine."""
    server = subprocess.run([find_nats_server(), "--version"], capture_output=True, text=True, timeout=10, check=True)
    models = [line.partition(":")[2] for line in _cpuinfo() if line.startswith("model name")]
    return Machine(
        cores=os.cpu_count() or 0,
        cpu=" ".join(models[0].split()) if models else platform.machine(),
        kernel=platform.release(),
        python=platform.python_version(),
        nats_server=server.stdout.strip().removeprefix("nats-server: "),
        go=go_version,
        packages={name: version(name) for name in _PACKAGES},
        load_1min=os.getloadavg()[0],
    )


def _cpuinfo() -> list[str]:
    return Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()


def table(rows: list[Row]) -> list[str]:
    """The lines of a table: the cases one below the other, everybody who was measured in each below it."""
    rows = [row for row in rows if row.values]
    names = list(dict.fromkeys(name for row in rows for name in row.values))
    ratios = list(dict.fromkeys(name for row in rows for name in row.ratios))
    strays = any(row.spread is not None for row in rows)
    head = [*names, *ratios, *(["spread"] if strays else [])]
    cells = [_cells(row, names, ratios)[: len(head)] for row in rows]
    needed = [max(map(len, column)) for column in zip(head, *cells, strict=True)]
    longest = max((len(f"    {row.who}") for row in rows), default=0)
    gap = 2 if longest + sum(needed) + 2 * len(needed) <= _COLUMNS else 1
    widths = [gap + one for one in needed]
    left = _COLUMNS - sum(widths)
    lines = ["".ljust(left) + _right(head, widths)]
    case = ""
    for row, told in zip(rows, cells, strict=True):
        if row.case != case:
            case = row.case
            lines.append(f"  {case}")
        lines.append(f"    {row.who}".ljust(left) + _right(told, widths))
    return [line.rstrip() for line in lines]


def _cells(row: Row, names: list[str], ratios: list[str]) -> list[str]:
    spread = "" if row.spread is None else f"{row.spread:.0%}"
    return [
        *(_number(row.values.get(name)) for name in names),
        *(_ratio(row.ratios.get(name)) for name in ratios),
        spread,
    ]


def _notes(rows: list[Row]) -> list[str]:
    folded = textwrap.TextWrapper(_COLUMNS, initial_indent="  ", subsequent_indent="    ", break_on_hyphens=False)
    return [line for row in rows if row.note for line in folded.wrap(f"{row.case}, {row.who}: {row.note}")]


def _right(cells: list[str], widths: list[int]) -> str:
    return "".join(cell.rjust(width) for cell, width in zip(cells, widths, strict=True))


def _number(value: float | None) -> str:
    if value is None:
        return ""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _ratio(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}x"
