import asyncio
from typing import Any

import pytest
from msgspec.structs import replace

from diagmesh.contract.answers.cgroup import Bound, CgroupMemory, MemoryEvents
from diagmesh.contract.answers.resources import Resources, ToLimit, Trend
from diagmesh.contract.findings import Severity
from diagmesh.contract.verdicts import Verdict as Judged
from diagmesh.settings import RuleSettings
from support.children import Child
from support.quota import join, memory_group
from support.ruling import USED, codes, found, judge, verdict, watched

MIB = 1 << 20
LEAK = Trend(
    slope=MIB, slope_low=MIB, slope_high=MIB, over_s=300.0, samples=40,
    to_limit=ToLimit(limit="memory limit of the cgroup", headroom=20 * MIB, earliest_s=20, likely_s=20, latest_s=20),
)  # fmt: skip


def used(bound: Bound = Bound.LIMITED, **group: Any) -> Resources:
    memory = replace(USED.memory, cgroup=CgroupMemory(**{"bound": bound, **group}))
    return replace(USED, memory=memory)


@pytest.mark.parametrize(("share", "severity"), [(0.9, Severity.WARNING), (0.97, Severity.ERROR)])
def test_it_is_found_with_what_is_left(share: float, severity: Severity) -> None:
    group: dict[str, Any] = {"share_of_limit": share, "headroom_bytes": 20 * MIB, "limit_bytes": 200 * MIB}
    diagnosis = judge(
        [used(**group, working_set_bytes=180 * MIB, share_at="/kubepods", events=MemoryEvents(oom_kill=2))]
    )
    assert codes(diagnosis) == ["RES-003"]
    finding = found(diagnosis, "RES-003")
    assert (finding.severity, finding.title) == (severity, f"memory at {100 * share:g} % of its limit, 20 MiB left")
    told = {fact.what: fact.value for fact in finding.evidence}
    assert told["processes killed for memory"] == 2
    assert "share of the limit (at /kubepods)" in told


def test_a_leak_that_is_near_the_limit_is_told_once_with_the_time_left() -> None:
    answer = used(share_of_limit=0.92)
    diagnosis = judge([replace(answer, memory=replace(answer.memory, trend=LEAK))])
    assert codes(diagnosis) == ["RES-003"]
    told = {fact.what: fact.value for fact in found(diagnosis, "RES-003").evidence}
    assert told["until memory limit of the cgroup"] == 20


@pytest.mark.parametrize("answer", [used(share_of_limit=0.5), used(Bound.UNLIMITED)])
def test_one_with_room_or_without_a_limit_is_clear(answer: Resources) -> None:
    assert verdict(judge([answer]), "RES-003").verdict is Judged.CLEAR


@pytest.mark.parametrize("answer", [USED, used(), used(Bound.UNKNOWN)])
def test_a_limit_that_could_not_be_seen_is_blind(answer: Resources) -> None:
    assert verdict(judge([answer]), "RES-003").verdict is Judged.BLIND


HOLDER = """
import sys
print('ready', flush=True)
for line in sys.stdin:
    held = bytearray(b'x') * int(line)
    print('held', flush=True)
"""


async def test_real_memory_near_a_real_limit_until_it_is_given_back() -> None:
    # The step up is no growth that goes on: RES-004 is told only of what grows for a minute or more.
    limit = RuleSettings(code="RES-003", limits={"near_share": 0.85})
    with memory_group(100 * MIB) as group, Child(HOLDER) as child:
        join(group, child.pid)
        async with watched(limit, pid=child.pid) as it:
            await it.until()
            assert child.process.stdin is not None
            assert child.process.stdout is not None
            child.process.stdin.write(f"{88 * MIB}\n")
            child.process.stdin.flush()
            # Else a look may come while it is being filled, at 85 MiB.
            assert (await asyncio.to_thread(child.process.stdout.readline)).strip() == "held"
            near = found(await it.until("RES-003"), "RES-003")
            assert near.severity is Severity.WARNING
            told = {fact.what: fact.value for fact in near.evidence}
            assert 0.85 <= float(str(told["share of the limit"])) < 0.97
            assert int(str(told["working set of the cgroup"])) >= 88 * MIB
            child.process.stdin.write("1\n")
            child.process.stdin.flush()
            await it.until()
