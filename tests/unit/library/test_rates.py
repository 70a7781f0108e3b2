"""CPU rates: against which earlier sample, over which interval, of the group or the process."""

from datetime import UTC, datetime

import pytest

from diagmesh.adapters.rates import cpu_between, earlier_of, lately_between, long_before
from diagmesh.contract.answers.cgroup import Bound, CgroupCpu
from diagmesh.contract.answers.resources import ProcessState, QuotaShareOf
from diagmesh.target import Look, Sample


def group(usage_s: float | None, periods: int, throttled: int, quota: float | None = 0.5) -> CgroupCpu:
    bound = Bound.UNLIMITED if quota is None else Bound.LIMITED
    return CgroupCpu(
        bound=bound, quota_cores=quota, usage_s=usage_s, periods=periods, throttled_periods=throttled, throttled_s=0.0
    )


def sample(at: float, cpu_s: float | None, cgroup: CgroupCpu | None = None, pid: int = 7) -> Sample:
    return Sample(at, pid, cpu_s, 0, 0, 1, cgroup)


def look(at: float, cpu_s: float, cgroup: CgroupCpu | None = None) -> Look:
    return Look(
        at=at,
        pid=7,
        state=ProcessState.RUNNING,
        started_at=datetime.now(UTC),
        uptime_s=at,
        cpu_s=cpu_s,
        rss_bytes=1,
        threads=1,
        cgroup_cpu=cgroup,
    )


def test_the_youngest_sample_that_is_a_second_old_is_taken() -> None:
    samples = [sample(at, at) for at in (90.0, 95.0, 98.5, 99.5)]
    chosen = earlier_of(samples, 100.0)
    assert chosen is not None
    assert chosen.at == 98.5


def test_a_young_ring_gives_its_oldest_sample_and_a_too_young_one_none() -> None:
    chosen = earlier_of([sample(99.5, 1.0), sample(99.7, 1.1)], 100.0)
    assert chosen is not None
    assert chosen.at == 99.5
    assert earlier_of([sample(99.9, 1.0)], 100.0) is None
    assert earlier_of([], 100.0) is None
    assert earlier_of([sample(50.0, None)], 100.0) is None


def test_lately_begins_with_the_oldest_sample_of_twenty_seconds() -> None:
    samples = [sample(70.0, 1.0), sample(79.9, 2.0), sample(80.0, None), sample(84.0, 3.0), sample(99.0, 18.0)]
    chosen = long_before(samples, 100.0)
    assert chosen is not None
    assert chosen.at == 84.0
    lately = lately_between(chosen, look(100.0, 11.0))
    assert lately is not None
    assert (lately.over_s, lately.cores_used, lately.throttled_share) == (16.0, 0.5, None)
    assert long_before([sample(70.0, 1.0)], 100.0) is None
    assert lately_between(None, look(100.0, 11.0)) is None


def test_use_and_throttling_are_those_of_the_interval() -> None:
    cpu = cpu_between(sample(10.0, 3.0, group(100.0, 1000, 900)), look(14.0, 4.0, group(101.5, 1040, 930)))
    assert (cpu.over_s, cpu.cores_used) == (4.0, 0.25)
    assert cpu.share_of_quota == pytest.approx(0.75)
    assert (cpu.share_of, cpu.throttled_share) == (QuotaShareOf.CGROUP, 0.75)


def test_without_the_group_s_own_count_the_process_is_held_against_the_quota_and_it_is_said() -> None:
    cpu = cpu_between(sample(10.0, 3.0, group(None, 0, 0)), look(12.0, 4.0, group(None, 0, 0)))
    assert (cpu.share_of_quota, cpu.share_of) == (1.0, QuotaShareOf.PROCESS)
    assert cpu.throttled_share == 0.0


def test_without_a_quota_there_is_no_share() -> None:
    cpu = cpu_between(sample(10.0, 3.0, group(1.0, 0, 0, None)), look(12.0, 4.0, group(2.0, 0, 0, None)))
    assert (cpu.share_of_quota, cpu.share_of, cpu.throttled_share) == (None, None, None)
    assert cpu.cores_used == 0.5


def test_counters_that_ran_backwards_are_of_another_group() -> None:
    cpu = cpu_between(sample(10.0, 3.0, group(9.0, 500, 400)), look(12.0, 4.0, group(1.0, 5, 4)))
    assert cpu.throttled_share is None
    assert cpu.share_of is QuotaShareOf.PROCESS


def test_another_process_is_never_compared_with() -> None:
    cpu = cpu_between(sample(10.0, 3.0, pid=8), look(12.0, 4.0))
    assert (cpu.cores_used, cpu.over_s, cpu.used_s) == (None, None, 4.0)
