"""All rules over a thousand instances of two hundred services, beside the gather that brought their answers."""

import asyncio
from pathlib import Path

import msgspec

from bench.estate import Estate, Judged, real_answers
from bench.lab import Lab
from bench.pace import Pace
from bench.report import Row
from bench.turns import row

__all__ = ["judging"]

_PART = "judging"
_CASE = "gathered and judged"
_WHO = {
    "gather": "our gather of the same",
    "judge": "decode, judge, all rules",
    "decode": "only decode (msgspec)",
    "json": "only json.loads",
}


def judging(lab: Lab, pace: Pace) -> list[Row]:
    """The gather of both kinds, then the judging of what came, in one process; its peers only read the answers."""
    file = lab.directory / "estate.msgpack"
    asyncio.run(_write(file))
    with lab.talking(["python", "-m", "bench.fleet", lab.url, str(file)]) as fleet:
        lab.heard(fleet, "ready")
        command = ["python", "-m", "bench.judge", lab.url, str(file), str(pace.judging_rounds)]
        told = [lab.tell(Judged, command) for _ in range(pace.turns)]
    seen = {name: [{"p50 ms": one.p50_ms[name], "p99 ms": one.p99_ms[name]} for one in told] for name in _WHO}
    peers = {"p50/gather": ("p50 ms", seen["gather"]), "p50/decode": ("p50 ms", seen["decode"])}
    rows = [row(_PART, _CASE, who, seen[name], peers) for name, who in _WHO.items()]
    words = f"{told[0].rules} rules over {told[0].replies} replies, {told[0].findings} findings"
    return [*rows, Row(part=_PART, case=_CASE, who="all", note=words)]


async def _write(file: Path) -> None:
    estate = Estate(*await real_answers())
    await asyncio.to_thread(file.write_bytes, msgspec.msgpack.encode(estate.told()))
