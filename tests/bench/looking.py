"""What a look at the Go runtime costs the service and the sidecar, with few and with many goroutines."""

import time

from bench.knocking import knocking
from bench.lab import Lab
from bench.pace import Pace
from bench.report import Row
from bench.turns import row
from bench.wire import GoLooks
from support.godemo import GoDemo, GoService, build
from support.golang import Go, GoMissing
from support.programs import wait_until

__all__ = ["looking"]

_PART = "go-pages"
_GROWN_S = 60.0
_LOOKS_MOST = 10
_KNOCKED_LOOKS = 3


def looking(lab: Lab, pace: Pace) -> list[Row]:
    """The real demo, at so many goroutines that wait."""
    try:
        programs = build(Go())
    except GoMissing as missing:
        return [Row(part=_PART, case="runtime", who="demo", note=str(missing).splitlines()[0])]
    rows: list[Row] = []
    with GoDemo(programs, lab.url, lab.directory) as demo:
        service = demo.service("payments")
        demo.connected(service)
        for count in pace.goroutines:
            _grow(service, count)
            rows += _looked(lab, pace, service, f"G={count}")
    words = (
        "CPU us of one look, in the service and in the sidecar (with the process that reads for it); p50 ms: how long "
        "it took; pause ms: the longest that another request had to wait; +MiB: what stays with the sidecar; watch: "
        "one step of what takes heap profiles while a heap grows"
    )
    return [*rows, Row(part=_PART, case="runtime", who="columns", note=words)]


def _grow(service: GoService, count: int) -> None:
    """Until so many goroutines wait."""
    service.turn("leak-goroutines", amount=10_000, cap=count, for_s=600)  # those of before end
    wait_until(lambda: service.goroutines() >= count, _GROWN_S, f"{count} goroutines wait")
    time.sleep(1.0)  # the collector has looked at their stacks


def _looked(lab: Lab, pace: Pace, service: GoService, case: str) -> list[Row]:
    def asked(looks: int, *only: str) -> GoLooks:
        command = ["python", "-m", "bench.golooks", str(service.port), str(service.pid), str(looks), *only]
        return lab.tell(GoLooks, command)

    told = [asked(min(pace.looks, _LOOKS_MOST)) for _ in range(pace.turns)]
    rows = []
    for who in told[0].p50_ms:
        with knocking(service.port) as longest_ms:
            asked(min(pace.looks, _KNOCKED_LOOKS), who)
        many = [
            {
                "service us": one.service_us[who],
                "sidecar us": one.sidecar_us[who],
                "p50 ms": one.p50_ms[who],
                "pause ms": longest_ms[0],
                "+MiB": one.grown_mib[who],
            }
            for one in told
        ]
        rows.append(row(_PART, case, who, many, {}))
    return rows
