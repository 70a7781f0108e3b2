from typing import Any

import pytest
from msgspec.structs import replace

from diagmesh.contract.answers.cgroup import Bound, CgroupCpu
from diagmesh.contract.answers.resources import Cpu, CpuLately, Resources
from diagmesh.contract.findings import Severity
from diagmesh.contract.verdicts import Verdict as Judged
from diagmesh.contract.wire import Blind
from diagmesh.settings import RuleSettings
from support.children import Child
from support.quota import cpu_group, join
from support.ruling import USED, codes, found, judge, verdict, watched

QUOTA = CgroupCpu(bound=Bound.LIMITED, quota_cores=0.5)


def used(group: CgroupCpu | None = QUOTA, **cpu: Any) -> Resources:
    shares: dict[str, Any] = {"used_s": 9.0, "over_s": 1.2, "cores_used": 0.5, "allowed_cpus": 2, "cgroup": group}
    lately = CpuLately(over_s=20.0, cores_used=0.5, throttled_share=cpu.get("throttled_share"))
    return replace(USED, cpu=Cpu(**{**shares, "lately": lately, **cpu}))


@pytest.mark.parametrize(("share", "severity"), [(0.1, Severity.WARNING), (0.5, Severity.ERROR)])
def test_it_is_found_and_is_not_saturation(share: float, severity: Severity) -> None:
    diagnosis = judge([used(throttled_share=share, share_of_quota=1.0)])
    assert codes(diagnosis) == ["RES-002"]
    finding = found(diagnosis, "RES-002")
    assert finding.severity is severity
    assert finding.title == f"stopped by its CPU quota of 0.5 cores in {100 * share:g} % of the periods"


@pytest.mark.parametrize("answer", [used(throttled_share=0.05), used(CgroupCpu(bound=Bound.UNLIMITED))])
def test_one_that_need_not_wait_is_clear(answer: Resources) -> None:
    assert verdict(judge([answer]), "RES-002").verdict is Judged.CLEAR


@pytest.mark.parametrize("group", [None, QUOTA, CgroupCpu(bound=Bound.UNKNOWN)])
def test_a_quota_that_may_stand_out_of_sight_is_blind(group: CgroupCpu | None) -> None:
    assert verdict(judge([used(group)]), "RES-002").verdict is Judged.BLIND
    hidden = replace(used(group), blind=(Blind(what="cgroup", why="the ancestors are hidden"),))
    assert verdict(judge([hidden]), "RES-002").not_judged[0].why == "cgroup: the ancestors are hidden"


def test_one_throttled_period_of_ten_is_no_state() -> None:
    calm = CpuLately(over_s=20.0, cores_used=0.1, throttled_share=0.005)
    assert verdict(judge([used(throttled_share=0.1, lately=calm)]), "RES-002").verdict is Judged.CLEAR
    busy = CpuLately(over_s=20.0, cores_used=0.4, throttled_share=0.3)
    assert codes(judge([used(throttled_share=0.0, lately=busy)])) == ["RES-002"]


@pytest.mark.parametrize(("share", "again_in_s"), [(0.4, 7.0), (0.0, None)])
def test_a_start_that_is_throttled_is_too_young_to_judge(share: float, again_in_s: float | None) -> None:
    young = CpuLately(over_s=3.0, cores_used=0.4, throttled_share=share)
    one = verdict(judge([replace(used(throttled_share=share, lately=young), watched_s=3.0)]), "RES-002")
    assert one.again_in_s == again_in_s
    assert one.verdict is (Judged.BLIND if again_in_s else Judged.CLEAR)


BURNER = "print('ready', flush=True)\nwhile True: pass"


async def test_a_real_burner_in_a_small_quota_until_the_quota_is_lifted() -> None:
    # Alone in its group: once the quota is gone it may use a whole core, which is no fault here.
    free = RuleSettings(code="RES-001", limits={"busy_share": 1.5})
    soon = RuleSettings(code="RES-002", limits={"least_over_s": 2.0})
    with cpu_group(0.2) as group, Child(BURNER) as child:
        join(group, child.pid)
        async with watched(free, soon, pid=child.pid) as it:
            await it.until("RES-002")
            (group / "cpu.cfs_quota_us").write_text("-1", encoding="ascii")
            await it.until()
