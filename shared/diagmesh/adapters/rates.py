"""CPU use between two looks: cores, share of the quota, share of throttled periods."""

from collections.abc import Sequence
from typing import Final

from diagmesh.contract.answers.cgroup import CgroupCpu
from diagmesh.contract.answers.resources import Cpu, CpuLately, QuotaShareOf
from diagmesh.target import Look, Sample

__all__ = ["INTERVAL_S", "LATELY_S", "cpu_between", "earlier_of", "lately_between", "long_before"]

INTERVAL_S: Final = 1.0
"""The kernel counts CPU time in ticks of mostly 10 ms: over a second that is one percent of a core."""
_LEAST_S: Final = 0.25
LATELY_S: Final = 20.0
"""Two hundred periods of a usual quota: enough to tell a state from a burst, and soon over when the cause is gone."""


def earlier_of(samples: Sequence[Sample], now: float) -> Sample | None:
    """The sample to compare with: the youngest that is a second old, else the oldest if it is of any use."""
    for sample in reversed(samples):
        if sample.cpu_s is not None and now - sample.at >= INTERVAL_S:
            return sample
    first = next((sample for sample in samples if sample.cpu_s is not None), None)
    return first if first is not None and now - first.at >= _LEAST_S else None


def long_before(samples: Sequence[Sample], now: float) -> Sample | None:
    """The oldest sample of the last 20 s."""
    oldest = None
    for sample in reversed(samples):  # of the hundreds that a ring holds, a few are as young
        if now - sample.at > LATELY_S:
            break
        oldest = sample if sample.cpu_s is not None else oldest
    return oldest


def lately_between(earlier: Sample | None, look: Look) -> CpuLately | None:
    """The rates since a sample of long ago; None without one."""
    cpu = cpu_between(earlier, look)
    if cpu.over_s is None or cpu.cores_used is None:
        return None
    return CpuLately(
        over_s=cpu.over_s,
        cores_used=cpu.cores_used,
        share_of_quota=cpu.share_of_quota,
        throttled_share=cpu.throttled_share,
    )


def cpu_between(earlier: Sample | None, look: Look) -> Cpu:
    """The rates between an earlier sample and this look; without one only the totals."""
    group = look.cgroup_cpu
    if earlier is None or earlier.cpu_s is None or earlier.pid != look.pid or look.at <= earlier.at:
        return Cpu(used_s=look.cpu_s, allowed_cpus=look.allowed_cpus, cgroup=group)
    over_s = look.at - earlier.at
    cores = max(0.0, look.cpu_s - earlier.cpu_s) / over_s
    share, share_of = _share_of_quota(cores, over_s, earlier.cgroup_cpu, group)
    return Cpu(
        used_s=look.cpu_s,
        over_s=round(over_s, 3),
        cores_used=round(cores, 4),
        allowed_cpus=look.allowed_cpus,
        share_of_quota=share,
        share_of=share_of,
        throttled_share=_throttled(earlier.cgroup_cpu, group),
        cgroup=group,
    )


def _share_of_quota(
    cores: float, over_s: float, before: CgroupCpu | None, now: CgroupCpu | None
) -> tuple[float | None, QuotaShareOf | None]:
    if now is None or not now.quota_cores:
        return None, None
    if before is not None and before.usage_s is not None and now.usage_s is not None and now.usage_s >= before.usage_s:
        return round((now.usage_s - before.usage_s) / over_s / now.quota_cores, 4), QuotaShareOf.CGROUP
    return round(cores / now.quota_cores, 4), QuotaShareOf.PROCESS


def _throttled(before: CgroupCpu | None, now: CgroupCpu | None) -> float | None:
    if before is None or now is None or not now.quota_cores:
        return None
    counts = (before.periods, now.periods, before.throttled_periods, now.throttled_periods)
    if None in counts:
        return None
    periods = (now.periods or 0) - (before.periods or 0)
    throttled = (now.throttled_periods or 0) - (before.throttled_periods or 0)
    if periods < 0 or throttled < 0:
        return None  # another group: the process was moved
    return min(1.0, round(throttled / periods, 4)) if periods else 0.0  # nothing wanted to run, so nothing had to wait
