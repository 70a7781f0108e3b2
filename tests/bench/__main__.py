"""``make bench``: measures beside peers in one run; prints a table, writes JSON, judges nothing.

Words: names of parts (responder, fan-out, judging, footprint, commands); none means all.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from bench.fanning import fan_out
from bench.footprint import commands, processes
from bench.judging import judging
from bench.lab import Lab
from bench.report import Report, Row, this_machine
from bench.responding import responders
from support.natsserver import NatsServer

_OUT: Final = Path(__file__).resolve().parents[2] / "build" / "bench.json"
_PARTS: Final[dict[str, tuple[str, Callable[[Lab], list[Row]]]]] = {
    "responder": ("Responders: requests at a time c, cost in the answering process", responders),
    "fan-out": (
        "Fan-out to N simulated instances: until the last reply, cost in the asking process",
        fan_out,
    ),
    "judging": (
        "All rules over 200 services x 5 instances (health and resources in full, some silent, some declining)",
        judging,
    ),
    "footprint": ("Processes: start to first answer, memory and CPU while nobody asks", processes),
    "commands": ("Commands: the whole process", commands),
}


def main(chosen: list[str]) -> int:
    """Run the chosen parts; returns the exit code."""
    if unknown := set(chosen) - set(_PARTS):
        print(f"no such part: {', '.join(unknown)}; there are: {', '.join(_PARTS)}", file=sys.stderr)
        return 64
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="diagmesh-bench-") as folder, NatsServer(Path(folder)) as server:
        lab = Lab(server, Path(folder))
        report = Report(machine=this_machine(lab.go_version))
        for name in chosen or _PARTS:
            title, measure = _PARTS[name]
            report.add(title, measure(lab))
    report.save(_OUT)
    print(f"\nin {time.monotonic() - started:.0f} s; the numbers are in {_OUT.relative_to(_OUT.parents[1])}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
