import pytest
from msgspec.structs import replace

from diagmesh.contract.answers.resources import Resources, ToLimit, Trend
from diagmesh.contract.findings import Severity
from diagmesh.contract.verdicts import Verdict as Judged
from diagmesh.settings import RuleSettings
from support.children import Child
from support.ruling import USED, codes, found, judge, verdict, watched

MIB = 1 << 20


def grown(likely_s: float | None = 3600.0, low: float = MIB, over_s: float = 300.0) -> Resources:
    limit = "memory limit of the cgroup"
    until = None
    if likely_s is not None:
        until = ToLimit(limit=limit, headroom=likely_s * MIB, earliest_s=likely_s, likely_s=likely_s, latest_s=likely_s)
    trend = Trend(slope=MIB, slope_low=low, slope_high=MIB, over_s=over_s, samples=40, to_limit=until)
    return replace(USED, memory=replace(USED.memory, trend=trend))


@pytest.mark.parametrize(("likely_s", "severity"), [(7200.0, Severity.WARNING), (900.0, Severity.ERROR)])
def test_it_is_found_with_the_time_left(likely_s: float, severity: Severity) -> None:
    diagnosis = judge([grown(likely_s)])
    assert codes(diagnosis) == ["RES-004"]
    finding = found(diagnosis, "RES-004")
    assert finding.severity is severity
    assert finding.title.startswith("memory grows by 60 MiB/min, memory limit of the cgroup met in ")


@pytest.mark.parametrize(
    "answer", [grown(1e6), grown(None, low=-1.0), grown(low=1.0), grown(low=1.0, over_s=5.0)],
    ids=["far", "no growth", "hardly any", "short and hardly any"],
)  # fmt: skip
def test_little_or_slow_growth_is_clear(answer: Resources) -> None:
    assert verdict(judge([answer]), "RES-004").verdict is Judged.CLEAR


@pytest.mark.parametrize("answer", [USED, grown(None), grown(over_s=30.0)], ids=["no trend", "no limit", "short"])
def test_what_cannot_be_told_yet_is_blind(answer: Resources) -> None:
    assert verdict(judge([answer]), "RES-004").verdict is Judged.BLIND


GROWER = """
import select, sys, time
print('ready', flush=True)
kept = []
while not select.select([sys.stdin], [], [], 0.02)[0]:
    kept.append(bytearray(b'x') * 400_000)
time.sleep(120)
"""


async def test_a_real_leak_until_it_stops() -> None:
    quick = RuleSettings(code="RES-004", limits={"least_over_s": 1.0, "horizon_s": 1e5})
    with Child(GROWER) as child:
        async with watched(quick, pid=child.pid) as it:
            leaking = await it.until("RES-004")
            assert "memory grows by" in found(leaking, "RES-004").title
            assert child.process.stdin is not None
            child.process.stdin.write("enough\n")
            child.process.stdin.flush()
            await it.until()
