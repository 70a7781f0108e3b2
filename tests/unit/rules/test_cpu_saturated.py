from typing import Any

import pytest
from msgspec.structs import replace

from diagmesh.contract.answers.cgroup import Pressures, PressureScope, Stall
from diagmesh.contract.answers.resources import Cpu, CpuLately, Resources
from diagmesh.contract.answers.surroundings import Host
from diagmesh.contract.verdicts import Verdict as Judged
from diagmesh.settings import RuleSettings
from support.children import Child
from support.ruling import USED, codes, found, judge, verdict, watched


def used(lately_s: float | None = 20.0, lately: dict[str, Any] | None = None, **cpu: Any) -> Resources:
    """Rates that hold for ``lately_s``, unless ``lately`` says otherwise."""
    told: dict[str, Any] = {"over_s": 1.2, "cores_used": 0.1, **cpu}
    rates: dict[str, Any] = {name: told.get(name) for name in ("cores_used", "share_of_quota", "throttled_share")} | (
        lately or {}
    )
    longer = CpuLately(over_s=lately_s, **rates) if lately_s is not None and rates["cores_used"] is not None else None
    return replace(USED, cpu=Cpu(**{"used_s": 9.0, "allowed_cpus": 2, "lately": longer, **told}))


@pytest.mark.parametrize(
    ("answer", "title"),
    [
        (used(cores_used=1.9), "uses 1.9 cores of 2 (95 %)"),
        (used(cores_used=0.5, share_of_quota=0.97, throttled_share=0.02), "uses 97 % of its CPU quota"),
    ],
)
def test_it_is_found_with_numbers(answer: Resources, title: str) -> None:
    diagnosis = judge([answer])
    assert codes(diagnosis) == ["RES-001"]
    assert found(diagnosis, "RES-001").title == title


def test_the_evidence_tells_who_else_waits() -> None:
    host = Host(
        cpus=2, load_1m=7.0, load_5m=3.0, load_15m=1.0, memory_total_bytes=1 << 30, memory_available_bytes=1 << 29
    )
    stall = Stall(some_avg10=0.4, some_avg60=0.2, some_avg300=0.1, some_total_s=9.0)
    pressure = Pressures(scope=PressureScope.HOST, cpu=stall)
    finding = found(judge([replace(used(cores_used=1.9), host=host, pressure=pressure)]), "RES-001")
    told = {fact.what: fact.value for fact in finding.evidence}
    assert (told["waiting for CPU (host, 10 s)"], told["load of the host (1 min)"]) == (0.4, 7.0)


@pytest.mark.parametrize(
    "answer", [used(), used(cores_used=1.0), used(share_of_quota=0.5), used(cores_used=1.9, throttled_share=0.4)]
)
def test_one_with_cpu_left_or_throttled_is_clear(answer: Resources) -> None:
    assert verdict(judge([answer]), "RES-001").verdict is Judged.CLEAR


@pytest.mark.parametrize(("watched_s", "again_in_s"), [(4.0, 6.0), (60.0, None), (None, None)])
def test_a_use_seen_too_shortly_is_too_young_at_a_start_only(watched_s: float | None, again_in_s: float | None) -> None:
    one = verdict(judge([replace(used(4.0, cores_used=1.9), watched_s=watched_s)]), "RES-001")
    assert (one.verdict, one.again_in_s) == (Judged.BLIND, again_in_s)


def test_a_burst_of_a_second_is_no_saturation_and_one_that_pauses_for_a_second_is() -> None:
    assert codes(judge([used(cores_used=2.0, lately={"cores_used": 0.4})])) == []
    assert codes(judge([used(cores_used=0.3, lately={"cores_used": 1.9})])) == ["RES-001"]


def test_a_young_one_that_is_idle_is_clear() -> None:
    assert verdict(judge([used(0.6, over_s=0.6)]), "RES-001").verdict is Judged.CLEAR


@pytest.mark.parametrize(
    "answer",
    [USED, used(cores_used=None), used(allowed_cpus=None), used(None, cores_used=1.9), used(None, over_s=0.1)],
)
def test_what_was_not_seen_for_long_is_blind(answer: Resources) -> None:
    assert verdict(judge([answer]), "RES-001").verdict is Judged.BLIND


BURNER = """
import os, sys, time
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
print('ready', flush=True)
sys.stdin.readline() if 'idle' in sys.argv else None
while True: pass
"""


async def test_a_real_burner_on_its_one_cpu_and_an_idle_one() -> None:
    shared_machine = RuleSettings(code="RES-001", limits={"busy_share": 0.1, "least_over_s": 2.0})
    with Child(BURNER) as child:
        async with watched(shared_machine, pid=child.pid) as it:
            assert "of 1 (" in found(await it.until("RES-001"), "RES-001").title
    with Child(BURNER, "idle") as child:
        async with watched(shared_machine, pid=child.pid) as it:
            await it.samples(25)
            quiet = await it.until()
            assert verdict(quiet, "RES-001").verdict is Judged.CLEAR
