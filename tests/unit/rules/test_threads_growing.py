import asyncio
from typing import Any

import pytest
from msgspec.structs import replace

from diagmesh.contract.answers.cgroup import Bound, CgroupPids
from diagmesh.contract.answers.resources import Resources, Threads, ToLimit, Trend
from diagmesh.contract.findings import Severity
from diagmesh.contract.verdicts import Verdict as Judged
from diagmesh.settings import RuleSettings
from support.children import Child
from support.quota import join, task_group
from support.ruling import USED, codes, found, judge, verdict, watched

FLAT = Trend(slope=0.0, slope_low=0.0, slope_high=0.0, over_s=300.0, samples=40)


def used(count: int | None = 8, usual: int | None = 8, trend: Trend | None = FLAT, **threads: Any) -> Resources:
    return replace(USED, threads=Threads(count=count, usual=usual, trend=trend, **threads))


def grown(slope: float = 1.0, low: float | None = None, over_s: float = 300.0, left: float | None = None) -> Resources:
    until = None
    if left is not None:
        until = ToLimit(
            limit="task limit of the cgroup",
            headroom=left,
            earliest_s=left / slope,
            likely_s=left / slope,
            latest_s=left / slope,
        )
    lowest = slope if low is None else low
    return used(
        400, 380, Trend(slope=slope, slope_low=lowest, slope_high=slope, over_s=over_s, samples=40, to_limit=until)
    )


@pytest.mark.parametrize(
    ("answer", "severity", "title"),
    [
        (used(58), Severity.WARNING, "has 58 threads, 50 more than usual"),
        (used(600, 400), Severity.WARNING, "has 600 threads, 200 more than usual"),
        (used(9000, 9000), Severity.ERROR, "has 9000 of 10000 threads"),
        (used(450, 450, soft_limit=500), Severity.ERROR, "has 450 of 500 threads"),
        (
            used(30, 28, cgroup=CgroupPids(bound=Bound.LIMITED, limit=100, current=93, share_of_limit=0.93)),
            Severity.ERROR,
            "tasks of its cgroup at 93 % of their limit (30 threads are its own)",
        ),
        (
            grown(1.0),
            Severity.WARNING,
            "threads grow by 60/min, 400 now, limit of 10000 threads met in 2.67 h",
        ),
        (
            grown(1.0, left=600.0),
            Severity.ERROR,
            "threads grow by 60/min, 400 now, task limit of the cgroup met in 10 min",
        ),
        (
            grown(1.0, left=60_000.0),
            Severity.WARNING,
            "threads grow by 60/min, 400 now, limit of 10000 threads met in 2.67 h",
        ),
    ],
)
def test_it_is_found(answer: Resources, severity: Severity, title: str) -> None:
    diagnosis = judge([answer])
    assert codes(diagnosis) == ["RES-009"]
    finding = found(diagnosis, "RES-009")
    assert (finding.severity, finding.title) == (severity, title)


@pytest.mark.parametrize(
    "answer",
    [
        used(),
        used(57),
        used(460, 400),
        used(3, 60),
        grown(0.1),
        grown(1.0, low=0.01),
        grown(1.0, low=-1.0),
        used(30, 30, cgroup=CgroupPids(bound=Bound.UNLIMITED)),
    ],
    ids=["few", "a few more", "more of many", "fewer", "slow", "little", "uncertain", "no limit"],
)
def test_as_many_as_usual_is_clear(answer: Resources) -> None:
    assert verdict(judge([answer]), "RES-009").verdict is Judged.CLEAR


@pytest.mark.parametrize("answer", [used(None), used(trend=None)], ids=["not seen", "brief"])
def test_what_could_not_be_seen_is_blind(answer: Resources) -> None:
    one = verdict(judge([answer]), "RES-009")
    assert (one.verdict, one.again_in_s) == (Judged.BLIND, None)


def young(answer: Resources, uptime_s: float) -> Resources:
    process = replace(answer.process, uptime_s=uptime_s)
    return replace(answer, process=process, ring_samples=20, ring_over_s=uptime_s, watched_s=uptime_s)


@pytest.mark.parametrize(
    ("answer", "again_in_s"),
    [
        (young(used(80), 100.0), 20.0),
        (young(grown(5.0, over_s=20.0), 20.0), 40.0),
        (replace(used(trend=None), ring_samples=2, watched_s=1.0), 3.0),
    ],
    ids=["it may still start", "growth at a start", "too few samples"],
)
def test_what_may_be_its_start_is_too_young_and_not_clear(answer: Resources, again_in_s: float) -> None:
    one = verdict(judge([answer]), "RES-009")
    assert (one.verdict, one.again_in_s) == (Judged.BLIND, again_in_s)


def test_a_start_hides_neither_a_clear_growth_nor_a_near_limit() -> None:
    steep = Trend(slope=2.0, slope_low=2.0, slope_high=2.0, over_s=100.0, samples=40)
    assert "grow by 120/min" in found(judge([young(used(300, 8, steep), 100.0)]), "RES-009").title
    assert "9100 of 10000" in found(judge([young(used(9100, 8), 100.0)]), "RES-009").title


def test_the_limits_can_be_set() -> None:
    assert codes(judge([used(58)], RuleSettings(code="RES-009", limits={"step_count": 100}))) == []
    assert codes(judge([young(used(58), 10.0)], RuleSettings(code="RES-009", limits={"settled_s": 5.0}))) == ["RES-009"]


STARTER = """
import sys, threading, time
print('ready', flush=True)
for line in sys.stdin:
    goes = threading.Event()
    threads = [threading.Thread(target=goes.wait, daemon=True) for _ in range(int(line))]
    for thread in threads:
        thread.start()
    print('started', flush=True)
    sys.stdin.readline()
    goes.set()
"""


async def started(child: Child) -> None:
    """All of them: else a look may come while they are being started."""
    assert child.process.stdout is not None
    assert (await asyncio.to_thread(child.process.stdout.readline)).strip() == "started"


async def test_real_threads_until_they_end() -> None:
    settled = RuleSettings(code="RES-009", limits={"settled_s": 0.0})
    with Child(STARTER) as child:
        async with watched(settled, pid=child.pid) as it:
            await it.samples(40)
            assert child.process.stdin is not None
            child.process.stdin.write("60\n")
            child.process.stdin.flush()
            await started(child)
            assert found(await it.until("RES-009"), "RES-009").title == "has 61 threads, 60 more than usual"
            child.process.stdin.write("enough\n")
            child.process.stdin.flush()
            await it.until()


async def test_a_real_limit_of_tasks_until_there_is_room_again() -> None:
    with task_group(30) as group, Child(STARTER) as child:
        join(group, child.pid)
        async with watched(pid=child.pid) as it:
            await it.samples(10)
            assert child.process.stdin is not None
            child.process.stdin.write("27\n")
            child.process.stdin.flush()
            await started(child)
            assert "of their limit (28 threads are its own)" in found(await it.until("RES-009"), "RES-009").title
            child.process.stdin.write("enough\n")
            child.process.stdin.flush()
            await it.until()
