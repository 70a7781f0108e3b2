"""`diagmesh up` with the Go demo under its load, healthy, orders with the race detector: no finding, nobody silent.

At the same time the demo on a cluster of three (`soak.clustered`).
"""

import asyncio
import re
import shutil
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Final

from soak.clustered import run_cluster
from soak.watch import ALL_KINDS, WARM_UP_S, Told, soak
from support.godemo import build
from support.golang import Go, GoMissing
from support.upping import Up

__all__ = ["LEAST_S", "USUAL_S", "main", "processes", "run", "table"]

USUAL_S: Final = 600.0
LEAST_S: Final = 20.0


def main(seconds: float) -> int:
    """Run it; returns the exit code."""
    try:
        programs = build(Go())
        raced = build(Go(), "-race") if shutil.which("cc") or shutil.which("gcc") else None
    except GoMissing as missing:
        print(f"the demo is in Go: {missing}", file=sys.stderr)
        return 3
    if raced is None:
        print("no C compiler, so nothing is built with -race, and nobody can be asked for races", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="diagmesh-soak-") as folder, ThreadPoolExecutor(1) as beside:
        for name in ("up", "cluster"):
            (Path(folder) / name).mkdir()
        cluster = beside.submit(run_cluster, Path(folder) / "cluster", seconds, programs)
        told = run(Path(folder) / "up", seconds, programs, raced)
        clustered = cluster.result()
    print(f"one server:\n{table(told)}\na cluster of three:\n{table(clustered)}")
    said = [*told.complaints, *(f"cluster: {one}" for one in clustered.complaints)]
    print("\n".join(said) or f"nothing found in {told.checks + clustered.checks} checks")
    return 1 if said else 0


def run(folder: Path, seconds: float, programs: Path, raced: Path | None, slow_ms: float = 0.0) -> Told:
    """One soak in an empty folder.

    Args:
        folder: for everything that it writes.
        seconds: how long.
        programs: the demo, built as `up` builds it.
        raced: the demo with the race detector, of which orders is taken; None for none.
        slow_ms: as for `soak`; `up` takes no settings of rules.
    """
    began = time.monotonic()
    with Up(folder, "--demo", "go") as up:
        if raced is not None:
            up.environment["XDG_CACHE_HOME"] = str(_with_races(folder / "cache", programs, raced))
            up.environment["GORACE"] = f"log_path={folder / 'race'}"
        up.ready()
        print(f"up at {up.url} after {time.monotonic() - began:.1f} s; judged for {seconds:g} s", flush=True)
        kinds = ALL_KINDS if raced is not None else ALL_KINDS - {"races"}
        tell = partial(print, flush=True)
        return asyncio.run(soak(up.url, processes(up), seconds, tell, kinds, slow_ms=slow_ms))


def _with_races(cache: Path, programs: Path, raced: Path) -> Path:
    """A cache in which `up` finds the demo, with orders as it is with the race detector."""
    folder = cache / "diagmesh" / "go" / programs.name
    folder.mkdir(parents=True)
    for program in programs.iterdir():
        (folder / program.name).symlink_to((raced if program.name == "orders" else programs) / program.name)
    return cache


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
    rows += [(f"answers of kind {kind}", count) for kind, count in sorted(told.answers.items())]
    lines = ["", *(f"{what:28}{count:8}" for what, count in rows), "", f"{'memory, MiB':28}{'warm':>8}{'end':>8}"]
    lines += [f"{one.name:28}{one.early_mib:8.1f}{one.late_mib:8.1f}" for one in told.memory]
    return "\n".join(lines) + "\n"
