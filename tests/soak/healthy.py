"""`diagmesh up` with the Go demo under its load, healthy: no finding, nobody silent."""

import asyncio
import re
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from soak.watch import WARM_UP_S, Told, soak
from support.godemo import build
from support.golang import Go, GoMissing
from support.upping import Up

__all__ = ["LEAST_S", "USUAL_S", "main", "processes", "run", "table"]

USUAL_S: Final = 600.0
LEAST_S: Final = 20.0


def main(seconds: float) -> int:
    """Run it; returns the exit code."""
    try:
        build(Go())
    except GoMissing as missing:
        print(f"the demo is in Go: {missing}", file=sys.stderr)
        return 3
    with tempfile.TemporaryDirectory(prefix="diagmesh-soak-") as folder:
        told = run(Path(folder), seconds)
    print(table(told))
    said = told.complaints
    print("\n".join(said) or f"nothing found in {told.checks} checks")
    return 1 if said else 0


def run(folder: Path, seconds: float) -> Told:
    """One soak in an empty folder."""
    began = time.monotonic()
    with Up(folder, "--demo", "go") as up:
        up.ready()
        print(f"up at {up.url} after {time.monotonic() - began:.1f} s; judged for {seconds:g} s", flush=True)
        return asyncio.run(soak(up.url, processes(up), seconds, lambda line: print(line, flush=True)))


def processes(up: Up) -> dict[str, int]:
    """The coordinator and the sidecars, by the names of their settings files."""
    found = {pid: re.search(r"/(sidecar-[a-z0-9-]+|coordinator)\.toml", words) for pid, words in up.processes().items()}
    return {named[1]: pid for pid, named in found.items() if named}


def table(told: Told) -> str:
    """What was done, and how much memory our processes took."""
    rows = [
        ("checks made", told.checks),
        ("other questions answered", told.asks),
        ("findings", sum(told.findings.values())),
    ]
    rows += [(f"not judged, after {WARM_UP_S:g} s", sum(told.blind.values())), ("silent", sum(told.silent.values()))]
    rows += [("questions not answered", sum(told.lost.values()))]
    lines = ["", *(f"{what:28}{count:8}" for what, count in rows), "", f"{'memory, MiB':28}{'warm':>8}{'end':>8}"]
    lines += [f"{one.name:28}{one.early_mib:8.1f}{one.late_mib:8.1f}" for one in told.memory]
    return "\n".join(lines) + "\n"
