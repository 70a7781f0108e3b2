import pytest
from msgspec.structs import replace

from diagmesh.contract.answers.resources import Resources, ToLimit, Trend
from diagmesh.contract.answers.surroundings import Host
from diagmesh.contract.findings import Severity
from diagmesh.contract.verdicts import Verdict as Judged
from diagmesh.settings import RuleSettings
from support.children import Child
from support.ruling import USED, codes, found, judge, verdict, watched

MIB = 1 << 20
HOST = Host(cpus=4, load_1m=0.5, load_5m=0.5, load_15m=0.5, memory_total_bytes=16 << 30, memory_available_bytes=8 << 30)


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
def test_what_cannot_be_told_is_blind(answer: Resources) -> None:
    one = verdict(judge([answer]), "RES-004")
    assert (one.verdict, one.again_in_s) == (Judged.BLIND, None)


@pytest.mark.parametrize(
    ("answer", "again_in_s"),
    [
        (replace(USED, ring_samples=3, ring_over_s=1.0, watched_s=1.5), 2.5),
        (replace(USED, ring_samples=5, ring_over_s=2.0, watched_s=3.9), 1.0),
        (replace(grown(low=2.0 * MIB, over_s=4.0), ring_samples=9, watched_s=4.2), 56.0),
        (replace(grown(None, over_s=10.0), ring_samples=9, watched_s=10.2, host=HOST), 50.0),
    ],
    ids=["too few samples", "nearly enough", "growth at a start", "growth at a start, limit of the host"],
)
def test_what_time_alone_will_tell_is_too_young_and_not_clear(answer: Resources, again_in_s: float) -> None:
    one = verdict(judge([answer]), "RES-004")
    assert (one.verdict, one.again_in_s) == (Judged.BLIND, again_in_s)
    assert one.not_judged[0].again_in_s == again_in_s


@pytest.mark.parametrize(
    "answer",
    [
        replace(USED, ring_samples=3, ring_over_s=1.0, watched_s=31.0),
        replace(USED, ring_samples=0),
        replace(USED, ring_samples=9, ring_over_s=4.0, watched_s=4.2),
        replace(grown(over_s=10.0), ring_samples=9, watched_s=600.0),
    ],
    ids=["the sampler came to a stop", "no sampler", "asked for brief", "a short window was asked for"],
)
def test_what_time_will_not_tell_is_blind(answer: Resources) -> None:
    one = verdict(judge([answer]), "RES-004")
    assert (one.verdict, one.again_in_s) == (Judged.BLIND, None)


def test_a_young_one_that_cannot_get_there_whatever_the_noise_is_clear() -> None:
    steep = Trend(slope=MIB, slope_low=2.0 * MIB, slope_high=3.0 * MIB, over_s=4.0, samples=9)
    young = replace(USED, memory=replace(USED.memory, trend=steep), ring_samples=9, watched_s=4.2)
    assert verdict(judge([replace(young, host=HOST)]), "RES-004").again_in_s == 56.0
    roomy = replace(HOST, memory_available_bytes=64 << 40)
    assert verdict(judge([replace(young, host=roomy)]), "RES-004").verdict is Judged.CLEAR


def test_a_growth_that_comes_to_an_end_is_clear() -> None:
    warm = grown()
    assert warm.memory.trend is not None
    for late_slope, wanted in ((0.4 * MIB, []), (0.6 * MIB, ["RES-004"]), (None, ["RES-004"])):
        trend = replace(warm.memory.trend, late_slope=late_slope)
        assert codes(judge([replace(warm, memory=replace(warm.memory, trend=trend))])) == wanted


def test_a_limit_that_is_too_far_ahead_to_be_told_is_no_missing_limit() -> None:
    roomy = replace(HOST, memory_available_bytes=64 << 40)
    assert verdict(judge([replace(grown(None), host=roomy)]), "RES-004").verdict is Judged.CLEAR


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
