"""What one look of an agent costs the sidecar, without any messaging; psutil's own look beside it."""

from bench.lab import Lab
from bench.pace import Pace
from bench.report import Row
from bench.turns import row
from bench.wire import Looks

__all__ = ["collecting"]

_PART, _CASE = "collecting", "one look"


def collecting(lab: Lab, pace: Pace) -> list[Row]:
    """Everybody in one process, which starts anew for each turn."""
    told = [lab.tell(Looks, ["python", "-m", "bench.looks", str(pace.looks)]) for _ in range(pace.turns)]
    seen = {
        who: [{"CPU us": one.cpu_us[who], "loop ms": one.loop_ms[who], "max ms": one.longest_ms[who]} for one in told]
        for who in told[0].cpu_us
    }
    peers = {"CPU/psutil": ("CPU us", seen["psutil, 8 fields"])}
    rows = [row(_PART, _CASE, who, many, peers) for who, many in seen.items()]
    words = "loop ms: CPU of the longest call on the event loop; max ms: how long it took, others included"
    return [*rows, Row(part=_PART, case=_CASE, who="columns", note=words)]
