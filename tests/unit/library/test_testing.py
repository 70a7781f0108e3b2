import msgspec
import pytest

from diagmesh.contract.answers.health import Health, Verdict
from diagmesh.contract.answers.resources import ProcessState
from diagmesh.contract.mesh import Silent
from diagmesh.errors import NotRunning, Unreadable
from diagmesh.settings import RuleSettings
from diagmesh.target import Depth, Disk, Sample, Target
from diagmesh.testing import FakeProbe, FakeProcess, FakeRing, FakeTarget, answered, judged, refused
from diagmesh_rules.process_stopped import process_stopped
from support.ruling import UP


def sample(at: float) -> Sample:
    return Sample(at=at, pid=1, cpu_s=None, rss_bytes=None, descriptors=None, threads=None)


async def test_a_fake_process_shows_what_it_was_given_and_nothing_else() -> None:
    process = FakeProcess(ProcessState.RUNNING, NotRunning("gone"), depth=Depth(pss_bytes=5))
    assert process.state() is ProcessState.RUNNING
    for _ in range(2):  # the last one for good
        with pytest.raises(NotRunning):
            process.state()
    assert (await process.depth(0)).value.pss_bytes == 5
    with pytest.raises(Unreadable):
        process.look()
    with pytest.raises(Unreadable):
        await process.disks(0)
    assert (await FakeProcess(disk=Disk()).disks(0)).age_s == 0.0


def test_a_fake_ring_counts_its_window_from_the_last_sample() -> None:
    ring = FakeRing(sample(0), sample(5), sample(10))
    assert [each.at for each in ring.samples(5)] == [5, 10]
    assert len(ring.samples()) == 3
    assert FakeRing().samples(5) == ()
    assert ring.trends(60).rss is None


def test_a_fake_target_fits_its_process() -> None:
    empty: Target = FakeTarget()
    assert empty.sighting().running is False
    with pytest.raises(NotRunning):
        _ = empty.process
    target = FakeTarget(FakeProcess(pid=7), [FakeProbe("a")])
    assert (target.sighting().pid, target.process.pid) == (7, 7)
    target.now(restarts_seen=3)
    assert (target.sighting().restarts_seen, target.sighting().pid) == (3, 7)


def test_one_rule_is_judged_as_in_a_mesh() -> None:
    stopped = msgspec.structs.replace(
        UP,
        process_state=ProcessState.STOPPED,
        checks=(msgspec.structs.replace(UP.checks[0], verdict=Verdict.FAIL),),
    )
    said = judged(
        process_stopped,
        answered(stopped),
        answered(UP, at="orders/i2"),
        refused(Health, "busy", at="orders/i3"),
        silent=[Silent(service="orders", instance="i4", reason="silent: hung")],
    )
    (finding,), (verdict,) = said.findings, said.verdicts
    assert (finding.code, finding.instances) == ("PROC-002", ("orders/i1",))
    assert finding.advice.now
    assert verdict.judged == ("orders/i1", "orders/i2")
    assert {one.instance: one.why for one in verdict.not_judged} == {
        "orders/i3": "unavailable: 503 busy",
        "orders/i4": "silent: hung",
    }
    quiet = RuleSettings(code="PROC-002", suppress=True, why="a drill")
    assert judged(process_stopped, answered(stopped), settings=[quiet]).findings == ()
