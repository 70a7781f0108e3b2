"""Fan-out to instances with a connection each: there the server has most of the work."""

import resource

from bench.fanning import gatherers, rows_of
from bench.lab import Lab
from bench.pace import Pace
from bench.report import Row
from bench.turns import in_turn

__all__ = ["connections"]

_PART = "connections"
_SPARE = 200
"""Descriptors that a process needs beside those of its connections."""


def connections(lab: Lab, pace: Pace) -> list[Row]:
    """Every gatherer over every crowd, in turn; as many as the system lets us open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # what we start inherits it; the server sees to itself
    rows: list[Row] = []
    try:
        for count, rounds in pace.connected_rounds.items():
            if count + _SPARE > hard:
                note = f"not measured: only {hard} descriptors are allowed here (ulimit -Hn)"
                rows.append(Row(part=_PART, case=f"N={count}", who="all", note=note))
                continue
            with lab.talking(["python", "-m", "bench.crowd", lab.url, str(count), str(count)]) as crowd:
                lab.heard(crowd, "ready")
                rows += rows_of(_PART, count, in_turn(pace.turns, gatherers(lab, count, rounds)))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return rows
