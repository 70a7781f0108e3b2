"""``make bench``: measures beside peers in one run; prints tables, writes JSON, judges nothing.

Words: names of parts; none means all. ``--quick`` measures less; ``--write`` puts the figures of all parts into
deploy/BENCHMARKS.md.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from bench.collecting import collecting
from bench.connecting import connections
from bench.dumping import dumping
from bench.fanning import fan_out
from bench.footprint import commands, processes
from bench.foreign import Foreign
from bench.hosting import hosting
from bench.judging import judging
from bench.lab import Lab
from bench.looking import looking
from bench.natslooking import natslooking
from bench.pace import FULL, QUICK, Pace
from bench.page import PAGE, with_figures
from bench.profiling import profiling, reading
from bench.report import Part, Report, Row, this_machine
from bench.responding import responders
from bench.targets import verdicts
from support.natsserver import NatsServer
from support.term import raise_on_term

_OUT: Final = Path(__file__).resolve().parents[2] / "build" / "bench.json"
PARTS: Final[dict[str, tuple[str, Callable[[Lab, Pace], list[Row]]]]] = {
    "responding": ("Responders: c requests at a time, cost in the answering process", responders),
    "fan-out": ("Fan-out to N simulated instances, cost per reply in the asking process", fan_out),
    "connections": ("Fan-out to N instances with a connection each", connections),
    "judging": ("All rules over 200 services x 5 instances (health and resources in full)", judging),
    "collecting": ("One look of an agent at its process, in the default detail", collecting),
    "go-pages": ("One look at a Go service with G goroutines", looking),
    "nats-looks": ("One look at NATS: an instance with S subscriptions, a stream with C consumers", natslooking),
    "reading": ("Profiles of so many stacks of 20 frames: read and told", reading),
    "profiling": ("One look at a profile of the Go demo", profiling),
    "dumping": ("One look at all goroutines of a Go service, in each form", dumping),
    "footprint": ("Processes: start to first answer, memory and CPU while nobody asks", processes),
    "hosting": ("Six instances on a host: six sidecars, or one that serves them all", hosting),
    "commands": ("Commands: the whole process", commands),
}
"""In the order in which they run."""


def main(words: Sequence[str]) -> int:
    """Run the chosen parts; returns the exit code."""
    parser = argparse.ArgumentParser("make bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of: {', '.join(PARTS)}")
    parser.add_argument("--quick", action="store_true", help="a first impression: one turn, and less of everything")
    parser.add_argument("--write", action="store_true", help="all parts, and the figures of deploy/BENCHMARKS.md")
    try:
        given = parser.parse_args(list(words))
    except SystemExit as error:
        return 64 if error.code else 0
    if unknown := set(given.parts) - set(PARTS):
        print(f"no such part: {', '.join(sorted(unknown))}; there are: {', '.join(PARTS)}", file=sys.stderr)
        return 64
    if given.write and (given.parts or given.quick):
        print("--write keeps the figures of all parts, measured in full: leave out the rest", file=sys.stderr)
        return 64
    started = time.monotonic()
    command = f'make bench ARGS="{" ".join(words)}"' if words else "make bench"
    raise_on_term()
    report = measured(command, given.parts or list(PARTS), QUICK if given.quick else FULL)
    if lines := verdicts(report):
        print("\n".join(["\nTargets", *lines, report.caution()]))
    report.save(_OUT)
    print(f"\nin {time.monotonic() - started:.0f} s; the numbers are in {_OUT.relative_to(_OUT.parents[1])}")
    if given.write:
        PAGE.write_text(with_figures(PAGE.read_text(encoding="utf-8"), report), encoding="utf-8")
    return 0


def measured(command: str, chosen: Sequence[str], pace: Pace) -> Report:
    """The report of the chosen parts, each told as soon as it is there."""
    with tempfile.TemporaryDirectory(prefix="diagmesh-bench-") as folder, NatsServer(Path(folder)) as server:
        lab = Lab(server, Path(folder))
        report = Report(
            command=command, at=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC", machine=this_machine(lab.go_version)
        )
        print("\n".join(report.machine.lines()), flush=True)
        for name in chosen:
            title, measure = PARTS[name]
            with Foreign(server.pid) as foreign:
                rows = measure(lab, pace)
            part = Part(name=name, title=title, rows=rows, took_s=foreign.took_s, foreign_share=foreign.share)
            report.parts.append(part)
            print("\n".join(["", *part.lines()]), flush=True)
    return report


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
