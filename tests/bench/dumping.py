"""What one look at all goroutines costs the service, which stands still meanwhile, and the sidecar."""

import subprocess
import time
import urllib.request
from pathlib import Path

from bench.knocking import knocking
from bench.lab import Lab
from bench.pace import Pace
from bench.report import Row
from bench.wire import DumpLooks
from support.godemo import GoDemo, GoService, build
from support.golang import Go, GoMissing

__all__ = ["dumping"]

_PART = "dumping"
_MOST_A_SECOND = 10_000
_LOOKS = 3


def dumping(lab: Lab, pace: Pace) -> list[Row]:
    """The demo with ever more goroutines, each time looked at in both forms; the tool of Go beside it."""
    try:
        go = Go()
        programs = build(go)
    except GoMissing as missing:
        return [Row(part=_PART, case="all", who="goroutines", note=str(missing).splitlines()[0])]
    rows: list[Row] = []
    folder = lab.directory / "dumping"
    folder.mkdir(exist_ok=True)
    with GoDemo(programs, lab.url, folder) as demo:
        service = demo.service("payments")
        for count in pace.goroutines:
            _grow(service, count)
            case = f"{count:,} goroutines"
            rows += [_look(lab, service, case, form) for form in ("stacks", "counts")]
            rows.append(_tool(go, service, case, folder / "profile.pb.gz"))
    words = (
        "milliseconds; pause: the longest that another request to the service had to wait; loop: longest call on the "
        "event loop; +MiB: what stays with the sidecar; read MiB: the process that reads a large dump, and ends; "
        "go tool: pprof -top of the protobuf form, the whole process"
    )
    return [*rows, Row(part=_PART, case="all", who="columns", note=words)]


def _grow(service: GoService, count: int) -> None:
    """So many goroutines that never end."""
    missing = count - service.goroutines()
    if missing <= 0:
        return
    service.turn("leak-goroutines", amount=min(missing, _MOST_A_SECOND), cap=missing, mode="lost", for_s=120)
    deadline = time.monotonic() + 60
    while service.goroutines() < count and time.monotonic() < deadline:
        time.sleep(0.1)
    service.turn("leak-goroutines", on=False)


def _look(lab: Lab, service: GoService, case: str, form: str) -> Row:
    """What it costs while nobody else asks, and then again for how long it holds up others."""
    command = ["python", "-m", "bench.dumplooks", str(service.port), str(service.pid), str(_LOOKS), form]
    told = lab.tell(DumpLooks, command)
    with knocking(service.port) as longest_ms:
        lab.tell(DumpLooks, command)
    values = {
        "pause ms": longest_ms[0],
        "its CPU": told.service_ms,
        "our CPU": told.sidecar_ms,
        "parse": told.parse_ms,
        "whole": told.whole_ms,
        "loop": told.longest_ms,
        "+MiB": told.grown_mib,
        "read MiB": told.reader_mib,
    }
    return Row(part=_PART, case=case, who=form, values=values)


def _tool(go: Go, service: GoService, case: str, file: Path) -> Row:
    """``go tool pprof -top`` of the protobuf form, which knows no more than counts: the whole process."""
    with urllib.request.urlopen(f"http://127.0.0.1:{service.port}/debug/pprof/goroutine", timeout=60) as page:
        file.write_bytes(page.read())
    began = time.perf_counter()
    subprocess.run([go.path, "tool", "pprof", "-top", file], check=True, capture_output=True, timeout=120)
    return Row(part=_PART, case=case, who="go tool", values={"whole": 1e3 * (time.perf_counter() - began)})
