"""All rules over a thousand instances of two hundred services, beside the gather that brought their answers."""

import asyncio
from pathlib import Path

import msgspec

from bench.estate import Estate, Judged, real_answers
from bench.lab import Lab
from bench.report import Row

__all__ = ["judging"]

_PART = "judging"
_ROUNDS = 20
_REPETITIONS = 3
_WHO = {
    "gather": "our gather of the same replies",
    "judge": "decode and judge, all rules",
    "decode": "only decode (msgspec)",
    "json": "only json.loads",
}


def judging(lab: Lab) -> list[Row]:
    """The gather of both kinds, then the judging of what came, in one process; its peers only read the answers."""
    file = lab.directory / "estate.msgpack"
    asyncio.run(_write(file))
    with lab.talking(["python", "-m", "bench.fleet", lab.url, str(file)]) as fleet:
        lab.heard(fleet, "ready")
        command = ["python", "-m", "bench.judge", lab.url, str(file), str(_ROUNDS)]
        seen = [lab.tell(Judged, command) for _ in range(_REPETITIONS)]
    return [_row(name, seen) for name in _WHO]


async def _write(file: Path) -> None:
    estate = Estate(*await real_answers())
    await asyncio.to_thread(file.write_bytes, msgspec.msgpack.encode(estate.told()))


def _row(name: str, seen: list[Judged]) -> Row:
    best = sorted(seen, key=lambda one: one.p50_ms[name])[len(seen) // 2]
    values = {"p50 ms": best.p50_ms[name], "p99 ms": best.p99_ms[name]}
    ratios = {
        f"p50 to {other}": values["p50 ms"] / sorted(one.p50_ms[peer] for one in seen)[len(seen) // 2]
        for other, peer in (("gather", "gather"), ("decode", "decode"))
    }
    case = f"{best.rules} rules, {best.replies} replies, {best.findings} findings"
    return Row(part=_PART, case=case, who=_WHO[name], values=values, ratios=ratios)
