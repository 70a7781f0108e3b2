"""The numbers of one run: a table for people, JSON for later."""

import os
import platform
import subprocess
from pathlib import Path

import msgspec

from support.natsserver import find_nats_server

__all__ = ["Machine", "Report", "Row", "this_machine"]


class Row(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One measured thing.

    Args:
        part: of the bench.
        case: what was asked of it (``c=32``, ``N=1000``).
        who: ours, or a peer.
        values: by name with the unit (``p50 us``).
        ratios: by name; of the same case in the same run.
        note: why there are no values, or what limits them.
    """

    part: str
    case: str
    who: str
    values: dict[str, float] = {}
    ratios: dict[str, float] = {}
    note: str = ""


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """Where it ran, and how busy that was before."""

    cores: int
    kernel: str
    python: str
    nats_server: str
    go: str
    load_1min: float


def this_machine(go_version: str) -> Machine:
    """What there is to say of this machine."""
    server = subprocess.run([find_nats_server(), "--version"], capture_output=True, text=True, timeout=10, check=True)
    return Machine(
        cores=os.cpu_count() or 0,
        kernel=platform.release(),
        python=platform.python_version(),
        nats_server=server.stdout.strip().removeprefix("nats-server: "),
        go=go_version,
        load_1min=os.getloadavg()[0],
    )


class Report(msgspec.Struct, kw_only=True):
    """All rows of one run."""

    machine: Machine
    rows: list[Row] = []

    def add(self, title: str, rows: list[Row]) -> None:
        """Keep rows and print them as one table."""
        self.rows += rows
        print(f"\n{title}\n{_table(rows)}", flush=True)

    def save(self, path: Path) -> None:
        """Write everything as JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(msgspec.json.format(msgspec.json.encode(self), indent=1) + b"\n")


def _table(rows: list[Row]) -> str:
    names = list(dict.fromkeys(name for row in rows for name in row.values))
    ratios = list(dict.fromkeys(name for row in rows for name in row.ratios))
    lines = [["", "", *names, *ratios]]
    for row in rows:
        numbers = [_number(row.values.get(name)) for name in names]
        lines.append([row.case, row.who, *numbers, *(_ratio(row.ratios.get(name)) for name in ratios)])
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    printed = []
    for line, note in zip(lines, ["", *(row.note for row in rows)], strict=True):
        left = "  ".join(word.ljust(width) for word, width in zip(line[:2], widths[:2], strict=True))
        right = "  ".join(word.rjust(width) for word, width in zip(line[2:], widths[2:], strict=True))
        printed.append(f"  {left}  {right}  {note}".rstrip())
    return "\n".join(printed)


def _number(value: float | None) -> str:
    if value is None:
        return ""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _ratio(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}x"
