import pytest
from msgspec.structs import replace

from diagmesh.contract.answers.cgroup import Bound
from diagmesh.contract.answers.resources import Descriptors, Resources, ToLimit, Trend
from diagmesh.contract.answers.surroundings import Sockets
from diagmesh.contract.findings import Severity
from diagmesh.contract.verdicts import Verdict as Judged
from diagmesh.settings import RuleSettings
from support.children import Child
from support.ruling import USED, codes, found, judge, verdict, watched


def grown(likely_s: float | None = 3600.0, low: float = 1.0, over_s: float = 300.0, held: int = 300) -> Resources:
    until = None
    if likely_s is not None:
        limit = "soft limit of descriptors"
        until = ToLimit(limit=limit, headroom=likely_s, earliest_s=likely_s, likely_s=likely_s, latest_s=likely_s)
    trend = Trend(slope=1.0, slope_low=low, slope_high=1.0, over_s=over_s, samples=40, to_limit=until)
    told = Descriptors(held=held, bound=Bound.LIMITED, soft_limit=1000, share_of_limit=held / 1000, trend=trend)
    return replace(USED, descriptors=told)


@pytest.mark.parametrize(("likely_s", "severity"), [(7200.0, Severity.WARNING), (900.0, Severity.ERROR)])
def test_it_is_found_with_the_time_left(likely_s: float, severity: Severity) -> None:
    diagnosis = judge([grown(likely_s)])
    assert codes(diagnosis) == ["RES-006"]
    finding = found(diagnosis, "RES-006")
    assert finding.severity is severity
    assert finding.title.startswith("file descriptors grow by 60/min, 300 of 1000 held, limit met in ")


@pytest.mark.parametrize("answer", [grown(1e6), grown(None, low=-1.0), grown(low=0.01)], ids=["far", "none", "little"])
def test_little_or_slow_growth_is_clear(answer: Resources) -> None:
    assert verdict(judge([answer]), "RES-006").verdict is Judged.CLEAR


def test_near_the_limit_or_of_dead_connections_another_code_tells_it() -> None:
    assert codes(judge([grown(held=850)])) == ["RES-005"]
    dead = Sockets(total=260, established=0, close_wait=250)
    assert codes(judge([replace(grown(), sockets=dead)])) == ["RES-008"]
    assert codes(judge([replace(grown(held=850), sockets=replace(dead, close_wait=800))])) == ["RES-008"]


def limited(answer: Resources, bound: Bound, soft_limit: int | None) -> Resources:
    return replace(answer, descriptors=replace(answer.descriptors, bound=bound, soft_limit=soft_limit))


@pytest.mark.parametrize(
    "answer",
    [USED, limited(grown(None), Bound.UNKNOWN, None), grown(over_s=30.0)],
    ids=["no trend", "no limit", "short"],
)
def test_what_cannot_be_told_is_blind(answer: Resources) -> None:
    one = verdict(judge([answer]), "RES-006")
    assert (one.verdict, one.again_in_s) == (Judged.BLIND, None)


@pytest.mark.parametrize(
    ("answer", "again_in_s"),
    [
        (replace(USED, ring_samples=2, ring_over_s=0.5, watched_s=0.5), 3.5),
        (replace(grown(low=10.0, over_s=4.0), ring_samples=9, watched_s=4.2), 56.0),
    ],
)
def test_what_time_alone_will_tell_is_too_young_and_not_clear(answer: Resources, again_in_s: float) -> None:
    one = verdict(judge([answer]), "RES-006")
    assert (one.verdict, one.again_in_s) == (Judged.BLIND, again_in_s)


def test_without_any_limit_there_is_nothing_to_meet() -> None:
    assert verdict(judge([limited(grown(None), Bound.UNLIMITED, None)]), "RES-006").verdict is Judged.CLEAR


LEAKER = """
import os, resource, select, sys, time
resource.setrlimit(resource.RLIMIT_NOFILE, (4000, 4000))
print('ready', flush=True)
while not select.select([sys.stdin], [], [], 0.02)[0]:
    os.open('/dev/null', os.O_RDONLY)
time.sleep(120)
"""


async def test_a_real_leak_until_it_stops() -> None:
    quick = RuleSettings(code="RES-006", limits={"least_over_s": 1.0})
    with Child(LEAKER) as child:
        async with watched(quick, pid=child.pid) as it:
            leaking = await it.until("RES-006")
            assert "limit met in" in found(leaking, "RES-006").title
            assert child.process.stdin is not None
            child.process.stdin.write("enough\n")
            child.process.stdin.flush()
            await it.until()
