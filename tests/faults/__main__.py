"""``make faults``: makes every fault, prints fault by finding, and keeps the table as a page of the demo.

Words: names of faults; none means all, and only then the page is written.
"""

import asyncio
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from diagmesh.packs import load_rules
from faults.catalogue import FAULTS
from faults.run import Outcome, Programs, run
from faults.table import complaints, page, text
from support.godemo import SOURCE, build
from support.golang import Go, GoMissing
from support.natsserver import find_nats_server
from support.term import raise_on_term

_PAGE = SOURCE / "FAULTS.md"


def main(chosen: list[str]) -> int:
    """Run the chosen faults; returns the exit code."""
    if unknown := set(chosen) - {fault.name for fault in FAULTS}:
        print(
            f"no such fault: {', '.join(unknown)}; there are: {', '.join(one.name for one in FAULTS)}", file=sys.stderr
        )
        return 64
    faults = [fault for fault in FAULTS if not chosen or fault.name in chosen]
    try:
        go = Go()
    except GoMissing as missing:
        print(f"the demo is in Go: {missing}", file=sys.stderr)
        return 3
    began = time.monotonic()
    compiler = shutil.which("gcc") or shutil.which("cc")
    programs = Programs(build(go), build(go, "-race") if compiler and any(one.race for one in faults) else None)
    raise_on_term()
    try:
        with tempfile.TemporaryDirectory(prefix="diagmesh-faults-") as folder:
            outcomes = asyncio.run(run(faults, programs, Path(folder), _tell))
    except KeyboardInterrupt:
        print("interrupted; everything that was started is ended", file=sys.stderr)
        return 130
    print(f"\nIn how many checks each finding was there:\n\n{text(faults, outcomes)}\n")
    said = complaints(faults, outcomes)
    if not chosen and not said:
        titles = {code: one.title for code, one in load_rules().rules.items()}
        _PAGE.write_text(page(faults, outcomes, _versions(go), titles), encoding="utf-8")
    print("\n".join(said) or f"{len(faults)} faults, each named by its finding and by no other")
    print(f"in {time.monotonic() - began:.0f} s")
    return 1 if said else 0


def _tell(outcome: Outcome) -> None:
    found = ", ".join(f"{code} in {count}" for code, count in outcome.found.items()) or "nothing"
    said = outcome.skipped and f"skipped: {outcome.skipped}"
    trouble = f"; {outcome.trouble}" if outcome.trouble else ""
    print(
        f"  {outcome.name}: {said or f'{found} of {outcome.checks} checks{trouble}'} ({outcome.took_s:.0f} s)",
        flush=True,
    )


def _versions(go: Go) -> str:
    server = subprocess.run([find_nats_server(), "--version"], capture_output=True, text=True, timeout=10, check=True)
    said = re.search(r"go\d\S*", go.version)
    return f"{said[0] if said else go.version}, {server.stdout.strip().replace(': v', ' ')}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
