from contextlib import ExitStack
from typing import Any

import pytest
from msgspec.structs import replace

from diagmesh.adapters.neighbour import Neighbour
from diagmesh.contract.answers.cgroup import Bound, CgroupCpu
from diagmesh.contract.answers.resources import Cpu, CpuLately, Descriptors, ResourcesQuestion, Trend
from diagmesh.contract.verdicts import Verdict as Judged
from diagmesh.contract.wire import Reply
from diagmesh.settings import RuleSettings, TargetSettings
from diagmesh_agents.resources import resources
from support.children import Child
from support.ruling import ANY_DISK, USED, codes, found, judge, reply, verdict

MIB = 1 << 20
LEAK = Trend(slope=MIB, slope_low=MIB, slope_high=MIB, over_s=300.0, samples=40)


def one(number: int, **fields: Any) -> Reply:
    """A replica like the others, but for what is given."""
    cpu = Cpu(used_s=9.0, over_s=1.0, cores_used=fields.get("cores", 0.1 + number / 100), allowed_cpus=4)
    cores = fields.get("lately", cpu.cores_used or 0.0)
    lately = CpuLately(over_s=fields.get("over_s", 20.0), cores_used=cores, throttled_share=fields.get("throttled"))
    bound = CgroupCpu(bound=Bound.UNLIMITED)
    cpu = replace(cpu, throttled_share=fields.get("throttled"), lately=lately, cgroup=bound)
    told = Descriptors(held=fields.get("held", 20 + number), bound=Bound.LIMITED, soft_limit=1000, share_of_limit=0.1)
    memory = replace(USED.memory, rss_bytes=fields.get("rss", (100 + number) * MIB), trend=fields.get("trend"))
    process = replace(USED.process, uptime_s=fields.get("uptime_s", 7200.0))
    watched_s = fields.get("watched_s", 3600.0)
    answer = replace(USED, process=process, cpu=cpu, memory=memory, descriptors=told, watched_s=watched_s)
    return reply(answer, name=f"orders/i{number}")


@pytest.mark.parametrize(
    ("fields", "title"),
    [
        ({"rss": 900 * MIB}, "resident memory 900 MiB, its siblings 103 MiB (median of 5)"),
        ({"rss": 10 * MIB}, "resident memory 10 MiB, its siblings 102 MiB (median of 5)"),
        ({"cores": 2.5}, "CPU 2.5 cores, its siblings 0.13 cores (median of 5)"),
        ({"held": 300}, "file descriptors 300, its siblings 23 (median of 5)"),
    ],
)
def test_the_odd_one_is_found(fields: dict[str, Any], title: str) -> None:
    diagnosis = judge([*(one(number) for number in range(1, 5)), one(5, **fields)])
    assert codes(diagnosis) == ["MESH-003"]
    finding = found(diagnosis, "MESH-003")
    assert (finding.instances, finding.title) == (("orders/i5",), title)


@pytest.mark.parametrize(
    "replies",
    [
        [one(number) for number in range(1, 6)],
        [one(1), one(2), one(3, rss=900 * MIB)],
        [*(one(number) for number in range(1, 5)), one(5, rss=900 * MIB, uptime_s=60.0)],
        [*(one(number) for number in range(1, 5)), one(5, rss=150 * MIB)],
        [one(number, rss=number * 100 * MIB) for number in range(1, 7)],
        [*(one(number) for number in range(1, 5)), one(5, rss=900 * MIB, trend=LEAK)],
        [*(one(number) for number in range(1, 4)), one(4, rss=900 * MIB), one(5, rss=905 * MIB)],
        [*(one(number) for number in range(1, 7)), one(7, cores=1.5), one(8, cores=1.6), one(9, cores=1.7)],
        [*(one(number, rss=900 * MIB) for number in range(1, 5)), one(5, rss=300 * MIB, uptime_s=700.0)],
        [*(one(number) for number in range(1, 5)), one(5, cores=2.5, lately=0.2)],
    ],
    ids=[
        "alike",
        "too few",
        "young",
        "little",
        "all different",
        "leaking, which is told elsewhere",
        "two kinds",
        "three of nine",
        "younger",
        "a burst",
    ],
)
def test_what_is_not_odd_is_clear(replies: list[Reply]) -> None:
    assert verdict(judge(replies), "MESH-003").verdict is Judged.CLEAR


def test_a_throttled_one_is_told_once() -> None:
    assert codes(judge([*(one(number) for number in range(1, 5)), one(5, cores=2.5, throttled=0.3)])) == ["RES-002"]


def test_one_of_whom_a_value_is_missing_is_blind() -> None:
    told = verdict(judge([*(one(number) for number in range(1, 5)), one(5, held=None)]), "MESH-003")
    assert (told.verdict, told.not_judged[0].why) == (Judged.BLIND, "not seen of it: file descriptors")


def test_two_odd_ones_of_many_are_both_found() -> None:
    crowd = [one(number) for number in range(1, 9)]
    diagnosis = judge([*crowd, one(9, rss=900 * MIB), one(10, rss=10 * MIB)])
    assert found(diagnosis, "MESH-003").instances == ("orders/i10", "orders/i9")


def test_a_young_one_that_uses_much_more_is_found() -> None:
    crowd = [one(number, uptime_s=90_000.0) for number in range(1, 5)]
    assert found(judge([*crowd, one(5, rss=900 * MIB, uptime_s=700.0)]), "MESH-003").instances == ("orders/i5",)


def test_a_sidecar_that_was_started_a_moment_ago_is_too_young_to_tell_its_cpu() -> None:
    diagnosis = judge([*(one(number) for number in range(1, 5)), one(5, over_s=1.5, watched_s=1.5)])
    (told,) = verdict(diagnosis, "MESH-003").not_judged
    assert (told.instance, told.again_in_s) == ("orders/i5", 8.5)


HOLDER = """
import sys, time
kept = bytearray(b'x') * (int(sys.argv[1]) << 20)
print('ready', flush=True)
time.sleep(120)
"""


async def test_real_replicas_of_which_one_holds_much_more() -> None:
    settled = RuleSettings(code="MESH-003", limits={"settled_s": 0.0})
    with ExitStack() as stack:
        children = [stack.enter_context(Child(HOLDER, size)) for size in ("4", "5", "4", "5", "4", "150")]
        replies = []
        for number, child in enumerate(children):
            neighbour = Neighbour(TargetSettings(service="orders", pid=child.pid))
            replies.append(reply(await resources.look(ResourcesQuestion(), neighbour), name=f"orders/i{number}"))
        odd = judge(replies, settled, ANY_DISK)
        assert codes(odd) == ["MESH-003"]
        assert found(odd, "MESH-003").instances == ("orders/i5",)
        assert codes(judge(replies[:5], settled, ANY_DISK)) == []
